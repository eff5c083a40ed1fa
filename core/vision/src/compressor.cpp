#include "fovea/vision/compressor.h"

#include "compressors/compressors.h"
#include "fovea/base/error.h"

namespace fovea::vision {
namespace {

struct Entry {
  const char* kind;
  CompressorPtr (*make)(const CompressorConfig&, int64_t, const nn::Factory&);
};
#define FOVEA_COMPRESSOR_ENTRY(kind) {#kind, make_##kind##_compressor},
constexpr Entry kCompressors[] = {FOVEA_COMPRESSORS(FOVEA_COMPRESSOR_ENTRY)};
#undef FOVEA_COMPRESSOR_ENTRY

}  // namespace

std::vector<std::string> compressor_kinds() {
  std::vector<std::string> out;
  for (const auto& entry : kCompressors) out.emplace_back(entry.kind);
  return out;
}

std::shared_ptr<CompressorImpl> make_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  for (const auto& entry : kCompressors)
    if (config.kind == entry.kind) return entry.make(config, in, factory);
  const std::string near = nearest_word(config.kind, compressor_kinds());
  throw ConfigError("[make_compressor] unknown kind '" + config.kind + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
}

at::Tensor place_waves(const at::Tensor& place) {
  const auto turns = at::pow(2.0, at::arange(kPlaceWaves, place.options()) - 1) * (2 * M_PI);  // half a turn over the page and up
  const auto angles = (place.unsqueeze(-1) * turns).flatten(-2);
  return at::cat({angles.sin(), angles.cos()}, -1);
}

at::Tensor patch_places(int64_t n, const at::Device& device) {
  const auto centres = (at::arange(n, at::TensorOptions().device(device).dtype(at::kFloat)) + 0.5) / double(n);
  return at::stack({centres.unsqueeze(0).expand({n, n}), centres.unsqueeze(1).expand({n, n})}, -1).reshape({n * n, 2});
}

}  // namespace fovea::vision

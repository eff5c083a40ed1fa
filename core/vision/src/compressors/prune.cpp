#include "compressors.h"

namespace fovea::vision {
namespace {

/// Projects every patch and keeps those of the largest norm, in reading order, each with its place. The patches' own norms would say nothing after the
/// tower's last norm, so the projection's do: gradients make a patch that matters long.
class PruneCompressorImpl : public CompressorImpl {
 public:
  PruneCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory) : factor_(side_factor(config)), channels_(config.channels.back()) {
    proj = register_module("proj", nn::Linear(in, channels_, config.bias, factory));
    place_proj = register_module("place_proj", nn::Linear(4 * kPlaceWaves, channels_, true, factory));
  }
  at::Tensor forward(const at::Tensor& features) override {
    const int64_t batch = features.size(0), n = features.size(2), g = n / factor_;
    const auto projected = proj(features.flatten(2).transpose(1, 2));  // [B, n*n, W]
    const auto norms = projected.detach().to(at::kFloat).norm(2, -1);
    const auto kept = std::get<0>(std::get<1>(norms.topk(g * g, -1)).sort(-1));  // [B, g*g]
    const auto tokens = projected.gather(1, kept.unsqueeze(-1).expand({batch, g * g, channels_}));
    const auto places = place_proj(place_waves(patch_places(n, features.device())).to(features.scalar_type()));  // [n*n, W]
    return (tokens + places.index_select(0, kept.flatten()).view({batch, g * g, channels_})).transpose(1, 2).reshape({batch, channels_, g, g});
  }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t factor_, channels_;
  nn::Linear proj{nullptr}, place_proj{nullptr};
};

}  // namespace

CompressorPtr make_prune_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<PruneCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

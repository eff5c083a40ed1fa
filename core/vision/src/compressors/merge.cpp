#include "compressors.h"

namespace fovea::vision {
namespace {

/// Token merging by similarity (ToMe: Bolya et al. 2023, arXiv 2210.09461, section 3): again and again the patches are split alternately into two sets, each of the
/// first is averaged into the most similar of the second, and half as many are left. What was merged keeps its mean place.
class MergeCompressorImpl : public CompressorImpl {
 public:
  MergeCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory)
      : halvings_(2 * int64_t(config.channels.size())), factor_(side_factor(config)), channels_(config.channels.back()) {
    proj = register_module("proj", nn::Linear(in, channels_, config.bias, factory));
    place_proj = register_module("place_proj", nn::Linear(4 * kPlaceWaves, channels_, true, factory));
  }
  at::Tensor forward(const at::Tensor& features) override {
    const int64_t batch = features.size(0), n = features.size(2), g = n / factor_;
    auto x = features.flatten(2).transpose(1, 2).to(at::kFloat);                              // [B, N, C]
    auto place = patch_places(n, features.device()).unsqueeze(0).expand({batch, n * n, 2});  // [B, N, 2]
    auto count = at::ones({batch, n * n, 1}, x.options());                                    // patches in a token
    for (int64_t i = 0; i < halvings_; ++i) {
      const auto joined = at::cat({x, place}, -1) * count;
      const auto from = joined.slice(1, 0, {}, 2), to = joined.slice(1, 1, {}, 2);
      at::Tensor target;
      {
        at::NoGradGuard no_grad;
        const auto unit = x / (x.norm(2, -1, true) + 1e-6);
        target = at::bmm(unit.slice(1, 0, {}, 2), unit.slice(1, 1, {}, 2).transpose(1, 2)).argmax(-1, true);  // [B, N/2, 1]
      }
      const auto sum = to.scatter_add(1, target.expand_as(from), from);
      count = count.slice(1, 1, {}, 2).scatter_add(1, target, count.slice(1, 0, {}, 2));
      const auto mean = sum / count;
      x = mean.slice(-1, 0, x.size(-1));
      place = mean.slice(-1, x.size(-1));
    }
    const auto type = features.scalar_type();
    const auto tokens = proj(x.to(type)) + place_proj(place_waves(place).to(type));  // [B, g*g, W]
    return tokens.transpose(1, 2).reshape({batch, channels_, g, g});
  }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t halvings_, factor_, channels_;
  nn::Linear proj{nullptr}, place_proj{nullptr};
};

}  // namespace

CompressorPtr make_merge_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<MergeCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

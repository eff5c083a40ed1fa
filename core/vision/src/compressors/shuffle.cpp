#include "compressors.h"

namespace fovea::vision {
namespace {

/// All patches of a cell side by side, projected (pixel shuffle as in InternVL, arXiv 2404.16821, section 3.1).
class ShuffleCompressorImpl : public CompressorImpl {
 public:
  ShuffleCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory)
      : factor_(side_factor(config)), channels_(config.channels.back()) {
    proj = register_module("proj", nn::Linear(in * factor_ * factor_, channels_, config.bias, factory));
  }
  at::Tensor forward(const at::Tensor& features) override {
    return proj(at::pixel_unshuffle(features, factor_).permute({0, 2, 3, 1})).permute({0, 3, 1, 2});
  }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t factor_, channels_;
  nn::Linear proj{nullptr};
};

}  // namespace

CompressorPtr make_shuffle_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<ShuffleCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

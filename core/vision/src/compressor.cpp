#include "fovea/vision/compressor.h"

#include "fovea/base/error.h"

namespace fovea::vision {
namespace {

/// The paper's: one 3x3 convolution of stride 2 a step; the first is named net_2 as in the checkpoint.
class ConvCompressorImpl : public CompressorImpl {
 public:
  ConvCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory) : activation_(config.activation) {
    for (size_t i = 0; i < config.channels.size(); ++i) {
      nn::Conv conv(in, config.channels[i], 3, 2, 1, config.bias, factory);
      convs_.push_back(register_module("net_" + std::to_string(i + 2), conv));
      in = config.channels[i];
    }
    out_channels_ = in;
  }
  at::Tensor forward(const at::Tensor& features) override {
    auto x = features;
    for (size_t i = 0; i < convs_.size(); ++i) {
      if (i > 0) x = nn::activate(x, activation_);
      x = convs_[i](x);
    }
    return x;
  }
  int64_t out_channels() const override { return out_channels_; }

 private:
  std::string activation_;
  std::vector<nn::Conv> convs_;
  int64_t out_channels_ = 0;
};

/// Mean over each cell of patches; no parameters.
class MeanCompressorImpl : public CompressorImpl {
 public:
  MeanCompressorImpl(const CompressorConfig& config, int64_t in) : factor_(int64_t(1) << config.channels.size()), channels_(in) {}
  at::Tensor forward(const at::Tensor& features) override { return at::avg_pool2d(features, factor_); }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t factor_, channels_;
};

}  // namespace

std::shared_ptr<CompressorImpl> make_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  if (config.kind == "conv") return std::make_shared<ConvCompressorImpl>(config, in, factory);
  if (config.kind == "mean") return std::make_shared<MeanCompressorImpl>(config, in);
  throw ConfigError("[make_compressor] kind must be conv or mean, got " + config.kind);
}

}  // namespace fovea::vision

#include "compressors.h"

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

}  // namespace

CompressorPtr make_conv_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<ConvCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

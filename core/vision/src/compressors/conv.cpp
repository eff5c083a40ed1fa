#include "compressors.h"
#include "fovea/nn/checkpoint.h"
#include "fovea/vision/clip.h"

namespace fovea::vision {
namespace {

constexpr int64_t kHeadDim = 64;

/// The global tower's layer on the compressor's channels, with an MLP twice as wide.
ClipConfig layer_config(int64_t width) {
  ClipConfig out;
  out.width = width, out.heads = width / kHeadDim, out.mlp_width = 2 * width;
  out.norm = "rms", out.norm_eps = 1e-6, out.activation = "gelu", out.bias = false, out.rotary = true, out.qk_norm = true;
  return out;
}

/// The paper's: one 3x3 convolution of stride 2 a step; the first is named net_2 as in the checkpoint. Ours: layers before the last step, where what is
/// left of a page is last seen before most of its numbers are dropped.
class ConvCompressorImpl : public CompressorImpl {
 public:
  ConvCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory) : activation_(config.activation) {
    for (size_t i = 0; i < config.channels.size(); ++i) {
      for (int64_t k = 0; k < config.layers && i + 1 == config.channels.size(); ++k)
        layers_.push_back(register_module("layer_" + std::to_string(k), ClipLayer(layer_config(in), factory)));
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
      if (i + 1 == convs_.size() && !layers_.empty()) x = layered(x);
      x = convs_[i](x);
    }
    return x;
  }
  int64_t out_channels() const override { return out_channels_; }

 private:
  /// [B, C, n, n] -> the same.
  at::Tensor layered(const at::Tensor& x) {
    const int64_t n = x.size(2), m = x.size(3);
    const auto rotary = nn::Rotary::grid(n, m, kHeadDim, 100.0, x.device());
    auto rows = x.flatten(2).transpose(1, 2).contiguous();
    for (auto& layer : layers_) rows = nn::checkpointed(rows, [&layer, rotary](const at::Tensor& y) { return layer(y, rotary); });
    return rows.transpose(1, 2).reshape(x.sizes());
  }
  std::string activation_;
  std::vector<nn::Conv> convs_;
  std::vector<ClipLayer> layers_;
  int64_t out_channels_ = 0;
};

}  // namespace

CompressorPtr make_conv_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<ConvCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

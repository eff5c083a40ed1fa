// The few layers everything is made of. Parameters are created uninitialised on a given device (meta included), so that a
// 3B model costs nothing to describe; initialise.h or weights fill them. Attribute names are the published checkpoint's.
// Shape letters: B batch, T positions, D width, H heads, d head width.
#pragma once
#include <torch/torch.h>

#include <string>

#include "fovea/nn/int8_linear.h"

namespace fovea::nn {

/// Where and as what parameters are created.
struct Factory {
  at::Device device{at::kCPU};
  at::ScalarType dtype{at::kFloat};
  at::Tensor empty(at::IntArrayRef shape) const {
    return at::empty(shape, at::TensorOptions().device(device).dtype(dtype));
  }
};

/// y = x W^T + b; weight [out, in].
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(int64_t in, int64_t out, bool with_bias, const Factory& factory);
  at::Tensor forward(const at::Tensor& x) {
    if (int8 && !at::GradMode::is_enabled() && x.numel() <= Int8Weight::kMaxRows * x.size(-1)) return int8->multiply(x);
    return at::linear(x, weight, bias);
  }
  at::Tensor weight, bias;                 ///< bias undefined without one
  std::shared_ptr<const Int8Weight> int8;  ///< set by pack_int8: the same values for products of a few rows
};
TORCH_MODULE(Linear);

/// NCHW convolution; weight [out, in, k, k].
class ConvImpl : public torch::nn::Module {
 public:
  ConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding, bool with_bias, const Factory& factory);
  at::Tensor forward(const at::Tensor& x);
  at::Tensor weight, bias;

 private:
  int64_t stride_, padding_;
};
TORCH_MODULE(Conv);

/// Lookup table [rows, width].
class EmbeddingImpl : public torch::nn::Module {
 public:
  EmbeddingImpl(int64_t rows, int64_t width, const Factory& factory);
  at::Tensor forward(const at::Tensor& ids) { return at::embedding(weight, ids); }
  at::Tensor weight;
};
TORCH_MODULE(Embedding);

enum class NormKind { kLayer, kRms };

/// LayerNorm or RMSNorm over the last axis. RMSNorm computes in float32, casts to the input's type, then multiplies by the weight
/// (DeepSeek's order). affine = false has no parameters.
class NormImpl : public torch::nn::Module {
 public:
  NormImpl(NormKind kind, int64_t width, bool affine, double eps, const Factory& factory);
  at::Tensor forward(const at::Tensor& x);
  /// {x + residual, its norm}: the step between two blocks of a residual network, in one pass where there is a kernel.
  std::pair<at::Tensor, at::Tensor> forward_sum(const at::Tensor& x, const at::Tensor& residual);
  at::Tensor weight, bias;
  const NormKind kind;
  const double eps;

 private:
  int64_t width_;
};
TORCH_MODULE(Norm);

/// LayerNorm over the channels of NCHW, biased variance.
class ChannelNormImpl : public torch::nn::Module {
 public:
  ChannelNormImpl(int64_t channels, double eps, const Factory& factory);
  at::Tensor forward(const at::Tensor& x);
  at::Tensor weight, bias;

 private:
  double eps_;
};
TORCH_MODULE(ChannelNorm);

/// The tensor in float32; undefined stays undefined.
inline at::Tensor as_float(const at::Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; }
/// x * sigmoid(1.702 x).
inline at::Tensor quick_gelu(const at::Tensor& x) { return x * at::sigmoid(x * 1.702); }
/// y + bias over the channels of y [B, C, H, W], bias [C]. Its gradient for the bias is a product with ones: LibTorch's sum over pages and places takes tens of times as
/// long as reading them does on a GPU (experiments/bench/README.md).
at::Tensor add_channel_bias(const at::Tensor& y, const at::Tensor& bias);
/// "gelu" (exact), "quick_gelu" or "none". Errors: ConfigError.
at::Tensor activate(const at::Tensor& x, const std::string& activation);

/// Rotary angles: cos and sin, each float32 [T, d/2], half-split pairing (element i with i + d/2).
struct Rotary {
  at::Tensor cos, sin;
  bool defined() const { return cos.defined(); }
  /// Angles of positions [first, first + count), computed in float32 as the reference does.
  static Rotary line(int64_t first, int64_t count, int64_t head_dim, double theta, const at::Device& device);
  /// Two axes for a grid of height x width cells, row-major: the first half of the pairs turns with y, the second with x.
  static Rotary grid(int64_t height, int64_t width, int64_t head_dim, double theta, const at::Device& device);
};

/// x [B, H, T, d] rotated; result in x's type.
at::Tensor rotate(const at::Tensor& x, const Rotary& rotary);

/// softmax(q k^T / sqrt(d)) v for q [B, H, T, d], k, v [B, Hk, S, d], H a multiple of Hk. causal: query i sees keys up to
/// i + S - T. One query row over a long cache takes a path without copies.
at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal);

}  // namespace fovea::nn

#include "fovea/nn/modules.h"

#include <ATen/Context.h>

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>

#include "fovea/base/error.h"
#include "fovea/cuda/grid_attention.h"
#include "fovea/cuda/ops.h"
#include "one_query_attention.h"

namespace fovea::nn {

LinearImpl::LinearImpl(int64_t in, int64_t out, bool with_bias, const Factory& factory) {
  weight = register_parameter("weight", factory.empty({out, in}));
  if (with_bias) bias = register_parameter("bias", factory.empty({out}));
}

ConvImpl::ConvImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding, bool with_bias,
                   const Factory& factory)
    : stride_(stride), padding_(padding) {
  weight = register_parameter("weight", factory.empty({out, in, kernel, kernel}));
  if (with_bias) bias = register_parameter("bias", factory.empty({out}));
}

namespace {
struct AddChannelBias : torch::autograd::Function<AddChannelBias> {
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& y, const at::Tensor& bias) { return y + bias.view({1, -1, 1, 1}); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*, torch::autograd::variable_list grads) {
    const auto& grad = grads[0];
    const auto rows = grad.permute({0, 2, 3, 1}).reshape({-1, grad.size(1)});  // a view where channels come last
    return {grad, at::mm(at::ones({1, rows.size(0)}, rows.options()), rows).squeeze(0)};
  }
};
}  // namespace

at::Tensor add_channel_bias(const at::Tensor& y, const at::Tensor& bias) { return AddChannelBias::apply(y, bias); }

at::Tensor ConvImpl::forward(const at::Tensor& x) {
  if (x.is_cuda() && bias.defined() && at::GradMode::is_enabled()) return add_channel_bias(at::conv2d(x, weight, {}, stride_, padding_), bias);
  return at::conv2d(x, weight, bias, stride_, padding_);
}

EmbeddingImpl::EmbeddingImpl(int64_t rows, int64_t width, const Factory& factory) {
  weight = register_parameter("weight", factory.empty({rows, width}));
}

NormImpl::NormImpl(NormKind kind, int64_t width, bool affine, double eps, const Factory& factory)
    : kind(kind), eps(eps), width_(width) {
  if (!affine) return;
  weight = register_parameter("weight", factory.empty({width}));
  if (kind == NormKind::kLayer) bias = register_parameter("bias", factory.empty({width}));
}

at::Tensor NormImpl::forward(const at::Tensor& x) {
  if (kind == NormKind::kLayer) return at::layer_norm(x, {width_}, weight, bias, eps);
  return cuda::rms_norm(x, weight, eps);
}

std::pair<at::Tensor, at::Tensor> NormImpl::forward_sum(const at::Tensor& x, const at::Tensor& residual) {
  if (kind == NormKind::kRms) return cuda::add_rms_norm(x, residual, weight, eps);
  const auto sum = x + residual;
  return {sum, forward(sum)};
}

ChannelNormImpl::ChannelNormImpl(int64_t channels, double eps, const Factory& factory) : eps_(eps) {
  weight = register_parameter("weight", factory.empty({channels}));
  bias = register_parameter("bias", factory.empty({channels}));
}

at::Tensor ChannelNormImpl::forward(const at::Tensor& x) {
  const auto centred = x - x.mean(1, /*keepdim=*/true);
  const auto variance = centred.pow(2).mean(1, /*keepdim=*/true);
  const auto normed = centred / at::sqrt(variance + eps_);
  return normed * weight.view({1, -1, 1, 1}) + bias.view({1, -1, 1, 1});
}

at::Tensor activate(const at::Tensor& x, const std::string& activation) {
  if (activation == "gelu") return at::gelu(x);
  if (activation == "quick_gelu") return cuda::quick_gelu(x);
  if (activation == "none") return x;
  throw ConfigError("[activate] activation must be gelu, quick_gelu or none, got " + activation);
}

static at::Tensor inverse_frequencies(int64_t pairs, double theta, const at::Device& device) {
  const auto exponent = at::arange(pairs, at::TensorOptions().dtype(at::kFloat).device(device)) / double(pairs);
  return 1.0 / at::pow(at::Scalar(theta), exponent);
}

Rotary Rotary::line(int64_t first, int64_t count, int64_t head_dim, double theta, const at::Device& device) {
  const auto positions = at::arange(first, first + count, at::TensorOptions().dtype(at::kFloat).device(device));
  const auto angles = positions.unsqueeze(1) * inverse_frequencies(head_dim / 2, theta, device).unsqueeze(0);
  return {angles.cos().contiguous(), angles.sin().contiguous()};
}

static Rotary grid_angles(int64_t height, int64_t width, int64_t head_dim, double theta, const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto frequencies = inverse_frequencies(head_dim / 4, theta, device);  // [d/4] for each axis
  const auto y = (at::arange(height, options).unsqueeze(1) * frequencies).unsqueeze(1).expand({height, width, head_dim / 4});
  const auto x = (at::arange(width, options).unsqueeze(1) * frequencies).unsqueeze(0).expand({height, width, head_dim / 4});
  const auto angles = at::cat({y, x}, -1).reshape({height * width, head_dim / 2});
  return {angles.cos().contiguous(), angles.sin().contiguous()};
}

// A dozen launches on a GPU for every layer of every step, and pages come in few sizes: kept. The store is never taken down, so that no tensor outlives its device.
Rotary Rotary::grid(int64_t height, int64_t width, int64_t head_dim, double theta, const at::Device& device) {
  if (!device.is_cuda() || at::InferenceMode::is_enabled()) return grid_angles(height, width, head_dim, theta, device);
  using Key = std::tuple<int64_t, int64_t, int64_t, double, int>;
  static auto& store = *new std::map<Key, Rotary>;
  static auto& mutex = *new std::mutex;
  const Key key{height, width, head_dim, theta, int(device.index())};
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = store.find(key);
  if (found != store.end()) return found->second;
  const auto made = grid_angles(height, width, head_dim, theta, device);
  if (store.size() >= 64) store.clear();
  store.emplace(key, made);
  return made;
}

at::Tensor rotate(const at::Tensor& x, const Rotary& rotary) {
  const auto halves = x.chunk(2, -1);
  const auto c = rotary.cos.to(x.scalar_type()), s = rotary.sin.to(x.scalar_type());
  return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
}

// cuDNN's attention presumably plans anew for every shape, and pages come in all lengths. Measured: training 3.4 times as fast
// without it (experiments/LOG.md, 2026-11-22).
static const bool without_cudnn_attention = [] {
  at::globalContext().setSDPUseCuDNN(false);
  return true;
}();

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, bool causal) {
  const int64_t batch = q.size(0), heads = q.size(1), rows = q.size(2), dim = q.size(3);
  const int64_t kv_heads = k.size(1), keys = k.size(2);
  if (rows == 1 && !q.requires_grad() && can_attend_one_query(q, k, v)) return attend_one_query(q, k, v);
  if (rows == 1 && !q.requires_grad()) {
    // One query a sequence: the heads that share a key head become the rows of one product; views only.
    const auto qg = (q * (1.0 / std::sqrt(double(dim)))).reshape({batch * kv_heads, heads / kv_heads, dim});
    const auto kk = k.view({batch * kv_heads, keys, dim}), vv = v.view({batch * kv_heads, keys, dim});
    const auto weights = at::softmax(at::bmm(qg, kk.transpose(1, 2)), -1, at::kFloat).to(q.scalar_type());
    return at::bmm(weights, vv).view({batch, heads, 1, dim});
  }
  if (causal && rows != keys) {
    const auto mask = at::ones({rows, keys}, q.options().dtype(at::kBool)).tril(keys - rows);
    return at::scaled_dot_product_attention(q, k, v, mask, 0.0, false, std::nullopt, heads != kv_heads);
  }
  return at::scaled_dot_product_attention(q, k, v, {}, 0.0, causal, std::nullopt, heads != kv_heads);
}

}  // namespace fovea::nn

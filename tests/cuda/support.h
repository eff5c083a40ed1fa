// Comparisons and references for the kernels' tests. A reference is the twin in fp32 on the same bfloat16 values.
#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "fovea/cuda/ops.h"

namespace fovea::cuda::test {

using torch::Tensor;

/// One rounding to bfloat16 is at most 2^-9 of the value; 2^-8 leaves room for fp32's own differences.
constexpr double kBf16Relative = 1.0 / 256;
constexpr double kFp32Relative = 2e-5;

/// |actual - expected| <= relative * |expected| + absolute, everywhere; NaN must meet NaN.
inline ::testing::AssertionResult close(const Tensor& actual, const Tensor& expected, double relative, double absolute) {
  if (!actual.defined() || !expected.defined()) return ::testing::AssertionFailure() << "undefined tensor";
  if (actual.sizes() != expected.sizes())
    return ::testing::AssertionFailure() << "shape " << actual.sizes() << " instead of " << expected.sizes();
  const auto a = actual.detach().cpu().to(torch::kFloat64).reshape(-1);
  const auto b = expected.detach().cpu().to(torch::kFloat64).reshape(-1);
  const auto excess = (a - b).abs() - relative * b.abs() - absolute;
  const auto bad = (excess > 0).logical_or(a.isnan() != b.isnan());
  const int64_t num_bad = bad.sum().item<int64_t>();
  if (num_bad == 0) return ::testing::AssertionSuccess();
  const int64_t first = bad.to(torch::kInt32).argmax().item<int64_t>();
  return ::testing::AssertionFailure() << num_bad << " of " << a.numel() << " values off, the first at " << first << ": "
                                       << a[first].item<double>() << " instead of " << b[first].item<double>()
                                       << "; largest gap " << (a - b).abs().max().item<double>();
}

inline Tensor fp32_leaf(const Tensor& x) {
  return x.defined() ? x.detach().to(torch::kFloat32).requires_grad_() : Tensor();
}
/// Values that bfloat16 holds exactly, in fp32.
inline Tensor random_bf16(at::IntArrayRef shape, double scale = 1.0) {
  return (torch::randn(shape) * scale).to(torch::kBFloat16);
}

/// Rotation tables as training makes them.
inline std::pair<Tensor, Tensor> rope_tables(int64_t tokens, int64_t half) {
  const auto frequency = torch::pow(10000.0, -torch::arange(half).to(torch::kFloat32) / double(half));
  const auto angle = torch::arange(tokens).to(torch::kFloat32).unsqueeze(1) * frequency.unsqueeze(0);
  return {angle.cos(), angle.sin()};
}

struct NormReference {
  Tensor sum, y, grad_x, grad_weight;
};
/// rms_norm of x (+ residual, the sum rounded to bfloat16), with gradients for grad_y and grad_sum (or none).
inline NormReference norm_reference(const Tensor& x,
                                    const Tensor& residual,
                                    const Tensor& weight,
                                    double eps,
                                    const Tensor& grad_y,
                                    const Tensor& grad_sum) {
  NormReference out;
  const auto rounded = residual.defined() ? (x.to(torch::kFloat32) + residual.to(torch::kFloat32)).to(torch::kBFloat16) : x;
  const auto leaf = fp32_leaf(rounded), w = fp32_leaf(weight);
  out.sum = rounded;
  out.y = twin::rms_norm(leaf, w, eps);
  out.y.backward(grad_y.to(torch::kFloat32));
  out.grad_x = grad_sum.defined() ? leaf.grad() + grad_sum.to(torch::kFloat32) : leaf.grad();
  if (w.defined()) out.grad_weight = w.grad();
  return out;
}

struct QkReference {
  Qkv out;
  Tensor grad_qkv, grad_gain;
};
inline QkReference qk_reference(const Tensor& qkv,
                                const QkNormRopeOptions& options,
                                const Tensor& gain,
                                const Tensor& cos,
                                const Tensor& sin,
                                const Qkv& grads) {
  QkReference reference;
  const auto leaf = fp32_leaf(qkv), gain_leaf = fp32_leaf(gain);
  reference.out = twin::qk_norm_rope(leaf, options, gain_leaf, cos, sin);
  torch::autograd::backward({reference.out.q, reference.out.k, reference.out.v},
                            {grads.q.to(torch::kFloat32), grads.k.to(torch::kFloat32), grads.v.to(torch::kFloat32)});
  reference.grad_qkv = leaf.grad();
  if (gain_leaf.defined()) reference.grad_gain = gain_leaf.grad();
  return reference;
}

struct QkCase {
  int64_t batch, tokens, q_heads, kv_heads, head_dim;
  bool normalize, gain, rope;
};
inline const std::vector<QkCase>& qk_cases() {
  static const std::vector<QkCase> cases = {
      {1, 1, 1, 1, 64, true, true, true},   {2, 7, 5, 5, 64, true, true, true},    {3, 5, 6, 2, 128, true, true, true},
      {2, 9, 3, 1, 128, true, false, true}, {1, 13, 4, 2, 64, false, true, false}, {2, 3, 2, 2, 64, true, false, false},
      {1, 11, 3, 3, 128, false, false, true}};
  return cases;
}
inline std::string describe(const QkCase& c) {
  return "B " + std::to_string(c.batch) + " T " + std::to_string(c.tokens) + " Hq " + std::to_string(c.q_heads) + " Hk " +
         std::to_string(c.kv_heads) + " d " + std::to_string(c.head_dim) + (c.normalize ? " norm" : "") +
         (c.gain ? " gain" : "") + (c.rope ? " rope" : "");
}
inline QkNormRopeOptions options_of(const QkCase& c) {
  QkNormRopeOptions options;
  options.num_q_heads = c.q_heads;
  options.num_kv_heads = c.kv_heads;
  options.head_dim = c.head_dim;
  options.normalize = c.normalize;
  return options;
}

/// Targets in [0, classes), the last of three or more rows ignored, the one before it out of range.
inline Tensor awkward_targets(int64_t rows, int64_t classes) {
  auto targets = torch::randint(0, classes, {rows}, torch::kInt64);
  if (rows >= 3) {
    targets[rows - 1] = -100;
    targets[rows - 2] = classes;
  }
  return targets;
}

}  // namespace fovea::cuda::test

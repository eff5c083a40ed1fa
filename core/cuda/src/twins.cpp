// The definitions that the kernels are held to.
#include <torch/torch.h>

#include <limits>

#include "fovea/cuda/ops.h"

namespace fovea::cuda::twin {
namespace {

/// fp32 for 16-bit types, else x's own type.
torch::Tensor widen(const torch::Tensor& x) {
  const auto dtype = x.scalar_type();
  return dtype == torch::kBFloat16 || dtype == torch::kFloat16 ? x.to(torch::kFloat32) : x;
}

torch::Tensor normalized(const torch::Tensor& wide, double eps) {
  return wide * torch::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps);
}

/// x [B, T, heads, d]; cos, sin [T, d/2] in x's dtype.
torch::Tensor rotate(const torch::Tensor& x, const torch::Tensor& cos, const torch::Tensor& sin) {
  const auto c = cos.unsqueeze(1), s = sin.unsqueeze(1);  // [T, 1, d/2]
  const auto halves = x.chunk(2, -1);
  return torch::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1);
}

}  // namespace

torch::Tensor swiglu2(const torch::Tensor& gate, const torch::Tensor& up) {
  return (torch::silu(widen(gate)) * widen(up)).to(gate.scalar_type());
}

torch::Tensor swiglu(const torch::Tensor& gate_up) {
  const auto halves = gate_up.chunk(2, -1);
  return swiglu2(halves[0], halves[1]);
}

torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight, double eps) {
  auto y = normalized(widen(x), eps);
  if (weight.defined()) y = y * weight.to(y.scalar_type());
  return y.to(x.scalar_type());
}

std::pair<torch::Tensor, torch::Tensor> add_rms_norm(const torch::Tensor& x,
                                                     const torch::Tensor& residual,
                                                     const torch::Tensor& weight,
                                                     double eps) {
  const auto sum = x + residual;
  return {sum, rms_norm(sum, weight, eps)};
}

Qkv qk_norm_rope(const torch::Tensor& qkv,
                 const QkNormRopeOptions& options,
                 const torch::Tensor& q_gain,
                 const torch::Tensor& cos,
                 const torch::Tensor& sin) {
  const int64_t hq = options.num_q_heads, hk = options.num_kv_heads;
  const auto heads = widen(qkv).reshape({qkv.size(0), qkv.size(1), hq + 2 * hk, options.head_dim});
  auto q = heads.narrow(2, 0, hq), k = heads.narrow(2, hq, hk);
  const auto v = heads.narrow(2, hq + hk, hk);
  if (options.normalize) {
    q = normalized(q, options.eps);
    k = normalized(k, options.eps);
  }
  if (q_gain.defined()) q = q * q_gain.to(q.scalar_type()).unsqueeze(-1);
  if (cos.defined()) {
    const auto c = cos.to(q.scalar_type()), s = sin.to(q.scalar_type());
    q = rotate(q, c, s);
    k = rotate(k, c, s);
  }
  const auto finish = [&](const torch::Tensor& x) { return x.transpose(1, 2).to(qkv.scalar_type()).contiguous(); };
  return {finish(q), finish(k), finish(v)};
}

CrossEntropy cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets) {
  const auto wide = widen(logits);
  const int64_t classes = logits.size(1);
  const auto safe = targets.clamp(0, classes - 1).unsqueeze(1);
  const auto nll = torch::logsumexp(wide, 1) - wide.gather(1, safe).squeeze(1);
  const auto zero = torch::zeros({}, nll.options());
  const auto nan = torch::full({}, std::numeric_limits<double>::quiet_NaN(), nll.options());
  const auto loss = torch::where(targets < 0, zero, torch::where(targets >= classes, nan, nll));
  // First of equal maxima, whatever the device's argmax does.
  const auto values = wide.detach();
  const auto index = torch::arange(classes, targets.options());
  const auto last = torch::full({}, classes, targets.options());
  const auto first = torch::where(values == values.amax(1, /*keepdim=*/true), index, last).amin(1);
  return {loss, first == targets};
}

}  // namespace fovea::cuda::twin

// Fused operations for training. Each is differentiable and comes twice: here, with a CUDA kernel where there is one for
// the tensors at hand, and in namespace twin, in plain LibTorch, which defines what the kernel computes.
//
// Note: When a kernel runs
// If the build has CUDA (has_kernels) and the first argument is bfloat16 on a CUDA device. Everything else (CPU, fp32, fp64,
// fp16) runs the twin. Kernels read and write bfloat16 and compute in fp32; they keep what backward needs in bfloat16 or
// recompute it. Twins compute in the tensor's own type, in fp32 for 16-bit types. Kernels have no second derivative.
// Results of kernels are the same bits on every run: no atomics.
//
// All tensors are row-major; what is not contiguous is made so first. An undefined tensor (the default {}) means "none".
// Errors, common to all: ShapeError naming the op if rank, size, dtype or device of an argument is not as documented.
// Thread safety: free functions without state; they use the calling thread's current stream.
#pragma once
#include <cstdint>
#include <utility>

#include <torch/types.h>

namespace fovea::cuda {

/// Whether this build has CUDA kernels.
bool has_kernels();

/// silu(gate) * up, gate the first H columns, up the last H.
/// Shapes   gate_up [..., 2H] -> [..., H]; dtype kept.
torch::Tensor swiglu(const torch::Tensor& gate_up);

/// silu(gate) * up.
/// Shapes   gate [..., H], up [..., H] -> [..., H]; dtype kept, the same for both.
torch::Tensor swiglu2(const torch::Tensor& gate, const torch::Tensor& up);

/// x / sqrt(mean(x^2) + eps) * weight, over the last dimension.
/// Shapes   x [..., D], weight [D] or none -> [..., D]; dtype of x. The weight may be fp32 or x's dtype.
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight = {}, double eps = 1e-6);

/// The step between two blocks of a residual network: sum = x + residual (rounded to the dtype), y = rms_norm(sum).
/// Shapes   x, residual [..., D], weight [D] or none -> {sum, y}, each [..., D]; dtype of x.
std::pair<torch::Tensor, torch::Tensor> add_rms_norm(const torch::Tensor& x,
                                                     const torch::Tensor& residual,
                                                     const torch::Tensor& weight = {},
                                                     double eps = 1e-6);

struct QkNormRopeOptions {
  int64_t num_q_heads = 1;   ///< Hq
  int64_t num_kv_heads = 1;  ///< Hk
  int64_t head_dim = 64;     ///< d; kernels exist for 64 and 128, the twin takes any even one
  bool normalize = true;     ///< RMS norm without weight of each head of q and k
  double eps = 1e-6;
};
struct Qkv {
  torch::Tensor q;  ///< [B, Hq, T, d]
  torch::Tensor k;  ///< [B, Hk, T, d]
  torch::Tensor v;  ///< [B, Hk, T, d]
};

/// From the fused projection to attention's inputs: splits, normalises each head of q and k, multiplies q by its head's
/// gain, rotates q and k by position (half-split: lo' = lo c - hi s, hi' = hi c + lo s, lo and hi the halves of a head),
/// and transposes.
/// Shapes   qkv [B, T, (Hq + 2 Hk) d], columns q heads, then k heads, then v heads; q_gain [Hq] fp32 or none;
///          cos, sin [T, d/2] fp32, both or none -> contiguous q, k, v in the dtype of qkv.
/// Gradients for qkv and q_gain; cos and sin are constants.
/// Errors   UnsupportedError if a CUDA bfloat16 qkv has a head_dim without a kernel or B T (Hq + 2 Hk) >= 2^31.
Qkv qk_norm_rope(const torch::Tensor& qkv,
                 const QkNormRopeOptions& options,
                 const torch::Tensor& q_gain = {},
                 const torch::Tensor& cos = {},
                 const torch::Tensor& sin = {});

struct CrossEntropy {
  torch::Tensor loss;     ///< [N] fp32 (fp64 for fp64 logits), not reduced
  torch::Tensor correct;  ///< [N] bool: the target is the first largest logit, what greedy decoding would pick
};

/// -log softmax(logits)[target]. The gradient is written in the dtype of the logits; no fp32 copy of them is ever made.
/// Shapes   logits [N, V], targets [N] int64 -> loss [N], correct [N].
/// Targets  negative: ignored (loss and gradient 0, not correct). V or more: loss NaN, so that it shows; gradient 0.
CrossEntropy cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);

/// The definitions, in differentiable LibTorch operations, for any floating dtype and device. Arguments as above.
namespace twin {
torch::Tensor swiglu(const torch::Tensor& gate_up);
torch::Tensor swiglu2(const torch::Tensor& gate, const torch::Tensor& up);
torch::Tensor rms_norm(const torch::Tensor& x, const torch::Tensor& weight = {}, double eps = 1e-6);
std::pair<torch::Tensor, torch::Tensor> add_rms_norm(const torch::Tensor& x,
                                                     const torch::Tensor& residual,
                                                     const torch::Tensor& weight = {},
                                                     double eps = 1e-6);
Qkv qk_norm_rope(const torch::Tensor& qkv,
                 const QkNormRopeOptions& options,
                 const torch::Tensor& q_gain = {},
                 const torch::Tensor& cos = {},
                 const torch::Tensor& sin = {});
CrossEntropy cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);
}  // namespace twin

}  // namespace fovea::cuda

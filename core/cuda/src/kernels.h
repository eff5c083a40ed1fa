// Launch functions of the CUDA kernels: raw device pointers, sizes in elements, a stream. No torch here, so that nvcc takes
// a second a file. Pointers to bfloat16 are void*. Empty sizes launch nothing. Each returns cudaGetLastError().
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace fovea::cuda::kernels {

/// gate and up [rows, columns] with row strides (so both may lie in one [rows, 2 * columns]); out, grad_out contiguous.
cudaError_t swiglu_forward(const void* gate,
                           const void* up,
                           int64_t in_row_stride,
                           void* out,
                           int64_t rows,
                           int64_t columns,
                           cudaStream_t stream);
/// grad_gate and grad_up have in_row_stride too.
cudaError_t swiglu_backward(const void* grad_out,
                            const void* gate,
                            const void* up,
                            int64_t in_row_stride,
                            void* grad_gate,
                            void* grad_up,
                            int64_t rows,
                            int64_t columns,
                            cudaStream_t stream);

/// A norm's weight [columns]: none, bfloat16 or fp32.
struct NormWeight {
  enum Kind : int { kNone, kBFloat16, kFloat32 };
  const void* data = nullptr;
  Kind kind = kNone;
};
/// y = rms_norm(x); with residual (else null): sum = x + residual, y = rms_norm(sum). rstd [rows] is kept for backward.
cudaError_t rms_norm_forward(const void* x,
                             const void* residual,
                             NormWeight weight,
                             void* sum,
                             void* y,
                             float* rstd,
                             int64_t rows,
                             int64_t columns,
                             float eps,
                             cudaStream_t stream);
/// x is what was normalised. grad_sum (or null) is added to grad_x.
cudaError_t rms_norm_backward(const void* grad_y,
                              const void* x,
                              const float* rstd,
                              NormWeight weight,
                              const void* grad_sum,
                              void* grad_x,
                              int64_t rows,
                              int64_t columns,
                              cudaStream_t stream);
/// partial [parts, columns]: sums of grad_y * x * rstd over the rows r = part (mod parts). The caller adds the parts.
cudaError_t rms_norm_backward_weight(const void* grad_y,
                                     const void* x,
                                     const float* rstd,
                                     float* partial,
                                     int64_t parts,
                                     int64_t rows,
                                     int64_t columns,
                                     cudaStream_t stream);

struct QkNormRope {
  const void* qkv = nullptr;    // [batch, tokens, (q_heads + 2 * kv_heads) * head_dim]
  const float* gain = nullptr;  // [q_heads] or null
  const float* cos = nullptr;   // [tokens, head_dim / 2] or null
  const float* sin = nullptr;
  int batch = 0;
  int tokens = 0;
  int q_heads = 0;
  int kv_heads = 0;
  int head_dim = 0;  // 64 or 128
  bool normalize = true;
  float eps = 0;
};
/// Gradient of one output [batch, heads, tokens, head_dim]; the last stride is 1, the others even.
struct HeadGrad {
  const void* data = nullptr;
  int64_t batch_stride = 0;
  int64_t head_stride = 0;
  int64_t token_stride = 0;
};
/// q [batch, q_heads, tokens, head_dim], k and v [batch, kv_heads, tokens, head_dim]. cudaErrorInvalidValue for another
/// head_dim.
cudaError_t qk_norm_rope_forward(const QkNormRope& in, void* q, void* k, void* v, cudaStream_t stream);
/// grad_qkv as qkv; gain_partial [batch * tokens, q_heads] (used if gain is given), to be summed by the caller.
cudaError_t qk_norm_rope_backward(const QkNormRope& in,
                                  HeadGrad grad_q,
                                  HeadGrad grad_k,
                                  HeadGrad grad_v,
                                  void* grad_qkv,
                                  float* gain_partial,
                                  cudaStream_t stream);

/// logits [rows, classes]; lse is kept for backward.
cudaError_t cross_entropy_forward(const void* logits,
                                  const int64_t* targets,
                                  float* loss,
                                  bool* correct,
                                  float* lse,
                                  int64_t rows,
                                  int64_t classes,
                                  cudaStream_t stream);
cudaError_t cross_entropy_backward(const void* logits,
                                   const int64_t* targets,
                                   const float* lse,
                                   const float* grad_loss,
                                   void* grad_logits,
                                   int64_t rows,
                                   int64_t classes,
                                   cudaStream_t stream);

}  // namespace fovea::cuda::kernels

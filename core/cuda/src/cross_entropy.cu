// Cross entropy over the last dimension: a block a row, one read of the logits forward, one read and one write backward.
#include "device.cuh"

#include <cfloat>
#include <climits>

namespace fovea::cuda::kernels {
namespace {

constexpr int kMaxWarps = 8;

/// Largest value so far, where it first is, and the sum of exp(value - max).
struct Running {
  float max = -FLT_MAX;  // finite, so that max - max is 0 and not NaN
  float sum = 0;
  int index = INT_MAX;
};
__device__ __forceinline__ Running merge(const Running& a, const Running& b) {
  Running out;
  const bool take_b = b.max > a.max || (b.max == a.max && b.index < a.index);
  out.max = take_b ? b.max : a.max;
  out.index = take_b ? b.index : a.index;
  out.sum = a.sum * __expf(a.max - out.max) + b.sum * __expf(b.max - out.max);
  return out;
}

template <int kVec>
__global__ void forward_kernel(const bf16* logits,
                               const int64_t* targets,
                               float* loss,
                               bool* correct,
                               float* lse,
                               int classes) {
  const int64_t row = blockIdx.x;
  const bf16* values = logits + row * classes;
  Running mine;
  for (int c = int(threadIdx.x) * kVec; c < classes; c += int(blockDim.x) * kVec) {
    float v[kVec];
    load<kVec>(values + c, v);
    float top = v[0];
    int where = c;
#pragma unroll
    for (int i = 1; i < kVec; ++i)
      if (v[i] > top) top = v[i], where = c + i;
    if (top > mine.max) {
      mine.sum *= __expf(mine.max - top);
      mine.max = top;
      mine.index = where;
    }
#pragma unroll
    for (int i = 0; i < kVec; ++i) mine.sum += __expf(v[i] - mine.max);
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    Running other;
    other.max = __shfl_xor_sync(0xFFFFFFFFu, mine.max, offset);
    other.sum = __shfl_xor_sync(0xFFFFFFFFu, mine.sum, offset);
    other.index = __shfl_xor_sync(0xFFFFFFFFu, mine.index, offset);
    mine = merge(mine, other);
  }
  __shared__ float shared_max[kMaxWarps], shared_sum[kMaxWarps];
  __shared__ int shared_index[kMaxWarps];
  const int warp = threadIdx.x / 32;
  if (threadIdx.x % 32 == 0) {
    shared_max[warp] = mine.max;
    shared_sum[warp] = mine.sum;
    shared_index[warp] = mine.index;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < int(blockDim.x) / 32; ++w) {
    Running other;
    other.max = shared_max[w];
    other.sum = shared_sum[w];
    other.index = shared_index[w];
    mine = merge(mine, other);
  }
  const float log_sum = mine.max + logf(mine.sum);
  const int64_t target = targets[row];
  lse[row] = log_sum;
  correct[row] = target == mine.index;
  if (target < 0) {
    loss[row] = 0.0f;
  } else if (target >= classes) {
    loss[row] = __uint_as_float(0x7FC00000u);  // NaN
  } else {
    loss[row] = log_sum - __bfloat162float(values[target]);
  }
}

template <int kVec>
__global__ void backward_kernel(const bf16* logits,
                                const int64_t* targets,
                                const float* lse,
                                const float* grad_loss,
                                bf16* grad_logits,
                                int classes) {
  const int64_t row = blockIdx.x, target = targets[row];
  const bool counts = target >= 0 && target < classes;
  const float log_sum = lse[row], grad = grad_loss[row];
  for (int c = int(threadIdx.x) * kVec; c < classes; c += int(blockDim.x) * kVec) {
    float v[kVec];
    load<kVec>(logits + row * classes + c, v);
#pragma unroll
    for (int i = 0; i < kVec; ++i)
      v[i] = counts ? grad * (__expf(v[i] - log_sum) - (c + i == target ? 1.0f : 0.0f)) : 0.0f;
    store<kVec>(grad_logits + row * classes + c, v);
  }
}

dim3 block_for(int64_t vectors) { return dim3(vectors <= 64 ? 64 : vectors <= 128 ? 128 : 32 * kMaxWarps); }

}  // namespace

cudaError_t cross_entropy_forward(const void* logits,
                                  const int64_t* targets,
                                  float* loss,
                                  bool* correct,
                                  float* lse,
                                  int64_t rows,
                                  int64_t classes,
                                  cudaStream_t stream) {
  if (rows == 0 || classes == 0) return cudaSuccess;
  const bool wide = classes % 8 == 0 && aligned16(logits);
  return launch(wide ? forward_kernel<8> : forward_kernel<1>, dim3(static_cast<unsigned>(rows)),
                block_for(wide ? classes / 8 : classes), stream, static_cast<const bf16*>(logits), targets, loss, correct,
                lse, static_cast<int>(classes));
}

cudaError_t cross_entropy_backward(const void* logits,
                                   const int64_t* targets,
                                   const float* lse,
                                   const float* grad_loss,
                                   void* grad_logits,
                                   int64_t rows,
                                   int64_t classes,
                                   cudaStream_t stream) {
  if (rows == 0 || classes == 0) return cudaSuccess;
  const bool wide = classes % 8 == 0 && aligned16(logits) && aligned16(grad_logits);
  return launch(wide ? backward_kernel<8> : backward_kernel<1>, dim3(static_cast<unsigned>(rows)),
                block_for(wide ? classes / 8 : classes), stream, static_cast<const bf16*>(logits), targets, lse, grad_loss,
                static_cast<bf16*>(grad_logits), static_cast<int>(classes));
}

}  // namespace fovea::cuda::kernels

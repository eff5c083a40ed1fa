// The most likely id of each row of logits, its probability, and the entropy of the row: a block a row, which it reads twice.
#include "decode_kernels.h"
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kThreads = 512;

__device__ __forceinline__ float value_of(const bf16* x, int64_t at) { return __bfloat162float(x[at]); }
__device__ __forceinline__ float value_of(const float* x, int64_t at) { return x[at]; }

template <class T> __global__ void pick_kernel(const T* logits, int64_t* ids, float* probabilities, float* entropies, int64_t classes) {
  __shared__ float first[kThreads], second[kThreads];
  __shared__ int64_t at[kThreads];
  const T* row = logits + int64_t(blockIdx.x) * classes;
  const int me = threadIdx.x;
  float best = -INFINITY;
  int64_t index = classes;
  for (int64_t i = me; i < classes; i += kThreads) {
    const float x = value_of(row, i);
    if (x > best) best = x, index = i;
  }
  first[me] = best, at[me] = index;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (me < half) {
      const float other = first[me + half];
      if (other > first[me] || (other == first[me] && at[me + half] < at[me])) first[me] = other, at[me] = at[me + half];
    }
    __syncthreads();
  }
  const float largest = first[0];
  const int64_t winner = at[0] < classes ? at[0] : 0;  // no number at all: some id all the same
  __syncthreads();
  float total = 0, mean = 0;
  for (int64_t i = me; i < classes; i += kThreads) {
    const float gap = value_of(row, i) - largest, weight = __expf(gap);
    total += weight;
    if (weight > 0) mean += weight * gap;  // what is banned (-inf) counts as nothing
  }
  first[me] = total, second[me] = mean;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (me < half) first[me] += first[me + half], second[me] += second[me + half];
    __syncthreads();
  }
  if (me != 0) return;
  ids[blockIdx.x] = winner;
  probabilities[blockIdx.x] = 1.0f / first[0];
  entropies[blockIdx.x] = logf(first[0]) - second[0] / first[0];
}

}  // namespace

cudaError_t pick(const void* logits, bool fp32, int64_t* ids, float* probabilities, float* entropies, int rows, int64_t classes, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(rows)), block(kThreads);
  if (fp32) return launch(pick_kernel<float>, grid, block, stream, static_cast<const float*>(logits), ids, probabilities, entropies, classes);
  return launch(pick_kernel<bf16>, grid, block, stream, static_cast<const bf16*>(logits), ids, probabilities, entropies, classes);
}

}  // namespace fovea::cuda::kernels

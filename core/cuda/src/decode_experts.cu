// Mixtures of experts for a few rows: the router, and products that read the weights of the chosen experts alone. A warp makes one
// output value, reading a row of the weight once; no atomics, so the same bits every time.
#include "decode_kernels.h"
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kWarps = 8;  // blockDim (32, kWarps)
constexpr int kMaxExperts = 256;

__device__ __forceinline__ float round_bf16(float x) { return __bfloat162float(__float2bfloat16_rn(x)); }

/// Part of a lane in the product of two rows; 8 divides width.
__device__ __forceinline__ float lane_dot(const bf16* a, const bf16* b, int width) {
  float sum = 0;
#pragma unroll 4
  for (int i = static_cast<int>(threadIdx.x) * 8; i < width; i += 32 * 8) {
    float x[8], y[8];
    load<8>(a + i, x);
    load<8>(b + i, y);
#pragma unroll
    for (int j = 0; j < 8; ++j) sum += x[j] * y[j];
  }
  return sum;
}

__global__ void route_kernel(const bf16* x, const bf16* gate, int* ids, float* weights, int width, int experts, int top) {
  __shared__ float scores[kMaxExperts];
  const int row = blockIdx.x, lane = threadIdx.x;
  for (int e = threadIdx.y; e < experts; e += kWarps) {
    const float logit = group_sum<32>(lane_dot(x + int64_t(row) * width, gate + int64_t(e) * width, width));
    if (lane == 0) scores[e] = logit;
  }
  __syncthreads();
  if (threadIdx.y != 0) return;
  constexpr int kEach = kMaxExperts / 32;  // expert lane + 32 j
  float mine[kEach], largest = -INFINITY;
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    mine[j] = lane + 32 * j < experts ? scores[lane + 32 * j] : -INFINITY;
    largest = fmaxf(largest, mine[j]);
  }
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFu, largest, offset));
  float sum = 0;
#pragma unroll
  for (int j = 0; j < kEach; ++j) {
    mine[j] = lane + 32 * j < experts ? __expf(mine[j] - largest) : -1.0f;
    if (lane + 32 * j < experts) sum += mine[j];
  }
  sum = group_sum<32>(sum);
#pragma unroll
  for (int j = 0; j < kEach; ++j)
    if (lane + 32 * j < experts) {
      mine[j] /= sum;
      if (!(mine[j] >= 0)) mine[j] = 0;  // not a number: some expert all the same
    }
  for (int slot = 0; slot < top; ++slot) {
    float best = -2.0f;
    int at = 0;
#pragma unroll
    for (int j = 0; j < kEach; ++j)
      if (mine[j] > best) best = mine[j], at = lane + 32 * j;
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) {
      const float other = __shfl_xor_sync(0xFFFFFFFFu, best, offset);
      const int other_at = __shfl_xor_sync(0xFFFFFFFFu, at, offset);
      if (other > best || (other == best && other_at < at)) best = other, at = other_at;
    }
#pragma unroll
    for (int j = 0; j < kEach; ++j)
      if (at == lane + 32 * j) mine[j] = -1.0f;
    if (lane == 0) ids[int64_t(row) * top + slot] = at, weights[int64_t(row) * top + slot] = best;
  }
}

/// Block (8 hidden values, row * top + slot).
__global__ void hidden_kernel(ExpertProducts in, const bf16* x, bf16* hidden) {
  const int unit = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.y);
  if (unit >= in.inner) return;  // the whole warp
  const int pair = blockIdx.y;
  const bf16* weight = static_cast<const bf16*>(in.gate_up) + (int64_t(in.ids[pair]) * 2 * in.inner + unit) * in.width;
  const bf16* row = x + int64_t(pair / in.top) * in.width;
  const float gate_part = lane_dot(row, weight, in.width);
  const float up_part = lane_dot(row, weight + int64_t(in.inner) * in.width, in.width);
  const float gate = round_bf16(group_sum<32>(gate_part)), up = round_bf16(group_sum<32>(up_part));
  if (threadIdx.x == 0) hidden[int64_t(pair) * in.inner + unit] = __float2bfloat16_rn(gate / (1.0f + __expf(-gate)) * up);
}

__device__ __forceinline__ bf16 with_shared(const ExpertProducts& in, float routed, int64_t at) {
  if (in.shared == nullptr) return __float2bfloat16_rn(routed);
  return __float2bfloat16_rn(round_bf16(routed) + __bfloat162float(static_cast<const bf16*>(in.shared)[at]));
}

/// Block (8 columns, row).
__global__ void output_kernel(ExpertProducts in, const bf16* hidden, bf16* out) {
  const int column = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.y);
  if (column >= in.width) return;  // the whole warp
  const int row = blockIdx.y;
  float routed = 0;
#pragma unroll 2
  for (int slot = 0; slot < in.top; ++slot) {
    const int64_t pair = int64_t(row) * in.top + slot;
    const bf16* weight = static_cast<const bf16*>(in.down) + (int64_t(in.ids[pair]) * in.width + column) * in.inner;
    routed += in.weights[pair] * round_bf16(group_sum<32>(lane_dot(hidden + pair * in.inner, weight, in.inner)));
  }
  const int64_t at = int64_t(row) * in.width + column;
  if (threadIdx.x == 0) out[at] = with_shared(in, routed, at);
}

__global__ void combine_kernel(ExpertProducts in, const bf16* products, const int64_t* place, bf16* out) {
  const int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= in.width) return;
  for (int row = blockIdx.y; row < in.rows; row += gridDim.y) {
    float routed = 0;
    for (int slot = 0; slot < in.top; ++slot) {
      const int64_t pair = int64_t(row) * in.top + slot;
      routed += in.weights[pair] * __bfloat162float(products[place[pair] * in.width + column]);
    }
    const int64_t at = int64_t(row) * in.width + column;
    out[at] = with_shared(in, routed, at);
  }
}

bool fits(const ExpertProducts& in) {
  return in.width % 8 == 0 && in.inner % 8 == 0 && int64_t(in.rows) * in.top <= 65535 && aligned16(in.gate_up) && aligned16(in.down);
}

}  // namespace

cudaError_t route(const void* x, const void* gate, int* ids, float* weights, int rows, int width, int experts, int top, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  if (experts > kMaxExperts || top > experts || width % 8 != 0 || !aligned16(x) || !aligned16(gate)) return cudaErrorInvalidValue;
  return launch(route_kernel, dim3(static_cast<unsigned>(rows)), dim3(32, kWarps), stream, static_cast<const bf16*>(x), static_cast<const bf16*>(gate), ids,
                weights, width, experts, top);
}

cudaError_t expert_hidden(const ExpertProducts& in, const void* x, void* hidden, cudaStream_t stream) {
  if (in.rows == 0) return cudaSuccess;
  if (!fits(in) || !aligned16(x)) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(ceil_div(in.inner, kWarps)), static_cast<unsigned>(in.rows * in.top));
  return launch(hidden_kernel, grid, dim3(32, kWarps), stream, in, static_cast<const bf16*>(x), static_cast<bf16*>(hidden));
}

cudaError_t expert_output(const ExpertProducts& in, const void* hidden, void* out, cudaStream_t stream) {
  if (in.rows == 0) return cudaSuccess;
  if (!fits(in) || !aligned16(hidden)) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(ceil_div(in.width, kWarps)), static_cast<unsigned>(in.rows));
  return launch(output_kernel, grid, dim3(32, kWarps), stream, in, static_cast<const bf16*>(hidden), static_cast<bf16*>(out));
}

cudaError_t expert_combine(const ExpertProducts& in, const void* products, const int64_t* place, void* out, cudaStream_t stream) {
  if (in.rows == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(ceil_div(in.width, 256)), static_cast<unsigned>(in.rows < 65535 ? in.rows : 65535));
  return launch(combine_kernel, grid, dim3(256), stream, in, static_cast<const bf16*>(products), place, static_cast<bf16*>(out));
}

}  // namespace fovea::cuda::kernels

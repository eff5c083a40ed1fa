// What the kernels share: bfloat16 in groups of 8 (16 bytes) or singly, reductions, launching.
#pragma once
#ifdef FOVEA_EMULATE_CUDA
#include "emulate_cuda.h"  // tests/cuda: the same sources on the CPU
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include <cstdint>

#include "kernels.h"

namespace fovea::cuda::kernels {

using bf16 = __nv_bfloat16;

/// Reads or writes kVec values: 8 at a 16-byte boundary, or 1.
template <int kVec> __device__ __forceinline__ void load(const bf16* from, float (&to)[kVec]) {
  static_assert(kVec == 8 || kVec == 1, "");
  if constexpr (kVec == 8) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {  // bfloat16 is the upper half of fp32; element 2i lies in the lower half of word i
      to[2 * i] = __uint_as_float(words[i] << 16);
      to[2 * i + 1] = __uint_as_float(words[i] & 0xFFFF0000u);
    }
  } else {
    to[0] = __bfloat162float(from[0]);
  }
}
template <int kVec> __device__ __forceinline__ void store(bf16* to, const float (&from)[kVec]) {
  static_assert(kVec == 8 || kVec == 1, "");
  if constexpr (kVec == 8) {
    alignas(16) __nv_bfloat162 pairs[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) pairs[i] = __floats2bfloat162_rn(from[2 * i], from[2 * i + 1]);
    *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(pairs);
  } else {
    to[0] = __float2bfloat16_rn(from[0]);
  }
}

/// Sum over aligned groups of kLanes lanes of a warp; every lane gets it. All 32 lanes must call.
template <int kLanes> __device__ __forceinline__ float group_sum(float value) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Starts kernel(arguments...) and returns the launch's error.
template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, cudaStream_t stream, Arguments... arguments) {
#ifdef FOVEA_EMULATE_CUDA
  (void)stream;
  emulate::run(grid, block, [&] { kernel(static_cast<Parameters>(arguments)...); });
  return cudaSuccess;
#else
  kernel<<<grid, block, 0, stream>>>(static_cast<Parameters>(arguments)...);
  return cudaGetLastError();
#endif
}

}  // namespace fovea::cuda::kernels

// Tensor-core pieces: 16 x 8 x 16 products of bfloat16 into fp32, matrix loads from shared memory, asynchronous copies. Under FOVEA_EMULATE_CUDA
// the same functions in plain C++, from the register layouts of the PTX manual ("Matrix Fragments for mma.m16n8k16", "ldmatrix", "cp.async").
#pragma once
#include "device.cuh"

namespace fovea::cuda::kernels {

#ifndef FOVEA_EMULATE_CUDA
/// c += a b; a 16 x 16 row-major, b 16 x 8 column-major.
__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
/// Four 8 x 8 matrices; lane l names row l % 8 of matrix l / 8 (16 bytes in shared memory).
template <bool kTransposed> __device__ __forceinline__ void load_matrices(uint32_t (&to)[4], const bf16* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(address) : "memory");
}
/// 16 bytes from global to shared memory, zeros unless `real` (from is then not read).
__device__ __forceinline__ void copy_async(bf16* to, const bf16* from, bool real) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(to));
  const int bytes = real ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(from), "r"(bytes) : "memory");
}
/// Waits for this thread's copies.
__device__ __forceinline__ void copies_done() { asm volatile("cp.async.wait_all;\n" ::: "memory"); }
__device__ __forceinline__ void warp_barrier() { __syncwarp(); }
__device__ __forceinline__ float power_of_two(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
#else
#ifndef __launch_bounds__
#define __launch_bounds__(...)
#endif
namespace emulated_warp {
// Two sets that take turns, so that one meeting of the warp a call is enough: who writes a set again has met all that read it.
inline uint32_t a[2][1024][4], b[2][1024][2];
inline const bf16* row[2][1024];
inline size_t calls[1024];
inline float half(uint32_t word, int which) { return __uint_as_float(which ? word & 0xFFFF0000u : word << 16); }
}  // namespace emulated_warp
inline void warp_barrier() { emulate::pause(emulate::Stop::kShuffle); }
inline void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const size_t me = emulate::current, warp = me / 32 * 32, lane = me % 32, set = emulated_warp::calls[me]++ % 2;
  for (int i = 0; i < 4; ++i) emulated_warp::a[set][me][i] = a[i];
  emulated_warp::b[set][me][0] = b0, emulated_warp::b[set][me][1] = b1;
  warp_barrier();
  for (size_t e = 0; e < 4; ++e) {
    const size_t m = lane / 4 + (e >= 2 ? 8 : 0), n = lane % 4 * 2 + e % 2;
    for (size_t k = 0; k < 16; ++k)
      c[e] += emulated_warp::half(emulated_warp::a[set][warp + m % 8 * 4 + k % 8 / 2][(m >= 8 ? 1 : 0) + (k >= 8 ? 2 : 0)], k % 2) *
              emulated_warp::half(emulated_warp::b[set][warp + n * 4 + k % 8 / 2][k >= 8 ? 1 : 0], k % 2);
  }
}
template <bool kTransposed> inline void load_matrices(uint32_t (&to)[4], const bf16* row) {
  const size_t me = emulate::current, warp = me / 32 * 32, lane = me % 32, set = emulated_warp::calls[me]++ % 2;
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) emulate::die("a matrix row off its 16-byte boundary");
  emulated_warp::row[set][me] = row;
  warp_barrier();
  for (size_t m = 0; m < 4; ++m) {
    uint16_t pair[2];
    for (size_t i = 0; i < 2; ++i) {
      const size_t r = kTransposed ? lane % 4 * 2 + i : lane / 4, column = kTransposed ? lane / 4 : lane % 4 * 2 + i;
      std::memcpy(&pair[i], emulated_warp::row[set][warp + m * 8 + r] + column, 2);
    }
    to[m] = uint32_t(pair[0]) | uint32_t(pair[1]) << 16;
  }
}
inline void copy_async(bf16* to, const bf16* from, bool real) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0 || (real && reinterpret_cast<uintptr_t>(from) % 16 != 0)) emulate::die("a copy off its 16-byte boundary");
  if (real) std::memcpy(to, from, 16);
  else std::memset(to, 0, 16);
}
inline void copies_done() {}
inline float power_of_two(float x) { return ::exp2f(x); }
#endif

}  // namespace fovea::cuda::kernels

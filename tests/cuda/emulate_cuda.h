// Runs CUDA kernel sources on the CPU, to check their indices and reductions where there is no GPU: every thread of a block
// is a fiber; __syncthreads and shuffles switch to the next one, and a round ends when all have reached one. Blocks run one
// after the other. It does not see races between threads, nor anything about speed. Included by device.cuh in place of the
// CUDA headers when FOVEA_EMULATE_CUDA is defined.
#pragma once
#include <cuda_bf16.h>
#include <cuda_runtime_api.h>
#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#undef __shared__
#define __shared__ static  // one block at a time
#define __expf(x) ::expf(x)
#define rsqrtf(x) (1.0f / ::sqrtf(x))

inline dim3 gridDim, blockDim;
inline uint3 blockIdx, threadIdx;

namespace emulate {

enum class Stop { kNone, kBarrier, kShuffle, kDone };
struct Fiber {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  uint3 thread;
  Stop stop = Stop::kNone;
  unsigned exchanged = 0;
};
inline std::vector<Fiber> fibers;
inline size_t current = 0, count = 0;
inline ucontext_t scheduler;
inline std::function<void()> body;
constexpr size_t kStackBytes = 128 * 1024;

[[noreturn]] inline void die(const char* what) {
  std::fprintf(stderr, "emulated CUDA: %s\n", what);
  std::abort();
}
inline void enter() {
  body();
  fibers[current].stop = Stop::kDone;
  swapcontext(&fibers[current].context, &scheduler);
}
inline void pause(Stop why) {
  fibers[current].stop = why;
  swapcontext(&fibers[current].context, &scheduler);
}

/// Calls kernel() once a thread of the grid.
inline void run(dim3 grid, dim3 block, std::function<void()> kernel) {
  body = std::move(kernel);
  gridDim = grid;
  blockDim = block;
  count = size_t(block.x) * block.y * block.z;
  if (count == 0 || count > 1024 || grid.x == 0 || grid.y == 0 || grid.y > 65535 || grid.z != 1) die("bad launch");
  if (fibers.size() < count) fibers.resize(count);
  for (unsigned by = 0; by < grid.y; ++by)
    for (unsigned bx = 0; bx < grid.x; ++bx) {
      blockIdx = {bx, by, 0};
      for (size_t i = 0; i < count; ++i) {
        Fiber& fiber = fibers[i];
        if (!fiber.stack) fiber.stack.reset(new char[kStackBytes]);
        fiber.stop = Stop::kNone;
        fiber.thread = {unsigned(i % block.x), unsigned(i / block.x % block.y), unsigned(i / block.x / block.y)};
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = kStackBytes;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, enter, 0);
      }
      for (size_t live = count; live > 0;) {
        live = 0;
        for (current = 0; current < count; ++current) {
          if (fibers[current].stop == Stop::kDone) continue;
          threadIdx = fibers[current].thread;
          swapcontext(&scheduler, &fibers[current].context);
        }
        for (size_t i = 0; i < count; ++i) {
          const Stop stop = fibers[i].stop;
          if (stop != Stop::kDone) ++live;
          for (size_t j = i / 32 * 32; j < i; ++j) {
            const bool shuffling = stop == Stop::kShuffle || fibers[j].stop == Stop::kShuffle;
            if (shuffling && fibers[j].stop != stop) die("a warp disagrees about a shuffle");
          }
        }
      }
    }
}

}  // namespace emulate

inline void __syncthreads() { emulate::pause(emulate::Stop::kBarrier); }
template <class T> T __shfl_xor_sync(unsigned mask, T value, int lane_mask) {
  static_assert(sizeof(T) == 4, "");
  if (mask != 0xFFFFFFFFu) emulate::die("a shuffle of part of a warp");
  std::memcpy(&emulate::fibers[emulate::current].exchanged, &value, 4);
  emulate::pause(emulate::Stop::kShuffle);
  const size_t partner = emulate::current ^ size_t(lane_mask);
  if (partner >= emulate::count) emulate::die("a shuffle with a thread that is not there");
  std::memcpy(&value, &emulate::fibers[partner].exchanged, 4);
  emulate::pause(emulate::Stop::kShuffle);
  return value;
}
inline float __uint_as_float(unsigned bits) {
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

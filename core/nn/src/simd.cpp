#include "fovea/nn/simd.h"

namespace fovea::nn {

Simd best_simd() {
#if defined(__x86_64__)
  static const Simd best = [] {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return Simd::kPlain;
    return __builtin_cpu_supports("avx512f") ? Simd::kAvx512 : Simd::kAvx2;
  }();
  return best;
#else
  return Simd::kPlain;
#endif
}

}  // namespace fovea::nn

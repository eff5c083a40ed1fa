#include "few_rows.h"

#include <ATen/Parallel.h>

#include <cstring>

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are passed between functions that are inlined

namespace fovea::decoder {
namespace {

constexpr int64_t kRows = 16, kWidth = 16, kOutputs = 4;  // outputs that share what is loaded of x
typedef float Floats __attribute__((vector_size(64), aligned(4)));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4)));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2)));

#define FOVEA_FEW_ROWS_CLONES __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#if !defined(__x86_64__)
#undef FOVEA_FEW_ROWS_CLONES
#define FOVEA_FEW_ROWS_CLONES
#endif

// Outputs [begin, end) of rows x [kCount, in]; y [kCount, out].
template <int kCount, int kTogether>
__attribute__((always_inline)) inline void multiply_some(const float* x, const uint16_t* weight, float* y, int64_t in, int64_t out, int64_t begin) {
  Floats sums[kTogether][kCount] = {};
  for (int64_t i = 0; i < in; i += kWidth) {
    Floats w[kTogether];
    for (int o = 0; o < kTogether; ++o) {
      const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(weight + (begin + o) * in + i), Words) << 16;  // bfloat16 is the upper half
      std::memcpy(&w[o], &words, sizeof(words));
    }
    for (int r = 0; r < kCount; ++r) {
      const Floats& part = *reinterpret_cast<const Floats*>(x + r * in + i);
      for (int o = 0; o < kTogether; ++o) sums[o][r] += w[o] * part;
    }
  }
  for (int o = 0; o < kTogether; ++o)
    for (int r = 0; r < kCount; ++r) {
      float total = 0;
      for (int i = 0; i < kWidth; ++i) total += sums[o][r][i];
      y[r * out + begin + o] = total;
    }
}
template <int kCount>
__attribute__((always_inline)) inline void multiply_range(const float* x, const uint16_t* weight, float* y, int64_t in, int64_t out, int64_t begin, int64_t end) {
  for (; begin + kOutputs <= end; begin += kOutputs) multiply_some<kCount, kOutputs>(x, weight, y, in, out, begin);
  for (; begin < end; ++begin) multiply_some<kCount, 1>(x, weight, y, in, out, begin);
}
FOVEA_FEW_ROWS_CLONES void multiply(const float* x, const uint16_t* weight, float* y, int64_t rows, int64_t in, int64_t out, int64_t begin, int64_t end) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) multiply_range<4>(x + r * in, weight, y + r * out, in, out, begin, end);
  for (; r + 2 <= rows; r += 2) multiply_range<2>(x + r * in, weight, y + r * out, in, out, begin, end);
  if (r < rows) multiply_range<1>(x + r * in, weight, y + r * out, in, out, begin, end);
}

}  // namespace

at::Tensor few_rows_linear(nn::Linear& linear, const at::Tensor& x) {
  const at::Tensor& weight = linear->weight;
  const int64_t in = x.size(-1), rows = in > 0 ? x.numel() / in : 0, out = weight.size(0);
  if (at::GradMode::is_enabled() || !x.is_cpu() || x.scalar_type() != at::kBFloat16 || weight.scalar_type() != at::kBFloat16 || linear->bias.defined() ||
      rows < 1 || rows > kRows || in % kWidth != 0 || !weight.is_contiguous())
    return linear(x);
  const auto wide = x.to(at::kFloat).contiguous();
  auto sizes = x.sizes().vec();
  sizes.back() = out;
  auto y = at::empty(sizes, wide.options());
  const auto* from = wide.const_data_ptr<float>();
  const auto* values = static_cast<const uint16_t*>(weight.const_data_ptr());
  auto* to = y.data_ptr<float>();
  // A few outputs at a time, so that all rows use a piece of the weight while it is in the cache.
  at::parallel_for(0, (out + 63) / 64, 4, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) multiply(from, values, to, rows, in, out, part * 64, std::min(out, part * 64 + 64));
  });
  return y.to(at::kBFloat16);
}

}  // namespace fovea::decoder

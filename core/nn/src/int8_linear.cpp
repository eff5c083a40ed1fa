#include "fovea/nn/int8_linear.h"

#include <ATen/Parallel.h>

#include <algorithm>

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12's own AVX-512 header, GCC bug 105593
#include <immintrin.h>
#endif

#include "fovea/nn/modules.h"

namespace fovea::nn {
namespace {

// Rows of x and pairs of output rows whose sums stay in registers.
constexpr int kRowTile = 8;

// y[m][n] for up to kRowTile rows of x [rows, in] and output rows [begin, end) of w [out, in]; y has `stride` columns.
// The plain form; the others compute the same sums 16 or 8 at a time.
void multiply_plain(const float* x, const int8_t* w, const float* scale, float* y, int rows, int64_t in, int64_t stride, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n)
    for (int m = 0; m < rows; ++m) {
      float sum = 0;
      for (int64_t k = 0; k < in; ++k) sum += float(w[n * in + k]) * x[m * in + k];
      y[m * stride + n] = sum * scale[n];
    }
}

#if defined(__x86_64__)
template <int kRows>
__attribute__((target("avx512f"))) void multiply_avx512(const float* x, const int8_t* w, const float* scale, float* y, int64_t in, int64_t stride,
                                                        int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n += 2) {
    const int8_t *w0 = w + n * in, *w1 = n + 1 < end ? w0 + in : w0;
    __m512 sum0[kRows], sum1[kRows];
    for (int m = 0; m < kRows; ++m) sum0[m] = sum1[m] = _mm512_setzero_ps();
    for (int64_t k = 0; k < in; k += 16) {
      const __m512 a = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w0 + k))));
      const __m512 b = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w1 + k))));
      for (int m = 0; m < kRows; ++m) {
        const __m512 v = _mm512_loadu_ps(x + m * in + k);
        sum0[m] = _mm512_fmadd_ps(a, v, sum0[m]);
        sum1[m] = _mm512_fmadd_ps(b, v, sum1[m]);
      }
    }
    for (int m = 0; m < kRows; ++m) {
      y[m * stride + n] = _mm512_reduce_add_ps(sum0[m]) * scale[n];
      if (n + 1 < end) y[m * stride + n + 1] = _mm512_reduce_add_ps(sum1[m]) * scale[n + 1];
    }
  }
}

template <int kRows>
__attribute__((target("avx2,fma"))) void multiply_avx2(const float* x, const int8_t* w, const float* scale, float* y, int64_t in, int64_t stride,
                                                       int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    const int8_t* row = w + n * in;
    __m256 sum[kRows];
    for (int m = 0; m < kRows; ++m) sum[m] = _mm256_setzero_ps();
    for (int64_t k = 0; k < in; k += 8) {
      const __m256 a = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(row + k))));
      for (int m = 0; m < kRows; ++m) sum[m] = _mm256_fmadd_ps(a, _mm256_loadu_ps(x + m * in + k), sum[m]);
    }
    for (int m = 0; m < kRows; ++m) {
      const __m128 half = _mm_add_ps(_mm256_castps256_ps128(sum[m]), _mm256_extractf128_ps(sum[m], 1));
      const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
      y[m * stride + n] = _mm_cvtss_f32(_mm_add_ss(pair, _mm_shuffle_ps(pair, pair, 1))) * scale[n];
    }
  }
}
#define FOVEA_ROWS(name)                                                                        \
  switch (rows) {                                                                               \
    case 1: return name<1>(x, w, scale, y, in, stride, begin, end);                             \
    case 2: return name<2>(x, w, scale, y, in, stride, begin, end);                             \
    case 3: return name<3>(x, w, scale, y, in, stride, begin, end);                             \
    case 4: return name<4>(x, w, scale, y, in, stride, begin, end);                             \
    case 5: return name<5>(x, w, scale, y, in, stride, begin, end);                             \
    case 6: return name<6>(x, w, scale, y, in, stride, begin, end);                             \
    case 7: return name<7>(x, w, scale, y, in, stride, begin, end);                             \
    default: return name<8>(x, w, scale, y, in, stride, begin, end);                            \
  }
#endif

void multiply_tile(const float* x, const int8_t* w, const float* scale, float* y, int rows, int64_t in, int64_t stride, int64_t begin, int64_t end) {
#if defined(__x86_64__)
  static const bool has_avx512 = __builtin_cpu_supports("avx512f");
  static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx512) FOVEA_ROWS(multiply_avx512)
  if (has_avx2) FOVEA_ROWS(multiply_avx2)
#endif
  multiply_plain(x, w, scale, y, rows, in, stride, begin, end);
}

}  // namespace

std::shared_ptr<const Int8Weight> Int8Weight::from_exact(const at::Tensor& weight) {
  if (weight.dim() != 2 || weight.scalar_type() != at::kFloat || !weight.is_cpu() || weight.size(1) % 16 != 0) return nullptr;
  torch::NoGradGuard no_grad;
  const auto largest = std::get<0>(weight.abs().max(1));
  const auto scales = at::clamp_min(largest / 127.0, 1e-30);
  const auto values = at::round(weight / scales.unsqueeze(1));
  const auto gap = std::get<0>((weight - values * scales.unsqueeze(1)).abs().max(1));
  if ((gap > largest * 1e-6).any().item<bool>()) return nullptr;
  auto out = std::make_shared<Int8Weight>();
  out->values_ = values.to(at::kChar).contiguous();
  out->scales_ = scales.contiguous();
  return out;
}

at::Tensor Int8Weight::multiply(const at::Tensor& x) const {
  const int64_t in = values_.size(1), count = values_.size(0), rows = x.numel() / in;
  const auto input = x.contiguous();
  auto shape = x.sizes().vec();
  shape.back() = count;
  auto out = at::empty(shape, x.options());
  const float *xp = input.data_ptr<float>(), *scale = scales_.data_ptr<float>();
  const int8_t* w = values_.data_ptr<int8_t>();
  float* y = out.data_ptr<float>();
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) {
    for (int64_t m = 0; m < rows; m += kRowTile)
      multiply_tile(xp + m * in, w, scale, y + m * count, int(std::min<int64_t>(kRowTile, rows - m)), in, count, begin, end);
  });
  return out;
}

int64_t pack_int8(torch::nn::Module& module) {
  int64_t packed = 0;
  for (const auto& child : module.modules())
    if (auto* linear = child->as<LinearImpl>())
      if (!linear->bias.defined() && (linear->int8 = Int8Weight::from_exact(linear->weight))) ++packed;
  return packed;
}

}  // namespace fovea::nn

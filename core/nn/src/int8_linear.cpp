#include "fovea/nn/int8_linear.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#if defined(__x86_64__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // gcc 12's own AVX-512 header, GCC bug 105593
#include <immintrin.h>
#endif

#include "fovea/nn/modules.h"

namespace fovea::nn {
namespace {

constexpr int64_t kPanel = 16;  // outputs side by side
constexpr int64_t kTurn = 4;    // panels that all rows meet before the next are read

// Unscaled sums over `count` columns of kRows rows of x with kPanels panels of w, into tile [kRows, 16 kPanels]. Rows of x and panels of w are `in` columns apart.
// All sums stay in registers.
using Tile = void (*)(const float* x, int64_t in, int64_t count, const int8_t* w, float* tile);

template <int kRows> void tile_plain(const float* x, int64_t in, int64_t count, const int8_t* w, float* tile) {
  std::fill(tile, tile + kRows * kPanel, 0.0f);
  for (int64_t k = 0; k < count; ++k)
    for (int m = 0; m < kRows; ++m)
      for (int64_t j = 0; j < kPanel; ++j) tile[m * kPanel + j] += x[m * in + k] * float(w[k * kPanel + j]);
}

#if defined(__x86_64__)
template <int kRows, int kPanels>
__attribute__((target("avx512f"))) void tile_avx512(const float* x, int64_t in, int64_t count, const int8_t* w, float* tile) {
  __m512 sums[kRows][kPanels];
  for (int m = 0; m < kRows; ++m)
    for (int p = 0; p < kPanels; ++p) sums[m][p] = _mm512_setzero_ps();
  for (int64_t k = 0; k < count; ++k) {
    __m512 weights[kPanels];
    for (int p = 0; p < kPanels; ++p)
      weights[p] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w + (p * in + k) * kPanel))));
    for (int m = 0; m < kRows; ++m) {
      const __m512 v = _mm512_set1_ps(x[m * in + k]);
      for (int p = 0; p < kPanels; ++p) sums[m][p] = _mm512_fmadd_ps(v, weights[p], sums[m][p]);
    }
  }
  for (int m = 0; m < kRows; ++m)
    for (int p = 0; p < kPanels; ++p) _mm512_storeu_ps(tile + (m * kPanels + p) * kPanel, sums[m][p]);
}

template <int kRows> __attribute__((target("avx2,fma"))) void tile_avx2(const float* x, int64_t in, int64_t count, const int8_t* w, float* tile) {
  __m256 sums[kRows][2];
  for (int m = 0; m < kRows; ++m) sums[m][0] = sums[m][1] = _mm256_setzero_ps();
  for (int64_t k = 0; k < count; ++k) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + k * kPanel));
    const __m256 low = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
    const __m256 high = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)));
    for (int m = 0; m < kRows; ++m) {
      const __m256 v = _mm256_broadcast_ss(x + m * in + k);
      sums[m][0] = _mm256_fmadd_ps(v, low, sums[m][0]);
      sums[m][1] = _mm256_fmadd_ps(v, high, sums[m][1]);
    }
  }
  for (int m = 0; m < kRows; ++m)
    for (int p = 0; p < 2; ++p) _mm256_storeu_ps(tile + m * kPanel + 8 * p, sums[m][p]);
}
#endif

// Forms for 1, 2, .. rows: of one panel, and of `panels` at once, which keeps enough sums in flight when the rows are few.
struct Kernel {
  int max_rows;
  Tile one[8];
  struct {
    int panels;
    Tile tile;
  } many[8];
};

const Kernel& kernel_of(Simd simd) {
  static const Kernel plain = {4, {tile_plain<1>, tile_plain<2>, tile_plain<3>, tile_plain<4>}, {}};
#if defined(__x86_64__)
  static const Kernel avx2 = {6, {tile_avx2<1>, tile_avx2<2>, tile_avx2<3>, tile_avx2<4>, tile_avx2<5>, tile_avx2<6>}, {}};
  static const Kernel avx512 = {8,
                                {tile_avx512<1, 1>, tile_avx512<2, 1>, tile_avx512<3, 1>, tile_avx512<4, 1>, tile_avx512<5, 1>, tile_avx512<6, 1>,
                                 tile_avx512<7, 1>, tile_avx512<8, 1>},
                                {{4, tile_avx512<1, 4>},
                                 {4, tile_avx512<2, 4>},
                                 {4, tile_avx512<3, 4>},
                                 {4, tile_avx512<4, 4>},
                                 {2, tile_avx512<5, 2>},
                                 {2, tile_avx512<6, 2>},
                                 {2, tile_avx512<7, 2>},
                                 {2, tile_avx512<8, 2>}}};
  if (simd == Simd::kAvx512) return avx512;
  if (simd == Simd::kAvx2) return avx2;
#endif
  (void)simd;
  return plain;
}

// Whole numbers [out, in] and scales [out, in / group] if every group of columns has them, its largest magnitude being one of `levels`; else undefined tensors.
std::pair<at::Tensor, at::Tensor> whole_numbers(const at::Tensor& weight, int64_t group, std::initializer_list<double> levels) {
  const auto groups = weight.view({weight.size(0), -1, group});
  const auto largest = groups.abs().amax(2, /*keepdim=*/true);
  at::Tensor values, scales, fits;
  for (double level : levels) {
    const auto scale = at::clamp_min(largest / level, 1e-30), whole = at::round(groups / scale);
    const auto fit = (groups - whole * scale).abs().amax(2, /*keepdim=*/true) <= largest * 1e-6;
    values = fits.defined() ? at::where(fits, values, whole) : whole;
    scales = fits.defined() ? at::where(fits, scales, scale) : scale;
    fits = fits.defined() ? fits.logical_or(fit) : fit;
  }
  if (!fits.all().item<bool>()) return {};
  return {values.view(weight.sizes()), scales.squeeze(2)};
}

// As weights are stored: 8 bits with a scale a row, or 6 or 4 with a scale for each group of columns, where groups are whole.
std::pair<at::Tensor, at::Tensor> stored_form(const at::Tensor& weight) {
  const int64_t in = weight.size(1);
  if (auto found = whole_numbers(weight, in, {127}); found.first.defined()) return found;
  const std::initializer_list<double> levels = {8, 7, 32, 31};  // the largest magnitudes of 4 and 6 bits
  const auto some = weight.narrow(0, 0, std::min<int64_t>(4, weight.size(0)));  // tells the right group from the others at little cost
  const auto in_groups = [&](int64_t group) {
    return in % group == 0 && whole_numbers(some, group, levels).first.defined() ? whole_numbers(weight, group, levels) : std::pair<at::Tensor, at::Tensor>{};
  };
  auto found = in_groups(in);
  for (int64_t group = 32768; group >= 32 && !found.first.defined(); group /= 2) found = in_groups(group);
  return found;
}

}  // namespace

std::shared_ptr<const Int8Weight> Int8Weight::from_exact(const at::Tensor& weight) {
  if (weight.dim() != 2 || weight.scalar_type() != at::kFloat || !weight.is_cpu() || weight.numel() == 0 || weight.size(1) % 16 != 0) return nullptr;
  torch::NoGradGuard no_grad;
  const auto [values, scales] = stored_form(weight.detach().contiguous());
  if (!values.defined()) return nullptr;
  auto out = std::make_shared<Int8Weight>();
  out->out_ = weight.size(0);
  out->in_ = weight.size(1);
  const int64_t panels = (out->out_ + kPanel - 1) / kPanel;
  const auto padded = at::constant_pad_nd(values.to(at::kChar), {0, 0, 0, panels * kPanel - out->out_});
  out->values_ = padded.view({panels, kPanel, out->in_}).transpose(1, 2).contiguous();
  out->scales_ = scales.t().contiguous();  // [groups, out]
  return out;
}

void Int8Weight::multiply_panels(const float* x, int64_t rows, float* y, bool add, Simd simd, int64_t begin, int64_t end) const {
  const Kernel& kernel = kernel_of(simd);
  const int8_t* w = values_.const_data_ptr<int8_t>();
  const float* scales = scales_.const_data_ptr<float>();
  const int64_t num_groups = scales_.size(0), group = in_ / num_groups;
  alignas(64) float tile[256];
  // As many rows in every tile as in the others: 9 are 5 and 4, not 8 and 1.
  const int64_t num_tiles = (rows + kernel.max_rows - 1) / kernel.max_rows;
  // A few panels stay in the cache while all rows meet them.
  for (int64_t turn = begin; turn < end; turn += kTurn)
    for (int64_t t = 0; t < num_tiles; ++t) {
      const int64_t first = rows * t / num_tiles, count = rows * (t + 1) / num_tiles - first, turn_end = std::min(turn + kTurn, end);
      const auto& many = kernel.many[count - 1];
      for (int64_t panel = turn; panel < turn_end;) {
        const bool wide = many.panels > 0 && panel + many.panels <= turn_end;
        const int64_t panels = wide ? many.panels : 1, columns = std::min(panels * kPanel, out_ - panel * kPanel);
        for (int64_t g = 0; g < num_groups; ++g) {
          (wide ? many.tile : kernel.one[count - 1])(x + first * in_ + g * group, in_, group, w + (panel * in_ + g * group) * kPanel, tile);
          for (int64_t m = 0; m < count; ++m) {
            float* target = y + (first + m) * out_ + panel * kPanel;
            const float *sums = tile + m * panels * kPanel, *scale = scales + g * out_ + panel * kPanel;
            if (add || g > 0)
              for (int64_t j = 0; j < columns; ++j) target[j] += sums[j] * scale[j];
            else
              for (int64_t j = 0; j < columns; ++j) target[j] = sums[j] * scale[j];
          }
        }
        panel += panels;
      }
    }
}

void Int8Weight::multiply(const float* x, int64_t rows, float* y, bool add, Simd simd) const {
  multiply_panels(x, rows, y, add, simd, 0, values_.size(0));
}

at::Tensor Int8Weight::multiply(const at::Tensor& x) const {
  const int64_t rows = x.numel() / in_;
  const auto input = x.contiguous();
  auto shape = x.sizes().vec();
  shape.back() = out_;
  auto out = at::empty(shape, x.options());
  const float* xp = input.const_data_ptr<float>();
  float* y = out.data_ptr<float>();
  at::parallel_for(0, values_.size(0), 4, [&](int64_t begin, int64_t end) { multiply_panels(xp, rows, y, false, best_simd(), begin, end); });
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

#include "fovea/nn/int8_linear.h"

#include <ATen/Parallel.h>

#include <cstring>

#include "fovea/nn/modules.h"

namespace fovea::nn {
namespace {

typedef float Floats __attribute__((vector_size(64), aligned(4)));      // 16 lanes, loaded from any address
typedef int8_t Bytes __attribute__((vector_size(16), aligned(1)));

// `rows` (at most 8) rows of x [rows, in] with output rows [begin, end) of w; y [rows, stride].
template <int kRows>
inline __attribute__((always_inline)) void multiply_rows(const float* x, const int8_t* w, const float* scale, float* y, int64_t in, int64_t stride,
                                                         int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; n += 2) {
    const bool pair = n + 1 < end;
    const int8_t* w0 = w + n * in;
    const int8_t* w1 = pair ? w0 + in : w0;
    Floats sum0[kRows] = {}, sum1[kRows] = {};
    for (int64_t k = 0; k < in; k += 16) {
      const Floats a = __builtin_convertvector(*reinterpret_cast<const Bytes*>(w0 + k), Floats);
      const Floats b = __builtin_convertvector(*reinterpret_cast<const Bytes*>(w1 + k), Floats);
      for (int m = 0; m < kRows; ++m) {
        const Floats v = *reinterpret_cast<const Floats*>(x + m * in + k);
        sum0[m] += a * v;
        sum1[m] += b * v;
      }
    }
    for (int m = 0; m < kRows; ++m) {
      float s0 = 0, s1 = 0;
      for (int i = 0; i < 16; ++i) s0 += sum0[m][i], s1 += sum1[m][i];
      y[m * stride + n] = s0 * scale[n];
      if (pair) y[m * stride + n + 1] = s1 * scale[n + 1];
    }
  }
}

// One version for each instruction set, chosen when the program is loaded.
#define FOVEA_CLONES __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
FOVEA_CLONES void multiply_block(const float* x, const int8_t* w, const float* scale, float* y, int64_t rows, int64_t in, int64_t stride,
                                 int64_t begin, int64_t end) {
  int64_t m = 0;
  for (; m + 8 <= rows; m += 8) multiply_rows<8>(x + m * in, w, scale, y + m * stride, in, stride, begin, end);
  for (; m + 4 <= rows; m += 4) multiply_rows<4>(x + m * in, w, scale, y + m * stride, in, stride, begin, end);
  for (; m < rows; ++m) multiply_rows<1>(x + m * in, w, scale, y + m * stride, in, stride, begin, end);
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
  at::parallel_for(0, count, 64, [&](int64_t begin, int64_t end) { multiply_block(xp, w, scale, y, rows, in, count, begin, end); });
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

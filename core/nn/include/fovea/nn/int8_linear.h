// Products of a few rows with an 8-bit weight on a CPU. Decoding a handful of pages reads every weight once a token: in 8 bits that is a
// quarter of the memory traffic of float32, and the reader that ships then stays in the cache.
#pragma once
#include <torch/torch.h>

#include <memory>

#include "fovea/nn/simd.h"

namespace fovea::nn {

/// A weight [out, in] as int8 with one float32 scale a row, or one for each group of columns of a row (weights stored in 4 bits); arithmetic is float32.
/// Every output is one sum over k = 0, 1, .. in this order (of a group, then over groups), so that a row's result depends neither on the other rows nor
/// on the number of threads.
class Int8Weight {
 public:
  /// Largest number of rows of x that the product is meant for; for more, a float32 product is faster.
  static constexpr int64_t kMaxRows = 32;
  /// The exact int8 form of a float32 CPU weight, or null if it has none (|w - q scale| <= 1e-6 of the largest value of a row or group,
  /// `in` a multiple of 16). Weights loaded from 8-bit files have one, and those from 4-bit files where `in` is a multiple of the group.
  static std::shared_ptr<const Int8Weight> from_exact(const at::Tensor& weight);
  int64_t in() const { return in_; }
  int64_t out() const { return out_; }
  /// x [..., in] float32, contiguous or not, -> [..., out]; on LibTorch's threads.
  at::Tensor multiply(const at::Tensor& x) const;
  /// The same for dense arrays x [rows, in], y [rows, out] on the calling thread alone; add: to what y holds.
  void multiply(const float* x, int64_t rows, float* y, bool add = false, Simd simd = best_simd()) const;

 private:
  void multiply_panels(const float* x, int64_t rows, float* y, bool add, Simd simd, int64_t begin, int64_t end) const;
  int64_t in_ = 0, out_ = 0;
  at::Tensor values_;  ///< int8 [ceil(out / 16), in, 16]: 16 outputs side by side, zeros after the last
  at::Tensor scales_;  ///< float32 [out]
};

/// Gives every Linear of the module whose weight has an exact int8 form that form beside it. Returns how many.
int64_t pack_int8(torch::nn::Module& module);

}  // namespace fovea::nn

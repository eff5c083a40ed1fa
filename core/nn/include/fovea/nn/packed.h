// Sequences of different lengths one after the other, without padding.
// Shape letters: R rows of all sequences, B sequences, H heads, Hk key heads, d head width.
#pragma once
#include <torch/torch.h>

#include <vector>

namespace fovea::nn {

struct Packed {
  std::vector<int64_t> offsets;  ///< [B + 1]: first row of each sequence, and R
  at::Tensor starts;             ///< int32 [B + 1]: the same beside the rows
  at::Tensor places;             ///< int64 [R]: each row's place in its own sequence
  int64_t longest = 0;           ///< rows of the longest sequence

  /// On the CPU. lengths [B], each at least 1.
  static Packed of_lengths(const std::vector<int64_t>& lengths);
};

/// Causal attention within each sequence: q [1, H, R, d], k, v [1, Hk, R, d], H a multiple of Hk -> [1, R, H, d].
/// In bfloat16 on a GPU LibTorch's flash attention over all sequences at once; elsewhere nn::attend sequence by sequence, which defines it.
at::Tensor attend_packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Packed& packed);

/// Row i of the result is row order[i] of x [R, D]; inverse undoes order. What index_select gives, with a gradient that is gathered, too, and not added up.
/// order, inverse  int64 [R], permutations of each other.
at::Tensor permute_rows(const at::Tensor& x, const at::Tensor& order, const at::Tensor& inverse);

}  // namespace fovea::nn

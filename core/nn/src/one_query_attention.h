// Attention of one query a sequence over its cache, on a CPU in float32: every key and value is read once for all the query heads
// that share it.
#pragma once
#include <torch/torch.h>

namespace fovea::nn {

/// float32, on a CPU, head width a multiple of 16, rows of k and v contiguous.
bool can_attend_one_query(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);
/// q [B, H, 1, d], k, v [B, Hk, S, d] (views of a larger cache will do) -> [B, H, 1, d].
at::Tensor attend_one_query(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace fovea::nn

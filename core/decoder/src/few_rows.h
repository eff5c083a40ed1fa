// Products of a few rows with a bfloat16 weight on a CPU, bound by how fast the weight can be read.
#pragma once
#include "fovea/nn/modules.h"

namespace fovea::decoder {

/// linear(x), by loops of our own where x has at most 16 rows, the weight is bfloat16 on a CPU without a bias and nothing needs a gradient: a
/// row's result is then the same bits whatever the other rows are, summed in float32 and rounded once.
at::Tensor few_rows_linear(nn::Linear& linear, const at::Tensor& x);

}  // namespace fovea::decoder

// The two quantised forms of load.h's note, on tensors.
#pragma once
#include <torch/types.h>

namespace fovea::weights {

inline constexpr int64_t kInt4Group = 32;
inline int64_t num_int4_groups(int64_t columns) { return (columns + kInt4Group - 1) / kInt4Group; }

struct Quantized {
  torch::Tensor values;  // I8 [R, ...] or U8 [R, C/2]
  torch::Tensor scale;   // F32 [R] or F16 [R, groups]
};

/// weight: floating, R x C elements, 2 or more dimensions. For each row or group, the scale of least squared error among
/// a few clip ratios. quantize_int4 needs an even C.
Quantized quantize_int8(const torch::Tensor& weight);
Quantized quantize_int4(const torch::Tensor& weight);
/// fp32 of the given shape, on the inputs' device.
torch::Tensor dequantize_int8(const torch::Tensor& values, const torch::Tensor& scale);
torch::Tensor dequantize_int4(const torch::Tensor& values, const torch::Tensor& scale, at::IntArrayRef shape);

}  // namespace fovea::weights

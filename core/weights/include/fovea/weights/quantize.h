// The quantised forms of load.h's note, on tensors.
#pragma once
#include <torch/types.h>

namespace fovea::weights {

/// Columns that share a scale in 4 and 6 bits where nothing else is said.
inline constexpr int64_t kGroup = 32;
inline int64_t num_scales(int64_t columns, int64_t group = kGroup) { return (columns + group - 1) / group; }
/// Errors   ConfigError, beginning with `where`, unless group is a power of two from 32 to 65536.
void check_group(int64_t group, const char* where);
/// The group of a stored tensor from its number of scales a row: the least power of two from 32 on that gives so many. Two powers of two give
/// the same number only where that is one (or none), and then it is the same which; 0 where none fits.
int64_t group_of(int64_t columns, int64_t num_groups);

struct Quantized {
  torch::Tensor values;  // I8 [R, ...] or U8 [R, C * bits / 8]
  torch::Tensor scale;   // F32 [R] or F16 [R, groups]
};

/// weight: floating, R x C elements, 2 or more dimensions. For each row or group, the scale of least squared error among
/// a few clip ratios; values that round_as_stored made come back without error. quantize_packed: bits 4 or 6, C * bits a multiple of 8, a group as check_group says.
Quantized quantize_int8(const torch::Tensor& weight);
Quantized quantize_packed(const torch::Tensor& weight, int64_t bits, int64_t group = kGroup);
/// fp32 of the given shape, on the inputs' device. Bits and group follow from the shapes.
torch::Tensor dequantize_int8(const torch::Tensor& values, const torch::Tensor& scale);
torch::Tensor dequantize_packed(const torch::Tensor& values, const torch::Tensor& scale, at::IntArrayRef shape);

/// The bits in which a weight of two or more dimensions with so many columns is stored where `bits` (8, 6 or 4) are asked for: a row must fill its bytes.
inline int64_t stored_bits(int64_t bits, int64_t columns) { return columns * bits % 8 != 0 ? 8 : bits; }
/// 4 or 6: the bits a column of rows of so many bytes; 0 if neither.
inline int64_t packed_bits(int64_t columns, int64_t bytes) { return 8 * bytes == 4 * columns ? 4 : 8 * bytes == 6 * columns ? 6 : 0; }
/// The plain rule, for training with the weights in the loop: the scale is that of the largest magnitude (which sits at -8, -32 or 127), without a search, so that
/// some five kernels do it. matrix: [R, C] floating, any device. Returns fp32 [R, C]: what quantize_* of the result, with the same bits and group, gives back bit for bit.
torch::Tensor round_as_stored(const torch::Tensor& matrix, int64_t bits, int64_t group = kGroup);

}  // namespace fovea::weights

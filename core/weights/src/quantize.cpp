#include "fovea/weights/quantize.h"

#include <torch/torch.h>

#include <string>
#include <vector>

#include "fovea/base/error.h"

namespace fovea::weights {
namespace {

/// Of the candidate scales (each [M, 1], fp32), the one whose rounding of groups [M, G] errs least.
/// Returns values [M, G] (whole numbers, fp32) and scales [M, 1].
std::pair<torch::Tensor, torch::Tensor> best_scale(const torch::Tensor& groups,
                                                   const std::vector<torch::Tensor>& candidates,
                                                   double lowest,
                                                   double highest) {
  torch::Tensor best_error, best_values, best_scales;
  for (const auto& scale : candidates) {
    const auto safe = torch::where(scale == 0, torch::ones_like(scale), scale);
    const auto values = (groups / safe).round().clamp(lowest, highest) * (scale != 0);
    const auto error = (values * scale - groups).square().sum(1, /*keepdim=*/true);
    if (!best_error.defined()) {
      best_error = error, best_values = values, best_scales = scale;
      continue;
    }
    const auto better = error < best_error;
    best_error = torch::where(better, error, best_error);
    best_values = torch::where(better, values, best_values);
    best_scales = torch::where(better, scale, best_scales);
  }
  return {best_values, best_scales};
}

const double kClipRatios[] = {1.0, 0.97, 0.94, 0.9, 0.86, 0.82};

/// 8 in 4 bits, 32 in 6: the whole numbers are -8..7, -32..31.
double lowest_magnitude(int64_t bits) { return double(int64_t(1) << (bits - 1)); }

/// Scales of the plain rule, fp32 [M, 1] of groups fp32 [M, G]. They have so few bits that value * scale is exact and the scale is found again from the products:
/// 8 bits of bfloat16 beside the 7 of +-127, 11 bits of float16 beside the 6 of -32..31. Scales below float16's normal numbers would lack them.
torch::Tensor plain_scale(const torch::Tensor& groups, int64_t bits) {
  const auto [low, high] = torch::aminmax(groups, /*dim=*/1, /*keepdim=*/true);
  if (bits == 8) return (torch::maximum(-low, high) / 127).to(torch::kBFloat16).to(torch::kFloat32);
  const auto largest = torch::where(-low >= high, low, high);
  constexpr double kLeast = 1.0 / 16384, kMost = 65504;
  return (largest.abs() / lowest_magnitude(bits)).to(torch::kFloat16).to(torch::kFloat32).clamp_(kLeast, kMost) * torch::sign(-largest);
}

/// Whole numbers, fp32, in a tensor of their own.
torch::Tensor plain_values(const torch::Tensor& groups, const torch::Tensor& scale, int64_t bits) {
  return groups.div(torch::where(scale == 0, torch::ones_like(scale), scale)).round_().clamp_(bits == 8 ? -127 : -lowest_magnitude(bits), bits == 8 ? 127 : lowest_magnitude(bits) - 1);
}

/// Groups that the plain rule gives back exactly take its values and scales in place of those that were searched for.
void keep_what_is_on_the_grid(const torch::Tensor& groups, int64_t bits, torch::Tensor& values, torch::Tensor& scale) {
  const auto plain = plain_scale(groups, bits), whole = plain_values(groups, plain, bits);
  const auto exact = (whole * plain == groups).all(1, /*keepdim=*/true);
  values = torch::where(exact, whole, values);
  scale = torch::where(exact, plain, scale);
}

/// fp32 [R * groups, group], the last group of a row filled with zeros.
torch::Tensor in_groups(torch::Tensor flat, int64_t group) {
  const int64_t columns = flat.size(1), num_groups = num_scales(columns, group);
  if (columns % group != 0) flat = torch::constant_pad_nd(flat, {0, num_groups * group - columns});
  return flat.reshape({-1, group});
}

// Whole numbers of `bits` (4 or 6) side by side in bytes, the lowest bits first: two of 4 bits fill a byte, four of 6 fill three.
int64_t values_a_word(int64_t bits) { return bits == 4 ? 2 : 4; }

/// whole: [R, C] fp32, 0 to 2^bits - 1 -> U8 [R, C * bits / 8].
torch::Tensor pack(const torch::Tensor& whole, int64_t bits) {
  const int64_t count = values_a_word(bits);
  const auto parts = whole.to(torch::kInt32).reshape({whole.size(0), -1, count});
  auto word = parts.select(2, 0);
  for (int64_t i = 1; i < count; ++i) word = word.bitwise_or(parts.select(2, i).bitwise_left_shift(bits * i));
  std::vector<torch::Tensor> bytes;
  for (int64_t shift = 0; shift < bits * count; shift += 8) bytes.push_back(word.bitwise_right_shift(shift).bitwise_and(255).to(torch::kUInt8));
  return torch::stack(bytes, 2).reshape({whole.size(0), -1});
}

/// U8 [R, C * bits / 8] -> [R, C] fp32.
torch::Tensor unpack(const torch::Tensor& packed, int64_t bits) {
  const int64_t count = values_a_word(bits);
  const auto bytes = packed.to(torch::kInt32).reshape({packed.size(0), -1, bits * count / 8});
  auto word = bytes.select(2, 0);
  for (int64_t i = 1; i < bytes.size(2); ++i) word = word.bitwise_or(bytes.select(2, i).bitwise_left_shift(8 * i));
  std::vector<torch::Tensor> parts;
  for (int64_t i = 0; i < count; ++i) parts.push_back(word.bitwise_right_shift(bits * i).bitwise_and((1 << bits) - 1));
  return torch::stack(parts, 2).reshape({packed.size(0), -1}).to(torch::kFloat32);
}

}  // namespace

void check_group(int64_t group, const char* where) {
  if (group < 32 || group > 65536 || (group & (group - 1)) != 0)
    throw ConfigError(std::string(where) + " must be a power of two from 32 to 65536, got " + std::to_string(group));
}

int64_t group_of(int64_t columns, int64_t num_groups) {
  for (int64_t group = 32; group <= 65536; group *= 2)
    if (num_scales(columns, group) == num_groups) return group;
  // A row longer than the largest group is not ours.
  return 0;
}

Quantized quantize_int8(const torch::Tensor& weight) {
  torch::NoGradGuard no_grad;
  const int64_t rows = weight.size(0);
  if (weight.numel() == 0)
    return {torch::zeros(weight.sizes(), torch::kInt8), torch::zeros({rows}, torch::kFloat32)};
  const auto flat = weight.detach().to(torch::kFloat32).reshape({rows, -1});
  const auto largest = flat.abs().amax(1, /*keepdim=*/true);
  std::vector<torch::Tensor> candidates;
  for (double ratio : kClipRatios) candidates.push_back(largest * (ratio / 127.0));
  auto [values, scale] = best_scale(flat, candidates, -127, 127);
  keep_what_is_on_the_grid(flat, 8, values, scale);
  return {values.to(torch::kInt8).reshape(weight.sizes()), scale.reshape({rows}).contiguous()};
}

Quantized quantize_packed(const torch::Tensor& weight, int64_t bits, int64_t group) {
  torch::NoGradGuard no_grad;
  check_group(group, "[quantize_packed] group");
  const int64_t rows = weight.size(0);
  if (weight.numel() == 0) {
    return {torch::zeros({rows, 0}, torch::kUInt8), torch::zeros({rows, 0}, torch::kFloat16)};
  }
  const auto flat = weight.detach().to(torch::kFloat32).reshape({rows, -1});
  const int64_t columns = flat.size(1), num_groups = num_scales(columns, group);
  const auto groups = in_groups(flat, group);
  // The range is -8..7 (-32..31 in 6 bits), so the largest magnitude should sit at -8 whatever its sign: the scale takes the sign. The
  // symmetric choice (/7, /31) is tried too. Rounded to what will be stored before it is judged.
  const auto position = groups.abs().argmax(1, /*keepdim=*/true);
  const auto largest = groups.gather(1, position);
  const double least = lowest_magnitude(bits);
  std::vector<torch::Tensor> candidates;
  for (double ratio : kClipRatios) {
    candidates.push_back((largest * (ratio / -least)).to(torch::kFloat16).to(torch::kFloat32));
    candidates.push_back((largest.abs() * (ratio / (least - 1))).to(torch::kFloat16).to(torch::kFloat32));
  }
  auto [values, scale] = best_scale(groups, candidates, -least, least - 1);
  keep_what_is_on_the_grid(groups, bits, values, scale);
  return {pack((values + least).reshape({rows, -1}).narrow(1, 0, columns), bits), scale.to(torch::kFloat16).reshape({rows, num_groups}).contiguous()};
}

torch::Tensor dequantize_int8(const torch::Tensor& values, const torch::Tensor& scale) {
  std::vector<int64_t> shape(size_t(values.dim()), 1);
  shape[0] = values.size(0);
  return values.to(torch::kFloat32) * scale.to(torch::kFloat32).reshape(shape);
}

torch::Tensor dequantize_packed(const torch::Tensor& values, const torch::Tensor& scale, at::IntArrayRef shape) {
  int64_t columns = 1;
  for (size_t i = 1; i < shape.size(); ++i) columns *= shape[i];
  const int64_t bits = packed_bits(columns, values.size(1)), group = group_of(columns, scale.size(1));
  if (bits == 0 || group == 0)
    throw InternalError("[dequantize_packed] " + std::to_string(values.size(1)) + " bytes and " + std::to_string(scale.size(1)) + " scales do not fit " + std::to_string(columns) + " columns");
  const auto scales = scale.to(torch::kFloat32).repeat_interleave(group, 1).narrow(1, 0, columns);
  return ((unpack(values, bits) - lowest_magnitude(bits)) * scales).reshape(shape);
}

torch::Tensor round_as_stored(const torch::Tensor& matrix, int64_t bits, int64_t group) {
  torch::NoGradGuard no_grad;
  if (matrix.numel() == 0) return matrix.to(torch::kFloat32);
  const auto flat = matrix.detach().to(torch::kFloat32);
  bits = stored_bits(bits, flat.size(1));
  const auto groups = bits < 8 ? in_groups(flat, group) : flat;
  const auto scale = plain_scale(groups, bits);
  const auto rounded = plain_values(groups, scale, bits).mul_(scale);
  return bits < 8 ? rounded.reshape({flat.size(0), -1}).narrow(1, 0, flat.size(1)) : rounded;
}

}  // namespace fovea::weights

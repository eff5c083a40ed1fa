#include "fovea/weights/quantize.h"

#include <torch/torch.h>

#include <vector>

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

}  // namespace

Quantized quantize_int8(const torch::Tensor& weight) {
  torch::NoGradGuard no_grad;
  const int64_t rows = weight.size(0);
  if (weight.numel() == 0)
    return {torch::zeros(weight.sizes(), torch::kInt8), torch::zeros({rows}, torch::kFloat32)};
  const auto flat = weight.detach().to(torch::kFloat32).reshape({rows, -1});
  const auto largest = flat.abs().amax(1, /*keepdim=*/true);
  std::vector<torch::Tensor> candidates;
  for (double ratio : kClipRatios) candidates.push_back(largest * (ratio / 127.0));
  const auto [values, scale] = best_scale(flat, candidates, -127, 127);
  return {values.to(torch::kInt8).reshape(weight.sizes()), scale.reshape({rows}).contiguous()};
}

Quantized quantize_int4(const torch::Tensor& weight) {
  torch::NoGradGuard no_grad;
  const int64_t rows = weight.size(0);
  if (weight.numel() == 0) {
    return {torch::zeros({rows, 0}, torch::kUInt8), torch::zeros({rows, 0}, torch::kFloat16)};
  }
  auto flat = weight.detach().to(torch::kFloat32).reshape({rows, -1});
  const int64_t columns = flat.size(1), num_groups = num_int4_groups(columns);
  if (columns % kInt4Group != 0) flat = torch::constant_pad_nd(flat, {0, num_groups * kInt4Group - columns});
  const auto groups = flat.reshape({rows * num_groups, kInt4Group});
  // The range is -8..7, so the largest magnitude should sit at -8 whatever its sign: the scale takes the sign. The
  // symmetric choice (/7) is tried too. Rounded to what will be stored before it is judged.
  const auto position = groups.abs().argmax(1, /*keepdim=*/true);
  const auto largest = groups.gather(1, position);
  std::vector<torch::Tensor> candidates;
  for (double ratio : kClipRatios) {
    candidates.push_back((largest * (ratio / -8.0)).to(torch::kFloat16).to(torch::kFloat32));
    candidates.push_back((largest.abs() * (ratio / 7.0)).to(torch::kFloat16).to(torch::kFloat32));
  }
  const auto [values, scale] = best_scale(groups, candidates, -8, 7);
  const auto nibbles = (values + 8).to(torch::kUInt8).reshape({rows, -1}).narrow(1, 0, columns).reshape({rows, -1, 2});
  const auto packed = nibbles.select(2, 0).bitwise_or(nibbles.select(2, 1) * 16);
  return {packed.contiguous(), scale.to(torch::kFloat16).reshape({rows, num_groups}).contiguous()};
}

torch::Tensor dequantize_int8(const torch::Tensor& values, const torch::Tensor& scale) {
  std::vector<int64_t> shape(size_t(values.dim()), 1);
  shape[0] = values.size(0);
  return values.to(torch::kFloat32) * scale.to(torch::kFloat32).reshape(shape);
}

torch::Tensor dequantize_int4(const torch::Tensor& values, const torch::Tensor& scale, at::IntArrayRef shape) {
  const auto low = values.bitwise_and(15), high = values.bitwise_right_shift(4);
  const auto nibbles = torch::stack({low, high}, 2).reshape({values.size(0), -1}).to(torch::kFloat32) - 8;
  const auto scales = scale.to(torch::kFloat32).repeat_interleave(kInt4Group, 1).narrow(1, 0, nibbles.size(1));
  return (nibbles * scales).reshape(shape);
}

}  // namespace fovea::weights

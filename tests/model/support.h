// The rule of tests/golden/README.md: weights and pictures out of names, and the comparison with stored digests.
#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <string_view>

#include "support/rule.h"

namespace fovea::test {

inline at::Tensor rule_tensor(const std::string& name, at::IntArrayRef shape, float centre, float scale, uint64_t seed) {
  auto out = at::empty(shape, at::kFloat);
  const uint64_t key = rule_key(name, seed);
  float* p = out.data_ptr<float>();
  for (int64_t i = 0; i < out.numel(); ++i) p[i] = centre + scale * rule_unit(key, uint64_t(i));
  return out;
}

/// The weight that the rule gives to a checkpoint tensor.
inline at::Tensor rule_weight(const std::string& name, at::IntArrayRef shape, uint64_t seed) {
  const auto ends = [&](std::string_view tail) { return name.size() >= tail.size() && std::string_view(name).substr(name.size() - tail.size()) == tail; };
  const int64_t fan_in = shape.empty() ? 1 : c10::multiply_integers(shape.slice(1));
  float centre = 0, scale = float(std::sqrt(3.0 / double(fan_in)));
  if (shape.size() == 1 && ends(".weight")) centre = 1, scale = 0.25f;
  else if (ends(".bias")) scale = 0.125f;
  else if (ends("rel_pos_h") || ends("rel_pos_w")) scale = 0.25f;
  else if (ends("pos_embed") || ends("position_embedding.weight") || ends("class_embedding")) scale = 0.5f;
  else if (ends("embed_tokens.weight") || ends("image_newline") || ends("view_seperator")) scale = 1;
  else if (ends(".mlp.gate.weight")) scale = float(2 * std::sqrt(3.0 / double(fan_in)));
  return rule_tensor(name, shape, centre, scale, seed);
}

/// The bytes of RGB pictures, [B, 3, height, width].
inline at::Tensor bytes_of(const std::vector<Image>& images) {
  std::vector<at::Tensor> out;
  for (const auto& i : images)
    out.push_back(at::from_blob(const_cast<uint8_t*>(i.pixels.data()), {i.height_px, i.width_px, 3}, at::kByte).permute({2, 0, 1}).contiguous());
  return at::stack(out);
}

/// Every stored value, the mean, the deviation and the largest value, at the tolerance of the golden README:
/// 1e-4 of the standard deviation. Prints the largest gap.
inline void expect_digest(const std::string& what, const at::Tensor& tensor, const Json& digest) {
  const auto x = tensor.to(at::kDouble).contiguous();
  ASSERT_EQ(x.sizes().vec(), digest["shape"].get<std::vector<int64_t>>()) << what;
  const double std = digest["std"].get<double>();
  const double* p = x.data_ptr<double>();
  double gap = 0;
  for (size_t i = 0; i < digest["index"].size(); ++i)
    gap = std::max(gap, std::fabs(p[digest["index"][i].get<int64_t>()] - digest["value"][i].get<double>()));
  EXPECT_LE(gap, 1e-4 * std) << what;
  EXPECT_NEAR(x.mean().item<double>(), digest["mean"].get<double>(), 1e-4 * std) << what;
  EXPECT_NEAR(x.std(false).item<double>(), std, 1e-4 * std) << what;
  EXPECT_NEAR(x.abs().max().item<double>(), digest["absmax"].get<double>(), 1e-4 * digest["absmax"].get<double>()) << what;
  std::printf("  %-40s largest gap %.1e of std\n", what.c_str(), gap / std);
}

}  // namespace fovea::test

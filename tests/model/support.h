// The rule of tests/golden/README.md: weights and pictures out of names, and the comparison with stored digests.
#pragma once
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <string_view>

#include "fovea/base/config.h"
#include "fovea/base/file.h"

namespace fovea::test {

inline Json read_golden(const std::string& name) { return Json::parse(read_file(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/" + name)); }

inline uint64_t fnv1a64(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3ULL;
  return h;
}
inline uint64_t rule_key(std::string_view name, uint64_t seed) { return fnv1a64(name) + seed * 0xd1b54a32d192ed03ULL; }
inline uint64_t rule_hash(uint64_t key, uint64_t i) {
  uint64_t z = key + (i + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
inline float rule_unit(uint64_t key, uint64_t i) { return float(rule_hash(key, i) >> 40) * 0x1p-23f - 1.0f; }

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

/// The rule's picture as bytes [3, height, width].
inline at::Tensor rule_picture(const std::string& name, int64_t width, int64_t height, uint64_t seed) {
  auto out = at::empty({3, height, width}, at::kByte);
  const uint64_t blocks = rule_key(name + "/blocks", seed), grain = rule_key(name + "/grain", seed);
  const int64_t bw = (width + 16) / 17;
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t y = 0; y < height; ++y)
      for (int64_t x = 0; x < width; ++x) {
        const int64_t t = (x * (2 + c) + y * (3 - c)) % 510, wave = t < 256 ? t : 510 - t;
        const int64_t block = int64_t(rule_hash(blocks, uint64_t(((y / 13) * bw + x / 17) * 3 + c)) >> 56);
        const int64_t speck = int64_t(rule_hash(grain, uint64_t((y * width + x) * 3 + c)) >> 58);
        out.data_ptr<uint8_t>()[(c * height + y) * width + x] = uint8_t((8 * wave + 5 * block + 12 * speck) >> 4);
      }
  return out;
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

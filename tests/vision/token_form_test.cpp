// Kept vision tokens: rounding against loops, gradients straight through, a bottleneck's widths, and that without one nothing changes.
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/nn/initialise.h"
#include "fovea/vision/encoder.h"
#include "fovea/vision/token_form.h"

namespace fovea::vision {
namespace {

TEST(TokenForm, RoundsAsSaid) {
  torch::manual_seed(2);
  const auto x = at::randn({3, 5, 48});
  EXPECT_TRUE(at::equal(rounded_tokens(x, "none"), x));
  const auto signs = rounded_tokens(x, "binary");
  for (int64_t i = 0; i < 5; ++i) {
    const auto row = x[1][i];
    double magnitude = 0;
    for (int64_t k = 0; k < 48; ++k) magnitude += std::abs(row[k].item<double>()) / 48;
    for (int64_t k = 0; k < 48; ++k) EXPECT_NEAR(signs[1][i][k].item<double>(), row[k].item<double>() < 0 ? -magnitude : magnitude, 1e-5);
  }
  for (const auto& [form, steps] : {std::pair<const char*, double>{"int8", 127}, {"int4", 7}}) {
    const auto y = rounded_tokens(x, form);
    const int64_t group = std::string(form) == "int4" ? 32 : 48;
    for (int64_t begin = 0; begin < 48; begin += group) {
      const auto from = x[2][4].slice(0, begin, std::min<int64_t>(48, begin + group)), to = y[2][4].slice(0, begin, std::min<int64_t>(48, begin + group));
      const double step = from.abs().max().item<double>() / steps;
      for (int64_t k = 0; k < from.size(0); ++k) EXPECT_NEAR(to[k].item<double>(), std::round(from[k].item<double>() / step) * step, 1e-5) << form;
    }
  }
  EXPECT_TRUE(at::equal(rounded_tokens(at::zeros({2, 4}), "int4"), at::zeros({2, 4})));
  EXPECT_THROW(rounded_tokens(x, "int3"), ConfigError);
}

TEST(TokenForm, GradientsPassStraightThrough) {
  for (const char* form : {"int8", "int4", "binary"}) {
    auto x = at::randn({2, 32}).set_requires_grad(true);
    const auto weights = at::randn({2, 32});
    (rounded_tokens(x, form) * weights).sum().backward();
    EXPECT_TRUE(at::equal(x.grad(), weights)) << form;
  }
}

EncoderConfig small() {
  EncoderConfig c;
  c.sam = {.in_channels = 1, .width = 32, .depth = 1, .heads = 2, .mlp_width = 32, .window = 4, .global_layers = {}, .native_grid = 4, .norm = "rms", .absolute_positions = false,
           .relative_positions = false, .rotary = true, .neck_channels = 0};
  c.compressor.channels = {32, 48};
  c.clip = {.width = 32, .depth = 1, .heads = 2, .mlp_width = 32, .native_grid = 4, .position_resize = "crop", .class_token = false, .unused_patch_embedding = false, .rotary = true};
  c.output_norm = true;
  return c;
}

DeepEncoder made(const EncoderConfig& config) {
  DeepEncoder out(config, 64, nn::Factory{});
  nn::initialise(*out, 4);
  return out;
}

TEST(TokenForm, ABottleneckKeepsNarrowVectors) {
  const auto pixels = at::rand({2, 1, 128, 128});
  torch::NoGradGuard no_grad;
  auto plain = made(small());
  const auto whole = plain->forward(pixels);
  EXPECT_EQ(whole.sequence.sizes().vec(), (std::vector<int64_t>{2, 7, 64}));
  EXPECT_TRUE(whole.kept.is_same(whole.tokens));
  EXPECT_EQ(plain->kept_width(), 64);

  auto config = small();
  config.token_width = 24;
  config.token_form = "binary";
  auto narrow = made(config);
  const auto out = narrow->forward(pixels);
  EXPECT_EQ(narrow->kept_width(), 24);
  EXPECT_EQ(out.kept.sizes().vec(), (std::vector<int64_t>{2, 4, 24}));
  EXPECT_EQ(out.sequence.sizes().vec(), (std::vector<int64_t>{2, 7, 24}));
  EXPECT_EQ(out.tokens.sizes().vec(), (std::vector<int64_t>{2, 4, 64}));
  EXPECT_TRUE(at::equal(narrow->widened(out.kept), out.tokens));
  // Separators are kept in the same form: one magnitude a vector.
  const auto magnitudes = out.sequence.abs();
  EXPECT_TRUE(at::allclose(magnitudes, magnitudes.slice(2, 0, 1).expand_as(magnitudes)));
  // The way of tiles gives the same sequence for a page without tiles.
  EXPECT_TRUE(at::allclose(narrow->sequence(out.kept[0]), out.sequence[0]));
}

TEST(TokenForm, ABottleneckIsTrained) {
  auto config = small();
  config.token_width = 8;
  config.token_form = "int4";
  auto encoder = made(config);
  const auto out = encoder->forward(at::rand({1, 1, 64, 64}));
  encoder->widened(out.sequence).square().slice(2, 0, 5).sum().backward();
  for (const auto& p : encoder->named_parameters())
    if (p.key().find("token_") == 0 || p.key() == "image_newline") { EXPECT_GT(p.value().grad().abs().sum().item<double>(), 0) << p.key(); }
}

}  // namespace
}  // namespace fovea::vision

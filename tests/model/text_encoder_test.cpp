// Text-side baselines: shapes, which token goes into which latent, and that neither padding nor neighbours matter.
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/model/cost.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/initialise.h"

namespace fovea::model {
namespace {

TextEncoderConfig small(const std::string& kind) {
  TextEncoderConfig c;
  c.kind = kind;
  c.width = 64;
  c.heads = 2;
  c.mlp_width = 96;
  c.depth = kind == "truncate" ? 0 : 1;
  c.latent_depth = 1;
  return c;
}

TextEncoder made(const TextEncoderConfig& config) {
  TextEncoder out(config, 50, 48, nn::Factory{at::kCPU, at::kFloat});
  nn::initialise(*out, 4);
  torch::manual_seed(2);
  torch::NoGradGuard no_grad;  // residual branches start at zero: give them something to do
  for (auto& p : out->named_parameters())
    if (p.value().dim() == 2) p.value().add_(at::randn_like(p.value()) * 0.1);
  return out;
}

TEST(TextEncoder, NeitherPaddingNorNeighboursMatter) {
  torch::manual_seed(3);
  for (const std::string kind : {"truncate", "mean", "pyramid", "queries"}) {
    auto encoder = made(small(kind));
    const auto ids = at::randint(0, 50, {3, 40}, at::kLong);
    const auto lengths = at::tensor({40, 23, 5}, at::kLong);
    auto all = encoder(ids, lengths, 3);
    ASSERT_EQ(all.sizes().vec(), (std::vector<int64_t>{3, 13, 48})) << kind;
    at::NoGradGuard no_grad;
    for (int64_t b = 0; b < 3; ++b) {
      const int64_t length = lengths[b].item<int64_t>();
      const auto alone = encoder(ids.slice(0, b, b + 1).slice(1, 0, length), lengths.slice(0, b, b + 1), 3);
      EXPECT_TRUE(at::allclose(alone[0], all[b], 1e-4, 1e-5)) << kind << " " << b;
    }
    EXPECT_THROW(encoder(ids, lengths.slice(0, 0, 2), 3), ShapeError);
  }
}

TEST(TextEncoder, GradientsReachEveryParameterThatIsUsed) {
  for (const std::string kind : {"truncate", "mean", "pyramid", "queries"}) {
    auto encoder = made(small(kind));
    encoder(at::randint(0, 50, {2, 60}, at::kLong), at::tensor({60, 50}, at::kLong), 2).pow(3).sum().backward();
    for (const auto& p : encoder->named_parameters()) {
      if (p.key().rfind("level_", 0) == 0 && p.key()[6] >= '4') continue;  // 60 tokens to 4 latents are 4 halvings
      ASSERT_TRUE(p.value().grad().defined()) << kind << " " << p.key();
      EXPECT_GT(p.value().grad().abs().sum().item<float>(), 0) << kind << " " << p.key();
    }
  }
}

TEST(TextEncoder, MeanIsTheMeanOfEachLatentsTokens) {
  auto config = small("mean");
  config.depth = config.latent_depth = 0;
  auto encoder = made(config);
  at::NoGradGuard no_grad;
  const auto ids = at::arange(11).unsqueeze(0);
  const auto out = encoder(ids, at::tensor({11}, at::kLong), 2)[0];
  const auto parameters = encoder->named_parameters();
  const auto &table = parameters["embed_tokens.weight"], &weight = parameters["projector.weight"], &bias = parameters["projector.bias"];
  const auto rms = [](const at::Tensor& x) { return x / at::sqrt(x.pow(2).mean(-1, true) + 1e-6); };
  for (int64_t latent = 0; latent < 4; ++latent) {
    at::Tensor sum = at::zeros({64});
    int64_t count = 0;
    for (int64_t t = 0; t < 11; ++t)
      if (latent_of(config, t, 11, 4) == latent) sum += table[t], ++count;
    EXPECT_GE(count, 2);
    const auto expected = rms(at::linear(rms(sum / double(count)), weight, bias));
    EXPECT_TRUE(at::allclose(out[latent / 2 * 3 + latent % 2], expected, 1e-4, 1e-5)) << latent;
  }
}

TEST(TextEncoder, TruncationLosesTheRest) {
  auto config = small("truncate");
  auto encoder = made(config);
  at::NoGradGuard no_grad;
  auto ids = at::randint(0, 50, {1, 20}, at::kLong);
  const auto lengths = at::tensor({20}, at::kLong);
  const auto before = encoder(ids, lengths, 2);
  ids[0][4] = (ids[0][4] + 1) % 50;
  EXPECT_TRUE(at::equal(encoder(ids, lengths, 2), before));
  ids[0][3] = (ids[0][3] + 1) % 50;
  EXPECT_FALSE(at::equal(encoder(ids, lengths, 2), before));
  EXPECT_EQ(latent_of(config, 3, 20, 4), 3);
  EXPECT_EQ(latent_of(config, 4, 20, 4), -1);
  config.kind = "mean";
  EXPECT_EQ(latent_of(config, 19, 20, 4), 3);
  EXPECT_EQ(latent_of(config, 2, 3, 4), 2);
}

TEST(Cost, CountsAgreeWithTheModuleTree) {
  const auto counts = count_parameters(presets::deepseek_ocr());
  EXPECT_EQ(counts.total, 3336106240);  // the released checkpoint, see presets::deepseek_ocr
  EXPECT_EQ(counts.total, counts.front + counts.compressor + counts.global + counts.decoder);
  // With one text token and many patches nearly all work is the encoder's: 2 operations a parameter and patch, and attention on top.
  ModelConfig config = presets::reader_tiny();
  const auto flops = page_flops(config, 640, 1);
  const double towers = 2.0 * 1600 * 6 * (4 * 384 * 384 + 2 * 384 * 1280);
  EXPECT_GT(flops.front, towers);
  EXPECT_LT(flops.front, 2.2 * towers);
  EXPECT_GT(page_flops(config, 640, 1000).decoder, flops.decoder * 5);
  EXPECT_THROW(page_flops(config, 100, 1), ShapeError);
  config.encoder.compressor.channels = {448, 640, 640};
  // The same 100 tokens from four times the patches: all products four times, attention of the two global layers sixteen times.
  const double global_attention = 2 * 4.0 * 1600 * 1600 * 384;
  EXPECT_NEAR(page_flops(config, 1280, 1).front, 4 * flops.front + 12 * global_attention, 1e-6 * flops.front);
}

}  // namespace
}  // namespace fovea::model

// Every compressor at every factor: shapes, gradients, and what each is said to compute, against loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/nn/initialise.h"
#include "fovea/vision/compressor.h"
#include "fovea/vision/encoder.h"

namespace fovea::vision {
namespace {

CompressorConfig config_of(const std::string& kind, int64_t steps) {
  CompressorConfig c;
  c.kind = kind;
  c.channels.assign(size_t(kind == "none" ? 0 : steps), 128);
  c.activation = "gelu";
  return c;
}

std::shared_ptr<CompressorImpl> made(const CompressorConfig& config, int64_t in) {
  auto out = make_compressor(config, in, {at::kCPU, at::kFloat});
  nn::initialise(*out, 3);
  return out;
}

TEST(Compressors, ShapesAndGradientsAtEveryFactor) {
  torch::manual_seed(1);
  for (const auto& kind : compressor_kinds())
    for (int64_t steps : {1, 2, 3, 4}) {
      if (kind == "none" && steps > 1) continue;
      const auto config = config_of(kind, steps);
      auto compressor = made(config, 24);
      {
        torch::NoGradGuard no_grad;  // residual branches start at zero: give them something to do
        for (auto& p : compressor->named_parameters()) p.value().add_(at::randn_like(p.value()) * 0.05);
      }
      const int64_t g = kind == "none" ? 16 : 32 >> steps, n = kind == "none" ? 16 : 32;
      auto x = at::randn({2, 24, n, n}).set_requires_grad(true);
      const auto y = compressor->forward(x);
      ASSERT_EQ(y.sizes().vec(), (std::vector<int64_t>{2, compressor->out_channels(), g, g})) << kind << " " << steps;
      y.pow(2).sum().backward();
      EXPECT_GT(x.grad().abs().sum().item<float>(), 0) << kind;
      for (const auto& p : compressor->named_parameters()) EXPECT_TRUE(p.value().grad().defined()) << kind << " " << p.key();
      // A page's tokens do not depend on its neighbours in the batch.
      at::NoGradGuard no_grad;
      EXPECT_TRUE(at::allclose(compressor->forward(x.slice(0, 1, 2)), y.slice(0, 1, 2), 1e-4, 1e-5)) << kind;
    }
}

TEST(Compressors, LayersBeforeTheLastStepBeginAtNothingAndSeeTheWholePage) {
  torch::manual_seed(2);
  auto config = config_of("conv", 2);
  const auto plain = made(config, 24);
  config.layers = 2;
  auto layered = made(config, 24);
  const auto x = at::randn({2, 24, 32, 32});
  {
    at::NoGradGuard no_grad;
    EXPECT_TRUE(at::allclose(layered->forward(x), plain->forward(x), 1e-4, 1e-5));
    for (auto& p : layered->named_parameters()) p.value().add_(at::randn_like(p.value()) * 0.05);
    EXPECT_FALSE(at::allclose(layered->forward(x), plain->forward(x), 1e-2, 1e-2));
    const auto before = layered->forward(x).clone();
    auto other = x.clone();
    other[0][3][1][6] += 5;
    const auto changed = (layered->forward(other) - before).abs().sum(1);
    EXPECT_GT(changed[0].min().item<float>(), 0) << "attention is over the whole page";
    EXPECT_LT(changed[1].max().item<float>(), 1e-4) << "and over no other";
  }
  layered->forward(x).pow(2).sum().backward();
  for (const auto& p : layered->named_parameters()) EXPECT_TRUE(p.value().grad().defined() && p.value().grad().abs().sum().item<float>() > 0) << p.key();
}

TEST(Compressors, LayersWhereTheyCannotBeAreRefused) {
  EncoderConfig config;
  config.compressor.layers = 1;
  EXPECT_NO_THROW(validate(config));
  config.compressor.channels = {500, 1024};
  EXPECT_THROW(validate(config), ConfigError);  // no heads of 64
  config.compressor.channels = {1024};
  EXPECT_THROW(validate(config), ConfigError);  // no step before the last
  config.compressor = {.kind = "mean", .channels = {512, 1024}, .layers = 1};
  EXPECT_THROW(validate(config), ConfigError);
}

TEST(Compressors, ShuffleSeesThePatchesOfItsCellAlone) {
  auto compressor = made(config_of("shuffle", 2), 8);
  at::NoGradGuard no_grad;
  auto x = at::randn({1, 8, 8, 8});
  const auto before = compressor->forward(x).clone();
  x[0][3][1][6] += 1;  // in the cell of row 0, column 1
  const auto changed = (compressor->forward(x) - before).abs().sum(1)[0];
  EXPECT_GT(changed[0][1].item<float>(), 0);
  EXPECT_EQ(changed.sum().item<float>(), changed[0][1].item<float>());
}

// Token merging in loops over vectors: sets by turns, the most similar partner, means weighted by how many patches stand behind a token.
std::vector<std::vector<double>> merged(std::vector<std::vector<double>> tokens, int64_t halvings) {
  std::vector<double> count(tokens.size(), 1);
  const auto cosine = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) / (std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0)) * std::sqrt(std::inner_product(b.begin(), b.end(), b.begin(), 0.0)));
  };
  for (int64_t h = 0; h < halvings; ++h) {
    std::vector<std::vector<double>> sums;
    std::vector<double> counts;
    for (size_t i = 1; i < tokens.size(); i += 2) {
      sums.push_back(tokens[i]);
      for (double& v : sums.back()) v *= count[i];
      counts.push_back(count[i]);
    }
    for (size_t i = 0; i < tokens.size(); i += 2) {
      size_t best = 0;
      for (size_t j = 0; j < sums.size(); ++j)
        if (cosine(tokens[i], tokens[2 * j + 1]) > cosine(tokens[i], tokens[2 * best + 1])) best = j;
      for (size_t k = 0; k < tokens[i].size(); ++k) sums[best][k] += tokens[i][k] * count[i];
      counts[best] += count[i];
    }
    for (size_t j = 0; j < sums.size(); ++j)
      for (double& v : sums[j]) v /= counts[j];
    tokens = sums, count = counts;
  }
  return tokens;
}

TEST(Compressors, MergeAveragesTheMostSimilar) {
  // The projection is set to pick the features out unchanged, places are silenced.
  CompressorConfig config = config_of("merge", 1);
  config.channels = {6};
  auto compressor = made(config, 6);
  torch::manual_seed(5);
  at::NoGradGuard no_grad;
  for (auto& p : compressor->named_parameters()) {
    if (p.key() == "proj.weight") p.value().copy_(at::eye(6));
    else p.value().zero_();
  }
  const auto x = at::randn({1, 6, 4, 4});
  const auto y = compressor->forward(x).flatten(2)[0].t().contiguous();  // [4, 6]
  const auto rows = x.flatten(2)[0].t().contiguous();                    // [16, 6]
  std::vector<std::vector<double>> tokens(16);
  for (int64_t i = 0; i < 16; ++i)
    for (int64_t k = 0; k < 6; ++k) tokens[size_t(i)].push_back(rows[i][k].item<float>());
  const auto expected = merged(tokens, 2);
  ASSERT_EQ(expected.size(), 4u);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t k = 0; k < 6; ++k) EXPECT_NEAR(y[i][k].item<float>(), expected[size_t(i)][size_t(k)], 1e-5);
}

TEST(Compressors, PruneKeepsTheLongestInReadingOrder) {
  CompressorConfig config = config_of("prune", 1);
  config.channels = {3};
  auto compressor = made(config, 3);
  at::NoGradGuard no_grad;
  for (auto& p : compressor->named_parameters()) {
    if (p.key() == "proj.weight") p.value().copy_(at::eye(3));
    else p.value().zero_();
  }
  auto x = at::zeros({1, 3, 4, 4});
  x[0][0][3][0] = 5, x[0][1][0][2] = 4, x[0][2][1][1] = 3, x[0][0][2][3] = 2, x[0][1][3][3] = 1;
  const auto y = compressor->forward(x).flatten(2)[0].t();
  EXPECT_TRUE(at::equal(y, at::tensor({0.f, 4.f, 0.f, 0.f, 0.f, 3.f, 2.f, 0.f, 0.f, 5.f, 0.f, 0.f}).view({4, 3})));
}

TEST(Compressors, BadConfigsAreNamed) {
  EXPECT_THROW(make_compressor(config_of("konv", 2), 8, {}), ConfigError);
  auto config = config_of("queries", 2);
  config.channels = {100, 100};
  EXPECT_THROW(make_compressor(config, 8, {}), ConfigError);
  EncoderConfig encoder;
  encoder.compressor.channels = {};
  EXPECT_THROW(validate(encoder), ConfigError);
  encoder.compressor.kind = "none";
  EXPECT_NO_THROW(validate(encoder));
  EXPECT_EQ(encoder.stride_px(), 16);
}

}  // namespace
}  // namespace fovea::vision

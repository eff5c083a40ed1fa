// Vision tokens as things: each operation against its definition, and what the decoder makes of the result.
#include "fovea/model/vision_token_ops.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/weights/save.h"

namespace fovea::model {
namespace {
namespace fs = std::filesystem;

// Vectors whose first number says where they stand: 100 row + column for tokens, -1 for row separators, -2 for the view separator.
VisionTokens numbered(int64_t rows, int64_t columns, int64_t mosaic_rows = 0, int64_t mosaic_columns = 0) {
  std::vector<float> first;
  const auto grid = [&](int64_t r, int64_t c, float base) {
    for (int64_t y = 0; y < r; ++y) {
      for (int64_t x = 0; x < c; ++x) first.push_back(base + float(100 * y + x));
      first.push_back(-1);
    }
  };
  grid(mosaic_rows, mosaic_columns, 10000);
  grid(rows, columns, 0);
  first.push_back(-2);
  torch::manual_seed(5);
  auto sequence = torch::randn({int64_t(first.size()), 6});
  sequence.select(1, 0).copy_(torch::tensor(first));
  return {sequence, rows, columns, rows * columns + mosaic_rows * mosaic_columns, "m", mosaic_rows, mosaic_columns};
}

std::vector<float> firsts(const VisionTokens& t) {
  std::vector<float> out;
  for (int64_t i = 0; i < t.sequence.size(0); ++i) out.push_back(t.sequence[i][0].item<float>());
  return out;
}

TEST(VisionTokenOps, PositionsLeaveSeparatorsOut) {
  EXPECT_EQ(token_positions(numbered(2, 2)), (std::vector<int64_t>{0, 1, 3, 4}));
  const auto tiled = numbered(1, 2, 2, 1);
  EXPECT_EQ(token_positions(tiled), (std::vector<int64_t>{0, 2, 4, 5}));
  for (int64_t p : token_positions(tiled)) EXPECT_GE(tiled.sequence[p][0].item<float>(), 0);
  EXPECT_EQ(token_norms(tiled).size(), 4u);
  EXPECT_NEAR(token_norms(tiled)[1], tiled.sequence[2].to(torch::kDouble).norm().item<double>(), 1e-6);
}

TEST(VisionTokenOps, RemovedTokensKeepTheirNumbers) {
  const auto tokens = numbered(2, 3);
  const auto once = drop(tokens, {1, 5});
  EXPECT_EQ(firsts(once), (std::vector<float>{0, 2, -1, 100, 101, -1, -2}));
  EXPECT_EQ(once.removed, (std::vector<int64_t>{1, 5}));
  EXPECT_EQ(once.num_vision_tokens(), 4);
  const auto twice = drop(once, {1});  // the second that is left: number 2 of the grid
  EXPECT_EQ(firsts(twice), (std::vector<float>{0, -1, 100, 101, -1, -2}));
  EXPECT_EQ(twice.removed, (std::vector<int64_t>{1, 2, 5}));
  EXPECT_EQ(token_positions(twice), (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(tokens.removed.size(), 0u) << "the original is changed";
}

TEST(VisionTokenOps, DroppedTokensCanStayAsZeroOrMean) {
  const auto tokens = numbered(2, 2);
  const auto zero = drop(tokens, {3}, "zero");
  EXPECT_EQ(zero.sequence.sizes(), tokens.sequence.sizes());
  EXPECT_EQ(zero.sequence[4].abs().sum().item<float>(), 0);
  const auto mean = drop(tokens, {3}, "mean");
  const auto expected = (tokens.sequence[0] + tokens.sequence[1] + tokens.sequence[3]) / 3;
  EXPECT_TRUE(torch::allclose(mean.sequence[4], expected));
  EXPECT_NE(tokens.sequence[4].abs().sum().item<float>(), 0);
  EXPECT_THROW(drop(tokens, {4}), ConfigError);
  EXPECT_THROW(drop(tokens, {-1}), ConfigError);
  EXPECT_THROW(drop(tokens, {0, 1, 2, 3}), ConfigError);
  EXPECT_THROW(drop(tokens, {0}, "erase"), ConfigError);
}

TEST(VisionTokenOps, PruneKeepsTheLongest) {
  auto tokens = numbered(2, 2);
  tokens.sequence.mul_(0.01);
  tokens.sequence[1].fill_(9);
  tokens.sequence[4].fill_(5);
  EXPECT_EQ(prune(tokens, 2).removed, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(prune(tokens, 2, "small-norm").removed, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(prune(tokens, 2, "even").removed, (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(prune(tokens, 4).sequence.size(0), tokens.sequence.size(0));
  EXPECT_THROW(prune(tokens, 0), ConfigError);
  EXPECT_THROW(prune(tokens, 2, "age"), ConfigError);
}

TEST(VisionTokenOps, AverageAndPool) {
  const auto a = numbered(2, 4), b = drop(a, {0}, "zero");
  EXPECT_TRUE(torch::allclose(average({&a, &b}).sequence[0], a.sequence[0] / 2));
  EXPECT_TRUE(torch::equal(average({&a}).sequence, a.sequence));
  const auto other = numbered(4, 2), holes = drop(a, {0});
  EXPECT_THROW(average({&a, &other}), ShapeError);
  EXPECT_THROW(average({&a, &holes}), ShapeError);
  const auto pooled = pool(numbered(2, 4, 2, 2), 2);
  EXPECT_EQ(pooled.rows, 1);
  EXPECT_EQ(pooled.columns, 2);
  EXPECT_EQ(firsts(pooled), (std::vector<float>{10050.5, -1, 50.5, 52.5, -1, -2}));
  EXPECT_THROW(pool(a, 3), ShapeError);
  EXPECT_THROW(pool(holes, 2), ShapeError);
}

TEST(VisionTokenOps, FewerBitsWithTheirError) {
  const auto tokens = numbered(3, 3);
  double last = -1;
  int64_t bytes = tokens.sequence.numel() * 4 + 1;
  for (const char* kind : {"float32", "float16", "int8", "int4"}) {
    const auto q = quantize(tokens, kind);
    EXPECT_GT(q.relative_error, last) << kind;
    EXPECT_LT(q.num_bytes, bytes) << kind;
    EXPECT_NEAR(q.relative_error, ((q.tokens.sequence - tokens.sequence).norm() / tokens.sequence.norm()).item<double>(), 1e-6) << kind;
    EXPECT_NEAR(q.largest_error, (q.tokens.sequence - tokens.sequence).abs().max().item<double>(), 1e-5) << kind;
    last = q.relative_error, bytes = q.num_bytes;
    // Stored so, the same comes back.
    const std::string path = testing::TempDir() + "fovea_tokens_" + kind + std::to_string(::getpid());
    save_vision_tokens(drop(tokens, {4}), path, kind);
    const auto back = load_vision_tokens(path);
    EXPECT_EQ(back.removed, (std::vector<int64_t>{4}));
    EXPECT_TRUE(torch::equal(back.sequence.to(torch::kFloat), quantize(drop(tokens, {4}), kind).tokens.sequence)) << kind;
    fs::remove(path);
  }
  EXPECT_LT(last, 0.2);
  auto both = tokens;
  both.sequence = at::randn({tokens.sequence.size(0), 16});
  const auto signs = quantize(both, "binary");
  EXPECT_TRUE(torch::equal(signs.tokens.sequence.sign(), both.sequence.sign()));
  EXPECT_TRUE(torch::allclose(signs.tokens.sequence.abs().select(1, 0), both.sequence.abs().mean(1), 1e-3));
  EXPECT_EQ(signs.num_bytes, both.sequence.size(0) * (2 + 2));
  EXPECT_THROW(quantize(tokens, "int2"), ConfigError);
  auto huge = tokens;
  huge.sequence = tokens.sequence * 1e6;
  EXPECT_THROW(quantize(huge, "float16"), ConfigError);
  EXPECT_THROW(save_vision_tokens(tokens, testing::TempDir() + "x", "int3"), ConfigError);
}

TEST(VisionTokenOps, HostileFilesAreRefused) {
  const std::string folder = testing::TempDir() + "fovea_hostile_tokens" + std::to_string(::getpid());
  const auto load = [&](const weights::NamedTensors& tensors, std::map<std::string, std::string> metadata) {
    metadata.emplace("fovea", "vision_tokens");
    weights::SaveOptions options;
    options.metadata = metadata;
    weights::save_weights(folder, tensors, options);
    return load_vision_tokens(folder + "/model.safetensors");
  };
  const std::map<std::string, std::string> good = {{"rows", "1"}, {"columns", "2"}, {"num_valid", "2"}, {"model", "m"}};
  EXPECT_EQ(load({{"sequence", torch::randn({4, 2})}}, good).num_vision_tokens(), 2);
  EXPECT_THROW(load({{"sequence", torch::randn({5, 2})}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::ones({4, 2}, torch::kChar)}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::ones({4, 2}, torch::kChar)}, {"sequence.scale", torch::ones({3})}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::ones({4, 2}, torch::kLong)}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::randn({3, 2})}, {"removed", torch::tensor({7}, torch::kLong)}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::randn({2, 2})}, {"removed", torch::tensor({1, 1}, torch::kLong)}}, good), WeightsError);
  EXPECT_THROW(load({{"sequence", torch::randn({4, 2})}}, {{"rows", "x"}}), WeightsError);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fovea::model

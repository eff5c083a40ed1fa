// Training with the weights in the loop: what the module computes with is what storing gives, and what is saved is stored without error.
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/experiments/convert.h"
#include "fovea/train/optimizer.h"
#include "fovea/weights/quantize.h"
#include "fovea/weights/store.h"
#include "train_runs.h"

namespace fovea {
namespace {
namespace fs = std::filesystem;

using testing_train::folder_of;
using testing_train::miniature_run;

TEST(WeightBits, ModuleHasTheMatricesAsTheyAreStored) {
  for (const int64_t bits : {4, 6, 8}) {
    torch::manual_seed(5);
    std::vector<std::pair<std::string, at::Tensor>> parameters = {
        {"model.decoder.embed_tokens.weight", at::randn({20, 64})}, {"model.a.weight", at::randn({8, 64})},  {"model.b.weight", at::randn({8, 128})},
        {"model.conv_stem.c.weight", at::randn({8, 3, 3, 2})},                {"model.d.weight", at::randn({6, 7})},   {"model.e.weight", at::randn({8, 64})},
        {"model.norm.weight", at::randn({64})},                     {"token_probe.lm_head.weight", at::randn({5, 64})}};
    train::OptimizerConfig config;
    config.weight_bits = bits, config.weight_group = 32, config.weight_bits_from = 0.5;
    train::FlatOptimizer optimizer(parameters, config, at::kBFloat16);
    const auto is_rounded = [&] {
      std::vector<bool> out;
      const auto master = optimizer.master_tensors(), model = optimizer.model_tensors();
      for (size_t i = 0; i < master.size(); ++i) {
        at::Tensor live;
        for (const auto& [name, p] : parameters)
          if (name == master[i].first) live = p.detach();
        const auto stored = master[i].second.dim() < 2 ? master[i].second
                                                       : weights::round_as_stored(master[i].second.reshape({master[i].second.size(0), -1}), master[i].first.find("stem") < 99 ? 8 : bits, 32).reshape(live.sizes());
        EXPECT_TRUE(live.equal(model[i].second.to(at::kBFloat16))) << master[i].first;
        out.push_back(model[i].second.equal(stored));
        EXPECT_NE(out.back(), model[i].second.equal(master[i].second) && master[i].second.dim() >= 2) << master[i].first;
      }
      return std::count(out.begin(), out.end(), true);
    };
    EXPECT_EQ(is_rounded(), 1);  // the gain
    const auto push = [&](double progress) {
      for (auto& [name, p] : parameters) p.mutable_grad().fill_(0.5);
      optimizer.step(1e-3, {}, 1, progress);
    };
    push(0.4);
    EXPECT_EQ(is_rounded(), 1);
    push(0.5);
    EXPECT_EQ(is_rounded(), 7);  // all but the probe
    // Gradients go to the masters as they are: every step moves them, however little the rounded weights move.
    const auto before = optimizer.master_tensors()[0].second.clone();
    push(0.3);
    EXPECT_EQ(is_rounded(), 7) << "it ended again";
    EXPECT_FALSE(before.equal(optimizer.master_tensors()[0].second));
  }
}

TEST(WeightBits, ImpossibleWishesAreNamed) {
  const std::vector<std::pair<std::string, at::Tensor>> matrix = {{"model.a.weight", at::ones({4, 4})}}, gain = {{"model.norm.weight", at::ones({4})}};
  train::OptimizerConfig config;
  config.weight_bits = 5;
  EXPECT_THROW(train::FlatOptimizer(matrix, config, at::kFloat), ConfigError);
  config.weight_bits = 4, config.weight_group = 100;
  EXPECT_THROW(train::FlatOptimizer(matrix, config, at::kFloat), ConfigError);
  config.weight_group = 64;
  EXPECT_NO_THROW(train::FlatOptimizer(matrix, config, at::kFloat));
  EXPECT_THROW(train::FlatOptimizer(gain, config, at::kFloat), ConfigError);  // nothing to round
  auto run = miniature_run(folder_of("bits_bad"));
  run.trainer.optimizer.weight_bits = 3;
  EXPECT_THROW(experiments::run_train(run), ConfigError);
  fs::remove_all(run.trainer.out);
}

class StoredBits : public testing::TestWithParam<int64_t> {};

TEST_P(StoredBits, WhatWasTrainedIsStoredWithoutErrorAndResumeIsExact) {
  const int64_t bits = GetParam();
  at::set_num_threads(1);
  const std::string straight = folder_of("bits"), broken = folder_of("bits_broken"), stored = folder_of("bits_stored");
  const auto config = [bits](const std::string& out) {
    auto c = miniature_run(out);
    c.trainer.num_steps = 16;
    c.trainer.log_every = 4;
    c.trainer.optimizer.weight_bits = bits;
    c.trainer.optimizer.weight_four_bits = {"*blocks*"};
    c.trainer.optimizer.weight_group = 64;
    c.trainer.optimizer.weight_bits_from = 0.25;  // begins after step 4, before the interruption
    return c;
  };
  experiments::run_train(config(straight));
  int looks = 0;
  EXPECT_EQ(experiments::run_train(config(broken), {}, [&] { return ++looks == 2; }).num_steps, 8);
  EXPECT_EQ(experiments::run_train(config(broken)).num_steps, 16);
  for (const char* part : {"/checkpoint/weights", "/checkpoint/optimizer", "/model"}) {
    const weights::WeightStore a(straight + part), b(broken + part);
    ASSERT_EQ(a.entries().size(), b.entries().size());
    for (const auto& entry : a.entries()) EXPECT_TRUE(at::equal(a.tensor(entry.name), b.tensor(entry.name))) << entry.name;
  }

  experiments::ConvertConfig convert;
  convert.model = straight + "/model", convert.out = stored, convert.quantize = "int" + std::to_string(bits), convert.group = 64, convert.four_bits = {"*blocks*"};
  const Json report = experiments::convert_model(convert);
  EXPECT_EQ(report["mean_relative_error"].get<double>(), 0.0) << report["worst"].dump();
  EXPECT_TRUE(report["stored"].contains("int4"));
  EXPECT_EQ(report["stored"].contains("int6"), bits == 6);
  const weights::WeightStore trained(straight + "/model"), written(stored);
  int64_t num_matrices = 0;
  for (const auto& entry : trained.entries()) {
    const auto back = at::empty(entry.shape, at::kFloat);
    weights::load_weights({{entry.name, back}}, written, {.allow_unexpected_prefix = {""}});
    EXPECT_TRUE(back.equal(trained.tensor(entry.name))) << entry.name;
    num_matrices += written.entry(entry.name).dtype == at::kByte;
  }
  EXPECT_GT(num_matrices, 10);
  for (const auto& folder : {straight, broken, stored}) fs::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(WeightBits, StoredBits, testing::Values(4, 6));

}  // namespace
}  // namespace fovea

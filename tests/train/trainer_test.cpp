// The trainer on a miniature: the loss falls, and stopping and going on gives the same weights as going straight through.
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/file.h"
#include "fovea/experiments/train_pages.h"
#include "fovea/experiments/train_verb.h"
#include "fovea/text/tokenizer.h"
#include "fovea/train/batcher.h"
#include "fovea/train/optimizer.h"
#include "fovea/train/schedule.h"
#include "fovea/weights/store.h"
#include "train_runs.h"

namespace fovea {
namespace {
namespace fs = std::filesystem;

using testing_train::folder_of;
using testing_train::miniature_run;

TEST(Trainer, LossFallsAndResumeIsExact) {
  at::set_num_threads(1);
  const std::string straight = folder_of("straight"), broken = folder_of("broken");
  std::vector<Json> log;
  experiments::run_train(miniature_run(straight), [&](const Json& line) { log.push_back(line); });
  ASSERT_EQ(log.size(), 6u);
  // log[2] is the first line whose steps all train the reader (the first 10 % train the probe alone).
  EXPECT_LT(log.back()["reader_loss"].get<double>(), log[2]["reader_loss"].get<double>() - 0.3);
  EXPECT_LT(log.back()["reader_loss"].get<double>(), std::log(4096.0) - 1);
  EXPECT_GT(log.back()["probe_accuracy"].get<double>(), log[0]["probe_accuracy"].get<double>());
  EXPECT_GT(log.back()["text_tokens_per_s"].get<double>(), 0);

  int looks = 0;
  auto result = experiments::run_train(miniature_run(broken), {}, [&] { return ++looks == 2; });
  EXPECT_EQ(result.num_steps, 20);
  result = experiments::run_train(miniature_run(broken));
  EXPECT_EQ(result.num_steps, 60);
  const weights::WeightStore a(straight + "/checkpoint/weights"), b(broken + "/checkpoint/weights");
  ASSERT_EQ(a.entries().size(), b.entries().size());
  for (const auto& entry : a.entries()) EXPECT_TRUE(at::equal(a.tensor(entry.name), b.tensor(entry.name))) << entry.name;

  auto other = miniature_run(broken);
  other.trainer.seed = 9;
  EXPECT_THROW(experiments::run_train(other), ConfigError);  // a checkpoint of another configuration
  fs::remove_all(straight);
  fs::remove_all(broken);
}

TEST(Trainer, OrthogonalizeBringsSingularValuesNearOne) {
  torch::manual_seed(0);
  const auto matrices = at::randn({3, 20, 48});
  const auto values = std::get<1>(at::linalg_svd(train::orthogonalize(matrices), false));
  EXPECT_GT(values.min().item<float>(), 0.3f);
  EXPECT_LT(values.max().item<float>(), 1.4f);
  const auto tall = train::orthogonalize(matrices.transpose(1, 2));
  EXPECT_TRUE(at::allclose(tall, train::orthogonalize(matrices).transpose(1, 2), 1e-3, 1e-4));
}

TEST(Trainer, PagesSayWhereEveryCharacterStands) {
  experiments::TrainPagesConfig config;
  config.text = miniature_run("x").pages.text;
  const experiments::TrainPages pages(config);
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const auto page = pages.draw({256, 600, seed});
    ASSERT_EQ(page.text.size(), page.x_px.size());
    ASSERT_EQ(page.glyph_char.size(), page.glyph_x_px.size());
    EXPECT_GT(page.text.size(), 200u);
    const auto again = pages.draw({256, 600, seed});
    EXPECT_EQ(page.text, again.text);
    EXPECT_EQ(page.image.pixels, again.image.pixels);
    // Lines go down the page; ink is dark where a glyph is said to stand.
    int64_t dark = 0;
    for (size_t i = 0; i < page.glyph_char.size(); ++i) {
      uint8_t darkest = 255;
      for (int dy = -6; dy <= 6; ++dy)
        for (int dx = -3; dx <= 3; ++dx) {
          const int x = page.glyph_x_px[i] + dx, y = page.glyph_y_px[i] + dy;
          if (x >= 0 && y >= 0 && x < 256 && y < 256) darkest = std::min(darkest, page.image.row(y)[x]);
        }
      dark += darkest < 200;
    }
    EXPECT_GT(dark, int64_t(page.glyph_char.size() * 95 / 100));
  }
}

TEST(Trainer, InputNoiseReplacesInputsAndNothingElse) {
  auto config = miniature_run("x");
  const experiments::TrainPages pages(config.pages);
  const auto tokenizer = text::Tokenizer::from_file(config.tokenizer);
  const train::GlyphClasses classes(tokenizer);
  train::BatchSpec spec{};
  spec.side_px = 256, spec.num_chars = 900, spec.num_pages = 6;
  const auto batch = [&](double noise) {
    config.trainer.objective.input_noise = noise;
    return train::make_batch(pages, tokenizer, classes, config.trainer, model::presets::miniature(), spec, 7, 0);
  };
  const auto clean = batch(0), noisy = batch(0.2), again = batch(0.2);
  EXPECT_TRUE(at::equal(noisy.text, again.text));
  EXPECT_TRUE(at::equal(clean.targets, noisy.targets));
  EXPECT_TRUE(at::equal(clean.place_cell, noisy.place_cell));
  EXPECT_TRUE(at::equal(clean.pixels, noisy.pixels));
  EXPECT_EQ(clean.sequences.ids.ne(noisy.sequences.ids).sum().item<int64_t>(), clean.text.ne(noisy.text).sum().item<int64_t>());  // begin tokens stay
  const double share = clean.text.ne(noisy.text).sum().item<double>() / double(clean.num_text_tokens);
  EXPECT_GT(share, 0.15);
  EXPECT_LT(share, 0.25);
}

TEST(Trainer, ScheduleFollowsItsConfig) {
  train::TrainerConfig config;
  config.curriculum.extra_sides_share = 0;
  for (int64_t step = 0; step < 200; ++step) {
    const auto small = train::batch_spec(config, step, {0, 0, 0.2}, 64, 16, 3.4);
    EXPECT_EQ(small.side_px, 128);
    const auto large = train::batch_spec(config, step, {0, 4, 0.9}, 64, 16, 3.4);
    EXPECT_LE(large.side_px, 640);
    EXPECT_GE(large.ratio, config.curriculum.ratio_low - 1e-9);
    EXPECT_LE(large.ratio, config.curriculum.ratio_high_last + 1e-9);
  }
  EXPECT_NEAR(train::learning_rate(config.optimizer, 1000, 0.3), config.optimizer.learning_rate, 1e-12);
  EXPECT_NEAR(train::learning_rate(config.optimizer, 1000, 0.8), config.optimizer.learning_rate * 0.5, 1e-9);
}

TEST(Trainer, BadCorporaAreNamed) {
  experiments::TrainPagesConfig config;
  EXPECT_THROW(experiments::TrainPages{config}, ConfigError);
  config.text = {"/nonexistent/corpus.txt"};
  EXPECT_THROW(experiments::TrainPages{config}, IoError);
  config.text = miniature_run("x").pages.text;
  config.text_sha256 = {"00"};
  EXPECT_THROW(experiments::TrainPages{config}, ConfigError);
}

TEST(Trainer, RecordedProductsGiveTheSameSteps) {
  if (!torch::cuda::is_available()) {
    // Without a GPU the switch changes nothing.
    train::OptimizerConfig config;
    config.cuda_graph = true;
    EXPECT_NO_THROW(train::FlatOptimizer({{"a.weight", at::ones({4, 4})}}, config, at::kFloat));
    GTEST_SKIP() << "no GPU";
  }
  const auto run = [](bool recorded) {
    torch::manual_seed(3);
    const auto on_gpu = at::TensorOptions().device(at::kCUDA).dtype(at::kFloat);
    std::vector<std::pair<std::string, at::Tensor>> parameters;
    for (auto [rows, columns] : {std::pair{64, 96}, {64, 96}, {128, 32}, {48, 48}}) parameters.emplace_back("layer" + std::to_string(parameters.size()) + ".weight", at::randn({rows, columns}, on_gpu));
    parameters.emplace_back("q_gain", at::ones({8}, on_gpu));
    train::OptimizerConfig config;
    config.cuda_graph = recorded;
    train::FlatOptimizer optimizer(parameters, config, at::kBFloat16);
    for (int64_t step = 0; step < 9; ++step) {
      for (auto& [name, p] : parameters) p.mutable_grad().copy_(at::randn(p.sizes(), p.options()));
      optimizer.step(1e-2 / double(1 + step), {}, 1);
    }
    std::vector<at::Tensor> out;
    for (const auto& [name, tensor] : optimizer.master_tensors()) out.push_back(tensor.to(at::kCPU).clone());
    return out;
  };
  const auto eager = run(false), recorded = run(true);
  ASSERT_EQ(eager.size(), recorded.size());
  for (size_t i = 0; i < eager.size(); ++i) EXPECT_TRUE(at::allclose(eager[i], recorded[i], 1e-4, 1e-5)) << i << " " << (eager[i] - recorded[i]).abs().max().item<float>();
}

}  // namespace
}  // namespace fovea

// What the losses of a step are, against their definitions written out.
#include <gtest/gtest.h>

#include <cmath>

#include "fovea/nn/initialise.h"
#include "fovea/train/objective.h"
#include "train_runs.h"

namespace fovea {
namespace {

// Row by row and head by head, as guided attention is defined: -log softmax of the scaled scores over the page's positions at the place of the next glyph.
at::Tensor guide_by_definition(const decoder::Taps& taps, const train::Batch& batch, int64_t heads, int64_t share, int64_t head_dim, int64_t end) {
  const int64_t width = batch.inputs.size(1);
  auto sum = at::zeros({});
  double count = 0;
  for (int64_t i = 0; i < batch.targets.size(0); ++i) {
    const int64_t cell = batch.place_cell[i].item<int64_t>();
    if (cell < 0) continue;
    count += 1;
    const int64_t p = batch.positions[i].item<int64_t>(), b = p / width, t = p % width;
    for (int64_t h = 0; h < heads; ++h) {
      const auto scores = taps.k[b][h / share].slice(0, 0, end).mv(taps.q[b][h][end + t]) / std::sqrt(double(head_dim));
      sum = sum - at::log_softmax(scores, 0)[cell] / double(heads);
    }
  }
  return sum / count;
}

class Guided : public ::testing::TestWithParam<int64_t> {};  // key heads

TEST_P(Guided, AttentionIsItsDefinitionAndSoAreItsGradients) {
  at::set_num_threads(1);
  auto config = testing_train::miniature_run("x").trainer;
  config.objective.probe = config.objective.patch_probe = config.objective.reader = config.objective.guide_offset = 0;
  config.objective.guide = 1;
  config.objective.guide_layer = 1;
  auto sizes = model::presets::miniature();
  sizes.decoder.num_attention_heads = 6;
  sizes.decoder.num_key_value_heads = GetParam();
  const experiments::TrainPages pages(testing_train::miniature_run("x").pages);
  const auto tokenizer = text::Tokenizer::from_file(testing_train::miniature_run("x").tokenizer);
  const train::GlyphClasses classes(tokenizer);
  train::BatchSpec spec{};
  spec.side_px = 128, spec.num_chars = 90, spec.num_pages = 2;
  const auto batch = train::make_batch(pages, tokenizer, classes, config, sizes, spec, 0, 0);

  model::OpticalModel network(sizes, nn::Factory{});
  train::Objective objective(network, config.objective, classes.size(), nn::Factory{});
  nn::initialise(*objective, 3);
  for (auto& p : objective->parameters()) p.set_requires_grad(true);
  const auto gradients = [&] {
    std::vector<at::Tensor> out;
    for (auto& p : objective->parameters()) {
      out.push_back(p.grad().defined() ? p.grad().clone() : at::zeros_like(p));  // zero: of losses that weigh nothing, or none
      p.mutable_grad() = at::Tensor();
    }
    return out;
  };
  const auto parts = objective->forward(batch, true);
  parts.total.backward();
  const auto found = gradients();

  const auto encoded = network->encoder->forward(vision::pixels_from_bytes(batch.pixels, sizes.encoder, at::kFloat));
  decoder::Taps taps;
  taps.qk_layer = 1;
  const int64_t end = encoded.sequence.size(1);
  network->decoder->forward(at::cat({encoded.sequence, network->decoder->embed(batch.inputs)}, 1), nullptr, &taps);
  const auto expected = guide_by_definition(taps, batch, 4, 6 / GetParam(), sizes.decoder.head_dim, end);
  expected.backward();
  const auto wanted = gradients();

  EXPECT_NEAR(parts.total.item<float>(), expected.item<float>(), 1e-4);
  ASSERT_EQ(found.size(), wanted.size());
  ASSERT_GT(found.size(), 20u);
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(at::allclose(found[i], wanted[i], 1e-3, 1e-5)) << i << ": " << (found[i] - wanted[i]).abs().max().item<float>();
    largest = std::max(largest, double(found[i].abs().max().item<float>()));
  }
  EXPECT_GT(largest, 1e-3);
}
INSTANTIATE_TEST_SUITE_P(KeyHeads, Guided, ::testing::Values(1, 2, 3, 6));

TEST(Losses, TheReadingLossIsOverTheTargetsAlone) {
  at::set_num_threads(1);
  auto config = testing_train::miniature_run("x").trainer;
  config.objective.probe = config.objective.patch_probe = config.objective.guide = 0;
  const auto sizes = model::presets::miniature();
  const experiments::TrainPages pages(testing_train::miniature_run("x").pages);
  const auto tokenizer = text::Tokenizer::from_file(testing_train::miniature_run("x").tokenizer);
  const train::GlyphClasses classes(tokenizer);
  train::BatchSpec spec{};
  spec.side_px = 128, spec.num_chars = 90, spec.num_pages = 3;
  const auto batch = train::make_batch(pages, tokenizer, classes, config, sizes, spec, 0, 0);
  model::OpticalModel network(sizes, nn::Factory{});
  train::Objective objective(network, config.objective, classes.size(), nn::Factory{});
  nn::initialise(*objective, 3);
  torch::NoGradGuard no_grad;
  const auto found = objective->forward(batch, true).reader_loss;
  const auto encoded = network->encoder->forward(vision::pixels_from_bytes(batch.pixels, sizes.encoder, at::kFloat));
  const auto hidden = network->decoder->forward(at::cat({encoded.sequence, network->decoder->embed(batch.inputs)}, 1));
  const auto logits = network->decoder->logits(hidden.slice(1, encoded.sequence.size(1)));  // [B, T, V]
  const int64_t width = batch.inputs.size(1);
  double sum = 0;
  for (int64_t i = 0; i < batch.targets.size(0); ++i) {
    const int64_t p = batch.positions[i].item<int64_t>();
    sum -= at::log_softmax(logits[p / width][p % width], 0)[batch.targets[i].item<int64_t>()].item<float>();
  }
  EXPECT_NEAR(found.item<float>(), sum / double(batch.targets.size(0)), 1e-4);
  EXPECT_NEAR(objective->evaluate(batch).reader_loss.item<float>(), found.item<float>(), 1e-5);
}

// Random characters take more tokens than prose; what is cut is said to go on, and nothing else changes.
TEST(Batches, LongTextsAreCutAtTheLimit) {
  auto run = testing_train::miniature_run("x");
  run.pages.letters_share = 0.3;
  run.pages.shuffled_share = run.pages.partial_share = 0;
  const experiments::TrainPages pages(run.pages);
  const auto tokenizer = text::Tokenizer::from_file(run.tokenizer);
  const train::GlyphClasses classes(tokenizer);
  train::BatchSpec spec{};
  spec.side_px = 256, spec.num_chars = 600, spec.num_pages = 24;
  for (const bool from_text : {false, true}) {
    auto sizes = model::presets::miniature();
    if (from_text) sizes.source = "text";
    auto config = run.trainer;
    const auto plain = train::make_batch(pages, tokenizer, classes, config, sizes, spec, 0, 0);
    config.text_limit = 1.25;
    const auto limited = train::make_batch(pages, tokenizer, classes, config, sizes, spec, 0, 0);
    const int64_t before = plain.inputs.size(1), after = limited.inputs.size(1);
    EXPECT_GT(before, after * 4 / 3);
    EXPECT_EQ(limited.num_text_tokens, limited.targets.size(0));
    EXPECT_EQ(limited.num_text_tokens, limited.positions.size(0));
    EXPECT_TRUE(limited.pixels.equal(plain.pixels));
    if (from_text) EXPECT_TRUE(limited.source_ids.slice(1, 0, plain.source_ids.size(1)).equal(plain.source_ids.slice(1, 0, limited.source_ids.size(1))));
    const auto ends_of = [&](const train::Batch& b) { return b.targets.eq(sizes.decoder.eos_token_id).sum().item<int64_t>(); };
    EXPECT_LT(ends_of(limited), ends_of(plain));
    EXPECT_GT(ends_of(limited), 12);
    for (int64_t page = 0; page < spec.num_pages; ++page) {
      const auto mine = [&](const train::Batch& b, const at::Tensor& values) { return values.masked_select(b.positions.floor_divide(b.inputs.size(1)) == page); };
      const auto short_text = mine(limited, limited.targets), long_text = mine(plain, plain.targets);
      ASSERT_LE(short_text.size(0), long_text.size(0));
      EXPECT_TRUE(short_text.equal(long_text.slice(0, 0, short_text.size(0))));
      EXPECT_TRUE(mine(limited, limited.place_cell).equal(mine(plain, plain.place_cell).slice(0, 0, short_text.size(0)))) << page;
      EXPECT_TRUE(limited.inputs[page].slice(0, 0, short_text.size(0)).equal(plain.inputs[page].slice(0, 0, short_text.size(0))));
    }
  }
}

}  // namespace
}  // namespace fovea

// What the losses of a step are, against their definitions written out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/nn/initialise.h"
#include "fovea/train/objective.h"
#include "train_runs.h"

namespace fovea {
namespace {

/// Pages of the miniature's run, drawn as training draws them.
struct Drawn {
  const experiments::TrainPages pages{testing_train::miniature_run("x").pages};
  const text::Tokenizer tokenizer = text::Tokenizer::from_file(testing_train::miniature_run("x").tokenizer);
  const train::GlyphClasses classes{tokenizer};
  train::Batch batch(const train::TrainerConfig& config, const model::ModelConfig& sizes, int64_t side_px, int64_t num_chars, int64_t num_pages) const {
    train::BatchSpec spec{};
    spec.side_px = side_px, spec.num_chars = num_chars, spec.num_pages = num_pages;
    return train::make_batch(pages, tokenizer, classes, config, sizes, spec, 0, 0);
  }
};

// Hidden states of one page's begin token and text, [1 + length, D].
at::Tensor hidden_of(model::OpticalModel& network, const at::Tensor& vision, const train::Batch& batch, int64_t b, decoder::Taps* taps = nullptr) {
  int64_t first = 0;
  for (int64_t before = 0; before < b; ++before) first += batch.lengths[size_t(before)];
  const auto ids = at::cat({at::zeros({1}, at::kLong), batch.text.slice(0, first, first + batch.lengths[size_t(b)])});  // 0: begin
  return network->decoder->forward(at::cat({vision[b], network->decoder->embed(ids)}).unsqueeze(0), nullptr, taps)[0].slice(0, vision.size(1));
}

// Row by row and head by head, as guided attention is defined: -log softmax of the scaled scores over the page's positions at the place of the next glyph.
// Each page by itself, begin and text behind its vision tokens. What the places of a page are is taken from the batch.
at::Tensor guide_by_definition(model::OpticalModel& network, const at::Tensor& vision, const train::Batch& batch, int64_t heads, int64_t share, int64_t head_dim) {
  auto sum = at::zeros({});
  double count = 0;
  int64_t first_target = 0;
  for (int64_t b = 0; b < int64_t(batch.lengths.size()); ++b) {
    decoder::Taps taps;
    taps.qk_layer = 1;
    hidden_of(network, vision, batch, b, &taps);
    for (int64_t g = 0; g < batch.place_cell.size(1); ++g) {
      const int64_t cell = batch.place_cell[b][g].item<int64_t>(), t = batch.place_target[b][g].item<int64_t>() - first_target;
      if (cell < 0) continue;
      count += 1;
      for (int64_t h = 0; h < heads; ++h) {
        const auto scores = taps.k[0][h / share].slice(0, 0, vision.size(1)).mv(taps.q[0][h][vision.size(1) + t]) / std::sqrt(double(head_dim));
        sum = sum - at::log_softmax(scores, 0)[cell] / double(heads);
      }
    }
    first_target += batch.lengths[size_t(b)] + (batch.ends[size_t(b)] ? 1 : 0);
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
  const Drawn drawn;
  const auto batch = drawn.batch(config, sizes, 128, 90, 2);

  model::OpticalModel network(sizes, nn::Factory{});
  train::Objective objective(network, config.objective, drawn.classes.size(), nn::Factory{});
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
  const auto expected = guide_by_definition(network, encoded.sequence, batch, 4, 6 / GetParam(), sizes.decoder.head_dim);
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
  const Drawn drawn;
  const auto batch = drawn.batch(config, sizes, 128, 90, 3);
  model::OpticalModel network(sizes, nn::Factory{});
  train::Objective objective(network, config.objective, drawn.classes.size(), nn::Factory{});
  nn::initialise(*objective, 3);
  torch::NoGradGuard no_grad;
  const auto found = objective->forward(batch, true).reader_loss;
  const auto encoded = network->encoder->forward(vision::pixels_from_bytes(batch.pixels, sizes.encoder, at::kFloat));
  double sum = 0;
  int64_t target = 0;
  for (int64_t b = 0; b < 3; ++b) {
    const auto log_p = at::log_softmax(network->decoder->logits(hidden_of(network, encoded.sequence, batch, b)), -1);
    for (int64_t t = 0; t < batch.lengths[size_t(b)] + (batch.ends[size_t(b)] ? 1 : 0); ++t) sum -= log_p[t][batch.targets[target++].item<int64_t>()].item<float>();
  }
  EXPECT_EQ(target, batch.targets.size(0));
  EXPECT_NEAR(found.item<float>(), sum / double(batch.targets.size(0)), 1e-4);
  EXPECT_NEAR(objective->evaluate(batch).reader_loss.item<float>(), found.item<float>(), 1e-5);
}

// What a reader says itself of one page's targets: the likeliest ids, or those at which the summed probability passes the draws.
at::Tensor said_of(const at::Tensor& logits, const at::Tensor& draws, double temperature) {
  if (temperature == 0) return logits.argmax(-1);
  const auto sums = at::softmax(logits.to(at::kDouble) / temperature, -1).cumsum(-1);
  auto said = at::empty({logits.size(0)}, at::kLong);
  for (int64_t t = 0; t < logits.size(0); ++t) said[t] = sums[t].le(draws[t].item<double>()).sum();
  return said;
}

// With own_text_share the decoder is given ids that it says itself, each from the text as it was given at first, and still asked for the text.
TEST(Losses, OwnTextIsWhatTheReaderSays) {
  at::set_num_threads(1);
  auto config = testing_train::miniature_run("x").trainer;
  config.objective.probe = config.objective.patch_probe = config.objective.guide = 0;
  config.objective.input_noise = 0.1;
  const auto sizes = model::presets::miniature();
  const Drawn drawn;
  const auto plain = drawn.batch(config, sizes, 128, 90, 6);
  config.objective.own_text_share = 0.5;
  const auto batch = drawn.batch(config, sizes, 128, 90, 6);
  EXPECT_TRUE(plain.text.equal(batch.text) && plain.targets.equal(batch.targets) && plain.sequences.ids.equal(batch.sequences.ids));
  EXPECT_TRUE(plain.sequences.own.eq(-1).all().item<bool>());
  EXPECT_TRUE(std::count(batch.own_text.begin(), batch.own_text.end(), true) % 6 != 0);  // some pages and not others
  std::vector<double> losses;
  for (const double temperature : {0.0, 0.7}) {
    config.objective.own_text_temperature = temperature;
    model::OpticalModel network(sizes, nn::Factory{});
    train::Objective objective(network, config.objective, drawn.classes.size(), nn::Factory{});
    nn::initialise(*objective, 3);
    torch::NoGradGuard no_grad;
    const auto encoded = network->encoder->forward(vision::pixels_from_bytes(batch.pixels, sizes.encoder, at::kFloat));
    auto given = batch;
    given.text = batch.text.clone();
    double sum = 0;
    int64_t target = 0, first = 0, num_changed = 0;
    for (int64_t b = 0; b < 6; ++b) {
      const int64_t length = batch.lengths[size_t(b)];
      const auto logits = network->decoder->logits(hidden_of(network, encoded.sequence, batch, b)).slice(0, 0, length);
      const auto said = said_of(logits, batch.own_draw.slice(0, target, target + length), temperature);
      auto text = given.text.slice(0, first, first + length);
      if (batch.own_text[size_t(b)]) {
        num_changed += text.ne(said).sum().item<int64_t>();
        text.copy_(said);
      }
      const auto log_p = at::log_softmax(network->decoder->logits(hidden_of(network, encoded.sequence, given, b)), -1);
      for (int64_t t = 0; t < length + (batch.ends[size_t(b)] ? 1 : 0); ++t) sum -= log_p[t][batch.targets[target++].item<int64_t>()].item<float>();
      first += length;
    }
    EXPECT_GT(num_changed, 20);
    losses.push_back(objective->forward(batch, true).reader_loss.item<float>());
    EXPECT_NEAR(losses.back(), sum / double(batch.targets.size(0)), 1e-4) << temperature;
    EXPECT_GT(std::abs(objective->forward(plain, true).reader_loss.item<float>() - losses.back()), 1e-4);
    EXPECT_NEAR(objective->evaluate(batch).reader_loss.item<float>(), objective->forward(plain, true).reader_loss.item<float>(), 1e-5);  // looks at the text as it is
  }
  EXPECT_GT(std::abs(losses[0] - losses[1]), 1e-4);
}

// Fresh probes learn what a trained model's features hold without moving them.
TEST(Losses, DetachedProbesMoveOnlyThemselves) {
  at::set_num_threads(1);
  auto config = testing_train::miniature_run("x").trainer;
  config.objective.reader = config.objective.guide = 0;
  const auto sizes = model::presets::miniature();
  const Drawn drawn;
  const auto batch = drawn.batch(config, sizes, 128, 90, 2);
  model::OpticalModel network(sizes, nn::Factory{});
  train::Objective objective(network, config.objective, drawn.classes.size(), nn::Factory{});
  nn::initialise(*objective, 3);
  for (auto& p : objective->parameters()) p.set_requires_grad(true);
  const auto largest = [&](const char* part, bool detached) {
    for (auto& p : objective->parameters()) p.mutable_grad() = at::Tensor();
    objective->forward(batch, /*with_reader=*/false, detached).total.backward();
    double out = 0;
    for (const auto& item : objective->named_parameters())
      if (item.key().rfind(part, 0) == 0 && item.value().grad().defined()) out = std::max(out, item.value().grad().abs().max().item<double>());
    return out;
  };
  EXPECT_GT(largest("model.encoder", false), 1e-4);
  EXPECT_EQ(largest("model.", true), 0);
  for (const char* probe : {"token_probe", "patch_probe"}) EXPECT_NEAR(largest(probe, true), largest(probe, false), 1e-6) << probe;
}

// Every place that is asked about is that of its target; of short texts all are asked about.
TEST(Losses, GuidanceAsksAboutPlacesOfTheText) {
  auto config = testing_train::miniature_run("x").trainer;
  const auto sizes = model::presets::miniature();
  const Drawn drawn;
  const auto all = drawn.batch(config, sizes, 256, 300, 4);
  config.objective.guide_places = 20;
  const auto some = drawn.batch(config, sizes, 256, 300, 4);
  EXPECT_TRUE(all.targets.equal(some.targets));
  EXPECT_EQ(all.place_cell.size(1), *std::max_element(all.lengths.begin(), all.lengths.end()) + 1);
  EXPECT_EQ(some.place_cell.size(1), 20);
  for (int64_t b = 0; b < 4; ++b) {
    std::map<int64_t, std::pair<int64_t, int64_t>> known;
    for (int64_t g = 0; g <= all.lengths[size_t(b)]; ++g)  // shorter texts than the longest have places left over, which ask nothing
      known.insert({all.place_target[b][g].item<int64_t>(), {all.place_cell[b][g].item<int64_t>(), all.place_offset[b][g].item<int64_t>()}});
    EXPECT_EQ(int64_t(known.size()), all.lengths[size_t(b)] + 1);
    EXPECT_TRUE(all.place_cell[b].slice(0, all.lengths[size_t(b)] + 1).eq(-1).all().item<bool>());
    int64_t last_row = -1;
    for (const auto& [target, place] : known) {  // reading order goes down the page
      if (place.first < 0) continue;
      EXPECT_GE(place.first / 5, last_row);
      last_row = place.first / 5;
    }
    EXPECT_GE(last_row, 1);
    for (int64_t g = 0; g < 20; ++g) {
      const auto found = known.find(some.place_target[b][g].item<int64_t>());
      ASSERT_NE(found, known.end());
      EXPECT_EQ(found->second, std::pair(some.place_cell[b][g].item<int64_t>(), some.place_offset[b][g].item<int64_t>()));
    }
  }
}

}  // namespace
}  // namespace fovea

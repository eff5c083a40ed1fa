// What a training can be made to learn: reading, going on, both; from another reader; with adapters; and how it is shared out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/nn/initialise.h"
#include "fovea/train/adapters.h"
#include "fovea/train/batcher.h"
#include "fovea/train/init.h"
#include "fovea/weights/store.h"
#include "train_runs.h"

namespace fovea {
namespace {
namespace fs = std::filesystem;
using testing_train::folder_of;
using testing_train::miniature_run;

train::BatchSpec spec_of(int64_t side, int64_t chars, int64_t pages) {
  train::BatchSpec spec{};
  spec.side_px = side, spec.num_chars = chars, spec.num_pages = pages;
  return spec;
}

std::string text_of_page(const text::Tokenizer& tokenizer, const train::Batch& batch, int64_t b) {
  int64_t first = 0;
  for (int64_t before = 0; before < b; ++before) first += batch.lengths[size_t(before)] + (batch.ends[size_t(before)] ? 1 : 0);
  std::vector<int32_t> ids;
  for (int64_t i = first; i < first + batch.lengths[size_t(b)]; ++i) ids.push_back(int32_t(batch.targets[i].item<int64_t>()));
  return tokenizer.decode(ids, true);
}

// The id between a page's vision tokens and its text.
int64_t mark_of(const train::Batch& batch, int64_t b) {
  const auto& s = batch.sequences;
  return s.ids[s.order[s.packed.offsets[size_t(b)] + s.num_vision].item<int64_t>() - s.num_vision * int64_t(batch.lengths.size())].item<int64_t>();
}

TEST(Objective, WhatGoesOnAfterThePageIsTheTextBehindIt) {
  auto config = miniature_run("x");
  config.pages.shuffled_share = config.pages.letters_share = config.pages.rare_share = 0;
  const experiments::TrainPages pages(config.pages);
  const auto tokenizer = text::Tokenizer::from_file(config.tokenizer);
  std::string all = read_file(config.pages.text[0]);
  std::string flat;
  for (char c : all) flat += c == '\n' ? ' ' : c;
  const auto page = pages.draw({256, 600, 11, 200});
  ASSERT_GT(page.continuation.size(), 150u);
  std::string last = page.text.substr(page.text.size() - 40), next = page.continuation.substr(0, 40);
  for (auto* text : {&last, &next})
    for (char& c : *text) c = c == '\n' ? ' ' : c;
  const size_t end = flat.find(last);
  ASSERT_NE(end, std::string::npos);
  EXPECT_EQ(flat.find(next, end), end + last.size() + 1) << last << "|" << next;  // the space between is nobody's

  auto model = model::presets::miniature();
  model.continue_token_id = 1;
  config.trainer.objective.task = "both";
  config.trainer.objective.continue_chars = 120;
  const train::GlyphClasses classes(tokenizer);
  const auto batch = train::make_batch(pages, tokenizer, classes, config.trainer, model, spec_of(256, 600, 12), 3, 0);
  int64_t go_on = 0;
  for (int64_t b = 0; b < 12; ++b) {
    const bool after = mark_of(batch, b) == 1;
    EXPECT_EQ(after, batch.goes_on[size_t(b)]);
    go_on += after;
    const std::string text = text_of_page(tokenizer, batch, b);
    EXPECT_EQ(after, text.size() <= 130) << text;
  }
  EXPECT_GT(go_on, 2);
  EXPECT_LT(go_on, 10);
  config.trainer.objective.task = "continue";
  const auto all_after = train::make_batch(pages, tokenizer, classes, config.trainer, model::presets::miniature(), spec_of(256, 600, 4), 3, 0);
  for (int64_t b = 0; b < 4; ++b) EXPECT_EQ(mark_of(all_after, b), 0);
  EXPECT_TRUE(all_after.place_cell.eq(-1).all().item<bool>());  // nothing of it stands on the page
}

TEST(Objective, AModelThatIsToDoBothNeedsAMark) {
  at::set_num_threads(1);
  auto config = miniature_run(folder_of("both"));
  config.trainer.objective.task = "both";
  EXPECT_THROW(experiments::run_train(config), ConfigError);
  config.trainer.model = {"continue_token_id=1"};
  config.trainer.num_steps = 4;
  config.trainer.log_every = 2;
  config.trainer.objective.probe_only_share = 0;
  EXPECT_EQ(experiments::run_train(config).num_steps, 4);
  fs::remove_all(config.trainer.out);
}

TEST(Objective, ASmallReaderComesNearerToItsTeacher) {
  at::set_num_threads(1);
  // The teacher is a few steps old: what it says is wrong, but it is its own, and that is what is learned.
  auto teacher = miniature_run(folder_of("teacher"));
  teacher.trainer.num_steps = 10;
  teacher.trainer.objective.probe_only_share = 0;
  experiments::run_train(teacher);
  auto student = miniature_run(folder_of("student"));
  student.trainer.teacher = teacher.trainer.out + "/model";
  student.trainer.seed = 7;
  student.trainer.model = {"decoder.num_hidden_layers=2", "decoder.first_k_dense_replace=2", "encoder.sam.depth=1", "encoder.sam.global_layers=0"};
  student.trainer.objective.guide_layer = 1;
  student.trainer.objective.reader = 0;  // the distance alone
  student.trainer.objective.distill_temperature = 2;
  student.trainer.objective.probe_only_share = 0;
  student.trainer.num_steps = 30;
  student.trainer.log_every = 5;
  std::vector<Json> log;
  experiments::run_train(student, [&](const Json& line) { log.push_back(line); });
  EXPECT_LT(log.back()["distance"].get<double>(), 0.6 * log.front()["distance"].get<double>());
  EXPECT_GT(log.front()["distance"].get<double>(), 0.01);
  // A teacher of other tokens cannot be learned from.
  fs::copy(teacher.trainer.out + "/model", student.trainer.out + "/other");
  write_file_atomic(student.trainer.out + "/other/tokenizer.json", read_file(student.tokenizer) + "\n");
  student.trainer.teacher = student.trainer.out + "/other";
  student.trainer.out = folder_of("never");
  EXPECT_THROW(experiments::run_train(student), ConfigError);
  for (const auto& folder : {teacher.trainer.out, student.trainer.out, folder_of("student")}) fs::remove_all(folder);
}

TEST(Objective, AdaptersAloneLearnAndMergeToWhatWasTrained) {
  at::set_num_threads(1);
  auto base = miniature_run(folder_of("base"));
  base.trainer.num_steps = 4;
  base.trainer.log_every = 4;
  base.trainer.objective.probe_only_share = 0;  // else the decoder's residual projections would still be zero
  experiments::run_train(base);
  auto tuned = miniature_run(folder_of("tuned"));
  tuned.trainer.init = base.trainer.out + "/model";
  tuned.trainer.lora.rank = 4;
  tuned.trainer.lora.targets = {"q_proj", "v_proj", "decoder.layers.0", "encoder.projector"};
  tuned.trainer.lora.merge = true;
  tuned.trainer.num_steps = 20;
  tuned.trainer.log_every = 5;
  tuned.trainer.optimizer.learning_rate = 5e-3;
  tuned.trainer.objective.probe = tuned.trainer.objective.patch_probe = tuned.trainer.objective.guide = 0;
  tuned.trainer.objective.probe_only_share = 0;
  std::vector<Json> log;
  experiments::run_train(tuned, [&](const Json& line) { log.push_back(line); });
  EXPECT_LT(log.back()["reader_loss"].get<double>(), log.front()["reader_loss"].get<double>() - 0.05);

  const weights::WeightStore before(base.trainer.out + "/model"), after(tuned.trainer.out + "/model"), adapters(tuned.trainer.out + "/adapters/adapter_model.safetensors");
  int64_t changed = 0;
  for (const auto& entry : before.entries()) {
    const bool adapted = adapters.contains("base_model.model." + entry.name.substr(0, entry.name.rfind('.')) + ".lora_A.weight") && entry.name.ends_with(".weight");
    EXPECT_EQ(adapted, !at::equal(before.tensor(entry.name), after.tensor(entry.name))) << entry.name;
    changed += adapted;
  }
  EXPECT_EQ(changed, 3 * 2 + 5 + 1);  // q and v of three layers; k, o, gate, up, down of the first; the projector
  const Json about = Json::parse(read_file(tuned.trainer.out + "/adapters/adapter_config.json"));
  EXPECT_EQ(int64_t(about["target_modules"].size()), changed);
  for (const Json& layer : about["target_modules"]) EXPECT_TRUE(adapters.contains("base_model.model." + layer.get<std::string>() + ".lora_A.weight")) << layer;
  // Merging the folder gives the model that was saved merged.
  model::OpticalModel merged(train::read_model_config(tuned.trainer.init), nn::Factory{});
  train::init_from(merged, tuned.trainer.init);
  EXPECT_EQ(train::merge_adapters(merged, tuned.trainer.out + "/adapters"), changed);
  for (const auto& [name, tensor] : model::published_tensors(merged)) EXPECT_TRUE(at::allclose(tensor, after.tensor(name), 0, 1e-6)) << name;

  tuned.trainer.lora.targets = {"q_prj"};
  tuned.trainer.out = folder_of("never");
  try {
    experiments::run_train(tuned);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean 'q_proj'"), std::string::npos) << e.what();
  }
  for (const auto& name : {"base", "tuned", "never"}) fs::remove_all(folder_of(name));
}

TEST(Objective, TheBestModelIsKeptBesideTheLast) {
  auto config = miniature_run(folder_of("best"));
  config.trainer.validate_every = 5;
  config.trainer.validate_batches = 2;
  config.trainer.num_steps = 20;
  config.trainer.log_every = 5;
  config.trainer.objective.probe_only_share = 0;
  EXPECT_THROW(experiments::run_train(config), ConfigError);  // no pages to validate on
  config.pages.valid_text = {std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/en_the_man_who_was_thursday.txt"};
  config.trainer.optimizer.learning_rate = 3e-3;
  std::vector<Json> log;
  experiments::run_train(config, [&](const Json& line) { log.push_back(line); });
  int64_t best = -1;
  double least = 1e9;
  for (const auto& line : log)
    if (line["valid_loss"].get<double>() < least) least = line["valid_loss"], best = line["step"];
  EXPECT_EQ(log.back()["best_step"], best);
  EXPECT_LT(least, log.front()["valid_loss"].get<double>() + 1e-9);
  EXPECT_TRUE(fs::exists(config.trainer.out + "/best/config.json"));
  EXPECT_EQ(Json::parse(read_file(config.trainer.out + "/checkpoint/state.json"))["best_step"], best);
  fs::remove_all(config.trainer.out);
}

TEST(Objective, BatchesOfAStepAddUp) {
  at::set_num_threads(1);
  auto config = miniature_run(folder_of("micro"));
  config.trainer.micro_batches = 3;
  config.trainer.num_steps = 6;
  config.trainer.log_every = 2;
  config.trainer.objective.probe_only_share = 0;
  int looks = 0;
  experiments::run_train(config, {}, [&] { return ++looks == 1; });
  config.trainer.micro_batches = 0;  // as the checkpoint has it
  experiments::run_train(config);
  auto straight = config;
  straight.trainer.micro_batches = 3;
  straight.trainer.out = folder_of("straight");
  experiments::run_train(straight);
  const weights::WeightStore a(config.trainer.out + "/model"), b(straight.trainer.out + "/model");
  for (const auto& entry : a.entries()) EXPECT_TRUE(at::equal(a.tensor(entry.name), b.tensor(entry.name))) << entry.name;
  fs::remove_all(config.trainer.out);
  fs::remove_all(straight.trainer.out);
}

TEST(Objective, ComputingLayersAgainGivesTheSameTraining) {
  at::set_num_threads(1);
  auto config = miniature_run(folder_of("kept"));
  config.trainer.num_steps = 4;
  config.trainer.log_every = 2;
  config.trainer.objective.probe_only_share = 0;
  experiments::run_train(config);
  auto again = config;
  again.trainer.out = folder_of("again");
  again.trainer.checkpoint_activations = true;
  experiments::run_train(again);
  const weights::WeightStore a(config.trainer.out + "/model"), b(again.trainer.out + "/model");
  for (const auto& entry : a.entries()) EXPECT_TRUE(at::allclose(a.tensor(entry.name), b.tensor(entry.name), 1e-5, 1e-7)) << entry.name;
  // With adapters, too: their layers must still hold them when they are gone through again.
  std::vector<std::string> outs;
  for (bool recompute : {false, true}) {
    auto tuned = config;
    tuned.trainer.init = config.trainer.out + "/model";
    tuned.trainer.lora.rank = 2;
    tuned.trainer.lora.merge = true;
    tuned.trainer.checkpoint_activations = recompute;
    tuned.trainer.out = folder_of(recompute ? "tuned-again" : "tuned-kept");
    experiments::run_train(tuned);
    outs.push_back(tuned.trainer.out + "/model");
  }
  const weights::WeightStore c(outs[0]), d(outs[1]);
  int64_t moved = 0;
  for (const auto& entry : c.entries()) {
    EXPECT_TRUE(at::allclose(c.tensor(entry.name), d.tensor(entry.name), 1e-5, 1e-7)) << entry.name;
    moved += !at::equal(a.tensor(entry.name), d.tensor(entry.name));
  }
  EXPECT_EQ(moved, 3 * 4);
  for (const auto& out : outs) fs::remove_all(fs::path(out).parent_path());
  fs::remove_all(config.trainer.out);
  fs::remove_all(again.trainer.out);
}

TEST(Objective, TablesAreLearnedAsTheirHtml) {
  at::set_num_threads(1);
  auto config = miniature_run(folder_of("tables"));
  config.pages.kind = "tables";
  config.pages.table.fonts = {"DejaVu Sans"};
  config.pages.table.max_columns = 3;
  config.pages.table.max_rows = 3;
  config.trainer.curriculum.sides_px = {192};
  config.trainer.num_steps = 18;
  config.trainer.log_every = 6;
  config.trainer.objective.probe_only_share = 0;
  std::vector<Json> log;
  experiments::run_train(config, [&](const Json& line) { log.push_back(line); });
  EXPECT_LT(log.back()["reader_loss"].get<double>(), log.front()["reader_loss"].get<double>() - 1);
  fs::remove_all(config.trainer.out);
  config.pages.channels = "three-texts";
  EXPECT_THROW(experiments::TrainPages{config.pages}, ConfigError);
}

TEST(Objective, ThreeTextsStandInThreeChannels) {
  auto config = miniature_run(folder_of("channels"));
  config.pages.channels = "three-texts";
  config.pages.partial_share = 0;
  const experiments::TrainPages pages(config.pages), gray(miniature_run("x").pages);
  const auto page = pages.draw({256, 900, 5});
  ASSERT_EQ(page.image.channels, 3);
  ASSERT_EQ(page.text.size(), page.x_px.size());
  // Each channel has ink of its own; the text goes down the page three times.
  int64_t restarts = 0;
  for (size_t i = 1; i < page.y_px.size(); ++i) restarts += page.y_px[i] < page.y_px[i - 1] - 50;
  EXPECT_EQ(restarts, 2);
  std::array<int64_t, 3> dark{}, alone{};
  for (size_t p = 0; p < page.image.pixels.size(); p += 3)
    for (size_t c = 0; c < 3; ++c) {
      dark[c] += page.image.pixels[p + c] < 100;
      alone[c] += page.image.pixels[p + c] < 100 && page.image.pixels[p + (c + 1) % 3] > 200;
    }
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_GT(dark[c], 500);
    EXPECT_GT(alone[c], dark[c] / 3);
  }
  // The same text in gray needs smaller type: glyphs of the three are further apart.
  ASSERT_GT(page.glyph_char.size(), 500u);
  // Where the probe asks there is ink, in the channel that it asks about.
  ASSERT_EQ(page.glyph_channel.size(), page.glyph_char.size());
  size_t inked = 0;
  for (size_t i = 0; i < page.glyph_char.size(); ++i) {
    int darkest = 255;
    for (int dy = -4; dy <= 4; ++dy)
      for (int dx = -3; dx <= 3; ++dx) {
        const int x = std::clamp(page.glyph_x_px[i] + dx, 0, 255), y = std::clamp(page.glyph_y_px[i] + dy, 0, 255);
        darkest = std::min<int>(darkest, page.image.pixels[size_t(3 * (256 * y + x)) + page.glyph_channel[i]]);
      }
    inked += darkest < 200;
  }
  EXPECT_GT(inked, page.glyph_char.size() * 95 / 100);
  EXPECT_EQ(std::set<int>(page.glyph_channel.begin(), page.glyph_channel.end()).size(), 3u);
  config.trainer.model = {"encoder.sam.in_channels=3"};
  config.trainer.num_steps = 2;
  config.trainer.log_every = 2;
  config.trainer.objective.probe_only_share = 0;
  EXPECT_EQ(experiments::run_train(config).num_steps, 2);
  fs::remove_all(config.trainer.out);
}

TEST(Objective, FrontsAreNumbersOfTheModel) {
  auto config = miniature_run(folder_of("fronts"));
  config.trainer.num_steps = 1;
  config.trainer.log_every = 1;
  config.trainer.objective.probe_only_share = 0;
  const std::vector<std::vector<std::string>> fronts = {
      {"encoder.sam.global_layers=0,1"},                              // global only
      {"encoder.sam.depth=0", "encoder.sam.global_layers=", "encoder.sam.stem_blocks=3"},  // convolutional
      {"encoder.clip.depth=0"},                                       // one tower
      {"encoder.sam.stem=patch", "encoder.sam.stem_widths="},         // linear patches
      {"decoder.deepstack_layer=1"},                                  // vision tokens of twice the width
  };
  for (const auto& front : fronts) {
    config.trainer.model = front;
    fs::remove_all(config.trainer.out);
    const auto result = experiments::run_train(config);
    EXPECT_TRUE(std::isfinite(result.last_log["loss"].get<double>())) << front.front();
    EXPECT_GT(result.last_log["grad_norm"].get<double>(), 0) << front.front();
  }
  fs::remove_all(config.trainer.out);
}

TEST(Objective, PagesInBitmapFonts) {
  auto config = miniature_run("x").pages;
  config.fonts = {"5x8"};
  try {
    render::font_file("5x8");
  } catch (const Error&) {
    GTEST_SKIP() << "5x8 (xfonts-base) is not installed";
  }
  const experiments::TrainPages pages(config);
  for (uint64_t seed = 0; seed < 12; ++seed) {
    const auto page = pages.draw({256, 250, seed});
    EXPECT_GT(page.text.size(), 60u);
    ASSERT_EQ(page.text.size(), page.x_px.size());
    for (uint8_t value : page.image.pixels) ASSERT_TRUE(value == 0 || value == 255) << int(value);  // whole pixels
  }
}

}  // namespace
}  // namespace fovea

// Where a training starts: weights in part, parts that stay as they are.
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/file.h"
#include "fovea/nn/initialise.h"
#include "fovea/train/init.h"
#include "train_runs.h"

namespace fovea {
namespace {
namespace fs = std::filesystem;
using testing_train::folder_of;
using testing_train::miniature_run;

model::OpticalModel miniature(const std::vector<std::string>& changes, uint64_t seed) {
  auto config = model::presets::miniature();
  apply_overrides(config, changes, "test");
  model::OpticalModel network(config, nn::Factory{});
  nn::initialise(*network, seed);
  return network;
}

std::string saved(const std::vector<std::string>& changes, uint64_t seed, const std::string& name) {
  const std::string folder = folder_of(name);
  model::save_model(folder, miniature(changes, seed), {});
  return folder;
}

TEST(Start, ANewCompressorBetweenOldTowers) {
  const std::string folder = saved({}, 1, "old");
  auto network = miniature({"encoder.compressor.kind=shuffle"}, 2);
  const auto before = network->named_parameters()["encoder.compressor.proj.weight"].clone();
  const auto report = train::init_from(network, folder, {"encoder.compressor"});
  EXPECT_EQ(report.fresh, (std::vector<std::string>{"encoder.compressor.proj.weight", "encoder.compressor.proj.bias"}));
  EXPECT_EQ(report.left_over.size(), 4u);  // two convolutions with biases
  EXPECT_EQ(report.num_loaded + 2, int64_t(network->named_parameters().size()));
  EXPECT_TRUE(at::equal(before, network->named_parameters()["encoder.compressor.proj.weight"]));
  const auto old = miniature({}, 1)->named_parameters();
  EXPECT_TRUE(at::equal(old["decoder.embed_tokens.weight"], network->named_parameters()["decoder.embed_tokens.weight"]));
  EXPECT_NE(train::describe_init(report).find("fresh: encoder.compressor (2)"), std::string::npos);

  // One more step of the compressor: its first two convolutions may stay.
  auto deeper = miniature({"encoder.compressor.channels=64,96,96"}, 2);
  EXPECT_EQ(train::init_from(deeper, folder, {"encoder.compressor.net_4"}).fresh.size(), 2u);
  // The decoder alone.
  auto other = miniature({"encoder.sam.width=32", "encoder.sam.stem_widths=8,16"}, 2);
  const auto decoder_alone = train::init_from(other, folder, {}, {"decoder"});
  for (const auto& name : decoder_alone.fresh) EXPECT_EQ(name.rfind("encoder.", 0), 0u) << name;
  // By the published names, too.
  EXPECT_EQ(train::init_from(network, folder, {"model.sam_model.net_2", "model.sam_model.net_3", "encoder.compressor.proj"}).fresh.size(), 2u);
  fs::remove_all(folder);
}

TEST(Start, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  const std::string folder = saved({}, 1, "old");
  auto network = miniature({"encoder.compressor.kind=shuffle", "decoder.intermediate_size=96"}, 2);
  const auto before = network->named_parameters()["decoder.embed_tokens.weight"].clone();
  try {
    train::init_from(network, folder);
    FAIL();
  } catch (const WeightsError& e) {
    const std::string text = e.what();
    for (const char* part : {"encoder.compressor.proj.weight is not in the folder", "encoder.compressor.net_2.weight is in the folder and not in the model",
                             "[64, 128] in the folder and [64, 96] in the model", "init_skip=decoder.layers.0.mlp.down_proj,"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
  }
  EXPECT_TRUE(at::equal(before, network->named_parameters()["decoder.embed_tokens.weight"]));
  try {
    train::init_from(network, folder, {"encoder.compresor"});
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean 'encoder.compressor'"), std::string::npos) << e.what();
  }
  fs::remove_all(folder);
}

TEST(Start, FrozenPartsStayBitForBitAndTheOthersLearn) {
  at::set_num_threads(1);
  const std::string folder = saved({}, 5, "old"), out = folder_of("frozen");
  auto config = miniature_run(out);
  config.trainer.init = folder;
  config.trainer.num_steps = 12;
  config.trainer.log_every = 6;
  config.trainer.objective.probe_only_share = 0;
  config.trainer.freeze = {"encoder.sam_model", "decoder.layers.1"};
  experiments::run_train(config);
  const weights::WeightStore a(folder), b(out + "/model");
  ASSERT_EQ(a.entries().size(), b.entries().size());
  int64_t frozen = 0, moved = 0;
  for (const auto& entry : a.entries()) {
    const bool kept = (entry.name.rfind("model.sam_model.", 0) == 0 && entry.name.rfind("model.sam_model.net_", 0) != 0) || entry.name.rfind("model.layers.1.", 0) == 0;
    const bool same = at::equal(a.tensor(entry.name), b.tensor(entry.name));
    EXPECT_TRUE(!kept || same) << entry.name;
    frozen += kept;
    moved += !kept && !same;
  }
  EXPECT_GT(frozen, 10);
  EXPECT_GT(moved, 10);
  const Json start = Json::parse(read_file(out + "/start.json"));
  EXPECT_EQ(start["num_frozen"], frozen);

  config.trainer.out = folder_of("other");
  config.trainer.freeze = {"encoder.sam"};
  EXPECT_THROW(experiments::run_train(config), ConfigError);
  config.trainer.freeze = {"encoder", "decoder"};
  config.trainer.objective.probe = config.trainer.objective.patch_probe = config.trainer.objective.guide = 0;
  EXPECT_THROW(experiments::run_train(config), ConfigError);  // nothing to train
  fs::remove_all(folder);
  fs::remove_all(out);
  fs::remove_all(config.trainer.out);
}

}  // namespace
}  // namespace fovea

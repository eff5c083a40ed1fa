// A miniature training that takes a second, and folders for it.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fovea/experiments/train_verb.h"

namespace fovea::testing_train {

inline experiments::TrainConfig miniature_run(const std::string& out) {
  experiments::TrainConfig c;
  c.tokenizer = std::string(FOVEA_SOURCE_DIR) + "/models/reader-tiny/tokenizer.json";
  c.pages.text = {std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/en_state_of_the_union_1953.txt"};
  c.pages.fonts = {"DejaVu Sans Mono"};
  c.trainer.out = out;
  c.trainer.preset = "miniature";
  c.trainer.num_steps = 60;
  c.trainer.tokens_per_batch = 1200;
  c.trainer.max_pages_per_batch = 8;
  c.trainer.prefetch_steps = 3;
  c.trainer.log_every = 10;
  c.trainer.checkpoint_every_s = 0;
  c.trainer.workers = 2;
  c.trainer.curriculum.sides_px = {128};
  c.trainer.curriculum.ratio_high_first = c.trainer.curriculum.ratio_high_last = 4;
  c.trainer.optimizer.warmup_steps = 5;
  c.trainer.objective.probe_only_share = 0.1;
  c.trainer.objective.probe_width = 64;
  return c;
}

inline std::string folder_of(const std::string& name) {
  const std::string folder = testing::TempDir() + "fovea_train_" + name + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  return folder;
}

}  // namespace fovea::testing_train

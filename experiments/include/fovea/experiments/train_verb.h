// `train` as a verb: one config struct for the trainer, its pages and its tokenizer.
#pragma once
#include <functional>

#include "fovea/experiments/train_pages.h"
#include "fovea/train/config.h"
#include "fovea/train/trainer.h"

namespace fovea::experiments {

struct TrainConfig {
  std::string tokenizer = "models/reader-tiny/tokenizer.json";  ///< the reader's own
  TrainPagesConfig pages;
  train::TrainerConfig trainer;

  template <class V> void visit_fields(V& v) {
    v.field("tokenizer", tokenizer, "tokenizer.json of the reader");
    v.field("pages", pages, "what pages are made of");
    v.field("trainer", trainer, "the run");
  }
};

/// Trains into config.trainer.out, as train::train.
train::TrainResult run_train(const TrainConfig& config, const std::function<void(const Json&)>& on_log = {},
                             const std::function<bool()>& should_stop = {});

/// One line for people out of a log line: step, progress, accuracy, pages/s, time left.
std::string describe_log(const Json& line);
/// "1 h 02 min", "3 min 05 s", "12 s".
std::string describe_seconds(double seconds);

}  // namespace fovea::experiments

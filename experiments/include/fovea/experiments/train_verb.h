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

/// What a training would take, counted before it starts: parameters by part, operations a page and a step by page size, memory of parameters, gradients and
/// optimiser (exact) and of activations (34 bytes a position, layer and unit of width, Korthikanti et al. 2022, arXiv 2205.05198, section 4.1), length of the run.
/// Errors: ConfigError, IoError, WeightsError (a folder to start from that is not there or does not fit, parts of it that are not).
Json plan_training(const TrainConfig& config);
/// The same as lines for people.
std::string describe_training_plan(const Json& plan);

/// One line for people out of a log line: step, progress, accuracy, pages/s, time left.
std::string describe_log(const Json& line);
/// "1 h 02 min", "3 min 05 s", "12 s".
std::string describe_seconds(double seconds);

}  // namespace fovea::experiments

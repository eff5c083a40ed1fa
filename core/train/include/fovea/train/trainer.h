// The loop: batches in, a trained model and a log out; stopped and started again it goes on where it was.
#pragma once
#include <functional>

#include "fovea/base/config.h"
#include "fovea/text/tokenizer.h"
#include "fovea/train/config.h"
#include "fovea/train/page_source.h"

namespace fovea::train {

struct TrainResult {
  int64_t num_steps = 0;
  Json last_log;         ///< the last line of log.jsonl
};

/// Trains into config.out:
///   log.jsonl     a line every log_every steps: step, progress, side, rate, loss parts, accuracies, pages/s, text tokens/s
///   checkpoint/   weights, optimiser and curriculum state; an existing one of the same config is gone on from
///   model/        config.json, tokenizer.json and weights (float32) as fovea::model::Reader loads them
/// Resume  on a CPU, with time_limit_s = 0, stopping and going on gives the same weights bit for bit (same thread count).
/// on_log is called on rank 0 with each log line. Errors: ConfigError, WeightsError (checkpoint of another model), IoError.
TrainResult train(const TrainerConfig& config, const PageSource& source, const text::Tokenizer& tokenizer,
                  const std::string& tokenizer_path, const std::function<void(const Json&)>& on_log = {},
                  const std::function<bool()>& should_stop = {});

}  // namespace fovea::train

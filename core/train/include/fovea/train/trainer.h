// The loop: batches in, a trained model and a log out; stopped and started again it goes on where it was.
#pragma once
#include <functional>

#include "fovea/base/config.h"
#include "fovea/model/config.h"
#include "fovea/text/tokenizer.h"
#include "fovea/train/config.h"
#include "fovea/train/page_source.h"

namespace fovea::train {

/// The loss is no number any more, or far above guessing (Python: RuntimeError).
class DivergenceError : public Error { using Error::Error; };

/// The model that a run builds: its preset or the folder it starts from, with trainer.model's changes. Errors: ConfigError, IoError.
model::ModelConfig model_of(const TrainerConfig& config);

/// Everything about where a run starts that can be wrong, from configs and file headers alone: the folder's weights against the model, the parts that are
/// skipped or frozen. Errors: ConfigError, IoError, WeightsError.
void check_start(const TrainerConfig& config);

/// Parameters of the model, or of its adapters, that a run trains; probes not counted. Errors: as check_start.
int64_t count_trained(const TrainerConfig& config);

struct TrainResult {
  int64_t num_steps = 0;
  Json last_log;         ///< the last line of log.jsonl
};

/// Trains into config.out:
///   log.jsonl     a line every log_every steps: step, progress, side, rate, loss parts, accuracies, pages/s, text tokens/s
///   start.json    what was loaded from config.init, what is fresh, how many tensors are trained and frozen
///   checkpoint/   weights, optimiser and curriculum state; an existing one of the same config is gone on from
///   model/        config.json, tokenizer.json and weights (float32) as fovea::model::Reader loads them: the last state
///   best/         the same at the least validation loss (config.validate_every)
///   adapters/     with config.lora, in place of model/ unless lora.merge: adapter_model.safetensors and adapter_config.json (best-adapters/ likewise)
/// Resume  on a CPU, with time_limit_s = 0, stopping and going on gives the same weights bit for bit (same thread count), and so it does on another
///         number of processes that divides micro_batches, up to the order of their sums (none of two).
/// validation  pages that are not trained on; needed where validate_every > 0.
/// on_log is called on rank 0 with each log line. Errors: ConfigError, WeightsError (checkpoint of another model), IoError,
/// DivergenceError, LostProcessError.
TrainResult train(const TrainerConfig& config, const PageSource& source, const text::Tokenizer& tokenizer,
                  const std::string& tokenizer_path, const std::function<void(const Json&)>& on_log = {},
                  const std::function<bool()>& should_stop = {}, const PageSource* validation = nullptr);

}  // namespace fovea::train

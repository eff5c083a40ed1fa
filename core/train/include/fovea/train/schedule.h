// What a step does, as a function of (config, step, control): learning rate, page size, density. The same on every process.
#pragma once
#include <vector>

#include "fovea/train/config.h"

namespace fovea::train {

/// State of the curricula, decided every few steps from measured accuracy and known to all processes.
struct Control {
  int64_t from_step = 0;   ///< holds from this step on
  int64_t level = 0;       ///< largest open entry of sides_px
  double progress = 0;     ///< 0 to 1
};

struct BatchSpec {
  int64_t side_px;
  double ratio;
  int64_t num_chars;       ///< a page
  int64_t num_pages;       ///< a process
};

/// Learning rate at a step; progress in [0, 1].
double learning_rate(const OptimizerConfig& config, int64_t step, double progress);

/// Size and density of a step's batch. stride_px: px a vision token's side; reader_chars_per_token: of the reader's own tokenizer.
BatchSpec batch_spec(const TrainerConfig& config, int64_t step, const Control& control, int64_t stride_px, int64_t patch_px,
                     double reader_chars_per_token);

}  // namespace fovea::train

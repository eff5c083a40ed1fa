// A model folder as a PageReader: reader-tiny, or DeepSeek-OCR's published form.
#pragma once
#include <memory>

#include "fovea/experiments/eval.h"
#include "fovea/experiments/page_reader.h"

namespace fovea::experiments {

/// Loads config.model. Errors: IoError, ConfigError, WeightsError.
std::unique_ptr<PageReader> make_model_reader(const EvalConfig& config);
/// The reader that the config names, of whatever kind. Errors: as that and make_light_reader.
std::unique_ptr<PageReader> make_reader(const EvalConfig& config);
/// run_eval with make_reader and what the manifest says of this machine.
EvalSummary run_eval(const EvalConfig& config, EvalCallbacks callbacks);

}  // namespace fovea::experiments

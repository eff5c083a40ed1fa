// What a reader without the page would get: prior.jsonl (a line a sample) and prior.csv (a row a kind).
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fovea/experiments/language_model.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {

class Prior {
 public:
  /// Learns from config.prior_text (as a part of what determines the run). Nothing unless config.prior. Errors: IoError, ConfigError.
  Prior(const EvalConfig& config, TaskContext& context, const Task& task);
  /// For every sample with text on a drawn page: the reader shown the page and a blank page of the same size, both with the true text so far, and the
  /// language model. Lines that are there already are kept. check_stop may throw.
  void run(const std::vector<Sample>& samples, const std::vector<std::string>& keys, PageReader& reader, const std::string& folder, const std::function<void()>& check_stop,
           TaskContext& context);
  std::vector<std::string> files;

 private:
  bool wanted_ = false;
  std::optional<LanguageModel> model_;
};

}  // namespace fovea::experiments

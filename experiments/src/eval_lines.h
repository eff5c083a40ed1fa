// From an answer to a line of results.jsonl, and from lines to rows of summary.csv.
#pragma once
#include <string>
#include <tuple>
#include <vector>

#include "fovea/experiments/task.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/words.h"

namespace fovea::experiments {

/// The further metrics of a config. Errors: ConfigError (unknown name with the nearest, what a metric needs is not installed).
class Metrics {
 public:
  explicit Metrics(const EvalConfig& config);
  /// Values by name, null where undefined (an error rate of an empty reference). Texts with white space runs as one space.
  Json of(std::u32string_view reference, std::u32string_view hypothesis) const;

 private:
  std::vector<std::string> names_;
  std::string jieba_;
  std::shared_ptr<const metrics::WordNet> wordnet_;
};

/// A line: the fields of a curve's line where they apply, and task, task_version, sample, kind, metrics.
/// Errors: ConfigError where the texts are too long to be aligned.
Json result_line(const Task& task, const Sample& sample, const std::string& key, const std::string& page, const ReadAnswer& answer, const std::string& reference, const Metrics& metrics,
                 const EvalConfig& config);
/// seen: with the page and its text, with a blank page and the text, with the page alone, with a blank page alone.
Json followed_line(const Task& task, const Sample& sample, const std::string& key, const std::string& page, const std::vector<Foresight>& seen);

/// Columns and rows: a row for each kind and group of the task, in order of first appearance.
std::tuple<std::vector<std::string>, Json> summarise_lines(const Task& task, const std::vector<Json>& lines, size_t num_errors);

}  // namespace fovea::experiments

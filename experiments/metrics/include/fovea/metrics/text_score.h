// Any two texts, or folders of texts with the same names, scored by every metric of this library.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/config.h"

namespace fovea::metrics {

struct TextScoreConfig {
  std::string reference, hypothesis;
  std::string out;
  std::vector<std::string> metrics;
  std::string unit = "code_points";
  std::string words = "auto";
  std::string white_space = "one_space";
  std::string missing = "empty";
  std::string jieba, wordnet;
  int64_t max_characters = 2'000'000;
  int64_t threads = 0;

  template <class V> void visit_fields(V& v) {
    v.field("reference", reference, "text that should have been read: a file, or a folder of files");
    v.field("hypothesis", hypothesis, "text that was read: a file, or a folder of files with the same names (endings may differ)");
    v.field("out", out, "metrics file to write (JSON)");
    v.field("metrics", metrics, "names of metrics; empty: all");
    v.field("unit", unit, "what characters are", {.choices = {"code_points", "graphemes"}});
    v.field("words", words, "what words are: white space between, jieba's, or auto (jieba where there is a Chinese character, as Fox does)", {.choices = {"auto", "white_space", "jieba"}});
    v.field("white_space", white_space, "one_space: runs of white space count as one space; keep: as it stands", {.choices = {"one_space", "keep"}});
    v.field("missing", missing, "files without a partner in the hypothesis folder: scored as empty, left out (skip), or refused", {.choices = {"empty", "skip", "refuse"}});
    v.field("jieba", jieba, "folder of jieba; empty: FOVEA_JIEBA or Debian's python3-jieba");
    v.field("wordnet", wordnet, "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base");
    v.field("max_characters", max_characters, "two longer texts are refused: edits take time with the product of length and edits, hours at 10 million and 5 % errors", {.min = 1});
    v.field("threads", threads, "threads; 0: all", {.min = 0, .max = 1024});
  }
};

/// Names that `metrics` may hold, with what each is.
Json text_metric_names();

/// {schema, policy, num_texts, mean: {metric: mean over texts}, total: {cer, wer, edit_distance: sums of edits over sums of lengths}, reading, texts: [...]}.
/// Empty texts: two empty texts are a perfect reading (similarities 1, distances 0); one empty text scores 0 (distances 1; cer and wer of an empty
/// reference are null and left out of the mean). Malformed bytes of the hypothesis count as U+FFFD.
/// Errors: ConfigError (unknown metric: nearest name; no file; nothing in common; two texts beyond max_characters), IoError.
Json score_texts(const TextScoreConfig& config);

}  // namespace fovea::metrics

// Score: how much of a text survived. Set-of-words precision, recall and F1, edit distance with its script.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/metrics/edit_distance.h"

namespace fovea::experiments {

using metrics::edit_distance;
using metrics::edit_script;
using metrics::EditKind;
using metrics::EditRun;

struct Score {
  double precision = 0;           ///< |words(ref) & words(hyp)| / |words(hyp)|, sets of whitespace-separated words, each Han or kana character a word; the paper's "precision"
  double recall = 0;              ///< ... / |words(ref)|
  double f1 = 0;
  double char_edit_distance = 0;  ///< edits / max(lengths), over code points after white space is normalised; 0 for two empty texts
  uint64_t num_edits = 0;
  uint64_t num_ref_chars = 0, num_hyp_chars = 0;
  std::vector<EditRun> script;    ///< over the normalised texts
};

/// White space runs become one space, ends are trimmed: line breaks chosen by a layout do not count as errors. A run with a line break between two Han or kana
/// characters (or one and a quotation mark, dash, ellipsis) becomes nothing: those scripts have no space there.
std::string normalize_space(std::string_view text);

/// Score of UTF-8 texts. Malformed bytes of the hypothesis count as U+FFFD. Empty sets: precision and recall are 0 unless both
/// texts are empty, then 1 (policy of this toolkit; Fox's None is undefined for averages).
/// Source  Fox eval_ocr_test.py (set-of-words precision, roles "natural"); NED as in OmniDocBench.
Score score_text(std::string_view reference, std::string_view hypothesis);

/// Index of each kept code point of normalize_space(text) in text's own code points, for mapping a script back to a page.
std::vector<uint32_t> normalized_to_source(std::string_view text);

/// 95 % percentile bootstrap of a mean: {low, high}. 10,000 resamples, seeded. One value gives {v, v}.
struct Interval { double low, high; };
Interval bootstrap_mean(const std::vector<double>& values, uint64_t seed = 0, int num_resamples = 10000);

}  // namespace fovea::experiments

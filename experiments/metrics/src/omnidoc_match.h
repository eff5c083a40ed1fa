// Which piece of a prediction stands for which block of the ground truth.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/metrics/omnidoc_text.h"

namespace fovea::metrics {

struct TruthBlock {
  std::u32string category;
  std::u32string text, latex, html;
  Json order;      ///< number, or null
  Json attribute;  ///< object
};

/// One pair that is scored. Empty index lists stand for "none".
struct MatchedSample {
  std::vector<size_t> truth_index, prediction_index;
  std::u32string truth, prediction, normal_truth, normal_prediction;
  std::u32string truth_category, prediction_category;
  std::vector<Json> truth_position;  ///< order of each block; "" where it has none
  std::optional<int64_t> prediction_position;
  std::vector<Json> truth_attribute;
  double edit = 1;
  std::string page;
  std::optional<double> edit_distance, teds, teds_structure;  ///< metrics, once scored
};

enum class LineKind { kMixed, kMixed16, kText, kFormula, kHtmlTable, kHtmlTable16, kLatexTable };

/// Faults of the official program, as switches.
struct MatchQuirks {
  bool missing_counts_twice = true;      ///< 1.0: blocks are added a second time where no piece is left over
  bool extra_costs_nothing = true;       ///< from 1.5: pieces of no block are dropped
  bool piece_0_has_no_position = true;   ///< tables (match_simple): index 0 is taken for "none"
};

/// Categories that may absorb text and are not scored.
bool is_ignored_category(std::u32string_view category);

/// quick_match: near pairs first, then runs of adjacent pieces, Hungarian, windows, Hungarian of the rest.
/// kind kMixed is version 1.5 (text and formulas in one pool), kMixed16 version 1.6, kText and kFormula version 1.0. rows_of_pieces: formulas of several rows
/// are taken apart on the prediction's side too.
/// Source  utils/match_quick.py match_gt2pred_quick. Samples of no block are left out from 1.5, of ignored categories in 1.5: they are not scored.
std::vector<MatchedSample> match_quick(std::vector<TruthBlock> truth, std::vector<OmniDocPiece> pieces, LineKind kind, const std::string& page,
                                       bool rows_of_pieces = true, const MatchQuirks& quirks = {});

/// simple_match: one Hungarian on normalised edit distance. unmatched: indices of pieces that no block took.
/// Source  utils/match.py match_gt2pred_simple.
std::vector<MatchedSample> match_simple(const std::vector<TruthBlock>& truth, const std::vector<OmniDocPiece>& pieces, LineKind kind, const std::string& page,
                                        std::vector<size_t>* unmatched = nullptr, const MatchQuirks& quirks = {});

}  // namespace fovea::metrics

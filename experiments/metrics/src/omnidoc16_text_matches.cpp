// Text paired again where version 1.6 finds something nearer. Source  src/dataset/end2end_dataset.py.
#include <algorithm>
#include <set>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"
#include "pattern.h"

namespace fovea::metrics::v16 {
namespace {

constexpr double kTie = 1e-12;
using Indices = std::vector<size_t>;

bool is_formula(View category) { return category == U"equation_isolated" || category == U"equation_inline"; }

// _cross_category_text, with its default (not "aggressive") way.
Text as_text(View category, View text) { return textblock2unicode(is_formula(category) ? View(strip_formula_delimiters(text)) : text); }

// _text_contains_formula_hint
bool has_formula(View text) {
  static const Pattern wrapped(R"(\$[^$]+\$|\\\([^)]*\\\))");
  if (wrapped.is_in(text) || contains_any(text, {U"\\frac", U"\\sum", U"\\int", U"\\sqrt", U"\\left", U"\\right"})) return true;
  return contains_any(text, {U"^", U"_"}) && contains_any(text, {U"$", U"\\"});
}

// The pool's pieces that a pair already holds. Upstream looks up its line numbers, which are others where formulas were split or lines left out.
Indices held(const MatchedSample& sample, const std::vector<OmniDocPiece>& pool) {
  std::set<size_t> out;
  for (size_t j : sample.prediction_index)
    if (j < pool.size()) out.insert(j);
  if (out.empty() && sample.prediction_position)
    for (size_t j = 0; j < pool.size(); ++j)
      if (pool[j].begin <= *sample.prediction_position && *sample.prediction_position <= pool[j].end) out.insert(j);
  return {out.begin(), out.end()};
}

struct Span {
  size_t begin = 0, end = 0;  // in the pool
  Text raw, normal;
  double edit = 1;
  size_t shift = 0;
};

std::optional<Span> nearest_span(const MatchedSample& sample, const std::vector<OmniDocPiece>& pool, const std::vector<Text>& rendered, const std::set<size_t>& blocked) {
  const bool formula = has_formula(sample.truth);
  const Text truth = normalized_text(formula && !is_formula(sample.truth_category) ? text_with_normal_formulas(sample.truth) : as_text(sample.truth_category, sample.truth),
                                     OmniDocVersion::k1_6);
  if (truth.empty()) return std::nullopt;
  const Indices own = held(sample, pool);
  const size_t first = own.empty() || own[0] < 8 ? 0 : own[0] - 8, last = own.empty() ? pool.size() - 1 : std::min(pool.size() - 1, own.back() + 8);
  const auto allowed = [&](size_t j) { return (pool[j].category == U"text_all" || (formula && pool[j].category == U"equation_isolated")) && !blocked.count(j); };
  std::optional<Span> best;
  for (size_t begin = first; begin <= last; ++begin) {
    Text raw, text;
    for (size_t end = begin; end < std::min(last + 1, begin + (formula ? 8 : 4)) && allowed(end); ++end) {
      raw += pool[end].content;
      text += rendered[end];
      Text normal = normalized_text(text, OmniDocVersion::k1_6);
      if (normal.empty()) continue;
      const double edit = distance(truth, normal);
      const size_t shift = own.empty() ? 0 : begin > own[0] ? begin - own[0] : own[0] - begin;
      const bool nearer = !best || edit + kTie < best->edit ||
                          (edit <= best->edit + kTie && (end - begin < best->end - best->begin || (end - begin == best->end - best->begin && shift < best->shift)));
      if (nearer) best = Span{begin, end, raw, std::move(normal), edit, shift};
    }
  }
  if (!best || best->edit >= sample.edit - 0.2 || best->edit > (formula ? 0.45 : 0.35)) return std::nullopt;
  return best;
}

}  // namespace

void sort_inline_last(std::vector<OmniDocPiece>& pieces) {
  std::stable_sort(pieces.begin(), pieces.end(), [](const OmniDocPiece& a, const OmniDocPiece& b) {
    const bool inline_a = a.fine_category == U"equation_inline", inline_b = b.fine_category == U"equation_inline";
    return inline_a != inline_b ? inline_b : a.begin < b.begin;
  });
}

void adapt_across_categories(std::vector<MatchedSample>& samples) {
  for (auto& s : samples) {
    if (s.truth_category.empty() || s.prediction_category.empty() || is_formula(s.truth_category) == is_formula(s.prediction_category)) continue;
    s.truth = as_text(s.truth_category, s.truth);
    s.prediction = as_text(s.prediction_category, s.prediction);
    s.normal_truth = normalized_text(s.truth, OmniDocVersion::k1_6);
    s.normal_prediction = normalized_text(s.prediction, OmniDocVersion::k1_6);
    s.edit = distance(s.normal_truth, s.normal_prediction);
  }
}

void rematch_text_locally(std::vector<MatchedSample>& samples, const std::vector<OmniDocPiece>& pieces) {
  std::vector<OmniDocPiece> pool = pieces;
  sort_inline_last(pool);
  if (pool.empty()) return;
  std::vector<Text> rendered;
  struct Replacement {
    size_t sample;
    double gain;
    Span span;
  };
  std::vector<Replacement> found;
  for (size_t k = 0; k < samples.size(); ++k) {
    const MatchedSample& s = samples[k];
    if (s.truth_index.empty() || s.edit <= 0.45) continue;
    if (s.truth_category != U"title" && !(s.truth_category == U"text_block" && (s.normal_truth.size() >= 80 || has_formula(s.truth)))) continue;
    if (rendered.empty())
      for (const auto& piece : pool) rendered.push_back(as_text(piece.category, piece.content));
    std::set<size_t> blocked;
    for (size_t other = 0; other < samples.size(); ++other)
      if (other != k && !samples[other].truth_index.empty())
        for (size_t j : held(samples[other], pool)) blocked.insert(j);
    if (auto span = nearest_span(s, pool, rendered, blocked)) {
      const double gain = s.edit - span->edit;
      found.push_back({k, gain, std::move(*span)});
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const Replacement& a, const Replacement& b) { return a.gain > b.gain; });
  std::set<size_t> used;
  for (const auto& [k, gain, span] : found) {
    bool free = true;
    for (size_t j = span.begin; j <= span.end; ++j) free = free && !used.count(j);
    if (!free) continue;
    MatchedSample& s = samples[k];
    s.prediction_index.clear();
    for (size_t j = span.begin; j <= span.end; ++j) s.prediction_index.push_back(j), used.insert(j);
    s.prediction = span.raw;
    s.prediction_position = pool[span.begin].begin;
    s.prediction_category = U"text_block";
    s.normal_prediction = span.normal;
    s.edit = span.edit;
  }
}

}  // namespace fovea::metrics::v16

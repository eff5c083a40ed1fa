#include "fovea/metrics/overlap.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/unicode_text.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {

SetOverlap set_overlap(const Tokens& reference, const Tokens& hypothesis) {
  const std::unordered_set<std::u32string_view> r(reference.begin(), reference.end()), h(hypothesis.begin(), hypothesis.end());
  size_t common = 0;
  for (const auto& token : r) common += h.count(token);
  SetOverlap out;
  if (!h.empty()) out.precision = double(common) / double(h.size());
  if (!r.empty()) out.recall = double(common) / double(r.size());
  if (out.precision && out.recall) out.f = common == 0 ? 0 : 1.0 / (0.5 / *out.precision + 0.5 / *out.recall);
  return out;
}

double chrf(std::u32string_view reference, std::u32string_view hypothesis, int max_order, double beta) {
  const auto without_space = [](std::u32string_view text) {
    std::u32string out;
    for (char32_t c : text)
      if (!is_space(c)) out += c;
    return out;
  };
  const std::u32string r = without_space(reference), h = without_space(hypothesis);
  double precision = 0, recall = 0;
  int orders = 0;
  for (size_t n = 1; n <= size_t(max_order); ++n) {
    if (r.size() < n || h.size() < n) break;
    std::unordered_map<std::u32string_view, int64_t> counts;
    for (size_t i = 0; i + n <= r.size(); ++i) ++counts[std::u32string_view(r).substr(i, n)];
    int64_t matches = 0;
    for (size_t i = 0; i + n <= h.size(); ++i)
      if (const auto found = counts.find(std::u32string_view(h).substr(i, n)); found != counts.end() && found->second-- > 0) ++matches;
    precision += double(matches) / double(h.size() - n + 1);
    recall += double(matches) / double(r.size() - n + 1);
    ++orders;
  }
  if (orders == 0) return r.empty() && h.empty() ? 1 : 0;
  precision /= orders;
  recall /= orders;
  const double factor = beta * beta;
  return precision + recall == 0 ? 0 : (1 + factor) * precision * recall / (factor * precision + recall);
}

std::optional<double> error_rate(const Tokens& reference, const Tokens& hypothesis) {
  if (reference.empty()) return hypothesis.empty() ? std::optional<double>(0) : std::nullopt;
  const NumberedUnits units = number_units(reference, hypothesis);
  return double(edit_distance(units.reference, units.hypothesis)) / double(reference.size());
}

std::optional<double> character_error_rate(std::u32string_view reference, std::u32string_view hypothesis, bool by_grapheme) {
  if (by_grapheme) return error_rate(graphemes(reference), graphemes(hypothesis));
  if (reference.empty()) return hypothesis.empty() ? std::optional<double>(0) : std::nullopt;
  return double(edit_distance(reference, hypothesis)) / double(reference.size());
}

std::optional<double> word_error_rate(std::u32string_view reference, std::u32string_view hypothesis) {
  return error_rate(split_words(reference), split_words(hypothesis));
}

}  // namespace fovea::metrics

#include <algorithm>
#include <set>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/unicode_text.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

// Lengths of the longest common subsequence of every pair of beginnings: [|x| + 1, |y| + 1].
std::vector<std::vector<uint32_t>> subsequence_table(std::u32string_view x, std::u32string_view y) {
  std::vector<std::vector<uint32_t>> table(x.size() + 1, std::vector<uint32_t>(y.size() + 1, 0));
  for (size_t i = 1; i <= x.size(); ++i)
    for (size_t j = 1; j <= y.size(); ++j)
      table[i][j] = x[i - 1] == y[j - 1] ? table[i - 1][j - 1] + 1 : std::max(table[i - 1][j], table[i][j - 1]);
  return table;
}

Rouge of_counts(double common, double hypothesis, double reference) {
  Rouge out;
  out.precision = hypothesis == 0 ? 0 : common / hypothesis;
  out.recall = reference == 0 ? 0 : common / reference;
  out.f = 2 * (out.precision * out.recall / (out.precision + out.recall + 1e-8));
  return out;
}

// Sentences are what '.' parts, blanks made one; words are what a blank parts.
std::vector<Tokens> sentences_of(std::u32string_view text) {
  std::vector<Tokens> out;
  for (std::u32string_view part : split(text, U".")) {
    if (part.empty()) continue;
    Tokens words = split_words(part);
    if (words.empty()) words.emplace_back();  // "".split(" ") is one empty word
    out.push_back(std::move(words));
  }
  return out;
}

}  // namespace

Rouge rouge_l(const Tokens& reference, const Tokens& hypothesis) {
  Rouge out;
  if (reference.empty() || hypothesis.empty()) {
    if (reference.empty() && hypothesis.empty()) out = {1, 1, 1};
    return out;
  }
  const NumberedUnits units = number_units(reference, hypothesis);
  std::vector<uint32_t> row(units.hypothesis.size() + 1, 0);
  for (char32_t r : units.reference) {
    uint32_t diagonal = 0;
    for (size_t j = 0; j < units.hypothesis.size(); ++j) {
      const uint32_t above = row[j + 1];
      row[j + 1] = r == units.hypothesis[j] ? diagonal + 1 : std::max(above, row[j]);
      diagonal = above;
    }
  }
  const double common = row.back();
  out.precision = common / double(hypothesis.size());
  out.recall = common / double(reference.size());
  out.f = common == 0 ? 0 : 2 * out.precision * out.recall / (out.precision + out.recall);
  return out;
}

std::optional<RougePackage> rouge_package(std::u32string_view reference, std::u32string_view hypothesis) {
  const auto ref = sentences_of(reference), hyp = sentences_of(hypothesis);
  if (ref.empty() || hyp.empty()) return std::nullopt;
  Tokens ref_words, hyp_words;
  for (const auto& s : ref) ref_words.insert(ref_words.end(), s.begin(), s.end());
  for (const auto& s : hyp) hyp_words.insert(hyp_words.end(), s.begin(), s.end());
  const auto overlap = [&](size_t n) {
    const auto grams = [n](const Tokens& words) {
      std::set<Tokens> out;
      for (size_t i = 0; i + n <= words.size(); ++i) out.insert(Tokens(words.begin() + long(i), words.begin() + long(i + n)));
      return out;
    };
    const auto r = grams(ref_words), h = grams(hyp_words);
    size_t common = 0;
    for (const auto& gram : h) common += r.count(gram);
    return of_counts(double(common), double(h.size()), double(r.size()));
  };
  RougePackage out{overlap(1), overlap(2), {}};
  std::set<std::u32string> in_union;
  for (const auto& r : ref) {
    for (const auto& h : hyp) {
      const NumberedUnits units = number_units(r, h);
      const auto table = subsequence_table(units.reference, units.hypothesis);
      for (size_t i = r.size(), j = h.size(); i > 0 && j > 0;) {
        if (r[i - 1] == h[j - 1]) in_union.insert(r[i - 1]), --i, --j;
        else if (table[i - 1][j] > table[i][j - 1]) --i;
        else --j;
      }
    }
  }
  const std::set<std::u32string> r(ref_words.begin(), ref_words.end()), h(hyp_words.begin(), hyp_words.end());
  out.rouge_l = of_counts(double(in_union.size()), double(h.size()), double(r.size()));
  return out;
}

}  // namespace fovea::metrics

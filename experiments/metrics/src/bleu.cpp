#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

constexpr size_t kMaxOrder = 4;

struct Counts {
  std::array<int64_t, kMaxOrder> matches{}, possible{};
};

// Clipped n-gram matches of a pair.
Counts count(const Tokens& reference, const Tokens& hypothesis) {
  const NumberedUnits units = number_units(reference, hypothesis);
  Counts out;
  for (size_t n = 1; n <= kMaxOrder; ++n) {
    if (units.hypothesis.size() < n) break;
    std::unordered_map<std::u32string_view, int64_t> in_reference;
    for (size_t i = 0; i + n <= units.reference.size(); ++i) ++in_reference[std::u32string_view(units.reference).substr(i, n)];
    for (size_t i = 0; i + n <= units.hypothesis.size(); ++i)
      if (const auto found = in_reference.find(std::u32string_view(units.hypothesis).substr(i, n)); found != in_reference.end() && found->second-- > 0)
        ++out.matches[n - 1];
    out.possible[n - 1] = int64_t(units.hypothesis.size() - n + 1);
  }
  return out;
}

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

}  // namespace

double bleu(const Tokens& reference, const Tokens& hypothesis) {
  const Counts counts = count(reference, hypothesis);
  if (counts.matches[0] == 0) return 0;
  double sum = 0;
  for (size_t n = 0; n < kMaxOrder; ++n) {
    const double p = counts.matches[n] == 0 ? std::numeric_limits<double>::min() : double(counts.matches[n]) / double(std::max<int64_t>(1, counts.possible[n]));
    sum += 0.25 * std::log(p);
  }
  const double penalty = hypothesis.size() > reference.size() ? 1 : std::exp(1 - double(reference.size()) / double(hypothesis.size()));
  return penalty * std::exp(sum);
}

double corpus_bleu(const std::vector<Tokens>& references, const std::vector<Tokens>& hypotheses) {
  Counts total;
  size_t reference_length = 0, hypothesis_length = 0;
  for (size_t i = 0; i < references.size(); ++i) {
    const Counts counts = count(references[i], hypotheses[i]);
    for (size_t n = 0; n < kMaxOrder; ++n) total.matches[n] += counts.matches[n], total.possible[n] += counts.possible[n];
    reference_length += references[i].size();
    hypothesis_length += hypotheses[i].size();
  }
  double sum = 0;
  for (size_t n = 0; n < kMaxOrder; ++n) {
    if (total.matches[n] == 0) return 0;
    sum += std::log(double(total.matches[n]) / double(total.possible[n])) / double(kMaxOrder);
  }
  const double ratio = double(hypothesis_length) / double(std::max<size_t>(1, reference_length));
  return std::exp(sum) * (ratio > 1 ? 1 : std::exp(1 - 1 / ratio));
}

Tokens tokens_13a(std::u32string_view text) {
  std::u32string joined;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 9) == U"<skipped>") i += 8;
    else if (text[i] == '-' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    else joined += text[i] == '\n' ? U' ' : text[i];
  }
  constexpr std::pair<std::u32string_view, char32_t> kEntities[] = {{U"&quot;", '"'}, {U"&amp;", '&'}, {U"&lt;", '<'}, {U"&gt;", '>'}};
  for (const auto& [name, c] : kEntities)
    for (size_t at; (at = joined.find(name)) != joined.npos;) joined.replace(at, name.size(), 1, c);
  joined = U" " + joined + U" ";
  // marks that always stand apart: { | } ~ [ \ ] ^ _ ` space ! " # $ % & ( ) * + : ; < = > ? @ /
  const auto apart = [](char32_t c) {
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
  };
  std::u32string spaced;
  for (char32_t c : joined) {
    if (apart(c)) spaced += {U' ', c, U' '};
    else spaced += c;
  }
  // a point or comma after or before what is no digit, then a dash after a digit
  const auto separate = [](const std::u32string& in, auto&& fits, bool mark_first, bool space_before, bool space_between) {
    std::u32string out;
    for (size_t i = 0; i < in.size(); ++i) {
      if (i + 1 < in.size() && fits(in[i], in[i + 1])) {
        if (space_before) out += U' ';
        out += in[i];
        if (space_between) out += U' ';
        out += in[i + 1];
        if (!mark_first) out += U' ';
        ++i;
      } else {
        out += in[i];
      }
    }
    return out;
  };
  const auto is_point = [](char32_t c) { return c == '.' || c == ','; };
  spaced = separate(spaced, [&](char32_t a, char32_t b) { return !is_digit(a) && is_point(b); }, false, false, true);
  spaced = separate(spaced, [&](char32_t a, char32_t b) { return is_point(a) && !is_digit(b); }, true, true, true);
  spaced = separate(spaced, [&](char32_t a, char32_t b) { return is_digit(a) && b == '-'; }, false, false, true);
  return split_words(spaced);
}

}  // namespace fovea::metrics

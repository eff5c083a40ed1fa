#include "fovea/experiments/score.h"

#include <algorithm>
#include <unordered_set>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::experiments {
namespace {

// White space as Python's str.split() sees it.
bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

// Han, kana and full-width signs, as datasets::is_word_alone: scripts without spaces, where a layout breaks lines between any two characters.
bool is_han(char32_t c) { return (c >= 0x2E80 && c < 0xA4D0 && c != 0x3000) || (c >= 0xF900 && c < 0xFB00) || (c >= 0xFF00 && c < 0xFFF0) || c >= 0x20000; }
// Marks that Chinese shares with Latin script.
bool is_shared_mark(char32_t c) { return c == 0xB7 || c == 0x2014 || c == 0x2018 || c == 0x2019 || c == 0x201C || c == 0x201D || c == 0x2026; }
// Whether a line break between these two stands for nothing: elsewhere it stands for a space.
bool joins_lines(char32_t before, char32_t after) {
  return (is_han(before) && (is_han(after) || is_shared_mark(after))) || (is_shared_mark(before) && is_han(after));
}

// Calls keep(code point, its index in text) for each code point of the normalised text.
template <class Keep> void for_each_normalized(std::string_view text, Keep&& keep) {
  std::string repaired;
  if (find_invalid_utf8(text) != std::string_view::npos) text = repaired = replace_invalid_utf8(text);
  bool begun = false, gap = false, broken = false;
  char32_t last = 0;
  uint32_t index = 0, gap_index = 0;
  for (size_t pos = 0; pos < text.size(); ++index) {
    const char32_t c = next_code_point(text, pos);
    if (is_space(c)) {
      if (!gap) gap_index = index;
      gap = true;
      broken = broken || c == '\n';
      continue;
    }
    if (gap && begun && !(broken && joins_lines(last, c))) keep(U' ', gap_index);
    gap = broken = false;
    begun = true;
    last = c;
    keep(c, index);
  }
}

std::u32string normalized(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for_each_normalized(text, [&](char32_t c, uint32_t) { out.push_back(c); });
  return out;
}

// Distinct words of a normalised text: between spaces, and each Han or kana character by itself.
std::unordered_set<std::u32string_view> words_of(std::u32string_view text) {
  std::unordered_set<std::u32string_view> words;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    if (end > begin) words.insert(text.substr(begin, end - begin));
  };
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] != U' ' && !is_han(text[at])) continue;
    flush(at);
    if (is_han(text[at])) words.insert(text.substr(at, 1));
    begin = at + 1;
  }
  flush(text.size());
  return words;
}

}  // namespace

std::string normalize_space(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for_each_normalized(text, [&](char32_t c, uint32_t) { append_utf8(out, c); });
  return out;
}

std::vector<uint32_t> normalized_to_source(std::string_view text) {
  std::vector<uint32_t> out;
  out.reserve(text.size());
  for_each_normalized(text, [&](char32_t, uint32_t index) { out.push_back(index); });
  return out;
}

Score score_text(std::string_view reference, std::string_view hypothesis) {
  require_utf8(reference, "score_text: reference");
  const std::u32string ref = normalized(reference), hyp = normalized(hypothesis);
  Score score;
  const auto ref_words = words_of(ref), hyp_words = words_of(hyp);
  size_t common = 0;
  for (const auto& word : ref_words) common += hyp_words.count(word);
  if (ref_words.empty() && hyp_words.empty()) {
    score.precision = score.recall = score.f1 = 1;
  } else if (common > 0) {
    score.precision = double(common) / double(hyp_words.size());
    score.recall = double(common) / double(ref_words.size());
    score.f1 = 2 * score.precision * score.recall / (score.precision + score.recall);
  }
  score.num_ref_chars = ref.size();
  score.num_hyp_chars = hyp.size();
  score.num_edits = edit_script(ref, hyp, score.script);
  const size_t longer = std::max(ref.size(), hyp.size());
  score.char_edit_distance = longer == 0 ? 0 : double(score.num_edits) / double(longer);
  return score;
}

Interval bootstrap_mean(const std::vector<double>& values, uint64_t seed, int num_resamples) {
  if (values.empty()) throw ConfigError("[bootstrap_mean] values must hold at least one number, got none");
  if (num_resamples < 1) throw ConfigError("[bootstrap_mean] num_resamples must be at least 1, got " + std::to_string(num_resamples));
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  if (*least == *greatest) return {*least, *least};
  std::vector<double> means(static_cast<size_t>(num_resamples));
  Rng rng(seed, /*stream=*/0x626f6f74);
  for (double& mean : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
    mean = sum / double(values.size());
  }
  std::sort(means.begin(), means.end());
  const auto percentile = [&](double share) {  // linear between order statistics, as numpy
    const double at = share * double(means.size() - 1);
    const auto below = static_cast<size_t>(at);
    const size_t above = std::min(below + 1, means.size() - 1);
    return means[below] + (at - double(below)) * (means[above] - means[below]);
  };
  return {percentile(0.025), percentile(0.975)};
}

}  // namespace fovea::experiments

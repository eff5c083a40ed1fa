#include <array>
#include <map>
#include <optional>

#include "fovea/metrics/meteor.h"
#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

using Word = std::u32string;
using View = std::u32string_view;

bool is_consonant(View word, size_t i) {
  switch (word[i]) {
    case 'a': case 'e': case 'i': case 'o': case 'u': return false;
    case 'y': return i == 0 || !is_consonant(word, i - 1);
    default: return true;
  }
}

// Number of vowel runs that a consonant follows: the m of Porter's paper.
int measure(View stem) {
  int count = 0;
  bool after_vowel = false;
  for (size_t i = 0; i < stem.size(); ++i) {
    const bool consonant = is_consonant(stem, i);
    count += consonant && after_vowel;
    after_vowel = !consonant;
  }
  return count;
}

bool has_vowel(View stem) {
  for (size_t i = 0; i < stem.size(); ++i)
    if (!is_consonant(stem, i)) return true;
  return false;
}

bool ends_double_consonant(View word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && is_consonant(word, word.size() - 1);
}

// *o: consonant, vowel, consonant other than w, x, y; or vowel, consonant as a whole word (NLTK's addition)
bool ends_cvc(View word) {
  const size_t n = word.size();
  if (n >= 3 && is_consonant(word, n - 3) && !is_consonant(word, n - 2) && is_consonant(word, n - 1)) {
    const char32_t last = word.back();
    if (last != 'w' && last != 'x' && last != 'y') return true;
  }
  return n == 2 && !is_consonant(word, 0) && is_consonant(word, 1);
}

bool ends_with(View word, View suffix) { return word.size() >= suffix.size() && word.substr(word.size() - suffix.size()) == suffix; }
View without(View word, View suffix) { return word.substr(0, word.size() - suffix.size()); }

struct Rule {
  View suffix, replacement;
};

// The first rule whose suffix fits decides; if its stem's measure is too small the word stays.
template <size_t N> Word apply(const Word& word, const std::array<Rule, N>& rules, int least_measure) {
  for (const auto& rule : rules) {
    if (!ends_with(word, rule.suffix)) continue;
    const View stem = without(word, rule.suffix);
    return measure(stem) >= least_measure ? Word(stem) + Word(rule.replacement) : word;
  }
  return word;
}

Word plural(const Word& word) {
  if (ends_with(word, U"ies")) return Word(without(word, U"ies")) + (word.size() == 4 ? U"ie" : U"i");
  if (ends_with(word, U"sses")) return Word(without(word, U"es"));
  if (ends_with(word, U"ss") || !ends_with(word, U"s")) return word;
  return Word(without(word, U"s"));
}

Word past_and_gerund(const Word& word) {
  if (ends_with(word, U"ied")) return Word(without(word, U"ied")) + (word.size() == 4 ? U"ie" : U"i");
  if (ends_with(word, U"eed")) return measure(without(word, U"eed")) > 0 ? Word(without(word, U"d")) : word;
  Word stem;
  if (ends_with(word, U"ed") && has_vowel(without(word, U"ed"))) stem = without(word, U"ed");
  else if (ends_with(word, U"ing") && has_vowel(without(word, U"ing"))) stem = without(word, U"ing");
  else return word;
  if (ends_with(stem, U"at") || ends_with(stem, U"bl") || ends_with(stem, U"iz")) return stem + U"e";
  if (ends_double_consonant(stem)) {
    const char32_t last = stem.back();
    if (last != 'l' && last != 's' && last != 'z') stem.pop_back();
    return stem;
  }
  return measure(stem) == 1 && ends_cvc(stem) ? stem + U"e" : stem;
}

Word y_to_i(const Word& word) {
  if (!ends_with(word, U"y")) return word;
  const View stem = without(word, U"y");
  return stem.size() > 1 && is_consonant(stem, stem.size() - 1) ? Word(stem) + U"i" : word;
}

Word double_suffix(const Word& word) {
  if (ends_with(word, U"alli") && measure(without(word, U"alli")) > 0) return double_suffix(Word(without(word, U"li")));
  static constexpr std::array<Rule, 21> kRules = {{{U"ational", U"ate"}, {U"tional", U"tion"}, {U"enci", U"ence"}, {U"anci", U"ance"}, {U"izer", U"ize"},
      {U"bli", U"ble"}, {U"alli", U"al"}, {U"entli", U"ent"}, {U"eli", U"e"}, {U"ousli", U"ous"}, {U"ization", U"ize"}, {U"ation", U"ate"},
      {U"ator", U"ate"}, {U"alism", U"al"}, {U"iveness", U"ive"}, {U"fulness", U"ful"}, {U"ousness", U"ous"}, {U"aliti", U"al"}, {U"iviti", U"ive"},
      {U"biliti", U"ble"}, {U"fulli", U"ful"}}};
  const Word out = apply(word, kRules, 1);
  if (out != word) return out;
  for (const auto& rule : kRules)
    if (ends_with(word, rule.suffix)) return word;
  return ends_with(word, U"logi") && measure(View(word).substr(0, word.size() - 3)) > 0 ? Word(without(word, U"i")) : word;
}

Word single_suffix(const Word& word) {
  static constexpr std::array<Rule, 7> kRules = {{{U"icate", U"ic"}, {U"ative", U""}, {U"alize", U"al"}, {U"iciti", U"ic"}, {U"ical", U"ic"}, {U"ful", U""}, {U"ness", U""}}};
  return apply(word, kRules, 1);
}

Word long_suffix(const Word& word) {
  static constexpr std::array<Rule, 11> kBefore = {{{U"al", U""}, {U"ance", U""}, {U"ence", U""}, {U"er", U""}, {U"ic", U""}, {U"able", U""}, {U"ible", U""},
      {U"ant", U""}, {U"ement", U""}, {U"ment", U""}, {U"ent", U""}}};
  for (const auto& rule : kBefore)
    if (ends_with(word, rule.suffix)) return apply(word, kBefore, 2);
  if (ends_with(word, U"ion")) {
    const View stem = without(word, U"ion");
    return measure(stem) > 1 && (stem.back() == 's' || stem.back() == 't') ? Word(stem) : word;
  }
  static constexpr std::array<Rule, 7> kAfter = {{{U"ou", U""}, {U"ism", U""}, {U"ate", U""}, {U"iti", U""}, {U"ous", U""}, {U"ive", U""}, {U"ize", U""}}};
  return apply(word, kAfter, 2);
}

Word last_e(const Word& word) {
  if (!ends_with(word, U"e")) return word;
  const View stem = without(word, U"e");
  const int m = measure(stem);
  return m > 1 || (m == 1 && !ends_cvc(stem)) ? Word(stem) : word;
}

Word last_ll(const Word& word) {
  return ends_with(word, U"ll") && measure(View(word).substr(0, word.size() - 1)) > 1 ? Word(without(word, U"l")) : word;
}

}  // namespace

std::u32string porter_stem(std::u32string_view word) {
  static const std::map<Word, Word, std::less<>> kIrregular = {
      {U"sky", U"sky"}, {U"skies", U"sky"}, {U"dying", U"die"}, {U"lying", U"lie"}, {U"tying", U"tie"}, {U"news", U"news"}, {U"innings", U"inning"},
      {U"inning", U"inning"}, {U"outings", U"outing"}, {U"outing", U"outing"}, {U"cannings", U"canning"}, {U"canning", U"canning"}, {U"howe", U"howe"},
      {U"proceed", U"proceed"}, {U"exceed", U"exceed"}, {U"succeed", U"succeed"}};
  const Word small = lower(word);
  if (const auto found = kIrregular.find(word); found != kIrregular.end()) return found->second;
  if (word.size() <= 2) return small;
  return last_ll(last_e(long_suffix(single_suffix(double_suffix(y_to_i(past_and_gerund(plural(small))))))));
}

}  // namespace fovea::metrics

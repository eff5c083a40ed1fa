#include "fovea/metrics/meteor.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/base/utf8.h"
#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

struct Unmatched {
  size_t place;
  std::u32string word;
};

struct Match {
  size_t in_hypothesis, in_reference;
};

// From the last word of the hypothesis on, each takes the last free word of the reference that `candidates` allows.
template <class Candidates>
void match(std::vector<Unmatched>& hypothesis, std::vector<Unmatched>& reference, std::vector<Match>& matches, Candidates&& candidates) {
  std::map<std::u32string_view, std::vector<size_t>> places;  // indices into reference, ascending: the last is taken
  for (size_t j = 0; j < reference.size(); ++j) places[reference[j].word].push_back(j);
  std::vector<bool> taken_h(hypothesis.size()), taken_r(reference.size());
  for (size_t i = hypothesis.size(); i-- > 0;) {
    std::vector<size_t>* best = nullptr;
    candidates(hypothesis[i].word, [&](std::u32string_view word) {
      const auto found = places.find(word);
      if (found != places.end() && !found->second.empty() && (!best || found->second.back() > best->back())) best = &found->second;
    });
    if (!best) continue;
    matches.push_back({hypothesis[i].place, reference[best->back()].place});
    taken_h[i] = taken_r[best->back()] = true;
    best->pop_back();
  }
  const auto keep_free = [](std::vector<Unmatched>& list, const std::vector<bool>& taken) {
    std::vector<Unmatched> free;
    for (size_t i = 0; i < list.size(); ++i)
      if (!taken[i]) free.push_back(std::move(list[i]));
    list = std::move(free);
  };
  keep_free(hypothesis, taken_h);
  keep_free(reference, taken_r);
}

}  // namespace

double meteor(const std::vector<std::u32string>& reference, const std::vector<std::u32string>& hypothesis, const WordNet* wordnet) {
  std::vector<Unmatched> ref, hyp;
  for (size_t i = 0; i < reference.size(); ++i) ref.push_back({i, lower(reference[i])});
  for (size_t i = 0; i < hypothesis.size(); ++i) hyp.push_back({i, lower(hypothesis[i])});
  std::vector<Match> matches;
  const auto itself = [](std::u32string_view word, auto&& offer) { offer(word); };
  match(hyp, ref, matches, itself);
  for (auto* list : {&hyp, &ref})
    for (auto& one : *list) one.word = porter_stem(one.word);
  match(hyp, ref, matches, itself);
  // the stems, not the words, are looked up: what NLTK does
  if (wordnet && !hyp.empty() && !ref.empty())
    match(hyp, ref, matches, [&](std::u32string_view word, auto&& offer) {
      offer(word);
      for (const auto& synonym : wordnet->synonyms(to_utf8(word))) offer(to_code_points(synonym));
    });
  if (matches.empty()) return 0;
  std::sort(matches.begin(), matches.end(), [](const Match& a, const Match& b) { return a.in_hypothesis < b.in_hypothesis; });
  size_t chunks = 1;
  for (size_t i = 1; i < matches.size(); ++i)
    chunks += matches[i].in_hypothesis != matches[i - 1].in_hypothesis + 1 || matches[i].in_reference != matches[i - 1].in_reference + 1;
  const double count = double(matches.size()), p = count / double(hypothesis.size()), r = count / double(reference.size());
  const double mean = p * r / (0.9 * p + 0.1 * r), penalty = 0.5 * std::pow(double(chunks) / count, 3);
  return (1 - penalty) * mean;
}

}  // namespace fovea::metrics

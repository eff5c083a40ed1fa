// METEOR with stems and synonyms.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace fovea::metrics {

/// Stem of an English word. Source  Porter 1980 with the departures of NLTK 3.8's PorterStemmer (mode NLTK_EXTENSIONS), exact.
std::u32string porter_stem(std::u32string_view word);

/// Synonyms out of WordNet's dictionary files (index.*, data.*, *.exc), with its rules for inflected forms, as NLTK 3.8 reads them.
class WordNet {
 public:
  /// Errors: IoError, ConfigError naming file and line.
  explicit WordNet(const std::string& folder);
  /// One-word members of all synonym sets of the word's base forms, spelt as WordNet spells them.
  std::unordered_set<std::string> synonyms(const std::string& word) const;
  /// The folder asked for, else FOVEA_WORDNET, else where Debian's wordnet-base puts it; empty if none has index.noun.
  static std::string find(const std::string& asked = "");
  /// The one of a folder, read once in a process; null for an empty folder.
  static std::shared_ptr<const WordNet> shared(const std::string& folder);

 private:
  std::vector<std::string> base_forms(const std::string& word, int part) const;
  struct Part {
    std::unordered_map<std::string, std::vector<uint32_t>> synsets;               // lemma -> offsets into data
    std::unordered_map<std::string, std::vector<std::string>> exceptions;         // inflected -> base forms
    std::string data;
  };
  std::vector<Part> parts_;  // noun, verb, adjective, adverb
};

/// METEOR: words lower-cased and matched, each once, by equality, then Porter stem, then WordNet synonym (left out without `wordnet`).
/// Formula  Fmean = PR / (0.9 P + 0.1 R); score = Fmean (1 - 0.5 (chunks / matches)^3); 0 without a match.
/// Source  Lavie and Agarwal 2007; NLTK 3.8 single_meteor_score, matching from the end as it does.
double meteor(const std::vector<std::u32string>& reference, const std::vector<std::u32string>& hypothesis, const WordNet* wordnet);

}  // namespace fovea::metrics

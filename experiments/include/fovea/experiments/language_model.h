// What knowing the language alone is worth: a small n-gram model over characters, without any page.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/experiments/page_reader.h"

namespace fovea::experiments {

/// Characters by the `order` before them, interpolated with all shorter contexts down to a uniform choice, after absolute discounting:
///   p_k(c | h) = max(count(h c) - D, 0) / count(h) + D distinct(h) / count(h) p_{k-1}(c | h'),  h' = h without its first character, D = 0.75.
/// A context counts a character only as far as the next longer one had not seen it there (as Kneser and Ney count what goes on, and not how often).
/// The uniform choice is among 2^21 code points. Sums to one.
/// Source: Kneser and Ney 1995, "Improved backing-off for m-gram language modeling"; interpolated as in Chen and Goodman 1999, section 2.7.
class LanguageModel {
 public:
  explicit LanguageModel(int order = 6);
  ~LanguageModel();
  LanguageModel(LanguageModel&&) noexcept;
  /// UTF-8; white space runs count as one space. Returns the code points taken: at most max_chars in all calls together.
  size_t train(std::string_view text, size_t max_chars = 8'000'000);
  size_t num_chars() const;
  /// Probability of the character after the text so far.
  double probability(std::u32string_view history, char32_t c) const;
  /// The text foreseen character by character. The model sees the true text so far and learns from it as from what it was trained on. num_tokens counts characters; a word counts as right if, from the true
  /// text before it, the most probable continuation is that word and the white space after it.
  Foresight follow(std::string_view text) const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace fovea::experiments

// Bits that a reading of random letters holds for certain about the page: no language can be guessed there.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fovea::law {

struct LetterInformation {
  size_t num_letters = 0;       ///< of the alphabet, on all pages
  size_t num_wrong = 0;         ///< of them substituted or lost
  size_t num_lost = 0;          ///< of all characters, spaces too
  size_t num_added = 0;
  double source_bits = 0;       ///< log2(size of the alphabet): what a letter says when read perfectly
  double fano_bits = 0;         ///< a letter, at least: from the error rate alone
  double confusion_bits = 0;    ///< a letter: mutual information of letter and reading, with the bias of its estimate taken off
  double alignment_bits = 0;    ///< a letter: what it costs at most to say where something was lost or added
  /// The bound, summed over the pages: num_letters * max(0, max(fano, confusion) - alignment).
  double total_bits = 0;
};

/// pages: (reference, reading) with white space as single spaces. alphabet: equally likely, independent characters of the reference.
/// Formulas and why it is a lower bound: experiments/law/README.md. Errors: ConfigError (fewer than two characters in the alphabet, none on the pages).
LetterInformation letter_information(const std::vector<std::pair<std::u32string, std::u32string>>& pages, std::u32string_view alphabet);

}  // namespace fovea::law

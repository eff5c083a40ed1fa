// Words for the hub's METEOR.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// Words as NLTK's word_tokenize cuts one sentence: punctuation, brackets, currency signs and double dashes stand alone, a comma or colon before a digit and a
/// period that ends nothing do not. Left out: contractions, quotation marks by side, cutting into sentences (normalised blocks hold none).
/// Source  NLTK 3.8, NLTKWordTokenizer.
std::vector<std::u32string> treebank_words(std::u32string_view text);

}  // namespace fovea::metrics

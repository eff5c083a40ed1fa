// Metrics of two token lists: overlap of sets, BLEU, ROUGE, chrF, error rates. Functions take the reference first.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

using Tokens = std::vector<std::u32string>;

/// Of the SETS of tokens: precision |R & H| / |H|, recall |R & H| / |R|, f 1 / (0.5 / p + 0.5 / r), 0 if p or r is 0. An empty set leaves what
/// divides by it, and f, undefined. Source  NLTK 3.8 nltk.metrics.scores, as Fox's eval_ocr_test.py calls it.
struct SetOverlap {
  std::optional<double> precision, recall, f;
};
SetOverlap set_overlap(const Tokens& reference, const Tokens& hypothesis);

/// Sentence BLEU-4, one reference, weights 1/4, no smoothing: bp * exp(sum log(p_n) / 4), p_n clipped n-gram precision, bp = exp(1 - |R| / |H|) if
/// |H| <= |R|. No common word gives 0; a missing higher order counts as the least positive normal double, so the score is tiny, not 0.
/// Source  Papineni et al. 2002; NLTK 3.8 sentence_bleu, method0.
double bleu(const Tokens& reference, const Tokens& hypothesis);
/// Corpus BLEU-4: counts summed over the pairs, no smoothing, 0 if an order has no match. Source  the hub metric `bleu`.
double corpus_bleu(const std::vector<Tokens>& references, const std::vector<Tokens>& hypotheses);
/// The tokens of mteval-v13a, which the hub's BLEU splits by: punctuation apart, not inside numbers.
Tokens tokens_13a(std::u32string_view text);

/// p, r, and f of a recall-oriented metric.
struct Rouge {
  double precision = 0, recall = 0, f = 0;
};
/// ROUGE-L: longest common subsequence over |H| and |R|, f = 2pr / (p + r). Source  Lin 2004.
Rouge rouge_l(const Tokens& reference, const Tokens& hypothesis);
/// ROUGE as the Python package `rouge` (commit c1b90a7) counts it, which Fox's eval_summary_test.py calls: sets of n-grams, sentences cut at '.', ROUGE-L
/// of the union of each sentence's subsequences, f = 2pr / (p + r + 1e-8). Undefined (nullopt) where the package fails: an empty text.
struct RougePackage {
  Rouge rouge_1, rouge_2, rouge_l;
};
std::optional<RougePackage> rouge_package(std::u32string_view reference, std::u32string_view hypothesis);

/// chrF: F_beta of character n-gram precision and recall, each the mean over the orders 1 to 6 that both texts have; white space is left out.
/// Source  Popovic 2015; sacreBLEU 2 (chrF2: beta 2, word_order 0), as a share of 1.
double chrf(std::u32string_view reference, std::u32string_view hypothesis, int max_order = 6, double beta = 2);

/// Edits / |R|; may exceed 1. nullopt for an empty reference with a hypothesis that is not; 0 for two empty texts.
std::optional<double> error_rate(const Tokens& reference, const Tokens& hypothesis);
/// CER: error_rate over code points or grapheme clusters. WER: over words.
std::optional<double> character_error_rate(std::u32string_view reference, std::u32string_view hypothesis, bool by_grapheme = false);
std::optional<double> word_error_rate(std::u32string_view reference, std::u32string_view hypothesis);

}  // namespace fovea::metrics

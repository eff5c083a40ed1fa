// The ban on repeated n-grams that the published code decodes with.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace fovea::decoder {

/// Ids that would complete an n-gram which stands in `ids` already: those that followed an earlier occurrence of the last n - 1 ids.
/// window   the n-gram must begin among the last `window` ids; 0: anywhere
/// exempt   ids that are never banned (the published code exempts <td> and </td>)
/// Returns  each id once, rising; none while ids has fewer than n, nor with a window for n = 1.
/// Source: deepseek-ai/DeepSeek-OCR, process/ngram_norepeat.py (windowed, over generated ids), and transformers' no_repeat_ngram_size (whole sequence, prompt included).
std::vector<int32_t> banned_by_ngrams(std::span<const int32_t> ids, int64_t n, int64_t window, std::span<const int64_t> exempt);

}  // namespace fovea::decoder

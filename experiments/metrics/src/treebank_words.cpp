#include "treebank_words.h"

#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {
bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
}  // namespace

std::vector<std::u32string> treebank_words(std::u32string_view text) {
  constexpr std::u32string_view kAlone = U";@#$%&?!()[]{}<>\"";
  size_t end = text.size();
  while (end > 0 && (text[end - 1] == U' ' || text[end - 1] == U'\n')) --end;
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i], next = i + 1 < text.size() ? text[i + 1] : U' ';
    const bool pair = (c == U'-' || c == U'.') && next == c;
    const bool last_period = c == U'.' && i + 1 == end;
    if (pair) {
      size_t stop = i;
      while (stop < text.size() && text[stop] == c && (c == U'.' || stop < i + 2)) ++stop;
      ((out += U' ') += text.substr(i, stop - i)) += U' ';
      i = stop - 1;
    } else if (kAlone.find(c) != std::u32string_view::npos || ((c == U',' || c == U':') && !is_digit(next)) || last_period) {
      ((out += U' ') += c) += U' ';
    } else {
      out += c;
    }
  }
  return split_words(out);
}

}  // namespace fovea::metrics

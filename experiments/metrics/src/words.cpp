#include "fovea/metrics/words.h"

#include <unicode/brkiter.h>
#include <unicode/unistr.h>

#include "fovea/base/error.h"
#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {

std::vector<std::u32string> split_words(std::u32string_view text) {
  std::vector<std::u32string> words;
  for (size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    words.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

std::vector<std::u32string> graphemes(std::u32string_view text) {
  std::vector<std::u32string> out;
  UErrorCode status = U_ZERO_ERROR;
  std::unique_ptr<icu::BreakIterator> breaks(icu::BreakIterator::createCharacterInstance(icu::Locale::getRoot(), status));
  if (U_FAILURE(status)) throw InternalError(std::string("[graphemes] ICU: ") + u_errorName(status));
  const icu::UnicodeString utf16 = icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), int32_t(text.size()));
  breaks->setText(utf16);
  size_t at = 0;
  for (int32_t begin = 0, end = breaks->next(); end != icu::BreakIterator::DONE; begin = end, end = breaks->next()) {
    const auto count = size_t(utf16.countChar32(begin, end - begin));
    out.emplace_back(text.substr(at, count));
    at += count;
  }
  return out;
}

std::vector<std::u32string> characters(std::u32string_view text) {
  std::vector<std::u32string> out;
  out.reserve(text.size());
  for (char32_t c : text) out.emplace_back(1, c);
  return out;
}

bool has_chinese(std::u32string_view text) {
  for (char32_t c : text)
    if (c >= 0x4E00 && c <= 0x9FA5) return true;
  return false;
}

}  // namespace fovea::metrics

#include "fovea/metrics/unicode_text.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "fovea/base/error.h"

namespace fovea::metrics {
namespace {

icu::UnicodeString to_icu(std::u32string_view text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()), int32_t(text.size()));
}

std::u32string from_icu(const icu::UnicodeString& text) {
  std::u32string out;
  out.reserve(size_t(text.length()));
  for (int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) out.push_back(char32_t(text.char32At(i)));
  return out;
}

bool is_ascii(std::u32string_view text) {
  for (char32_t c : text)
    if (c >= 0x80) return false;
  return true;
}

std::u32string normalized(std::u32string_view text, const icu::Normalizer2* (*instance)(UErrorCode&)) {
  if (is_ascii(text)) return std::u32string(text);
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString out = instance(status)->normalize(to_icu(text), status);
  if (U_FAILURE(status)) throw InternalError(std::string("[unicode] normalising failed: ") + u_errorName(status));
  return from_icu(out);
}

}  // namespace

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_word(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  return (U_MASK(u_charType(UChar32(c))) & (U_GC_L_MASK | U_GC_N_MASK)) != 0;
}

std::u32string lower(std::u32string_view text) {
  if (is_ascii(text)) {
    std::u32string out(text);
    for (char32_t& c : out)
      if (c >= 'A' && c <= 'Z') c += 32;
    return out;
  }
  return from_icu(to_icu(text).toLower(icu::Locale::getRoot()));
}

std::u32string upper(std::u32string_view text) { return from_icu(to_icu(text).toUpper(icu::Locale::getRoot())); }

std::u32string nfc(std::u32string_view text) { return normalized(text, icu::Normalizer2::getNFCInstance); }
std::u32string nfkc(std::u32string_view text) { return normalized(text, icu::Normalizer2::getNFKCInstance); }

std::u32string_view strip(std::u32string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::u32string_view strip(std::u32string_view text, std::u32string_view chars) {
  while (!text.empty() && chars.find(text.front()) != chars.npos) text.remove_prefix(1);
  while (!text.empty() && chars.find(text.back()) != chars.npos) text.remove_suffix(1);
  return text;
}

std::u32string replace_all(std::u32string_view text, std::u32string_view from, std::u32string_view to) {
  std::u32string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    if (found == text.npos) return out += text.substr(at);
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
  }
}

std::vector<std::u32string_view> split(std::u32string_view text, std::u32string_view separator) {
  std::vector<std::u32string_view> out;
  for (size_t at = 0;;) {
    const size_t found = text.find(separator, at);
    out.push_back(text.substr(at, found == text.npos ? found : found - at));
    if (found == text.npos) return out;
    at = found + separator.size();
  }
}

}  // namespace fovea::metrics

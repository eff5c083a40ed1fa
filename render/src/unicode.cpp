#include "unicode.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

#include <unicode/ubidi.h>
#include <unicode/ubrk.h>
#include <unicode/uchar.h>
#include <unicode/ustring.h>
#include <unicode/utext.h>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"

namespace fovea::render {
namespace {

bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }
bool is_opening(char32_t c) { return is_one_of(c, U"([{“‘«「『（【〈《〔〖［｛"); }
bool is_closing(char32_t c) {
  return is_one_of(c, U".,:;!?)]}%\"'”’»…、。，．：；！？）」』】〉》〕〗］｝々ー゛゜ヽヾゝゞっッゃゅょャュョ");
}

void check(UErrorCode error, const char* what) {
  if (U_FAILURE(error)) throw RenderError(std::string("[render] ICU cannot ") + what + ": " + u_errorName(error));
}

struct CloseIterator {
  void operator()(UBreakIterator* iterator) const { ubrk_close(iterator); }
};
using Iterator = std::unique_ptr<UBreakIterator, CloseIterator>;

// Opening an iterator reads its rules; each thread keeps its own.
UBreakIterator* iterator_for(UBreakIteratorType type, const std::string& locale) {
  constexpr size_t kMaxKept = 32;
  static thread_local std::map<std::pair<int, std::string>, Iterator> kept;
  const auto key = std::make_pair(int(type), locale);
  const auto it = kept.find(key);
  if (it != kept.end()) return it->second.get();
  UErrorCode error = U_ZERO_ERROR;
  Iterator iterator(ubrk_open(type, locale.c_str(), nullptr, 0, &error));
  check(error, "open a break iterator");
  if (kept.size() >= kMaxKept) kept.clear();
  return (kept[key] = std::move(iterator)).get();
}

template <class Mark> void walk(UBreakIterator* iterator, std::string_view text, Mark&& mark) {
  UErrorCode error = U_ZERO_ERROR;
  UText utext = UTEXT_INITIALIZER;
  utext_openUTF8(&utext, text.data(), int64_t(text.size()), &error);
  check(error, "read the text");
  ubrk_setUText(iterator, &utext, &error);
  if (U_SUCCESS(error))
    for (int32_t at = ubrk_first(iterator); at != UBRK_DONE; at = ubrk_next(iterator)) mark(at);
  // The iterator keeps a reference to the text: give it an empty one.
  UErrorCode ignored = U_ZERO_ERROR;
  ubrk_setText(iterator, u"", 0, &ignored);
  utext_close(&utext);
  check(error, "find the text's boundaries");
}

}  // namespace

bool is_ideographic(char32_t c) {
  return (c >= 0x2E80 && c <= 0x31FF && c != 0x303F) || (c >= 0x3200 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE4F) || (c >= 0xFF00 && c <= 0xFF9F) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

bool is_joined(char32_t c) {
  if (c < 0x300) return false;
  if (c == 0x200D || c == 0x200C) return true;
  const auto category = hb_unicode_general_category(hb_unicode_funcs_get_default(), c);
  return category == HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK || category == HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK ||
         category == HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK;
}

bool may_break_ideographs(char32_t before, char32_t after) {
  const auto is_unified = [](char32_t c) { return c >= 0x4E00 && c <= 0x9FFF; };  // nearly all, and none of the exceptions
  if (is_unified(after)) return is_unified(before) || !is_opening(before);
  if (is_unified(before)) return !is_closing(after) && !is_joined(after);
  return (is_ideographic(before) || is_ideographic(after)) && !is_opening(before) && !is_closing(after) && !is_joined(after);
}

bool is_simple(char32_t c) {
  if (c < 0x530) return c != 0xAD;
  if (c >= 0x4E00 && c <= 0x9FFF) return true;
  if (c >= 0x1E00 && c <= 0x1FFF) return true;
  if (c >= 0x2010 && c <= 0x205E) return c < 0x2028 || c > 0x202E;
  if (c == 0x2002 || c == 0x2003 || c == 0x2009) return true;
  if (c >= 0x20A0 && c <= 0x20CF) return true;
  if (c >= 0x2100 && c <= 0x2BFF) return !is_emoji_presentation(c);
  if (c >= 0x2E80 && c <= 0x4DBF) return !(c >= 0x302A && c <= 0x302F) && c != 0x3099 && c != 0x309A;
  if (c >= 0xAC00 && c <= 0xD7A3) return true;
  if (c >= 0xF900 && c <= 0xFAFF) return true;
  return (c >= 0xFE30 && c <= 0xFE4F) || (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x20000 && c <= 0x3FFFD);
}

bool needs_dictionary(char32_t c) {
  return c >= 0xE00 && u_getIntPropertyValue(UChar32(c), UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT;
}
bool is_ignorable(char32_t c) { return c >= 0xAD && u_hasBinaryProperty(UChar32(c), UCHAR_DEFAULT_IGNORABLE_CODE_POINT); }
bool is_emoji_presentation(char32_t c) { return c >= 0x231A && u_hasBinaryProperty(UChar32(c), UCHAR_EMOJI_PRESENTATION); }
bool is_emoji(char32_t c) { return u_hasBinaryProperty(UChar32(c), UCHAR_EMOJI); }
Vertical vertical_orientation(char32_t c) {
  switch (u_getIntPropertyValue(UChar32(c), UCHAR_VERTICAL_ORIENTATION)) {
    case U_VO_ROTATED: return Vertical::kTurned;
    case U_VO_TRANSFORMED_ROTATED: return Vertical::kByFont;
    default: return Vertical::kUpright;
  }
}

hb_script_t script_of(char32_t c) {
  const hb_script_t script = hb_unicode_script(hb_unicode_funcs_get_default(), c);
  return script == HB_SCRIPT_INHERITED || script == HB_SCRIPT_UNKNOWN ? HB_SCRIPT_COMMON : script;
}
char32_t lower_case(char32_t c) { return char32_t(u_tolower(UChar32(c))); }
bool is_letter(char32_t c) { return u_isalpha(UChar32(c)); }

void find_line_breaks(std::string_view text, const std::string& language, bool strict_kinsoku, std::vector<uint8_t>& break_before) {
  break_before.assign(text.size() + 1, 0);
  std::string locale = language.empty() ? "en" : language;
  std::replace(locale.begin(), locale.end(), '-', '_');
  if (strict_kinsoku) locale += "@lb=strict";
  UBreakIterator* iterator = iterator_for(UBRK_LINE, locale);
  walk(iterator, text, [&](int32_t at) {
    const int32_t status = ubrk_getRuleStatus(iterator);
    break_before[size_t(at)] = status >= UBRK_LINE_HARD && status < UBRK_LINE_HARD_LIMIT ? 2 : 1;
  });
}

void find_graphemes(std::string_view text, std::vector<uint8_t>& begins) {
  begins.assign(text.size() + 1, 0);
  walk(iterator_for(UBRK_CHARACTER, "en"), text, [&](int32_t at) { begins[size_t(at)] = 1; });
}

bool may_read_to_left(char32_t c) {
  if (c < 0x590) return false;
  if (c < 0x900) return true;  // Hebrew, Arabic, Syriac, Thaana, N'Ko, ...
  if (c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)) return true;
  if (c >= 0xFB1D && c <= 0xFDFF) return true;
  if (c >= 0xFE70 && c <= 0xFEFC) return true;
  return (c >= 0x10800 && c <= 0x10FFF) || (c >= 0x1E800 && c <= 0x1EFFF);
}

int first_strong_level(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    const auto direction = u_charDirection(UChar32(c));
    if (direction == U_LEFT_TO_RIGHT) return 0;
    if (direction == U_RIGHT_TO_LEFT || direction == U_RIGHT_TO_LEFT_ARABIC) return 1;
  }
  return -1;
}

int find_bidi_levels(std::string_view text, int base, std::vector<uint8_t>& levels) {
  struct CloseBidi {
    void operator()(UBiDi* bidi) const { ubidi_close(bidi); }
  };
  static thread_local std::unique_ptr<UBiDi, CloseBidi> bidi(ubidi_open());
  static thread_local std::u16string wide;
  wide.clear();
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    if (c < 0x10000) {
      wide += char16_t(c);
    } else {
      wide += char16_t(0xD7C0 + (c >> 10));
      wide += char16_t(0xDC00 + (c & 0x3FF));
    }
  }
  levels.assign(text.size(), 0);
  if (wide.empty()) return base == 1;
  UErrorCode error = U_ZERO_ERROR;
  ubidi_setPara(bidi.get(), wide.data(), int32_t(wide.size()), base < 0 ? UBIDI_DEFAULT_LTR : UBiDiLevel(base), nullptr, &error);
  const UBiDiLevel* found = U_SUCCESS(error) ? ubidi_getLevels(bidi.get(), &error) : nullptr;
  check(error, "order a bidirectional text");
  size_t at = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    const char32_t c = next_code_point(text, pos);
    std::memset(levels.data() + begin, found[at], pos - begin);
    at += c < 0x10000 ? 1 : 2;
  }
  const int level = ubidi_getParaLevel(bidi.get()) & 1;
  ubidi_setPara(bidi.get(), u"", 0, 0, nullptr, &error);  // it points at our text
  return level;
}

}  // namespace fovea::render

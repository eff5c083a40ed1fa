// Unicode: what layout asks ICU. All positions are bytes of UTF-8.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <hb.h>

namespace fovea::render {

inline bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }
/// Ideographs, kana, bopomofo, fullwidth forms: scripts without spaces whose characters all allow a line break.
bool is_ideographic(char32_t c);
/// Joins the character before it whatever the script: combining marks, joiners, variation selectors.
bool is_joined(char32_t c);
/// Whether a line may break between two characters of which one is ideographic (no closing punctuation or small kana at a line's start,
/// no opening punctuation at its end).
bool may_break_ideographs(char32_t before, char32_t after);
/// Drawn right by one font from left to right, word by word, broken at spaces and around ideographs; everything else needs the full
/// layout: scripts that read to the left, scripts without spaces, clusters, emoji, soft hyphens, zero-width characters.
bool is_simple(char32_t c);
/// Thai, Lao, Khmer, Burmese and their like: words are found by dictionary.
bool needs_dictionary(char32_t c);
/// No glyph is needed: joiners, variation selectors, directional marks.
bool is_ignorable(char32_t c);
/// Shown as a colour picture where there is a font: emoji presentation.
bool is_emoji_presentation(char32_t c);
bool is_emoji(char32_t c);
/// How a character stands in vertical lines (Unicode UAX 50): upright (U, Tu), turned with the line (R), or by the font (Tr: brackets and
/// dashes are upright where it has vertical forms, else turned).
enum class Vertical { kUpright, kTurned, kByFont };
Vertical vertical_orientation(char32_t c);
/// Common and Inherited come as HB_SCRIPT_COMMON.
hb_script_t script_of(char32_t c);
char32_t lower_case(char32_t c);
bool is_letter(char32_t c);

/// break_before[i] = 1 where a line may break before byte i, 2 where it must (after a line separator). text.size() + 1 values.
void find_line_breaks(std::string_view text, const std::string& language, bool strict_kinsoku, std::vector<uint8_t>& break_before);
/// begins[i] = 1 where a grapheme cluster begins at byte i. text.size() + 1 values.
void find_graphemes(std::string_view text, std::vector<uint8_t>& begins);

/// Embedding levels (UAX 9), one a byte of the text. base: -1 by the first strong character (left to right without one), else 0 or 1.
/// Returns the paragraph's level. Errors: RenderError when ICU runs out of memory.
int find_bidi_levels(std::string_view text, int base, std::vector<uint8_t>& levels);
/// Whether find_bidi_levels could give anything but 0 in a left-to-right paragraph.
bool may_read_to_left(char32_t c);
/// 0, 1, or -1 without a strong character.
int first_strong_level(std::string_view text);

}  // namespace fovea::render

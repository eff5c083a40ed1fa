// Unicode text as Python's str and re see it: the published scorers are Python, and their numbers hang on these rules.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// str.isspace() of one code point; what str.split() and str.strip() take for white space.
bool is_space(char32_t c);
/// re's \w on str: letters, decimal digits, other numbers, underscore; no combining marks.
bool is_word(char32_t c);
/// str.lower() in no locale.
std::u32string lower(std::u32string_view text);
std::u32string upper(std::u32string_view text);
std::u32string nfc(std::u32string_view text);
std::u32string nfkc(std::u32string_view text);
/// str.strip(): white space off both ends.
std::u32string_view strip(std::u32string_view text);
/// str.strip(chars).
std::u32string_view strip(std::u32string_view text, std::u32string_view chars);
/// str.replace(from, to): every occurrence from the left, none overlapping; from must not be empty.
std::u32string replace_all(std::u32string_view text, std::u32string_view from, std::u32string_view to);
/// str.split(separator).
std::vector<std::u32string_view> split(std::u32string_view text, std::u32string_view separator);
inline bool contains(std::u32string_view text, std::u32string_view part) { return text.find(part) != std::u32string_view::npos; }

}  // namespace fovea::metrics

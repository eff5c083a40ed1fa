// UTF-8: checked decoding with positions. All text in Fovea is UTF-8; offsets are bytes unless a name says otherwise.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

/// Byte position of the first malformed sequence (overlong, surrogate, truncated, above U+10FFFF), or npos.
size_t find_invalid_utf8(std::string_view text);
/// Throws ConfigError "[where] is not UTF-8: byte 0xNN at position P" if malformed.
void require_utf8(std::string_view text, std::string_view where);
/// Decodes the code point at `pos` of valid UTF-8 and advances pos.
inline char32_t next_code_point(std::string_view text, size_t& pos) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(pos);
  if (lead < 0x80) return pos += 1, lead;
  if (lead < 0xE0) return pos += 2, char32_t((lead & 0x1F) << 6 | (byte(pos - 1) & 0x3F));
  if (lead < 0xF0) return pos += 3, char32_t((lead & 0x0F) << 12 | (byte(pos - 2) & 0x3F) << 6 | (byte(pos - 1) & 0x3F));
  return pos += 4, char32_t((lead & 0x07) << 18 | (byte(pos - 3) & 0x3F) << 12 | (byte(pos - 2) & 0x3F) << 6 |
                            (byte(pos - 1) & 0x3F));
}
/// All code points of valid UTF-8.
std::u32string to_code_points(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);
std::string to_utf8(std::u32string_view text);
/// The same text with every malformed byte replaced by U+FFFD (for model output, which may stop inside a character).
std::string replace_invalid_utf8(std::string_view text);

}  // namespace fovea

#include "missing.h"

#include <cstdio>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "unicode.h"

namespace fovea::render {

std::string missing_char(const Font& font, const ShapedWord& word, const ShapedCluster& cluster) {
  size_t pos = cluster.byte_begin;
  std::string first;
  for (int i = 0; i < cluster.num_code_points; ++i) {
    const size_t begin = pos;
    const char32_t c = next_code_point(word.text(), pos);
    const std::string text(word.text().substr(begin, pos - begin));
    if (first.empty()) first = text;
    hb_codepoint_t glyph = 0;
    if (is_control(c) || !hb_font_get_nominal_glyph(font.shaping_font(), c, &glyph) || glyph == 0) return text;
  }
  return first;
}

void throw_missing(const Font& font, const ShapedWord& word, const ShapedCluster& cluster, size_t word_byte, bool fallback) {
  const std::string text = missing_char(font, word, cluster);
  size_t pos = 0;
  const char32_t c = next_code_point(text, pos);
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", unsigned(c));
  const std::string where = std::string(name) + (is_control(c) ? "" : " '" + text + "'") + " at byte " +
                            std::to_string(word_byte + cluster.byte_begin);
  if (is_control(c)) throw RenderError("[render] strict: no font has a glyph for the control character " + where);
  throw RenderError("[render] strict: font '" + font.family() + "' has no glyph for " + where +
                    (fallback ? ", nor has any installed font" : ""));
}

bool lacks_letters(const Font& font, const ShapedWord& word) {
  if (word.num_missing() == 0) return false;
  for (size_t pos = 0; pos < word.text().size();) {
    const char32_t c = next_code_point(word.text(), pos);
    hb_codepoint_t glyph = 0;
    if (!is_control(c) && (!hb_font_get_nominal_glyph(font.shaping_font(), c, &glyph) || glyph == 0)) return true;
  }
  return false;
}

void count_missing(const Font& font, const ShapedWord& word, size_t first, size_t last, size_t word_byte, bool strict, bool fallback,
                   PageReport& report) {
  for (size_t i = first; i < last; ++i) {
    const ShapedCluster& cluster = word.clusters()[i];
    if (cluster.num_missing == 0) continue;
    if (strict) throw_missing(font, word, cluster, word_byte, fallback);
    if (report.num_missing_glyphs == 0) report.missing_example = missing_char(font, word, cluster);
    report.num_missing_glyphs += cluster.num_missing;
    size_t pos = cluster.byte_begin;
    for (int n = 0; n < cluster.num_code_points; ++n) report.num_control_chars += is_control(next_code_point(word.text(), pos));
  }
}

}  // namespace fovea::render

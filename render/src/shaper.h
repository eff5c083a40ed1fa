// Shaper: one word through HarfBuzz.
#pragma once
#include <string>
#include <string_view>

#include <hb.h>

#include "word_cache.h"

namespace fovea::render {

/// How a word is shaped beyond its font. The default lets HarfBuzz guess script and direction from the letters.
struct ShapeOptions {
  enum Direction : uint8_t { kGuess, kLeftToRight, kRightToLeft, kDown };
  hb_script_t script = HB_SCRIPT_INVALID;
  uint16_t language = 0;  ///< of language_id
  Direction direction = kGuess;

  /// One number a combination: the same word under other options is another entry of the word cache.
  uint64_t variant() const { return uint64_t(script) << 32 | uint64_t(language) << 8 | direction; }
};

/// A small number for a BCP 47 tag, the same for the life of the process. 0 is "no language", and English: fonts draw English as they
/// draw by default. Thread-safe. Errors: ConfigError after some thousand different tags.
uint16_t language_id(const std::string& tag);

/// Whether the font has another glyph for the character in vertical lines (brackets, dashes).
bool has_vertical_form(hb_font_t* font, char32_t c);

/// Shapes one word (valid UTF-8, no spaces or newlines) in font units; `font` must be immutable with scale = units per em.
/// Ligatures that are only typographic (liga, clig, dlig) are off in alphabets whose letters stand apart, so that each character keeps an
/// ink box of its own; those that a script needs (rlig, ccmp, and all of joining and Indic scripts) stay. Control characters become
/// .notdef whatever the font maps them to. before and after: neighbouring text that letters may join with.
/// Down: clusters run down (x units are downwards), glyphs' x_units are from the line's centre, y_units from the word's start, y up.
/// Thread-safe. Errors: RenderError when HarfBuzz runs out of memory.
ShapedWord::Pointer shape_word(hb_font_t* font, std::string_view text, uint64_t hash, const ShapeOptions& options = {},
                               std::string_view before = {}, std::string_view after = {});

}  // namespace fovea::render

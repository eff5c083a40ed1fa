// Shaper: one word through HarfBuzz.
#pragma once
#include <string_view>

#include <hb.h>

#include "word_cache.h"

namespace fovea::render {

/// Shapes one word (valid UTF-8, no spaces or newlines) in font units; `font` must be immutable with scale = units per em.
/// Ligatures that are only typographic (liga, clig, dlig) are off, so that each character keeps an ink box of its own;
/// those that a script needs (rlig, ccmp) stay. Control characters become .notdef whatever the font maps them to.
/// Thread-safe. Errors: RenderError when HarfBuzz runs out of memory.
ShapedWord::Pointer shape_word(hb_font_t* font, std::string_view text, uint64_t hash);

}  // namespace fovea::render

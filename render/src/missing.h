// Missing glyphs: which characters a font lacks, for reports and refusals.
#pragma once
#include <string>
#include <string_view>

#include "font.h"
#include "fovea/render/page.h"
#include "word_cache.h"

namespace fovea::render {

/// The first code point of a cluster of `word` that has no glyph of its own, as UTF-8.
std::string missing_char(const Font& font, const ShapedWord& word, const ShapedCluster& cluster);
/// Errors: RenderError naming the character and its byte, always.
[[noreturn]] void throw_missing(const Font& font, const ShapedWord& word, const ShapedCluster& cluster, size_t word_byte, bool fallback);
/// Whether the word has characters (controls apart) that another font may have.
bool lacks_letters(const Font& font, const ShapedWord& word);
/// Adds what is missing in clusters [first, last) to the report. Errors: RenderError if strict.
void count_missing(const Font& font, const ShapedWord& word, size_t first, size_t last, size_t word_byte, bool strict, bool fallback,
                   PageReport& report);

}  // namespace fovea::render

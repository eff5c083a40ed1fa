// Glyph raster: one glyph through FreeType into a bitmap of its own.
#pragma once
#include <memory>

#include "glyph_cache.h"

namespace fovea::render {

struct RasterGlyph {
  Glyph glyph;                       ///< coverage points into bytes
  std::unique_ptr<uint8_t[]> bytes;  ///< null where there is no ink
  size_t num_bytes = 0;
};

/// Draws a glyph, moved by phase / num_phases px. The caller holds the face's mutex; size and transform of the face are set anew
/// each time. Errors: RenderError (FreeType's, or a bitmap larger than any honest glyph of that size).
RasterGlyph rasterise(FT_Face face, int strike, const GlyphOptions& options, uint32_t glyph_id, int phase);

}  // namespace fovea::render

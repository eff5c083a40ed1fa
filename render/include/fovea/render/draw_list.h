// DrawList: every glyph of a page with its exact place, for the colour raster, PDF and SVG.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace fovea::render {

class Font;  // render/src/font.h: one open face

/// A face at a size. Bitmap and vector output alike draw glyph ids of this face.
struct FontUse {
  std::shared_ptr<Font> font;
  double size_px = 0;           ///< em
  double horizontal_scale = 1;
  bool synthetic_bold = false;    ///< the family has no bold face: outlines are emboldened
  bool synthetic_italic = false;  ///< ... no italic face: outlines are slanted
};

/// One glyph. x grows to the right, y down, both in px of the page and exact (multiples of 2^-32): the raster rounds.
/// `y_px` is the baseline's whole pixel minus the glyph's own offset upwards.
struct PlacedGlyph {
  uint32_t font_use = 0;  ///< index into DrawList::fonts
  uint32_t glyph_id = 0;
  double x_px = 0, y_px = 0;  ///< pen origin, HarfBuzz's offsets included
  uint32_t rgb = 0;           ///< 0xRRGGBB
  uint32_t char_begin = 0, num_chars = 0;  ///< indices into Page::chars; no chars: ink without source (hyphen, bullet)
  bool rotated = false;       ///< turned by 90 degrees clockwise about the origin (Latin in vertical lines)
};

/// A filled rectangle, drawn before all glyphs, in order: backgrounds, rules, table lines.
struct PlacedRect {
  double x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;
  uint32_t rgb = 0;
};

struct DrawList {
  double width_px = 0, height_px = 0;
  uint32_t page_rgb = 0xFFFFFF;
  std::vector<FontUse> fonts;
  std::vector<PlacedRect> rects;
  std::vector<PlacedGlyph> glyphs;  ///< in source order of the characters
};

}  // namespace fovea::render

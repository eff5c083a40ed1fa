// For tests of the raster and of vector output: shaped lines placed by hand into a DrawList.
#pragma once
#include <cmath>
#include <string>

#include <hb.h>

#include "font.h"
#include "fovea/render/draw_list.h"

namespace fovea::render {

struct LineLook {
  uint32_t rgb = 0;
  double horizontal_scale = 1;
  bool bold = false, italic = false, rotated = false;
};

/// A DrawList under construction. Pens are not rounded.
struct Sketch {
  DrawList list;
  FontCache fonts;

  Sketch(double width_px, double height_px) { list.width_px = width_px, list.height_px = height_px; }

  void line(const std::shared_ptr<Font>& font, double size_px, const std::string& text, double x_px, double y_px, LineLook look = {}) {
    const double size = double(font->snap_size_26_6(std::llround(size_px * 64))) / 64, scale = size / double(font->units_per_em());
    list.fonts.push_back({font, size, look.horizontal_scale, look.bold, look.italic});
    hb_buffer_t* buffer = hb_buffer_create();
    hb_buffer_add_utf8(buffer, text.c_str(), -1, 0, -1);
    hb_buffer_guess_segment_properties(buffer);
    hb_shape(font->shaping_font(), buffer, nullptr, 0);
    unsigned num = 0;
    const hb_glyph_info_t* infos = hb_buffer_get_glyph_infos(buffer, &num);
    const hb_glyph_position_t* positions = hb_buffer_get_glyph_positions(buffer, nullptr);
    for (unsigned i = 0; i < num; ++i) {
      PlacedGlyph glyph;
      glyph.font_use = uint32_t(list.fonts.size() - 1);
      glyph.glyph_id = infos[i].codepoint;
      glyph.rgb = look.rgb;
      glyph.rotated = look.rotated;
      const double dx = positions[i].x_offset * scale * look.horizontal_scale, dy = positions[i].y_offset * scale;
      glyph.x_px = x_px + (look.rotated ? dy : dx), glyph.y_px = y_px + (look.rotated ? dx : -dy);
      list.glyphs.push_back(glyph);
      (look.rotated ? y_px : x_px) += positions[i].x_advance * scale * look.horizontal_scale;
    }
    hb_buffer_destroy(buffer);
  }
  /// The family's own bold or italic face is taken where there is one, else a synthetic one.
  void line(const std::string& family, double size_px, const std::string& text, double x_px, double y_px, LineLook look = {}) {
    const FaceLocation face = locate_face(family, look.bold, look.italic);
    look.bold = face.synthetic_bold, look.italic = face.synthetic_italic;
    line(fonts.get(face, size_px), size_px, text, x_px, y_px, look);
  }
};

}  // namespace fovea::render

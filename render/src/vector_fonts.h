// Vector fonts: the faces of a draw list as Cairo knows them.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include <cairo.h>

#include "font.h"
#include "fovea/render/draw_list.h"

namespace fovea::render {

/// One for each document: Cairo gets FreeType faces of its own, because those of Font are shared between threads under a mutex that
/// Cairo does not know.
class VectorFonts {
 public:
  VectorFonts() = default;
  ~VectorFonts();
  VectorFonts(const VectorFonts&) = delete;
  VectorFonts& operator=(const VectorFonts&) = delete;

  /// Outlines; of a font of bitmaps the squares of its pixels. Errors: RenderError.
  cairo_font_face_t* face(const FontUse& use);
  /// A font that carries the text of what is drawn as pictures. Its kSpeck is a hundredth of an em in the middle of the letter, to be
  /// covered by the picture: glyphs without any ink are left out by Cairo. kNothing has none.
  cairo_font_face_t* text_face();
  static constexpr unsigned long kSpeck = 1, kNothing = 2;

  /// A colour glyph, some times finer than the page.
  struct Picture {
    cairo_surface_t* surface = nullptr;  ///< null: not a colour glyph
    double left_em = 0, top_em = 0;      ///< from the pen to its first column and, upwards, its first row
    double px_em = 0;                    ///< size of its pixels
  };
  /// gray: colours become their luma. Errors: RenderError.
  const Picture& picture(const FontUse& use, uint32_t glyph_id, bool gray);

 private:
  std::map<std::pair<const Font*, bool>, cairo_font_face_t*> faces_;  // with and without synthetic boldness
  cairo_font_face_t* text_ = nullptr;
  std::map<std::tuple<const Font*, uint32_t, bool>, Picture> pictures_;
};

/// Throws a RenderError that names `where` unless the status is success.
void check_cairo(cairo_status_t status, const char* where);

}  // namespace fovea::render

// Raster of a DrawList: any number of fonts and colours, gray or RGB, upright and turned glyphs.
#pragma once
#include <cstdint>
#include <vector>

#include "fovea/render/draw_list.h"
#include "glyph_cache.h"
#include "raster.h"

namespace fovea::render {

struct RasterOptions {
  Antialias antialias = Antialias::kGray;
  Hinting hinting = Hinting::kLight;
  int subpixel_positions = 1;  ///< glyph phases a pixel along the line
  int channels = 1;            ///< 1: colours become their gray; 3: RGB
  bool inverse = false;        ///< every value v of the finished page becomes 255 - v
};

/// Draws the list onto `page`, which is made anew at the list's size (rounded up). A glyph at x stands at floor(x + 1/2), or at the
/// phase below where subpixel_positions > 1; its baseline at ceil(y - 1/2): what the plain painter of one gray font does. Rectangles
/// go to the nearest whole pixels and are at least one wide and high. Subpixel coverage on a gray page is the mean of its stripes.
/// ink_of_glyph, if any, gets the ink of every glyph on the page (empty boxes where there is none). Returns the number of glyphs with
/// ink beyond the page. Thread-safe. Errors: RenderError (FreeType's); ShapeError (an index or colour channel count out of range).
size_t draw(const DrawList& list, const RasterOptions& options, Image& page, std::vector<InkBox>* ink_of_glyph = nullptr);

/// The same onto a page that is there already, from glyph `first_glyph` on, without rectangles, paper and inversion.
size_t draw_glyphs(const DrawList& list, const RasterOptions& options, Image& page, std::vector<InkBox>* ink_of_glyph,
                   size_t first_glyph = 0);

/// Every colour becomes its complement: what `inverse` does to pixels, for a list that is kept for PDF and SVG.
void invert_colours(DrawList& list);

}  // namespace fovea::render

// Any bytes as a font file: opened, shaped, drawn in all manners, written as PDF and SVG. Errors are fine; nothing else is.
#include <cstdint>
#include <memory>
#include <string>

#include "draw_helper.h"
#include "fovea/base/error.h"
#include "fovea/render/vector.h"
#include "raster_rich.h"

using namespace fovea;
using namespace fovea::render;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr const char* kText = "Ag 1fi\u00E9\u0416\u0633\u0644\u0627\u0645\u0915\u094D\u0937\u0E01\u0E34\u6C49\u263A\U0001F600\U0001F30D";
  try {
    const auto font = std::make_shared<Font>(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
    Sketch sketch(240, 80);
    sketch.line(font, 12, kText, 4, 20);
    sketch.line(font, 40.5, kText, 4.3, 60, {.rgb = 0x2040FF});
    sketch.line(font, 9, kText, 200, 4, {.rotated = true});
    sketch.line(font, 17, kText, 4, 70, {.bold = true, .italic = true});
    for (uint32_t id : {0u, 1u, 7u, 65535u, 0x7FFFFFFFu, 0xFFFFFFFFu}) {
      PlacedGlyph glyph;
      glyph.glyph_id = id, glyph.x_px = 100, glyph.y_px = 40;
      sketch.list.glyphs.push_back(glyph);
    }
    Image image;
    std::vector<InkBox> ink;
    const auto try_to_draw = [&](Antialias antialias, Hinting hinting, int phases, int channels) {
      try {
        RasterOptions options;
        options.antialias = antialias, options.hinting = hinting, options.subpixel_positions = phases, options.channels = channels;
        draw(sketch.list, options, image, &ink);
      } catch (const Error&) {
      }
    };
    try_to_draw(Antialias::kGray, Hinting::kLight, 1, 1);
    try_to_draw(Antialias::kMono, Hinting::kFull, 1, 1);
    try_to_draw(Antialias::kSubpixel, Hinting::kNone, 4, 3);
    try_to_draw(Antialias::kGray, Hinting::kFull, 2, 3);
    if (!font->is_fixed_size()) {
      sketch.line(font, 300, "A\U0001F600", 4.3, 60, {.horizontal_scale = 0.7});
      try_to_draw(Antialias::kGray, Hinting::kNone, 1, 3);
    }
    Page page;
    page.image = image;
    page.draw_list = std::make_shared<DrawList>(sketch.list);
    to_svg(page);
    to_pdf({&page, 1});
  } catch (const Error&) {
  }
  return 0;
}

#include "raster_rich.h"

#include <array>
#include <cmath>
#include <memory>
#include <string>

#include "font.h"
#include "fovea/base/error.h"
#include "luma.h"

namespace fovea::render {
namespace {

constexpr double kFarPx = 1e6;  // pens beyond it are off every page, and would not fit an int

struct Rgb {
  uint8_t c[3];
  explicit Rgb(uint32_t rgb) : c{uint8_t(rgb >> 16), uint8_t(rgb >> 8), uint8_t(rgb)} {}
};

// Part of a glyph, whose first pixel is at (x_px, y_px), that is on the page.
struct Clip {
  int x0, y0, x1, y1;
  Clip(const Glyph& glyph, int x_px, int y_px, const Image& page)
      : x0(std::max(x_px, 0)), y0(std::max(y_px, 0)), x1(std::min(x_px + glyph.width_px, page.width_px)),
        y1(std::min(y_px + glyph.height_px, page.height_px)) {}
};

const uint8_t* row_of(const Glyph& glyph, int x_px, int y_px, const Clip& clip, int y) {
  return glyph.coverage + (ptrdiff_t(y - y_px) * glyph.stride_px + (clip.x0 - x_px)) * glyph.bytes_a_pixel();
}

void stripes_on_gray(const Glyph& glyph, int x_px, int y_px, uint8_t ink, Image& page) {
  const Clip clip(glyph, x_px, y_px, page);
  for (int y = clip.y0; y < clip.y1; ++y) {
    const uint8_t* in = row_of(glyph, x_px, y_px, clip, y);
    uint8_t* out = page.row(y) + clip.x0;
    for (int x = clip.x0; x < clip.x1; ++x, in += 3, ++out) *out = blend(*out, ink, (in[0] + in[1] + in[2] + 1u) / 3);
  }
}

void gray_on_rgb(const Glyph& glyph, int x_px, int y_px, Rgb ink, Image& page) {
  const Clip clip(glyph, x_px, y_px, page);
  for (int y = clip.y0; y < clip.y1; ++y) {
    const uint8_t* in = row_of(glyph, x_px, y_px, clip, y);
    uint8_t* out = page.row(y) + 3 * clip.x0;
    for (int x = clip.x0; x < clip.x1; ++x, ++in, out += 3) {
      const uint32_t coverage = *in;
      if (coverage == 0) continue;
      for (int c = 0; c < 3; ++c) out[c] = coverage == 255 ? ink.c[c] : blend(out[c], ink.c[c], coverage);
    }
  }
}

void stripes_on_rgb(const Glyph& glyph, int x_px, int y_px, Rgb ink, Image& page) {
  const Clip clip(glyph, x_px, y_px, page);
  for (int y = clip.y0; y < clip.y1; ++y) {
    const uint8_t* in = row_of(glyph, x_px, y_px, clip, y);
    uint8_t* out = page.row(y) + 3 * clip.x0;
    for (int x = clip.x0; x < clip.x1; ++x)
      for (int c = 0; c < 3; ++c, ++in, ++out) *out = blend(*out, ink.c[c], *in);
  }
}

void colour_on_rgb(const Glyph& glyph, int x_px, int y_px, Image& page) {
  const Clip clip(glyph, x_px, y_px, page);
  for (int y = clip.y0; y < clip.y1; ++y) {
    const uint8_t* in = row_of(glyph, x_px, y_px, clip, y);
    uint8_t* out = page.row(y) + 3 * clip.x0;
    for (int x = clip.x0; x < clip.x1; ++x, in += 4, out += 3)
      for (int c = 0; c < 3; ++c) out[c] = uint8_t(std::min<int>(blend(out[c], 0, in[3]) + in[2 - c], 255));
  }
}

void draw_rect(const PlacedRect& rect, Image& page) {
  const auto to_px = [](double v, int max) { return int(std::clamp(std::floor(v + 0.5), 0.0, double(max))); };
  const int x0 = to_px(rect.x0_px, page.width_px), y0 = to_px(rect.y0_px, page.height_px);
  const int x1 = to_px(std::max(rect.x1_px, std::floor(rect.x0_px + 0.5) + 1), page.width_px);
  const int y1 = to_px(std::max(rect.y1_px, std::floor(rect.y0_px + 0.5) + 1), page.height_px);
  if (x0 >= x1) return;
  const Rgb rgb(rect.rgb);
  for (int y = y0; y < y1; ++y) {
    uint8_t* out = page.row(y) + ptrdiff_t(x0) * page.channels;
    if (page.channels == 1) {
      std::fill_n(out, x1 - x0, uint8_t(luma_of_rgb(rect.rgb)));
    } else {
      for (int x = x0; x < x1; ++x, out += 3) std::copy_n(rgb.c, 3, out);
    }
  }
}

// The glyph sets of a list's fonts, upright and turned, looked up when first needed.
class Sets {
 public:
  Sets(const DrawList& list, const RasterOptions& options) : list_(list), options_(options), sets_(list.fonts.size()) {}

  GlyphSet& get(uint32_t font_use, bool rotated) {
    if (font_use >= sets_.size())
      throw ShapeError("[draw] font_use must be less than " + std::to_string(sets_.size()) + ", got " + std::to_string(font_use));
    auto& set = sets_[font_use][rotated];
    if (!set) {
      const FontUse& use = list_.fonts[font_use];
      GlyphOptions wanted;
      wanted.size_26_6 = std::llround(use.size_px * 64);
      wanted.num_phases = options_.subpixel_positions;
      wanted.horizontal_scale_16_16 = int32_t(std::lround(use.horizontal_scale * 65536));
      wanted.hinting = options_.hinting;
      wanted.antialias = options_.antialias;
      wanted.bold = use.synthetic_bold;
      wanted.italic = use.synthetic_italic;
      wanted.rotated = rotated;
      wanted.colour = options_.channels == 3;
      set = use.font->glyphs(wanted);
    }
    return *set;
  }

 private:
  const DrawList& list_;
  const RasterOptions& options_;
  std::vector<std::array<std::shared_ptr<GlyphSet>, 2>> sets_;
};

struct Place {
  int px;
  int phase;
};
Place place_along(double at, int num_phases) {
  if (num_phases == 1) return {int(std::floor(at + 0.5)), 0};
  const double whole = std::floor(at);
  return {int(whole), int((at - whole) * num_phases)};
}

}  // namespace

size_t draw_glyphs(const DrawList& list, const RasterOptions& options, Image& page, std::vector<InkBox>* ink_of_glyph,
                   size_t first_glyph) {
  if (page.channels != options.channels || (page.channels != 1 && page.channels != 3))
    throw ShapeError("[draw] channels must be 1 or 3, and the page's, got " + std::to_string(options.channels) + " and " +
                     std::to_string(page.channels));
  if (ink_of_glyph) ink_of_glyph->resize(list.glyphs.size());
  Sets sets(list, options);
  size_t num_clipped = 0;
  GlyphSet* set = nullptr;
  uint32_t set_use = 0;
  bool set_rotated = false;
  for (size_t i = first_glyph; i < list.glyphs.size(); ++i) {
    const PlacedGlyph& placed = list.glyphs[i];
    if (ink_of_glyph) (*ink_of_glyph)[i] = InkBox();
    if (!set || placed.font_use != set_use || placed.rotated != set_rotated) {
      set = &sets.get(placed.font_use, placed.rotated);
      set_use = placed.font_use, set_rotated = placed.rotated;
    }
    if (!(std::abs(placed.x_px) < kFarPx && std::abs(placed.y_px) < kFarPx)) {
      ++num_clipped;
      continue;
    }
    int x = 0, y = 0, phase = 0;
    if (placed.rotated) {
      const Place along = place_along(placed.y_px, options.subpixel_positions);
      x = int(std::floor(placed.x_px + 0.5)), y = along.px, phase = along.phase;
    } else {
      const Place along = place_along(placed.x_px, options.subpixel_positions);
      x = along.px, y = int(std::ceil(placed.y_px - 0.5)), phase = along.phase;
    }
    const Glyph& glyph = set->get(placed.glyph_id, phase);
    if (glyph.width_px == 0) continue;
    x += glyph.left_px, y -= glyph.top_px;
    if (page.channels == 1) {
      const uint8_t ink = uint8_t(luma_of_rgb(placed.rgb));
      if (glyph.format == Glyph::kGray)
        draw_glyph(glyph, x, y, ink, page);
      else
        stripes_on_gray(glyph, x, y, ink, page);
    } else if (glyph.format == Glyph::kGray) {
      gray_on_rgb(glyph, x, y, Rgb(placed.rgb), page);
    } else if (glyph.format == Glyph::kStripes) {
      stripes_on_rgb(glyph, x, y, Rgb(placed.rgb), page);
    } else {
      colour_on_rgb(glyph, x, y, page);
    }
    if (x < 0 || y < 0 || x + glyph.width_px > page.width_px || y + glyph.height_px > page.height_px) ++num_clipped;
    if (ink_of_glyph) (*ink_of_glyph)[i] = ink_box(glyph, x, y, page);
  }
  return num_clipped;
}

size_t draw(const DrawList& list, const RasterOptions& options, Image& page, std::vector<InkBox>* ink_of_glyph) {
  if (options.channels != 1 && options.channels != 3)
    throw ShapeError("[draw] channels must be 1 or 3, got " + std::to_string(options.channels));
  const auto side = [](double px) { return int(std::clamp(std::ceil(px), 0.0, 65535.0)); };
  page.width_px = side(list.width_px), page.height_px = side(list.height_px), page.channels = options.channels;
  const size_t num_pixels = size_t(page.width_px) * size_t(page.height_px);
  const Rgb paper(list.page_rgb);
  if (options.channels == 1) {
    page.pixels.assign(num_pixels, uint8_t(luma_of_rgb(list.page_rgb)));
  } else if (paper.c[0] == paper.c[1] && paper.c[1] == paper.c[2]) {
    page.pixels.assign(num_pixels * 3, paper.c[0]);
  } else {
    page.pixels.resize(num_pixels * 3);
    for (size_t i = 0; i < num_pixels; ++i) std::copy_n(paper.c, 3, page.pixels.begin() + ptrdiff_t(3 * i));
  }
  for (const PlacedRect& rect : list.rects) draw_rect(rect, page);
  const size_t num_clipped = draw_glyphs(list, options, page, ink_of_glyph);
  if (options.inverse)
    for (uint8_t& value : page.pixels) value = uint8_t(255 - value);
  return num_clipped;
}

void invert_colours(DrawList& list) {
  constexpr uint32_t kWhite = 0xFFFFFF;
  list.page_rgb ^= kWhite;
  for (PlacedRect& rect : list.rects) rect.rgb ^= kWhite;
  for (PlacedGlyph& glyph : list.glyphs) glyph.rgb ^= kWhite;
}

}  // namespace fovea::render

// Raster: coverage onto gray pixels.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "fovea/base/image.h"
#include "glyph_cache.h"

namespace fovea::render {

/// Half-open box of whole page pixels; x0 == x1 when empty.
struct InkBox {
  int x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;

  bool empty() const { return x0_px >= x1_px; }
  void add(const InkBox& other) {
    if (other.empty()) return;
    if (empty()) {
      *this = other;
      return;
    }
    x0_px = std::min(x0_px, other.x0_px), y0_px = std::min(y0_px, other.y0_px);
    x1_px = std::max(x1_px, other.x1_px), y1_px = std::max(y1_px, other.y1_px);
  }
};

/// a * (255 - c) + b * c, divided by 255 and rounded; exact for all 8-bit values.
inline uint8_t blend(uint32_t paper, uint32_t ink, uint32_t coverage) {
  const uint32_t sum = paper * (255 - coverage) + ink * coverage + 128;
  return static_cast<uint8_t>((sum + (sum >> 8)) >> 8);
}

/// Tight box of the glyph's pixels with coverage, its first column and row at (x_px, y_px), clipped to the page.
inline InkBox ink_box(const Glyph& glyph, int x_px, int y_px, const Image& page) {
  InkBox box{std::max(x_px, 0), std::max(y_px, 0), std::min(x_px + glyph.width_px, page.width_px),
             std::min(y_px + glyph.height_px, page.height_px)};
  if (box.x0_px == x_px && box.y0_px == y_px && box.x1_px == x_px + glyph.width_px && box.y1_px == y_px + glyph.height_px)
    return box;  // not clipped: the coverage is trimmed already
  InkBox tight;
  const int bytes = glyph.bytes_a_pixel();
  for (int y = box.y0_px; y < box.y1_px; ++y)
    for (int x = box.x0_px; x < box.x1_px; ++x) {
      const uint8_t* at = glyph.coverage + (ptrdiff_t(y - y_px) * glyph.stride_px + (x - x_px)) * bytes;
      if (bytes == 1 ? at[0] : bytes == 3 ? at[0] | at[1] | at[2] : at[3]) tight.add({x, y, x + 1, y + 1});
    }
  return tight;
}

/// blend() of 8 neighbouring pixels; the loop vectorises.
inline void blend_8(uint8_t* out, const uint8_t* coverage, uint8_t ink) {
  for (int k = 0; k < 8; ++k) {
    const uint16_t c = coverage[k];
    const uint16_t sum = uint16_t(out[k] * (255 - c) + ink * c + 128);
    out[k] = uint8_t((sum + (sum >> 8)) >> 8);
  }
}

/// Draws a glyph of gray coverage onto a gray page, clipped. Rows are padded to 8 px: zero coverage leaves the pixels beyond it as they are.
inline void draw_glyph(const Glyph& glyph, int x_px, int y_px, uint8_t ink, Image& page) {
  const int width = page.width_px;
  if (x_px >= 0 && y_px >= 0 && x_px + glyph.stride_px <= width && y_px + glyph.height_px <= page.height_px) {
    uint8_t* out = page.pixels.data() + ptrdiff_t(y_px) * width + x_px;
    const uint8_t* in = glyph.coverage;
    for (int y = 0; y < glyph.height_px; ++y, out += width, in += glyph.stride_px)
      for (int x = 0; x < glyph.stride_px; x += 8) {
        uint64_t paper, coverage;
        std::memcpy(&paper, out + x, 8);
        std::memcpy(&coverage, in + x, 8);
        if (ink == 0 && paper == ~uint64_t(0)) {  // black on untouched white, nearly always: 255 - coverage
          coverage = ~coverage;
          std::memcpy(out + x, &coverage, 8);
        } else {
          blend_8(out + x, in + x, ink);
        }
      }
    return;
  }
  const int x0 = std::max(x_px, 0), x1 = std::min(x_px + glyph.width_px, width);
  const int y0 = std::max(y_px, 0), y1 = std::min(y_px + glyph.height_px, page.height_px);
  for (int y = y0; y < y1; ++y)
    for (int x = x0; x < x1; ++x) {
      uint8_t& pixel = page.row(y)[x];
      pixel = blend(pixel, ink, glyph.coverage[ptrdiff_t(y - y_px) * glyph.stride_px + (x - x_px)]);
    }
}

}  // namespace fovea::render

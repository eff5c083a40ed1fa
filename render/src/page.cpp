#include "fovea/render/page.h"

#include <algorithm>

#include "fovea/base/error.h"

namespace fovea::render {

std::string visual_text(const Page& page) {
  std::string out;
  out.reserve(page.text.size() + page.lines.size());
  for (size_t i = 0; i < page.lines.size(); ++i) {
    if (i) out += '\n';
    out.append(page.text, page.lines[i].byte_begin, page.lines[i].byte_end - page.lines[i].byte_begin);
  }
  return out;
}

Image mark_chars(const Page& page, const std::vector<size_t>& chars, uint8_t red, uint8_t green, uint8_t blue) {
  constexpr int kMinWidthPx = 2;
  constexpr int kOpacity = 115;  // of 255: ink stays readable
  const Image& from = page.image;
  if (from.pixels.empty()) throw ShapeError("[mark_chars] needs the page's pixels; this is a map without its picture");
  Image out = Image::filled(from.width_px, from.height_px, 3, 0);
  if (from.channels == 3)
    out.pixels = from.pixels;
  else
    for (size_t i = 0; i < from.pixels.size(); ++i) std::fill_n(out.pixels.begin() + ptrdiff_t(i) * 3, 3, from.pixels[i]);
  const Image plain = out;
  const int colour[3] = {red, green, blue};
  for (size_t index : chars) {
    if (index >= page.chars.size())
      throw ShapeError("[mark_chars] character index must be less than " + std::to_string(page.chars.size()) + ", got " +
                       std::to_string(index));
    const CharBox& box = page.chars[index];
    const PageLine& line = page.lines.at(box.line);
    int x0 = std::max<int>(box.cell_x0_px, 0), x1 = std::min<int>(box.cell_x1_px, from.width_px);
    if (x1 - x0 < kMinWidthPx) {
      x0 = std::clamp(x0, 0, std::max(from.width_px - kMinWidthPx, 0));
      x1 = std::min(x0 + kMinWidthPx, from.width_px);
    }
    int y0 = std::max<int>(line.top_px, 0), y1 = std::min<int>(line.bottom_px, from.height_px);
    if (line.vertical) {
      x0 = std::max<int>(line.top_px, 0), x1 = std::min<int>(line.bottom_px, from.width_px);
      y0 = std::max<int>(box.cell_x0_px, 0), y1 = std::min<int>(std::max<int>(box.cell_x1_px, y0 + kMinWidthPx), from.height_px);
    }
    for (int y = y0; y < y1; ++y)
      for (int x = x0; x < x1; ++x)
        for (int c = 0; c < 3; ++c)
          // from the page, not from `out`: a character that is named twice is not darker
          out.row(y)[x * 3 + c] = uint8_t((plain.row(y)[x * 3 + c] * (255 - kOpacity) + colour[c] * kOpacity + 127) / 255);
  }
  return out;
}

}  // namespace fovea::render

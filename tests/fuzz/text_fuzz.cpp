// Any bytes as text, in a style that the first bytes choose. Invalid UTF-8 must be refused; every other text gives pages whose boxes lie on
// them and that lose no byte.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

using namespace fovea;
using namespace fovea::render;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Renderer renderer;
  if (size < 4) return 0;
  Style style;
  style.width_px = 40 + data[0] * 2, style.height_px = 60 + data[1];
  const auto choose = [bits = uint32_t(data[2]) | uint32_t(data[3]) << 8](int at, std::initializer_list<const char*> names) {
    return *(names.begin() + (bits >> at) % names.size());
  };
  style.direction = choose(0, {"auto", "ltr", "rtl", "vertical"});
  style.align = choose(2, {"left", "right", "center", "justify"});
  style.line_breaks = choose(4, {"spaces", "icu"});
  style.newline = choose(5, {"break", "marker", "marker_break", "drop"});
  style.markup = choose(7, {"none", "markdown"});
  style.crop = choose(8, {"none", "width", "height", "both"});
  style.hyphenate = data[3] & 4;
  style.columns = 1 + (data[3] >> 3 & 1);
  style.column_gap_px = 4;
  style.letter_spacing_px = data[3] & 16 ? 0.5 : 0;
  style.overflow = "continue";
  std::string text(reinterpret_cast<const char*>(data) + 4, size - 4);
  if (data[3] & 32) text = replace_invalid_utf8(text);  // most mutations are malformed: let half of them pass
  try {
    size_t next = 0, num_pages = 0;
    renderer.render_pages(text, style, [&](Page&& page) {
      if (page.byte_begin != next) std::abort();
      next = page.byte_begin + page.text.size();
      for (const CharBox& box : page.chars)
        if (box.x0_px < 0 || box.y0_px < 0 || box.x1_px > page.image.width_px || box.y1_px > page.image.height_px ||
            box.byte_offset >= page.text.size() || box.line >= page.lines.size())
          std::abort();
      return ++num_pages < 50;
    });
    if (num_pages < 50 && next != text.size()) std::abort();
  } catch (const Error&) {
  }
  return 0;
}

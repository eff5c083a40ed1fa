// Any bytes as a reader's output. Nothing may be thrown, places lie within the text, and what is outside markers is in the Markdown.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "fovea/text/grounded.h"

using namespace fovea::text;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string output(reinterpret_cast<const char*>(data), size);
  const auto parsed = parse_grounded(output);
  size_t last = 0, kept = parsed.lead.size();
  for (const auto& item : parsed.items) {
    if (item.byte_begin < last || item.byte_end < item.byte_begin || item.byte_end > size) std::abort();
    last = item.byte_end;
    kept += item.content.size();
    for (const auto& box : item.boxes) {
      const auto px = to_pixels(box, 640, 480);
      if (px.x0_px < 0 || px.y0_px < 0 || px.x1_px > 640 || px.y1_px > 480 || px.x1_px < px.x0_px || px.y1_px < px.y0_px) std::abort();
    }
  }
  for (const auto& problem : parsed.problems)
    if (problem.byte_offset > size) std::abort();
  if (kept > size) std::abort();
  if (parsed.problems.empty() && parsed.items.empty() && parsed.lead != output) std::abort();
  if (grounded_markdown(parsed, [](size_t) { return "p.png"; }).size() > 4 * size + 16) std::abort();
  return 0;
}

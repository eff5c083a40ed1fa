// Any bytes as a style in TOML, then a page in it. Errors are fine; nothing else is.
#include <cstdint>
#include <string>

#include "fovea/base/config.h"
#include "fovea/base/error.h"
#include "fovea/render/renderer.h"
#include "fovea/render/style_file.h"

using namespace fovea;
using namespace fovea::render;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Renderer renderer;
  try {
    StyleSheet sheet;
    apply_json(sheet, parse_toml(std::string(reinterpret_cast<const char*>(data), size), "fuzz"), "fuzz");
    Style& style = sheet.style;
    if (style.width_px > 2000 || style.height_px > 2000) style.width_px = style.height_px = 500;  // time, not safety
    style.paper.clear();
    renderer.render("Fuzzed styles, \u0645\u0631\u062D\u0628\u0627 \u6C49\u5B57.\nSecond paragraph of some words that wrap.", style);
  } catch (const Error&) {
  }
  return 0;
}

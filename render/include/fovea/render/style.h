// Style: every choice of the renderer, as plain data.
#pragma once
#include <cstdint>
#include <string>

#include "fovea/base/config.h"

namespace fovea::render {

struct Style {
  int64_t width_px = 640;
  int64_t height_px = 640;
  int64_t margin_left_px = 4, margin_top_px = 4, margin_right_px = 4, margin_bottom_px = 4;
  std::string font = "DejaVu Sans Mono";  ///< family name as fontconfig knows it, or the path of a font file ("a.ttc#1": its second face)
  double font_size_px = 12;               ///< em size
  double line_height = 1.0;               ///< line pitch / (font's ascent + descent); 1 = the font's own without line gap
  std::string hinting = "light";          ///< none | light
  int64_t subpixel_positions = 1;         ///< horizontal glyph phases a pixel: 1 snaps every glyph to whole pixels
  std::string overflow = "cut";           ///< cut | fail: what happens to text below the page
  int64_t text_gray = 0;                  ///< ink
  int64_t page_gray = 255;                ///< paper
  bool strict = false;                    ///< a missing glyph is a RenderError instead of a counted .notdef

  template <class V> void visit_fields(V& v) {
    v.field("width_px", width_px, "page width in pixels", {.min = 1, .max = 16384});
    v.field("height_px", height_px, "page height in pixels", {.min = 1, .max = 16384});
    v.field("margin_left_px", margin_left_px, "left margin in pixels", {.min = 0, .max = 16384});
    v.field("margin_top_px", margin_top_px, "top margin in pixels", {.min = 0, .max = 16384});
    v.field("margin_right_px", margin_right_px, "right margin in pixels", {.min = 0, .max = 16384});
    v.field("margin_bottom_px", margin_bottom_px, "bottom margin in pixels", {.min = 0, .max = 16384});
    v.field("font", font, "font family, or the path of a font file");
    v.field("font_size_px", font_size_px, "em size in pixels", {.min = 1, .max = 2048});
    v.field("line_height", line_height, "line pitch as a multiple of the font's ascent + descent", {.min = 0.5, .max = 10});
    v.field("hinting", hinting, "glyph hinting", {.choices = {"none", "light"}});
    v.field("subpixel_positions", subpixel_positions, "horizontal glyph phases a pixel; 1 snaps to whole pixels", {.min = 1, .max = 8});
    v.field("overflow", overflow, "text below the page is cut (and reported) or an error", {.choices = {"cut", "fail"}});
    v.field("text_gray", text_gray, "gray value of the ink", {.min = 0, .max = 255});
    v.field("page_gray", page_gray, "gray value of the paper", {.min = 0, .max = 255});
    v.field("strict", strict, "refuse text with glyphs that the font lacks");
  }
};

/// Checks every rule, and that the margins leave room. Errors: ConfigError listing all problems.
void validate(const Style& style);

}  // namespace fovea::render

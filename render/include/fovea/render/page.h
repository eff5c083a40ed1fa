// Page: what the renderer makes. Pixels, and for every character of the source where its ink is.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/image.h"

namespace fovea::render {

/// Where one code point of the source stands. All px are whole pixels of the page, x to the right, y down, boxes half open.
/// Code points that share a glyph (ligature, combining marks) share its box; characters without ink have an empty ink box.
struct CharBox {
  uint32_t byte_offset = 0;                          ///< of the code point in Page::text
  uint32_t line = 0;                                 ///< index into Page::lines
  int16_t x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;  ///< ink; x0 == x1 where there is none
  int16_t cell_x0_px = 0, cell_x1_px = 0;            ///< pen before and after, rounded: also for spaces
};

/// One visual line. A newline ends a line and begins none: a text that ends in a newline has no empty last line.
struct PageLine {
  uint32_t byte_begin = 0, byte_end = 0;  ///< bytes of Page::text drawn on it; the white space it broke at is left out
  int16_t top_px = 0, baseline_px = 0, bottom_px = 0;  ///< of the line's cell: bottom - top is the line height
  bool hard_break = false;                ///< ends at a newline of the source (or at its end)
};

/// What happened while rendering; nothing is lost silently.
struct PageReport {
  std::string font_family;        ///< family that was found
  double font_size_px = 0;        ///< em size used
  size_t num_missing_glyphs = 0;  ///< code points drawn as .notdef
  std::string missing_example;    ///< the first of them, as UTF-8
  size_t num_bytes_left_out = 0;  ///< source bytes that did not fit
  double fill_ratio = 0;          ///< used height / available height
};

struct Page {
  Image image;                   ///< gray
  std::string text;              ///< the source text that is on the page; if it overflowed a prefix, up to the end of the last line:
                                 ///< the white space that the page was cut at belongs to the rest
  std::vector<CharBox> chars;    ///< in source order; newlines have no entry, spaces that a line broke at a cell without width
  std::vector<PageLine> lines;
  PageReport report;
};

/// The text as it stands on the page: one '\n' after every visual line but the last.
std::string visual_text(const Page& page);

/// A copy of the page in RGB with the given characters (indices into page.chars) filled with a translucent colour.
Image mark_chars(const Page& page, const std::vector<size_t>& chars, uint8_t red, uint8_t green, uint8_t blue);

}  // namespace fovea::render

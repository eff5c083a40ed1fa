// Page: what the renderer makes. Pixels, and for every character of the source where its ink is.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fovea/base/image.h"
#include "fovea/render/draw_list.h"

namespace fovea::render {

/// Where one code point of the source stands. All px are whole pixels of the page, x to the right, y down, boxes half open.
/// Code points that share a glyph (ligature, combining marks) share its box; characters without ink have an empty ink box.
struct CharBox {
  uint32_t byte_offset = 0;                          ///< of the code point in Page::text
  uint32_t line = 0;                                 ///< index into Page::lines
  int16_t x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;  ///< ink; x0 == x1 where there is none
  int16_t cell_x0_px = 0, cell_x1_px = 0;            ///< pen before and after, rounded: also for spaces; x0 <= x1 in every script.
                                                     ///< In vertical lines the pen runs down: these are y
  uint16_t column = 0;                               ///< of the page, in reading order
  uint8_t channel = 0;                               ///< 0 red, 1 green, 2 blue of a multiplexed page; else 0
  bool right_to_left = false;                        ///< stands in a run that reads to the left
};

/// One visual line. A newline ends a line and begins none: a text that ends in a newline has no empty last line.
struct PageLine {
  uint32_t byte_begin = 0, byte_end = 0;  ///< bytes of Page::text drawn on it; the white space it broke at is left out
  int16_t top_px = 0, baseline_px = 0, bottom_px = 0;  ///< of the line's cell: bottom - top is the line height. Vertical lines:
                                                       ///< left edge, centre, right edge (x)
  bool hard_break = false;                ///< ends at a newline of the source (or at its end)
  bool right_to_left = false;             ///< of the paragraph
  bool vertical = false;
  uint16_t column = 0;
  int16_t start_px = 0, end_px = 0;       ///< leftmost and rightmost pen of the line (vertical: top and bottom)
  uint8_t channel = 0;
};

/// Ink that no character of the source stands for: hyphens, bullets, rules. Half-open px.
struct Decoration {
  int16_t x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;
};

/// What happened while rendering; nothing is lost silently.
struct PageReport {
  std::string font_family;        ///< family that was found
  double font_size_px = 0;        ///< em size used
  size_t num_missing_glyphs = 0;  ///< code points drawn as .notdef
  std::string missing_example;    ///< the first of them, as UTF-8
  size_t num_bytes_left_out = 0;  ///< source bytes that did not fit
  double fill_ratio = 0;          ///< used height / available height, over all columns
  std::vector<std::string> fallback_families = {};  ///< other fonts that were used, in order of first use
  size_t num_fallback_glyphs = 0;  ///< code points that they drew
  size_t num_control_chars = 0;    ///< of num_missing_glyphs: control characters
  size_t num_clipped_glyphs = 0;   ///< glyphs with ink beyond the page's edge
  std::vector<std::string> notes = {};  ///< what could not be done as asked: synthetic faces, no hyphenation dictionary, ...
};

struct Page {
  Image image;                   ///< gray, or RGB where the style asks for colour
  std::string text;              ///< the source text that is on the page; if it overflowed a prefix, up to the end of the last line:
                                 ///< the white space that the page was cut at belongs to the rest (of render_pages: to the page)
  std::vector<CharBox> chars;    ///< in source order; newlines have no entry (unless drawn as markers), spaces that a line broke
                                 ///< at a cell without width
  std::vector<PageLine> lines;
  PageReport report;
  std::vector<uint32_t> grapheme_begin = {};     ///< index into chars of each grapheme cluster's first code point
  std::vector<Decoration> decorations = {};      ///< ink without a source character
  int64_t page_index = 0;                        ///< in render_pages
  size_t byte_begin = 0;                         ///< of Page::text in the whole source, in render_pages
  std::shared_ptr<const DrawList> draw_list = nullptr;  ///< if style.keep_draw_list
};

/// The text as it stands on the page: one '\n' after every visual line but the last.
std::string visual_text(const Page& page);

/// A copy of the page in RGB with the given characters (indices into page.chars) filled with a translucent colour.
Image mark_chars(const Page& page, const std::vector<size_t>& chars, uint8_t red, uint8_t green, uint8_t blue);

}  // namespace fovea::render

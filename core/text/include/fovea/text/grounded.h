// Grounded output: labels and boxes that a reader wrote between its words, taken apart without evaluating anything.
// Source of the form: modeling_deepseekocr.py (infer) and run_dpsk_ocr_image.py of deepseek-ai/DeepSeek-OCR.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::text {

/// As written: 0 to 999 over the width and height of the whole picture as it was given (not of the padded view, nor of a tile).
struct GroundedBox {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};

/// Half open; px of the picture as it was given.
struct PixelBox {
  int64_t x0_px = 0, y0_px = 0, x1_px = 0, y1_px = 0;
  bool empty() const { return x1_px <= x0_px || y1_px <= y0_px; }
};
/// trunc(value / 999 * side), as the published code has it, and cut to the picture.
PixelBox to_pixels(const GroundedBox& box, int64_t width_px, int64_t height_px);

struct GroundedItem {
  std::string label;               ///< "title", "text", "image", "table", ...; the words themselves where text was asked for
  std::vector<GroundedBox> boxes;  ///< none where they could not be read
  std::string content;             ///< what follows, up to the next item
  size_t byte_begin = 0, byte_end = 0;  ///< of label and boxes in the output; the content begins at byte_end
};

/// What the output should not have held, and where.
struct GroundedProblem {
  size_t byte_offset = 0;
  std::string what;
};

struct GroundedText {
  std::string lead;  ///< text before the first item; all of it where there is none
  std::vector<GroundedItem> items;
  std::vector<GroundedProblem> problems;
};

/// output   of a reader, special tokens kept: <|ref|>LABEL<|/ref|><|det|>[[x0, y0, x1, y1], ...]<|/det|>CONTENT, again and again.
/// Returns  whatever can be recovered; the rest is named in `problems`. A marker that stands alone is left out of the text, what it enclosed is not.
///          Never throws for what the output holds, takes time linear in its length.
GroundedText parse_grounded(std::string_view output);

/// The output as Markdown: an item labelled "image" becomes a link a box, every other label and box is left out, and \coloneqq and \eqqcolon become := and =:.
/// link      (number of the picture on the page from 0) -> what the Markdown links to
/// collapse  three and four newlines become two, as the published PDF script does
/// Where an item has one box this is the published code's text; of several it links each (the published code cuts out all and links one).
std::string grounded_markdown(const GroundedText& parsed, const std::function<std::string(size_t)>& link, bool collapse = true);

}  // namespace fovea::text

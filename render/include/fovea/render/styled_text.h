// StyledText: text with spans of other type and colour, and paragraphs with attributes of their own. Markdown becomes one.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::render {

struct Style;

/// Other type or colour for bytes [byte_begin, byte_end) of the text. Empty or zero: as around it. Spans may overlap; of two that set
/// the same thing the later in the list counts.
struct TextSpan {
  size_t byte_begin = 0, byte_end = 0;
  std::string font;           ///< family or file
  double font_size_px = 0;    ///< em size; 0: that of the style times font_scale
  double font_scale = 1;      ///< of the style's size
  std::string color;          ///< "#rrggbb"
  std::string background;     ///< "#rrggbb", behind the line's height
  bool bold = false, italic = false, underline = false, strike = false;
};

/// Attributes of the paragraphs (texts between newlines) that begin in [byte_begin, byte_end).
struct ParagraphStyle {
  size_t byte_begin = 0, byte_end = 0;
  std::string align;          ///< empty: the style's
  std::string direction;      ///< empty: the style's
  double first_line_indent_px = 0, indent_left_px = 0, indent_right_px = 0;  ///< added to the style's
  double space_before_px = 0, space_after_px = 0;  ///< added to the style's; beside a page's edge they are dropped
  std::string background;     ///< "#rrggbb" over the paragraph's lines, from indent to indent
  std::string bar_color;      ///< "#rrggbb": a bar on the start side (quotes)
  double bar_px = 0;          ///< its width
  bool rule_below = false;    ///< a thin line under the paragraph
  bool keep_spaces = false;   ///< code: never justified
  /// Cells of a table row: the paragraph's text is split at these bytes (each cell's first byte). Every cell is laid out in a column of
  /// its own, cell_width_px wide (0: from the widest cell of the table), and may take several lines.
  std::vector<size_t> cell_begin;
  std::vector<std::string> cell_align;
  int64_t table = -1;         ///< rows with the same number make one table; -1: no table
  bool table_head = false;
};

struct StyledText {
  std::string text;                        ///< what is drawn; UTF-8
  std::vector<TextSpan> spans;
  std::vector<ParagraphStyle> paragraphs;  ///< by byte_begin; text outside all of them is as the style says
  /// Markdown: where each byte of `text` comes from in `source`, and kNoSource for what the source does not have (bullets, numbers).
  /// Empty: text is the source.
  std::vector<uint32_t> source_byte;
  std::string source;
  bool lengths_in_em = false;  ///< the paragraphs' lengths are multiples of the style's font size, not px
  static constexpr uint32_t kNoSource = 0xFFFFFFFF;
  bool has_source() const { return !source.empty() || !source_byte.empty(); }
};

/// CommonMark with tables and strike-through (cmark-gfm) as styled text: headings, lists, tables, code with syntax colours, quotes.
/// Sizes are multiples of the style's font size, colours fit the style's paper. Errors: ConfigError (not UTF-8).
StyledText markdown_to_styled_text(std::string_view markdown, const Style& style);

}  // namespace fovea::render

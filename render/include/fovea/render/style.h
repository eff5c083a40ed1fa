// Style: every choice of the renderer, as plain data.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/config.h"

namespace fovea::render {

struct Style {
  int64_t width_px = 640;
  int64_t height_px = 640;
  int64_t margin_left_px = 4, margin_top_px = 4, margin_right_px = 4, margin_bottom_px = 4;
  std::string font = "DejaVu Sans Mono";  ///< family name as fontconfig knows it, or the path of a font file ("a.ttc#1": its second face)
  double font_size_px = 12;               ///< em size
  double line_height = 1.0;               ///< line pitch / (font's ascent + descent); 1 = the font's own without line gap
  std::string hinting = "light";          ///< none | light | full
  int64_t subpixel_positions = 1;         ///< horizontal glyph phases a pixel: 1 snaps every glyph to whole pixels
  std::string overflow = "cut";           ///< cut | fail | continue: what happens to text below the page
  int64_t text_gray = 0;                  ///< ink
  int64_t page_gray = 255;                ///< paper
  bool strict = false;                    ///< a missing glyph is a RenderError instead of a counted .notdef

  // Page and type in the units of print
  std::string paper;         ///< a4, letter, ...: sets width_px and height_px from dpi; empty: they count as they are
  double dpi = 96;           ///< pixels an inch, for paper and font_size_pt
  double font_size_pt = 0;   ///< em size in points (1/72 inch); 0: font_size_px counts
  double line_pitch_px = 0;  ///< distance of baselines in px ("leading"); 0: line_height counts

  // Type
  bool bold = false, italic = false;        ///< the family's own face where it has one, else synthetic (which the report names)
  bool fallback = true;                     ///< characters that the font lacks come from fallback_fonts, then from any installed font
  std::vector<std::string> fallback_fonts;  ///< families or files, asked in this order
  std::string language = "en";              ///< BCP 47: glyph forms (zh, ja, sr, ...), line breaks, hyphenation
  double letter_spacing_px = 0;             ///< added after every grapheme cluster
  double word_spacing_px = 0;               ///< added to every space
  double horizontal_scale = 1;              ///< of glyphs and advances
  int64_t tab_spaces = 4;                   ///< tab stops every so many spaces from the line's start; 0: a tab is a control character

  // Paragraphs and lines
  std::string markup = "none";         ///< none | markdown: what the source text is
  std::string direction = "auto";      ///< auto (first strong character of each paragraph) | ltr | rtl | vertical (columns right to left)
  std::string align = "left";          ///< left | right | center | justify; in right-to-left paragraphs left is the right side
  std::string line_breaks = "spaces";  ///< spaces (and around ideographs; Thai and its like by dictionary) | icu (Unicode line breaking)
  bool hyphenate = false;              ///< by libhyphen, where the dictionary of the language is installed
  std::string newline = "break";       ///< break | marker | marker_break | drop
  std::string newline_marker = "\u21b5";
  std::string newline_marker_color;  ///< "#rrggbb"; empty: as the text
  int64_t first_line_indent_px = 0;  ///< may be negative: hanging
  int64_t indent_left_px = 0, indent_right_px = 0;  ///< of every line; left is the side where lines start
  double paragraph_space_px = 0;     ///< between paragraphs

  // Page
  int64_t columns = 1;
  int64_t column_gap_px = 16;
  std::string crop = "none";  ///< none | width | height | both | last: cuts the page to what is used, margins kept; last: the height of the last page

  // Pixels
  std::string antialias = "gray";  ///< gray | mono | subpixel (RGB stripes)
  std::string text_color;          ///< "#rrggbb"; empty: text_gray
  std::string page_color;          ///< "#rrggbb"; empty: page_gray
  std::string pixels = "auto";     ///< auto (gray unless something is coloured) | gray | rgb
  bool inverse = false;            ///< every pixel value v becomes 255 - v
  bool keep_draw_list = false;     ///< Page::draw_list is filled (PDF, SVG)

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
    v.field("hinting", hinting, "glyph hinting", {.choices = {"none", "light", "full"}});
    v.field("subpixel_positions", subpixel_positions, "horizontal glyph phases a pixel; 1 snaps to whole pixels", {.min = 1, .max = 8});
    v.field("overflow", overflow, "text below the page is cut (and reported), an error, or goes on on the next page",
            {.choices = {"cut", "fail", "continue"}});
    v.field("text_gray", text_gray, "gray value of the ink", {.min = 0, .max = 255});
    v.field("page_gray", page_gray, "gray value of the paper", {.min = 0, .max = 255});
    v.field("strict", strict, "refuse text with glyphs that the fonts lack");
    v.field("paper", paper, "paper size that sets width_px and height_px from dpi",
            {.choices = {"", "a3", "a4", "a5", "a6", "b5", "letter", "legal"}});
    v.field("dpi", dpi, "pixels an inch, for paper and font_size_pt", {.min = 1, .max = 2400});
    v.field("font_size_pt", font_size_pt, "em size in points; 0: font_size_px counts", {.min = 0, .max = 2048});
    v.field("line_pitch_px", line_pitch_px, "distance of baselines in pixels; 0: line_height counts", {.min = 0, .max = 16384});
    v.field("bold", bold, "bold face");
    v.field("italic", italic, "italic face");
    v.field("fallback", fallback, "take characters that the font lacks from other fonts");
    v.field("fallback_fonts", fallback_fonts, "families or files asked first, in this order");
    v.field("language", language, "language of the text (BCP 47): glyph forms, line breaks, hyphenation");
    v.field("letter_spacing_px", letter_spacing_px, "pixels added after every character", {.min = -256, .max = 1024});
    v.field("word_spacing_px", word_spacing_px, "pixels added to every space", {.min = -256, .max = 1024});
    v.field("horizontal_scale", horizontal_scale, "width of glyphs and advances", {.min = 0.1, .max = 10});
    v.field("tab_spaces", tab_spaces, "tab stops every so many spaces; 0: a tab is a control character", {.min = 0, .max = 64});
    v.field("markup", markup, "what the source text is", {.choices = {"none", "markdown"}});
    v.field("direction", direction, "of paragraphs; auto goes by the first strong character",
            {.choices = {"auto", "ltr", "rtl", "vertical"}});
    v.field("align", align, "of lines; in right-to-left paragraphs left is the right side",
            {.choices = {"left", "right", "center", "justify"}});
    v.field("line_breaks", line_breaks, "lines break at spaces and around ideographs, or where Unicode allows",
            {.choices = {"spaces", "icu"}});
    v.field("hyphenate", hyphenate, "break words by the hyphenation dictionary of the language");
    v.field("newline", newline, "a newline ends the line, is a marker in running text, both, or only a space",
            {.choices = {"break", "marker", "marker_break", "drop"}});
    v.field("newline_marker", newline_marker, "text drawn for a newline");
    v.field("newline_marker_color", newline_marker_color, "#rrggbb; empty: as the text");
    v.field("first_line_indent_px", first_line_indent_px, "indent of a paragraph's first line", {.min = -16384, .max = 16384});
    v.field("indent_left_px", indent_left_px, "indent on the side where lines start", {.min = 0, .max = 16384});
    v.field("indent_right_px", indent_right_px, "indent on the side where lines end", {.min = 0, .max = 16384});
    v.field("paragraph_space_px", paragraph_space_px, "pixels between paragraphs", {.min = 0, .max = 16384});
    v.field("columns", columns, "columns a page", {.min = 1, .max = 1000});
    v.field("column_gap_px", column_gap_px, "pixels between columns", {.min = 0, .max = 16384});
    v.field("crop", crop, "cut the page to what is used, margins kept", {.choices = {"none", "width", "height", "both", "last"}});
    v.field("antialias", antialias, "of glyphs", {.choices = {"gray", "mono", "subpixel"}});
    v.field("text_color", text_color, "#rrggbb; empty: text_gray");
    v.field("page_color", page_color, "#rrggbb; empty: page_gray");
    v.field("pixels", pixels, "gray or RGB page; auto is gray unless something is coloured", {.choices = {"auto", "gray", "rgb"}});
    v.field("inverse", inverse, "inverse video");
    v.field("keep_draw_list", keep_draw_list, "keep glyphs and places with the page, for PDF and SVG");
  }
};

/// Checks every rule, and that margins, indents and columns leave room. Errors: ConfigError listing all problems.
void validate(const Style& style);

/// Width and height of a paper size in inches, upright. Errors: ConfigError listing the names.
struct PaperSize {
  double width_in = 0, height_in = 0;
};
PaperSize paper_size(const std::string& name);
/// Sets paper and dpi, and width_px and height_px by them (rounded).
void set_paper(Style& style, const std::string& name, double dpi);
/// The same style with what paper, dpi and font_size_pt mean put into width_px, height_px and font_size_px.
Style resolved(const Style& style);

/// 0xRRGGBB of "#rrggbb" or "#rgb". Errors: ConfigError naming the value.
uint32_t parse_color(const std::string& text, const char* what);
/// Ink and paper as 0xRRGGBB: the colour where one is given, else the gray.
uint32_t text_rgb(const Style& style);
uint32_t page_rgb(const Style& style);

}  // namespace fovea::render

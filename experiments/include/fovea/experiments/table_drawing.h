// Pages with one table and its HTML: for training and testing readers of tables. No LibTorch.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/base/image.h"
#include "fovea/base/random.h"
#include "fovea/render/renderer.h"

namespace fovea::experiments {

struct TableConfig {
  std::vector<std::string> fonts = {"DejaVu Sans", "Liberation Sans", "Liberation Serif"};
  int64_t min_rows = 2, max_rows = 6;
  int64_t min_columns = 2, max_columns = 5;
  double span_share = 0.3;       ///< tables with all rules in which cells are joined over columns or rows
  double empty_share = 0.08;     ///< cells without text
  double number_share = 0.5;     ///< cells with a number; the others have words
  double word_chars = 8;         ///< characters of a cell of words, about
  double rules_share = 0.6;      ///< tables with all rules; the others have rules under rows alone, or around the head alone
  double min_font_px = 6;        ///< a table that would need smaller type gets fewer rows

  template <class V> void visit_fields(V& v) {
    v.field("fonts", fonts, "font families");
    v.field("min_rows", min_rows, "fewest rows", {.min = 1, .max = 64});
    v.field("max_rows", max_rows, "most rows", {.min = 1, .max = 64});
    v.field("min_columns", min_columns, "fewest columns", {.min = 1, .max = 32});
    v.field("max_columns", max_columns, "most columns", {.min = 1, .max = 32});
    v.field("span_share", span_share, "of the tables with all rules: those with joined cells", {.min = 0, .max = 1});
    v.field("empty_share", empty_share, "cells without text", {.min = 0, .max = 1});
    v.field("number_share", number_share, "cells with a number", {.min = 0, .max = 1});
    v.field("word_chars", word_chars, "characters of a cell of words", {.min = 1, .max = 200});
    v.field("rules_share", rules_share, "tables with all rules", {.min = 0, .max = 1});
    v.field("min_font_px", min_font_px, "smallest type", {.min = 3, .max = 64});
  }
};

/// One cell; row and column are those of its upper left corner.
struct TableCell {
  int64_t row = 0, column = 0, rows = 1, columns = 1;
  std::string text;
};

struct DrawnTable {
  Image image;      ///< gray, side x side
  std::string html; ///< <table><tr><td>..</td><td colspan="2">..</td></tr>...</table>, without white space between tags
  std::vector<int16_t> x_px, y_px;     ///< one a byte of html: the character's centre; of a tag, the place of its cell's text
  std::vector<uint32_t> glyph_char;    ///< code points with ink, ...
  std::vector<int16_t> glyph_x_px, glyph_y_px;  ///< ... and their centres
  std::vector<TableCell> cells;        ///< in reading order
  double font_size_px = 0;
};

/// The HTML of cells in reading order. Text is escaped (&amp; &lt; &gt;).
std::string table_html(const std::vector<TableCell>& cells);

/// Words that cells are filled with: the first 200,000 of a text that are 2 to 14 ASCII letters or digits, without the marks around them.
std::vector<std::string> words_for_tables(const std::string& text);

/// A table on a page of side_px that follows from the seed alone. words: what cells are filled with, at least one.
/// Errors: ConfigError (min above max, no words, unknown font).
DrawnTable draw_table(const TableConfig& config, const std::vector<std::string>& words, int64_t side_px, uint64_t seed, const render::Renderer& renderer);

}  // namespace fovea::experiments

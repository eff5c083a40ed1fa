// Tables as pages: the HTML says what stands where, and reading it back perfectly scores 1.
#include "fovea/experiments/table_drawing.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/table.h"

namespace fovea {
namespace {

const std::vector<std::string> kWords = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};

double teds(const std::string& a, const std::string& b) {
  return metrics::teds(metrics::normalized_html_table(to_code_points(a)), metrics::normalized_html_table(to_code_points(b))).content;
}

TEST(TableDrawing, HtmlOfCells) {
  EXPECT_EQ(experiments::table_html({{0, 0, 2, 1, "a<b"}, {0, 1, 1, 2, ""}, {1, 1, 1, 1, "c"}, {1, 2, 1, 1, "d & e"}}),
            "<table><tr><td rowspan=\"2\">a&lt;b</td><td colspan=\"2\"></td></tr><tr><td>c</td><td>d &amp; e</td></tr></table>");
}

TEST(TableDrawing, EveryPageHoldsItsTable) {
  const render::Renderer renderer;
  experiments::TableConfig config;
  config.fonts = {"DejaVu Sans"};
  config.span_share = 0.6;
  int64_t joined = 0, columns = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const auto table = experiments::draw_table(config, kWords, 256, seed, renderer);
    const auto again = experiments::draw_table(config, kWords, 256, seed, renderer);
    EXPECT_EQ(table.html, again.html);
    EXPECT_EQ(table.image.pixels, again.image.pixels);
    EXPECT_EQ(table.html, experiments::table_html(table.cells));
    ASSERT_EQ(table.html.size(), table.x_px.size());
    ASSERT_EQ(table.html.size(), table.y_px.size());
    EXPECT_GE(table.font_size_px, config.min_font_px);
    EXPECT_DOUBLE_EQ(teds(table.html, table.html), 1.0);
    // The grid is covered once.
    int64_t rows = 0, area = 0, width = 0;
    for (const auto& cell : table.cells) {
      rows = std::max(rows, cell.row + cell.rows), width = std::max(width, cell.column + cell.columns), area += cell.rows * cell.columns;
      joined += cell.rows * cell.columns > 1;
    }
    EXPECT_EQ(area, rows * width);
    columns = std::max(columns, width);
    // Ink where a glyph is said to stand.
    int64_t dark = 0;
    for (size_t i = 0; i < table.glyph_char.size(); ++i) {
      uint8_t darkest = 255;
      for (int dy = -7; dy <= 7; ++dy)
        for (int dx = -4; dx <= 4; ++dx) {
          const int x = table.glyph_x_px[i] + dx, y = table.glyph_y_px[i] + dy;
          if (x >= 0 && y >= 0 && x < 256 && y < 256) darkest = std::min(darkest, table.image.row(y)[x]);
        }
      dark += darkest < 200;
    }
    EXPECT_GE(dark, int64_t(table.glyph_char.size() * 95 / 100)) << seed;
  }
  EXPECT_GT(joined, 10);
  EXPECT_EQ(columns, 5);
}

TEST(TableDrawing, AnotherTableScoresLess) {
  const render::Renderer renderer;
  experiments::TableConfig config;
  const auto a = experiments::draw_table(config, kWords, 256, 1, renderer), b = experiments::draw_table(config, kWords, 256, 2, renderer);
  EXPECT_LT(teds(b.html, a.html), 0.95);
  std::string wrong = a.html;
  wrong.replace(wrong.rfind("<td"), wrong.rfind("</td>") + 5 - wrong.rfind("<td"), "");  // the last cell is missing
  EXPECT_LT(teds(wrong, a.html), 1.0);
  EXPECT_GT(teds(wrong, a.html), 0.6);
}

TEST(TableDrawing, BadConfigsAreNamed) {
  const render::Renderer renderer;
  experiments::TableConfig config;
  EXPECT_THROW(experiments::draw_table(config, {}, 256, 1, renderer), ConfigError);
  config.min_rows = 9;
  EXPECT_THROW(experiments::draw_table(config, kWords, 256, 1, renderer), ConfigError);
  config.min_rows = 1;
  config.min_columns = config.max_columns = 32;
  EXPECT_THROW(experiments::draw_table(config, kWords, 128, 1, renderer), ConfigError);
  EXPECT_EQ(experiments::words_for_tables("Well, it's (very) long: internationalisation! 42"), (std::vector<std::string>{"Well", "it", "very", "long", "42"}));
}

}  // namespace
}  // namespace fovea

// Charts and segments as pages.
#include "fovea/experiments/figure_drawing.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"

namespace fovea {
namespace {

using experiments::segments_f1;

TEST(FigureDrawing, ChartsSayTheirNumbers) {
  const render::Renderer renderer;
  experiments::FigureConfig config;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto chart = experiments::draw_chart(config, {"alpha", "beta", "gamma"}, "DejaVu Sans", 256, seed, renderer);
    EXPECT_EQ(chart.image.pixels, experiments::draw_chart(config, {"alpha", "beta", "gamma"}, "DejaVu Sans", 256, seed, renderer).image.pixels);
    ASSERT_EQ(chart.text.size(), chart.x_px.size());
    ASSERT_EQ(chart.text.size(), chart.y_px.size());
    EXPECT_EQ(chart.text.rfind("<table><tr><td>", 0), 0u);
    EXPECT_TRUE(chart.text.ends_with("</td></tr></table>"));
    for (size_t i = 0; i < chart.text.size(); ++i) ASSERT_TRUE(chart.x_px[i] >= 0 && chart.x_px[i] < 256 && chart.y_px[i] >= 0 && chart.y_px[i] < 256) << seed;
    EXPECT_GE(chart.glyph_char.size(), 3u * 4);
  }
  EXPECT_THROW(experiments::draw_chart(config, {}, "DejaVu Sans", 256, 1, renderer), ConfigError);
}

TEST(FigureDrawing, SegmentsAreDrawnWhereTheTextSays) {
  experiments::FigureConfig config;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const auto figure = experiments::draw_segments(config, 256, seed);
    ASSERT_EQ(figure.text.size(), figure.x_px.size());
    EXPECT_DOUBLE_EQ(segments_f1(figure.text, figure.text), 1);
    for (size_t i = 0; i < figure.text.size(); ++i) {
      uint8_t darkest = 255;
      for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) {
          const int x = figure.x_px[i] + dx, y = figure.y_px[i] + dy;
          if (x >= 0 && y >= 0 && x < 256 && y < 256) darkest = std::min(darkest, figure.image.row(y)[x]);
        }
      EXPECT_LT(darkest, 200);
    }
  }
  config.min_items = 9;
  EXPECT_THROW(experiments::draw_segments(config, 256, 1), ConfigError);
}

TEST(FigureDrawing, F1OfSegments) {
  EXPECT_DOUBLE_EQ(segments_f1("", ""), 1);
  EXPECT_DOUBLE_EQ(segments_f1("", "1 1 9 9"), 0);
  EXPECT_DOUBLE_EQ(segments_f1("9 9 1 2", "1 1 9 9"), 1);   // either end first, within two steps
  EXPECT_DOUBLE_EQ(segments_f1("9 9 1 5", "1 1 9 9"), 0);
  EXPECT_DOUBLE_EQ(segments_f1("1 1 9 9\n1 1 9 9\nnonsense", "1 1 9 9\n50 50 80 20"), 0.5);  // one of two, and one of two
}

}  // namespace
}  // namespace fovea

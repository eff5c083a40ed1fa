// Pages with one chart or one figure of segments, and what a reader should say of them: the chart's numbers as an HTML table, the segments' ends. No LibTorch.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/base/image.h"
#include "fovea/render/renderer.h"

namespace fovea::experiments {

struct FigureConfig {
  int64_t min_items = 3, max_items = 6;  ///< bars of a chart, segments of a figure
  double horizontal_share = 0.4;         ///< charts whose bars lie
  double line_chart_share = 0.3;         ///< charts of points joined by lines in place of bars
  int64_t grid = 100;                    ///< segments end on a grid of so many steps a side

  template <class V> void visit_fields(V& v) {
    v.field("min_items", min_items, "fewest bars or segments", {.min = 1, .max = 40});
    v.field("max_items", max_items, "most bars or segments", {.min = 1, .max = 40});
    v.field("horizontal_share", horizontal_share, "charts whose bars lie", {.min = 0, .max = 1});
    v.field("line_chart_share", line_chart_share, "charts of points joined by lines", {.min = 0, .max = 1});
    v.field("grid", grid, "steps a side on which segments end", {.min = 2, .max = 1000});
  }
};

struct DrawnFigure {
  Image image;                         ///< gray, side x side
  std::string text;                    ///< what a reader should say
  std::vector<int16_t> x_px, y_px;     ///< one a byte of text: where on the page it is to be seen
  std::vector<uint32_t> glyph_char;    ///< code points with ink, ...
  std::vector<int16_t> glyph_x_px, glyph_y_px;  ///< ... and their centres
};

/// Bars or points with a label and a value each, values written beside them. Text: <table><tr><td>LABEL</td><td>VALUE</td></tr>...</table>, from left to right or top to bottom.
/// Errors: ConfigError (min above max, no words).
DrawnFigure draw_chart(const FigureConfig& config, const std::vector<std::string>& words, const std::string& font, int64_t side_px, uint64_t seed, const render::Renderer& renderer);

/// Straight lines. Text: a line "x0 y0 x1 y1" a segment in steps of the grid from the upper left corner, the upper end first (of a level one the left), segments by their first ends from the top down.
DrawnFigure draw_segments(const FigureConfig& config, int64_t side_px, uint64_t seed);

/// Share of the segments of `truth` that `prediction` has, and of those predicted that are there, each end at most `tolerance` grid steps off; their F1 is what is told. 1 for two empty texts.
double segments_f1(const std::string& prediction, const std::string& truth, double tolerance = 2);

}  // namespace fovea::experiments

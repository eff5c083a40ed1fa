#include "fovea/metrics/assignment.h"

#include <algorithm>
#include <limits>

namespace fovea::metrics {

std::vector<std::pair<size_t, size_t>> assign(const Costs& costs) {
  const bool turned = costs.columns < costs.rows;
  const size_t rows = turned ? costs.columns : costs.rows, columns = turned ? costs.rows : costs.columns;
  const auto cost = [&](size_t r, size_t c) { return turned ? costs.at(c, r) : costs.at(r, c); };
  constexpr size_t kNone = ~size_t(0);
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  std::vector<double> row_price(rows, 0), column_price(columns, 0), reach(columns);
  std::vector<size_t> from(columns), column_of(rows, kNone), row_of(columns, kNone), open(columns);
  for (size_t start = 0; start < rows; ++start) {
    std::vector<bool> row_seen(rows, false), column_seen(columns, false);
    std::fill(reach.begin(), reach.end(), kInfinite);
    size_t num_open = columns, row = start, sink = kNone;
    for (size_t k = 0; k < columns; ++k) open[k] = columns - 1 - k;
    double least = 0;
    while (sink == kNone) {
      row_seen[row] = true;
      size_t best = kNone;
      double lowest = kInfinite;
      for (size_t k = 0; k < num_open; ++k) {
        const size_t column = open[k];
        const double through = least + cost(row, column) - row_price[row] - column_price[column];
        if (through < reach[column]) reach[column] = through, from[column] = row;
        // of equal columns a free one ends the path at once
        if (reach[column] < lowest || (reach[column] == lowest && row_of[column] == kNone)) lowest = reach[column], best = k;
      }
      least = lowest;
      const size_t column = open[best];
      if (row_of[column] == kNone) sink = column;
      else row = row_of[column];
      column_seen[column] = true;
      open[best] = open[--num_open];
    }
    row_price[start] += least;
    for (size_t r = 0; r < rows; ++r)
      if (row_seen[r] && r != start) row_price[r] += least - reach[column_of[r]];
    for (size_t c = 0; c < columns; ++c)
      if (column_seen[c]) column_price[c] -= least - reach[c];
    for (size_t c = sink;;) {
      const size_t r = from[c];
      row_of[c] = r;
      std::swap(c, column_of[r]);
      if (r == start) break;
    }
  }
  std::vector<std::pair<size_t, size_t>> out;
  for (size_t r = 0; r < rows; ++r) turned ? out.push_back({column_of[r], r}) : out.push_back({r, column_of[r]});
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace fovea::metrics

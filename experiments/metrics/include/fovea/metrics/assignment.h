// Minimum-cost pairing of rows and columns.
#pragma once
#include <cstddef>
#include <utility>
#include <vector>

namespace fovea::metrics {

/// A matrix of costs, row by row.
struct Costs {
  size_t rows = 0, columns = 0;
  std::vector<double> values;
  Costs(size_t num_rows, size_t num_columns) : rows(num_rows), columns(num_columns), values(num_rows * num_columns, 0) {}
  double& at(size_t r, size_t c) { return values[r * columns + c]; }
  double at(size_t r, size_t c) const { return values[r * columns + c]; }
};

/// Pairs (row, column) of the cheapest assignment, by row; min(rows, columns) of them.
/// Method  shortest augmenting paths (Crouse 2016), ties as in scipy.optimize.linear_sum_assignment 1.10: the published scores depend on them.
std::vector<std::pair<size_t, size_t>> assign(const Costs& costs);

}  // namespace fovea::metrics

// Bootstrap over clusters: pages that share a passage are drawn together, for they are no independent observations.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace fovea::law {

struct Interval { double low = 0, high = 0; };

/// Indices of the members of each cluster, clusters in order of first occurrence. Empty `clusters`: each of the `count` observations for itself.
std::vector<std::vector<size_t>> members_of(const std::vector<int64_t>& clusters, size_t count);
/// The same, but each observation for itself where there is one cluster only: then nothing could be drawn, and an interval would be a point.
std::vector<std::vector<size_t>> members_or_singles(const std::vector<int64_t>& clusters, size_t count);
/// Observations of one resample: as many clusters as there are, drawn with replacement, all their members.
std::vector<size_t> resample(const std::vector<std::vector<size_t>>& members, uint64_t seed, uint64_t index);
/// The quantiles share/2 and 1 - share/2 of values, linear between order statistics; share 0.05 gives a 95 % interval.
Interval percentiles(std::vector<double> values, double share = 0.05);

/// Two runs on the same pages.
struct PairedDifference {
  size_t num_pairs = 0, num_clusters = 0;
  double mean = 0;           ///< of first - second
  Interval interval;         ///< 95 % percentile bootstrap of it
  double share_above = 0;    ///< share of resamples with a mean above 0, half of those at 0
  double p = 1;              ///< two-sided: twice the smaller tail, at most 1 and at least 2 / (num_resamples + 1)
};
/// Errors: ShapeError (unequal lengths, no pair).
PairedDifference paired_bootstrap(const std::vector<double>& first, const std::vector<double>& second, const std::vector<int64_t>& clusters = {},
                                  int num_resamples = 10000, uint64_t seed = 0);

}  // namespace fovea::law

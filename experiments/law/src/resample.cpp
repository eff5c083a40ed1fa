#include "fovea/law/resample.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/random.h"

namespace fovea::law {

std::vector<std::vector<size_t>> members_of(const std::vector<int64_t>& clusters, size_t count) {
  if (!clusters.empty() && clusters.size() != count)
    throw ShapeError("[law] clusters must be one an observation, got " + std::to_string(clusters.size()) + " for " + std::to_string(count));
  std::vector<std::vector<size_t>> out;
  std::map<int64_t, size_t> place;
  for (size_t i = 0; i < count; ++i) {
    const auto [at, is_new] = place.try_emplace(clusters.empty() ? int64_t(i) : clusters[i], out.size());
    if (is_new) out.emplace_back();
    out[at->second].push_back(i);
  }
  return out;
}

std::vector<std::vector<size_t>> members_or_singles(const std::vector<int64_t>& clusters, size_t count) {
  auto out = members_of(clusters, count);
  return out.size() == 1 ? members_of({}, count) : out;
}

std::vector<size_t> resample(const std::vector<std::vector<size_t>>& members, uint64_t seed, uint64_t index) {
  Rng rng(seed, 0x5a, index);
  std::vector<size_t> out;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto& drawn = members[rng.below(members.size())];
    out.insert(out.end(), drawn.begin(), drawn.end());
  }
  return out;
}

Interval percentiles(std::vector<double> values, double share) {
  if (values.empty()) throw ShapeError("[law] percentiles of no values");
  std::sort(values.begin(), values.end());
  const auto at = [&](double quantile) {
    const double place = quantile * double(values.size() - 1);
    const size_t below = size_t(std::floor(place));
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - double(below)) * (values[above] - values[below]);
  };
  return {at(share / 2), at(1 - share / 2)};
}

PairedDifference paired_bootstrap(const std::vector<double>& first, const std::vector<double>& second, const std::vector<int64_t>& clusters, int num_resamples, uint64_t seed) {
  if (first.size() != second.size() || first.empty())
    throw ShapeError("[paired_bootstrap] first and second must hold the same pages and at least one, got " + std::to_string(first.size()) + " and " +
                     std::to_string(second.size()));
  const auto members = members_of(clusters, first.size());
  PairedDifference out;
  out.num_pairs = first.size();
  out.num_clusters = members.size();
  const auto mean_of = [&](const std::vector<size_t>& chosen) {
    double sum = 0;
    for (size_t i : chosen) sum += first[i] - second[i];
    return sum / double(chosen.size());
  };
  std::vector<size_t> all(first.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  out.mean = mean_of(all);
  std::vector<double> means;
  double above = 0;
  for (int b = 0; b < num_resamples; ++b) {
    means.push_back(mean_of(resample(members, seed, uint64_t(b))));
    above += means.back() > 0 ? 1 : means.back() == 0 ? 0.5 : 0;
  }
  out.interval = percentiles(means);
  out.share_above = above / double(num_resamples);
  out.p = std::clamp(2 * std::min(out.share_above, 1 - out.share_above), 2.0 / double(num_resamples + 1), 1.0);
  return out;
}

}  // namespace fovea::law

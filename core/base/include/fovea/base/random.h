// Random streams that are the same on every machine (std::*_distribution is not).
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace fovea {

/// splitmix64 (Steele, Lea, Flood 2014): the finaliser, used alone as a hash of a counter.
inline uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

/// A counter-based stream: Rng(seed, a, b) is independent of Rng(seed, a, c), so work can be split by index.
class Rng {
 public:
  explicit Rng(uint64_t seed, uint64_t stream = 0, uint64_t index = 0)
      : state_(mix64(seed + mix64(stream + 0x632be59bd9b4e019ULL + mix64(index + 0x9e3779b97f4a7c15ULL)))) {}

  uint64_t next() { return mix64(state_ += 0x9e3779b97f4a7c15ULL); }
  /// Uniform in [0, n); n >= 1. The bias (n / 2^64) is below anything measurable here.
  uint64_t below(uint64_t n) { return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * n) >> 64); }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  bool chance(double probability) { return uniform() < probability; }
  /// Index drawn with probability proportional to its weight; the weights' sum must be positive.
  size_t weighted(const std::vector<double>& weights) {
    double sum = 0;
    for (double w : weights) sum += w;
    double at = uniform() * sum;
    for (size_t i = 0; i < weights.size(); ++i)
      if ((at -= weights[i]) < 0) return i;
    for (size_t i = weights.size(); i-- > 0;)
      if (weights[i] > 0) return i;
    return 0;
  }
  template <class T> void shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  uint64_t state_;
};

}  // namespace fovea

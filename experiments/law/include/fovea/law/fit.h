// The two laws of a compression curve, fitted to pages by least squares. Formulas and derivations: experiments/law/README.md.
#pragma once
#include <array>
#include <string>
#include <vector>

#include "fovea/law/resample.h"

namespace fovea::law {

enum class Law { kLogistic, kCapacity };
inline constexpr std::array<Law, 2> kLaws = {Law::kLogistic, Law::kCapacity};
const char* law_name(Law law);

/// top in (0, 1]; scale: the ratio at which half of `top` is left (logistic), median capacity of a vision token in text tokens (capacity);
/// shape: steepness in log ratio (logistic), spread of the log capacity (capacity).
struct Parameters {
  double top = 1, scale = 10, shape = 1;
};
/// Names as reports give them: {"top", "half_ratio", "steepness"} or {"top", "capacity_text_tokens", "spread"}.
std::array<const char*, 3> parameter_names(Law law);
/// Score expected at a ratio > 0.
double expected_score(Law law, const Parameters& p, double ratio);

/// A page.
struct Observation {
  double ratio = 0;     ///< text tokens / vision tokens, > 0
  double score = 0;     ///< share that survived
  int64_t cluster = 0;  ///< pages of one passage share it
};

struct Fit {
  Parameters parameters;
  double sum_squares = 0, rms = 0;
  bool converged = false;
  bool determined = true;  ///< false: the pages leave a direction of the parameters open (too few ratios, or all pages read as well)
  /// Covariance of (logit top, ln scale, ln shape): sandwich over clusters, times G / (G - 1).
  std::array<std::array<double, 3>, 3> covariance{};
  /// 95 % of each parameter from that covariance, taken in the transformed scale and carried back.
  std::array<Interval, 3> intervals{};
};

/// Least squares over pages (Levenberg 1944, Marquardt 1963) from several starts; from `start` alone where given.
/// Errors: ConfigError (fewer than three different ratios; a ratio or score that is no number).
Fit fit_law(Law law, const std::vector<Observation>& pages, const Parameters* start = nullptr);

}  // namespace fovea::law

// A law of the curve: both fits of one curve with their intervals, and how well each foretells a ratio that it has not seen.
#pragma once
#include <vector>

#include "fovea/base/config.h"
#include "fovea/law/fit.h"

namespace fovea::law {

struct LawConfig {
  std::string metric = "precision";
  std::vector<double> hold_out;
  double bits_per_text_token = 0;
  int64_t resamples = 1000;
  int64_t seed = 0;

  template <class V> void visit_fields(V& v) {
    v.field("metric", metric, "what survived: a column of results.jsonl that is 1 for a perfect page, or char_accuracy (1 - character edit distance)");
    v.field("hold_out", hold_out, "ratios (as asked) left out of the fit and foretold by it; each ratio is left out in turn besides", {.min = 0.001});
    v.field("bits_per_text_token", bits_per_text_token, "entropy of the text, for capacities in bits; 0: known for random letters and digits only", {.min = 0, .max = 64});
    v.field("resamples", resamples, "bootstrap resamples of passages", {.min = 10, .max = 100000});
    v.field("seed", seed, "of the bootstrap", {.min = 0});
  }
};

/// A page of a curve, with the ratio that was asked for (the group that is held out together).
struct Page {
  Observation observed;
  double ratio_asked = 0;
};

/// {num_pages, num_clusters, points: [{ratio_asked, ratio, score, low, high, num_pages}],
///  laws: [{law, formula, rms, converged, determined, parameters: {name: {value, low, high (bootstrap), low_fit, high_fit (covariance)}}, covariance,
///          curve: [{ratio, score, low, high}], held_out: [{ratio_asked, ratio, foretold, low, high, measured, error, inside, side (inside | beyond)}]}]}
/// low and high of a foretold mean hold 95 % of it: resampled fits plus as many residuals as it has pages, drawn at the nearest ratio that was fitted.
/// beyond: the ratio is outside those fitted, so that the law extrapolates.
/// Errors: ConfigError (fewer than three ratios left; a held-out ratio that no page has).
Json law_of_curve(const std::vector<Page>& pages, const LawConfig& config);

}  // namespace fovea::law

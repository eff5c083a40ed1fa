#include "fovea/law/fit.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <set>

#include "fovea/base/error.h"

namespace fovea::law {
namespace {

using Vector = Eigen::Vector3d;
using Matrix = Eigen::Matrix3d;

double logistic(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

// Free parameters: logit top, ln scale, ln shape, each kept where doubles behave.
Parameters from_free(const Vector& t) {
  return {logistic(std::clamp(t[0], -12.0, 12.0)), std::exp(std::clamp(t[1], -12.0, 12.0)), std::exp(std::clamp(t[2], -5.0, 4.0))};
}
Vector to_free(const Parameters& p) {
  const double top = std::clamp(p.top, 1e-5, 1 - 1e-5);
  return {std::log(top / (1 - top)), std::log(p.scale), std::log(p.shape)};
}

Eigen::VectorXd residuals(Law law, const std::vector<Observation>& pages, const Vector& t) {
  const Parameters p = from_free(t);
  Eigen::VectorXd r(Eigen::Index(pages.size()));
  for (size_t i = 0; i < pages.size(); ++i) r[Eigen::Index(i)] = pages[i].score - expected_score(law, p, pages[i].ratio);
  return r;
}

// d expected / d free, by central differences: the laws are smooth and cheap.
Eigen::MatrixXd slopes(Law law, const std::vector<Observation>& pages, const Vector& t) {
  constexpr double kStep = 1e-5;
  Eigen::MatrixXd j(Eigen::Index(pages.size()), 3);
  for (int k = 0; k < 3; ++k) {
    Vector above = t, below = t;
    above[k] += kStep, below[k] -= kStep;
    j.col(k) = (residuals(law, pages, below) - residuals(law, pages, above)) / (2 * kStep);
  }
  return j;
}

// What holds where the pages say nothing: a weak prior, as strong as one page that is off by kPriorNoise when a parameter is off by `width`. With pages on both
// sides of the fall it moves no digit that is printed; without it a flat curve would be called a cliff just beyond its last page as readily as anything else.
constexpr double kPriorNoise = 0.005;
struct Prior {
  Vector centre, weight;  // weight: kPriorNoise / width
};
Prior prior_of(Law law, double highest_ratio) {
  const Vector width(2, 1, 1);  // of logit top, ln scale, ln shape
  return {{std::log(0.99 / 0.01), std::log(2 * highest_ratio), law == Law::kLogistic ? std::log(3.0) : std::log(0.5)}, kPriorNoise * width.cwiseInverse()};
}

struct Descent {
  Vector at;
  double sum_squares;
  bool converged;
};

Descent descend(Law law, const std::vector<Observation>& pages, const Prior& prior, Vector t) {
  double damping = 1e-3;
  const auto penalty = [&](const Vector& at) { return prior.weight.cwiseProduct(prior.centre - at).squaredNorm(); };
  const Vector pull = prior.weight.cwiseAbs2();
  Eigen::VectorXd r = residuals(law, pages, t);
  double sum = r.squaredNorm() + penalty(t);
  bool converged = false;
  for (int step = 0; step < 200 && !converged; ++step) {
    const Eigen::MatrixXd j = slopes(law, pages, t);
    Matrix normal = j.transpose() * j;
    normal.diagonal() += pull;
    const Vector gradient = j.transpose() * r + pull.cwiseProduct(prior.centre - t);
    bool better = false;
    while (!better && damping < 1e12) {
      Matrix damped = normal;
      damped.diagonal() += damping * (normal.diagonal().array() + 1e-12).matrix();
      const Vector next = t + damped.ldlt().solve(gradient);
      const Eigen::VectorXd r_next = residuals(law, pages, next);
      const double sum_next = r_next.squaredNorm() + penalty(next);
      if (sum_next <= sum) {
        converged = sum - sum_next <= 1e-12 * (sum + 1e-300) || (next - t).norm() < 1e-9;
        t = next, r = r_next, sum = sum_next;
        damping = std::max(damping / 5, 1e-12);
        better = true;
      } else {
        damping *= 4;
      }
    }
    if (!better) converged = true;  // no step in any direction helps: the place is as good as doubles tell
  }
  return {t, sum, converged};
}

}  // namespace

const char* law_name(Law law) { return law == Law::kLogistic ? "logistic" : "capacity"; }

std::array<const char*, 3> parameter_names(Law law) {
  return law == Law::kLogistic ? std::array<const char*, 3>{"top", "half_ratio", "steepness"}
                               : std::array<const char*, 3>{"top", "capacity_text_tokens", "spread"};
}

double expected_score(Law law, const Parameters& p, double ratio) {
  const double m = std::log(p.scale) - std::log(ratio);
  if (law == Law::kLogistic) return p.top * logistic(p.shape * m);
  // E[min(1, X)], ln X ~ N(m, shape^2)
  return p.top * std::min(1.0, normal_cdf(m / p.shape) + std::exp(m + p.shape * p.shape / 2) * normal_cdf(-m / p.shape - p.shape));
}

Fit fit_law(Law law, const std::vector<Observation>& pages, const Parameters* start) {
  std::set<double> ratios;
  double low = 1e300, high = 0, best_score = 0;
  for (const auto& page : pages) {
    if (!(page.ratio > 0) || !std::isfinite(page.ratio) || !std::isfinite(page.score))
      throw ConfigError("[fit_law] a page has ratio " + std::to_string(page.ratio) + " and score " + std::to_string(page.score) + "; ratios must be positive, both finite");
    ratios.insert(std::round(std::log(page.ratio) * 50));  // as one: within 2 %
    low = std::min(low, page.ratio), high = std::max(high, page.ratio), best_score = std::max(best_score, page.score);
  }
  if (ratios.size() < 3)
    throw ConfigError("[fit_law] three parameters need pages of at least three different ratios, got " + std::to_string(ratios.size()));

  std::vector<Vector> starts;
  if (start) {
    starts.push_back(to_free(*start));
  } else {
    for (double scale : {std::sqrt(low * high), high, 3 * high})
      for (double shape : law == Law::kLogistic ? std::array<double, 3>{1, 3, 8} : std::array<double, 3>{1.2, 0.5, 0.2})
        starts.push_back(to_free({std::clamp(best_score, 0.5, 0.999), scale, shape}));
  }
  const Prior prior = prior_of(law, high);
  Descent best{starts[0], std::numeric_limits<double>::infinity(), false};
  for (const auto& from : starts)
    if (const Descent found = descend(law, pages, prior, from); found.sum_squares < best.sum_squares) best = found;

  Fit fit;
  fit.parameters = from_free(best.at);
  fit.sum_squares = residuals(law, pages, best.at).squaredNorm();
  fit.rms = std::sqrt(fit.sum_squares / double(pages.size()));
  fit.converged = best.converged;

  const Eigen::MatrixXd j = slopes(law, pages, best.at);
  const Eigen::VectorXd r = residuals(law, pages, best.at);
  Matrix normal = j.transpose() * j;
  // By the pages alone: does the least sure direction weigh more than the prior?
  fit.determined = Eigen::SelfAdjointEigenSolver<Matrix>(normal).eigenvalues()[0] > kPriorNoise * kPriorNoise;
  normal.diagonal() += prior.weight.cwiseAbs2();
  std::vector<int64_t> clusters;
  for (const auto& page : pages) clusters.push_back(page.cluster);
  const auto members = members_or_singles(clusters, pages.size());
  if (members.size() > 1) {
    Matrix middle = Matrix::Zero();
    for (const auto& of_cluster : members) {
      Vector g = Vector::Zero();
      for (size_t i : of_cluster) g += r[Eigen::Index(i)] * j.row(Eigen::Index(i)).transpose();
      middle += g * g.transpose();
    }
    const Matrix inverse = normal.inverse();
    // the prior's own uncertainty stands for directions that the pages leave open
    const Matrix covariance = double(members.size()) / double(members.size() - 1) * inverse * middle * inverse +
                              inverse * (prior.weight.cwiseAbs2() * kPriorNoise * kPriorNoise).asDiagonal() * inverse;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) fit.covariance[size_t(a)][size_t(b)] = covariance(a, b);
  }
  for (int k = 0; k < 3; ++k) {
    Vector below = best.at, above = best.at;
    const double reach = 1.959963984540054 * std::sqrt(std::max(0.0, fit.covariance[size_t(k)][size_t(k)]));
    below[k] -= reach, above[k] += reach;
    const Parameters at_low = from_free(below), at_high = from_free(above);
    fit.intervals[size_t(k)] = k == 0 ? Interval{at_low.top, at_high.top} : k == 1 ? Interval{at_low.scale, at_high.scale} : Interval{at_low.shape, at_high.shape};
  }
  return fit;
}

}  // namespace fovea::law

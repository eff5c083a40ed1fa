#include "fovea/law/law.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/random.h"

namespace fovea::law {
namespace {

const char* formula(Law law) {
  return law == Law::kLogistic ? "score = top / (1 + (ratio / half_ratio) ^ steepness)"
                               : "score = top * E[min(1, C / ratio)], ln C ~ N(ln capacity_text_tokens, spread^2)";
}

std::vector<Observation> observations(const std::vector<Page>& pages) {
  std::vector<Observation> out;
  for (const auto& page : pages) out.push_back(page.observed);
  return out;
}

std::vector<int64_t> clusters_of(const std::vector<Observation>& pages) {
  std::vector<int64_t> out;
  for (const auto& page : pages) out.push_back(page.cluster);
  return out;
}

size_t num_ratios(const std::vector<Page>& pages) {
  std::set<double> out;
  for (const auto& page : pages) out.insert(page.ratio_asked);
  return out.size();
}

// Fits of resamples; those that have no three ratios left are drawn anew at another index.
std::vector<Fit> refits(Law law, const std::vector<Observation>& pages, const Fit& fit, const LawConfig& config, int64_t count) {
  const auto members = members_or_singles(clusters_of(pages), pages.size());
  std::vector<Fit> out;
  for (uint64_t b = 0; out.size() < size_t(count) && b < uint64_t(count) * 4; ++b) {
    std::vector<Observation> chosen;
    for (size_t i : resample(members, uint64_t(config.seed), b)) chosen.push_back(pages[i]);
    try {
      out.push_back(fit_law(law, chosen, &fit.parameters));
    } catch (const ConfigError&) {
      continue;
    }
  }
  return out;
}

Json held_out(Law law, const std::vector<Page>& seen, const std::vector<Page>& unseen, const LawConfig& config, int64_t resamples) {
  const auto pages = observations(seen);
  const Fit fit = fit_law(law, pages);
  double ratio = 0, measured = 0, low_seen = 1e300, high_seen = 0;
  for (const auto& page : unseen) ratio += page.observed.ratio / double(unseen.size()), measured += page.observed.score / double(unseen.size());
  double nearest = pages[0].ratio;
  for (const auto& page : pages) {
    low_seen = std::min(low_seen, page.ratio), high_seen = std::max(high_seen, page.ratio);
    if (std::abs(std::log(page.ratio / ratio)) < std::abs(std::log(nearest / ratio))) nearest = page.ratio;
  }
  std::vector<double> residuals;
  for (const auto& page : pages)
    if (std::abs(std::log(page.ratio / nearest)) < 0.1) residuals.push_back(page.score - expected_score(law, fit.parameters, page.ratio));
  double mean = 0;
  for (double r : residuals) mean += r / double(residuals.size());

  std::vector<double> foretold;
  const auto fits = refits(law, pages, fit, config, resamples);
  for (size_t b = 0; b < fits.size(); ++b) {
    Rng rng(uint64_t(config.seed), 0x7e, b);
    double noise = 0;
    for (size_t i = 0; i < unseen.size(); ++i) noise += (residuals[rng.below(residuals.size())] - mean) / double(unseen.size());
    foretold.push_back(std::clamp(expected_score(law, fits[b].parameters, ratio) + noise, 0.0, 1.0));
  }
  const double value = expected_score(law, fit.parameters, ratio);
  const Interval interval = foretold.empty() ? Interval{value, value} : percentiles(foretold);
  return {{"ratio_asked", unseen[0].ratio_asked}, {"ratio", ratio},
          {"foretold", value},                    {"low", interval.low},
          {"high", interval.high},                {"measured", measured},
          {"error", value - measured},            {"inside", measured >= interval.low && measured <= interval.high},
          {"side", ratio >= low_seen * 0.98 && ratio <= high_seen * 1.02 ? "inside" : "beyond"},
          {"num_pages", unseen.size()},           {"determined", fit.determined}};
}

}  // namespace

Json law_of_curve(const std::vector<Page>& all, const LawConfig& config) {
  validate_fields(config, "law");
  std::vector<Page> pages, kept_out;
  for (const auto& page : all) {
    const bool out = std::any_of(config.hold_out.begin(), config.hold_out.end(), [&](double r) { return std::abs(r - page.ratio_asked) < 1e-9; });
    (out ? kept_out : pages).push_back(page);
  }
  for (double ratio : config.hold_out)
    if (std::none_of(kept_out.begin(), kept_out.end(), [&](const Page& p) { return std::abs(p.ratio_asked - ratio) < 1e-9; }))
      throw ConfigError("[law] hold_out names ratio " + Json(ratio).dump() + ", which no page has");
  const auto fitted = observations(pages);

  Json out = {{"num_pages", pages.size()}, {"num_clusters", members_of(clusters_of(fitted), fitted.size()).size()}};
  std::map<double, std::vector<Page>> by_ratio;
  for (const auto& page : all) by_ratio[page.ratio_asked].push_back(page);
  out["points"] = Json::array();
  for (const auto& [asked, group] : by_ratio) {
    const auto of_group = observations(group);
    const auto members = members_or_singles(clusters_of(of_group), of_group.size());
    double ratio = 0, score = 0;
    for (const auto& page : of_group) ratio += page.ratio / double(of_group.size()), score += page.score / double(of_group.size());
    std::vector<double> means;
    for (int64_t b = 0; b < config.resamples; ++b) {
      const auto chosen = resample(members, uint64_t(config.seed), uint64_t(b));
      double sum = 0;
      for (size_t i : chosen) sum += of_group[i].score;
      means.push_back(sum / double(chosen.size()));
    }
    const Interval interval = percentiles(means);
    out["points"].push_back({{"ratio_asked", asked}, {"ratio", ratio}, {"score", score}, {"low", interval.low}, {"high", interval.high}, {"num_pages", group.size()},
                             {"fitted", std::none_of(kept_out.begin(), kept_out.end(), [&](const Page& p) { return p.ratio_asked == asked; })}});
  }

  out["laws"] = Json::array();
  for (Law law : kLaws) {
    const Fit fit = fit_law(law, fitted);
    const auto fits = refits(law, fitted, fit, config, config.resamples);
    const auto interval_of = [&](auto value_of) {
      std::vector<double> values;
      for (const auto& refit : fits) values.push_back(value_of(refit.parameters));
      return values.empty() ? Interval{value_of(fit.parameters), value_of(fit.parameters)} : percentiles(values);
    };
    Json parameters;
    const auto names = parameter_names(law);
    const std::array<double Parameters::*, 3> fields = {&Parameters::top, &Parameters::scale, &Parameters::shape};
    for (size_t k = 0; k < 3; ++k) {
      const Interval interval = interval_of([&](const Parameters& p) { return p.*fields[k]; });
      parameters[names[k]] = {{"value", fit.parameters.*fields[k]}, {"low", interval.low}, {"high", interval.high},
                              {"low_fit", fit.intervals[k].low},    {"high_fit", fit.intervals[k].high}};
    }
    Json curve = Json::array();
    double low = by_ratio.begin()->second[0].observed.ratio, high = low;
    for (const auto& page : all) low = std::min(low, page.observed.ratio), high = std::max(high, page.observed.ratio);
    low *= 0.8, high *= 1.5;
    constexpr int kSteps = 48;
    for (int i = 0; i <= kSteps; ++i) {
      const double ratio = low * std::pow(high / low, double(i) / kSteps);
      const Interval interval = interval_of([&](const Parameters& p) { return expected_score(law, p, ratio); });
      curve.push_back({{"ratio", ratio}, {"score", expected_score(law, fit.parameters, ratio)}, {"low", interval.low}, {"high", interval.high}});
    }
    Json tests = Json::array();
    const int64_t resamples = std::min<int64_t>(config.resamples, 300);
    for (double asked : config.hold_out) {
      std::vector<Page> unseen;
      for (const auto& page : kept_out)
        if (std::abs(page.ratio_asked - asked) < 1e-9) unseen.push_back(page);
      tests.push_back(held_out(law, pages, unseen, config, resamples));
    }
    if (config.hold_out.empty() && num_ratios(pages) > 3)
      for (const auto& [asked, group] : by_ratio) {
        std::vector<Page> seen;
        for (const auto& page : pages)
          if (page.ratio_asked != asked) seen.push_back(page);
        tests.push_back(held_out(law, seen, group, config, resamples));
      }
    Json covariance = Json::array();
    for (const auto& row : fit.covariance) covariance.push_back(Json(std::vector<double>(row.begin(), row.end())));
    out["laws"].push_back({{"law", law_name(law)}, {"formula", formula(law)}, {"rms", fit.rms}, {"sum_squares", fit.sum_squares}, {"converged", fit.converged},
                           {"determined", fit.determined}, {"num_refits", fits.size()}, {"parameters", parameters},
                           {"covariance_of", {"logit top", std::string("ln ") + names[1], std::string("ln ") + names[2]}}, {"covariance", covariance},
                           {"curve", curve}, {"held_out", tests}});
  }
  return out;
}

}  // namespace fovea::law

#include "fovea/law/law.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/law/letters.h"

namespace fovea::law {
namespace {

double gauss(Rng& rng) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += rng.uniform();
  return sum - 6;
}

std::vector<Page> pages_of(Law law, const Parameters& p, double noise, int per_ratio, const std::vector<double>& ratios, uint64_t seed = 1) {
  Rng rng(seed);
  std::vector<Page> out;
  for (int64_t i = 0; i < per_ratio; ++i) {
    const double of_passage = noise * gauss(rng);
    for (double r : ratios) out.push_back({{r * (1 - 0.01 * rng.uniform()), expected_score(law, p, r) + of_passage + noise * gauss(rng), i}, r});
  }
  return out;
}

const std::vector<double> kRatios = {2.5, 5, 7.5, 10, 12.5, 15, 20, 25};

TEST(Law, ExpectedScoresAreWhatTheirFormulasSay) {
  EXPECT_DOUBLE_EQ(expected_score(Law::kLogistic, {0.98, 12, 3}, 12), 0.49);
  EXPECT_NEAR(expected_score(Law::kLogistic, {1, 12, 3}, 24), 1 / (1 + 8.0), 1e-12);
  // E[min(1, X)] against a plain integral over the normal density
  const double ratio = 14, c = 10, spread = 0.4;
  double sum = 0;
  const double step = 1e-4;
  for (double z = -8; z < 8; z += step) sum += step * std::exp(-z * z / 2) / std::sqrt(2 * M_PI) * std::min(1.0, c / ratio * std::exp(spread * z));
  EXPECT_NEAR(expected_score(Law::kCapacity, {1, c, spread}, ratio), sum, 1e-4);
  // far beyond capacity what is delivered stays the same number of tokens: c exp(spread^2 / 2)
  EXPECT_NEAR(expected_score(Law::kCapacity, {1, c, spread}, 1e4) * 1e4, c * std::exp(spread * spread / 2), 1e-6);
}

class EachLaw : public ::testing::TestWithParam<Law> {};

TEST_P(EachLaw, ExactPagesGiveTheirParametersBack) {
  const Parameters truth = GetParam() == Law::kLogistic ? Parameters{0.985, 16, 4} : Parameters{0.985, 16, 0.35};
  const auto pages = pages_of(GetParam(), truth, 0, 2, kRatios);
  std::vector<Observation> exact;
  for (const auto& page : pages) exact.push_back({page.ratio_asked, expected_score(GetParam(), truth, page.ratio_asked), page.observed.cluster});
  const Fit fit = fit_law(GetParam(), exact);
  EXPECT_TRUE(fit.converged && fit.determined);
  EXPECT_NEAR(fit.parameters.top, truth.top, 1e-4);  // the prior's pull
  EXPECT_NEAR(fit.parameters.scale, truth.scale, 2e-3);
  EXPECT_NEAR(fit.parameters.shape, truth.shape, 2e-3);
  EXPECT_LT(fit.rms, 1e-4);
}

TEST_P(EachLaw, IntervalsHoldTheTruthAsOftenAsTheySay) {
  const Parameters truth = GetParam() == Law::kLogistic ? Parameters{0.98, 15, 3} : Parameters{0.98, 15, 0.4};
  int hits = 0;
  constexpr int kTrials = 120;
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    std::vector<Observation> pages;
    for (const auto& page : pages_of(GetParam(), truth, 0.01, 24, kRatios, trial + 1)) pages.push_back({page.ratio_asked, page.observed.score, page.observed.cluster});
    const Fit fit = fit_law(GetParam(), pages, &truth);
    hits += fit.intervals[1].low <= truth.scale && truth.scale <= fit.intervals[1].high;
  }
  EXPECT_GE(hits, 0.86 * kTrials);
  EXPECT_LE(hits, kTrials);
}

TEST_P(EachLaw, ForetellsARatioThatItHasNotSeen) {
  const Parameters truth = GetParam() == Law::kLogistic ? Parameters{0.99, 18, 3} : Parameters{0.99, 18, 0.4};
  LawConfig config;
  config.hold_out = {25};
  config.resamples = 60;
  const Json result = law_of_curve(pages_of(GetParam(), truth, 0.004, 8, kRatios), config);
  const Json& law = result["laws"][GetParam() == Law::kLogistic ? 0 : 1];
  EXPECT_EQ(law["law"], law_name(GetParam()));
  ASSERT_EQ(law["held_out"].size(), 1u);
  const Json& test = law["held_out"][0];
  EXPECT_EQ(test["side"], "beyond");
  EXPECT_LT(std::abs(test["error"].get<double>()), 0.03) << test;
  EXPECT_LT(test["low"].get<double>(), test["foretold"].get<double>());
  EXPECT_EQ(result["points"].size(), kRatios.size());
  EXPECT_EQ(result["points"][7]["fitted"], false);
  const Json again = law_of_curve(pages_of(GetParam(), truth, 0.004, 8, kRatios), config);
  EXPECT_EQ(result, again);
}

INSTANTIATE_TEST_SUITE_P(Both, EachLaw, ::testing::Values(Law::kLogistic, Law::kCapacity), [](const auto& info) { return std::string(law_name(info.param)); });

TEST(Law, TellsTheLawsApart) {
  const auto pages = pages_of(Law::kCapacity, {1, 6, 0.15}, 0.002, 8, kRatios);
  LawConfig config;
  config.resamples = 20;
  const Json result = law_of_curve(pages, config);
  EXPECT_GT(result["laws"][0]["sum_squares"].get<double>(), 3 * result["laws"][1]["sum_squares"].get<double>());
  EXPECT_EQ(result["laws"][1]["held_out"].size(), kRatios.size());
}

TEST(Law, RefusesWhatItCannotFit) {
  const auto pages = pages_of(Law::kLogistic, {1, 10, 3}, 0.01, 4, {5, 10});
  EXPECT_THROW(law_of_curve(pages, {}), ConfigError);
  LawConfig config;
  config.hold_out = {17};
  EXPECT_THROW(law_of_curve(pages_of(Law::kLogistic, {1, 10, 3}, 0.01, 4, kRatios), config), ConfigError);
  EXPECT_THROW(fit_law(Law::kLogistic, {{-1, 0.5, 0}, {2, 0.5, 0}, {5, 0.5, 0}, {9, 0.4, 0}}), ConfigError);
  // all pages read alike: a fit there is, but it says that it is open
  const Fit flat = fit_law(Law::kLogistic, {{2, 0.99, 0}, {5, 0.99, 1}, {9, 0.99, 2}, {12, 0.99, 3}});
  EXPECT_FALSE(flat.determined);
  EXPECT_GT(expected_score(Law::kLogistic, flat.parameters, 16), 0.9);  // no cliff is made up beyond the last page
  EXPECT_GT(flat.intervals[1].high, 2 * flat.parameters.scale);
}

TEST(Law, OnePassageHasIntervalsOfItsPages) {
  auto pages = pages_of(Law::kLogistic, {0.98, 15, 3}, 0.01, 3, kRatios);
  for (auto& page : pages) page.observed.cluster = 5;
  LawConfig config;
  config.resamples = 40;
  const Json result = law_of_curve(pages, config);
  EXPECT_EQ(result["num_clusters"], 1u);
  const Json& scale = result["laws"][0]["parameters"]["half_ratio"];
  EXPECT_LT(scale["low"].get<double>(), scale["high"].get<double>());
  EXPECT_LT(scale["low_fit"].get<double>(), scale["high_fit"].get<double>());
}

TEST(PairedBootstrap, FindsADifferenceAndItsAbsence) {
  Rng rng(3);
  std::vector<double> a, b, c;
  for (int i = 0; i < 40; ++i) {
    const double page = rng.uniform();
    a.push_back(page), b.push_back(page - 0.05 + 0.02 * gauss(rng)), c.push_back(page + 0.02 * gauss(rng));
  }
  const auto better = paired_bootstrap(a, b, {}, 2000);
  EXPECT_NEAR(better.mean, 0.05, 0.015);
  EXPECT_GT(better.interval.low, 0);
  EXPECT_LT(better.p, 0.01);
  const auto same = paired_bootstrap(a, c, {}, 2000);
  EXPECT_LT(same.interval.low, 0);
  EXPECT_GT(same.interval.high, 0);
  EXPECT_EQ(paired_bootstrap(a, a, {}, 100).p, 1);
  EXPECT_THROW(paired_bootstrap(a, {1.0}), ShapeError);
  // one passage only: there is nothing to resample, and no certainty to be had
  const auto one = paired_bootstrap({1, 1, 1}, {0.5, 0.6, 0.4}, {7, 7, 7}, 100);
  EXPECT_EQ(one.num_clusters, 1u);
  EXPECT_DOUBLE_EQ(one.interval.low, one.interval.high);
}

// A channel of which the information is known: wrong letters are drawn evenly from the 25 others.
TEST(LetterInformation, BoundsAKnownChannelFromBelowAndClosely) {
  const std::u32string alphabet = U"abcdefghijklmnopqrstuvwxyz";
  Rng rng(9);
  std::vector<std::pair<std::u32string, std::u32string>> pages(4);
  for (auto& [reference, reading] : pages)
    for (int i = 0; i < 5000; ++i) {
      const size_t letter = rng.below(26);
      const bool space = i % 6 == 5;
      reference += space ? U' ' : alphabet[letter];
      reading += space ? U' ' : rng.chance(0.1) ? alphabet[(letter + 1 + rng.below(25)) % 26] : alphabet[letter];
    }
  const auto got = letter_information(pages, alphabet);
  const double e = 0.1, truth = std::log2(26.0) + (1 - e) * std::log2(1 - e) + e * std::log2(e / 25);
  EXPECT_NEAR(got.source_bits, std::log2(26.0), 1e-12);
  EXPECT_NEAR(double(got.num_wrong) / double(got.num_letters), e, 0.01);
  EXPECT_NEAR(got.fano_bits, truth, 0.06);
  EXPECT_NEAR(got.confusion_bits, truth, 0.06);
  EXPECT_LE(got.total_bits, truth * double(got.num_letters) * 1.01);
}

TEST(LetterInformation, PerfectReadingHoldsEverythingAndNothingReadNothing) {
  const std::vector<std::pair<std::u32string, std::u32string>> perfect = {{U"01 10 0110 01", U"01 10 0110 01"}};
  const auto all = letter_information(perfect, U"01");
  EXPECT_DOUBLE_EQ(all.fano_bits, 1);
  EXPECT_DOUBLE_EQ(all.total_bits, 10);
  EXPECT_DOUBLE_EQ(all.alignment_bits, 0);
  EXPECT_DOUBLE_EQ(letter_information({{U"0110", U""}}, U"01").total_bits, 0);
  EXPECT_THROW(letter_information(perfect, U"0"), ConfigError);
  EXPECT_THROW(letter_information(perfect, U"xy"), ConfigError);
}

TEST(LetterInformation, LostLettersCostTheirPlaces) {
  const std::u32string alphabet = U"abcdefghijklmnopqrstuvwxyz";
  Rng rng(4);
  std::u32string reference, reading;
  for (int i = 0; i < 4000; ++i) {
    const char32_t c = alphabet[rng.below(26)];
    reference += c;
    if (!rng.chance(0.05)) reading += c;
  }
  const auto got = letter_information({{reference, reading}}, alphabet);
  EXPECT_GT(got.alignment_bits, 0.2);
  EXPECT_LT(got.total_bits, 0.95 * 4000 * std::log2(26.0));
  EXPECT_GT(got.total_bits, 0.85 * 4000 * std::log2(26.0));
}

}  // namespace
}  // namespace fovea::law

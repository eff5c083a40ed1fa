// Sweeps: range syntax, cells, errors.
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/experiments/sweep.h"

namespace fovea::experiments {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> values(const std::string& text) { return parse_sweep({text}).at(0).values; }

TEST(Sweep, ListsAndRanges) {
  EXPECT_THAT(values("font=DejaVu Sans,Noto Serif"), ElementsAre("DejaVu Sans", "Noto Serif"));
  EXPECT_THAT(values("font_size_px=6:9:1"), ElementsAre("6", "7", "8", "9"));
  EXPECT_THAT(values("font_size_px=6:9"), ElementsAre("6", "7", "8", "9"));
  EXPECT_THAT(values("font_size_px=1:9:3"), ElementsAre("1", "4", "7"));
  EXPECT_THAT(values("line_height=1:1.2:0.05"), ElementsAre("1.00", "1.05", "1.10", "1.15", "1.20"));
  EXPECT_THAT(values("line_height=0.9:1.2:0.1"), ElementsAre("0.9", "1.0", "1.1", "1.2"));
  EXPECT_THAT(values("font_size_px=9:6:-1.5"), ElementsAre("9.0", "7.5", "6.0"));
  EXPECT_THAT(values("font_size_px=8:6"), ElementsAre("8", "7", "6"));
  EXPECT_THAT(values("font_size_px=6,8:10:2,20"), ElementsAre("6", "8", "10", "20"));
  EXPECT_THAT(values("font_size_px=7"), ElementsAre("7"));
  EXPECT_THAT(values("font=/a:b/c.ttf"), ElementsAre("/a:b/c.ttf"));
  EXPECT_EQ(parse_sweep({"size_px=7"})[0].key, "font_size_px");
  EXPECT_EQ(parse_sweep({"leading=9"})[0].key, "line_pitch_px");
}

TEST(Sweep, CellsAreAllCombinations) {
  const auto cells = sweep_cells({}, parse_sweep({"font=DejaVu Sans,Noto Serif", "size_px=6:8:1", "degrade.noise=0,5"}));
  ASSERT_EQ(cells.size(), 12u);
  EXPECT_EQ(cells[0].label(), "font=DejaVu Sans font_size_px=6 degrade.noise=0");
  EXPECT_EQ(cells[1].label(), "font=DejaVu Sans font_size_px=6 degrade.noise=5");
  EXPECT_EQ(cells[11].sheet.style.font, "Noto Serif");
  EXPECT_EQ(cells[11].sheet.style.font_size_px, 8);
  EXPECT_EQ(cells[11].sheet.degrade.noise, 5);
  std::set<std::string> folders;
  for (const auto& cell : cells) {
    folders.insert(cell.folder());
    EXPECT_EQ(cell.folder().find_first_of("/ "), std::string::npos);
  }
  EXPECT_EQ(folders.size(), 12u);
  const auto one = sweep_cells({}, {});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].folder(), "");
  const auto alike = sweep_cells({}, parse_sweep({"font=a/b,a:b"}));
  EXPECT_NE(alike[0].folder(), alike[1].folder());
}

TEST(Sweep, BadTextsAreNamed) {
  const auto message = [](const std::vector<std::string>& texts) {
    try {
      sweep_cells({}, parse_sweep(texts));
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(message({"font_size_px"}), HasSubstr("'font_size_px' is not of the form"));
  EXPECT_THAT(message({"font_siz_px=3"}), HasSubstr("did you mean 'font_size_px'"));
  EXPECT_THAT(message({"font_size_px=9:6:1"}), HasSubstr("never arrive at 6"));
  EXPECT_THAT(message({"font_size_px=6:9:0"}), HasSubstr("never arrive"));
  EXPECT_THAT(message({"font_size_px=6,,7"}), HasSubstr("empty value"));
  EXPECT_THAT(message({"font_size_px="}), HasSubstr("empty value"));
  EXPECT_THAT(message({"font_size_px=6", "size_px=7"}), HasSubstr("named twice"));
  EXPECT_THAT(message({"font_size_px=1:1e9:1"}), HasSubstr("more than 10000"));
  EXPECT_THAT(message({"font_size_px=-1"}), HasSubstr("font_size_px must be at least 1"));
  EXPECT_THAT(message({"font_size_px=a:b"}), HasSubstr("font_size_px"));
  EXPECT_THAT(message({"hinting=none,heavy"}), HasSubstr("heavy"));
  EXPECT_THAT(message({"margin_left_px=0:999:1", "margin_top_px=0:999:1"}), HasSubstr("100000 cells"));
}

}  // namespace
}  // namespace fovea::experiments

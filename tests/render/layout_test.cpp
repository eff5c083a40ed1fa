// Where text stands: wrapping, conservation of the source, fit to page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> lines_of(const Page& page) {
  std::vector<std::string> out;
  for (const PageLine& line : page.lines) out.push_back(page.text.substr(line.byte_begin, line.byte_end - line.byte_begin));
  return out;
}

// A monospaced page that is `columns` characters wide.
Style columns_wide(int columns, int rows = 100) {
  Style style;
  style.font = "DejaVu Sans Mono";
  style.font_size_px = 20;  // advance 1233/2048 em = 12.04 px
  style.width_px = 8 + int64_t(12.05 * columns) + 1;
  style.height_px = 8 + 24 * rows;
  return style;
}

std::string random_text(Rng& rng, size_t num_words) {
  static const std::u32string kLetters = U"aeiounrstßéœñ“”,.…中文字仮名、。\u0301 \u00A0";
  std::string text;
  for (size_t i = 0; i < num_words; ++i) {
    const uint64_t length = rng.chance(0.02) ? 200 + rng.below(400) : 1 + rng.below(9);
    for (uint64_t n = 0; n < length; ++n) append_utf8(text, kLetters[rng.below(kLetters.size())]);
    text += rng.chance(0.1) ? std::string(1 + rng.below(3), '\n') : std::string(1 + rng.below(3), ' ');
  }
  return text;
}

// The page's text is a prefix; every code point but newlines has one box, in order; lines cover all but white space.
void expect_conserved(const Page& page, const std::string& source) {
  ASSERT_EQ(page.text, source.substr(0, page.text.size()));
  EXPECT_EQ(page.text.size() + page.report.num_bytes_left_out, source.size());
  size_t at = 0;
  for (size_t pos = 0; pos < page.text.size();) {
    const size_t begin = pos;
    if (next_code_point(page.text, pos) == U'\n') continue;
    ASSERT_LT(at, page.chars.size());
    EXPECT_EQ(page.chars[at].byte_offset, begin);
    EXPECT_LT(page.chars[at].line, page.lines.size());
    ++at;
  }
  EXPECT_EQ(at, page.chars.size());
  size_t end = 0;
  for (const PageLine& line : page.lines) {
    ASSERT_GE(line.byte_begin, end);
    ASSERT_GE(line.byte_end, line.byte_begin);
    for (size_t i = end; i < line.byte_begin; ++i) EXPECT_TRUE(page.text[i] == ' ' || page.text[i] == '\n') << "lost byte " << i;
    end = line.byte_end;
  }
  for (size_t i = end; i < page.text.size(); ++i) EXPECT_TRUE(page.text[i] == ' ' || page.text[i] == '\n');
  for (const CharBox& box : page.chars) {
    const PageLine& line = page.lines[box.line];
    const bool inside = box.byte_offset >= line.byte_begin && box.byte_offset < line.byte_end;
    EXPECT_TRUE(inside || page.text[box.byte_offset] == ' ');
    EXPECT_LE(box.cell_x0_px, box.cell_x1_px);
  }
}

TEST(Layout, WrapsAtSpacesGreedily) {
  const Page page = Renderer().render("aaaa bb cccc dddddd e", columns_wide(8));
  EXPECT_THAT(lines_of(page), ElementsAre("aaaa bb", "cccc", "dddddd e"));
  EXPECT_EQ(visual_text(page), "aaaa bb\ncccc\ndddddd e");
  EXPECT_FALSE(page.lines[0].hard_break);
  EXPECT_TRUE(page.lines[2].hard_break);
}

TEST(Layout, SpacesStayInsideLinesAndGoAtWraps) {
  EXPECT_THAT(lines_of(Renderer().render("a   b   cccccc  ", columns_wide(8))), ElementsAre("a   b", "cccccc  "));
  EXPECT_THAT(lines_of(Renderer().render("  indent", columns_wide(8))), ElementsAre("  indent"));
  EXPECT_THAT(lines_of(Renderer().render("12345678      ", columns_wide(8))), ElementsAre("12345678"));
  const Page page = Renderer().render("aaaaaa   bbbbbb", columns_wide(8));
  for (size_t i = 6; i < 9; ++i) {  // the spaces it broke at: no width, at the line's end
    EXPECT_EQ(page.chars[i].line, 0u);
    EXPECT_EQ(page.chars[i].cell_x0_px, page.chars[i].cell_x1_px);
    EXPECT_EQ(page.chars[i].cell_x0_px, page.chars[5].cell_x1_px);
  }
}

TEST(Layout, Newlines) {
  EXPECT_THAT(lines_of(Renderer().render("a\n\nb\n", columns_wide(8))), ElementsAre("a", "", "b"));
  const Page only = Renderer().render("\n", columns_wide(8));
  EXPECT_THAT(lines_of(only), ElementsAre(""));
  EXPECT_TRUE(only.chars.empty());
  EXPECT_EQ(only.text, "\n");
  const Page empty = Renderer().render("", columns_wide(8));
  EXPECT_TRUE(empty.lines.empty());
  EXPECT_TRUE(empty.text.empty());
  EXPECT_EQ(empty.report.fill_ratio, 0);
  EXPECT_THAT(lines_of(Renderer().render("   ", columns_wide(8))), ElementsAre("   "));
}

TEST(Layout, WordsWiderThanTheLineBreakBetweenCharacters) {
  EXPECT_THAT(lines_of(Renderer().render("ab 0123456789xyz c", columns_wide(8))), ElementsAre("ab", "01234567", "89xyz c"));
  // a mark stays with its base
  const Page page = Renderer().render("1234567q\xCC\x81q\xCC\x81" "8", columns_wide(8));
  EXPECT_THAT(lines_of(page), ElementsAre("1234567q\xCC\x81", "q\xCC\x81" "8"));
}

TEST(Layout, WordOfTenKilobytes) {
  const std::string word(10000, 'w');
  const Page page = Renderer().render("a " + word + " b", columns_wide(40, 300));
  expect_conserved(page, "a " + word + " b");
  EXPECT_EQ(page.report.num_bytes_left_out, 0u);
  EXPECT_EQ(page.lines.size(), 251u);  // 10,004 columns, no hole at the pieces' seams
  Style narrow = columns_wide(1, 4);
  narrow.width_px = 9;  // narrower than any character: one a line
  EXPECT_EQ(Renderer().render("abcdefg", narrow).text, "abcd");
}

TEST(Layout, BreaksBetweenIdeographs) {
  Style style = columns_wide(8);
  style.font = "WenQuanYi Micro Hei";
  style.font_size_px = 16;
  style.width_px = 8 + 16 * 5;
  EXPECT_THAT(lines_of(Renderer().render("中文排版测试这里是", style)), ElementsAre("中文排版测", "试这里是"));
  EXPECT_THAT(lines_of(Renderer().render("中文排版测，试", style)), ElementsAre("中文排版", "测，试")) << "no comma at a line's start";
}

TEST(Layout, RandomTextsAreConservedAndStayInsideMargins) {
  const Renderer renderer;
  for (uint64_t i = 0; i < 60; ++i) {
    Rng rng(3, 0, i);
    const std::string text = random_text(rng, 1 + rng.below(300));
    Style style;
    style.width_px = 60 + int64_t(rng.below(500));
    style.height_px = 60 + int64_t(rng.below(500));
    style.font_size_px = 5 + 0.25 * double(rng.below(60));
    style.font = rng.chance(0.5) ? "DejaVu Sans" : "WenQuanYi Micro Hei";
    style.line_height = 0.7 + rng.uniform();
    style.subpixel_positions = 1 + int64_t(rng.below(4));
    const Page page = renderer.render(text, style);
    expect_conserved(page, text);
    for (const CharBox& box : page.chars) EXPECT_LE(box.cell_x1_px, style.width_px - style.margin_right_px);
    for (size_t n = 0; n < page.lines.size(); ++n) {
      EXPECT_LE(page.lines[n].bottom_px, style.height_px - style.margin_bottom_px);
      EXPECT_GT(page.lines[n].baseline_px, page.lines[n].top_px);
      if (n > 0) {
        EXPECT_EQ(page.lines[n].top_px, page.lines[n - 1].bottom_px);
      }
    }
    // What is on the page, rendered again, is the same page.
    EXPECT_EQ(renderer.render(page.text, style).image.pixels, page.image.pixels);
  }
}

TEST(Layout, OverflowCutsOrFails) {
  Style style = columns_wide(8, 2);
  const Page page = Renderer().render("aaaa bbbb cccc dddd", style);
  EXPECT_EQ(page.text, "aaaa bbbb");
  EXPECT_EQ(page.report.num_bytes_left_out, 10u);
  style.overflow = "fail";
  EXPECT_THROW(Renderer().render("aaaa bbbb cccc dddd", style), RenderError);
  EXPECT_NO_THROW(Renderer().render("aaaa bbbb \n  ", style));  // nothing visible is missing
}

TEST(Layout, MegabyteIsCutToAPage) {
  std::string text;
  while (text.size() < (size_t(1) << 20)) text += "the quick brown fox jumps over the lazy dog ";
  const Page page = Renderer().render(text, Style{});
  expect_conserved(page, text);
  EXPECT_GT(page.text.size(), 2000u);
  EXPECT_GT(page.report.fill_ratio, 0.97);
  const Page unbroken = Renderer().render(std::string(size_t(1) << 20, 'x'), Style{});
  EXPECT_GT(unbroken.text.size(), 2000u);
}

TEST(Fit, ResultFitsAndTheNextStepDoesNot) {
  const Renderer renderer;
  for (uint64_t i = 0; i < 40; ++i) {
    Rng rng(4, 0, i);
    const std::string text = random_text(rng, 20 + rng.below(200));
    Style style;
    style.overflow = "fail";
    style.width_px = 200 + int64_t(rng.below(440));
    style.height_px = 200 + int64_t(rng.below(440));
    style.font = rng.chance(0.5) ? "Liberation Serif" : "DejaVu Sans Mono";
    const double step = rng.chance(0.5) ? 0.25 : 0.1;
    style.font_size_px = 1;
    double size = 0;
    try {
      size = renderer.fit_font_size(text, style, 3, 64, step);
    } catch (const RenderError& e) {
      EXPECT_THAT(e.what(), HasSubstr("does not fit"));
      style.font_size_px = 3;
      EXPECT_THROW(renderer.render(text, style), RenderError);
      continue;
    }
    EXPECT_NEAR(size / step, std::round(size / step), 1e-6);
    style.font_size_px = size;
    EXPECT_NO_THROW(renderer.render(text, style)) << size;
    style.font_size_px = size + step;
    if (size + step <= 64) {
      EXPECT_THROW(renderer.render(text, style), RenderError) << size;
    }
  }
}

TEST(Fit, Edges) {
  const Renderer renderer;
  EXPECT_EQ(renderer.fit_font_size("", Style{}), 64);
  EXPECT_EQ(renderer.fit_font_size("x", Style{}, 3, 20), 20);
  EXPECT_THROW(renderer.fit_font_size(std::string(100000, 'x'), Style{}), RenderError);
  EXPECT_THROW(renderer.fit_font_size("x", Style{}, 5, 3), ConfigError);
  EXPECT_THROW(renderer.fit_font_size("x", Style{}, 3, 64, 0), ConfigError);
  EXPECT_THROW(renderer.fit_font_size("x", Style{}, 3.1, 3.2, 0.25), ConfigError);
}

}  // namespace
}  // namespace fovea::render

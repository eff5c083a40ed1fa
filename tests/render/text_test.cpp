// Scripts, directions, breaks, hyphens, spacing, tabs, fallback: what the full layout decides.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> lines_of(const Page& page) {
  std::vector<std::string> out;
  for (const PageLine& line : page.lines) out.push_back(page.text.substr(line.byte_begin, line.byte_end - line.byte_begin));
  return out;
}

// Characters of a page from left to right (of its one line), by their cells.
std::string visual_order(const Page& page) {
  std::vector<std::pair<int, size_t>> order;
  for (size_t i = 0; i < page.chars.size(); ++i) order.emplace_back(page.chars[i].cell_x0_px, i);
  std::stable_sort(order.begin(), order.end());
  std::string out;
  for (const auto& [x, i] : order) {
    size_t pos = page.chars[i].byte_offset;
    const size_t begin = pos;
    next_code_point(page.text, pos);
    out += page.text.substr(begin, pos - begin);
  }
  return out;
}

Style sans(double size_px = 20) {
  Style style;
  style.font = "DejaVu Sans";
  style.font_size_px = size_px;
  return style;
}

TEST(Bidi, LinesAreOrderedAsTheyAreRead) {
  const Renderer renderer;
  EXPECT_EQ(visual_order(renderer.render("abc אבג def", sans())), "abc גבא def");
  EXPECT_EQ(visual_order(renderer.render("אבג abc דהו", sans())), "והד abc גבא");
  EXPECT_EQ(visual_order(renderer.render("אבג 123 דהו", sans())), "והד 123 גבא");
  Style left = sans();
  left.direction = "ltr";
  EXPECT_EQ(visual_order(renderer.render("אבג abc", left)), "גבא abc");
  left.direction = "rtl";
  EXPECT_EQ(visual_order(renderer.render("abc def", left)), "abc def");
  EXPECT_EQ(visual_order(renderer.render("abc, אבג", left)), "גבא ,abc");
  EXPECT_EQ(visual_order(renderer.render("ab \u202Ecd\u202C ef", sans())).find("dc") != std::string::npos, true);
}

TEST(Bidi, ParagraphsStartOnTheirSide) {
  const Renderer renderer;
  Style style = sans();
  const Page page = renderer.render("abc\nאבג", style);
  ASSERT_EQ(page.lines.size(), 2u);
  EXPECT_EQ(page.lines[0].start_px, style.margin_left_px);
  EXPECT_FALSE(page.lines[0].right_to_left);
  EXPECT_EQ(page.lines[1].end_px, style.width_px - style.margin_right_px);
  EXPECT_TRUE(page.lines[1].right_to_left);
  EXPECT_TRUE(page.chars.back().right_to_left);
  style.align = "right";  // the other side
  EXPECT_EQ(renderer.render("אבג", style).lines[0].start_px, style.margin_left_px);
}

TEST(Bidi, BracketsAreMirrored) {
  // In a right-to-left line the opening bracket looks like our closing one: its ink touches the right of its cell.
  Style style = sans(40);
  const Page page = Renderer().render("א(ב", style);
  const Page plain = Renderer().render("a)b", style);
  const auto ink_from_left = [](const CharBox& box) { return box.x0_px - box.cell_x0_px; };
  EXPECT_EQ(ink_from_left(page.chars[1]), ink_from_left(plain.chars[1]));
}

TEST(Bidi, TenThousandEmbeddings) {
  std::string text;
  for (int i = 0; i < 10000; ++i) text += "\u202B";
  text += "אבג abc";
  for (int i = 0; i < 10000; ++i) text += "\u202C";
  const Page page = Renderer().render(text + " end", sans());
  EXPECT_EQ(page.report.num_bytes_left_out + page.text.size(), text.size() + 4);
  EXPECT_EQ(page.chars.size(), to_code_points(page.text).size());
}

TEST(Shaping, ArabicLettersJoin) {
  // A joined word is narrower than its letters alone, and spans do not change it.
  const Renderer renderer;
  Style style = sans(32);
  const auto width = [](const Page& page) { return page.lines.at(0).end_px - page.lines.at(0).start_px; };
  const int joined = width(renderer.render("سلسبيل", style));
  int apart = 0;
  for (const char* letter : {"س", "ل", "س", "ب", "ي", "ل"}) apart += width(renderer.render(letter, style));
  EXPECT_LT(joined, apart * 0.9);
  StyledText styled;
  styled.text = "سلسبيل";
  TextSpan span;
  span.byte_begin = 4;
  span.byte_end = 8;
  span.color = "#ff0000";
  styled.spans.push_back(span);
  EXPECT_NEAR(width(renderer.render(styled, style)), joined, 1);
}

TEST(Shaping, IndicClustersShareABox) {
  Style style = sans(24);
  const Page page = Renderer().render("क्षि कि", style);  // one syllable each
  EXPECT_EQ(page.report.num_missing_glyphs, 0u);
  EXPECT_EQ(page.chars[0].x0_px, page.chars[1].x0_px);
  EXPECT_EQ(page.chars[0].x1_px, page.chars[3].x1_px);
}

TEST(Fallback, NamedInTheReportAndInOrder) {
  Style style = sans();
  style.fallback_fonts = {"WenQuanYi Micro Hei"};
  const Page page = Renderer().render("a 中文 ไทย", style);
  EXPECT_EQ(page.report.num_missing_glyphs, 0u);
  ASSERT_EQ(page.report.fallback_families.size(), 2u);
  EXPECT_EQ(page.report.fallback_families[0], "WenQuanYi Micro Hei");
  Style thai = style;  // which family has Thai depends on the fonts that are installed
  thai.font = page.report.fallback_families[1];
  thai.fallback_fonts.clear();
  thai.fallback = false;
  EXPECT_EQ(Renderer().render("ไทย", thai).report.num_missing_glyphs, 0u);
  EXPECT_EQ(page.report.num_fallback_glyphs, 5u);
  style.fallback = false;
  EXPECT_EQ(Renderer().render("a 中文", style).report.num_missing_glyphs, 2u);
  style.fallback_fonts = {"No such font"};
  style.fallback = true;
  EXPECT_THROW(Renderer().render("a 中", style), ConfigError);
}

TEST(Fallback, NoFontHasIt) {
  Style style = sans();
  const std::string text = "a\U000F1234\U0010FFFDb\x01";  // private use, and a control
  const Page page = Renderer().render(text, style);
  EXPECT_EQ(page.report.num_missing_glyphs, 3u);
  EXPECT_EQ(page.report.num_control_chars, 1u);
  EXPECT_EQ(page.report.missing_example, "\U000F1234");
  EXPECT_LT(page.chars[1].x0_px, page.chars[1].x1_px) << ".notdef has ink";
  style.strict = true;
  EXPECT_THROW(Renderer().render(text, style), RenderError);
}

TEST(Breaks, ThaiBreaksBetweenWords) {
  Style style = sans(20);
  style.width_px = 160;
  const std::string text = "ข้อความภาษาไทยที่ไม่มีช่องว่างระหว่างคำ";
  const Page page = Renderer().render(text, style);
  EXPECT_GT(page.lines.size(), 1u);
  for (const PageLine& line : page.lines) {  // no line begins with a vowel sign or a tone mark
    size_t pos = line.byte_begin;
    const char32_t c = next_code_point(page.text, pos);
    EXPECT_FALSE((c >= 0xE30 && c <= 0xE3A) || (c >= 0xE45 && c <= 0xE4E)) << std::hex << uint32_t(c);
  }
  std::string joined;
  for (const auto& line : lines_of(page)) joined += line;
  EXPECT_EQ(joined, text);
}

TEST(Breaks, KinsokuInBothModes) {
  Style style = sans(20);
  style.font = "WenQuanYi Micro Hei";
  style.width_px = 8 + 20 * 5;
  for (const char* mode : {"spaces", "icu"}) {
    style.line_breaks = mode;
    style.language = "ja";
    const Page page = Renderer().render("日本語文章、「始ま」り。ちょっと", style);
    for (const auto& line : lines_of(page)) {
      EXPECT_FALSE(line.starts_with("、") || line.starts_with("」") || line.starts_with("。") || line.starts_with("ょ") || line.starts_with("っ")) << line;
      EXPECT_FALSE(line.ends_with("「")) << line;
    }
  }
}

TEST(Breaks, IcuBreaksAfterHyphens) {
  Style style = sans(20);
  style.width_px = 150;
  EXPECT_THAT(lines_of(Renderer().render("wonderful well-intentioned", style)), ElementsAre("wonderful", "well-intention", "ed"));
  style.line_breaks = "icu";
  EXPECT_THAT(lines_of(Renderer().render("wonderful well-intentioned", style)), ElementsAre("wonderful", "well-", "intentioned"));
}

TEST(Breaks, SoftHyphensShowOnlyWhereTheyBreak) {
  Style style = sans(20);
  style.width_px = 100;
  const Page page = Renderer().render("wonder\u00ADful extra\u00ADordinary", style);
  EXPECT_THAT(lines_of(page), ElementsAre("wonder\u00AD", "ful extra\u00AD", "ordinary"));
  const CharBox& hyphen = page.chars[6];
  EXPECT_LT(hyphen.x0_px, hyphen.x1_px) << "drawn at the line's end";
  style.width_px = 600;
  const Page wide = Renderer().render("wonder\u00ADful", style);
  EXPECT_EQ(wide.chars[6].x0_px, wide.chars[6].x1_px) << "not drawn inside";
}

TEST(Breaks, Hyphenation) {
  Style style = sans(20);
  style.width_px = 150;
  style.hyphenate = true;
  const Page page = Renderer().render("the hyphenation algorithm", style);
  if (!page.report.notes.empty()) GTEST_SKIP() << page.report.notes[0];
  EXPECT_THAT(lines_of(page)[0], testing::AnyOf("the hyphen", "the hy", "the hyphena"));
  EXPECT_FALSE(page.decorations.empty()) << "the hyphen's ink";
  style.language = "xx";
  EXPECT_THAT(Renderer().render("the hyphenation", style).report.notes, Contains(HasSubstr("language 'xx'")));
}

TEST(Lines, JustifiedLinesReachBothMargins) {
  Style style = sans(14);
  style.width_px = 300;
  style.align = "justify";
  const Page page = Renderer().render("the quick brown fox jumps over the lazy dog and runs away from all of it at last", style);
  for (size_t i = 0; i + 1 < page.lines.size(); ++i) {
    EXPECT_EQ(page.lines[i].start_px, 4);
    EXPECT_EQ(page.lines[i].end_px, 296);
  }
  EXPECT_LT(page.lines.back().end_px, 290);
  style.font = "WenQuanYi Micro Hei";
  const Page chinese = Renderer().render("人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。", style);
  for (size_t i = 0; i + 1 < chinese.lines.size(); ++i) EXPECT_NEAR(chinese.lines[i].end_px, 296, 1);
}

TEST(Lines, AlignmentIndentsAndSpaces) {
  Style style = sans(14);
  style.width_px = 200;
  style.align = "center";
  PageLine line = Renderer().render("abc  ", style).lines[0];
  EXPECT_NEAR(line.start_px - 4, 196 - line.end_px, 1);
  style.align = "left";
  style.first_line_indent_px = 30;
  style.indent_left_px = 10;
  style.indent_right_px = 50;
  const Page page = Renderer().render("word word word word word word word", style);
  EXPECT_EQ(page.lines[0].start_px, 44);
  EXPECT_EQ(page.lines[1].start_px, 14);
  for (const auto& each : page.lines) EXPECT_LE(each.end_px, 146);
  style.paragraph_space_px = 7;
  const Page two = Renderer().render("a\nb", style);
  EXPECT_EQ(two.lines[1].top_px, two.lines[0].bottom_px + 7);
}

TEST(Lines, SpacingAndScale) {
  const auto width = [](const Style& style) {
    const PageLine line = Renderer().render("abcd efgh", style).lines[0];
    return line.end_px - line.start_px;
  };
  Style style = sans(20);
  const int plain = width(style);
  style.letter_spacing_px = 2;
  EXPECT_NEAR(width(style), plain + 18, 1);
  style.letter_spacing_px = 0;
  style.word_spacing_px = 5;
  EXPECT_NEAR(width(style), plain + 5, 1);
  style.word_spacing_px = 0;
  style.horizontal_scale = 0.5;
  EXPECT_NEAR(width(style), plain / 2, 1);
}

TEST(Lines, TabsAndLineEnds) {
  Style style = sans(20);
  style.font = "DejaVu Sans Mono";
  const Page page = Renderer().render("a\tb\r\nccccc\td", style);
  EXPECT_EQ(page.report.num_missing_glyphs, 0u);
  const double column = 20 * 1233.0 / 2048;
  EXPECT_NEAR(page.chars[2].cell_x0_px, 4 + 4 * column, 1);
  EXPECT_NEAR(page.chars.back().cell_x0_px, 4 + 8 * column, 1);
  EXPECT_EQ(page.lines.size(), 2u);
}

TEST(Newlines, Policies) {
  Style style = sans(20);
  style.newline = "drop";
  EXPECT_THAT(lines_of(Renderer().render("a\nb\n\nc", style)), ElementsAre("a\nb\n\nc"));
  style.newline = "marker";
  const Page page = Renderer().render("a\nb", style);
  EXPECT_EQ(page.lines.size(), 1u);
  ASSERT_EQ(page.chars.size(), 3u);
  EXPECT_LT(page.chars[1].x0_px, page.chars[1].x1_px) << "the marker is the newline's ink";
  style.newline_marker_color = "#ff0000";
  EXPECT_EQ(Renderer().render("a\nb", style).image.channels, 3);
  style.newline = "marker_break";
  style.newline_marker_color = "";
  EXPECT_EQ(Renderer().render("a\nb\n", style).lines.size(), 2u);
}

TEST(Newlines, LongMarkerIsClippedNotBroken) {
  Style style;
  style.width_px = 120, style.height_px = 200;
  style.newline = "marker";
  style.newline_marker = std::string(60, 'N');  // wider than the page
  const Page page = Renderer().render("one\ntwo\nthree", style);
  EXPECT_EQ(page.text, "one\ntwo\nthree");
  ASSERT_EQ(page.chars.size(), 13u);
  for (size_t i = 0; i < page.chars.size(); ++i) EXPECT_EQ(page.chars[i].byte_offset, i);
  EXPECT_GT(page.report.num_clipped_glyphs, 0u);
}

TEST(Vertical, ColumnsRunFromRightToLeft) {
  Style style = sans(20);
  style.font = "WenQuanYi Micro Hei";
  style.direction = "vertical";
  style.width_px = 300;
  style.height_px = 8 + 20 * 4;
  const Page page = Renderer().render("一二三四五六", style);
  ASSERT_EQ(page.lines.size(), 2u);
  EXPECT_TRUE(page.lines[0].vertical);
  EXPECT_GT(page.lines[0].top_px, page.lines[1].top_px) << "x of the line's left edge";
  EXPECT_EQ(page.lines[0].bottom_px, 296);
  EXPECT_LT(page.chars[0].y1_px, page.chars[1].y1_px);
  EXPECT_GT(page.chars[0].x0_px, page.chars[5].x0_px);
}

TEST(Spans, SizesColoursAndBackgrounds) {
  StyledText text;
  text.text = "small BIG small";
  TextSpan big;
  big.byte_begin = 6, big.byte_end = 9;
  big.font_scale = 2;
  big.bold = true;
  big.color = "#0000ff";
  big.background = "#ffff00";
  text.spans.push_back(big);
  const Page page = Renderer().render(text, sans(12));
  EXPECT_EQ(page.image.channels, 3);
  EXPECT_GT(page.chars[6].y1_px - page.chars[6].y0_px, 1.6 * (page.chars[4].y1_px - page.chars[4].y0_px));
  EXPECT_EQ(page.decorations.size(), 1u);
  text.spans[0].byte_end = 99;
  EXPECT_THROW(Renderer().render(text, sans(12)), ConfigError);
  text.spans[0].byte_end = 9;
  text.spans[0].color = "blue";
  EXPECT_THROW(Renderer().render(text, sans(12)), ConfigError);
}

}  // namespace
}  // namespace fovea::render

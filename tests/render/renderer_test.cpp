// Pixels against the glyph map, missing glyphs, determinism over threads, styles that are wrong.
#include "fovea/render/renderer.h"

#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::render {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const char kProse[] =
    "“Où est l’Ærøskøbing-façade?” asked Zoë – naïve, señor – über Straße №5; fjord, office, AVAST! Œuvre à 12€ (50%).\n"
    "Second paragraph   with three spaces, e\xCC\x81 and o\xCC\x88 decomposed, and an end.";

template <class Body> std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

// Every ink pixel lies in a box; every box has ink in its first and last row and column.
void expect_boxes_are_tight(const Page& page, uint8_t paper) {
  const Image& image = page.image;
  std::vector<uint8_t> covered(image.pixels.size(), 0);
  const auto ink = [&](int x, int y) { return image.row(y)[x] != paper; };
  for (const CharBox& box : page.chars) {
    if (box.x0_px == box.x1_px) continue;
    ASSERT_LT(box.x0_px, box.x1_px);
    ASSERT_LT(box.y0_px, box.y1_px);
    ASSERT_GE(box.x0_px, 0);
    ASSERT_GE(box.y0_px, 0);
    ASSERT_LE(box.x1_px, image.width_px);
    ASSERT_LE(box.y1_px, image.height_px);
    bool left = false, right = false, top = false, bottom = false;
    for (int y = box.y0_px; y < box.y1_px; ++y) {
      left |= ink(box.x0_px, y), right |= ink(box.x1_px - 1, y);
      std::fill_n(covered.begin() + y * image.width_px + box.x0_px, box.x1_px - box.x0_px, 1);
    }
    for (int x = box.x0_px; x < box.x1_px; ++x) top |= ink(x, box.y0_px), bottom |= ink(x, box.y1_px - 1);
    EXPECT_TRUE(left && right && top && bottom) << "loose box of the character at byte " << box.byte_offset;
  }
  size_t num_outside = 0;
  for (size_t i = 0; i < covered.size(); ++i) num_outside += image.pixels[i] != paper && !covered[i];
  EXPECT_EQ(num_outside, 0u) << "ink outside every box";
}

struct Look {
  const char* font;
  double size_px;
  int64_t phases;
  const char* hinting;
};

class Boxes : public testing::TestWithParam<Look> {};

TEST_P(Boxes, AreTightAroundInk) {
  Style style;
  style.width_px = 411;
  style.height_px = 300;
  style.font = GetParam().font;
  style.font_size_px = GetParam().size_px;
  style.subpixel_positions = GetParam().phases;
  style.hinting = GetParam().hinting;
  const Page page = Renderer().render(kProse, style);
  expect_boxes_are_tight(page, 255);
  size_t num_inked = 0;
  for (const CharBox& box : page.chars) num_inked += box.x1_px > box.x0_px;
  EXPECT_GT(num_inked, 100u);
}

INSTANTIATE_TEST_SUITE_P(Looks, Boxes,
                         testing::Values(Look{"DejaVu Sans Mono", 12, 1, "light"}, Look{"DejaVu Sans", 9.25, 4, "none"},
                                         Look{"DejaVu Serif", 15.5, 8, "light"}, Look{"Liberation Serif", 11, 2, "light"},
                                         Look{"Liberation Sans", 6.75, 3, "none"}, Look{"Liberation Mono", 13, 1, "none"},
                                         Look{"Noto Sans", 10, 1, "light"}, Look{"Noto Serif", 12.25, 4, "none"},
                                         Look{"WenQuanYi Micro Hei", 14, 1, "light"}));

// Each character drawn alone with its pen on the same pixel has the same ink box, moved.
TEST(Renderer, BoxIsThatOfTheCharacterAlone) {
  const Renderer renderer;
  Style style;
  style.font = "Liberation Serif";
  style.font_size_px = 17;
  const std::string text = "fjWAVg,_Q";
  const Page page = renderer.render(text, style);
  ASSERT_EQ(page.chars.size(), text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const CharBox& box = page.chars[i];
    Style alone = style;
    alone.margin_left_px = box.cell_x0_px;
    const CharBox single = renderer.render(text.substr(i, 1), alone).chars.at(0);
    EXPECT_EQ(single.y0_px, box.y0_px);
    EXPECT_EQ(single.y1_px, box.y1_px);
    EXPECT_EQ(single.x1_px - single.x0_px, box.x1_px - box.x0_px);
    EXPECT_EQ(single.x0_px, box.x0_px) << text[i];
  }
}

TEST(Renderer, GlyphsClippedAtPageBorders) {
  Style style;
  style.width_px = 50, style.height_px = 23;
  style.margin_left_px = style.margin_top_px = style.margin_right_px = style.margin_bottom_px = 0;
  style.line_height = 0.5;
  style.font = "Liberation Serif";
  for (double size : {3.0, 20.0, 45.0, 400.0}) {
    style.font_size_px = size;
    for (int64_t phases : {1, 4}) {
      style.subpixel_positions = phases;
      expect_boxes_are_tight(Renderer().render("jÅfÊj Åjgy@ AWMjjjfff", style), 255);
    }
  }
}

TEST(Renderer, InkAndPaperGray) {
  Style style;
  style.page_gray = 30;
  style.text_gray = 220;
  const Page page = Renderer().render("Light on dark", style);
  EXPECT_EQ(page.image.row(0)[0], 30);
  EXPECT_EQ(*std::min_element(page.image.pixels.begin(), page.image.pixels.end()), 30);
  EXPECT_GT(*std::max_element(page.image.pixels.begin(), page.image.pixels.end()), 200);
}

TEST(Renderer, AccentsAndQuotesHaveGlyphsAndBoxes) {
  const std::string text = "éßñŒœåÇØþ“”‘’–—…€";
  for (const char* font : {"DejaVu Sans Mono", "DejaVu Serif", "Liberation Sans", "Noto Sans", "Noto Serif"}) {
    Style style;
    style.font = font;
    const Page page = Renderer().render(text, style);
    EXPECT_EQ(page.report.num_missing_glyphs, 0u) << font;
    EXPECT_EQ(page.report.font_family, font);
    ASSERT_EQ(page.chars.size(), to_code_points(text).size());
    for (const CharBox& box : page.chars) EXPECT_LT(box.x0_px, box.x1_px) << font << " byte " << box.byte_offset;
  }
}

TEST(Renderer, LatinLettersKeepBoxesOfTheirOwn) {
  Style style;
  style.font = "DejaVu Sans";  // has ligatures for fi and ffi
  const Page page = Renderer().render("office file", style);
  ASSERT_EQ(page.chars.size(), 11u);
  for (size_t i = 1; i < 6; ++i) EXPECT_LT(page.chars[i - 1].cell_x0_px, page.chars[i].cell_x0_px);
}

TEST(Renderer, CombiningMarksShareTheBox) {
  Style style;
  style.font = "DejaVu Sans";
  const Page page = Renderer().render("xq\xCC\x81z", style);  // no precomposed q with acute
  ASSERT_EQ(page.chars.size(), 4u);
  EXPECT_EQ(page.chars[1].x0_px, page.chars[2].x0_px);
  EXPECT_EQ(page.chars[1].y0_px, page.chars[2].y0_px);
  EXPECT_EQ(page.chars[2].byte_offset, 2u);
  EXPECT_EQ(page.chars[3].byte_offset, 4u);
}

TEST(Renderer, MissingGlyphsAreCountedAndDrawn) {
  Style style;
  style.font = "Liberation Mono";
  style.fallback = false;
  style.tab_spaces = 0;
  const Page page = Renderer().render("a中文\tb", style);
  EXPECT_EQ(page.report.num_missing_glyphs, 3u);
  EXPECT_EQ(page.report.missing_example, "中");
  ASSERT_EQ(page.chars.size(), 5u);
  EXPECT_LT(page.chars[1].x0_px, page.chars[1].x1_px) << ".notdef has ink";
  style.font = "WenQuanYi Micro Hei";
  EXPECT_EQ(Renderer().render("a中文b", style).report.num_missing_glyphs, 0u);
}

TEST(Renderer, ControlCharactersAreMissingInEveryFont) {
  for (const char* font : {"DejaVu Sans", "Liberation Serif", "Noto Sans", "WenQuanYi Micro Hei"}) {
    Style style;
    style.font = font;
    std::string text = "a\rb\x01\x7F\xC2\x85";
    text += '\0';
    EXPECT_EQ(Renderer().render(text, style).report.num_missing_glyphs, 5u) << font;
  }
}

TEST(Renderer, StrictNamesTheCharacter) {
  Style style;
  style.font = "Liberation Mono";
  style.strict = true;
  style.fallback = false;
  style.tab_spaces = 0;
  const Renderer renderer;
  EXPECT_THROW(renderer.render("ab 中", style), RenderError);
  EXPECT_THAT(message_of([&] { renderer.render("ab 中", style); }), AllOf(HasSubstr("U+4E2D '中'"), HasSubstr("byte 3")));
  EXPECT_THAT(message_of([&] { renderer.fit_font_size("ab\t", style); }), HasSubstr("U+0009 at byte 2"));
}

TEST(Renderer, BadStylesAreListedAtOnce) {
  Style style;
  style.width_px = 0;
  style.font_size_px = -3;
  style.hinting = "heavy";
  style.margin_top_px = style.margin_bottom_px = 320;
  EXPECT_THROW(validate(style), ConfigError);
  EXPECT_THAT(message_of([&] { Renderer().render("x", style); }),
              AllOf(HasSubstr("width_px"), HasSubstr("font_size_px"), HasSubstr("hinting"), HasSubstr("margin_top_px")));
  Style nan;
  nan.font_size_px = std::nan("");
  EXPECT_THROW(validate(nan), ConfigError);
}

TEST(Renderer, InvalidUtf8NamesItsPosition) {
  EXPECT_THAT(message_of([] { Renderer().render("abc\xFFz", Style{}); }), AllOf(HasSubstr("0xFF"), HasSubstr("position 3")));
  EXPECT_THROW(Renderer().fit_font_size("ab\xC3", Style{}), ConfigError);
}

TEST(Renderer, SubpixelPhasesMoveInk) {
  Style style;
  style.font = "Liberation Sans";
  style.hinting = "none";
  style.font_size_px = 11.3;
  const std::string text = "nnnnnnnnnnnnnnnnnnnn";
  const auto distinct_shapes = [&](int64_t phases) {
    style.subpixel_positions = phases;
    const Page page = Renderer().render(text, style);
    std::vector<std::vector<uint8_t>> shapes;
    for (const CharBox& box : page.chars) {
      std::vector<uint8_t> shape;
      for (int y = box.y0_px; y < box.y1_px; ++y)
        shape.insert(shape.end(), page.image.row(y) + box.x0_px, page.image.row(y) + box.x1_px);
      if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
    }
    return shapes.size();
  };
  EXPECT_EQ(distinct_shapes(1), 1u);
  EXPECT_GE(distinct_shapes(4), 3u);
}

bool same_page(const Page& a, const Page& b) {
  if (a.image.pixels != b.image.pixels || a.text != b.text || a.chars.size() != b.chars.size()) return false;
  for (size_t i = 0; i < a.chars.size(); ++i) {
    const CharBox &p = a.chars[i], &q = b.chars[i];
    if (p.byte_offset != q.byte_offset || p.line != q.line || p.x0_px != q.x0_px || p.x1_px != q.x1_px || p.y0_px != q.y0_px ||
        p.y1_px != q.y1_px || p.cell_x0_px != q.cell_x0_px || p.cell_x1_px != q.cell_x1_px)
      return false;
  }
  return true;
}

TEST(Renderer, SameBytesOnOneAndManyThreads) {
  constexpr size_t kPages = 160;
  const std::vector<std::string> fonts = {"DejaVu Sans Mono", "DejaVu Serif", "Liberation Serif", "Noto Sans", "WenQuanYi Micro Hei"};
  const auto job = [&](const Renderer& renderer, size_t i) {
    Rng rng(5, 1, i);
    Style style;
    style.width_px = 200 + int64_t(rng.below(200));
    style.height_px = 200;
    style.font = fonts[rng.below(fonts.size())];
    style.font_size_px = 6 + 0.25 * double(rng.below(40));
    style.subpixel_positions = 1 + int64_t(rng.below(4));
    style.hinting = rng.chance(0.5) ? "light" : "none";
    std::string text;
    for (int w = 0; w < 200; ++w) {
      for (uint64_t n = 1 + rng.below(9); n-- > 0;) append_utf8(text, rng.chance(0.05) ? 0x4E00 + rng.below(500) : 'a' + rng.below(26));
      text += rng.chance(0.05) ? '\n' : ' ';
    }
    return renderer.render(text, style);
  };
  std::vector<Page> alone(kPages), together(kPages);
  const Renderer first, second;
  parallel_for(kPages, 1, [&](size_t i) { alone[i] = job(first, i); });
  parallel_for(kPages, 8, [&](size_t i) { together[kPages - 1 - i] = job(second, kPages - 1 - i); });
  for (size_t i = 0; i < kPages; ++i) EXPECT_TRUE(same_page(alone[i], together[i])) << i;
}

// More distinct words than the first tables hold: the cache grows while pages are drawn from it.
TEST(Renderer, ManyDistinctWordsOnManyThreads) {
  constexpr size_t kPages = 64;
  Style style;
  style.width_px = style.height_px = 320;
  style.font = "Liberation Sans";
  style.font_size_px = 5;
  const auto text_of = [](size_t page) {
    Rng rng(6, 0, page);
    std::string text;
    for (int w = 0; w < 400; ++w) {
      for (uint64_t n = 3 + rng.below(6); n-- > 0;) text += char('a' + rng.below(26));
      text += ' ';
    }
    return text;
  };
  const Renderer shared;
  std::vector<Page> first(kPages), again(kPages);
  parallel_for(kPages, 8, [&](size_t i) { first[i] = shared.render(text_of(i), style); });
  parallel_for(kPages, 8, [&](size_t i) { again[i] = shared.render(text_of(i), style); });
  for (size_t i = 0; i < kPages; ++i) {
    EXPECT_TRUE(same_page(first[i], again[i]));
    EXPECT_GT(first[i].chars.size(), 2000u);
  }
  EXPECT_TRUE(same_page(first[7], Renderer().render(text_of(7), style)));
}

TEST(Page, MarkChars) {
  const Page page = Renderer().render("ab c", Style{});
  const Image marked = mark_chars(page, {1, 2, 1}, 255, 0, 0);
  EXPECT_EQ(marked.channels, 3);
  const PageLine& line = page.lines.at(0);
  const uint8_t* inside = marked.row(line.top_px) + 3 * page.chars[1].cell_x0_px;
  EXPECT_EQ(inside[0], 255);
  EXPECT_LT(inside[1], 200);
  const uint8_t* outside = marked.row(line.top_px) + 3 * (page.chars[0].cell_x0_px);
  EXPECT_EQ(outside[1], 255);
  EXPECT_THROW(mark_chars(page, {4}, 0, 0, 0), ShapeError);
  EXPECT_NO_THROW(mark_chars(Renderer().render("", Style{}), {}, 0, 0, 0));
}

}  // namespace
}  // namespace fovea::render

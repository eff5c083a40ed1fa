// Pages of one text, columns, fits, channels, and input that is bad.
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::HasSubstr;

std::string sample(const std::string& name) { return read_file(std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/" + name + ".txt"); }

template <class Body> std::string message_of(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

void expect_whole(const std::vector<Page>& pages, const std::string& text) {
  size_t at = 0;
  for (const Page& page : pages) {
    EXPECT_EQ(page.byte_begin, at);
    EXPECT_EQ(page.text, text.substr(at, page.text.size()));
    EXPECT_EQ(size_t(page.page_index), size_t(&page - pages.data()));
    size_t box = 0;
    for (size_t pos = 0; pos < page.text.size();) {
      const size_t begin = pos;
      if (next_code_point(page.text, pos) == U'\n') continue;
      ASSERT_LT(box, page.chars.size());
      ASSERT_EQ(page.chars[box++].byte_offset, begin) << "page " << page.page_index;
    }
    EXPECT_EQ(box, page.chars.size());
    at += page.text.size();
    EXPECT_EQ(page.report.num_bytes_left_out, text.size() - at);
  }
  EXPECT_EQ(at, text.size());
}

TEST(Pages, EveryByteIsOnOnePage) {
  const Renderer renderer;
  for (const char* name : {"udhr_ar", "udhr_hi", "udhr_th", "udhr_fr", "zh_xu_xiake_travels"}) {
    const std::string text = sample(name);
    Style style;
    style.width_px = 400, style.height_px = 300;
    expect_whole(renderer.render_pages(text, style), text);
    style.columns = 2;
    style.align = "justify";
    style.hyphenate = true;
    expect_whole(renderer.render_pages(text, style), text);
  }
}

TEST(Pages, LinesAreThoseOfOneTallPage) {
  const std::string text = sample("udhr_fr");
  Style style;
  style.width_px = 400, style.height_px = 300;
  style.line_pitch_px = 16;
  std::vector<std::string> split, whole;
  for (const Page& page : Renderer().render_pages(text, style))
    for (const PageLine& line : page.lines) split.push_back(page.text.substr(line.byte_begin, line.byte_end - line.byte_begin));
  style.height_px = 16384;
  const Page tall = Renderer().render(text, style);
  for (const PageLine& line : tall.lines) whole.push_back(tall.text.substr(line.byte_begin, line.byte_end - line.byte_begin));
  EXPECT_EQ(split, whole);
}

TEST(Pages, StopsWhenAsked) {
  Style style;
  size_t num = 0;
  Renderer().render_pages(sample("en_the_man_who_was_thursday"), style, [&](Page&&) { return ++num < 3; });
  EXPECT_EQ(num, 3u);
  EXPECT_EQ(Renderer().render_pages(sample("udhr_fr"), style, 1).size(), 1u);
  EXPECT_EQ(Renderer().render_pages("", style).size(), 1u);
  style.overflow = "fail";
  EXPECT_THROW(Renderer().render_pages("a", style), ConfigError);
  style.overflow = "cut";
  style.font_size_px = 900;
  EXPECT_THROW(Renderer().render_pages("a", style), RenderError);
  style.keep_draw_list = true;
  EXPECT_THROW(Renderer().render_pages("a", style), RenderError);
}

TEST(Pages, CropOfTheLastPage) {
  Style style;
  style.height_px = 300;
  style.crop = "last";
  const auto pages = Renderer().render_pages(sample("udhr_fr"), style);
  for (size_t i = 0; i + 1 < pages.size(); ++i) EXPECT_EQ(pages[i].image.height_px, 300);
  EXPECT_EQ(pages.back().image.height_px, pages.back().lines.back().bottom_px + style.margin_bottom_px);
}

TEST(Pages, CropKeepsMargins) {
  Style style;
  style.crop = "both";
  const Page page = Renderer().render("abc\nab", style);
  EXPECT_EQ(page.image.width_px, page.lines[0].end_px + style.margin_right_px);
  EXPECT_EQ(page.image.height_px, page.lines[1].bottom_px + style.margin_bottom_px);
  const Page hebrew = Renderer().render("אבג", style);
  EXPECT_EQ(hebrew.lines[0].start_px, style.margin_left_px);
  EXPECT_LT(hebrew.image.width_px, 100);
  const Page empty = Renderer().render("", style);
  EXPECT_EQ(empty.image.width_px, 8);
  EXPECT_EQ(empty.image.height_px, 8);
}

TEST(Columns, FillOneAfterTheOther) {
  Style style;
  style.columns = 3;
  style.column_gap_px = 10;
  const Page page = Renderer().render(sample("en_the_man_who_was_thursday"), style);
  const int64_t column_px = (640 - 8 - 20) / 3;
  EXPECT_EQ(page.chars.front().column, 0);
  EXPECT_EQ(page.chars.back().column, 2);
  for (const CharBox& box : page.chars) {
    const int64_t left = 4 + box.column * (column_px + 10);
    EXPECT_GE(box.cell_x0_px, left);
    EXPECT_LE(box.cell_x1_px, left + column_px);
  }
  EXPECT_GT(page.report.fill_ratio, 0.97);
}

TEST(Fit, FillRatioIsReachedFromBelow) {
  const Renderer renderer;
  const std::string text = sample("udhr_fr").substr(0, 1500);
  for (const bool full : {false, true}) {
    Style style;
    style.keep_draw_list = full;
    for (double wanted : {0.3, 0.6, 0.95}) {
      style.font_size_px = renderer.fit_fill_ratio(text, style, wanted);
      const double filled = renderer.render(text, style).report.fill_ratio;
      EXPECT_LE(filled, wanted);
      style.font_size_px += 0.25;
      const Page larger = renderer.render(text, style);
      EXPECT_TRUE(larger.report.fill_ratio > wanted || larger.report.num_bytes_left_out > 0);
      EXPECT_GT(filled, wanted * 0.75);
    }
  }
  EXPECT_THROW(renderer.fit_fill_ratio(text, Style{}, 0), ConfigError);
  EXPECT_THROW(renderer.fit_fill_ratio(text, Style{}, 1.1), ConfigError);
}

TEST(Fit, TokenRatio) {
  const Renderer renderer;
  const std::string text = sample("udhr_el");
  std::vector<size_t> ends;
  for (size_t at = 3; at < text.size(); at += 3) ends.push_back(at);  // tokens that end inside characters, too
  ends.push_back(text.size());
  for (double ratio : {2.0, 5.0, 7.5}) {
    const TokenFit fit = renderer.fit_token_ratio(text, ends, ratio, 64, Style{});
    EXPECT_EQ(fit.num_text_tokens, size_t(std::round(ratio * 64)));
    EXPECT_GE(fit.num_bytes, ends[fit.num_text_tokens - 1]);
    EXPECT_LT(fit.num_bytes, ends[fit.num_text_tokens - 1] + 4);
    Style style;
    style.font_size_px = fit.font_size_px;
    style.overflow = "fail";
    EXPECT_EQ(renderer.render(text.substr(0, fit.num_bytes), style).text.size(), fit.num_bytes);
    style.font_size_px += 0.25;
    EXPECT_THROW(renderer.render(text.substr(0, fit.num_bytes), style), RenderError);
  }
  EXPECT_EQ(renderer.fit_token_ratio("abc", {1, 2, 3}, 100, 64, Style{}).num_text_tokens, 3u);
  EXPECT_THROW(renderer.fit_token_ratio("abc", {}, 1, 64, Style{}), ConfigError);
  EXPECT_THROW(renderer.fit_token_ratio("abc", {2, 1}, 1, 64, Style{}), ConfigError);
  EXPECT_THROW(renderer.fit_token_ratio("abc", {9}, 1, 64, Style{}), ConfigError);
}

TEST(Fit, FullLayoutResultFitsAndTheNextStepDoesNot) {
  const Renderer renderer;
  for (const char* name : {"udhr_ar", "udhr_hi", "udhr_th"}) {
    std::string text = sample(name).substr(0, 1200);
    while (find_invalid_utf8(text) != std::string_view::npos) text.pop_back();
    Style style;
    style.columns = 2;
    style.overflow = "fail";
    style.font_size_px = renderer.fit_font_size(text, style);
    EXPECT_NO_THROW(renderer.render(text, style));
    style.font_size_px += 0.25;
    EXPECT_THROW(renderer.render(text, style), RenderError) << name;
  }
}

TEST(Fit, SquarePacking) {
  const Renderer renderer;
  const std::string text = sample("en_the_man_who_was_thursday").substr(0, 2500);
  Style style;
  style.font = "DejaVu Sans";
  style.newline = "drop";
  style.align = "justify";
  SquareFit fit = renderer.pack_square(text, style, 512, 16);
  EXPECT_EQ(fit.side_px, 512);
  EXPECT_GT(fit.fill_ratio, 0.9);
  Page page = renderer.render(text, fit.style);
  EXPECT_EQ(page.report.num_bytes_left_out, 0u);
  EXPECT_NEAR(page.lines.back().bottom_px, 512 - style.margin_bottom_px, 1) << "the last line ends at the margin";
  style.font_size_px = 10;
  fit = renderer.pack_square(text, style, 2048, 16, true);
  EXPECT_EQ(fit.side_px % 16, 0);
  EXPECT_EQ(fit.style.font_size_px, 10);
  EXPECT_GT(fit.fill_ratio, 0.85);
  page = renderer.render(text, fit.style);
  EXPECT_EQ(page.report.num_bytes_left_out, 0u);
  EXPECT_NEAR(page.lines.back().bottom_px, fit.side_px - style.margin_bottom_px, 1);
  Style smaller = style;
  smaller.width_px = smaller.height_px = fit.side_px - 16;
  EXPECT_GT(renderer.render(text, smaller).report.num_bytes_left_out, 0u) << "no smaller square holds it";
  EXPECT_THROW(renderer.pack_square(text, style, 64, 16, true), RenderError);
  EXPECT_THROW(renderer.pack_square(text, style, 8, 16), ConfigError);
}

TEST(Channels, ThreeTextsEachItsOwn) {
  const Renderer renderer;
  Style style;
  style.width_px = style.height_px = 120;
  const Page page = renderer.render_channels({"red text", "grün", "青 אבג"}, style);
  EXPECT_EQ(page.image.channels, 3);
  EXPECT_EQ(page.text, "red textgrün青 אבג");
  const char* texts[] = {"red text", "grün", "青 אבג"};
  for (int channel = 0; channel < 3; ++channel) {
    const Page alone = renderer.render(texts[channel], style);
    for (size_t i = 0; i < alone.image.pixels.size(); ++i) ASSERT_EQ(page.image.pixels[3 * i + size_t(channel)], alone.image.pixels[i]);
  }
  size_t num[3] = {};
  for (const CharBox& box : page.chars) {
    ++num[box.channel];
    EXPECT_EQ(page.lines.at(box.line).channel, box.channel);
  }
  EXPECT_EQ(num[0], 8u);
  EXPECT_EQ(num[1], 4u);
  EXPECT_EQ(num[2], 5u);
  style.text_color = "#ff0000";
  EXPECT_THROW(renderer.render_channels({"a", "b", "c"}, style), ConfigError);
}

TEST(BadInput, StylesThatCannotBe) {
  const auto message = [](auto change) {
    Style style;
    change(style);
    return message_of([&] { Renderer().render("x", style); });
  };
  EXPECT_THAT(message([](Style& s) { s.width_px = 0; }), HasSubstr("width_px must be at least 1"));
  EXPECT_THAT(message([](Style& s) { s.width_px = 1 << 20, s.height_px = 1 << 20; }), HasSubstr("width_px"));
  EXPECT_THAT(message([](Style& s) { s.margin_left_px = -1; }), HasSubstr("margin_left_px"));
  EXPECT_THAT(message([](Style& s) { s.columns = 400; }), HasSubstr("columns must leave each column"));
  EXPECT_THAT(message([](Style& s) { s.columns = 2, s.column_gap_px = 700; }), HasSubstr("columns"));
  EXPECT_THAT(message([](Style& s) { s.indent_left_px = 640; }), HasSubstr("indent_left_px"));
  EXPECT_THAT(message([](Style& s) { s.paper = "a0"; }), HasSubstr("paper"));
  EXPECT_THAT(message([](Style& s) { s.paper = "a3", s.dpi = 2400; }), HasSubstr("width_px"));
  EXPECT_THAT(message([](Style& s) { s.text_color = "red"; }), HasSubstr("text_color must be #rrggbb, got 'red'"));
  EXPECT_THAT(message([](Style& s) { s.language = "en; rm"; }), HasSubstr("language"));
  EXPECT_THAT(message([](Style& s) { s.newline = "marker", s.newline_marker = "a\nb"; }), HasSubstr("newline_marker"));
  EXPECT_THAT(message([](Style& s) { s.newline = "marker", s.newline_marker = "\xFF"; }), HasSubstr("not UTF-8"));
  EXPECT_THAT(message([](Style& s) { s.align = "middle"; }), HasSubstr("align"));
  EXPECT_THAT(message([](Style& s) { s.letter_spacing_px = std::nan(""); }), HasSubstr("letter_spacing_px"));
}

TEST(BadInput, GigapixelPagesAreRefusedOrDrawn) {
  Style style;
  style.width_px = style.height_px = 16384;  // the largest: a quarter of a gigapixel
  style.crop = "both";
  EXPECT_LT(Renderer().render("small", style).image.width_px, 100);
  style.width_px = 32768;
  EXPECT_THROW(Renderer().render("small", style), ConfigError);
}

TEST(BadInput, HundredMegabytesCostAPage) {
  std::string text;
  while (text.size() < size_t(100) << 20) text += "the quick brown fox jumps over the lazy dog and العربية too ";
  for (const bool full : {false, true}) {
    Style style;
    style.keep_draw_list = full;
    const Renderer renderer;
    renderer.render(std::string_view(text).substr(0, 4000), style);
    const auto start = std::chrono::steady_clock::now();
    const Page page = renderer.render(text, style);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    EXPECT_EQ(page.text.size() + page.report.num_bytes_left_out, text.size());
    EXPECT_GT(page.text.size(), 1000u);
    EXPECT_LT(seconds, 20) << "the check of UTF-8 reads all of it, layout only a page";
  }
  EXPECT_THROW(Renderer().fit_font_size(text, Style{}), RenderError);
}

TEST(BadInput, WordOfAMegabyte) {
  for (const std::string& unit : {std::string("w"), std::string("س"), std::string("ไ"), std::string("e\u0301"), std::string("\U0001F469\u200D"),
                                  std::string("\u0301"), std::string("\u200B"), std::string("\t"), std::string("\u00AD")}) {
    std::string word;
    while (word.size() < size_t(1) << 20) word += unit;
    const Page page = Renderer().render("a " + word + " b", Style{});
    EXPECT_EQ(page.text.size() + page.report.num_bytes_left_out, word.size() + 4) << unit;
    EXPECT_EQ(page.chars.size(), to_code_points(page.text).size()) << unit;
  }
}

TEST(BadInput, ControlsAndNulAreCounted) {
  std::string text = "a";
  text += '\0';
  text += "\x01\x02 b\x7F\u0085\u200E c\uFEFF\uFFFE\uFFFF";
  for (const bool full : {false, true}) {
    Style style;
    style.keep_draw_list = full;
    const Page page = Renderer().render(text, style);
    EXPECT_EQ(page.text, text);
    EXPECT_EQ(page.chars.size(), to_code_points(text).size());
    EXPECT_EQ(page.report.num_control_chars, 5u);
    EXPECT_GE(page.report.num_missing_glyphs, 5u);
  }
  EXPECT_THAT(message_of([] { Renderer().render_pages("abc\xED\xA0\x80", Style{}); }), HasSubstr("position 3"));
}

TEST(BadInput, PagesWithoutRoomForALine) {
  Style style;
  style.height_px = 10;
  for (const bool full : {false, true}) {
    style.keep_draw_list = full;
    const Page page = Renderer().render("abc def", style);
    EXPECT_TRUE(page.text.empty());
    EXPECT_EQ(page.report.num_bytes_left_out, 7u);
    style.overflow = "fail";
    EXPECT_THROW(Renderer().render("abc", style), RenderError);
    style.overflow = "cut";
    EXPECT_NO_THROW(Renderer().render("   ", style));
    EXPECT_NO_THROW(Renderer().render("\n\n", style));
  }
}

}  // namespace
}  // namespace fovea::render

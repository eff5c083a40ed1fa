// Two ways to a page: the plain path and the full layout give the same bytes where both can draw it, on one thread or eight.
#include <gtest/gtest.h>

#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

void expect_same(const Page& a, const Page& b, const std::string& what) {
  ASSERT_EQ(a.image.width_px, b.image.width_px) << what;
  EXPECT_TRUE(a.image.pixels == b.image.pixels) << what;
  EXPECT_EQ(a.text, b.text) << what;
  ASSERT_EQ(a.chars.size(), b.chars.size()) << what;
  for (size_t i = 0; i < a.chars.size(); ++i) {
    const CharBox &p = a.chars[i], &q = b.chars[i];
    ASSERT_TRUE(p.byte_offset == q.byte_offset && p.line == q.line && p.x0_px == q.x0_px && p.x1_px == q.x1_px && p.y0_px == q.y0_px &&
                p.y1_px == q.y1_px && p.cell_x0_px == q.cell_x0_px && p.cell_x1_px == q.cell_x1_px && p.column == q.column)
        << what << ": character " << i << " at byte " << p.byte_offset << ", cells " << p.cell_x0_px << " " << q.cell_x0_px;
  }
  ASSERT_EQ(a.lines.size(), b.lines.size()) << what;
  for (size_t i = 0; i < a.lines.size(); ++i) {
    const PageLine &p = a.lines[i], &q = b.lines[i];
    EXPECT_TRUE(p.byte_begin == q.byte_begin && p.byte_end == q.byte_end && p.top_px == q.top_px && p.baseline_px == q.baseline_px &&
                p.bottom_px == q.bottom_px && p.hard_break == q.hard_break && p.start_px == q.start_px && p.end_px == q.end_px)
        << what << ": line " << i << " ends " << p.byte_end << " " << q.byte_end << " px " << p.end_px << " " << q.end_px << " hard "
        << p.hard_break << q.hard_break;
  }
  EXPECT_EQ(a.grapheme_begin, b.grapheme_begin) << what;
  EXPECT_EQ(a.report.num_bytes_left_out, b.report.num_bytes_left_out) << what;
  EXPECT_EQ(a.report.num_missing_glyphs, b.report.num_missing_glyphs) << what;
  EXPECT_EQ(a.report.missing_example, b.report.missing_example) << what;
  EXPECT_EQ(a.report.num_control_chars, b.report.num_control_chars) << what;
  EXPECT_EQ(a.report.num_clipped_glyphs, b.report.num_clipped_glyphs) << what;
  EXPECT_DOUBLE_EQ(a.report.fill_ratio, b.report.fill_ratio) << what;
}

std::string random_text(Rng& rng) {
  static const std::u32string kLetters = U"aeiounrstßéœñ“”,.…-中文字仮名、。（）「」еёЖαβ\u0301\x01 \u00A0";
  std::string text;
  const uint64_t num_words = 1 + rng.below(250);
  for (uint64_t i = 0; i < num_words; ++i) {
    const uint64_t length = rng.chance(0.03) ? 100 + rng.below(700) : 1 + rng.below(9);
    for (uint64_t n = 0; n < length; ++n) append_utf8(text, kLetters[rng.below(kLetters.size())]);
    text += rng.chance(0.1) ? std::string(1 + rng.below(3), '\n') : std::string(1 + rng.below(4), ' ');
  }
  return text;
}

Style random_style(Rng& rng) {
  static const char* kFonts[] = {"DejaVu Sans Mono", "DejaVu Serif", "Liberation Sans", "Noto Serif", "WenQuanYi Micro Hei"};
  Style style;
  style.width_px = 20 + int64_t(rng.below(500));
  style.height_px = 20 + int64_t(rng.below(400));
  style.font = kFonts[rng.below(5)];
  style.font_size_px = 4 + 0.25 * double(rng.below(90));
  style.line_height = 0.6 + rng.uniform();
  if (rng.chance(0.2)) style.line_pitch_px = 5 + 20 * rng.uniform();
  style.hinting = rng.chance(0.4) ? "light" : rng.chance(0.5) ? "none" : "full";
  style.subpixel_positions = 1 + int64_t(rng.below(5));
  style.margin_left_px = int64_t(rng.below(9));
  style.text_gray = int64_t(rng.below(2)) * 50;
  style.page_gray = 255 - int64_t(rng.below(2)) * 40;
  style.fallback = rng.chance(0.5);
  style.tab_spaces = 0;
  return style;
}

TEST(Paths, PlainAndFullLayoutGiveTheSameBytes) {
  const Renderer renderer;
  for (uint64_t i = 0; i < 250; ++i) {
    Rng rng(21, 0, i);
    const std::string text = random_text(rng);
    Style style = random_style(rng);
    const Page plain = renderer.render(text, style);
    style.keep_draw_list = true;  // which the plain path does not do
    const Page full = renderer.render(text, style);
    ASSERT_TRUE(full.draw_list);
    expect_same(plain, full, "case " + std::to_string(i) + " " + style.font);
    if (HasFailure()) return;
  }
}

TEST(Paths, ProseOfManyAlphabets) {
  const Renderer renderer;
  for (const char* name : {"en_the_man_who_was_thursday", "udhr_fr", "udhr_pl", "udhr_ru", "udhr_el", "udhr_vi", "zh_xu_xiake_travels"}) {
    const std::string text = read_file(std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/" + name + ".txt");
    Style style;
    if (name[0] == 'z') style.font = "WenQuanYi Micro Hei";
    const Page plain = renderer.render(text, style);
    style.keep_draw_list = true;
    expect_same(plain, renderer.render(text, style), name);
  }
}

TEST(Paths, PagesOfBothAreTheSame) {
  const Renderer renderer;
  for (uint64_t i = 0; i < 40; ++i) {
    Rng rng(22, 0, i);
    const std::string text = random_text(rng);
    Style style = random_style(rng);
    style.width_px = std::max<int64_t>(style.width_px, 60);
    style.height_px = 90 + int64_t(rng.below(60));
    style.font_size_px = 5 + 0.25 * double(rng.below(50));
    const auto plain = renderer.render_pages(text, style);
    style.keep_draw_list = true;
    const auto full = renderer.render_pages(text, style);
    ASSERT_EQ(plain.size(), full.size()) << i;
    for (size_t n = 0; n < plain.size(); ++n) {
      EXPECT_EQ(plain[n].byte_begin, full[n].byte_begin);
      expect_same(plain[n], full[n], "case " + std::to_string(i) + " page " + std::to_string(n));
    }
    if (HasFailure()) return;
  }
}

TEST(Paths, FitIsTheSame) {
  const Renderer renderer;
  for (uint64_t i = 0; i < 30; ++i) {
    Rng rng(23, 0, i);
    const std::string text = random_text(rng);
    Style style = random_style(rng);
    style.width_px += 400, style.height_px += 600;
    const double plain = renderer.fit_font_size(text, style, 1, 64, 0.25);
    style.keep_draw_list = true;
    EXPECT_EQ(plain, renderer.fit_font_size(text, style, 1, 64, 0.25)) << i;
  }
}

TEST(Paths, FullLayoutOnOneAndEightThreads) {
  const std::vector<std::string> texts = {"ar", "hi", "th", "vi", "ru"};
  std::vector<std::string> sources;
  for (const auto& language : texts) sources.push_back(read_file(std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/udhr_" + language + ".txt"));
  sources.push_back("# Title\n\nSome *text* and `code` 日本語 עברית 😀.\n\n- a\n- b\n");
  const auto job = [&](const Renderer& renderer, size_t i) {
    Style style;
    style.width_px = 300, style.height_px = 260;
    style.columns = 1 + int64_t(i % 2);
    style.align = i % 3 ? "justify" : "left";
    if (i % sources.size() == 5) style.markup = "markdown";
    const std::string& text = sources[i % sources.size()];
    size_t at = (i / 7) * 200 % (text.size() / 2 + 1);
    if (style.markup == "markdown") at = 0;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
    return renderer.render(std::string_view(text).substr(at), style);
  };
  constexpr size_t kPages = 72;
  std::vector<Page> alone(kPages), together(kPages);
  const Renderer first, second;
  parallel_for(kPages, 1, [&](size_t i) { alone[i] = job(first, i); });
  parallel_for(kPages, 8, [&](size_t i) { together[kPages - 1 - i] = job(second, kPages - 1 - i); });
  for (size_t i = 0; i < kPages; ++i) expect_same(alone[i], together[i], "page " + std::to_string(i));
}

}  // namespace
}  // namespace fovea::render

// Determinism: hashes of pages over scripts and layouts, kept in tests/data/page_hashes.json with the hashes of the fonts and the versions
// of the libraries that drew them. A case whose fonts or libraries differ here is skipped and says so. After a change that is meant to
// move pixels: FOVEA_WRITE_PAGE_HASHES=1 render_hashes_test, and a line in the changelog.
#include <cstdlib>
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "fovea/base/config.h"
#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"
#include "fovea/render/versions.h"

namespace fovea::render {
namespace {

const std::string kFile = std::string(FOVEA_SOURCE_DIR) + "/tests/data/page_hashes.json";

struct Case {
  std::string name;
  std::string text;
  Style style;
  bool channels = false;
};

std::string sample(const std::string& name, size_t bytes = 3000) {
  std::string text = read_file(std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/" + name + ".txt");
  text.resize(std::min(bytes, text.size()));
  while (find_invalid_utf8(text) != std::string_view::npos) text.pop_back();
  return text;
}

const char kMarkdown[] =
    "# Title *one*\n\nText with **bold**, `code`, ~~struck~~ and [link](http://a.b).\n\n- one\n  1. two\n- three\n\n> quoted\n\n```cpp\n"
    "int main() { return 0; }  // end\n```\n\n| a | b |\n|---|--:|\n| x | 1.5 |\n| longer cell | 2 |\n\n---\n\nEnd.\n";

std::vector<Case> make_cases() {
  std::vector<Case> cases;
  const auto add = [&](const std::string& name, const std::string& text, const std::function<void(Style&)>& change = {}) {
    Case made;
    made.name = name;
    made.text = text;
    made.style.width_px = 360;
    made.style.height_px = 300;
    made.style.font_size_px = 13;
    if (change) change(made.style);
    cases.push_back(std::move(made));
  };
  // scripts
  for (const char* language : {"ar", "cs", "el", "es", "fr", "hi", "it", "nl", "pl", "pt", "ru", "th", "tr", "vi"})
    add(std::string("script_") + language, sample(std::string("udhr_") + language),
        [&](Style& s) { s.font = "DejaVu Sans", s.language = language; });
  add("script_zh", sample("zh_xu_xiake_travels"), [](Style& s) { s.font = "WenQuanYi Micro Hei", s.language = "zh"; });
  add("script_zh_icu", sample("zh_law_rights_of_the_elderly"),
      [](Style& s) { s.font = "WenQuanYi Micro Hei", s.language = "zh", s.line_breaks = "icu", s.align = "justify"; });
  add("script_he_mixed", "English with עברית inside (and) 123. \nעברית עם English ומספרים 12,345.67 ועוד.",
      [](Style& s) { s.font = "DejaVu Sans"; });
  add("script_ja", "すべての人間は、生まれながらにして自由であり、かつ、「尊厳」と権利とについて平等である。",
      [](Style& s) { s.font = "WenQuanYi Micro Hei", s.language = "ja", s.font_size_px = 20; });
  add("script_ko", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.", [](Style& s) { s.font = "WenQuanYi Micro Hei"; });
  add("script_marks", "e̋̂ q̃̈ x̣̌ ố ở ǘ a͡b ﬁne", [](Style& s) { s.font = "DejaVu Sans", s.font_size_px = 24; });
  add("script_fallback", "中文 ไทย हिन्दी 😀 ქართული", [](Style& s) { s.font_size_px = 22; });
  add("script_fallback_rgb", "中文 ไทย हिन्दी 😀 ქართული", [](Style& s) { s.font_size_px = 22, s.pixels = "rgb"; });
  add("script_missing", std::string("a\0b\x01\xF3\xB1\x88\xB4 c", 10), [](Style&) {});
  // fonts
  const std::string english = sample("en_the_man_who_was_thursday");
  for (const char* font : {"DejaVu Sans Mono", "DejaVu Sans", "DejaVu Serif", "Liberation Mono", "Liberation Sans", "Liberation Serif", "Noto Sans",
                           "Noto Serif"})
    add(std::string("font_") + font, english, [&](Style& s) { s.font = font; });
  // layouts
  const auto layout = [&](const std::string& name, const std::function<void(Style&)>& change) {
    add("layout_" + name, english, [&](Style& s) {
      s.font = "DejaVu Serif";
      change(s);
    });
  };
  layout("small", [](Style& s) { s.font_size_px = 6; });
  layout("large_phases", [](Style& s) { s.font_size_px = 27.5, s.subpixel_positions = 4, s.hinting = "none"; });
  layout("hinting_full", [](Style& s) { s.hinting = "full"; });
  layout("columns_3", [](Style& s) { s.columns = 3, s.column_gap_px = 9, s.font_size_px = 8; });
  layout("justify", [](Style& s) { s.align = "justify"; });
  layout("justify_hyphens", [](Style& s) { s.align = "justify", s.hyphenate = true, s.columns = 2; });
  layout("right", [](Style& s) { s.align = "right"; });
  layout("center", [](Style& s) { s.align = "center"; });
  layout("rtl", [](Style& s) { s.direction = "rtl", s.columns = 2; });
  layout("icu_breaks", [](Style& s) { s.line_breaks = "icu"; });
  layout("indents", [](Style& s) { s.first_line_indent_px = 20, s.indent_left_px = 10, s.indent_right_px = 30, s.paragraph_space_px = 5; });
  layout("hanging", [](Style& s) { s.first_line_indent_px = -15, s.indent_left_px = 20; });
  layout("letter_spacing", [](Style& s) { s.letter_spacing_px = 1.25, s.word_spacing_px = -1; });
  layout("narrow", [](Style& s) { s.horizontal_scale = 0.7; });
  layout("leading", [](Style& s) { s.line_pitch_px = 20.5; });
  layout("line_height", [](Style& s) { s.line_height = 1.6; });
  layout("newline_marker", [](Style& s) { s.newline = "marker", s.newline_marker = "¶"; });
  layout("newline_marker_red", [](Style& s) { s.newline = "marker_break", s.newline_marker = "¶", s.newline_marker_color = "#d00000"; });
  layout("newline_drop", [](Style& s) { s.newline = "drop"; });
  layout("mono_pixels", [](Style& s) { s.antialias = "mono"; });
  layout("subpixel", [](Style& s) { s.antialias = "subpixel", s.subpixel_positions = 3; });
  layout("colours", [](Style& s) { s.text_color = "#203080", s.page_color = "#fff8e0"; });
  layout("inverse", [](Style& s) { s.inverse = true; });
  layout("gray_on_gray", [](Style& s) { s.text_gray = 60, s.page_gray = 220; });
  layout("bold", [](Style& s) { s.bold = true; });
  layout("italic", [](Style& s) { s.italic = true, s.font = "Liberation Serif"; });
  layout("paper_points", [](Style& s) { s.paper = "a6", s.dpi = 72, s.font_size_pt = 7; });
  add("layout_crop", "one\ntwo words", [](Style& s) { s.crop = "both"; });
  add("layout_vertical", sample("zh_xu_xiake_travels"), [](Style& s) { s.font = "WenQuanYi Micro Hei", s.direction = "vertical"; });
  add("layout_vertical_columns", sample("zh_xu_xiake_travels"),
      [](Style& s) { s.font = "WenQuanYi Micro Hei", s.direction = "vertical", s.columns = 2; });
  add("layout_tabs", "a\tb\nlonger\tc\n\td", [](Style&) {});
  add("layout_soft_hyphens", "won\u00ADder\u00ADful extra\u00ADordinary ma\u00ADchin\u00ADery", [](Style& s) { s.width_px = 90; });
  add("markdown", kMarkdown, [](Style& s) { s.markup = "markdown", s.font = "DejaVu Sans"; });
  add("markdown_dark", kMarkdown, [](Style& s) { s.markup = "markdown", s.font = "DejaVu Serif", s.page_color = "#202020", s.text_color = "#e0e0e0"; });
  add("channels", "three texts", {});
  cases.back().channels = true;
  return cases;
}

const std::vector<Case>& cases() {
  static const std::vector<Case> all = make_cases();
  return all;
}

Page draw(const Renderer& renderer, const Case& each) {
  if (each.channels) return renderer.render_channels({each.text, "second channel", "third, العربية"}, each.style);
  return renderer.render(each.text, each.style);
}

std::string hash_of(const Page& page) {
  std::string bytes;
  const auto put = [&](int64_t value) {
    for (int i = 0; i < 8; ++i) bytes += char(uint64_t(value) >> (8 * i));
  };
  put(page.image.width_px), put(page.image.height_px), put(page.image.channels);
  bytes.append(page.image.pixels.begin(), page.image.pixels.end());
  for (const CharBox& b : page.chars)
    for (int64_t value : {int64_t(b.byte_offset), int64_t(b.line), int64_t(b.x0_px), int64_t(b.y0_px), int64_t(b.x1_px), int64_t(b.y1_px),
                          int64_t(b.cell_x0_px), int64_t(b.cell_x1_px), int64_t(b.column), int64_t(b.channel)})
      put(value);
  for (const PageLine& l : page.lines)
    for (int64_t value : {int64_t(l.byte_begin), int64_t(l.byte_end), int64_t(l.top_px), int64_t(l.baseline_px), int64_t(l.bottom_px)}) put(value);
  for (uint32_t g : page.grapheme_begin) put(g);
  return sha256_hex(bytes);
}

// What a page's bytes depend on: its fonts by content. Faces of other weight belong to the same package.
Json fonts_of(const Page& page) {
  static std::map<std::string, std::string> known;
  Json fonts = Json::object();
  std::vector<std::string> families = page.report.fallback_families;
  families.insert(families.begin(), page.report.font_family);
  for (const auto& family : families) {
    auto& hash = known[family];
    if (hash.empty()) hash = sha256_hex_of_file(font_file(family)).substr(0, 16);
    fonts[family] = hash;
  }
  return fonts;
}

Json libraries() {
  const Json all = library_versions();
  Json out = Json::object();
  for (const char* name : {"freetype", "harfbuzz", "icu"})
    if (all.contains(name)) out[name] = all[name];
  return out;
}

class PageHash : public testing::TestWithParam<size_t> {};

TEST_P(PageHash, IsAsKept) {
  static const Renderer renderer;
  const Case& each = cases()[GetParam()];
  const Json kept = Json::parse(read_file(kFile));
  ASSERT_TRUE(kept["pages"].contains(each.name)) << each.name << " is not in " << kFile;
  if (kept["libraries"] != libraries())
    GTEST_SKIP() << each.name << ": kept with " << kept["libraries"].dump() << ", here " << libraries().dump();
  const Json& want = kept["pages"][each.name];
  Page page;
  try {
    page = draw(renderer, each);
  } catch (const ConfigError& e) {
    GTEST_SKIP() << each.name << ": " << e.what();
  }
  if (want["fonts"] != fonts_of(page)) GTEST_SKIP() << each.name << ": kept with fonts " << want["fonts"].dump() << ", here " << fonts_of(page).dump();
  if (each.style.hyphenate && !page.report.notes.empty()) GTEST_SKIP() << each.name << ": " << page.report.notes[0];
  EXPECT_EQ(want["sha256"], hash_of(page)) << each.name;
}

INSTANTIATE_TEST_SUITE_P(Cases, PageHash, testing::Range(size_t(0), make_cases().size()), [](const auto& info) {
  std::string name = cases()[info.param].name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

TEST(PageHash, OneThreadAndEight) {
  const Renderer first, second;
  std::vector<std::string> alone(cases().size()), together(cases().size());
  parallel_for(cases().size(), 1, [&](size_t i) { alone[i] = hash_of(draw(first, cases()[i])); });
  parallel_for(cases().size(), 8, [&](size_t i) {
    const size_t at = cases().size() - 1 - i;
    together[at] = hash_of(draw(second, cases()[at]));
  });
  for (size_t i = 0; i < cases().size(); ++i) EXPECT_EQ(alone[i], together[i]) << cases()[i].name;
}

TEST(PageHash, Write) {
  if (!std::getenv("FOVEA_WRITE_PAGE_HASHES")) GTEST_SKIP() << "writes only if FOVEA_WRITE_PAGE_HASHES is set";
  const Renderer renderer;
  Json out = {{"libraries", libraries()}, {"pages", Json::object()}};
  for (const Case& each : cases()) {
    const Page page = draw(renderer, each);
    out["pages"][each.name] = {{"sha256", hash_of(page)}, {"fonts", fonts_of(page)}};
  }
  write_file_atomic(kFile, out.dump(1) + "\n");
}

}  // namespace
}  // namespace fovea::render

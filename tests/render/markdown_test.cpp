// Markdown: what becomes of each block, and that characters lead back to the Markdown's own source.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"
#include "ink_check.h"

namespace fovea::render {
namespace {

using testing::HasSubstr;
using testing::Not;

const char kAll[] =
    "# Title *one*\n\nText with **bold**, `code`, ~~struck~~ AT&amp;T \\*escaped\\* and [link](http://a.b \"tip\").\nSoft line,  \nhard line.\n\n"
    "- one\n  1. two\n- three\n\n> quoted *words*\n\n```cpp\nint main() {\n  return 0;  // end\n}\n```\n\n"
    "| a | b | c |\n|---|--:|:-:|\n| x | 1.5 | `y` |\n| longer cell | 2 | **z** |\n\n---\n\n日本語 עברית\n\nEnd.\n";

Style page_style() {
  Style style;
  style.markup = "markdown";
  style.font = "DejaVu Sans";
  style.width_px = 500;
  style.height_px = 700;
  return style;
}

TEST(Markdown, BlocksBecomeParagraphs) {
  const StyledText text = markdown_to_styled_text(kAll, page_style());
  EXPECT_THAT(text.text, HasSubstr("Title one\n"));
  EXPECT_THAT(text.text, HasSubstr("Text with bold, code, struck AT&T *escaped* and link. Soft line,\u2028hard line.\n"));
  EXPECT_THAT(text.text, HasSubstr("\u2022\tone\n1.\ttwo\n\u2022\tthree\n"));
  EXPECT_THAT(text.text, HasSubstr("int main() {\n  return 0;  // end\n}\n"));
  EXPECT_THAT(text.text, Not(HasSubstr("```")));
  EXPECT_EQ(text.source, kAll);
  ASSERT_EQ(text.source_byte.size(), text.text.size());
  size_t num_rows = 0;
  for (const auto& paragraph : text.paragraphs) num_rows += paragraph.cell_begin.size() == 3;
  EXPECT_EQ(num_rows, 3u);
}

TEST(Markdown, CharactersLeadBackToTheSource) {
  const Page page = Renderer().render(kAll, page_style());
  EXPECT_EQ(page.text, kAll);
  EXPECT_EQ(page.report.num_bytes_left_out, 0u);
  EXPECT_EQ(page.report.num_missing_glyphs, 0u);
  std::string seen;
  for (const CharBox& box : page.chars) {
    if (box.x0_px == box.x1_px) continue;
    size_t pos = box.byte_offset;
    const size_t begin = pos;
    next_code_point(page.text, pos);
    seen += page.text.substr(begin, pos - begin);
  }
  EXPECT_THAT(seen, HasSubstr("Titleone"));
  EXPECT_THAT(seen, HasSubstr("Textwithbold,code,struckAT&T*escaped*andlink.Softline,hardline."));
  EXPECT_THAT(seen, HasSubstr("intmain(){return0;//end}"));
  EXPECT_THAT(seen, HasSubstr("abcx1.5ylongercell2z"));
  EXPECT_THAT(seen, HasSubstr("日本語עברית"));
  for (size_t i = 1; i < page.chars.size(); ++i) EXPECT_GT(page.chars[i].byte_offset, page.chars[i - 1].byte_offset);
  EXPECT_EQ(page.image.channels, 3) << "link and code are coloured";
}

TEST(Markdown, InkIsBoxed) {
  Style style = page_style();
  style.pixels = "gray";
  expect_boxes_enclose_ink(Renderer().render(kAll, style), 255, "markdown");
}

TEST(Markdown, CutPagesSayWhatIsLeft) {
  Style style = page_style();
  style.height_px = 120;
  const Page page = Renderer().render(kAll, style);
  const std::string source = kAll;
  EXPECT_EQ(page.text, source.substr(0, page.text.size()));
  EXPECT_EQ(page.text.size() + page.report.num_bytes_left_out, source.size());
  EXPECT_GT(page.report.num_bytes_left_out, 100u);
  size_t total = 0;
  for (const Page& each : Renderer().render_pages(kAll, style)) {
    EXPECT_EQ(each.byte_begin, total);
    total += each.text.size();
    for (const CharBox& box : each.chars) EXPECT_LT(box.byte_offset, each.text.size());
  }
  EXPECT_EQ(total, source.size());
}

TEST(Markdown, CellsStandInColumns) {
  const Page page = Renderer().render("| l | r |\n|---|--:|\n| wide cell | 1 |\n| x | 22.75 |\n", page_style());
  const auto box_of = [&](const std::string& what) {
    const size_t at = page.text.find(what);
    for (const CharBox& box : page.chars)
      if (box.byte_offset == at) return box;
    ADD_FAILURE() << what;
    return CharBox{};
  };
  EXPECT_EQ(box_of("wide").cell_x0_px, box_of("x |").cell_x0_px);
  EXPECT_EQ(box_of("1 |").cell_x1_px, box_of("5 |").cell_x1_px) << "right-aligned";
  EXPECT_GT(box_of("1 |").cell_x0_px, box_of("cell").cell_x1_px);
}

TEST(Markdown, FitScalesAllOfIt) {
  Style style = page_style();
  style.height_px = 420;
  style.overflow = "fail";
  style.font_size_px = Renderer().fit_font_size(kAll, style);
  EXPECT_NO_THROW(Renderer().render(kAll, style));
  style.font_size_px += 0.25;
  EXPECT_THROW(Renderer().render(kAll, style), RenderError);
}

TEST(Markdown, OddInput) {
  const Renderer renderer;
  for (const std::string& text :
       {std::string(""), std::string("\n\n"), std::string("#"), std::string("- "), std::string("|a|\n|-|"), std::string("```"),
        std::string("<b>html</b>\n\n<div>\nblock\n</div>"), std::string("![picture](a.png)"), std::string("a\\\nb"), std::string("&#0; &copy; &bogus;"),
        std::string("\t code\twith tabs"), std::string("> > > deep\n> > 1. x\n"), std::string("a\0b", 3), std::string("1) x\n7) y")}) {
    const Page page = renderer.render(text, page_style());
    EXPECT_EQ(page.text, text);
    for (const CharBox& box : page.chars) EXPECT_LT(box.byte_offset, std::max<size_t>(text.size(), 1));
  }
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "> ";
  EXPECT_THROW(renderer.render(deep + "x", page_style()), ConfigError);
}

TEST(Markdown, CarriageReturnsEndLines) {
  const StyledText text = markdown_to_styled_text("- a\r- b\r\n- c", Style{});
  // The bullet and the letter of each item stand where the source has them.
  std::vector<uint32_t> letters;
  for (size_t i = 0; i < text.text.size(); ++i)
    if (text.text[i] >= 'a' && text.text[i] <= 'c') letters.push_back(text.source_byte[i]);
  EXPECT_EQ(letters, (std::vector<uint32_t>{2, 6, 11}));
  Style style;
  style.markup = "markdown";
  style.width_px = 200, style.height_px = 24, style.font_size_px = 12;  // an item a page
  std::string all;
  Renderer().render_pages("-\r-\r-\rf", style, [&](Page&& page) {
    all += page.text;
    for (const CharBox& box : page.chars) EXPECT_LT(box.byte_offset, page.text.size());
    return true;
  });
  EXPECT_EQ(all, "-\r-\r-\rf");
}

}  // namespace
}  // namespace fovea::render

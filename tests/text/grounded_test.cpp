// Labels and boxes out of a reader's output: the published form, and every way in which it can be broken.
#include "fovea/text/grounded.h"

#include <gtest/gtest.h>

#include <cstdio>

namespace fovea::text {
namespace {

std::string box_text(const GroundedItem& item) {
  std::string out;
  for (const auto& b : item.boxes) {
    char text[100];
    std::snprintf(text, sizeof text, "(%d %d %d %d)", int(b.x0), int(b.y0), int(b.x1), int(b.y1));
    out += text;
  }
  return out;
}

std::string link(size_t i) { return "images/" + std::to_string(i) + ".jpg"; }

TEST(Grounded, PublishedForm) {
  const std::string output =
      "<|ref|>title<|/ref|><|det|>[[61, 20, 938, 77]]<|/det|>\n# A title\n\n<|ref|>image<|/ref|><|det|>[[0, 100, 500, 600]]<|/det|>\n"
      "<|ref|>text<|/ref|><|det|>[[10, 610, 990, 700], [10, 710, 990, 800]]<|/det|>\nWords \\coloneqq more.";
  const auto parsed = parse_grounded(output);
  EXPECT_TRUE(parsed.problems.empty());
  ASSERT_EQ(parsed.items.size(), 3u);
  EXPECT_EQ(parsed.items[0].label, "title");
  EXPECT_EQ(parsed.items[0].content, "\n# A title\n\n");
  EXPECT_EQ(box_text(parsed.items[2]), "(10 610 990 700)(10 710 990 800)");
  EXPECT_EQ(output.substr(parsed.items[1].byte_begin, 7), "<|ref|>");
  EXPECT_EQ(grounded_markdown(parsed, link), "\n# A title\n\n![](images/0.jpg)\n\nWords := more.");
}

TEST(Grounded, MarkdownCollapsesNewlinesAsThePdfScript) {
  const auto parsed = parse_grounded("a\n\n\n\nb\n\n\nc\n\nd\ne");
  EXPECT_EQ(grounded_markdown(parsed, link), "a\n\nb\n\nc\n\nd\ne");
  EXPECT_EQ(grounded_markdown(parsed, link, false), "a\n\n\n\nb\n\n\nc\n\nd\ne");
}

TEST(Grounded, PixelsAreCutTowardsZeroOfAScaleOf999) {
  const auto box = to_pixels({499, 500, 999, 1}, 1000, 333);
  EXPECT_EQ(box.x0_px, 499);  // 499.499...
  EXPECT_EQ(box.y0_px, 166);  // 166.66...
  EXPECT_EQ(box.x1_px, 1000);
  EXPECT_EQ(box.y1_px, 0);
  const auto outside = to_pixels({-50, -1e300, 2000, 1e300}, 640, 480);
  EXPECT_EQ(outside.x0_px, 0);
  EXPECT_EQ(outside.x1_px, 640);
  EXPECT_EQ(outside.y1_px, 480);
}

struct Broken {
  const char* output;
  size_t num_items, num_problems;
  const char* boxes;     // of the first item
  const char* markdown;  // nothing but markers may be lost
};

class BrokenGrounding : public testing::TestWithParam<Broken> {};

TEST_P(BrokenGrounding, KeepsWhatItCan) {
  const auto& c = GetParam();
  const auto parsed = parse_grounded(c.output);
  EXPECT_EQ(parsed.items.size(), c.num_items) << c.output;
  EXPECT_EQ(parsed.problems.size(), c.num_problems) << c.output << ": " << (parsed.problems.empty() ? "" : parsed.problems[0].what);
  if (!parsed.items.empty()) {
    EXPECT_EQ(box_text(parsed.items[0]), c.boxes) << c.output;
  }
  EXPECT_EQ(grounded_markdown(parsed, link), c.markdown) << c.output;
  for (const auto& problem : parsed.problems) EXPECT_LE(problem.byte_offset, std::string(c.output).size());
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenGrounding,
    testing::Values(Broken{"plain words", 0, 0, "", "plain words"},
                    Broken{"<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]", 1, 2, "(1 2 3 4)", ""},
                    Broken{"<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4], [5, 6", 1, 2, "(1 2 3 4)", ""},
                    Broken{"<|ref|>text<|/ref|><|det|>[[1, 2, 3], [5, 6, 7, 8]]<|/det|>x", 1, 1, "(5 6 7 8)", "x"},
                    Broken{"<|ref|>text<|/ref|><|det|>[[1, 2, a, 4], [5, 6, 7, 8]]<|/det|>x", 1, 1, "(5 6 7 8)", "x"},
                    Broken{"<|ref|>text<|/ref|><|det|>[1, 2, 3, 4]<|/det|>x", 1, 1, "(1 2 3 4)", "x"},
                    Broken{"<|ref|>text<|/ref|><|det|>[[-5, 2, 3, 1200]]<|/det|>x", 1, 1, "(-5 2 3 1200)", "x"},
                    Broken{"<|ref|>text<|/ref|><|det|>[[9, 2, 3, 4]]<|/det|>x", 1, 1, "(3 2 9 4)", "x"},
                    Broken{"<|ref|>text<|/ref|><|det|>__import__('os')<|/det|>x", 1, 1, "", "x"},
                    Broken{"<|ref|>text<|/ref|>x", 1, 1, "", "x"},
                    Broken{"<|ref|>text", 0, 1, "", "text"},
                    Broken{"<|ref|>text<|det|>[[1, 2, 3, 4]]<|/det|>x", 1, 1, "(1 2 3 4)", "x"},
                    Broken{"a<|/ref|>b<|/det|>c", 0, 2, "", "abc"},
                    Broken{"a<|det|>[[1, 2, 3, 4]]<|/det|>c", 0, 1, "", "ac"},
                    Broken{"<|ref|>a<|ref|>text<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>x", 1, 1, "(1 2 3 4)", "ax"},
                    Broken{"<|ref|>t<|/ref|><|det|>[[1.5, 2, 3e1, 4]] and more<|/det|>x", 1, 1, "(1 2 30 4)", "x"},
                    Broken{"<|ref|>t<|/ref|><|det|><|ref|>u<|/ref|><|det|>[[1, 2, 3, 4]]<|/det|>x", 2, 2, "", "x"},
                    Broken{"<|ref|>t<|/ref|><|det|>[[1, 2, 3, 1e999]]<|/det|>x", 1, 1, "", "x"}));

TEST(Grounded, LongGarbageTakesLinearTime) {
  std::string hostile;
  for (int i = 0; i < 200000; ++i) hostile += i % 2 ? "<|ref|>" : "<|det|>[[";
  const auto parsed = parse_grounded(hostile);
  EXPECT_LE(parsed.problems.size(), 1000u);
  EXPECT_TRUE(parse_grounded("<|ref|>a<|/ref|><|det|>" + std::string(1000000, '[')).items.size() == 1);
}

}  // namespace
}  // namespace fovea::text

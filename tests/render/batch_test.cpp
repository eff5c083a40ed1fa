// Batches: pages in their places, the same bytes on any number of threads, no copy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/render/batch.h"

namespace fovea::render {
namespace {

using testing::HasSubstr;

std::vector<std::string> texts(size_t num) {
  std::vector<std::string> out;
  for (size_t i = 0; i < num; ++i) {
    std::string text;
    for (size_t n = 0; n < 60; ++n) text += "word" + std::to_string(i * 31 + n * 7) + " ";
    out.push_back(text);
  }
  return out;
}

StyleSheet sheet() {
  StyleSheet out;
  out.style.width_px = 200, out.style.height_px = 240;
  return out;
}

std::vector<uint8_t> draw(const StyleSheet& sheet, int num_threads, std::vector<Page>* pages = nullptr, bool keep_maps = false) {
  static const Renderer renderer;
  const auto all = texts(17);
  std::vector<uint8_t> pixels(17 * 200 * 240, 77);
  auto made = render_batch(renderer, {all.begin(), all.end()}, sheet, {pixels.data(), 17, 240, 200, 1}, num_threads, 0, keep_maps);
  if (pages) *pages = std::move(made);
  return pixels;
}

TEST(Batch, PagesAreThoseOfRender) {
  std::vector<Page> pages;
  const auto pixels = draw(sheet(), 2, &pages, true);
  const Renderer renderer;
  const auto all = texts(17);
  for (size_t i = 0; i < all.size(); ++i) {
    const Page page = renderer.render(all[i], sheet().style);
    EXPECT_TRUE(std::equal(page.image.pixels.begin(), page.image.pixels.end(), pixels.begin() + ptrdiff_t(i * 200 * 240))) << i;
    EXPECT_EQ(pages[i].chars.size(), page.chars.size());
    EXPECT_EQ(pages[i].text, page.text);
    EXPECT_EQ(pages[i].page_index, int64_t(i));
    EXPECT_TRUE(pages[i].image.pixels.empty());
    EXPECT_EQ(pages[i].image.width_px, 200);
  }
}

TEST(Batch, SameBytesOnAnyNumberOfThreads) {
  StyleSheet degraded = sheet();
  degraded.degrade.noise = 9, degraded.degrade.skew_degrees = 2, degraded.degrade.vary = 0.5;
  StyleSheet fitted = sheet();
  fitted.fit.size = "largest";
  for (const auto& s : {sheet(), degraded, fitted}) {
    const auto one = draw(s, 1);
    EXPECT_EQ(draw(s, 3), one);
    EXPECT_EQ(draw(s, 8), one);
  }
  EXPECT_NE(draw(degraded, 2), draw(sheet(), 2));
}

TEST(Batch, ErrorsNameThePage) {
  StyleSheet failing = sheet();
  failing.style.overflow = "fail", failing.style.font_size_px = 40;
  try {
    draw(failing, 2);
    FAIL();
  } catch (const RenderError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("page "), HasSubstr("do not fit")));
  }
  StyleSheet other = sheet();
  other.style.width_px = 100;
  EXPECT_THROW(draw(other, 2), ShapeError);
  const Renderer renderer;
  uint8_t none = 0;
  EXPECT_THROW(render_batch(renderer, {"a"}, sheet(), {&none, 0, 1, 1, 1}), ShapeError);
}

TEST(Batch, ShapeIsKnownBeforehand) {
  StyleSheet s = sheet();
  EXPECT_THAT(batch_shape(s), testing::ElementsAre(240, 200, 1));
  s.style.text_color = "#808080";
  EXPECT_EQ(batch_shape(s)[2], 1);
  s.style.text_color = "#ff0000";
  EXPECT_EQ(batch_shape(s)[2], 3);
  s.style.pixels = "gray";
  EXPECT_EQ(batch_shape(s)[2], 1);
  s.style.crop = "height";
  EXPECT_THROW(batch_shape(s), ConfigError);
}

TEST(LendPixels, TheFirstPictureOfThatSizeStandsThere) {
  std::vector<uint8_t> block(6, 9);
  Image kept;
  {
    LendPixels lend(block.data(), block.size());
    const Image other = Image::filled(5, 1, 1, 3);
    Image image = Image::filled(3, 2, 1, 4), second = Image::filled(3, 2, 1, 5);
    EXPECT_EQ(image.pixels.data(), block.data());
    EXPECT_NE(second.pixels.data(), block.data());
    const Image copy = image;
    EXPECT_NE(copy.pixels.data(), block.data());
    kept = std::move(image);
  }
  EXPECT_EQ(kept.pixels.data(), block.data());
  EXPECT_THAT(block, testing::Each(4));
  kept.pixels = Pixels();  // frees nothing that is not its own
  kept = Image::filled(3, 2, 1, 8);
  EXPECT_NE(kept.pixels.data(), block.data());
}

}  // namespace
}  // namespace fovea::render

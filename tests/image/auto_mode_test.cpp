// The size of letters out of a picture, and the mode that follows from it. Letters are drawn as blocks here; tests/python has rendered pages.
#include "fovea/image/auto_mode.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"

namespace fovea::image {
namespace {

// Rows of blocks: `x` px high and wide, a gap of x/2 beside and 2x below; each fourth one is higher, as b and d are.
Image blocks(int width, int height, int x, int rows, uint8_t ink = 0, uint8_t paper = 255, int channels = 1) {
  Image page = Image::filled(width, height, channels, paper);
  int n = 0;
  for (int row = 0; row < rows; ++row)
    for (int left = x; left + 2 * x < width; left += x + (x + 1) / 2, ++n) {
      const int base = (row + 1) * 3 * x, top = base - (n % 4 == 0 ? x + x / 2 : x);
      for (int y = std::max(0, top); y < std::min(base, height); ++y)
        for (int u = left; u < left + x; ++u)
          for (int c = 0; c < channels; ++c) page.row(y)[u * channels + c] = ink;
    }
  return page;
}

TEST(AutoMode, LetterHeightAndNumberAreMeasured) {
  for (int x : {5, 8, 14, 30}) {
    const auto ink = estimate_ink(blocks(900, 900, x, 8));
    EXPECT_NEAR(ink.x_height_px, x, 0.5) << x;
    int per_row = 0;
    for (int left = x; left + 2 * x < 900; left += x + (x + 1) / 2) ++per_row;
    EXPECT_EQ(ink.num_components, 8 * per_row) << x;
    EXPECT_FALSE(ink.light_on_dark);
  }
}

TEST(AutoMode, WhiteOnBlackColourAndRulesChangeNothing) {
  const auto plain = estimate_ink(blocks(600, 600, 10, 8));
  EXPECT_TRUE(estimate_ink(blocks(600, 600, 10, 8, 255, 0)).light_on_dark);
  EXPECT_EQ(estimate_ink(blocks(600, 600, 10, 8, 255, 0)).x_height_px, plain.x_height_px);
  EXPECT_EQ(estimate_ink(blocks(600, 600, 10, 8, 60, 200, 3)).num_components, plain.num_components);
  Image ruled = blocks(600, 600, 10, 8);
  for (int y : {300, 301, 450}) std::fill_n(ruled.row(y), 600, uint8_t(0));
  EXPECT_EQ(estimate_ink(ruled).x_height_px, plain.x_height_px);
}

TEST(AutoMode, NothingAndNearlyNothing) {
  EXPECT_EQ(estimate_ink(Image::filled(1, 1, 1, 0)).num_components, 0);
  EXPECT_EQ(estimate_ink(Image::filled(300, 200, 3, 255)).x_height_px, 0);
  Image faint = blocks(300, 300, 10, 4, 240, 255);  // paper's own texture, no print
  EXPECT_EQ(estimate_ink(faint).num_components, 0);
  EXPECT_GT(estimate_ink(blocks(1, 20000, 3, 2)).ink_density, -1);
  EXPECT_THROW(estimate_ink(Image{}), ConfigError);
}

TEST(AutoMode, LargePicturesAreMeasuredInTheirOwnPixels) { EXPECT_NEAR(estimate_ink(blocks(6000, 900, 20, 10)).x_height_px, 20, 2.1); }

std::string chosen(const InkEstimate& ink, int64_t width, int64_t height) {
  const AutoModeConfig config;
  const auto fits = fit_modes(ink, width, height, {"tiny", "small", "base", "large", "gundam"}, config);
  return fits[first_mode(fits)].mode;
}

TEST(AutoMode, LetterSizeDecides) {
  // A slide with few large letters, a book page, a dense page, a newspaper: 64, 100, up to Gundam, as the paper finds.
  EXPECT_EQ(chosen({.x_height_px = 24, .num_text_tokens = 150}, 1280, 960), "tiny");
  EXPECT_EQ(chosen({.x_height_px = 16, .num_text_tokens = 700}, 1240, 1754), "small");
  EXPECT_EQ(chosen({.x_height_px = 14, .num_text_tokens = 1500}, 1654, 2339), "base");
  EXPECT_EQ(chosen({.x_height_px = 12, .num_text_tokens = 8000}, 2480, 3508), "gundam");
  EXPECT_EQ(chosen({}, 2480, 3508), "tiny") << "an empty page";
}

TEST(AutoMode, EnlargingDoesNotMakeSmallPicturesLegible) {
  EXPECT_EQ(chosen({.x_height_px = 3, .num_text_tokens = 100}, 400, 400), "tiny");  // every mode enlarges it alike
  EXPECT_EQ(chosen({.x_height_px = 5, .num_text_tokens = 500}, 1000, 1000), "base");
}

TEST(AutoMode, PicturesThatAModeCannotShow) {
  const AutoModeConfig config;
  const auto fits = fit_modes({.x_height_px = 8, .num_text_tokens = 5}, 1, 20000, {"tiny", "base"}, config);
  EXPECT_TRUE(fits[0].num_vision_tokens > 0);
  EXPECT_EQ(fits[1].num_vision_tokens, 0);
  EXPECT_EQ(first_mode(fits), 0u);
  EXPECT_THROW(first_mode(fit_modes({}, 1, 20000, {"base", "large"}, config)), ConfigError);
  EXPECT_THROW(fit_modes({}, 100, 100, {"huge"}, config), ConfigError);
}

}  // namespace
}  // namespace fovea::image

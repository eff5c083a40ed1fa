// Preprocessing against the published code (tests/golden/preprocess.json): every view and tile byte for byte, every count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/image/read.h"
#include "fovea/image/resize.h"
#include "fovea/image/views.h"
#include "support/rule.h"

namespace fovea {
namespace {

std::string mode_name(const std::string& key) { return key == "gundam_m" ? "gundam-m" : key; }

class Preprocess : public testing::TestWithParam<size_t> {
 protected:
  static const Json& golden() {
    static const Json json = test::read_golden("preprocess.json");
    return json;
  }
};

TEST_P(Preprocess, ViewsTilesAndCountsEqualTheReference) {
  const Json& c = golden()["cases"][GetParam()];
  const int64_t width = c["width"], height = c["height"];
  const Image picture = test::rule_image(c["picture"]["picture"], width, height, c["picture"]["seed"]);
  ASSERT_EQ(test::crc32_of(picture), c["source_crc32"]);
  for (const auto& [key, expected] : c["modes"].items()) {
    SCOPED_TRACE(key);
    const image::Mode mode = image::mode_by_name(mode_name(key));
    if (expected.contains("error")) {
      EXPECT_THROW(image::make_views(picture, mode), ConfigError);
      continue;
    }
    const image::Views views = image::make_views(picture, mode);
    EXPECT_EQ(test::crc32_of(views.global), expected.contains("view") ? expected["view"]["crc32"] : expected["view_crc32"]);
    EXPECT_EQ((std::vector<int64_t>{views.grid.columns, views.grid.rows}), expected["grid"].get<std::vector<int64_t>>());
    EXPECT_EQ(int64_t(views.tiles.size()), expected["tiles"].get<int64_t>());
    for (size_t i = 0; i < views.tiles.size(); ++i) EXPECT_EQ(test::crc32_of(views.tiles[i]), expected["tile_crc32"][i]) << "tile " << i;
    const image::TokenCounts counts = image::count_tokens(width, height, mode);
    EXPECT_EQ(counts.decoder_positions, expected["placeholders"].get<int64_t>());
    if (expected.contains("vision_tokens_without_newlines")) {
      EXPECT_EQ(counts.vision_tokens, expected["vision_tokens_without_newlines"].get<int64_t>());
    }
    if (expected.contains("reference_valid_tokens")) {
      EXPECT_EQ(counts.reference_valid_tokens, expected["reference_valid_tokens"].get<int64_t>());
    }
    if (expected.contains("fit")) {
      EXPECT_EQ((std::vector<int64_t>{views.fit.width_px, views.fit.height_px}), expected["fit"]["resized"].get<std::vector<int64_t>>());
      EXPECT_EQ((std::vector<int64_t>{views.fit.x_px, views.fit.y_px}), expected["fit"]["offset"].get<std::vector<int64_t>>());
    }
    if (c.contains("paper_valid_tokens") && c["paper_valid_tokens"].contains(key)) {
      EXPECT_EQ(counts.paper_valid_tokens, c["paper_valid_tokens"][key].get<int64_t>());
    }
  }
  for (const int64_t side : {640, 1024})
    for (const int64_t most : {6, 9}) {
      image::Mode mode = image::mode_by_name("gundam");
      mode.tile_side_px = side;
      mode.max_tiles = most;
      const std::string key = "tile_" + std::to_string(side) + "_max_" + std::to_string(most);
      if (!c.contains("grid_choice") || (width <= 640 && height <= 640)) continue;  // untiled whatever the chooser says
      const Json& expected = c["grid_choice"].at(key);
      const image::TileGrid grid = image::choose_tile_grid(width, height, mode);
      EXPECT_EQ((std::vector<int64_t>{grid.columns, grid.rows}), expected.get<std::vector<int64_t>>()) << side << " px, at most " << most;
    }
}

INSTANTIATE_TEST_SUITE_P(Sizes, Preprocess, testing::Range<size_t>(0, 30));

TEST(Preprocess, AllCasesAreTested) { EXPECT_EQ(test::read_golden("preprocess.json")["cases"].size(), 30u); }

TEST(Modes, NamesSidesAndErrors) {
  EXPECT_EQ(image::mode_by_name("768").view_side_px, 768);
  EXPECT_EQ(image::count_tokens(768, 768, image::mode_by_name("768")).vision_tokens, 144);
  EXPECT_EQ(image::count_tokens(768, 768, image::mode_by_name("768")).reference_valid_tokens, 0);
  for (const char* bad : {"huge", "", "64px", "-64", "99999"}) EXPECT_THROW(image::mode_by_name(bad), ConfigError) << bad;
  try {
    image::mode_by_name("700");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("704"));
  }
}

TEST(Resize, OneAxisAtATimeAndItsErrors) {
  const Image picture = test::rule_image("resize", 37, 21, 1);
  EXPECT_EQ(image::resize_bicubic(picture, 37, 21).pixels, picture.pixels);
  // Gray is resized as each channel of a gray RGB picture is.
  Image gray = Image::filled(37, 21, 1, 0);
  for (size_t i = 0; i < gray.pixels.size(); ++i) gray.pixels[i] = picture.pixels[3 * i];
  EXPECT_EQ(image::to_rgb(image::resize_bicubic(gray, 50, 9)).pixels, image::resize_bicubic(image::to_rgb(gray), 50, 9).pixels);
  EXPECT_THROW(image::resize_bicubic(picture, 0, 5), ShapeError);
}

}  // namespace
}  // namespace fovea

// Reading files: the forms of tests/golden (made by Pillow), damage of every kind, limits. (JPEG, WebP, TIFF, CMYK and 16 bits beside Pillow
// itself: tests/python/test_image.py.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/image/read.h"
#include "support/rule.h"

namespace fovea {
namespace {

std::string golden_file(const std::string& name) { return std::string(FOVEA_SOURCE_DIR) + "/tests/golden/" + name; }

TEST(ReadImage, FormsAreWhatTheReferenceSees) {
  const Json golden = test::read_golden("forms.json");
  ASSERT_GE(golden["cases"].size(), 7u);
  for (const auto& c : golden["cases"]) {
    SCOPED_TRACE(c["file"].get<std::string>());
    const Image picture = image::to_rgb(image::read(golden_file(c["file"])));
    EXPECT_EQ(picture.width_px, c["width"].get<int>());
    EXPECT_EQ(picture.height_px, c["height"].get<int>());
    EXPECT_EQ(test::crc32_of(picture), c["rgb_crc32"]);
  }
}

TEST(ReadImage, OrientationsAreUndone) {
  // 2 x 3 px with values 1 to 6, and what is seen upright under each orientation (TIFF 6.0, tag 274)
  const Image stored{2, 3, 1, {1, 2, 3, 4, 5, 6}};
  const std::vector<std::vector<uint8_t>> seen = {{1, 2, 3, 4, 5, 6}, {2, 1, 4, 3, 6, 5}, {6, 5, 4, 3, 2, 1}, {5, 6, 3, 4, 1, 2},
                                                  {1, 3, 5, 2, 4, 6}, {5, 3, 1, 6, 4, 2}, {6, 4, 2, 5, 3, 1}, {2, 4, 6, 1, 3, 5}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const Image upright = image::oriented(stored, orientation);
    EXPECT_THAT(upright.pixels, testing::ElementsAreArray(seen[size_t(orientation - 1)])) << orientation;
    EXPECT_EQ(upright.width_px, orientation < 5 ? 2 : 3);
  }
  EXPECT_EQ(image::oriented(stored, 77).pixels, stored.pixels);
}

TEST(ReadImage, DamageAndLimitsAreNamed) {
  const std::string good = read_file(golden_file("forms/rgba.png"));
  const auto message = [](std::string_view bytes, const image::ReadLimits& limits = {}) -> std::string {
    try {
      image::decode(bytes, "page", limits);
    } catch (const IoError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(message(""), testing::HasSubstr("empty"));
  EXPECT_THAT(message("%PDF-1.7"), testing::HasSubstr("none of PNG, JPEG, WebP and TIFF"));
  EXPECT_THAT(message(good, {.max_pixels = 100}), testing::HasSubstr("60 x 40 px are more than the limit of 100"));
  for (size_t size = 8; size < good.size(); size += 7) EXPECT_THAT(message(std::string_view(good).substr(0, size)), testing::HasSubstr("damaged PNG")) << size;
  // Every format's magic with rubbish after it.
  for (const std::string& magic : {std::string("\xff\xd8\xff\xe0"), std::string("RIFF\x10\0\0\0WEBPVP8 ", 16), std::string("II*\0\x08\0\0\0", 8), std::string("MM\0*\0\0\0\x08", 8)}) {
    std::string bytes = magic;
    for (uint64_t i = 0; i < 400; ++i) bytes += char(test::rule_hash(test::rule_key(magic, 1), i));
    EXPECT_THAT(message(bytes), testing::HasSubstr("page")) << magic;
    EXPECT_THAT(message(magic), testing::HasSubstr("page")) << magic;
  }
}

}  // namespace
}  // namespace fovea

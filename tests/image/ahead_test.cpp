#include "fovea/image/ahead.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/file.h"

namespace fovea::image {
namespace {

namespace fs = std::filesystem;

class Ahead : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("fovea_ahead_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    for (int i = 0; i < 12; ++i) {
      const std::string path = (folder_ / (std::to_string(i) + ".png")).string();
      if (i == 5) write_file_atomic(path, "no picture");
      else write_png(Image::filled(40 + i, 30, 1, uint8_t(i)), path);
      files_.push_back(path);
    }
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
  std::vector<std::string> files_;
};

TEST_F(Ahead, HandsOutEveryFileInOrderAndAnErrorAtItsTurn) {
  for (const size_t threads : {1u, 4u}) {
    ViewsAhead ahead(files_, mode_by_name("tiny"), 64, threads, 3);
    for (size_t i = 0; i < files_.size(); ++i) {
      const auto item = ahead.next();
      ASSERT_TRUE(item.has_value());
      EXPECT_EQ(item->index, i);
      if (i == 5) {
        EXPECT_NE(item->error.find(files_[i]), std::string::npos) << item->error;
        continue;
      }
      EXPECT_EQ(item->error, "");
      EXPECT_EQ(item->width_px, 40 + int(i));
      const Views expected = make_views(read(files_[i]), mode_by_name("tiny"));
      EXPECT_TRUE(std::equal(expected.global.pixels.begin(), expected.global.pixels.end(), item->views.global.pixels.begin(), item->views.global.pixels.end()));
    }
    EXPECT_FALSE(ahead.next().has_value());
  }
}

TEST_F(Ahead, CanBeLeftBeforeTheEnd) {
  ViewsAhead ahead(files_, mode_by_name("tiny"), 64, 3, 2);
  EXPECT_TRUE(ahead.next().has_value());
  ViewsAhead none({}, mode_by_name("tiny"));
  EXPECT_FALSE(none.next().has_value());
}

}  // namespace
}  // namespace fovea::image

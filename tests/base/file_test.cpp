#include "fovea/base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/error.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder = fs::temp_directory_path() / "fovea_file_test";
    fs::remove_all(folder);
    make_writable_folder((folder / "a" / "b").string());
  }
  void TearDown() override { fs::remove_all(folder); }
  fs::path folder;
};

TEST_F(Files, WriteReadsBackAndLeavesNothingElse) {
  const auto path = (folder / "a" / "b" / "file").string();
  const std::string bytes("\0\xFF\n text", 8);
  write_file_atomic(path, bytes);
  EXPECT_EQ(read_file(path), bytes);
  write_file_atomic(path, "");
  EXPECT_EQ(read_file(path), "");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "a" / "b"), {}), 1);
}

TEST_F(Files, ErrorsNameThePath) {
  const auto absent = (folder / "absent").string();
  EXPECT_THAT([&] { read_file(absent); }, testing::ThrowsMessage<IoError>(testing::HasSubstr(absent)));
  EXPECT_THROW(read_file(folder.string()), IoError);
  EXPECT_THAT([&] { write_file_atomic(absent + "/file", "x"); }, testing::ThrowsMessage<IoError>(testing::HasSubstr(absent)));
  write_file_atomic((folder / "file").string(), "x");
  EXPECT_THROW(make_writable_folder((folder / "file" / "below").string()), IoError);
}

TEST_F(Files, Sha256) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const auto path = (folder / "large").string();
  const std::string bytes(3'000'000, 'x');
  write_file_atomic(path, bytes);
  EXPECT_EQ(sha256_hex_of_file(path), sha256_hex(bytes));
  EXPECT_THROW(sha256_hex_of_file(path + "no"), IoError);
}

}  // namespace
}  // namespace fovea

#include "fovea/base/utf8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"

namespace fovea {
namespace {

TEST(Utf8, EveryCodePointGoesThrough) {
  std::u32string all;
  for (char32_t c = 0; c < 0x110000; ++c)
    if (c < 0xD800 || c > 0xDFFF) all += c;
  const std::string utf8 = to_utf8(all);
  EXPECT_EQ(find_invalid_utf8(utf8), std::string_view::npos);
  EXPECT_EQ(to_code_points(utf8), all);
}

TEST(Utf8, FindsMalformedSequences) {
  for (const char* bytes : {"ab\x80", "ab\xC0\x80", "ab\xC3", "ab\xE0\x80\x80", "ab\xED\xA0\x80", "ab\xE2\x82", "ab\xF0\x80\x80\x80",
                            "ab\xF4\x90\x80\x80", "ab\xF5\x80\x80\x80", "ab\xFF"})
    EXPECT_EQ(find_invalid_utf8(bytes), 2u);
  EXPECT_EQ(find_invalid_utf8("é€😀"), std::string_view::npos);
  EXPECT_THAT([] { require_utf8("ab\xFF", "file.txt"); },
              testing::ThrowsMessage<ConfigError>(testing::AllOf(testing::HasSubstr("file.txt"), testing::HasSubstr("0xFF"), testing::HasSubstr("2"))));
}

TEST(Utf8, ReplacesEveryMalformedByte) {
  EXPECT_EQ(replace_invalid_utf8("a\xE2\x82z\xFF"), "a\uFFFD\uFFFDz\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("né"), "né");
  EXPECT_EQ(replace_invalid_utf8(""), "");
}

}  // namespace
}  // namespace fovea

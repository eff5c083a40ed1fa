// Fonts: names, paths, damaged files.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::Contains;
using testing::HasSubstr;

std::string temporary(const std::string& name) {
  return (std::filesystem::temp_directory_path() / ("fovea_fonts_" + std::to_string(getpid()) + "_" + name)).string();
}

TEST(Fonts, FamiliesAreSortedAndUnique) {
  const auto names = font_families();
  EXPECT_THAT(names, Contains("DejaVu Sans Mono"));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(Fonts, FamilyIsTheUprightRegularFace) {
  EXPECT_THAT(font_file("DejaVu Sans"), HasSubstr("/DejaVuSans.ttf"));
  EXPECT_THAT(font_file("dejavu serif"), HasSubstr("/DejaVuSerif.ttf"));
  EXPECT_THAT(font_file("Liberation Mono"), HasSubstr("LiberationMono-Regular.ttf"));
  EXPECT_THAT(font_file("Noto Serif"), HasSubstr("NotoSerif-Regular.ttf"));
}

TEST(Fonts, PathAndNameDrawTheSame) {
  Style by_name, by_path;
  by_name.font = "Liberation Serif";
  by_path.font = font_file("Liberation Serif");
  const Renderer renderer;
  const Page a = renderer.render("Same face", by_name), b = renderer.render("Same face", by_path);
  EXPECT_EQ(a.image.pixels, b.image.pixels);
  EXPECT_EQ(b.report.font_family, "Liberation Serif");
  by_path.font = font_file("WenQuanYi Micro Hei Mono") + "#1";
  by_name.font = "WenQuanYi Micro Hei Mono";
  EXPECT_EQ(renderer.render("iiimmm", by_name).image.pixels, renderer.render("iiimmm", by_path).image.pixels);
}

TEST(Fonts, UnknownNameListsNearOnes) {
  for (const char* name : {"DejaVu Sans Mon", "dejavusansmono", "Dejavu Snas Mno"}) {
    try {
      font_file(name);
      FAIL() << name;
    } catch (const ConfigError& e) {
      EXPECT_THAT(e.what(), HasSubstr("unknown font '" + std::string(name) + "', near: DejaVu Sans Mono"));
    }
  }
  EXPECT_THROW(font_file("/nowhere/font.ttf"), ConfigError);
  EXPECT_THROW(font_file("nowhere.otf"), ConfigError);
  EXPECT_THROW(font_file("/tmp/"), ConfigError);
}

// Never a crash: an error, or a page.
TEST(Fonts, DamagedFiles) {
  const std::string path = temporary("damaged.ttf");
  const std::string whole = read_file(font_file("DejaVu Sans Mono"));
  Style style;
  style.font = path;
  for (uint64_t i = 0; i < 40; ++i) {
    Rng rng(9, 0, i);
    std::string bytes = whole;
    if (i % 2) {
      bytes.resize(rng.below(bytes.size()));
    } else {
      for (int n = 0; n < 400; ++n) bytes[rng.below(i % 4 ? bytes.size() : 4096)] = char(rng.below(256));
    }
    write_file_atomic(path, bytes);
    try {
      Renderer().render("Hamburgefonts ßé“” 0123", style);
      Renderer().fit_font_size("Hamburgefonts", style);
    } catch (const Error&) {
    }
  }
  write_file_atomic(path, "no font at all");
  EXPECT_THROW(Renderer().render("x", style), RenderError);
  write_file_atomic(path, "");
  EXPECT_THROW(Renderer().render("x", style), RenderError);
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace fovea::render

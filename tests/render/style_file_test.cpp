// Style files and contact sheets.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/render/contact_sheet.h"
#include "fovea/render/style_file.h"

namespace fovea::render {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(StyleFile, ShippedStylesAreTheFilesInTheFolder) {
  EXPECT_THAT(style_names(), ElementsAre("bad-autoencoding", "code-dense-1", "code-dense-2", "dense", "glyph", "pixel-strip", "plain"));
  size_t num_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FOVEA_SOURCE_DIR "/render/styles")) {
    const std::string name = entry.path().stem().string();
    EXPECT_EQ(style_text(name), read_file(entry.path().string())) << name;
    EXPECT_EQ(config_to_json(load_style(name)), config_to_json(load_style(entry.path().string())));
    ++num_files;
  }
  EXPECT_EQ(num_files, style_names().size());
}

TEST(StyleFile, ShippedStylesSayWhatTheyFollowAndDraw) {
  const Renderer renderer;
  const std::string text = "def f(x):\n    return x + 1\n\nThe suburb of Saffron Park lay on the sunset side of London, as red and ragged as a cloud of sunset.\n";
  for (const auto& name : style_names()) {
    const std::string comment = style_text(name);
    if (name != "plain" && name != "dense") {
      EXPECT_THAT(comment, HasSubstr("ollows")) << name;
      EXPECT_THAT(comment, HasSubstr("Differs")) << name;
    }
    const StyleSheet sheet = load_style(name);
    validate(sheet.style);
    size_t bytes = 0;
    Style style = fitted_style(renderer, text, sheet, {}, bytes);
    const Page page = renderer.render(text, style);
    EXPECT_EQ(page.report.num_bytes_left_out, 0u) << name;
    EXPECT_GT(page.chars.size(), 100u) << name;
  }
}

TEST(StyleFile, PeersNumbers) {
  const Style glyph = load_style("glyph").style;
  EXPECT_EQ(glyph.width_px, 595);
  EXPECT_EQ(glyph.height_px, 842);
  EXPECT_EQ(glyph.font_size_px, 9);
  EXPECT_EQ(glyph.line_pitch_px, 10);
  EXPECT_EQ(glyph.margin_left_px, 10);
  const Style strip = load_style("pixel-strip").style;
  EXPECT_EQ(strip.width_px, 529 * 16);
  EXPECT_EQ(strip.height_px, 16);
  const StyleSheet bad = load_style("bad-autoencoding");
  EXPECT_EQ(bad.style.margin_left_px * 20, bad.style.width_px);
  EXPECT_EQ(bad.fit.size, "largest");
  // DejaVu Sans: 1901 up and 483 down of 2048 an em
  EXPECT_NEAR(bad.style.line_height * (1901 + 483) / 2048, 1.2, 1e-5);
}

TEST(StyleFile, ErrorsNameTheFileAndTheKey) {
  const std::string path = (std::filesystem::temp_directory_path() / ("fovea_style_" + std::to_string(getpid()) + ".toml")).string();
  const auto message = [&](const std::string& toml) {
    write_file_atomic(path, toml);
    try {
      load_style(path);
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(message("font_size_px = 9\n[degrade]\nnoise = 3\n"), "");
  EXPECT_EQ(load_style(path).degrade.noise, 3);
  EXPECT_THAT(message("font_size = 9\n"), testing::AllOf(HasSubstr(path), HasSubstr("'font_size'"), HasSubstr("font_size_px")));
  EXPECT_THAT(message("[degrade]\nnoises = 3\n"), HasSubstr("degrade.noise"));
  EXPECT_THAT(message("[fit]\nsize = \"huge\"\n"), HasSubstr("fit.size must be one of"));
  EXPECT_THAT(message("width_px = \n"), HasSubstr(path + ":1"));
  std::filesystem::remove(path);
  EXPECT_THROW(load_style(path), IoError);
  try {
    load_style("gliph");
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), testing::AllOf(HasSubstr("did you mean 'glyph'"), HasSubstr("pixel-strip")));
  }
}

TEST(ContactSheet, HoldsEveryPicture) {
  const Renderer renderer;
  std::vector<ContactCell> cells;
  for (int i = 0; i < 7; ++i) cells.push_back({Image::filled(100 + 50 * i, 300, i % 2 ? 3 : 1, uint8_t(30 * i)), "font_size_px=" + std::to_string(i)});
  cells.push_back({{}, "left out"});
  const Image sheet = contact_sheet(cells, 3, 150, "a sweep", renderer);
  EXPECT_EQ(sheet.channels, 3);
  for (int i = 0; i < 7; ++i) {
    const auto most = std::count(sheet.pixels.begin(), sheet.pixels.end(), uint8_t(30 * i));
    const double scale = std::min(150.0 / (100 + 50 * i), 0.5);
    EXPECT_GT(most, 0.9 * 3 * (100 + 50 * i) * 300 * scale * scale) << i;
  }
  EXPECT_THROW(contact_sheet(cells, 0, 100, "", renderer), ConfigError);
  EXPECT_THROW(contact_sheet({{Image::filled(30000, 1, 1, 0), "wide"}, {Image::filled(1, 30000, 1, 0), "tall"}}, 2, 30000, "", renderer), ConfigError);
}

}  // namespace
}  // namespace fovea::render

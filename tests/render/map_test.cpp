// The map: characters to patches and vision tokens and back, its file, its numbers.
#include <filesystem>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/render/map.h"
#include "fovea/render/map_file.h"
#include "fovea/render/map_picture.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Renderer& renderer() {
  static const Renderer made;
  return made;
}

Page text_page(int64_t width = 640, int64_t height = 640, double size_px = 13) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "The suburb of Saffron Park lay on the sunset side of London; naïve 漢字 offices.\n";
  Style style;
  style.font = "DejaVu Sans";
  style.width_px = width, style.height_px = height;
  style.font_size_px = size_px;
  return renderer().render(text, style);
}

ViewConfig mode(const std::string& name) {
  ViewConfig config;
  config.mode = name;
  return config;
}

TEST(TokenGrids, ModesHaveTheirPublishedTokens) {
  const auto tokens = [](const std::string& name, int64_t width, int64_t height) {
    int64_t sum = 0, positions = 1;
    for (const auto& grid : token_grids(width, height, mode(name))) {
      EXPECT_EQ(grid.token_begin, sum);
      EXPECT_EQ(grid.position_begin, positions - 1);
      sum += grid.num_tokens();
      positions += grid.num_rows * (grid.num_columns + 1);
    }
    return std::make_pair(sum, positions);
  };
  using P = std::pair<int64_t, int64_t>;
  EXPECT_EQ(tokens("tiny", 800, 600), P(64, 73));
  EXPECT_EQ(tokens("small", 640, 640), P(100, 111));
  EXPECT_EQ(tokens("base", 1700, 2200), P(256, 273));
  EXPECT_EQ(tokens("large", 1700, 2200), P(400, 421));
  EXPECT_EQ(tokens("gundam", 640, 640), P(256, 273));
  EXPECT_EQ(tokens("gundam", 1700, 2200), P(600 + 256, 903));   // 2 x 3 tiles
  EXPECT_EQ(tokens("gundam", 1920, 1080), P(800 + 256, 1093));  // 4 x 2
  EXPECT_EQ(tokens("gundam", 1200, 2400), P(800 + 256, 1113));  // 2 x 4
  EXPECT_EQ(tokens("gundam-m", 1281, 1281), P(4 * 256 + 400, 421 + 32 * 33));
  ViewConfig six = mode("gundam");
  six.max_tiles = 6;
  EXPECT_EQ(token_grids(1920, 1080, six)[0].num_columns, 20);
  EXPECT_EQ(token_grids(1920, 1080, six)[0].num_rows, 10);
}

TEST(TokenGrids, PaddedViewsCentreThePage) {
  const TokenGrid grid = token_grids(600, 800, mode("base"))[0];
  EXPECT_DOUBLE_EQ(grid.scale_y, 1.28);
  EXPECT_DOUBLE_EQ(grid.offset_x, 128);
  EXPECT_EQ(grid.offset_y, 0);
  EXPECT_EQ(token_rect(grid, 0).x1, token_rect(grid, 0).x0);  // padding only
  const PageRect third = token_rect(grid, 2);
  EXPECT_DOUBLE_EQ(third.x0, 0);
  EXPECT_DOUBLE_EQ(third.x1, 50);
}

TEST(TokenGrids, OtherStridesAndSides) {
  ViewConfig config;
  config.mode = "custom";
  config.side_px = 448, config.patch_px = 14, config.token_px = 28;
  const TokenGrid grid = token_grids(448, 448, config)[0];
  EXPECT_EQ(grid.num_tokens(), 256);
  EXPECT_EQ(grid.num_patch_columns(), 32);
  const TokenGrid page = token_grids(1000, 70, {})[0];
  EXPECT_EQ(page.num_columns, 16);
  EXPECT_EQ(page.num_rows, 2);
  EXPECT_THROW(token_grids(0, 10, {}), ConfigError);
  EXPECT_THROW(token_grids(10, 10, mode("huge")), ConfigError);
}

TEST(MapPage, CharactersAndTokensLeadToEachOther) {
  const Page page = text_page();
  for (const char* name : {"page", "tiny", "small", "base", "gundam"})
    for (const TokenGrid& grid : token_grids(640, 640, mode(name))) {
      const GridMap map = map_page(page, grid);
      ASSERT_EQ(map.chars.size(), page.chars.size());
      std::vector<size_t> seen(page.chars.size());
      for (size_t t = 0; t + 1 < map.token_char_begin.size(); ++t) {
        const PageRect rect = token_rect(grid, int64_t(t));
        for (size_t k = map.token_char_begin[t]; k < map.token_char_begin[t + 1]; ++k) {
          const CharBox& box = page.chars[map.token_chars[k]];
          ++seen[map.token_chars[k]];
          if (box.x1_px == box.x0_px) continue;
          EXPECT_LT(box.x0_px, rect.x1);  // it really touches the token
          EXPECT_GT(box.x1_px, rect.x0);
          EXPECT_LT(box.y0_px, rect.y1);
          EXPECT_GT(box.y1_px, rect.y0);
        }
      }
      for (size_t i = 0; i < page.chars.size(); ++i) {
        const CharPlace& place = map.chars[i];
        const size_t touched = size_t(place.token_column_end - place.token_column_begin) * size_t(place.token_row_end - place.token_row_begin);
        EXPECT_EQ(seen[i], touched);
        EXPECT_EQ(place.cut_by_token, touched > 1);
        EXPECT_TRUE(place.cut_by_patch || !place.cut_by_token) << "every token border is a patch border";
        EXPECT_LT(place.token, grid.num_tokens());
        EXPECT_LT(place.patch, grid.num_patch_columns() * grid.num_patch_rows());
      }
    }
}

TEST(MapPage, CutsAreWhereBordersAre) {
  Page page;
  page.image = Image::filled(128, 64, 1, 255);
  page.text = "abcd";
  page.lines.resize(1);
  const auto box = [&](uint32_t at, int x0, int x1, int y0 = 3, int y1 = 9) {
    CharBox out;
    out.byte_offset = at;
    out.x0_px = int16_t(x0), out.x1_px = int16_t(x1), out.y0_px = int16_t(y0), out.y1_px = int16_t(y1);
    page.chars.push_back(out);
  };
  box(0, 60, 64), box(1, 64, 70), box(2, 63, 65), box(3, 10, 12, 14, 17);
  const GridMap map = map_page(page, token_grids(128, 64, {})[0]);
  EXPECT_FALSE(map.chars[0].cut_by_token || map.chars[0].cut_by_patch);  // ends at the border
  EXPECT_FALSE(map.chars[1].cut_by_token || map.chars[1].cut_by_patch);  // begins at it
  EXPECT_TRUE(map.chars[2].cut_by_token && map.chars[2].cut_by_patch);
  EXPECT_TRUE(!map.chars[3].cut_by_token && map.chars[3].cut_by_patch);
  EXPECT_EQ(map.num_glyphs, 4u);
  EXPECT_EQ(map.num_glyphs_cut_by_token, 1u);
  EXPECT_EQ(map.num_glyphs_cut_by_patch, 2u);
  EXPECT_THAT(std::vector<uint32_t>(map.token_chars.begin(), map.token_chars.begin() + map.token_char_begin[1]), ElementsAre(0, 2, 3));
  EXPECT_EQ(map.chars[1].patch, 4u);
}

TEST(MapPage, InkDensityIsThatOfThePixels) {
  const Page page = text_page();
  const TokenGrid grid = token_grids(640, 640, mode("small"))[0];
  const GridMap map = map_page(page, grid);
  for (int64_t t = 0; t < grid.num_tokens(); t += 7) {
    double ink = 0;
    for (int64_t y = t / 10 * 64; y < t / 10 * 64 + 64; ++y)
      for (int64_t x = t % 10 * 64; x < t % 10 * 64 + 64; ++x) ink += 255 - page.image.row(int(y))[x];
    EXPECT_NEAR(map.ink_density[size_t(t)], ink / 255 / 4096, 1e-9);
  }
  Page inverse = page;
  for (uint8_t& v : inverse.image.pixels) v = uint8_t(255 - v);
  EXPECT_EQ(map_page(inverse, grid).ink_density, map.ink_density);
  const GridMap stretched = map_page(page, token_grids(640, 640, mode("tiny"))[0]);
  const auto mean = [](const std::vector<double>& v) { return std::accumulate(v.begin(), v.end(), 0.0) / double(v.size()); };
  EXPECT_NEAR(mean(stretched.ink_density), mean(map.ink_density), 1e-9);
}

TEST(MapPage, TextTokensAreAllSharedOut) {
  const Page page = text_page();
  Rng rng(3);
  std::vector<size_t> ends;  // any bytes, also inside a character and over newlines
  for (size_t at = 0; at < page.text.size();) ends.push_back(at = std::min(page.text.size(), at + 1 + rng.below(7)));
  for (const char* name : {"page", "tiny", "large"}) {
    const GridMap map = map_page(page, token_grids(640, 640, mode(name)).back(), ends);
    EXPECT_EQ(map.num_text_tokens, ends.size());
    EXPECT_NEAR(std::accumulate(map.text_tokens.begin(), map.text_tokens.end(), 0.0), double(ends.size()), 1e-6);
    const Json json = to_json(map);
    EXPECT_NEAR(json["ratio"].get<double>(), double(ends.size()) / double(map.grid.num_tokens()), 1e-5);
    EXPECT_EQ(json["tokens"]["text_tokens"].size(), size_t(map.grid.num_tokens()));
  }
  const TokenGrid grid = token_grids(640, 640, {})[0];
  EXPECT_THROW(map_page(page, grid, {5, 3}), ConfigError);
  EXPECT_THROW(map_page(page, grid, {page.text.size() + 1}), ConfigError);
}

class MapFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("fovea_map_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string refusal(const Json& json) const {
    try {
      map_from_json(json, "here");
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "";
  }
  std::filesystem::path folder_;
};

TEST_F(MapFile, ReadsBackWhatItWrote) {
  Page page = text_page(400, 300);
  Degradations degradations;
  degradations.skew_degrees = 2;
  MapFileExtras extras;
  extras.degradations = to_json(degrade(page, degradations));
  extras.source = {{"style", "plain"}};
  write_page(page, path("p"), extras);
  MapFileExtras read;
  const Page back = read_map(path("p.map.json"), true, &read);
  EXPECT_EQ(back.image.pixels, page.image.pixels);
  EXPECT_EQ(map_to_json(back, read), map_to_json(page, read));
  EXPECT_EQ(read.image, "p.png");
  EXPECT_EQ(read.source, extras.source);
  EXPECT_EQ(read.degradations["steps"][0], "skew_degrees=2");
  EXPECT_EQ(back.chars.size(), page.chars.size());
  EXPECT_EQ(back.grapheme_begin, page.grapheme_begin);
  EXPECT_TRUE(read_map(path("p.map.json"), false).image.pixels.empty());
  std::filesystem::remove(path("p.png"));
  EXPECT_EQ(read_map(path("p.map.json")).image.width_px, 400);
}

TEST_F(MapFile, RefusesADamagedFile) {
  const Page page = text_page(400, 300);
  const Json good = map_to_json(page);
  EXPECT_EQ(refusal(good), "");
  const auto with = [&](const char* pointer, const Json& value) {
    Json json = good;
    json[Json::json_pointer(pointer)] = value;
    return refusal(json);
  };
  EXPECT_THAT(with("/schema_version", 2), HasSubstr("schema_version must be 1, got 2"));
  EXPECT_THAT(with("/schema", "x"), HasSubstr("not a page's map"));
  EXPECT_THAT(with("/extra", 1), HasSubstr("unknown key 'extra'"));
  EXPECT_THAT(with("/chars/line/0", 4000), HasSubstr("chars[0]: line 4000"));
  EXPECT_THAT(with("/chars/line/0", "a"), HasSubstr("line[0] must be a whole number"));
  EXPECT_THAT(with("/chars/x0_px/1", 100000), HasSubstr("x0_px[1] must be a whole number from -32768 to 32767, got 100000"));
  EXPECT_THAT(with("/chars/byte_offset/1", 1 << 30), HasSubstr("beyond the text"));
  EXPECT_THAT(with("/chars/channel/1", 3), HasSubstr("channel must be 0 to 2"));
  EXPECT_THAT(with("/lines/byte_end/0", 1 << 30), HasSubstr("lines[0]"));
  EXPECT_THAT(with("/graphemes/char_begin", Json::array({3, 2})), HasSubstr("char_begin"));
  EXPECT_THAT(with("/width_px", 0), HasSubstr("width_px"));
  EXPECT_THAT(with("/report/font_size_px", "big"), HasSubstr("font_size_px"));
  Json shorter = good;
  shorter["chars"]["x1_px"].erase(0);
  EXPECT_THAT(refusal(shorter), HasSubstr("entries"));
  for (const auto& item : good.items()) {
    if (item.key() == "image" || item.key() == "image_sha256") continue;  // read only where they are asked for
    Json json = good;
    json.erase(item.key());
    EXPECT_NE(refusal(json), "") << item.key();
  }
  write_file_atomic(path("x.map.json"), map_text(good).substr(0, 200));
  EXPECT_THROW(read_map(path("x.map.json")), ConfigError);
  EXPECT_THROW(read_map(path("none.map.json")), IoError);
}

TEST_F(MapFile, RefusesAnotherPicture) {
  const Page page = text_page(400, 300);
  write_page(page, path("p"));
  Image other = page.image;
  other.pixels[5] ^= 1;
  write_png(other, path("p.png"));
  EXPECT_THROW(read_map(path("p.map.json")), ConfigError);
  write_png(Image::filled(10, 10, 1, 0), path("p.png"));
  EXPECT_THROW(read_map(path("p.map.json")), ConfigError);
}

TEST(MapPicture, ShowsCutsAndNumbers) {
  const Page page = text_page();
  const TokenGrid grid = token_grids(640, 640, mode("small"))[0];
  const GridMap map = map_page(page, grid);
  const Image cuts = draw_map_layer(page, map, MapLayer::kCuts, 2, renderer());
  EXPECT_EQ(cuts.width_px, 1280);
  for (size_t i = 0; i < map.chars.size(); ++i) {
    if (!map.chars[i].cut_by_token) continue;
    const CharBox& box = page.chars[i];
    int red = 0;
    for (int y = 2 * box.y0_px; y < 2 * box.y1_px; ++y)
      for (int x = 2 * box.x0_px; x < 2 * box.x1_px; ++x) red += cuts.row(y)[3 * x] > cuts.row(y)[3 * x + 1] + 40;
    EXPECT_GT(red, 0) << i;
  }
  const Image all = draw_map(page, map, "Small, 100 tokens", 1, renderer());
  EXPECT_GT(all.width_px, 3 * 640);
  EXPECT_THROW(draw_map_layer(page, map, MapLayer::kInk, 9, renderer()), ConfigError);
  Page bare = page;
  bare.image.pixels.clear();
  draw_map(bare, map_page(bare, grid), "without pixels", 1, renderer());
}

}  // namespace
}  // namespace fovea::render

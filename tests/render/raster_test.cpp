// Glyph bitmaps and the raster of a DrawList: antialiasing, hinting, phases, colour, synthetic faces, rotation, ink boxes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "draw_helper.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/render/renderer.h"
#include "raster_rich.h"

namespace fovea::render {
namespace {

using testing::HasSubstr;

struct Drawn {
  Image page;
  std::vector<InkBox> ink;
  size_t num_clipped = 0;
};

Drawn drawn(const DrawList& list, const RasterOptions& options) {
  Drawn out;
  out.num_clipped = draw(list, options, out.page, &out.ink);
  return out;
}

RasterOptions options(Antialias antialias, Hinting hinting, int phases, int channels) {
  RasterOptions out;
  out.antialias = antialias, out.hinting = hinting, out.subpixel_positions = phases, out.channels = channels;
  return out;
}

double ink_sum(const Image& page) {
  double sum = 0;
  for (uint8_t v : page.pixels) sum += 255 - v;
  return sum / page.channels;
}

// Centre of the ink of rows [y0, y1).
double centre_x(const Image& page, int y0, int y1) {
  double sum = 0, moment = 0;
  for (int y = y0; y < y1; ++y)
    for (int x = 0; x < page.width_px; ++x) {
      const double ink = 255 - page.row(y)[x * page.channels];
      sum += ink, moment += ink * (x + 0.5);
    }
  return moment / sum;
}

InkBox ink_of(const Image& page) {
  InkBox box;
  for (int y = 0; y < page.height_px; ++y)
    for (int x = 0; x < page.width_px; ++x)
      for (int c = 0; c < page.channels; ++c)
        if (page.row(y)[x * page.channels + c] != 255) box.add({x, y, x + 1, y + 1});
  return box;
}

TEST(Raster, MonoHasTwoValues) {
  Sketch sketch(300, 40);
  sketch.line("DejaVu Sans", 13, "Two values only", 5, 25);
  for (Hinting hinting : {Hinting::kNone, Hinting::kLight, Hinting::kFull}) {
    const Drawn mono = drawn(sketch.list, options(Antialias::kMono, hinting, 1, 1));
    for (uint8_t v : mono.page.pixels) ASSERT_TRUE(v == 0 || v == 255) << int(v);
    const Drawn gray = drawn(sketch.list, options(Antialias::kGray, hinting, 1, 1));
    EXPECT_NEAR(ink_sum(mono.page) / ink_sum(gray.page), 1, 0.25);
  }
}

TEST(Raster, HintingsDiffer) {
  Sketch sketch(300, 40);
  sketch.line("DejaVu Sans", 13, "Hinting moves stems", 5, 25);
  const Image none = drawn(sketch.list, options(Antialias::kGray, Hinting::kNone, 1, 1)).page;
  const Image light = drawn(sketch.list, options(Antialias::kGray, Hinting::kLight, 1, 1)).page;
  const Image full = drawn(sketch.list, options(Antialias::kGray, Hinting::kFull, 1, 1)).page;
  EXPECT_NE(none.pixels, light.pixels);
  EXPECT_NE(none.pixels, full.pixels);
  EXPECT_NE(light.pixels, full.pixels);
  EXPECT_NEAR(ink_sum(full) / ink_sum(none), 1, 0.15);
}

TEST(Raster, PhasesMoveTheInk) {
  for (const bool rotated : {false, true})
    for (int phase = 0; phase < 4; ++phase) {
      Sketch at_zero(60, 60), moved(60, 60);
      const double by = phase / 4.0;
      at_zero.line("DejaVu Serif", 24, "m", 12, 20, {.rotated = rotated});
      moved.line("DejaVu Serif", 24, "m", 12 + (rotated ? 0 : by), 20 + (rotated ? by : 0), {.rotated = rotated});
      Image a = drawn(at_zero.list, options(Antialias::kGray, Hinting::kNone, 4, 1)).page;
      Image b = drawn(moved.list, options(Antialias::kGray, Hinting::kNone, 4, 1)).page;
      if (rotated) {  // look along the line
        Image at = a, bt = b;
        for (int y = 0; y < 60; ++y)
          for (int x = 0; x < 60; ++x) at.row(x)[y] = a.row(y)[x], bt.row(x)[y] = b.row(y)[x];
        a = at, b = bt;
      }
      EXPECT_NEAR(centre_x(b, 0, 60) - centre_x(a, 0, 60), by, 0.02) << phase << rotated;
    }
}

TEST(Raster, StripesKeepTheInkAndSharpenIt) {
  Sketch sketch(300, 40);
  sketch.line("Liberation Sans", 13, "Stripes of red, green and blue", 5.3, 25);
  const Image gray = drawn(sketch.list, options(Antialias::kGray, Hinting::kNone, 4, 1)).page;
  const Image stripes = drawn(sketch.list, options(Antialias::kSubpixel, Hinting::kNone, 4, 3)).page;
  EXPECT_NEAR(ink_sum(stripes) / ink_sum(gray), 1, 0.01);
  double differences = 0, left_to_right = 0;
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 300; ++x) {
      const uint8_t* p = stripes.row(y) + 3 * x;
      differences += std::abs(p[0] - p[2]);
      left_to_right += (255 - p[0]) * (x + 1.0 / 6) - (255 - p[2]) * (x + 5.0 / 6);
    }
  EXPECT_GT(differences, 1000);
  // Red and blue stripes see the same outline 2/3 px apart: at their own places their centres of ink agree.
  EXPECT_LT(std::abs(left_to_right) / ink_sum(stripes), 0.05);
  const Image mean = drawn(sketch.list, options(Antialias::kSubpixel, Hinting::kNone, 4, 1)).page;
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 300; ++x) {
      const uint8_t* p = stripes.row(y) + 3 * x;
      ASSERT_NEAR(mean.row(y)[x], (p[0] + p[1] + p[2]) / 3.0, 4);
    }
}

TEST(Raster, EmojiHaveColourAndTheSameGray) {
  if (!face_covers(locate_face("Noto Color Emoji"), 0x1F600)) GTEST_SKIP() << "no Noto Color Emoji";
  for (double size : {9.0, 20.0, 60.0, 200.0}) {
    Sketch sketch(size * 5, size * 2);
    sketch.line("Noto Color Emoji", size, "\U0001F600\U0001F30D\U0001F389", 2.5, size * 1.4);
    const Image rgb = drawn(sketch.list, options(Antialias::kGray, Hinting::kLight, 4, 3)).page;
    const Image gray = drawn(sketch.list, options(Antialias::kGray, Hinting::kLight, 4, 1)).page;
    int max_colour = 0;
    for (size_t i = 0; i < gray.pixels.size(); ++i) {
      const uint8_t* p = rgb.pixels.data() + 3 * i;
      max_colour = std::max(max_colour, std::abs(p[0] - p[2]));
      ASSERT_NEAR(gray.pixels[i], 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2], 2);
    }
    EXPECT_GT(max_colour, 100);
    const InkBox ink = ink_of(rgb);
    EXPECT_NEAR(ink.x1_px - ink.x0_px, 3 * 1.245 * size, 0.2 * size + 2);  // advance 1.245 em
    EXPECT_NEAR(ink.y1_px - ink.y0_px, 1.17 * size, 0.1 * size + 2);
  }
}

void put16(std::string& out, uint32_t v) { out += char(v >> 8), out += char(v); }
void put32(std::string& out, uint32_t v) { put16(out, v >> 16), put16(out, v & 0xFFFF); }

// The font with COLR (version 0) and CPAL tables: `glyph` becomes `below` in the first colour with `above` in the second over it.
std::string with_layers(const std::string& font, uint32_t glyph, uint32_t below, uint32_t above, uint32_t bgra_0, uint32_t bgra_1) {
  std::map<std::string, std::string> tables;
  const auto get16 = [&](size_t at) { return uint32_t(uint8_t(font[at])) << 8 | uint8_t(font[at + 1]); };
  const auto get32 = [&](size_t at) { return get16(at) << 16 | get16(at + 2); };
  for (uint32_t i = 0; i < get16(4); ++i)
    tables[font.substr(12 + 16 * i, 4)] = font.substr(get32(12 + 16 * i + 8), get32(12 + 16 * i + 12));
  std::string& colr = tables["COLR"];
  put16(colr, 0), put16(colr, 1), put32(colr, 14), put32(colr, 20), put16(colr, 2);
  put16(colr, glyph), put16(colr, 0), put16(colr, 2);
  put16(colr, below), put16(colr, 0), put16(colr, above), put16(colr, 1);
  std::string& cpal = tables["CPAL"];
  put16(cpal, 0), put16(cpal, 2), put16(cpal, 1), put16(cpal, 2), put32(cpal, 14), put16(cpal, 0);
  put32(cpal, bgra_0), put32(cpal, bgra_1);
  std::string head = font.substr(0, 4), body;
  put16(head, uint32_t(tables.size())), put16(head, 0), put16(head, 0), put16(head, 0);
  const size_t begin = 12 + 16 * tables.size();
  for (const auto& [tag, bytes] : tables) {
    head += tag, put32(head, 0), put32(head, uint32_t(begin + body.size())), put32(head, uint32_t(bytes.size()));
    body += bytes;
    body.resize((body.size() + 3) / 4 * 4);
  }
  return head + body;
}

TEST(Raster, LayersOfColour) {
  const std::string plain = read_file(font_file("DejaVu Sans"));
  hb_codepoint_t o = 0, block = 0, dot = 0;
  const Font font(plain, "plain");
  ASSERT_TRUE(hb_font_get_nominal_glyph(font.shaping_font(), U'o', &o));
  ASSERT_TRUE(hb_font_get_nominal_glyph(font.shaping_font(), U'\u2588', &block));
  ASSERT_TRUE(hb_font_get_nominal_glyph(font.shaping_font(), U'.', &dot));
  const auto coloured = std::make_shared<Font>(with_layers(plain, o, block, dot, 0x0000FFFF, 0xFF0000FF), "coloured");
  Sketch sketch(60, 60);
  sketch.line(coloured, 32, "ol", 10, 40);
  const Image rgb = drawn(sketch.list, options(Antialias::kGray, Hinting::kLight, 1, 3)).page;
  std::map<uint32_t, int> count;
  for (size_t i = 0; i < rgb.pixels.size(); i += 3) ++count[rgb.pixels[i] << 16 | rgb.pixels[i + 1] << 8 | rgb.pixels[i + 2]];
  EXPECT_GT(count[0xFF0000], 400);  // red block
  EXPECT_GE(count[0x0000FF], 6);    // blue dot on it
  EXPECT_GT(count[0x000000], 10);   // the l, which has no layers, in the text's colour
  const Image gray = drawn(sketch.list, options(Antialias::kGray, Hinting::kLight, 1, 1)).page;
  EXPECT_GT(std::count(gray.pixels.begin(), gray.pixels.end(), 76), 400);  // 0.299 * 255
}

TEST(Raster, SyntheticFaces) {
  const auto page = [](LineLook look) {
    Sketch sketch(300, 60);
    sketch.line("WenQuanYi Micro Hei", 32, "llll", 10, 40, look);
    return drawn(sketch.list, options(Antialias::kGray, Hinting::kNone, 1, 1)).page;
  };
  const Image plain = page({}), bold = page({.bold = true}), italic = page({.italic = true}), narrow = page({.horizontal_scale = 0.5});
  EXPECT_GT(ink_sum(bold), 1.2 * ink_sum(plain));
  EXPECT_NEAR(ink_sum(italic) / ink_sum(plain), 1, 0.02);
  EXPECT_NEAR(ink_sum(narrow) / ink_sum(plain), 0.5, 0.02);
  EXPECT_NEAR(centre_x(italic, 17, 22) - centre_x(italic, 33, 38), 16 * 0.2, 0.2);
  EXPECT_NEAR(centre_x(plain, 17, 22) - centre_x(plain, 33, 38), 0, 0.5);
}

TEST(Raster, RotatedIsTheTurnedPicture) {
  for (const char* family : {"DejaVu Sans", "Noto Color Emoji", "5x8"}) {
    try {
      locate_face(family);
    } catch (const ConfigError&) {
      continue;  // not installed
    }
    Sketch upright(80, 80), turned(80, 80);
    upright.line(family, 24, "\u263A7", 10, 40);
    turned.line(family, 24, "\u263A7", 40, 10, {.rotated = true});
    const Image a = drawn(upright.list, options(Antialias::kGray, Hinting::kNone, 1, 1)).page;
    const Image b = drawn(turned.list, options(Antialias::kGray, Hinting::kNone, 1, 1)).page;
    ASSERT_LT(ink_of(a).x0_px, 40) << family;
    for (int y = 0; y < 80; ++y)  // (x, y) goes to (80 - 1 - y, x)
      for (int x = 0; x < 80; ++x) ASSERT_NEAR(a.row(y)[x], b.row(x)[79 - y], 6) << family << ' ' << x << ' ' << y;
  }
}

TEST(Raster, InkBoxesAreThePixels) {
  for (const Antialias antialias : {Antialias::kGray, Antialias::kMono, Antialias::kSubpixel})
    for (const int channels : {1, 3})
      for (const bool rotated : {false, true}) {
        Sketch sketch(100, 100);
        sketch.line("DejaVu Serif", 30, "gQ|.", 50.4, 50.6, {.rotated = rotated});
        for (const PlacedGlyph& glyph : sketch.list.glyphs) {
          DrawList one = sketch.list;
          one.glyphs = {glyph};
          const Drawn alone = drawn(one, options(antialias, Hinting::kLight, 4, channels));
          const InkBox box = ink_of(alone.page);
          const int slack = antialias == Antialias::kSubpixel && channels == 1;  // the mean of a faint fringe may round to nothing
          EXPECT_NEAR(box.x0_px, alone.ink[0].x0_px, slack);
          EXPECT_NEAR(box.y0_px, alone.ink[0].y0_px, slack);
          EXPECT_NEAR(box.x1_px, alone.ink[0].x1_px, slack);
          EXPECT_NEAR(box.y1_px, alone.ink[0].y1_px, slack);
        }
      }
}

TEST(Raster, ClippedGlyphsAreCountedAndTheirBoxesCut) {
  Sketch sketch(40, 30);
  sketch.line("DejaVu Sans", 20, "M", -8, 20);
  sketch.line("DejaVu Sans", 20, "M", 30, 35);
  sketch.line("DejaVu Sans", 20, "M", 12, 20);
  sketch.line("DejaVu Sans", 20, "M", 1e300, 20);
  sketch.line("DejaVu Sans", 20, "M", std::nan(""), 20);
  for (const int channels : {1, 3})
    for (const Antialias antialias : {Antialias::kGray, Antialias::kSubpixel}) {
      const Drawn out = drawn(sketch.list, options(antialias, Hinting::kNone, 1, channels));
      EXPECT_EQ(out.num_clipped, 4u);
      EXPECT_EQ(out.ink[0].x0_px, 0);
      EXPECT_EQ(out.ink[1].x1_px, 40);
      EXPECT_EQ(out.ink[1].y1_px, 30);
      EXPECT_TRUE(out.ink[3].empty());
    }
}

TEST(Raster, ColoursRectanglesAndInverse) {
  Sketch sketch(60, 40);
  sketch.list.page_rgb = 0x204060;
  sketch.list.rects = {{10.2, 5.4, 30.4, 9.6, 0xFF8000}, {40, 10, 50, 10.1, 0x00FF00}, {-5, -5, 2, 400, 0x123456}};
  sketch.line("DejaVu Sans", 20, "\u2588", 40, 38, {.rgb = 0x4080C0});
  RasterOptions rgb = options(Antialias::kGray, Hinting::kNone, 1, 3);
  const Image page = drawn(sketch.list, rgb).page;
  const auto at = [](const Image& image, int x, int y) {
    const uint8_t* p = image.row(y) + 3 * x;
    return uint32_t(p[0]) << 16 | uint32_t(p[1]) << 8 | p[2];
  };
  EXPECT_EQ(at(page, 20, 30), 0x204060u);
  EXPECT_EQ(at(page, 10, 5), 0xFF8000u);
  EXPECT_EQ(at(page, 29, 9), 0xFF8000u);
  EXPECT_EQ(at(page, 30, 9), 0x204060u);
  EXPECT_EQ(at(page, 45, 10), 0x00FF00u);  // thinner than a pixel: one
  EXPECT_EQ(at(page, 45, 11), 0x204060u);
  EXPECT_EQ(at(page, 1, 39), 0x123456u);
  EXPECT_EQ(at(page, 45, 30), 0x4080C0u);
  rgb.inverse = true;
  EXPECT_EQ(at(drawn(sketch.list, rgb).page, 45, 30), 0xFFFFFFu - 0x4080C0u);
  const Image gray = drawn(sketch.list, options(Antialias::kGray, Hinting::kNone, 1, 1)).page;
  EXPECT_EQ(gray.row(30)[45], 116);  // 0.299 * 64 + 0.587 * 128 + 0.114 * 192
  RasterOptions wrong;
  wrong.channels = 2;
  EXPECT_THROW(drawn(sketch.list, wrong), ShapeError);
  sketch.list.glyphs[0].font_use = 7;
  EXPECT_THROW(drawn(sketch.list, rgb), ShapeError);
}

// The painter of one gray font and this raster put the same glyphs at the same places.
TEST(Raster, PlainPagesAreTheSame) {
  const Renderer renderer;
  for (const int64_t phases : {1, 4})
    for (const char* hinting : {"none", "light"}) {
      Style style;
      style.font = "Noto Serif", style.width_px = 400, style.height_px = 40, style.subpixel_positions = phases, style.hinting = hinting;
      style.font_size_px = 15.25;
      const Page page = renderer.render("Hamburgefonts", style);
      Sketch sketch(400, 40);
      sketch.line("Noto Serif", 15.25, "Hamburgefonts", 4, page.lines[0].baseline_px);
      const Drawn mine = drawn(sketch.list, options(Antialias::kGray, hinting[0] == 'n' ? Hinting::kNone : Hinting::kLight, int(phases), 1));
      EXPECT_EQ(page.image.pixels, mine.page.pixels) << phases << hinting;
    }
}

TEST(Raster, ThreadsDrawTheSame) {
  Sketch sketch(500, 100);
  const std::string text = "The quick brown fox jumps over the lazy dog 0123456789";
  sketch.line("DejaVu Sans", 13, text, 5.1, 20);
  sketch.line("Liberation Serif", 13, text, 5.7, 40, {.italic = true});
  sketch.line("Noto Sans", 13, text, 5.3, 60, {.rgb = 0x8800CC, .bold = true});
  std::vector<Image> pages(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < pages.size(); ++i)
    threads.emplace_back([&, i] { pages[i] = drawn(sketch.list, options(Antialias::kSubpixel, Hinting::kLight, 8, 3)).page; });
  for (auto& thread : threads) thread.join();
  for (const Image& page : pages) EXPECT_EQ(page.pixels, pages[0].pixels);
}

}  // namespace
}  // namespace fovea::render

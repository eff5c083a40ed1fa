// Faces of families, fallback by coverage, fonts of bitmaps, compressed files, limits.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "draw_helper.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/render/renderer.h"
#include "raster_rich.h"

namespace fovea::render {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

bool has_font(const std::string& name) {
  try {
    locate_face(name);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

// The page as rows of '#' and '.', cut to [x0, x1) x [y0, y1).
std::string rows(const Image& page, int x0, int y0, int x1, int y1) {
  std::string out;
  for (int y = y0; y < y1; ++y, out += '\n')
    for (int x = x0; x < x1; ++x) out += page.row(y)[x] < 128 ? '#' : '.';
  return out;
}

TEST(FontFaces, RealFacesOfAFamily) {
  EXPECT_THAT(locate_face("DejaVu Sans", true, false).path, EndsWith("/DejaVuSans-Bold.ttf"));
  EXPECT_THAT(locate_face("Liberation Serif", false, true).path, EndsWith("/LiberationSerif-Italic.ttf"));
  const FaceLocation both = locate_face("Liberation Serif", true, true);
  EXPECT_THAT(both.path, EndsWith("/LiberationSerif-BoldItalic.ttf"));
  EXPECT_FALSE(both.synthetic_bold || both.synthetic_italic);
  const FaceLocation plain_only = locate_face("WenQuanYi Micro Hei", true, true);
  EXPECT_TRUE(plain_only.synthetic_bold && plain_only.synthetic_italic);
  EXPECT_EQ(plain_only.path, locate_face("WenQuanYi Micro Hei").path);
  const FaceLocation file = locate_face(font_file("DejaVu Sans"), true, false);
  EXPECT_TRUE(file.synthetic_bold && !file.synthetic_italic);
}

TEST(FontFaces, FallbackCovers) {
  const auto covers = [](const char* family, const char* language, char32_t c) {
    const auto face = fallback_face(family, language, c);
    EXPECT_TRUE(face) << std::hex << uint32_t(c);
    if (!face) return std::string();
    const Font font(*face);
    hb_codepoint_t glyph = 0;
    EXPECT_TRUE(hb_font_get_nominal_glyph(font.shaping_font(), c, &glyph) && glyph) << face->family;
    EXPECT_TRUE(face_covers(*face, c));
    return face->family;
  };
  covers("DejaVu Sans Mono", "hi", U'\u0915');
  covers("DejaVu Sans Mono", "th", U'\u0E01');
  covers("Liberation Serif", "zh", U'\u6C49');
  EXPECT_THAT(covers("Noto Sans", "am", U'\u1200'), HasSubstr("Sans"));          // the same kind
  EXPECT_THAT(covers("Noto Serif", "am", U'\u1200'), HasSubstr("Serif"));
  covers("DejaVu Sans Mono", "el", U'\u03B1');
  const Font mono(*fallback_face("DejaVu Sans Mono", "el", U'\u03B1'));
  const auto advance = [&](char32_t c) {
    hb_codepoint_t glyph = 0;
    hb_font_get_nominal_glyph(mono.shaping_font(), c, &glyph);
    return hb_font_get_glyph_h_advance(mono.shaping_font(), glyph);
  };
  EXPECT_EQ(advance(U'i'), advance(U'M'));  // fixed pitch, whatever its name
  EXPECT_FALSE(fallback_face("DejaVu Sans", "en", 0x10FFFD));
  if (has_font("Noto Color Emoji")) {
    EXPECT_EQ(fallback_face("DejaVu Sans Mono", "en", 0x2764, false, false, true)->family, "Noto Color Emoji");
    EXPECT_NE(fallback_face("DejaVu Sans Mono", "en", 0x2764)->family, "Noto Color Emoji");
    EXPECT_EQ(fallback_face("DejaVu Sans Mono", "en", 0x1F9A9)->family, "Noto Color Emoji");  // no other has it
  }
  EXPECT_THAT(fallback_face("Liberation Sans", "ru", U'\u0416', true, false)->path, HasSubstr("Bold"));
}

TEST(FontFaces, FallbackOrderIsFixed) {
  const auto faces = fallback_faces("DejaVu Sans", "hi");
  EXPECT_GT(faces.size(), 10u);
  EXPECT_EQ(faces, fallback_faces("dejavu sans", "hi"));
  for (size_t i = 0; i < faces.size(); ++i) {
    EXPECT_NE(faces[i].path, locate_face("DejaVu Sans").path);
    for (size_t j = i + 1; j < faces.size(); ++j)
      EXPECT_FALSE(faces[i].path == faces[j].path && faces[i].index == faces[j].index) << faces[i].family;
  }
  EXPECT_GT(fallback_faces("no such family", "").size(), 10u);
}

TEST(FontFaces, BitmapFont) {
  if (!has_font("5x8")) GTEST_SKIP() << "no X11 bitmap fonts";
  const auto font = FontCache().get("5x8");
  EXPECT_TRUE(font->is_fixed_size());
  EXPECT_EQ(font->units_per_em(), 8 * 64);
  EXPECT_EQ(font->snap_size_26_6(12 * 64), 8 * 64);
  EXPECT_EQ(font->ascent_units() + font->descent_units(), 8 * 64);
  EXPECT_EQ(font->space_units(), 5 * 64);
  Sketch sketch(30, 10);
  sketch.line(font, 8, "HiL\u00E9", 1, 8);
  EXPECT_EQ(sketch.list.glyphs[3].x_px, 16);
  Image page;
  draw(sketch.list, {}, page);
  EXPECT_EQ(rows(page, 1, 2, 6, 8),  // the X11 sources' H of 5x8
            "#..#.\n#..#.\n####.\n#..#.\n#..#.\n#..#.\n");
  GlyphOptions wide;
  wide.horizontal_scale_16_16 = 0x18000;
  EXPECT_THROW(font->glyphs(wide), RenderError);
}

TEST(FontFaces, BitmapFontEndToEnd) {
  for (const auto& [name, width, height] : {std::tuple{"4x6", 4, 6}, {"5x8", 5, 8}, {"clR6x8", 6, 8}}) {
    if (!has_font(name)) GTEST_SKIP() << "no X11 bitmap fonts";
    Style style;
    style.font = name, style.width_px = 8 + 100 * width, style.height_px = 8 + 10 * height, style.font_size_px = height;
    std::string line;
    while (line.size() < 100) line += char('!' + line.size() * 7 % 90);
    std::string text;
    for (int i = 0; i < 10; ++i) text += line + "\n";
    const Page page = Renderer().render(text, style);
    EXPECT_EQ(page.report.num_bytes_left_out, 0u) << name;
    EXPECT_EQ(page.lines.size(), 10u) << name;
    EXPECT_EQ(page.chars[57].cell_x0_px, 4 + 57 * width) << name;
    for (uint8_t v : page.image.pixels) ASSERT_TRUE(v == 0 || v == 255);
  }
}

std::string be32(uint32_t v) { return {char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; }

// A WOFF file (W3C Recommendation, 2012) whose tables are stored as they are.
std::string as_woff(const std::string& ttf) {
  const auto get16 = [&](size_t at) { return uint32_t(uint8_t(ttf[at])) << 8 | uint8_t(ttf[at + 1]); };
  const auto get32 = [&](size_t at) { return get16(at) << 16 | get16(at + 2); };
  const uint32_t num = get16(4);
  std::string directory, body;
  uint32_t sfnt_size = 12 + 16 * num;
  for (uint32_t i = 0; i < num; ++i) {
    const size_t entry = 12 + 16 * size_t(i);
    const uint32_t offset = get32(entry + 8), size = get32(entry + 12);
    directory += ttf.substr(entry, 4) + be32(uint32_t(44 + 20 * num + body.size())) + be32(size) + be32(size) + ttf.substr(entry + 4, 4);
    body += ttf.substr(offset, size);
    body.resize((body.size() + 3) / 4 * 4);
    sfnt_size += (size + 3) / 4 * 4;
  }
  const uint32_t total = uint32_t(44 + directory.size() + body.size());
  return "wOFF" + ttf.substr(0, 4) + be32(total) + std::string{char(num >> 8), char(num), 0, 0} + be32(sfnt_size) + be32(0x10000) +
         be32(0) + be32(0) + be32(0) + be32(0) + be32(0) + directory + body;
}

TEST(FontFaces, CompressedFileDrawsTheSame) {
  const std::string path = (std::filesystem::temp_directory_path() / ("fovea_faces_" + std::to_string(getpid()) + ".woff")).string();
  write_file_atomic(path, as_woff(read_file(font_file("DejaVu Serif"))));
  Style from_woff, from_ttf;
  from_woff.font = path;
  from_ttf.font = "DejaVu Serif";
  const Page a = Renderer().render("Office waffles \u0416\u03B1", from_woff), b = Renderer().render("Office waffles \u0416\u03B1", from_ttf);
  EXPECT_EQ(a.image.pixels, b.image.pixels);
  EXPECT_EQ(a.report.num_missing_glyphs, 0u);
  std::filesystem::remove(path);
}

const char kBdf[] =
    "STARTFONT 2.1\nFONT -test-tiny-medium-r-normal--6-60-72-72-c-40-iso10646-1\nSIZE 6 72 72\nFONTBOUNDINGBOX 4 6 0 -1\n"
    "STARTPROPERTIES 5\nPIXEL_SIZE 6\nFONT_ASCENT 5\nFONT_DESCENT 1\nCHARSET_REGISTRY \"ISO10646\"\nCHARSET_ENCODING \"1\"\n"
    "ENDPROPERTIES\nCHARS 2\n"
    "STARTCHAR space\nENCODING 32\nSWIDTH 666 0\nDWIDTH 4 0\nBBX 4 6 0 -1\nBITMAP\n00\n00\n00\n00\n00\n00\nENDCHAR\n"
    "STARTCHAR A\nENCODING 65\nSWIDTH 666 0\nDWIDTH 4 0\nBBX 4 6 0 -1\nBITMAP\n40\nA0\nE0\nA0\nA0\n00\nENDCHAR\nENDFONT\n";

TEST(FontFaces, BdfInMemory) {
  const auto font = std::make_shared<Font>(kBdf, "tiny.bdf");
  EXPECT_EQ(font->units_per_em(), 6 * 64);
  Sketch sketch(16, 6);
  sketch.line(font, 6, "A A", 1, 5);
  Image page;
  draw(sketch.list, {}, page);
  EXPECT_EQ(rows(page, 0, 0, 14, 6),
            "..#.......#...\n.#.#.....#.#..\n.###.....###..\n.#.#.....#.#..\n.#.#.....#.#..\n..............\n");
  sketch.list.glyphs.clear();
  sketch.line(font, 6, "A", 1, 5, {.bold = true});
  draw(sketch.list, {}, page);
  EXPECT_EQ(rows(page, 0, 0, 6, 2), "..##..\n.####.\n");
}

TEST(FontFaces, LimitsAreErrors) {
  std::string no_unicode = kBdf;
  no_unicode.replace(no_unicode.find("ISO10646"), 8, "FOOBAR12");
  EXPECT_THROW(Font(no_unicode, "x.bdf"), RenderError);
  std::string huge = kBdf;
  huge.replace(huge.find("PIXEL_SIZE 6"), 12, "PIXEL_SIZE 30000");
  EXPECT_THROW(Font(huge, "x.bdf"), RenderError);
  // A letter of 60,000 x 60,000 units in an em of 16: 240 million pixels at 64 px.
  std::string ttf = read_file(font_file("DejaVu Sans"));
  const auto get32 = [&](size_t at) {
    return uint32_t(uint8_t(ttf[at])) << 24 | uint32_t(uint8_t(ttf[at + 1])) << 16 | uint32_t(uint8_t(ttf[at + 2])) << 8 | uint8_t(ttf[at + 3]);
  };
  for (size_t entry = 12;; entry += 16)
    if (ttf.compare(entry, 4, "head") == 0) {
      ttf[get32(entry + 8) + 18] = 0, ttf[get32(entry + 8) + 19] = 16;  // unitsPerEm
      break;
    }
  const auto font = std::make_shared<Font>(ttf, "huge.ttf");
  Sketch sketch(50, 50);
  sketch.line(font, 600, "W", 0, 40);
  Image page;
  try {
    draw(sketch.list, {}, page);
    FAIL();
  } catch (const RenderError& e) {
    EXPECT_THAT(e.what(), HasSubstr("more than a glyph may take"));
  }
}

}  // namespace
}  // namespace fovea::render

#include "glyph_raster.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include FT_COLOR_H
#include FT_OUTLINE_H

#include "fovea/base/error.h"
#include "luma.h"

namespace fovea::render {
namespace {

constexpr FT_Pos kMaxSidePx = 32767;                // FreeType's own limit
constexpr FT_Pos kMaxGlyphPixels = FT_Pos(1) << 26;  // ten times a letter at the largest size

// Pixels with their place, before trimming. y counts from the top row down.
struct Bitmap {
  int left_px = 0, top_px = 0, width_px = 0, height_px = 0, channels = 1;
  std::vector<uint8_t> pixels;

  Bitmap() = default;
  Bitmap(int left, int top, int width, int height, int num_channels)
      : left_px(left), top_px(top), width_px(width), height_px(height), channels(num_channels),
        pixels(size_t(width) * size_t(height) * size_t(num_channels)) {}
  bool empty() const { return width_px <= 0 || height_px <= 0; }
  uint8_t* at(int x, int y) { return pixels.data() + (size_t(y) * size_t(width_px) + size_t(x)) * size_t(channels); }
  const uint8_t* at(int x, int y) const { return const_cast<Bitmap*>(this)->at(x, y); }
};

std::string name_of(FT_Face face) { return face->family_name ? face->family_name : "?"; }

void check(FT_Error error, const char* what, FT_Face face, uint32_t glyph_id) {
  if (error == 0) return;
  throw RenderError(std::string("[render] FreeType cannot ") + what + " glyph " + std::to_string(glyph_id) + " of font '" +
                    name_of(face) + "', error " + std::to_string(error) + "; the font file may be damaged");
}

void check_size(FT_Pos width_px, FT_Pos height_px, FT_Face face, uint32_t glyph_id, int64_t size_26_6) {
  if (width_px <= kMaxSidePx && height_px <= kMaxSidePx && width_px * height_px <= kMaxGlyphPixels) return;
  throw RenderError("[render] glyph " + std::to_string(glyph_id) + " of font '" + name_of(face) + "' wants " + std::to_string(width_px) +
                    " x " + std::to_string(height_px) + " px at font_size_px=" + std::to_string(size_26_6 / 64) +
                    ", more than a glyph may take; use a smaller size, or the font file is damaged");
}

// The slot's bitmap as one byte of coverage, or four of premultiplied colour, a pixel.
Bitmap copy_slot(FT_GlyphSlot slot, FT_Face face, uint32_t glyph_id) {
  const FT_Bitmap& from = slot->bitmap;
  Bitmap to(slot->bitmap_left, slot->bitmap_top, int(from.width), int(from.rows), from.pixel_mode == FT_PIXEL_MODE_BGRA ? 4 : 1);
  if (to.empty()) return Bitmap();
  if (!from.buffer) check(FT_Err_Invalid_Glyph_Format, "find the pixels of", face, glyph_id);  // damaged bitmap fonts
  for (int y = 0; y < to.height_px; ++y) {
    const uint8_t* row = from.buffer + ptrdiff_t(y) * from.pitch;
    uint8_t* out = to.at(0, y);
    switch (from.pixel_mode) {
      case FT_PIXEL_MODE_GRAY:
        if (from.num_grays == 256 || from.num_grays < 2) {
          std::memcpy(out, row, size_t(to.width_px));
        } else {
          for (int x = 0; x < to.width_px; ++x) out[x] = uint8_t(std::min(row[x] * 255 / (from.num_grays - 1), 255));
        }
        break;
      case FT_PIXEL_MODE_MONO:
        for (int x = 0; x < to.width_px; ++x) out[x] = row[x >> 3] & (0x80 >> (x & 7)) ? 255 : 0;
        break;
      case FT_PIXEL_MODE_GRAY2:
        for (int x = 0; x < to.width_px; ++x) out[x] = uint8_t((row[x >> 2] >> (6 - 2 * (x & 3)) & 3) * 85);
        break;
      case FT_PIXEL_MODE_GRAY4:
        for (int x = 0; x < to.width_px; ++x) out[x] = uint8_t((row[x >> 1] >> (4 - 4 * (x & 1)) & 15) * 17);
        break;
      case FT_PIXEL_MODE_BGRA:
        std::memcpy(out, row, size_t(to.width_px) * 4);
        break;
      default:
        check(FT_Err_Invalid_Glyph_Format, "use the pixels of", face, glyph_id);
    }
  }
  return to;
}

// 90 degrees clockwise about the pen.
Bitmap rotate(const Bitmap& from) {
  Bitmap to(from.top_px - from.height_px, -from.left_px, from.height_px, from.width_px, from.channels);
  for (int y = 0; y < from.height_px; ++y)
    for (int x = 0; x < from.width_px; ++x)
      std::memcpy(to.at(from.height_px - 1 - y, x), from.at(x, y), size_t(from.channels));
  return to;
}

// Weight of each source pixel in one of the target's: the length they share.
struct Share {
  int target;
  double weight;
};
std::vector<std::vector<Share>> shares(int begin, int count, double scale, double offset, int& first, int& num) {
  const double low = begin * scale + offset, high = (begin + count) * scale + offset;
  first = int(std::floor(low));
  num = std::max(int(std::ceil(high)) - first, 1);
  std::vector<std::vector<Share>> out(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    const double a = (begin + i) * scale + offset, b = (begin + i + 1) * scale + offset;
    for (int t = int(std::floor(a)); t < int(std::ceil(b)); ++t) {
      const double weight = std::min(b, double(t + 1)) - std::max(a, double(t));
      if (weight > 0 && t >= first && t < first + num) out[size_t(i)].push_back({t - first, weight});
    }
  }
  return out;
}

// By area: each source pixel gives to the pixels that it covers.
Bitmap scaled(const Bitmap& from, double scale_x, double scale_y, double offset_x) {
  int x0 = 0, width = 0, y0 = 0, height = 0;
  const auto columns = shares(from.left_px, from.width_px, scale_x, offset_x, x0, width);
  const auto rows = shares(-from.top_px, from.height_px, scale_y, 0, y0, height);
  Bitmap to(x0, -y0, width, height, from.channels);
  const size_t channels = size_t(from.channels), row_size = size_t(width) * channels;
  std::vector<double> sums(row_size * size_t(height)), line(row_size);
  for (int y = 0; y < from.height_px; ++y) {
    std::fill(line.begin(), line.end(), 0.0);
    for (int x = 0; x < from.width_px; ++x)
      for (const Share& share : columns[size_t(x)])
        for (size_t c = 0; c < channels; ++c) line[size_t(share.target) * channels + c] += share.weight * from.at(x, y)[c];
    for (const Share& share : rows[size_t(y)])
      for (size_t i = 0; i < row_size; ++i) sums[size_t(share.target) * row_size + i] += share.weight * line[i];
  }
  for (size_t i = 0; i < sums.size(); ++i) to.pixels[i] = uint8_t(std::min(std::floor(sums[i] + 0.5), 255.0));
  return to;
}

// Coverage that looks, in black on white, as gray as the colours: alpha * (1 - luma).
Bitmap gray_of(const Bitmap& colour) {
  Bitmap out(colour.left_px, colour.top_px, colour.width_px, colour.height_px, 1);
  for (size_t i = 0; i < out.pixels.size(); ++i) {
    const uint8_t* p = colour.pixels.data() + 4 * i;
    out.pixels[i] = uint8_t(std::max<int>(int(p[3]) - int(luma(p[2], p[1], p[0])), 0));
  }
  return out;
}

// Gray as a pattern of dots, with the 4 x 4 ordered dither matrix of Bayer (1973).
void dither(Bitmap& gray) {
  static constexpr uint8_t kRank[4][4] = {{0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}};
  for (int y = 0; y < gray.height_px; ++y)
    for (int x = 0; x < gray.width_px; ++x) *gray.at(x, y) = *gray.at(x, y) > kRank[y & 3][x & 3] * 16 + 7 ? 255 : 0;
}

// Three coverages a pixel out of one at three times the width.
// Weights: FreeType's default filter, five taps in 1/256 (its documentation of FT_LCD_FILTER_DEFAULT); applied here, because whether
// FreeType itself does depends on how it was built.
Bitmap stripes_of(const Bitmap& triple) {
  static constexpr int kWeights[5] = {0x08, 0x4D, 0x56, 0x4D, 0x08};
  const auto floor_3 = [](int v) { return v >= 0 ? v / 3 : -((2 - v) / 3); };
  const int x0 = floor_3(triple.left_px - 2), x1 = floor_3(triple.left_px + triple.width_px + 2 + 2);
  Bitmap out(x0, triple.top_px, x1 - x0, triple.height_px, 3);
  for (int y = 0; y < out.height_px; ++y) {
    uint8_t* to = out.at(0, y);
    for (int s = 0; s < out.width_px * 3; ++s) {
      int sum = 0;
      for (int k = -2; k <= 2; ++k) {
        const int x = x0 * 3 + s + k - triple.left_px;
        if (x >= 0 && x < triple.width_px) sum += kWeights[k + 2] * *triple.at(x, y);
      }
      to[s] = uint8_t(std::min((sum + 128) >> 8, 255));
    }
  }
  return out;
}

Bitmap stripes_of_gray(const Bitmap& gray) {
  Bitmap out(gray.left_px, gray.top_px, gray.width_px, gray.height_px, 3);
  for (size_t i = 0; i < gray.pixels.size(); ++i) std::fill_n(out.pixels.begin() + ptrdiff_t(i) * 3, 3, gray.pixels[i]);
  return out;
}

// To what the options ask for: colour stays or becomes gray, gray may have to be dots or stripes.
Bitmap as_asked(Bitmap bitmap, const GlyphOptions& options) {
  if (bitmap.channels == 4) {
    if (options.colour) return bitmap;
    bitmap = gray_of(bitmap);
  }
  if (options.antialias == Antialias::kMono) dither(bitmap);
  return options.antialias == Antialias::kSubpixel ? stripes_of_gray(bitmap) : bitmap;
}

RasterGlyph trimmed(const Bitmap& bitmap) {
  RasterGlyph out;
  const int channels = bitmap.channels;
  int x0 = bitmap.width_px, x1 = 0, y0 = bitmap.height_px, y1 = 0;
  for (int y = 0; y < bitmap.height_px; ++y)
    for (int x = 0; x < bitmap.width_px; ++x) {
      const uint8_t* p = bitmap.at(x, y);
      const bool ink = channels == 1 ? p[0] : channels == 3 ? p[0] | p[1] | p[2] : p[3];
      if (!ink) continue;
      x0 = std::min(x0, x), x1 = std::max(x1, x + 1);
      y0 = std::min(y0, y), y1 = std::max(y1, y + 1);
    }
  if (x0 >= x1) return out;
  Glyph& glyph = out.glyph;
  glyph.left_px = bitmap.left_px + x0;
  glyph.top_px = bitmap.top_px - y0;
  glyph.width_px = x1 - x0;
  glyph.height_px = y1 - y0;
  glyph.stride_px = (glyph.width_px + 7) / 8 * 8;
  glyph.format = channels == 1 ? Glyph::kGray : channels == 3 ? Glyph::kStripes : Glyph::kColour;
  const size_t stride = size_t(glyph.stride_px) * size_t(channels);
  out.num_bytes = stride * size_t(glyph.height_px);
  out.bytes = std::make_unique<uint8_t[]>(out.num_bytes);
  glyph.coverage = out.bytes.get();
  for (int y = y0; y < y1; ++y)
    std::memcpy(out.bytes.get() + size_t(y - y0) * stride, bitmap.at(x0, y), size_t(glyph.width_px) * size_t(channels));
  return out;
}

// A font of bitmaps: its pixels as they are.
Bitmap strike_bitmap(FT_Face face, int strike, const GlyphOptions& options, uint32_t glyph_id, int phase) {
  check(FT_Select_Size(face, strike), "set the size of", face, glyph_id);
  check(FT_Load_Glyph(face, glyph_id, FT_LOAD_DEFAULT), "load", face, glyph_id);
  if (face->glyph->format != FT_GLYPH_FORMAT_BITMAP) check(FT_Err_Invalid_Glyph_Format, "find the bitmap of", face, glyph_id);
  check_size(face->glyph->bitmap.width, face->glyph->bitmap.rows, face, glyph_id, options.size_26_6);
  Bitmap bitmap = copy_slot(face->glyph, face, glyph_id);
  if (bitmap.empty()) return bitmap;
  if (options.italic || options.bold) {
    const int above = std::max(bitmap.top_px, 0), below = std::max(bitmap.height_px - bitmap.top_px, 0);
    const int room_right = options.italic ? above / 4 : 0, room_left = options.italic ? (below + 3) / 4 : 0;
    Bitmap out(bitmap.left_px - room_left, bitmap.top_px, bitmap.width_px + room_left + room_right + options.bold, bitmap.height_px,
               bitmap.channels);
    for (int y = 0; y < bitmap.height_px; ++y) {
      const int up = bitmap.top_px - 1 - y;  // rows above the baseline
      const int shift = room_left + (options.italic ? (up >= 0 ? up / 4 : -((3 - up) / 4)) : 0);
      for (int x = 0; x < bitmap.width_px; ++x)
        for (int c = 0; c < bitmap.channels; ++c)
          for (int b = 0; b <= int(options.bold); ++b) {
            uint8_t& pixel = out.at(x + shift + b, y)[c];
            pixel = std::max(pixel, bitmap.at(x, y)[c]);
          }
    }
    bitmap = std::move(out);
  }
  if (options.rotated) bitmap = rotate(bitmap);
  if (2 * phase >= options.num_phases && phase > 0) (options.rotated ? bitmap.top_px : bitmap.left_px) += options.rotated ? -1 : 1;
  return as_asked(std::move(bitmap), options);
}

// The strike of a colour font that is scaled: the smallest that is large enough, else the largest.
int colour_strike(FT_Face face, int64_t size_26_6) {
  int best = -1;
  for (int i = 0; i < face->num_fixed_sizes; ++i) {
    const FT_Pos ppem = face->available_sizes[i].y_ppem;
    if (ppem <= 0) continue;
    if (best < 0) {
      best = i;
      continue;
    }
    const FT_Pos now = face->available_sizes[best].y_ppem;
    if (now >= size_26_6 ? ppem >= size_26_6 && ppem < now : ppem > now) best = i;
  }
  return best;
}

// False where the glyph has no bitmap in the font's strikes.
bool colour_bitmap(FT_Face face, const GlyphOptions& options, uint32_t glyph_id, int phase, Bitmap& bitmap) {
  const int strike = colour_strike(face, options.size_26_6);
  if (strike < 0) return false;
  check(FT_Select_Size(face, strike), "set the size of", face, glyph_id);
  const FT_Error error = FT_Load_Glyph(face, glyph_id, FT_LOAD_COLOR);
  if (FT_IS_SCALABLE(face) && (error != 0 || face->glyph->format != FT_GLYPH_FORMAT_BITMAP)) return false;
  // A font of bitmaps alone: glyphs without one (spaces, controls) have no ink.
  if (error == FT_Err_Invalid_Argument || error == FT_Err_Missing_Bitmap) return true;
  check(error, "load", face, glyph_id);
  if (face->glyph->format != FT_GLYPH_FORMAT_BITMAP) return true;
  check_size(face->glyph->bitmap.width, face->glyph->bitmap.rows, face, glyph_id, options.size_26_6);
  bitmap = copy_slot(face->glyph, face, glyph_id);
  if (bitmap.empty()) return true;
  const double scale = double(options.size_26_6) / double(face->available_sizes[strike].y_ppem);
  const double scale_x = scale * options.horizontal_scale_16_16 / 65536;
  check_size(FT_Pos(bitmap.width_px * scale_x) + 2, FT_Pos(bitmap.height_px * scale) + 2, face, glyph_id, options.size_26_6);
  bitmap = scaled(bitmap, scale_x, scale, double(phase) / options.num_phases);
  if (options.rotated) bitmap = rotate(bitmap);
  bitmap = as_asked(std::move(bitmap), options);
  return true;
}

FT_Int32 load_flags(const GlyphOptions& options) {
  switch (options.hinting) {
    case Hinting::kNone: return FT_LOAD_NO_HINTING;
    case Hinting::kLight: return FT_LOAD_TARGET_LIGHT;
    case Hinting::kFull: break;
  }
  return options.antialias == Antialias::kMono       ? FT_LOAD_TARGET_MONO
         : options.antialias == Antialias::kSubpixel ? FT_LOAD_TARGET_LCD
                                                     : FT_LOAD_TARGET_NORMAL;
}

FT_Fixed multiply(FT_Fixed a, FT_Fixed b) { return FT_MulFix(a, b); }

// Slant, horizontal scale and rotation in one; false for the identity.
bool shape_matrix(const GlyphOptions& options, FT_Matrix& matrix) {
  constexpr FT_Fixed kSlant = 0x3333;  // 1/5, some 11 degrees
  const FT_Fixed xx = options.horizontal_scale_16_16;
  const FT_Fixed xy = options.italic ? multiply(kSlant, xx) : 0;
  matrix = options.rotated ? FT_Matrix{0, 0x10000, -xx, -xy} : FT_Matrix{xx, xy, 0, 0x10000};
  return options.rotated || xx != 0x10000 || xy != 0;
}

// COLR, version 0: FreeType lays the coloured outlines over each other.
bool colour_layers(FT_Face face, const GlyphOptions& options, uint32_t glyph_id, int phase, Bitmap& bitmap) {
  FT_LayerIterator layers{};
  FT_UInt layer_glyph = 0, layer_colour = 0;
  if (!FT_Get_Color_Glyph_Layer(face, glyph_id, &layer_glyph, &layer_colour, &layers)) return false;
  check(FT_Set_Char_Size(face, options.size_26_6, options.size_26_6, 72, 72), "set the size of", face, glyph_id);
  FT_Matrix matrix;
  shape_matrix(options, matrix);
  const FT_Pos shift = FT_Pos(phase) * 64 / options.num_phases;
  FT_Vector delta{options.rotated ? 0 : shift, options.rotated ? -shift : 0};
  FT_Set_Transform(face, &matrix, &delta);
  FT_Error error = FT_Load_Glyph(face, glyph_id, FT_LOAD_NO_BITMAP | FT_LOAD_COLOR | load_flags(options));
  if (error == 0) error = FT_Render_Glyph(face->glyph, FT_RENDER_MODE_NORMAL);
  FT_Set_Transform(face, nullptr, nullptr);
  check(error, "draw the colours of", face, glyph_id);
  bitmap = as_asked(copy_slot(face->glyph, face, glyph_id), options);
  return true;
}

Bitmap outline_bitmap(FT_Face face, const GlyphOptions& options, uint32_t glyph_id, int phase) {
  check(FT_Set_Char_Size(face, options.size_26_6, options.size_26_6, 72, 72), "set the size of", face, glyph_id);
  check(FT_Load_Glyph(face, glyph_id, FT_LOAD_NO_BITMAP | load_flags(options)), "load", face, glyph_id);
  FT_GlyphSlot slot = face->glyph;
  const bool stripes = options.antialias == Antialias::kSubpixel, mono = options.antialias == Antialias::kMono;
  if (slot->format == FT_GLYPH_FORMAT_OUTLINE) {
    FT_Outline& outline = slot->outline;
    if (outline.n_points == 0) return Bitmap();
    if (options.bold) {
      const FT_Pos strength = options.size_26_6 / 24;
      check(FT_Outline_EmboldenXY(&outline, strength, strength), "embolden", face, glyph_id);
      FT_Outline_Translate(&outline, -strength / 2, -strength / 2);
    }
    FT_Matrix matrix;
    if (shape_matrix(options, matrix)) FT_Outline_Transform(&outline, &matrix);
    const FT_Pos shift = FT_Pos(phase) * 64 / options.num_phases;
    FT_Outline_Translate(&outline, options.rotated ? 0 : shift, options.rotated ? -shift : 0);
    if (stripes) {
      const FT_Matrix triple{0x30000, 0, 0, 0x10000};
      FT_Outline_Transform(&outline, &triple);
    }
    FT_BBox box;
    FT_Outline_Get_CBox(&outline, &box);
    check_size((box.xMax - box.xMin) / 64 / (stripes ? 3 : 1), (box.yMax - box.yMin) / 64, face, glyph_id, options.size_26_6);
  }
  check(FT_Render_Glyph(slot, mono ? FT_RENDER_MODE_MONO : FT_RENDER_MODE_NORMAL), "draw", face, glyph_id);
  if (slot->bitmap.width == 0 || slot->bitmap.rows == 0) return Bitmap();
  const Bitmap bitmap = copy_slot(slot, face, glyph_id);
  if (bitmap.channels != 1) check(FT_Err_Invalid_Glyph_Format, "draw in gray", face, glyph_id);
  return stripes ? stripes_of(bitmap) : bitmap;
}

}  // namespace

RasterGlyph rasterise(FT_Face face, int strike, const GlyphOptions& options, uint32_t glyph_id, int phase) {
  if (strike >= 0) return trimmed(strike_bitmap(face, strike, options, glyph_id, phase));
  if (FT_HAS_COLOR(face)) {
    Bitmap bitmap;
    if (FT_HAS_FIXED_SIZES(face) && colour_bitmap(face, options, glyph_id, phase, bitmap)) return trimmed(bitmap);
    if (FT_IS_SCALABLE(face) && colour_layers(face, options, glyph_id, phase, bitmap)) return trimmed(bitmap);
  }
  return trimmed(outline_bitmap(face, options, glyph_id, phase));
}

}  // namespace fovea::render

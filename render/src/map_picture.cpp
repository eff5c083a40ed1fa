#include "fovea/render/map_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "fovea/base/error.h"

namespace fovea::render {

namespace {

using Rgb = std::array<int, 3>;

constexpr Rgb kTokenLine = {40, 90, 200}, kPatchLine = {190, 205, 235}, kCutByToken = {220, 30, 30}, kCutByPatch = {245, 150, 20};

void blend(Image& image, int x, int y, const Rgb& colour, int opacity) {
  if (x < 0 || y < 0 || x >= image.width_px || y >= image.height_px) return;
  uint8_t* pixel = image.row(y) + 3 * x;
  for (size_t c = 0; c < 3; ++c) pixel[c] = uint8_t((pixel[c] * (255 - opacity) + colour[c] * opacity + 127) / 255);
}

void fill(Image& image, int x0, int y0, int x1, int y1, const Rgb& colour, int opacity) {
  for (int y = std::max(0, y0); y < std::min(image.height_px, y1); ++y)
    for (int x = std::max(0, x0); x < std::min(image.width_px, x1); ++x) blend(image, x, y, colour, opacity);
}

// Pale yellow over orange to dark red: darker is more, for every kind of colour vision.
Rgb heat(double share) {
  static constexpr std::array<Rgb, 5> kStops = {{{255, 255, 229}, {254, 217, 118}, {253, 141, 60}, {215, 48, 31}, {110, 5, 25}}};
  const double at = std::clamp(share, 0.0, 1.0) * 4;
  const size_t i = std::min<size_t>(3, size_t(at));
  Rgb out;
  for (size_t c = 0; c < 3; ++c) out[c] = int(std::lround(kStops[i][c] + (kStops[i + 1][c] - kStops[i][c]) * (at - double(i))));
  return out;
}

bool has_ink(const CharBox& box) { return box.x1_px > box.x0_px && box.y1_px > box.y0_px; }

// The page in RGB, each pixel scale x scale. Without pixels: boxes filled gray.
Image enlarged(const Page& page, int scale) {
  const Image& from = page.image;
  Image out = Image::filled(from.width_px * scale, from.height_px * scale, 3, 255);
  if (from.pixels.empty()) {
    for (const CharBox& box : page.chars)
      if (has_ink(box)) fill(out, box.x0_px * scale, box.y0_px * scale, box.x1_px * scale, box.y1_px * scale, {150, 150, 150}, 255);
    return out;
  }
  for (int y = 0; y < out.height_px; ++y) {
    const uint8_t* source = from.row(y / scale);
    uint8_t* target = out.row(y);
    for (int x = 0; x < out.width_px; ++x)
      for (int c = 0; c < 3; ++c) target[3 * x + c] = source[x / scale * from.channels + (from.channels == 3 ? c : 0)];
  }
  return out;
}

void draw_grid(Image& out, const TokenGrid& grid, int scale, int64_t stride, const Rgb& colour, int opacity) {
  const auto lines = [&](double side, double view_scale, double offset, auto&& line) {
    for (int64_t at = 0; double(at) <= side; at += stride) {
      const double page = (double(at) - offset) / view_scale * scale;
      line(int(std::floor(page)));
    }
  };
  lines(double(grid.width_px), grid.scale_x, grid.offset_x, [&](int x) { fill(out, x, 0, x + 1, out.height_px, colour, opacity); });
  lines(double(grid.height_px), grid.scale_y, grid.offset_y, [&](int y) { fill(out, 0, y, out.width_px, y + 1, colour, opacity); });
}

std::string short_number(double value) {
  char text[32];
  if (value == 0)
    return "0";
  else if (value < 1)
    std::snprintf(text, sizeof text, "%.2f", value);
  else if (value < 100)
    std::snprintf(text, sizeof text, "%.1f", value);
  else
    std::snprintf(text, sizeof text, "%.0f", value);
  return text;
}

// Gray ink on `out`, in a colour.
void stamp(Image& out, const Image& label, int x0, int y0, const Rgb& colour) {
  for (int y = 0; y < label.height_px; ++y)
    for (int x = 0; x < label.width_px; ++x) blend(out, x0 + x, y0 + y, colour, 255 - label.row(y)[x]);
}

std::vector<double> values_of(const GridMap& map, MapLayer layer) {
  if (layer == MapLayer::kInk) return map.ink_density;
  if (!map.text_tokens.empty()) return map.text_tokens;
  std::vector<double> out;
  for (size_t t = 0; t + 1 < map.token_char_begin.size(); ++t) out.push_back(map.token_char_begin[t + 1] - map.token_char_begin[t]);
  return out;
}

std::string caption(const GridMap& map, MapLayer layer) {
  char text[160];
  const auto share = [&](size_t count) { return map.num_glyphs ? 100.0 * double(count) / double(map.num_glyphs) : 0.0; };
  if (layer == MapLayer::kCuts) {
    std::snprintf(text, sizeof text, "cut by a token border (red): %.1f %%, by a patch border: %.1f %% of %zu glyphs", share(map.num_glyphs_cut_by_token),
                  share(map.num_glyphs_cut_by_patch), map.num_glyphs);
    return text;
  }
  double sum = 0, most = 0;
  size_t num = 0;
  const auto values = values_of(map, layer);
  for (size_t t = 0; t < values.size(); ++t)
    if (map.valid[t]) sum += values[t], most = std::max(most, values[t]), ++num;
  const char* what = layer == MapLayer::kInk ? "ink density" : map.text_tokens.empty() ? "characters a vision token" : "text tokens a vision token";
  std::snprintf(text, sizeof text, "%s: mean %s, most %s", what, short_number(num ? sum / double(num) : 0).c_str(), short_number(most).c_str());
  return text;
}

}  // namespace

Image draw_label(const std::string& text, double size_px, const Renderer& renderer) {
  Style style;
  style.font = "DejaVu Sans";
  style.font_size_px = size_px;
  style.width_px = 16384;
  style.height_px = int64_t(std::ceil(size_px * 2)) + 2;
  style.margin_left_px = style.margin_right_px = style.margin_top_px = style.margin_bottom_px = 1;
  Page page;
  try {
    page = renderer.render(text, style);
  } catch (const ConfigError&) {  // the font is not installed
    const auto families = font_families();
    if (families.empty()) throw;
    style.font = families.front();
    page = renderer.render(text, style);
  }
  int width = 1, height = 1;
  for (const CharBox& box : page.chars) width = std::max({width, int(box.cell_x1_px), int(box.x1_px)}), height = std::max<int>(height, box.y1_px);
  for (const PageLine& line : page.lines) height = std::max<int>(height, line.bottom_px);
  width = std::min(width + 1, page.image.width_px), height = std::min(height, page.image.height_px);
  Image out = Image::filled(width, height, 1, 255);
  for (int y = 0; y < height; ++y) std::copy_n(page.image.row(y), width, out.row(y));
  return out;
}

Image draw_map_layer(const Page& page, const GridMap& map, MapLayer layer, int scale, const Renderer& renderer) {
  if (scale < 1 || scale > 8) throw ConfigError("[draw_map] scale must be from 1 to 8, got " + std::to_string(scale));
  const TokenGrid& grid = map.grid;
  Image out = enlarged(page, scale);
  if (layer == MapLayer::kCuts) {
    draw_grid(out, grid, scale, grid.patch_px, kPatchLine, 110);
    for (size_t i = 0; i < map.chars.size(); ++i) {
      const CharPlace& place = map.chars[i];
      const CharBox& box = page.chars[i];
      if (place.cut_by_patch || place.cut_by_token)
        fill(out, box.x0_px * scale, box.y0_px * scale, box.x1_px * scale, box.y1_px * scale, place.cut_by_token ? kCutByToken : kCutByPatch, place.cut_by_token ? 130 : 90);
    }
    draw_grid(out, grid, scale, grid.token_px, kTokenLine, 150);
    return out;
  }
  const auto values = values_of(map, layer);
  double most = 0;
  for (double v : values) most = std::max(most, v);
  const int64_t num = grid.num_tokens();
  for (int64_t t = 0; t < num; ++t) {
    const PageRect rect = token_rect(grid, t);
    if (rect.x1 <= rect.x0) continue;
    fill(out, int(std::floor(rect.x0 * scale)), int(std::floor(rect.y0 * scale)), int(std::floor(rect.x1 * scale)), int(std::floor(rect.y1 * scale)),
         heat(most > 0 ? values[size_t(t)] / most : 0), 165);
  }
  draw_grid(out, grid, scale, grid.token_px, kTokenLine, 60);
  // the number in the middle of each token that has room for it
  const double token_width = double(grid.token_px) / grid.scale_x * scale;
  const double size_px = std::clamp(token_width / 4, 7.0, 22.0);
  if (token_width >= 24)
    for (int64_t t = 0; t < num; ++t) {
      const PageRect rect = token_rect(grid, t);
      if (rect.x1 <= rect.x0) continue;
      const Image label = draw_label(short_number(values[size_t(t)]), size_px, renderer);
      const int x = int((rect.x0 + rect.x1) / 2 * scale) - label.width_px / 2, y = int((rect.y0 + rect.y1) / 2 * scale) - label.height_px / 2;
      const bool dark = most > 0 && values[size_t(t)] / most > 0.72;
      fill(out, x, y + 1, x + label.width_px, y + label.height_px - 1, dark ? Rgb{70, 0, 15} : Rgb{255, 255, 255}, 150);
      stamp(out, label, x, y, dark ? Rgb{255, 255, 255} : Rgb{0, 0, 0});
    }
  return out;
}

Image draw_map(const Page& page, const GridMap& map, const std::string& title, int scale, const Renderer& renderer) {
  constexpr int kGap = 12;
  const MapLayer layers[] = {MapLayer::kCuts, MapLayer::kLoad, MapLayer::kInk};
  std::vector<Image> pictures, captions;
  for (MapLayer layer : layers) {
    pictures.push_back(draw_map_layer(page, map, layer, scale, renderer));
    double size_px = 15;
    Image label = draw_label(caption(map, layer), size_px, renderer);
    while (label.width_px > pictures.back().width_px && size_px > 7) label = draw_label(caption(map, layer), --size_px, renderer);
    captions.push_back(std::move(label));
  }
  const Image head = draw_label(title, 17, renderer);
  const int width = pictures[0].width_px, height = pictures[0].height_px;
  int caption_height = 0;
  for (const Image& label : captions) caption_height = std::max(caption_height, label.height_px);
  const int column = std::max({width, captions[0].width_px, captions[1].width_px, captions[2].width_px});
  Image out = Image::filled(std::max(head.width_px + 2 * kGap, 3 * column + 4 * kGap), head.height_px + caption_height + height + 4 * kGap, 3, 255);
  stamp(out, head, kGap, kGap, {0, 0, 0});
  for (size_t i = 0; i < 3; ++i) {
    const int x = kGap + int(i) * (column + kGap), y = head.height_px + caption_height + 3 * kGap;
    stamp(out, captions[i], x, head.height_px + 2 * kGap, {0, 0, 0});
    fill(out, x - 1, y - 1, x + width + 1, y + height + 1, {120, 120, 120}, 255);
    for (int row = 0; row < height; ++row) std::copy_n(pictures[i].row(row), 3 * width, out.row(y + row) + 3 * x);
  }
  return out;
}

}  // namespace fovea::render

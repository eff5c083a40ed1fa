#include "fovea/image/views.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "fovea/base/error.h"
#include "fovea/image/read.h"
#include "fovea/image/resize.h"

namespace fovea::image {
namespace {

constexpr int64_t kDistortedSide = 640;   // views up to this side are filled, larger ones keep the picture's shape
constexpr int64_t kUntiledSide = 640;     // a literal in the published code, whatever the tile's side
constexpr uint8_t kPadding = 127;         // int(0.5 * 255)

// Python's round(): halves to even, which is the default rounding of nearbyint.
int64_t round_half_even(double x) { return int64_t(std::nearbyint(x)); }

bool is_distorted(const Mode& mode) { return mode.tile_side_px == 0 && mode.view_side_px <= kDistortedSide; }

void require_pixels(int64_t width_px, int64_t height_px) {
  if (width_px < 1 || height_px < 1)
    throw ConfigError("[views] a picture must have at least 1 x 1 px, got " + std::to_string(width_px) + " x " + std::to_string(height_px));
}

Image pasted(const Image& picture, const Fit& fit, int64_t side) {
  Image out = Image::filled(int(side), int(side), 3, kPadding);
  for (int y = 0; y < picture.height_px; ++y)
    std::copy_n(picture.row(y), size_t(picture.width_px) * 3, out.row(int(fit.y_px) + y) + size_t(fit.x_px) * 3);
  return out;
}

Image cut(const Image& picture, int x_px, int y_px, int side) {
  Image out = Image::filled(side, side, 3, 0);
  for (int y = 0; y < side; ++y) std::copy_n(picture.row(y_px + y) + size_t(x_px) * 3, size_t(side) * 3, out.row(y));
  return out;
}

}  // namespace

const std::vector<std::string>& mode_names() {
  static const std::vector<std::string> names = {"tiny", "small", "base", "large", "gundam", "gundam-m"};
  return names;
}

Mode mode_by_name(const std::string& name, int64_t stride_px) {
  const auto one_view = [&](int64_t side) { return Mode{.name = name, .view_side_px = side}; };
  if (name == "tiny") return one_view(512);
  if (name == "small") return one_view(640);
  if (name == "base") return one_view(1024);
  if (name == "large") return one_view(1280);
  if (name == "gundam") return {.name = name, .view_side_px = 1024, .tile_side_px = 640};
  if (name == "gundam-m") return {.name = name, .view_side_px = 1280, .tile_side_px = 1024};
  int64_t side = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), side);
  std::string known;
  for (const auto& n : mode_names()) known += n + ", ";
  if (error != std::errc() || end != name.data() + name.size() || side < 1 || side > 16384)
    throw ConfigError("[mode] must be one of " + known + "or a side in px, got '" + name + "'");
  if (stride_px > 0 && side % stride_px != 0)
    throw ConfigError("[mode] a side must be a multiple of " + std::to_string(stride_px) + " px, got " + name + "; the nearest is " +
                      std::to_string(std::max<int64_t>(1, (side + stride_px / 2) / stride_px) * stride_px));
  return one_view(side);
}

TileGrid choose_tile_grid(int64_t width_px, int64_t height_px, const Mode& mode) {
  require_pixels(width_px, height_px);
  TileGrid best;
  if (mode.tile_side_px == 0 || (width_px <= kUntiledSide && height_px <= kUntiledSide)) return best;
  const double shape = double(width_px) / double(height_px), area = double(width_px) * double(height_px);
  double best_gap = std::numeric_limits<double>::infinity();
  for (int64_t num = mode.min_tiles; num <= mode.max_tiles; ++num)
    for (int64_t columns = 1; columns <= num; ++columns) {
      if (num % columns != 0) continue;
      const int64_t rows = num / columns;
      const double gap = std::fabs(shape - double(columns) / double(rows));
      const double room = 0.5 * double(mode.tile_side_px) * double(mode.tile_side_px) * double(num);
      if (gap < best_gap || (gap == best_gap && area > room)) {
        best_gap = gap;
        best = {columns, rows};
      }
    }
  return best;
}

Fit fit_view(int64_t width_px, int64_t height_px, const Mode& mode) {
  require_pixels(width_px, height_px);
  const int64_t side = mode.view_side_px;
  Fit fit{side, side, 0, 0};
  if (is_distorted(mode)) return fit;
  if (width_px > height_px) fit.height_px = round_half_even(double(height_px) / double(width_px) * double(side));
  if (width_px < height_px) fit.width_px = round_half_even(double(width_px) / double(height_px) * double(side));
  if (fit.width_px < 1 || fit.height_px < 1)
    throw ConfigError("[views] a picture of " + std::to_string(width_px) + " x " + std::to_string(height_px) + " px has no pixel left in a view of " +
                      std::to_string(side) + " px; cut it into parts");
  fit.x_px = round_half_even(double(side - fit.width_px) * 0.5);
  fit.y_px = round_half_even(double(side - fit.height_px) * 0.5);
  return fit;
}

Views make_views(const Image& image, const Mode& mode, int64_t stride_px) {
  Views views;
  views.counts = count_tokens(image.width_px, image.height_px, mode, stride_px);
  views.fit = fit_view(image.width_px, image.height_px, mode);
  views.grid = choose_tile_grid(image.width_px, image.height_px, mode);
  views.global = pasted(to_rgb(resize_bicubic(image, int(views.fit.width_px), int(views.fit.height_px))), views.fit, mode.view_side_px);
  if (views.grid.num_tiles() == 0) return views;
  const int side = int(mode.tile_side_px);
  const Image canvas = to_rgb(resize_bicubic(image, side * int(views.grid.columns), side * int(views.grid.rows)));
  for (int64_t row = 0; row < views.grid.rows; ++row)
    for (int64_t column = 0; column < views.grid.columns; ++column) views.tiles.push_back(cut(canvas, int(column) * side, int(row) * side, side));
  return views;
}

TokenCounts count_tokens(int64_t width_px, int64_t height_px, const Mode& mode, int64_t stride_px) {
  const TileGrid tiles = choose_tile_grid(width_px, height_px, mode);
  const int64_t view = mode.view_side_px / stride_px, tile = mode.tile_side_px / stride_px;
  const int64_t global = view * view, local = tiles.num_tiles() * tile * tile;
  TokenCounts counts;
  counts.vision_tokens = global + local;
  counts.decoder_positions = view * (view + 1) + 1;
  if (local > 0) counts.decoder_positions += tiles.rows * tile * (tiles.columns * tile + 1);
  const int64_t low = std::min(width_px, height_px), high = std::max(width_px, height_px);
  // Whole numbers, so that the ceiling is exact.
  counts.paper_valid_tokens = local + (is_distorted(mode) ? global : (global * low + high - 1) / high);
  // As the published code writes it, in double; it cuts and does not round up.
  const double share = 1.0 - double(high - low) / double(high);
  if (view == 8 || view == 10) counts.reference_valid_tokens = global;
  if (view == 16 || view == 20) counts.reference_valid_tokens = int64_t(double(global) * share);
  const bool known = view == 8 || view == 10 || view == 16 || view == 20;
  if (known && tile == 10) counts.reference_valid_tokens += 100 * tiles.num_tiles();
  return counts;
}

}  // namespace fovea::image

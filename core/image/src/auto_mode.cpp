#include "fovea/image/auto_mode.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "fovea/base/error.h"

namespace fovea::image {
namespace {

constexpr int kMaxSide = 4096;              // larger pictures are averaged down: letters stay above 5 px on any page that a mode can show
constexpr int kMinContrast = 24;            // gray levels between the two classes; less is paper without print
constexpr double kCharactersPerToken = 4.4; // DeepSeek's tokenizer on the English samples: 4.2 to 4.6 characters a token, spaces included

// Gray, averaged over blocks of `factor` px.
Image gray_of(const Image& image, int factor) {
  Image out = Image::filled(std::max(1, image.width_px / factor), std::max(1, image.height_px / factor), 1, 0);
  for (int y = 0; y < out.height_px; ++y)
    for (int x = 0; x < out.width_px; ++x) {
      const int y1 = std::min(image.height_px, (y + 1) * factor), x1 = std::min(image.width_px, (x + 1) * factor);
      int64_t sum = 0, num = 0;
      for (int v = y * factor; v < y1; ++v)
        for (int u = x * factor; u < x1; ++u, ++num) {
          const uint8_t* p = image.row(v) + size_t(u) * size_t(image.channels);
          sum += image.channels == 3 ? (299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000 : p[0];  // luma of ITU-R BT.601
        }
      out.row(y)[x] = uint8_t(sum / std::max<int64_t>(1, num));
    }
  return out;
}

struct Threshold {
  int level = 0;     // at most this is dark
  double dark = 0, light = 255;  // means of both classes
  double dark_share = 0;
};

// N. Otsu, A threshold selection method from gray-level histograms, 1979.
Threshold otsu(const Image& gray) {
  std::array<double, 256> histogram{};
  for (uint8_t v : gray.pixels) histogram[v] += 1;
  double total = 0, total_sum = 0;
  for (int i = 0; i < 256; ++i) total += histogram[size_t(i)], total_sum += i * histogram[size_t(i)];
  Threshold best;
  double best_spread = -1, count = 0, sum = 0;
  for (int i = 0; i < 255; ++i) {
    count += histogram[size_t(i)];
    sum += i * histogram[size_t(i)];
    if (count == 0 || count == total) continue;
    const double low = sum / count, high = (total_sum - sum) / (total - count), spread = count * (total - count) * (high - low) * (high - low);
    if (spread > best_spread) best_spread = spread, best = {i, low, high, count / total};
  }
  return best;
}

struct Box {
  int x0, y0, x1, y1;
  int64_t area;
};

// Pieces of ink that touch by a side or a corner, from runs of each row.
std::vector<Box> components(const Image& gray, int level, bool dark_is_ink) {
  std::vector<Box> boxes;
  std::vector<size_t> parent;
  const auto root = [&](size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  struct Run {
    int x0, x1;
    size_t box;
  };
  std::vector<Run> above, here;
  for (int y = 0; y < gray.height_px; ++y) {
    const uint8_t* row = gray.row(y);
    here.clear();
    size_t first = 0;
    for (int x = 0; x < gray.width_px;) {
      if ((row[x] <= level) != dark_is_ink) {
        ++x;
        continue;
      }
      const int begin = x;
      while (x < gray.width_px && (row[x] <= level) == dark_is_ink) ++x;
      Run run{begin, x, boxes.size()};
      boxes.push_back({begin, y, x, y + 1, x - begin});
      parent.push_back(run.box);
      while (first < above.size() && above[first].x1 < begin) ++first;
      for (size_t i = first; i < above.size() && above[i].x0 <= x; ++i) {
        const size_t a = root(above[i].box), b = root(run.box);
        if (a == b) continue;
        const size_t keep = std::min(a, b), gone = std::max(a, b);
        parent[gone] = keep;
        Box& k = boxes[keep];
        const Box& g = boxes[gone];
        k = {std::min(k.x0, g.x0), std::min(k.y0, g.y0), std::max(k.x1, g.x1), std::max(k.y1, g.y1), k.area + g.area};
      }
      here.push_back(run);
    }
    above.swap(here);
  }
  std::vector<Box> out;
  for (size_t i = 0; i < boxes.size(); ++i)
    if (parent[i] == i) out.push_back(boxes[i]);
  return out;
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const size_t at = std::min(values.size() - 1, size_t(share * double(values.size())));
  std::nth_element(values.begin(), values.begin() + ptrdiff_t(at), values.end());
  return values[at];
}

}  // namespace

InkEstimate estimate_ink(const Image& image) {
  if (image.width_px < 1 || image.height_px < 1) throw ConfigError("[auto mode] a picture must have at least 1 x 1 px");
  const int factor = (std::max(image.width_px, image.height_px) + kMaxSide - 1) / kMaxSide;
  const Image gray = gray_of(image, factor);
  const Threshold threshold = otsu(gray);
  InkEstimate out;
  if (threshold.light - threshold.dark < kMinContrast) return out;
  out.light_on_dark = threshold.dark_share > 0.5;
  out.ink_density = out.light_on_dark ? 1 - threshold.dark_share : threshold.dark_share;

  // Letters and touching letters: no specks, no rules, no pictures.
  std::vector<Box> kept;
  std::vector<double> heights;
  for (const Box& box : components(gray, threshold.level, !out.light_on_dark)) {
    const int width = box.x1 - box.x0, height = box.y1 - box.y0;
    if (height < 3 || height > gray.height_px / 3 + 3 || (width > 12 * height && height < 8 && box.area > int64_t(width) * height / 2)) continue;
    kept.push_back(box);
    heights.push_back(height);
  }
  // Dots, commas and hyphens are lower than a third of what is high, pictures and headings many times higher than the usual.
  const double usual = quantile(heights, 0.6);
  heights.clear();
  std::vector<double> shapes;
  std::vector<Box> letters;
  for (const Box& box : kept) {
    const double height = box.y1 - box.y0;
    if (height < 0.4 * usual || height > 4 * usual) continue;
    letters.push_back(box);
    heights.push_back(height);
    shapes.push_back((box.x1 - box.x0) / height);
  }
  if (letters.empty()) return out;
  // Most letters of prose are as high as an x. Where letters touch, the pieces are words, as high as their highest letters: 1.4 x and more.
  const double middle = quantile(heights, 0.5);
  const double x_height = quantile(shapes, 0.5) > 1.5 ? middle / 1.4 : middle;
  double characters = 0;
  for (const Box& box : letters) {
    const double share = (box.y1 - box.y0) / x_height;  // a larger letter is wider, too
    characters += std::max(1.0, std::round((box.x1 - box.x0) / (1.05 * x_height * std::clamp(share / 1.4, 1.0, 4.0))));
  }
  out.num_components = int64_t(letters.size());
  out.x_height_px = x_height * factor;
  out.num_characters = characters * 1.2;  // a space after each five letters or so
  out.num_text_tokens = out.num_characters / kCharactersPerToken;
  return out;
}

std::vector<ModeFit> fit_modes(const InkEstimate& ink, int64_t width_px, int64_t height_px, const std::vector<std::string>& modes, const AutoModeConfig& config,
                               int64_t stride_px) {
  std::vector<ModeFit> out;
  for (const auto& name : modes) {
    const Mode mode = mode_by_name(name, stride_px);
    ModeFit fit{.mode = name};
    try {
      const Fit view = fit_view(width_px, height_px, mode);
      const TokenCounts counts = count_tokens(width_px, height_px, mode, stride_px);
      const TileGrid tiles = choose_tile_grid(width_px, height_px, mode);
      double scale = std::min(double(view.width_px) / double(width_px), double(view.height_px) / double(height_px));
      if (tiles.num_tiles() > 0)
        scale = std::min(double(tiles.columns * mode.tile_side_px) / double(width_px), double(tiles.rows * mode.tile_side_px) / double(height_px));
      fit.num_vision_tokens = counts.vision_tokens;
      fit.x_height_px = ink.x_height_px * scale;
      fit.tokens_per_vision_token = ink.num_text_tokens / double(std::max<int64_t>(1, counts.paper_valid_tokens));
      const bool legible = ink.x_height_px == 0 || fit.x_height_px >= config.min_x_height_px || scale >= 1;
      fit.fits = legible && fit.tokens_per_vision_token <= config.max_tokens_per_vision_token;
    } catch (const ConfigError&) {
      fit.num_vision_tokens = 0;
    }
    out.push_back(std::move(fit));
  }
  return out;
}

size_t first_mode(const std::vector<ModeFit>& fits) {
  size_t last = fits.size();
  for (size_t i = 0; i < fits.size(); ++i) {
    if (fits[i].fits) return i;
    if (fits[i].num_vision_tokens > 0) last = i;
  }
  if (last == fits.size()) throw ConfigError("[auto mode] no mode can show this picture; cut it into parts");
  return last;
}

}  // namespace fovea::image

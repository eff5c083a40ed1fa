#include "fovea/image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "fovea/base/error.h"

namespace fovea::image {
namespace {

constexpr int kPrecisionBits = 22;  // 32 - 8 bits of a pixel - 2 for sums beyond it

// Weights of the source pixels of every target pixel along one axis.
struct Taps {
  int size = 0;                 // weights a target pixel has room for
  std::vector<int> first, num;  // [out]
  std::vector<int32_t> weights; // [out, size]
};

double bicubic(double x) {
  constexpr double a = -0.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

Taps make_taps(int in, int out) {
  const double scale = double(in) / double(out), filter_scale = std::max(scale, 1.0), support = 2.0 * filter_scale;
  Taps taps;
  taps.size = int(std::ceil(support)) * 2 + 1;
  taps.first.resize(size_t(out));
  taps.num.resize(size_t(out));
  taps.weights.assign(size_t(out) * size_t(taps.size), 0);
  const double inverse = 1.0 / filter_scale;
  std::vector<double> exact(static_cast<size_t>(taps.size));
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(int(centre - support + 0.5), 0), high = std::min(int(centre + support + 0.5), in), num = high - low;
    double sum = 0;
    for (int j = 0; j < num; ++j) sum += exact[size_t(j)] = bicubic((j + low - centre + 0.5) * inverse);
    for (int j = 0; j < num; ++j) {
      const double weight = (sum != 0 ? exact[size_t(j)] / sum : exact[size_t(j)]) * double(1 << kPrecisionBits);
      taps.weights[size_t(i) * size_t(taps.size) + size_t(j)] = int32_t(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    taps.first[size_t(i)] = low;
    taps.num[size_t(i)] = num;
  }
  return taps;
}

uint8_t rounded(int32_t sum) { return uint8_t(std::clamp(sum >> kPrecisionBits, 0, 255)); }
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

template <int kChannels> void horizontal(const Image& in, const Taps& taps, Image& out) {
  for (int y = 0; y < in.height_px; ++y) {
    const uint8_t* from = in.row(y);
    uint8_t* to = out.row(y);
    for (int x = 0; x < out.width_px; ++x) {
      const int32_t* weights = taps.weights.data() + size_t(x) * size_t(taps.size);
      const uint8_t* pixel = from + size_t(taps.first[size_t(x)]) * kChannels;
      int32_t sum[kChannels];
      std::fill_n(sum, kChannels, kHalf);
      for (int j = 0; j < taps.num[size_t(x)]; ++j)
        for (int c = 0; c < kChannels; ++c) sum[c] += int32_t(pixel[j * kChannels + c]) * weights[j];
      for (int c = 0; c < kChannels; ++c) to[x * kChannels + c] = rounded(sum[c]);
    }
  }
}

void vertical(const Image& in, const Taps& taps, Image& out) {
  const size_t values = size_t(in.width_px) * size_t(in.channels);
  std::vector<int32_t> sums(values);
  for (int y = 0; y < out.height_px; ++y) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int j = 0; j < taps.num[size_t(y)]; ++j) {
      const int32_t weight = taps.weights[size_t(y) * size_t(taps.size) + size_t(j)];
      const uint8_t* from = in.row(taps.first[size_t(y)] + j);
      for (size_t i = 0; i < values; ++i) sums[i] += int32_t(from[i]) * weight;
    }
    uint8_t* to = out.row(y);
    for (size_t i = 0; i < values; ++i) to[i] = rounded(sums[i]);
  }
}

}  // namespace

Image resize_bicubic(const Image& image, int width_px, int height_px) {
  if (width_px < 1 || height_px < 1)
    throw ShapeError("[resize_bicubic] width_px and height_px must be at least 1, got " + std::to_string(width_px) + " x " + std::to_string(height_px));
  if (image.width_px < 1 || image.height_px < 1) throw ShapeError("[resize_bicubic] the picture has no pixels");
  Image out = image;
  if (width_px != image.width_px) {
    Image wide = Image::filled(width_px, image.height_px, image.channels, 0);
    const Taps taps = make_taps(image.width_px, width_px);
    image.channels == 1 ? horizontal<1>(out, taps, wide) : horizontal<3>(out, taps, wide);
    out = std::move(wide);
  }
  if (height_px != image.height_px) {
    Image tall = Image::filled(width_px, height_px, image.channels, 0);
    vertical(out, make_taps(image.height_px, height_px), tall);
    out = std::move(tall);
  }
  return out;
}

}  // namespace fovea::image

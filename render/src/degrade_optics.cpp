// Steps of lens, sensor and compression. Weights are whole numbers, so that sums do not depend on the order of additions.
#include <cstdio>  // jpeglib.h needs FILE and size_t

#include <jpeglib.h>

#include <algorithm>
#include <csetjmp>
#include <cmath>
#include <cstdlib>
#include <string>

#include "degrade_steps.h"
#include "fovea/base/error.h"
#include "fovea/base/random.h"

namespace fovea::render {

namespace {

constexpr int kOne = 1 << 14;  // weight 1

// Weights as whole numbers whose sum is kOne: what rounding leaves goes to the largest.
std::vector<int> whole_weights(const std::vector<double>& weights) {
  double sum = 0;
  for (double w : weights) sum += w;
  std::vector<int> out;
  int total = 0;
  for (double w : weights) {
    out.push_back(int(std::lround(w / sum * kOne)));
    total += out.back();
  }
  *std::max_element(out.begin(), out.end()) += kOne - total;
  return out;
}

uint8_t rounded(int sum) { return uint8_t((sum + kOne / 2) >> 14); }

// out row = sum of weighted rows; rows outside repeat the edge.
template <class Row> void weighted_rows(const Row& row_at, int first, const std::vector<int>& weights, int length, std::vector<int>& sum, uint8_t* out) {
  std::fill_n(sum.begin(), length, kOne / 2);
  for (size_t k = 0; k < weights.size(); ++k) {
    const uint8_t* row = row_at(first + int(k));
    const int weight = weights[k];
    int* into = sum.data();
    for (int i = 0; i < length; ++i) into[i] += weight * row[i];
  }
  for (int i = 0; i < length; ++i) out[i] = uint8_t(sum[size_t(i)] >> 14);
}

}  // namespace

void blur_gaussian(Image& image, double sigma_px) {
  const int radius = std::max(1, int(std::ceil(3 * sigma_px)));
  std::vector<double> bell;
  for (int i = -radius; i <= radius; ++i) bell.push_back(std::exp(-0.5 * i * i / (sigma_px * sigma_px)));
  const auto weights = whole_weights(bell);
  const int channels = image.channels, length = image.width_px * channels;
  // across: each tap is the row shifted by whole pixels, edges repeated
  std::vector<uint8_t> padded(size_t(length + 2 * radius * channels));
  std::vector<int> sum(static_cast<size_t>(length));
  for (int y = 0; y < image.height_px; ++y) {
    uint8_t* row = image.row(y);
    for (int i = 0; i < radius * channels; ++i) {
      padded[size_t(i)] = row[i % channels];
      padded[size_t(radius * channels + length + i)] = row[length - channels + i % channels];
    }
    std::copy_n(row, length, padded.begin() + radius * channels);
    weighted_rows([&](int k) { return padded.data() + k * channels; }, 0, weights, length, sum, row);
  }
  const Image across = image;
  for (int y = 0; y < image.height_px; ++y)
    weighted_rows([&](int k) { return across.row(std::clamp(k, 0, image.height_px - 1)); }, y - radius, weights, length, sum, image.row(y));
}

void blur_motion(Image& image, double length_px, double degrees) {
  const double angle = degrees * 3.14159265358979323846 / 180;
  const double ux = std::cos(angle), uy = std::sin(angle);
  const int radius = int(std::ceil(length_px / 2)) + 1, side = 2 * radius + 1;
  // the way in quarter-pixel steps, each spread over the four pixels about it
  std::vector<double> kernel(size_t(side * side), 0.0);
  const int steps = std::max(1, int(std::lround(length_px * 4)));
  for (int s = 0; s < steps; ++s) {
    const double t = ((s + 0.5) / steps - 0.5) * length_px;
    const double x = t * ux + radius, y = t * uy + radius;
    const int ix = int(std::floor(x)), iy = int(std::floor(y));
    const double fx = x - ix, fy = y - iy;
    for (int dy = 0; dy < 2; ++dy)
      for (int dx = 0; dx < 2; ++dx)
        if (ix + dx < side && iy + dy < side) kernel[size_t((iy + dy) * side + ix + dx)] += (dx ? fx : 1 - fx) * (dy ? fy : 1 - fy);
  }
  const auto weights = whole_weights(kernel);
  const int channels = image.channels, length = image.width_px * channels, pad = radius * channels;
  const Image from = image;
  const auto padded_row = [&](int y, std::vector<uint8_t>& out) {
    const uint8_t* row = from.row(std::clamp(y, 0, from.height_px - 1));
    out.resize(size_t(length + 2 * pad));
    for (int i = 0; i < pad; ++i) {
      out[size_t(i)] = row[i % channels];
      out[size_t(pad + length + i)] = row[length - channels + i % channels];
    }
    std::copy_n(row, length, out.begin() + pad);
  };
  std::vector<std::vector<uint8_t>> rows(static_cast<size_t>(side));  // ring of padded rows: row y lies in y mod side
  for (int y = -radius; y < radius; ++y) padded_row(y, rows[size_t((y + side) % side)]);
  std::vector<int> sum(static_cast<size_t>(length));
  for (int y = 0; y < image.height_px; ++y) {
    padded_row(y + radius, rows[size_t((y + radius + side) % side)]);
    std::fill(sum.begin(), sum.end(), kOne / 2);
    for (int dy = -radius; dy <= radius; ++dy)
      for (int dx = -radius; dx <= radius; ++dx) {
        const int weight = weights[size_t((dy + radius) * side + dx + radius)];
        if (weight == 0) continue;
        const uint8_t* row = rows[size_t((y + dy + side) % side)].data() + pad + dx * channels;
        int* into = sum.data();
        for (int i = 0; i < length; ++i) into[i] += weight * row[i];
      }
    uint8_t* out = image.row(y);
    for (int i = 0; i < length; ++i) out[i] = uint8_t(sum[size_t(i)] >> 14);
  }
}

namespace {

struct Taps {
  int first = 0;
  std::vector<int> weights;
};

std::vector<Taps> triangle_taps(int from, int to) {
  std::vector<Taps> out;
  const double scale = double(from) / to, support = std::max(1.0, scale);
  for (int i = 0; i < to; ++i) {
    const double centre = (i + 0.5) * scale;
    const int lo = std::max(0, int(std::floor(centre - support + 0.5))), hi = std::min(from, int(std::floor(centre + support + 0.5)));
    std::vector<double> weights;
    for (int j = lo; j < hi; ++j) weights.push_back(std::max(0.0, 1 - std::abs(j + 0.5 - centre) / support));
    double sum = 0;
    for (double w : weights) sum += w;
    if (weights.empty() || sum <= 0) {
      out.push_back({std::clamp(int(centre), 0, from - 1), {kOne}});
    } else {
      out.push_back({lo, whole_weights(weights)});
    }
  }
  return out;
}

}  // namespace

Image resize(const Image& image, int width_px, int height_px) {
  const int channels = image.channels;
  // down the columns first: whole rows at a time
  Image tall = Image::filled(image.width_px, height_px, channels, 0);
  if (height_px == image.height_px) {
    tall = image;
  } else {
    const auto taps = triangle_taps(image.height_px, height_px);
    std::vector<int> sum(size_t(image.width_px * channels));
    for (int y = 0; y < height_px; ++y)
      weighted_rows([&](int k) { return image.row(k); }, taps[size_t(y)].first, taps[size_t(y)].weights, image.width_px * channels, sum, tall.row(y));
  }
  if (width_px == image.width_px) return tall;
  Image out = Image::filled(width_px, height_px, channels, 0);
  const auto taps = triangle_taps(image.width_px, width_px);
  for (int y = 0; y < height_px; ++y) {
    const uint8_t* from = tall.row(y);
    uint8_t* to = out.row(y);
    for (int x = 0; x < width_px; ++x) {
      const Taps& tap = taps[size_t(x)];
      for (int c = 0; c < channels; ++c) {
        int sum = 0;
        for (size_t k = 0; k < tap.weights.size(); ++k) sum += tap.weights[k] * from[(tap.first + int(k)) * channels + c];
        to[x * channels + c] = rounded(sum);
      }
    }
  }
  return out;
}

void add_noise(Image& image, double sigma, double salt_pepper, uint64_t seed) {
  if (sigma > 0) {
    // The sum of four random bytes is near normal: mean 510, standard deviation sqrt(4 (256^2 - 1) / 12) = 147.80.
    const int gain = int(std::lround(sigma / 147.8010 * 65536));
    const size_t size = image.pixels.size();
    for (size_t i = 0; i < size; i += 2) {
      const uint64_t bits = mix64(seed + i * 0x9e3779b97f4a7c15ULL);
      const uint64_t pairs = (bits & 0x00FF00FF00FF00FFULL) + ((bits >> 8) & 0x00FF00FF00FF00FFULL);
      const uint64_t fours = (pairs & 0x0000FFFF0000FFFFULL) + ((pairs >> 16) & 0x0000FFFF0000FFFFULL);
      const int draws[2] = {int(fours & 0xFFFF) - 510, int((fours >> 32) & 0xFFFF) - 510};
      for (size_t k = 0; k < 2 && i + k < size; ++k)
        image.pixels[i + k] = uint8_t(std::clamp(image.pixels[i + k] + ((draws[k] * gain + 32768) >> 16), 0, 255));
    }
  }
  if (salt_pepper > 0) {
    const uint64_t limit = salt_pepper >= 1 ? ~uint64_t(0) : uint64_t(std::ldexp(salt_pepper, 64));
    const size_t num_pixels = size_t(image.width_px) * size_t(image.height_px), channels = size_t(image.channels);
    for (size_t i = 0; i < num_pixels; ++i) {
      const uint64_t bits = mix64(seed + 0x5851f42d4c957f2dULL + i * 0x9e3779b97f4a7c15ULL);
      if (bits < limit) std::fill_n(image.pixels.begin() + ptrdiff_t(i * channels), channels, uint8_t(bits & 1 ? 255 : 0));
    }
  }
}

namespace {

// libjpeg reports errors by a call that must not return.
struct JpegErrors {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX] = "";

  static void leave(j_common_ptr info) {
    auto* self = reinterpret_cast<JpegErrors*>(info->err);
    info->err->format_message(info, self->message);
    std::longjmp(self->jump, 1);
  }
  static void silent(j_common_ptr, int) {}
  jpeg_error_mgr* set_up() {
    jpeg_std_error(&manager);
    manager.error_exit = leave;
    manager.emit_message = silent;
    return &manager;
  }
};

// Between set_up and the end of each function no C++ object may live that a jump would skip.
bool compress(const Image& image, int quality, JpegErrors& errors, unsigned char*& bytes, unsigned long& size) {
  jpeg_compress_struct info;
  info.err = errors.set_up();
  if (setjmp(errors.jump)) {
    jpeg_destroy_compress(&info);
    return false;
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = JDIMENSION(image.width_px);
  info.image_height = JDIMENSION(image.height_px);
  info.input_components = image.channels;
  info.in_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, quality, TRUE);
  info.dct_method = JDCT_ISLOW;
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<uint8_t*>(image.pixels.data()) + size_t(info.next_scanline) * size_t(image.width_px) * size_t(image.channels);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return true;
}

bool decompress(const unsigned char* bytes, unsigned long size, JpegErrors& errors, Image& image) {
  jpeg_decompress_struct info;
  info.err = errors.set_up();
  if (setjmp(errors.jump)) {
    jpeg_destroy_decompress(&info);
    return false;
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes, size);
  jpeg_read_header(&info, TRUE);
  info.dct_method = JDCT_ISLOW;
  info.out_color_space = image.channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = image.pixels.data() + size_t(info.output_scanline) * size_t(image.width_px) * size_t(image.channels);
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return true;
}

}  // namespace

void through_jpeg(Image& image, int quality) {
  JpegErrors errors;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const bool done = compress(image, quality, errors, bytes, size) && decompress(bytes, size, errors, image);
  std::free(bytes);
  if (!done) throw RenderError(std::string("[degrade] JPEG: ") + errors.message);
}

Image warp(const Image& image, const Homography& to_from_source, const std::array<uint8_t, 3>& outside) {
  const Homography source_from_to = to_from_source.inverse();
  const auto& m = source_from_to.m;
  const int width = image.width_px, height = image.height_px, channels = image.channels;
  // one row and column of paper all round: no test for each of the four neighbours
  const int stride = (width + 2) * channels;
  std::vector<uint8_t> padded(size_t(stride) * size_t(height + 2));
  for (size_t i = 0; i < padded.size(); ++i) padded[i] = outside[i % size_t(channels)];
  for (int y = 0; y < height; ++y) std::copy_n(image.row(y), width * channels, padded.begin() + ptrdiff_t(y + 1) * stride + channels);
  Image out = Image::filled(width, height, channels, 0);
  // u, v: place in the padded picture in 1/256 px
  const auto sample = [&](int64_t u, int64_t v, uint8_t* to) {
    if (u < 0 || v < 0 || u >= int64_t(width + 1) * 256 || v >= int64_t(height + 1) * 256) {
      for (int c = 0; c < channels; ++c) to[c] = outside[size_t(c)];
      return;
    }
    const int fx = int(u & 255), fy = int(v & 255);
    const uint8_t* above = padded.data() + size_t(v >> 8) * size_t(stride) + size_t(u >> 8) * size_t(channels);
    const uint8_t* below = above + stride;
    for (int c = 0; c < channels; ++c) {
      const int top = above[c] * (256 - fx) + above[c + channels] * fx;
      const int bottom = below[c] * (256 - fx) + below[c + channels] * fx;
      to[c] = uint8_t((top * (256 - fy) + bottom * fy + 32768) >> 16);
    }
  };
  const bool affine = m[6] == 0 && m[7] == 0;
  constexpr int kShift = 24;  // below 1/256 px
  const int64_t du = std::llround(std::ldexp(m[0] / m[8], 8 + kShift)), dv = std::llround(std::ldexp(m[3] / m[8], 8 + kShift));
  for (int y = 0; y < height; ++y) {
    uint8_t* to = out.row(y);
    const double py = y + 0.5;
    if (affine) {
      int64_t u = std::llround(std::ldexp((m[0] * 0.5 + m[1] * py + m[2]) / m[8] + 0.5, 8 + kShift));
      int64_t v = std::llround(std::ldexp((m[3] * 0.5 + m[4] * py + m[5]) / m[8] + 0.5, 8 + kShift));
      for (int x = 0; x < width; ++x, to += channels, u += du, v += dv) sample(u >> kShift, v >> kShift, to);
      continue;
    }
    for (int x = 0; x < width; ++x, to += channels) {
      const double px = x + 0.5, w = 256 / (m[6] * px + m[7] * py + m[8]);
      const double u = (m[0] * px + m[1] * py + m[2]) * w + 128, v = (m[3] * px + m[4] * py + m[5]) * w + 128;
      if (u >= 0 && v >= 0 && u < 1e12 && v < 1e12)
        sample(int64_t(u), int64_t(v), to);
      else
        sample(-1, -1, to);
    }
  }
  return out;
}

}  // namespace fovea::render

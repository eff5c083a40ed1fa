// 8-bit pixels in memory: the one picture type that renderer, encoder and harness share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fovea {

/// Gray (1 channel) or RGB (3 channels) picture; rows from the top, no padding between rows.
struct Image {
  int width_px = 0;
  int height_px = 0;
  int channels = 1;
  std::vector<uint8_t> pixels;  ///< height_px * width_px * channels values, 0 = black, 255 = white

  static Image filled(int width_px, int height_px, int channels, uint8_t value) {
    return {width_px, height_px, channels,
            std::vector<uint8_t>(size_t(width_px) * size_t(height_px) * size_t(channels), value)};
  }
  uint8_t* row(int y) { return pixels.data() + size_t(y) * size_t(width_px) * size_t(channels); }
  const uint8_t* row(int y) const { return pixels.data() + size_t(y) * size_t(width_px) * size_t(channels); }
};

/// Writes an 8-bit PNG under a temporary name and renames it. Errors: IoError.
void write_png(const Image& image, const std::string& path);
/// Encodes an 8-bit PNG in memory. Errors: IoError.
std::vector<uint8_t> encode_png(const Image& image);
/// Reads a PNG as gray (1 or 2 channels in the file; alpha dropped) or RGB. Errors: IoError.
Image read_png(const std::string& path);

}  // namespace fovea

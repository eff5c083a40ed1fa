// The rule of tests/golden/README.md, the part that needs no LibTorch: numbers and pictures out of names.
#pragma once
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "fovea/base/config.h"
#include "fovea/base/file.h"
#include "fovea/base/image.h"

namespace fovea::test {

inline Json read_golden(const std::string& name) { return Json::parse(read_file(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/" + name)); }

inline uint64_t fnv1a64(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3ULL;
  return h;
}
inline uint64_t rule_key(std::string_view name, uint64_t seed) { return fnv1a64(name) + seed * 0xd1b54a32d192ed03ULL; }
inline uint64_t rule_hash(uint64_t key, uint64_t i) {
  uint64_t z = key + (i + 1) * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}
inline float rule_unit(uint64_t key, uint64_t i) { return float(rule_hash(key, i) >> 40) * 0x1p-23f - 1.0f; }

/// The rule's picture, RGB.
inline Image rule_image(const std::string& name, int64_t width, int64_t height, uint64_t seed) {
  Image out = Image::filled(int(width), int(height), 3, 0);
  const uint64_t blocks = rule_key(name + "/blocks", seed), grain = rule_key(name + "/grain", seed);
  const int64_t bw = (width + 16) / 17;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < 3; ++c) {
        const int64_t t = (x * (2 + c) + y * (3 - c)) % 510, wave = t < 256 ? t : 510 - t;
        const int64_t block = int64_t(rule_hash(blocks, uint64_t(((y / 13) * bw + x / 17) * 3 + c)) >> 56);
        const int64_t speck = int64_t(rule_hash(grain, uint64_t((y * width + x) * 3 + c)) >> 58);
        out.row(int(y))[x * 3 + c] = uint8_t((8 * wave + 5 * block + 12 * speck) >> 4);
      }
  return out;
}

/// zlib's CRC-32 of the pixels, as eight hexadecimal digits.
inline std::string crc32_of(const Image& image) {
  static const auto table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (uint8_t byte : image.pixels) crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  char text[9];
  std::snprintf(text, sizeof text, "%08x", crc ^ 0xFFFFFFFFu);
  return text;
}

}  // namespace fovea::test

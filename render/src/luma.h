// Luma: the gray of a colour. Weights of Rec. ITU-R BT.601, in 1/65536; a gray colour keeps its value exactly.
#pragma once
#include <cstdint>

namespace fovea::render {

inline uint32_t luma(uint32_t red, uint32_t green, uint32_t blue) {
  return (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16;
}
inline uint32_t luma_of_rgb(uint32_t rgb) { return luma(rgb >> 16 & 0xFF, rgb >> 8 & 0xFF, rgb & 0xFF); }

}  // namespace fovea::render

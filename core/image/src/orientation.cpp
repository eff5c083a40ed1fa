#include "orientation.h"

#include "fovea/image/read.h"

namespace fovea::image {

int exif_orientation(std::string_view exif) {
  if (exif.substr(0, 6) == std::string_view("Exif\0\0", 6)) exif.remove_prefix(6);
  if (exif.size() < 8) return 1;
  const bool little = exif.substr(0, 2) == "II";
  if (!little && exif.substr(0, 2) != "MM") return 1;
  const auto number = [&](size_t at, int bytes) -> uint32_t {
    uint32_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint32_t(uint8_t(exif[at + size_t(i)])) << (8 * (little ? i : bytes - 1 - i));
    return value;
  };
  if (number(2, 2) != 42) return 1;
  const size_t directory = number(4, 4);
  if (directory > exif.size() || exif.size() - directory < 2) return 1;
  const size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + 12 * i;
    if (exif.size() < 12 || at > exif.size() - 12) return 1;
    if (number(at, 2) != 0x0112) continue;
    const uint32_t type = number(at + 2, 2), value = type == 3 ? number(at + 8, 2) : type == 4 ? number(at + 8, 4) : 1;
    return value >= 1 && value <= 8 ? int(value) : 1;
  }
  return 1;
}

Image oriented(Image image, int orientation) {
  if (orientation < 2 || orientation > 8) return image;
  const bool turned = orientation >= 5;
  const int width = turned ? image.height_px : image.width_px, height = turned ? image.width_px : image.height_px, c = image.channels;
  Image out = Image::filled(width, height, c, 0);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      // the stored pixel that is seen at (x, y)
      int from_x = turned ? y : x, from_y = turned ? x : y;
      if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) from_x = image.width_px - 1 - from_x;
      if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) from_y = image.height_px - 1 - from_y;
      const uint8_t* from = image.row(from_y) + from_x * c;
      uint8_t* to = out.row(y) + x * c;
      for (int k = 0; k < c; ++k) to[k] = from[k];
    }
  return out;
}

}  // namespace fovea::image

#include "fovea/image/read.h"

#include <algorithm>

#include "formats.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::image {

void check_size(int64_t width_px, int64_t height_px, const std::string& name, const ReadLimits& limits) {
  const std::string size = std::to_string(width_px) + " x " + std::to_string(height_px) + " px";
  if (width_px < 1 || height_px < 1) throw IoError("[read image] " + name + ": a picture of " + size);
  if (height_px > limits.max_pixels / width_px)
    throw IoError("[read image] " + name + ": " + size + " are more than the limit of " + std::to_string(limits.max_pixels) +
                  " pixels; scale it down or cut it into parts");
}

void cmyk_to_rgb(const uint8_t* in, uint8_t* out, int64_t num) {
  for (int64_t i = 0; i < num; ++i, in += 4, out += 3) {
    const int light = 255 - in[3];
    for (int c = 0; c < 3; ++c) {
      const int product = in[c] * light + 128;  // in[c] * light / 255, rounded
      out[c] = uint8_t(std::clamp(light - ((product + (product >> 8)) >> 8), 0, 255));
    }
  }
}

Image decode(std::string_view bytes, const std::string& name, const ReadLimits& limits) {
  const auto begins = [&](std::string_view magic, size_t at = 0) { return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic; };
  Decoded decoded;
  if (begins("\x89PNG\r\n\x1a\n"))
    decoded = decode_png(bytes, name, limits);
  else if (begins("\xff\xd8\xff"))
    decoded = decode_jpeg(bytes, name, limits);
  else if (begins("RIFF") && begins("WEBP", 8))
    decoded = decode_webp(bytes, name, limits);
  else if (begins(std::string_view("II*\0", 4)) || begins(std::string_view("MM\0*", 4)))
    decoded = decode_tiff(bytes, name, limits);
  else
    throw IoError("[read image] " + name + (bytes.empty() ? " is empty" : " is none of PNG, JPEG, WebP and TIFF"));
  return oriented(std::move(decoded.image), decoded.orientation);
}

Image read(const std::string& path, const ReadLimits& limits) { return decode(read_file(path), path, limits); }

Image to_rgb(Image image) {
  if (image.channels == 3) return image;
  Image out = Image::filled(image.width_px, image.height_px, 3, 0);
  for (size_t i = 0; i < image.pixels.size(); ++i) std::fill_n(out.pixels.begin() + ptrdiff_t(3 * i), 3, image.pixels[i]);
  return out;
}

}  // namespace fovea::image

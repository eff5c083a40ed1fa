// One function a file format. Each gives the stored picture and its EXIF orientation.
#pragma once
#include <string>
#include <string_view>

#include "fovea/image/read.h"

namespace fovea::image {

struct Decoded {
  Image image;
  int orientation = 1;
};
Decoded decode_png(std::string_view bytes, const std::string& name, const ReadLimits& limits);
Decoded decode_jpeg(std::string_view bytes, const std::string& name, const ReadLimits& limits);
Decoded decode_webp(std::string_view bytes, const std::string& name, const ReadLimits& limits);
Decoded decode_tiff(std::string_view bytes, const std::string& name, const ReadLimits& limits);

/// Errors: IoError unless 1 <= width * height <= limits.max_pixels.
void check_size(int64_t width_px, int64_t height_px, const std::string& name, const ReadLimits& limits);
/// CMYK (0 = no ink) to RGB, without a profile, as Pillow does: white less ink, times what black leaves. in, out: `num` pixels.
void cmyk_to_rgb(const uint8_t* in, uint8_t* out, int64_t num);

}  // namespace fovea::image

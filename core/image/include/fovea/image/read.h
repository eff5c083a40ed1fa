// Reading scanned pages: PNG, JPEG, WebP and TIFF from memory, upright, as the 8-bit picture that the model sees.
#pragma once
#include <string>
#include <string_view>

#include "fovea/base/image.h"

namespace fovea::image {

struct ReadLimits {
  int64_t max_pixels = 178956970;  ///< refused before a pixel is decoded; Pillow's limit for an error (twice its MAX_IMAGE_PIXELS)
};

/// Bytes    a whole file; the format is told by its first bytes. `name` is for messages.
/// Returns  gray (1 channel) where the file has no colour, else RGB, turned upright by its EXIF orientation. Alpha is dropped and not composited,
///          palettes are resolved, CMYK becomes RGB without a profile: the conversions of Pillow's convert("RGB"), which the published model was fed by.
///          16 bits a channel keep their upper 8 (Pillow cuts 16-bit gray at 255 instead, so that a scan becomes a white page).
/// Errors   IoError: no known format (named with those that are), damaged or cut short, more than max_pixels.
Image decode(std::string_view bytes, const std::string& name, const ReadLimits& limits = {});
/// The same of a file.
Image read(const std::string& path, const ReadLimits& limits = {});

/// EXIF orientation 1 to 8 undone (TIFF 6.0, tag 274: 6 is "turn a quarter clockwise to see it upright"). Other values change nothing.
Image oriented(Image image, int orientation);

/// Gray repeated into three channels; RGB as it is.
Image to_rgb(Image image);

}  // namespace fovea::image

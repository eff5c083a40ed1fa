#include "fovea/image/crop.h"

#include <algorithm>
#include <string>

#include "fovea/base/error.h"

namespace fovea::image {

Image crop(const Image& image, int64_t x0, int64_t y0, int64_t x1, int64_t y1) {
  x0 = std::clamp<int64_t>(x0, 0, image.width_px), x1 = std::clamp<int64_t>(x1, 0, image.width_px);
  y0 = std::clamp<int64_t>(y0, 0, image.height_px), y1 = std::clamp<int64_t>(y1, 0, image.height_px);
  if (x1 <= x0 || y1 <= y0)
    throw ShapeError("[crop] a part must hold pixels, got columns " + std::to_string(x0) + " to " + std::to_string(x1) + " and rows " + std::to_string(y0) + " to " +
                     std::to_string(y1));
  Image out = Image::filled(int(x1 - x0), int(y1 - y0), image.channels, 0);
  for (int y = 0; y < out.height_px; ++y)
    std::copy_n(image.row(int(y0) + y) + size_t(x0) * size_t(image.channels), size_t(out.width_px) * size_t(image.channels), out.row(y));
  return out;
}

}  // namespace fovea::image

// A part of a picture.
#pragma once
#include "fovea/base/image.h"

namespace fovea::image {

/// Columns x0 to x1 and rows y0 to y1 (half open), cut to the picture. Errors: ShapeError where nothing is left.
Image crop(const Image& image, int64_t x0_px, int64_t y0_px, int64_t x1_px, int64_t y1_px);

}  // namespace fovea::image

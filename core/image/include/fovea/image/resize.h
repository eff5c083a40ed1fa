// Resizing by the arithmetic of Pillow 12.0, byte for byte.
#pragma once
#include "fovea/base/image.h"

namespace fovea::image {

/// Bicubic (Keys, a = -0.5) with antialiasing on 8 bits a channel, in 22-bit fixed point: horizontal pass first, its result rounded to 8 bits; an axis
/// that keeps its size is not touched. Source: Pillow 12.0.0, ImagingResample. Other libraries' bicubic filters give other bytes.
/// Errors: ShapeError unless width_px and height_px are at least 1.
Image resize_bicubic(const Image& image, int width_px, int height_px);

}  // namespace fovea::image

#pragma once
#include <string_view>

namespace fovea::image {

/// Orientation (1 to 8) in an EXIF block, with or without its "Exif" header; 1 where it has none or is damaged. Source: Exif 2.32, section 4.6.
int exif_orientation(std::string_view exif);

}  // namespace fovea::image

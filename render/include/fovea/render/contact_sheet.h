// Contact sheet: many pages small on one picture, a label above each.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/image.h"
#include "fovea/render/renderer.h"

namespace fovea::render {

struct ContactCell {
  Image image;        ///< gray or RGB; empty: a page that could not be drawn
  std::string label;  ///< lines parted by '\n'
};

/// Rows of `columns` cells, RGB, each picture scaled down (never up) to fit cell_px x cell_px. Errors: ConfigError (columns or cell_px
/// below 1, a sheet of more than 2^28 pixels).
Image contact_sheet(const std::vector<ContactCell>& cells, int columns, int cell_px, const std::string& title, const Renderer& renderer);

}  // namespace fovea::render

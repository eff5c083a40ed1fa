// Views: what the encoder sees of a picture. A Mode turns a picture of any size into one square global view and, for Gundam, a grid of tiles.
// Source: modeling_deepseekocr.py (infer, dynamic_preprocess) of deepseek-ai/DeepSeek-OCR, and arXiv 2510.18234, section 3.2.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/image.h"

namespace fovea::image {

struct Mode {
  std::string name = "small";
  int64_t view_side_px = 640;  ///< of the global view
  int64_t tile_side_px = 0;    ///< of a tile; 0: no tiles
  int64_t min_tiles = 2;
  int64_t max_tiles = 9;       ///< 9 in the published transformers code, 6 in its vLLM code
};

/// tiny (512 px, 64 vision tokens) | small (640, 100) | base (1024, 256) | large (1280, 400) | gundam (1024 and tiles of 640) |
/// gundam-m (1280 and tiles of 1024) | a number: the side of one view in px.
/// Errors: ConfigError listing them, or when stride_px does not divide the side.
Mode mode_by_name(const std::string& name, int64_t stride_px = 64);
/// The names of mode_by_name.
const std::vector<std::string>& mode_names();

struct TileGrid {
  int64_t columns = 1, rows = 1;  ///< 1 x 1: no tiles
  int64_t num_tiles() const { return columns * rows > 1 ? columns * rows : 0; }
};
/// The grid whose shape is nearest to the picture's; of two equally near the larger, if the picture has more than half its pixels.
/// A picture of at most 640 x 640 px has none, whatever the tile's side.
TileGrid choose_tile_grid(int64_t width_px, int64_t height_px, const Mode& mode);

/// Where the picture lies in the square view.
struct Fit {
  int64_t width_px = 0, height_px = 0;  ///< after resizing
  int64_t x_px = 0, y_px = 0;           ///< of its upper left corner; gray 127 around it
};
/// Views of at most 640 px distort the picture to fill the square; larger ones keep its shape and centre it.
/// Errors: ConfigError where a side would round to 0 px.
Fit fit_view(int64_t width_px, int64_t height_px, const Mode& mode);

/// The honest counts of one picture in one mode.
struct TokenCounts {
  int64_t vision_tokens = 0;          ///< the paper's: without separators
  int64_t decoder_positions = 0;      ///< with a row separator after each row of tokens and one view separator
  int64_t paper_valid_tokens = 0;     ///< tokens that do not lie on padding: ceil(N min(w,h) / max(w,h)) of the padded view (arXiv 2510.18234, equation 1), and all of the tiles
  int64_t reference_valid_tokens = 0; ///< the number that the published code prints; 0 for sides that it does not know
};
/// stride_px: page px a vision token (64).
TokenCounts count_tokens(int64_t width_px, int64_t height_px, const Mode& mode, int64_t stride_px = 64);

struct Views {
  Image global;              ///< RGB, view_side_px square
  std::vector<Image> tiles;  ///< RGB, row by row
  TileGrid grid;
  Fit fit;
  TokenCounts counts;
};
/// Errors: ConfigError as fit_view.
Views make_views(const Image& image, const Mode& mode, int64_t stride_px = 64);

}  // namespace fovea::image

// Map: which patch and which vision token each character of a page falls on, and back. The renderer knows no model and no tokenizer:
// strides are numbers, text tokens are byte offsets.
//
// Note "Views": an encoder sees a page through one or more views, pictures of fixed size that the page is scaled and shifted into.
// Each view is cut into patches (16 px) and vision tokens (64 px). Tiles of one view lie side by side and make one grid: the tokens of
// all tiles' first rows come first, as DeepSeek-OCR lays them out (arXiv 2510.18234, section 3.2 and its published code).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/render/page.h"

namespace fovea::render {

/// How an encoder looks at a page.
struct ViewConfig {
  std::string mode = "page";   ///< page: as it is; tiny ... gundam-m: the paper's; custom: by the fields below
  int64_t side_px = 640;       ///< custom: side of the square view
  std::string fit = "stretch"; ///< custom: how a page that is not square gets there
  int64_t tile_px = 0;         ///< custom: side of tiles beside the view; 0: none
  int64_t max_tiles = 9;       ///< of the tiled modes: 9 as in the model card's code, 6 as in the vLLM one
  int64_t patch_px = 16;
  int64_t token_px = 64;

  template <class V> void visit_fields(V& v) {
    v.field("mode", mode, "how the encoder sees the page: as it is, a mode of the paper, or by side_px, fit and tile_px",
            {.choices = {"page", "tiny", "small", "base", "large", "gundam", "gundam-m", "custom"}});
    v.field("side_px", side_px, "custom: side of the square view in pixels", {.min = 1, .max = 16384});
    v.field("fit", fit, "custom: stretch the page to the view, or scale it and pad", {.choices = {"stretch", "pad"}});
    v.field("tile_px", tile_px, "custom: side of tiles beside the view; 0: none", {.min = 0, .max = 16384});
    v.field("max_tiles", max_tiles, "tiled modes: at most this many tiles", {.min = 2, .max = 64});
    v.field("patch_px", patch_px, "side of a patch", {.min = 1, .max = 4096});
    v.field("token_px", token_px, "side of what a vision token covers", {.min = 1, .max = 4096});
  }
};

/// One grid of vision tokens on a page. x_view = x_page * scale_x + offset_x.
struct TokenGrid {
  std::string name;                  ///< "view" or "tiles"
  int64_t width_px = 0, height_px = 0;  ///< of the view, or of all tiles together
  double scale_x = 1, scale_y = 1, offset_x = 0, offset_y = 0;
  int64_t patch_px = 16, token_px = 64;
  int64_t num_columns = 0, num_rows = 0;  ///< of vision tokens; the last ones may stick out where the stride does not divide the side
  int64_t token_begin = 0;           ///< index of its first vision token in the page's sequence, separators not counted
  int64_t position_begin = 0;        ///< of its first decoder position: one separator follows each row
  int64_t page_width_px = 0, page_height_px = 0;

  int64_t num_tokens() const { return num_columns * num_rows; }
  int64_t num_patch_columns() const { return (width_px + patch_px - 1) / patch_px; }
  int64_t num_patch_rows() const { return (height_px + patch_px - 1) / patch_px; }
  /// Under a point of the page: index within this grid, row by row. Points outside belong to the nearest.
  int64_t token_at(double x_page, double y_page) const;
  int64_t patch_at(double x_page, double y_page) const;
  /// Index in the page's sequence -> decoder position.
  int64_t position_of(int64_t token) const { return position_begin + token / num_columns * (num_columns + 1) + token % num_columns; }
};

/// A rectangle of the page in px, not rounded.
struct PageRect {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};
/// What a vision token, a patch of a grid covers, cut to the page; empty (x0 == x1) where it covers padding only.
PageRect token_rect(const TokenGrid& grid, int64_t token);
PageRect patch_rect(const TokenGrid& grid, int64_t patch);

/// The grids that a page of this size is seen through, in the order of their tokens: tiles, then the view.
/// Errors: ConfigError (a rule of ViewConfig).
std::vector<TokenGrid> token_grids(int64_t page_width_px, int64_t page_height_px, const ViewConfig& config);

/// Where a character falls on a grid.
struct CharPlace {
  uint32_t token = 0, patch = 0;    ///< under the middle of its ink (of its cell, where it has none); index within the grid
  uint16_t token_column_begin = 0, token_column_end = 0, token_row_begin = 0, token_row_end = 0;  ///< that its ink touches, half open
  bool cut_by_token = false, cut_by_patch = false;  ///< a border runs through its ink
};

/// A page on one grid, as numbers. T = num_tokens().
struct GridMap {
  TokenGrid grid;
  std::vector<CharPlace> chars;            ///< one a character of Page::chars
  std::vector<uint32_t> token_char_begin;  ///< [T + 1]; characters on token t are token_chars[token_char_begin[t] .. token_char_begin[t + 1]),
  std::vector<uint32_t> token_chars;       ///< in source order; a character that is cut stands on all tokens that it touches
  std::vector<bool> valid;                 ///< [T] covers the page and not only padding
  std::vector<double> ink_density;         ///< [T] mean distance from the paper, 0 (blank) to 1; 0 without pixels
  std::vector<double> text_tokens;         ///< [T] text tokens on it: each text token is shared out evenly over its characters. Empty without offsets
  size_t num_text_tokens = 0;              ///< the sum of text_tokens
  size_t num_glyphs = 0;                   ///< with ink; characters that share a glyph count once
  size_t num_glyphs_cut_by_token = 0, num_glyphs_cut_by_patch = 0;
};

/// text_token_end: rising byte offsets in page.text at which each text token ends; empty: text tokens are not counted.
/// channel: only characters of this colour channel; -1: all. A page without pixels (a map read without its picture) has no ink density.
/// Errors: ConfigError (offsets that fall or end beyond the text).
GridMap map_page(const Page& page, const TokenGrid& grid, const std::vector<size_t>& text_token_end = {}, int channel = -1);

/// Numbers of a grid map: counts, ratios, least, mean and most of ink density and of text tokens a valid vision token, and the
/// arrays themselves row by row.
Json to_json(const GridMap& map);

}  // namespace fovea::render

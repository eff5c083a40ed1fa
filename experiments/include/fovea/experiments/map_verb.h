// `map` as a verb: where the characters of drawn pages fall on vision tokens, as numbers and as pictures.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/render/map.h"

namespace fovea::experiments {

struct MapConfig {
  std::vector<std::string> map;  ///< PAGE.map.json, the picture beside it
  render::ViewConfig view;       ///< its fields are this config's own: mode, side_px, ...
  std::string tokenizer;         ///< tokenizer.json that text tokens are counted with; empty: they are not
  std::string out;               ///< folder; empty: beside the map
  int64_t scale = 1;             ///< picture pixels a page pixel
  bool picture = true;

  template <class V> void visit_fields(V& v) {
    v.field("map", map, "map files of pages (PAGE.map.json)");
    view.visit_fields(v);
    v.field("tokenizer", tokenizer, "tokenizer.json that text tokens are counted with; empty: characters are counted");
    v.field("out", out, "folder for pictures and numbers; empty: beside each map");
    v.field("scale", scale, "pixels of the picture a pixel of the page", {.min = 1, .max = 8});
    v.field("picture", picture, "draw grid, load and cuts; false: numbers only");
  }
};

/// Writes PAGE.MODE.json (to_json(GridMap) of every grid, with the page's level counts) and PAGE.MODE.png (tiled modes: PAGE.MODE.tiles.png and
/// .view.png) for each map. Returns [{map, files, grids: [numbers without the arrays]}]. Errors: ConfigError, IoError.
Json run_map(const MapConfig& config);

}  // namespace fovea::experiments

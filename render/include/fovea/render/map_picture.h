// Pictures of a map: the grid and what it cuts, text tokens and ink a vision token.
#pragma once
#include <string>

#include "fovea/render/map.h"
#include "fovea/render/renderer.h"

namespace fovea::render {

enum class MapLayer { kCuts, kLoad, kInk };

/// One layer over the page, RGB, every page px scale px wide: token borders blue, patch borders light; kCuts: glyphs cut by a token border
/// red, by a patch border only orange; kLoad, kInk: tokens coloured by text tokens (characters where none were counted) or ink density
/// and labelled with the number. Tokens that cover padding only are gray in no layer: they are not on the page.
/// A page without pixels is drawn by its boxes. Errors: ConfigError (scale outside 1 to 8).
Image draw_map_layer(const Page& page, const GridMap& map, MapLayer layer, int scale, const Renderer& renderer);

/// The layers beside each other under captions with their numbers. title: above all. Load is left out without text tokens where
/// text_tokens is empty: characters a token are drawn instead.
Image draw_map(const Page& page, const GridMap& map, const std::string& title, int scale, const Renderer& renderer);

/// A line of text as a gray picture just large enough for it, in a font that is installed.
Image draw_label(const std::string& text, double size_px, const Renderer& renderer);

}  // namespace fovea::render

#include "fovea/render/map.h"

#include <algorithm>
#include <cmath>

#include "degrade_steps.h"
#include "fovea/base/error.h"

namespace fovea::render {

namespace {

ViewConfig by_mode(ViewConfig config) {
  // Sides of the published modes (arXiv 2510.18234, table 1). Views of at most 640 px are stretched, larger ones padded.
  struct Mode {
    const char* name;
    int64_t side_px, tile_px;
  };
  static constexpr Mode kModes[] = {{"tiny", 512, 0}, {"small", 640, 0}, {"base", 1024, 0}, {"large", 1280, 0}, {"gundam", 1024, 640}, {"gundam-m", 1280, 1024}};
  for (const Mode& mode : kModes)
    if (config.mode == mode.name) {
      config.side_px = mode.side_px;
      config.tile_px = mode.tile_px;
      config.fit = mode.side_px <= 640 ? "stretch" : "pad";
    }
  return config;
}

TokenGrid grid_of(const ViewConfig& config, const char* name, int64_t page_width, int64_t page_height, int64_t width, int64_t height) {
  TokenGrid grid;
  grid.name = name;
  grid.page_width_px = page_width, grid.page_height_px = page_height;
  grid.width_px = width, grid.height_px = height;
  grid.scale_x = double(width) / double(page_width), grid.scale_y = double(height) / double(page_height);
  grid.patch_px = config.patch_px, grid.token_px = config.token_px;
  grid.num_columns = (width + config.token_px - 1) / config.token_px;
  grid.num_rows = (height + config.token_px - 1) / config.token_px;
  return grid;
}

// Half to even, as the published preprocessing rounds.
int64_t to_even(double value) { return int64_t(std::nearbyint(value)); }

// Columns and rows of tiles: the nearest aspect ratio, of equal ones the larger grid if the page has more than half its pixels
// (dynamic_preprocess of the published code).
std::pair<int64_t, int64_t> tile_grid(int64_t width, int64_t height, int64_t tile_px, int64_t max_tiles) {
  const double ratio = double(width) / double(height);
  std::pair<int64_t, int64_t> best = {1, 1};
  double best_gap = INFINITY;
  for (int64_t count = 2; count <= max_tiles; ++count)
    for (int64_t columns = 1; columns <= count; ++columns) {
      if (count % columns) continue;
      const int64_t rows = count / columns;
      const double gap = std::abs(ratio - double(columns) / double(rows));
      const bool larger = gap == best_gap && double(width) * double(height) > 0.5 * double(tile_px * tile_px * count);
      if (gap < best_gap || larger) best = {columns, rows}, best_gap = gap;
    }
  return best;
}

int64_t index_at(double x, double y, int64_t stride, int64_t num_columns, int64_t num_rows) {
  const auto cell = [&](double at, int64_t count) { return std::clamp<int64_t>(int64_t(std::floor(at / double(stride))), 0, count - 1); };
  return cell(y, num_rows) * num_columns + cell(x, num_columns);
}

PageRect rect_of(const TokenGrid& grid, int64_t index, int64_t stride, int64_t num_columns) {
  const double column = double(index % num_columns), row = double(index / num_columns);
  const double stride_px = double(stride);
  const auto page_x = [&](double x) { return std::clamp((x - grid.offset_x) / grid.scale_x, 0.0, double(grid.page_width_px)); };
  const auto page_y = [&](double y) { return std::clamp((y - grid.offset_y) / grid.scale_y, 0.0, double(grid.page_height_px)); };
  PageRect out{page_x(column * stride_px), page_y(row * stride_px), page_x((column + 1) * stride_px), page_y((row + 1) * stride_px)};
  if (out.x1 <= out.x0 || out.y1 <= out.y0) out.x1 = out.x0, out.y1 = out.y0;
  return out;
}

bool has_ink(const CharBox& box) { return box.x1_px > box.x0_px && box.y1_px > box.y0_px; }

// First and last cell that [begin, end) touches.
std::pair<int64_t, int64_t> touched(double begin, double end, int64_t stride, int64_t count) {
  constexpr double kTouch = 1e-9;  // a box that ends at a border does not reach over it
  const int64_t first = std::clamp<int64_t>(int64_t(std::floor(begin / double(stride) + kTouch)), 0, count - 1);
  const int64_t last = std::clamp<int64_t>(int64_t(std::ceil(end / double(stride) - kTouch)) - 1, first, count - 1);
  return {first, last + 1};
}

void measure_ink(const Page& page, GridMap& map) {
  const Image& image = page.image;
  const TokenGrid& grid = map.grid;
  map.ink_density.assign(size_t(grid.num_tokens()), 0);
  if (image.pixels.empty()) return;
  const auto paper = paper_of(image);
  std::vector<uint64_t> ink(size_t(grid.num_tokens()), 0), area(size_t(grid.num_tokens()), 0);
  std::vector<size_t> column_of(size_t(image.width_px));
  for (int x = 0; x < image.width_px; ++x)
    column_of[size_t(x)] = size_t(index_at((x + 0.5) * grid.scale_x + grid.offset_x, 0, grid.token_px, grid.num_columns, 1));
  for (int y = 0; y < image.height_px; ++y) {
    const size_t row = size_t(index_at(0, (y + 0.5) * grid.scale_y + grid.offset_y, grid.token_px, 1, grid.num_rows)) * size_t(grid.num_columns);
    const uint8_t* pixels = image.row(y);
    for (int x = 0; x < image.width_px; ++x)
      for (int c = 0; c < image.channels; ++c) ink[row + column_of[size_t(x)]] += uint64_t(std::abs(*pixels++ - paper[size_t(c)]));
    for (int x = 0; x < image.width_px; ++x) ++area[row + column_of[size_t(x)]];
  }
  for (size_t t = 0; t < ink.size(); ++t)
    if (area[t]) map.ink_density[t] = double(ink[t]) / (255.0 * double(area[t]) * image.channels);
}

void share_text_tokens(const Page& page, const std::vector<size_t>& ends, int channel, GridMap& map) {
  map.text_tokens.assign(size_t(map.grid.num_tokens()), 0);
  size_t begin = 0, next = 0;
  const auto counted = [&](size_t i) { return channel < 0 || page.chars[i].channel == channel; };
  for (size_t end : ends) {
    if (end < begin || end > page.text.size())
      throw ConfigError("[map_page] text token offsets must rise to at most " + std::to_string(page.text.size()) + ", got " + std::to_string(end) +
                        " after " + std::to_string(begin));
    const size_t first = next;
    while (next < page.chars.size() && page.chars[next].byte_offset < end) ++next;
    begin = end;
    size_t from = first, to = next;
    if (from == to) {  // no character of its own: a newline, or the inner bytes of one character. It stands with the one before it
      if (page.chars.empty()) continue;
      from = first ? first - 1 : 0;
      to = from + 1;
    }
    size_t num = 0;
    for (size_t i = from; i < to; ++i) num += counted(i);
    if (num == 0) continue;
    for (size_t i = from; i < to; ++i)
      if (counted(i)) map.text_tokens[map.chars[i].token] += 1.0 / double(num);
    ++map.num_text_tokens;
  }
}

}  // namespace

int64_t TokenGrid::token_at(double x_page, double y_page) const {
  return index_at(x_page * scale_x + offset_x, y_page * scale_y + offset_y, token_px, num_columns, num_rows);
}

int64_t TokenGrid::patch_at(double x_page, double y_page) const {
  return index_at(x_page * scale_x + offset_x, y_page * scale_y + offset_y, patch_px, num_patch_columns(), num_patch_rows());
}

PageRect token_rect(const TokenGrid& grid, int64_t token) { return rect_of(grid, token, grid.token_px, grid.num_columns); }
PageRect patch_rect(const TokenGrid& grid, int64_t patch) { return rect_of(grid, patch, grid.patch_px, grid.num_patch_columns()); }

std::vector<TokenGrid> token_grids(int64_t page_width_px, int64_t page_height_px, const ViewConfig& asked) {
  validate_fields(asked, "map");
  const ViewConfig config = by_mode(asked);
  if (page_width_px < 1 || page_height_px < 1)
    throw ConfigError("[map] the page must have at least 1 x 1 px, got " + std::to_string(page_width_px) + " x " + std::to_string(page_height_px));
  std::vector<TokenGrid> out;
  if (config.mode == "page") {
    out.push_back(grid_of(config, "view", page_width_px, page_height_px, page_width_px, page_height_px));
    return out;
  }
  constexpr int64_t kUntiled = 640;  // px: a page no larger than this has no tiles, whatever the tile's side
  if (config.tile_px > 0 && (page_width_px > kUntiled || page_height_px > kUntiled)) {
    const auto [columns, rows] = tile_grid(page_width_px, page_height_px, config.tile_px, config.max_tiles);
    out.push_back(grid_of(config, "tiles", page_width_px, page_height_px, columns * config.tile_px, rows * config.tile_px));
  }
  TokenGrid view = grid_of(config, "view", page_width_px, page_height_px, config.side_px, config.side_px);
  if (config.fit == "pad" && page_width_px != page_height_px) {
    const double w = double(page_width_px), h = double(page_height_px), side = double(config.side_px);
    const int64_t width = w > h ? config.side_px : std::max<int64_t>(1, to_even(w / h * side));
    const int64_t height = w > h ? std::max<int64_t>(1, to_even(h / w * side)) : config.side_px;
    view.scale_x = double(width) / w, view.scale_y = double(height) / h;
    view.offset_x = double(to_even(double(config.side_px - width) * 0.5)), view.offset_y = double(to_even(double(config.side_px - height) * 0.5));
  }
  if (!out.empty()) {
    view.token_begin = out[0].num_tokens();
    view.position_begin = out[0].num_rows * (out[0].num_columns + 1);
  }
  out.push_back(view);
  return out;
}

GridMap map_page(const Page& page, const TokenGrid& grid, const std::vector<size_t>& text_token_end, int channel) {
  GridMap map;
  map.grid = grid;
  map.chars.resize(page.chars.size());
  std::vector<std::vector<uint32_t>> on(size_t(grid.num_tokens()));
  const auto view_x = [&](double x) { return x * grid.scale_x + grid.offset_x; };
  const auto view_y = [&](double y) { return y * grid.scale_y + grid.offset_y; };
  const CharBox* previous = nullptr;
  for (size_t i = 0; i < page.chars.size(); ++i) {
    const CharBox& box = page.chars[i];
    if (channel >= 0 && box.channel != channel) continue;
    CharPlace& place = map.chars[i];
    if (!has_ink(box)) {
      const PageLine& line = page.lines.at(box.line);
      const double along = 0.5 * (box.cell_x0_px + box.cell_x1_px), across = 0.5 * (line.top_px + line.bottom_px);
      const double x = line.vertical ? across : along, y = line.vertical ? along : across;
      place.token = uint32_t(grid.token_at(x, y)), place.patch = uint32_t(grid.patch_at(x, y));
      place.token_column_begin = uint16_t(place.token % grid.num_columns), place.token_column_end = uint16_t(place.token_column_begin + 1);
      place.token_row_begin = uint16_t(place.token / grid.num_columns), place.token_row_end = uint16_t(place.token_row_begin + 1);
      on[place.token].push_back(uint32_t(i));
      continue;
    }
    const double x = 0.5 * (box.x0_px + box.x1_px), y = 0.5 * (box.y0_px + box.y1_px);
    place.token = uint32_t(grid.token_at(x, y)), place.patch = uint32_t(grid.patch_at(x, y));
    const auto [c0, c1] = touched(view_x(box.x0_px), view_x(box.x1_px), grid.token_px, grid.num_columns);
    const auto [r0, r1] = touched(view_y(box.y0_px), view_y(box.y1_px), grid.token_px, grid.num_rows);
    place.token_column_begin = uint16_t(c0), place.token_column_end = uint16_t(c1), place.token_row_begin = uint16_t(r0), place.token_row_end = uint16_t(r1);
    for (int64_t row = r0; row < r1; ++row)
      for (int64_t column = c0; column < c1; ++column) on[size_t(row * grid.num_columns + column)].push_back(uint32_t(i));
    place.cut_by_token = c1 - c0 > 1 || r1 - r0 > 1;
    const auto [pc0, pc1] = touched(view_x(box.x0_px), view_x(box.x1_px), grid.patch_px, grid.num_patch_columns());
    const auto [pr0, pr1] = touched(view_y(box.y0_px), view_y(box.y1_px), grid.patch_px, grid.num_patch_rows());
    place.cut_by_patch = pc1 - pc0 > 1 || pr1 - pr0 > 1;
    const bool same_glyph = previous && previous->line == box.line && previous->x0_px == box.x0_px && previous->x1_px == box.x1_px &&
                            previous->y0_px == box.y0_px && previous->y1_px == box.y1_px && previous->cell_x0_px == box.cell_x0_px;
    previous = &box;
    if (same_glyph) continue;
    ++map.num_glyphs;
    map.num_glyphs_cut_by_token += place.cut_by_token;
    map.num_glyphs_cut_by_patch += place.cut_by_patch;
  }
  map.token_char_begin.push_back(0);
  for (const auto& chars : on) {
    map.token_chars.insert(map.token_chars.end(), chars.begin(), chars.end());
    map.token_char_begin.push_back(uint32_t(map.token_chars.size()));
  }
  for (int64_t t = 0; t < grid.num_tokens(); ++t) {
    const PageRect rect = token_rect(grid, t);
    map.valid.push_back(rect.x1 > rect.x0);
  }
  measure_ink(page, map);
  if (!text_token_end.empty()) share_text_tokens(page, text_token_end, channel, map);
  return map;
}

namespace {

double rounded(double value) { return std::round(value * 1e6) / 1e6; }

Json spread(const std::vector<double>& values, const std::vector<bool>& valid) {
  double sum = 0, least = INFINITY, most = -INFINITY;
  size_t num = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!valid[i]) continue;
    sum += values[i], least = std::min(least, values[i]), most = std::max(most, values[i]), ++num;
  }
  if (num == 0) return nullptr;
  return {{"min", rounded(least)}, {"mean", rounded(sum / double(num))}, {"max", rounded(most)}};
}

}  // namespace

Json to_json(const GridMap& map) {
  const TokenGrid& grid = map.grid;
  const auto per_glyph = [&](size_t count) { return map.num_glyphs ? rounded(double(count) / double(map.num_glyphs)) : 0.0; };
  Json out = {{"name", grid.name},
              {"width_px", grid.width_px},
              {"height_px", grid.height_px},
              {"scale", {grid.scale_x, grid.scale_y}},
              {"offset_px", {grid.offset_x, grid.offset_y}},
              {"patch_px", grid.patch_px},
              {"token_px", grid.token_px},
              {"num_columns", grid.num_columns},
              {"num_rows", grid.num_rows},
              {"num_vision_tokens", grid.num_tokens()},
              {"num_valid_tokens", std::count(map.valid.begin(), map.valid.end(), true)},
              {"token_begin", grid.token_begin},
              {"position_begin", grid.position_begin},
              {"num_chars", map.chars.size()},
              {"num_glyphs", map.num_glyphs},
              {"num_glyphs_cut_by_token", map.num_glyphs_cut_by_token},
              {"share_cut_by_token", per_glyph(map.num_glyphs_cut_by_token)},
              {"num_glyphs_cut_by_patch", map.num_glyphs_cut_by_patch},
              {"share_cut_by_patch", per_glyph(map.num_glyphs_cut_by_patch)},
              {"ink_density", spread(map.ink_density, map.valid)}};
  if (!map.text_tokens.empty()) {
    out["num_text_tokens"] = map.num_text_tokens;
    out["ratio"] = rounded(double(map.num_text_tokens) / double(grid.num_tokens()));
    out["text_tokens_per_vision_token"] = spread(map.text_tokens, map.valid);
  }
  Json valid = Json::array(), ink = Json::array(), load = Json::array(), chars = Json::array(), char_tokens = Json::array(), char_patches = Json::array();
  Json cut_by_token = Json::array(), cut_by_patch = Json::array();
  for (size_t t = 0; t < size_t(grid.num_tokens()); ++t) {
    valid.push_back(map.valid[t] ? 1 : 0);
    ink.push_back(rounded(map.ink_density[t]));
    if (!map.text_tokens.empty()) load.push_back(rounded(map.text_tokens[t]));
    chars.push_back(map.token_char_begin[t + 1] - map.token_char_begin[t]);
  }
  for (size_t i = 0; i < map.chars.size(); ++i) {
    const bool counted = map.chars[i].token_column_end > 0;  // else of another channel
    char_tokens.push_back(counted ? Json(map.chars[i].token) : Json());
    char_patches.push_back(counted ? Json(map.chars[i].patch) : Json());
    if (map.chars[i].cut_by_token) cut_by_token.push_back(i);
    if (map.chars[i].cut_by_patch) cut_by_patch.push_back(i);
  }
  out["tokens"] = {{"valid", valid}, {"ink_density", ink}, {"num_chars", chars}};
  if (!map.text_tokens.empty()) out["tokens"]["text_tokens"] = load;
  out["chars"] = {{"token", char_tokens}, {"patch", char_patches}, {"cut_by_token", cut_by_token}, {"cut_by_patch", cut_by_patch}};
  return out;
}

}  // namespace fovea::render

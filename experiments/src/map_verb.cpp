#include "fovea/experiments/map_verb.h"

#include <filesystem>
#include <memory>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/render/map_file.h"
#include "fovea/render/map_picture.h"
#include "fovea/text/tokenizer.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

Json run_map(const MapConfig& config) {
  validate_fields(config, "map");
  if (config.map.empty()) throw ConfigError("[map] map must name at least one PAGE.map.json");
  constexpr std::string_view kEnding = ".map.json";
  for (const auto& path : config.map)
    if (path.size() <= kEnding.size() || path.compare(path.size() - kEnding.size(), kEnding.size(), kEnding) != 0)
      throw ConfigError("[map] '" + path + "' is no PAGE.map.json; `fovea render --map` writes one beside each picture");
  std::unique_ptr<text::Tokenizer> tokenizer;
  if (!config.tokenizer.empty()) tokenizer = std::make_unique<text::Tokenizer>(text::Tokenizer::from_file(config.tokenizer));
  const render::Renderer renderer;
  Json out = Json::array();
  for (const auto& path : config.map) {
    const render::Page page = render::read_map(path);
    const auto grids = render::token_grids(page.image.width_px, page.image.height_px, config.view);
    std::vector<size_t> token_end;
    if (tokenizer)
      for (const auto end : tokenizer->encode_with_offsets(page.text, /*match_added_tokens=*/false).byte_ends) token_end.push_back(size_t(end));
    const fs::path file(path);
    const std::string folder = config.out.empty() ? file.parent_path().string() : config.out;
    if (!config.out.empty()) make_writable_folder(config.out);
    const std::string name = file.filename().string();
    const std::string stem = (folder.empty() ? "" : folder + "/") + name.substr(0, name.size() - kEnding.size()) + "." + config.view.mode;
    std::set<int> columns, channels;
    for (const auto& line : page.lines) columns.insert(line.column), channels.insert(line.channel);
    Json numbers = {{"schema", "fovea.token_map"},
                    {"schema_version", 1},
                    {"map", name},
                    {"mode", config.view.mode},
                    {"width_px", page.image.width_px},
                    {"height_px", page.image.height_px},
                    {"num_code_points", page.chars.size()},
                    {"num_graphemes", page.grapheme_begin.size()},
                    {"num_lines", page.lines.size()},
                    {"num_columns", columns.size()},
                    {"num_channels", channels.size()},
                    {"grids", Json::array()}};
    Json brief = Json::array(), files = Json::array();
    int64_t num_vision_tokens = 0;
    for (const auto& grid : grids) num_vision_tokens += grid.num_tokens();
    numbers["num_vision_tokens"] = num_vision_tokens;
    for (const auto& grid : grids) {
      const render::GridMap map = render::map_page(page, grid, token_end);
      const Json full = render::to_json(map);
      numbers["grids"].push_back(full);
      Json few = full;
      few.erase("tokens");
      few.erase("chars");
      brief.push_back(few);
      if (!config.picture) continue;
      const std::string picture = stem + (grids.size() > 1 ? "." + grid.name : "") + ".png";
      std::string title = name + ", mode " + config.view.mode + ", " + grid.name + ": " + std::to_string(grid.num_tokens()) + " vision tokens";
      if (!token_end.empty()) title += ", " + std::to_string(map.num_text_tokens) + " text tokens";
      write_png(render::draw_map(page, map, title, int(config.scale), renderer), picture);
      files.push_back(picture);
    }
    if (!token_end.empty()) {
      numbers["num_text_tokens"] = token_end.size();
      numbers["ratio"] = double(token_end.size()) / double(num_vision_tokens);
    }
    write_file_atomic(stem + ".json", numbers.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    files.push_back(stem + ".json");
    Json line = {{"map", path}, {"files", files}, {"num_vision_tokens", num_vision_tokens}, {"grids", brief}};
    if (numbers.contains("ratio")) line["num_text_tokens"] = numbers["num_text_tokens"], line["ratio"] = numbers["ratio"];
    out.push_back(line);
  }
  return out;
}

}  // namespace fovea::experiments

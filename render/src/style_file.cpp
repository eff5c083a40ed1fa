#include "fovea/render/style_file.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "style_data.h"

namespace fovea::render {

std::vector<std::string> style_names() {
  std::vector<std::string> out;
  for (const auto& [name, text] : kStyleData) out.push_back(name);
  std::sort(out.begin(), out.end());
  return out;
}

std::string style_text(const std::string& name) {
  std::string known;
  for (const auto& [shipped, text] : kStyleData)
    if (name == shipped) return text;
  const auto names = style_names();
  for (const auto& shipped : names) known += (known.empty() ? "" : ", ") + shipped;
  const std::string near = nearest_word(name, names);
  throw ConfigError("[style] no style '" + name + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") + "; there are " + known + ", or name a .toml file");
}

StyleSheet load_style(const std::string& name_or_path) {
  const bool is_path = name_or_path.find('/') != std::string::npos || (name_or_path.size() > 5 && name_or_path.compare(name_or_path.size() - 5, 5, ".toml") == 0);
  StyleSheet sheet;
  const Json json = is_path ? read_toml(name_or_path) : parse_toml(style_text(name_or_path), "style " + name_or_path);
  apply_json(sheet, json, name_or_path);
  return sheet;
}

Style fitted_style(const Renderer& renderer, std::string_view text, const StyleSheet& sheet, const std::vector<size_t>& token_end, size_t& text_bytes) {
  const FitConfig& fit = sheet.fit;
  text_bytes = text.size();
  if (fit.size == "given") return sheet.style;
  Style style = resolved(sheet.style);
  style.paper.clear();
  style.font_size_pt = 0;  // what is found counts
  if (fit.size == "largest") {
    style.font_size_px = renderer.fit_font_size(text, style, fit.min_px, fit.max_px, fit.step_px);
  } else if (fit.size == "fill") {
    style.font_size_px = renderer.fit_fill_ratio(text, style, fit.fill_ratio, fit.min_px, fit.max_px, fit.step_px);
  } else if (fit.size == "square") {
    style = renderer.pack_square(text, style, std::min(style.width_px, style.height_px), 16, false, fit.min_px, fit.max_px, fit.step_px).style;
  } else {
    if (token_end.empty()) throw ConfigError("[fit] size = \"tokens\" needs the text's tokens: name a tokenizer");
    constexpr int64_t kStride = 64;
    const int64_t num_vision_tokens =
        fit.num_vision_tokens ? fit.num_vision_tokens : (style.width_px + kStride - 1) / kStride * ((style.height_px + kStride - 1) / kStride);
    const TokenFit found = renderer.fit_token_ratio(text, token_end, fit.token_ratio, num_vision_tokens, style, fit.min_px, fit.max_px, fit.step_px);
    style.font_size_px = found.font_size_px;
    text_bytes = found.num_bytes;
  }
  return style;
}

}  // namespace fovea::render

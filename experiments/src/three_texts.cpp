#include "fovea/experiments/three_texts.h"

#include <algorithm>

#include "fovea/base/utf8.h"

namespace fovea::experiments {

std::array<std::string, 3> in_three_parts(const std::string& text) {
  const auto code_points = to_code_points(text);
  std::array<std::string, 3> parts;
  size_t begin = 0;
  for (size_t i = 0; i < 3; ++i) {
    size_t end = i == 2 ? code_points.size() : std::max(begin, code_points.size() * (i + 1) / 3);
    while (i < 2 && end < code_points.size() && code_points[end] != U' ' && code_points[end] != U'\n') ++end;
    parts[i] = to_utf8(std::u32string_view(code_points).substr(begin, end - begin));
    begin = end;
    while (begin < code_points.size() && (code_points[begin] == U' ' || code_points[begin] == U'\n')) ++begin;
  }
  return parts;
}

double fit_three_parts(const render::Renderer& renderer, const std::array<std::string, 3>& parts, const render::Style& style, double min_px, double max_px, double step_px) {
  double size = max_px;
  for (const auto& part : parts)
    if (!part.empty()) size = std::min(size, renderer.fit_font_size(part, style, min_px, max_px, step_px));
  return size;
}

render::Page draw_text(const render::Renderer& renderer, const std::string& text, const render::Style& style, bool three_texts) {
  if (!three_texts) return renderer.render(text, style);
  const auto parts = in_three_parts(text);
  return renderer.render_channels({parts[0], parts[1], parts[2]}, style);
}

}  // namespace fovea::experiments

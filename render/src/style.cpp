#include "fovea/render/style.h"

namespace fovea::render {

void validate(const Style& style) {
  std::vector<std::string> problems;
  detail::Validate visitor{"", problems};
  const_cast<Style&>(style).visit_fields(visitor);
  const auto need_room = [&](const char* side, int64_t size, const char* first, int64_t a, const char* second, int64_t b) {
    if (size - a - b >= 1) return;
    problems.push_back(std::string(first) + " + " + second + " must be less than " + side + "=" + std::to_string(size) + ", got " +
                       std::to_string(a) + " + " + std::to_string(b));
  };
  need_room("width_px", style.width_px, "margin_left_px", style.margin_left_px, "margin_right_px", style.margin_right_px);
  need_room("height_px", style.height_px, "margin_top_px", style.margin_top_px, "margin_bottom_px", style.margin_bottom_px);
  if (style.font.empty()) problems.push_back("font must be a family name or a font file, got \"\"");
  if (!problems.empty()) detail::throw_problems("style", problems);
}

}  // namespace fovea::render

#include "fovea/render/style.h"

#include <algorithm>
#include <cmath>

namespace fovea::render {
namespace {

struct NamedPaper {
  const char* name;
  double width_in, height_in;
};
constexpr double kInchesAMillimetre = 1 / 25.4;
// ISO 216 (A and B series), ANSI/ASME Y14.1 letter and US legal.
constexpr NamedPaper kPapers[] = {
    {"a3", 297 * kInchesAMillimetre, 420 * kInchesAMillimetre}, {"a4", 210 * kInchesAMillimetre, 297 * kInchesAMillimetre},
    {"a5", 148 * kInchesAMillimetre, 210 * kInchesAMillimetre}, {"a6", 105 * kInchesAMillimetre, 148 * kInchesAMillimetre},
    {"b5", 176 * kInchesAMillimetre, 250 * kInchesAMillimetre}, {"letter", 8.5, 11},
    {"legal", 8.5, 14}};

bool parse_hex(const std::string& text, uint32_t& rgb) {
  if ((text.size() != 4 && text.size() != 7) || text[0] != '#') return false;
  rgb = 0;
  for (size_t i = 1; i < text.size(); ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return false;
    rgb = rgb << 4 | uint32_t(digit);
    if (text.size() == 4) rgb = rgb << 4 | uint32_t(digit);
  }
  return true;
}

}  // namespace

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
  // Vertical lines run down, their columns are bands of the height.
  const bool vertical = style.direction == "vertical";
  const int64_t between = vertical ? style.height_px - style.margin_top_px - style.margin_bottom_px
                                   : style.width_px - style.margin_left_px - style.margin_right_px;
  if (problems.empty() && style.columns > 1 && (between - (style.columns - 1) * style.column_gap_px) / style.columns < 1)
    problems.push_back("columns must leave each column at least 1 px of the " + std::to_string(between) +
                       " px between the margins, got columns=" + std::to_string(style.columns) +
                       " with column_gap_px=" + std::to_string(style.column_gap_px));
  if (problems.empty()) {
    const int64_t column_px = (between - (style.columns - 1) * style.column_gap_px) / style.columns;
    const int64_t indents = style.indent_left_px + style.indent_right_px;
    if (column_px - indents < 1 || column_px - indents - std::max<int64_t>(style.first_line_indent_px, 0) < 1)
      problems.push_back("indent_left_px + indent_right_px + first_line_indent_px must be less than the " + std::to_string(column_px) +
                         " px of a column, got " + std::to_string(style.indent_left_px) + " + " + std::to_string(style.indent_right_px) +
                         " + " + std::to_string(style.first_line_indent_px));
  }
  const auto need_color = [&](const char* name, const std::string& color) {
    uint32_t rgb = 0;
    if (!color.empty() && !parse_hex(color, rgb)) problems.push_back(std::string(name) + " must be #rrggbb, got '" + color + "'");
  };
  need_color("text_color", style.text_color);
  need_color("page_color", style.page_color);
  need_color("newline_marker_color", style.newline_marker_color);
  for (char c : style.language)
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_') {
      problems.push_back("language must be a BCP 47 tag such as en, zh-Hant or sr, got '" + style.language + "'");
      break;
    }
  if (style.language.size() > 64) problems.push_back("language must be a BCP 47 tag, got " + std::to_string(style.language.size()) + " bytes");
  for (const auto& font : style.fallback_fonts)
    if (font.empty()) problems.push_back("fallback_fonts must be families or font files, got \"\"");
  if (!problems.empty()) detail::throw_problems("style", problems);
}

PaperSize paper_size(const std::string& name) {
  std::string list;
  for (const auto& paper : kPapers) {
    if (name == paper.name) return {paper.width_in, paper.height_in};
    list += (list.empty() ? "" : ", ") + std::string(paper.name);
  }
  throw ConfigError("[paper_size] paper must be one of " + list + ", got '" + name + "'");
}

void set_paper(Style& style, const std::string& name, double dpi) {
  const PaperSize size = paper_size(name);
  if (!(dpi >= 1 && dpi <= 2400)) throw ConfigError("[set_paper] dpi must be from 1 to 2400, got " + Json(dpi).dump());
  style.paper = name;
  style.dpi = dpi;
  style.width_px = std::llround(size.width_in * dpi);
  style.height_px = std::llround(size.height_in * dpi);
}

Style resolved(const Style& style) {
  Style out = style;
  if (!style.paper.empty()) set_paper(out, style.paper, style.dpi);
  if (style.font_size_pt > 0) out.font_size_px = style.font_size_pt * style.dpi / 72;
  out.paper.clear();
  out.font_size_pt = 0;
  return out;
}

uint32_t parse_color(const std::string& text, const char* what) {
  uint32_t rgb = 0;
  if (!parse_hex(text, rgb)) throw ConfigError(std::string("[color] ") + what + " must be #rrggbb, got '" + text + "'");
  return rgb;
}

uint32_t text_rgb(const Style& style) {
  if (!style.text_color.empty()) return parse_color(style.text_color, "text_color");
  return uint32_t(style.text_gray) * 0x010101u;
}
uint32_t page_rgb(const Style& style) {
  if (!style.page_color.empty()) return parse_color(style.page_color, "page_color");
  return uint32_t(style.page_gray) * 0x010101u;
}

}  // namespace fovea::render

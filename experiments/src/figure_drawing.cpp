#include "fovea/experiments/figure_drawing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::experiments {
namespace {

void darken(Image& image, int64_t x, int64_t y, double coverage, uint8_t gray) {
  if (x < 0 || y < 0 || x >= image.width_px || y >= image.height_px) return;
  uint8_t& pixel = image.row(int(y))[x];
  pixel = std::min(pixel, uint8_t(std::lround(255 - std::clamp(coverage, 0.0, 1.0) * (255 - gray))));
}

// A line of some width: each pixel by its distance from the segment.
void draw_line(Image& image, double x0, double y0, double x1, double y1, double width, uint8_t gray) {
  const double dx = x1 - x0, dy = y1 - y0, length2 = std::max(1e-9, dx * dx + dy * dy), reach = width / 2 + 1;
  for (int64_t y = int64_t(std::floor(std::min(y0, y1) - reach)); y <= int64_t(std::ceil(std::max(y0, y1) + reach)); ++y)
    for (int64_t x = int64_t(std::floor(std::min(x0, x1) - reach)); x <= int64_t(std::ceil(std::max(x0, x1) + reach)); ++x) {
      const double t = std::clamp(((double(x) - x0) * dx + (double(y) - y0) * dy) / length2, 0.0, 1.0);
      const double distance = std::hypot(double(x) - (x0 + t * dx), double(y) - (y0 + t * dy));
      darken(image, x, y, width / 2 + 0.5 - distance, gray);
    }
}

void fill(Image& image, int64_t x0, int64_t y0, int64_t x1, int64_t y1, uint8_t gray) {
  for (int64_t y = y0; y < y1; ++y)
    for (int64_t x = x0; x < x1; ++x) darken(image, x, y, 1, gray);
}

void check(const FigureConfig& config) {
  if (config.min_items > config.max_items) throw ConfigError("[figures] min_items must not be above max_items");
}

// One line of text around a place; its characters' centres in order.
std::vector<std::pair<int64_t, int64_t>> put_text(DrawnFigure& out, const std::string& text, int64_t x, int64_t y, const std::string& align, render::Style style, const render::Renderer& renderer) {
  style.margin_left_px = style.margin_right_px = style.margin_top_px = style.margin_bottom_px = 0;
  style.width_px = out.image.width_px;
  style.height_px = int64_t(style.font_size_px * 2);
  const auto page = renderer.render(text, style);
  std::vector<std::pair<int64_t, int64_t>> places;
  if (page.lines.empty()) return places;
  const int64_t width = page.lines[0].end_px - page.lines[0].start_px, height = page.lines[0].bottom_px - page.lines[0].top_px;
  const int64_t left = std::clamp<int64_t>(x - (align == "center" ? width / 2 : align == "right" ? width : 0), 0, std::max<int64_t>(0, out.image.width_px - width)), top = y - height / 2;
  for (int py = 0; py < page.image.height_px; ++py)
    for (int64_t px = 0; px < page.image.width_px; ++px) darken(out.image, left + px, top + py, 1, page.image.row(py)[px]);
  for (const auto& box : page.chars) {
    size_t at = box.byte_offset;
    const char32_t c = next_code_point(page.text, at);
    const int64_t cx = left + (box.cell_x0_px + box.cell_x1_px) / 2, cy = top + height / 2;
    places.emplace_back(cx, cy);
    if (box.x1_px > box.x0_px) out.glyph_char.push_back(uint32_t(c)), out.glyph_x_px.push_back(int16_t(cx)), out.glyph_y_px.push_back(int16_t(cy));
  }
  return places;
}

void say(DrawnFigure& out, const std::string& bytes, const std::vector<std::pair<int64_t, int64_t>>& places, int64_t x, int64_t y) {
  size_t k = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(bytes[i]) & 0xC0) != 0x80;
    if (begins && i > 0) ++k;
    const auto at = k < places.size() ? places[k] : std::pair(x, y);
    out.x_px.push_back(int16_t(at.first)), out.y_px.push_back(int16_t(at.second));
  }
  out.text += bytes;
}

}  // namespace

DrawnFigure draw_chart(const FigureConfig& config, const std::vector<std::string>& words, const std::string& font, int64_t side_px, uint64_t seed, const render::Renderer& renderer) {
  check(config);
  if (words.empty()) throw ConfigError("[figures] there are no words to label charts with");
  Rng rng(seed, 51);
  const int64_t count = config.min_items + int64_t(rng.below(uint64_t(config.max_items - config.min_items + 1)));
  const bool points = rng.chance(config.line_chart_share), lying = !points && rng.chance(config.horizontal_share);
  render::Style style;
  style.font = font;
  const double slot = 0.8 * double(side_px) / double(count);
  style.font_size_px = std::clamp(std::round(2 * std::min(double(side_px) / 28, lying ? slot * 0.6 : slot / 4.2)) / 2, 6.0, 20.0);
  const double scale = std::pow(10.0, double(1 + rng.below(3)));
  const uint8_t gray = uint8_t(60 + rng.below(130)), axis = uint8_t(rng.below(90));
  struct Item {
    std::string label, value;
    double share;
  };
  std::vector<Item> items;
  for (int64_t i = 0; i < count; ++i) {
    const double value = std::max(1.0, std::round(scale * rng.uniform(0.05, 1.0)));
    std::string label = words[rng.below(words.size())];
    if (!lying && label.size() > 7) label.resize(7);
    items.push_back({label, std::to_string(int64_t(value)), value / scale});
  }
  DrawnFigure out;
  out.image = Image::filled(int(side_px), int(side_px), 1, 255);
  const double s = double(side_px);
  const int64_t left = std::llround(s * (lying ? 0.28 : 0.08)), right = std::llround(s * 0.88), top = std::llround(s * 0.1), bottom = std::llround(s * 0.88);
  fill(out.image, left, top, left + 1, bottom + 1, axis);
  if (!lying) fill(out.image, left, bottom, right + 1, bottom + 1, axis);
  const int64_t middle_px = side_px / 2;
  say(out, "<table>", {}, middle_px, middle_px);
  std::pair<double, double> before{-1, -1};
  const double bar = rng.uniform(0.4, 0.8);
  for (int64_t i = 0; i < count; ++i) {
    const auto& item = items[size_t(i)];
    std::vector<std::pair<int64_t, int64_t>> of_label, of_value;
    if (lying) {
      const double height = double(bottom - top) / double(count), y = double(top) + (double(i) + 0.5) * height;
      const int64_t end = left + std::llround(item.share * double(right - left) * 0.9);
      fill(out.image, left + 1, std::llround(y - bar * height / 2), end, std::llround(y + bar * height / 2), gray);
      of_label = put_text(out, item.label, left - 4, std::llround(y), "right", style, renderer);
      of_value = put_text(out, item.value, end + 4, std::llround(y), "left", style, renderer);
    } else {
      const double width = double(right - left) / double(count), x = double(left) + (double(i) + 0.5) * width;
      const int64_t end = bottom - std::llround(item.share * double(bottom - top) * 0.9);
      if (points) {
        if (before.first >= 0) draw_line(out.image, before.first, before.second, x, double(end), 1.5, gray);
        draw_line(out.image, x, double(end), x, double(end), 5, 0);
        before = {x, double(end)};
      } else {
        fill(out.image, std::llround(x - bar * width / 2), end, std::llround(x + bar * width / 2), bottom, gray);
      }
      of_label = put_text(out, item.label, std::llround(x), bottom + std::llround(style.font_size_px), "center", style, renderer);
      of_value = put_text(out, item.value, std::llround(x), end - std::llround(style.font_size_px * 0.8), "center", style, renderer);
    }
    const auto at = of_label.empty() ? std::pair(middle_px, middle_px) : of_label.front();
    const auto value_at = of_value.empty() ? at : of_value.front();
    say(out, "<tr><td>", {}, at.first, at.second);
    say(out, item.label, of_label, at.first, at.second);
    say(out, "</td><td>", {}, value_at.first, value_at.second);
    say(out, item.value, of_value, value_at.first, value_at.second);
    say(out, "</td></tr>", {}, value_at.first, value_at.second);
  }
  say(out, "</table>", {}, middle_px, middle_px);
  return out;
}

DrawnFigure draw_segments(const FigureConfig& config, int64_t side_px, uint64_t seed) {
  check(config);
  Rng rng(seed, 52);
  const int64_t count = config.min_items + int64_t(rng.below(uint64_t(config.max_items - config.min_items + 1)));
  DrawnFigure out;
  out.image = Image::filled(int(side_px), int(side_px), 1, 255);
  std::vector<std::array<int64_t, 4>> segments;  // y0 x0 y1 x1: sorted as they are told
  const double step = double(side_px - 1) / double(config.grid);
  for (int attempt = 0; attempt < 1000 && int64_t(segments.size()) < count; ++attempt) {
    std::array<int64_t, 4> s{};
    for (auto& value : s) value = int64_t(rng.below(uint64_t(config.grid + 1)));
    if (std::tie(s[0], s[1]) > std::tie(s[2], s[3])) std::swap(s[0], s[2]), std::swap(s[1], s[3]);
    if (std::hypot(double(s[2] - s[0]), double(s[3] - s[1])) < 0.12 * double(config.grid)) continue;  // too short to be seen as a line
    segments.push_back(s);
  }
  std::sort(segments.begin(), segments.end());
  const double width = rng.uniform(1.0, 2.5);
  const uint8_t gray = uint8_t(rng.below(110));
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto& s = segments[i];
    draw_line(out.image, double(s[1]) * step, double(s[0]) * step, double(s[3]) * step, double(s[2]) * step, width, gray);
    if (i > 0) say(out, "\n", {}, std::llround(double(s[1]) * step), std::llround(double(s[0]) * step));
    say(out, std::to_string(s[1]) + " " + std::to_string(s[0]), {}, std::llround(double(s[1]) * step), std::llround(double(s[0]) * step));
    say(out, " " + std::to_string(s[3]) + " " + std::to_string(s[2]), {}, std::llround(double(s[3]) * step), std::llround(double(s[2]) * step));
  }
  return out;
}

double segments_f1(const std::string& prediction, const std::string& truth, double tolerance) {
  const auto parse = [](const std::string& text) {
    std::vector<std::array<double, 4>> out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream in(line);
      std::array<double, 4> s{};
      if (in >> s[0] >> s[1] >> s[2] >> s[3]) out.push_back(s);
    }
    return out;
  };
  const auto read = parse(prediction), true_ones = parse(truth);
  if (read.empty() && true_ones.empty()) return 1;
  std::vector<bool> taken(read.size(), false);
  double hits = 0;
  for (const auto& t : true_ones)
    for (size_t i = 0; i < read.size(); ++i) {
      const auto& r = read[i];
      const auto near = [&](size_t a, size_t b) { return std::hypot(r[a] - t[b], r[a + 1] - t[b + 1]) <= tolerance; };
      if (taken[i] || !((near(0, 0) && near(2, 2)) || (near(0, 2) && near(2, 0)))) continue;
      taken[i] = true;
      ++hits;
      break;
    }
  return 2 * hits / double(read.size() + true_ones.size());
}

}  // namespace fovea::experiments

#include "fovea/render/renderer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "font.h"
#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "layout.h"
#include "raster.h"
#include "segmenter.h"

namespace fovea::render {
namespace {

int16_t to_int16(int64_t value) {
  return static_cast<int16_t>(std::clamp<int64_t>(value, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max()));
}

size_t code_point_length(char lead_char) {
  const unsigned char lead = static_cast<unsigned char>(lead_char);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// The first code point of a cluster of `word` that has no glyph of its own, as UTF-8.
std::string missing_char(const Font& font, const ShapedWord& word, const ShapedCluster& cluster) {
  size_t pos = cluster.byte_begin;
  std::string first;
  for (int i = 0; i < cluster.num_code_points; ++i) {
    const size_t begin = pos;
    const char32_t c = next_code_point(word.text(), pos);
    const std::string text(word.text().substr(begin, pos - begin));
    if (first.empty()) first = text;
    hb_codepoint_t glyph = 0;
    if (c < 0x20 || (c >= 0x7F && c < 0xA0) || !hb_font_get_nominal_glyph(font.shaping_font(), c, &glyph) || glyph == 0)
      return text;
  }
  return first;
}

[[noreturn]] void throw_missing(const Font& font, const Segment& segment, const ShapedCluster& cluster) {
  const std::string text = missing_char(font, *segment.word, cluster);
  size_t pos = 0;
  const char32_t c = next_code_point(text, pos);
  char name[16];
  std::snprintf(name, sizeof name, "U+%04X", unsigned(c));
  const bool printable = c >= 0x20 && !(c >= 0x7F && c < 0xA0);
  throw RenderError("[render] strict: font '" + font.family() + "' has no glyph for " + name + (printable ? " '" + text + "'" : "") +
                    " at byte " + std::to_string(segment.byte_begin + cluster.byte_begin));
}

void check_strict(const Font& font, const Segment& segment) {
  if (segment.kind != Segment::kWord || segment.word->num_missing() == 0) return;
  for (const ShapedCluster& cluster : segment.word->clusters())
    if (cluster.num_missing) throw_missing(font, segment, cluster);
}

// Fills the page while the layout goes on.
class Painter {
 public:
  Painter(Page& page, const Style& style, const Font& font, GlyphSet& glyphs, const Geometry& geometry)
      : page_(page), style_(style), font_(font), glyphs_(glyphs), geometry_(geometry), left_q32_(style.margin_left_px << 32) {}

  void begin_line(size_t byte) {
    PageLine line;
    const auto index = static_cast<int64_t>(page_.lines.size());
    line.byte_begin = static_cast<uint32_t>(byte);
    line.top_px = to_int16(geometry_.line_top(index));
    line.bottom_px = to_int16(geometry_.line_top(index + 1));
    baseline_px_ = static_cast<int>(geometry_.line_top(index) + geometry_.baseline_in_line_px);
    line.baseline_px = to_int16(baseline_px_);
    page_.lines.push_back(line);
  }

  void clusters(const Segment& segment, size_t first, size_t last, int64_t pen_units) {
    const ShapedWord& word = *segment.word;
    if (word.num_missing()) count_missing(segment, first, last);
    const auto clusters = word.clusters();
    const auto glyphs = word.glyphs();
    const std::string_view text = word.text();
    // A part of a word begins at its leftmost cluster: the first, or the last where the script runs to the left.
    int64_t origin_units = 0;
    if (last - first < clusters.size()) {
      if (first == last) return;
      origin_units = std::min(clusters[first].x0_units, clusters[last - 1].x0_units);
    }
    const int64_t start_units = pen_units - origin_units;
    const uint32_t line = static_cast<uint32_t>(page_.lines.size() - 1);
    for (size_t i = first; i < last; ++i) {
      const ShapedCluster& cluster = clusters[i];
      InkBox ink = draw(glyphs[cluster.glyph_begin], start_units);
      for (uint32_t g = cluster.glyph_begin + 1; g < cluster.glyph_end; ++g) ink.add(draw(glyphs[g], start_units));
      CharBox box;
      box.line = line;
      box.x0_px = to_int16(ink.x0_px), box.y0_px = to_int16(ink.y0_px);
      box.x1_px = to_int16(ink.x1_px), box.y1_px = to_int16(ink.y1_px);
      box.cell_x0_px = rounded_px(start_units + cluster.x0_units);
      box.cell_x1_px = rounded_px(start_units + cluster.x1_units);
      box.byte_offset = static_cast<uint32_t>(segment.byte_begin + cluster.byte_begin);
      page_.chars.push_back(box);
      size_t at = cluster.byte_begin;
      for (int n = 1; n < cluster.num_code_points; ++n) {
        at += code_point_length(text[at]);
        box.byte_offset = static_cast<uint32_t>(segment.byte_begin + at);
        page_.chars.push_back(box);
      }
    }
  }

  void spaces(size_t byte, size_t num, int64_t pen_units, int64_t advance_units) {
    for (size_t i = 0; i < num; ++i)
      add_space(byte + i, pen_units + int64_t(i) * advance_units, pen_units + int64_t(i + 1) * advance_units);
  }
  void dropped_spaces(size_t byte, size_t num, int64_t pen_units) {
    for (size_t i = 0; i < num; ++i) add_space(byte + i, pen_units, pen_units);
  }
  void end_line(size_t byte_end, bool hard_break) {
    page_.lines.back().byte_end = static_cast<uint32_t>(byte_end);
    page_.lines.back().hard_break = hard_break;
  }

 private:
  int16_t rounded_px(int64_t units) const { return to_int16((left_q32_ + units * geometry_.px_q32_from_units + kHalf) >> 32); }

  InkBox draw(const ShapedGlyph& shaped, int64_t start_units) {
    const int64_t x_q32 = left_q32_ + (start_units + shaped.x_units) * geometry_.px_q32_from_units;
    const int num_phases = glyphs_.num_phases();
    int64_t x_px = 0;
    int phase = 0;
    if (num_phases == 1) {
      x_px = (x_q32 + kHalf) >> 32;
    } else {
      x_px = x_q32 >> 32;
      phase = int(((x_q32 & 0xFFFFFFFF) * num_phases) >> 32);
    }
    const Glyph& glyph = glyphs_.get(shaped.glyph_id, phase);
    if (glyph.width_px == 0 || std::abs(x_px) > 100000) return {};
    int y_px = baseline_px_ - glyph.top_px;
    if (shaped.y_units) y_px -= int((shaped.y_units * geometry_.px_q32_from_units + kHalf) >> 32);
    const int left_px = int(x_px) + glyph.left_px;
    draw_glyph(glyph, left_px, y_px, uint8_t(style_.text_gray), page_.image);
    return ink_box(glyph, left_px, y_px, page_.image);
  }

  void add_space(size_t byte, int64_t x0_units, int64_t x1_units) {
    CharBox box;
    box.byte_offset = static_cast<uint32_t>(byte);
    box.line = static_cast<uint32_t>(page_.lines.size() - 1);
    box.cell_x0_px = rounded_px(x0_units);
    box.cell_x1_px = rounded_px(x1_units);
    page_.chars.push_back(box);
  }

  void count_missing(const Segment& segment, size_t first, size_t last) {
    for (size_t i = first; i < last; ++i) {
      const ShapedCluster& cluster = segment.word->clusters()[i];
      if (cluster.num_missing == 0) continue;
      if (style_.strict) throw_missing(font_, segment, cluster);
      if (page_.report.num_missing_glyphs == 0) page_.report.missing_example = missing_char(font_, *segment.word, cluster);
      page_.report.num_missing_glyphs += cluster.num_missing;
    }
  }

  static constexpr int64_t kHalf = int64_t(1) << 31;
  Page& page_;
  const Style& style_;
  const Font& font_;
  GlyphSet& glyphs_;
  const Geometry& geometry_;
  const int64_t left_q32_;
  int baseline_px_ = 0;
};

// For measuring: the layout alone.
struct NoSink {
  void begin_line(size_t) {}
  void clusters(const Segment&, size_t, size_t, int64_t) {}
  void spaces(size_t, size_t, int64_t, int64_t) {}
  void dropped_spaces(size_t, size_t, int64_t) {}
  void end_line(size_t, bool) {}
};

struct SegmentList {
  const std::vector<Segment>& segments;
  size_t at = 0;
  bool next(Segment& segment) {
    if (at == segments.size()) return false;
    segment = segments[at++];
    return true;
  }
};

void check_text(std::string_view text, const char* where) {
  if (text.size() > std::numeric_limits<uint32_t>::max())
    throw ConfigError(std::string("[") + where + "] text must have less than 4 GiB, got " + std::to_string(text.size()) + " bytes");
  require_utf8(text, std::string(where) + " text");
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

struct Renderer::State {
  FontCache fonts;
};

Renderer::Renderer() : state_(std::make_unique<State>()) {}
Renderer::~Renderer() = default;

Page Renderer::render(std::string_view text, const Style& style) const {
  validate(style);
  check_text(text, "render");
  const auto font = state_->fonts.get(style.font);
  const Geometry geometry(style, *font, style.font_size_px);
  const auto glyphs = font->glyphs(geometry.size_26_6, style.hinting == "light", int(style.subpixel_positions));

  Page page;
  page.image = Image::filled(int(style.width_px), int(style.height_px), 1, uint8_t(style.page_gray));
  page.chars.reserve(std::min<size_t>(text.size(), 8192));
  Painter painter(page, style, *font, *glyphs, geometry);
  Segmenter segmenter(text, *font);
  const LayoutEnd end = lay_out(segmenter, geometry, font->space_units(), text.size(), painter);

  if (!end.complete && style.overflow == "fail")
    throw RenderError("[render] overflow: " + std::to_string(text.size() - end.num_bytes_placed) + " of " +
                      std::to_string(text.size()) + " bytes do not fit the " + std::to_string(style.width_px) + " x " +
                      std::to_string(style.height_px) + " px page at font_size_px=" + number(style.font_size_px) +
                      "; use a smaller font, or overflow=cut");
  page.text = text.substr(0, end.num_bytes_placed);
  page.report.font_family = font->family();
  page.report.font_size_px = double(geometry.size_26_6) / 64;
  page.report.num_bytes_left_out = text.size() - end.num_bytes_placed;
  page.report.fill_ratio = double(geometry.line_top(end.num_lines) - style.margin_top_px) /
                           double(style.height_px - style.margin_top_px - style.margin_bottom_px);
  return page;
}

double Renderer::fit_font_size(std::string_view text, const Style& style, double min_px, double max_px, double step_px) const {
  validate(style);
  if (!(step_px >= 1.0 / 64) || !(min_px >= 1) || !(max_px <= 2048) || !(min_px <= max_px))
    throw ConfigError("[fit_font_size] must have 1 <= min_px <= max_px <= 2048 and step_px >= 1/64, got min_px=" + number(min_px) +
                      ", max_px=" + number(max_px) + ", step_px=" + number(step_px));
  constexpr double kSlack = 1e-9;  // 3 / 0.1 is not quite 30
  int64_t low = std::llround(std::ceil(min_px / step_px - kSlack)), high = std::llround(std::floor(max_px / step_px + kSlack));
  if (low > high)
    throw ConfigError("[fit_font_size] must have a multiple of step_px=" + number(step_px) + " from min_px=" + number(min_px) +
                      " to max_px=" + number(max_px));
  check_text(text, "fit_font_size");
  const auto font = state_->fonts.get(style.font);
  Segmenter segmenter(text, *font);
  std::vector<Segment> segments;
  for (Segment segment; segmenter.next(segment);) {
    if (style.strict) check_strict(*font, segment);
    segments.push_back(segment);
  }
  const auto measure = [&](int64_t steps) {
    const Geometry geometry(style, *font, double(steps) * step_px);
    SegmentList source{segments};
    NoSink sink;
    return lay_out(source, geometry, font->space_units(), text.size(), sink);
  };
  const LayoutEnd smallest = measure(low);
  if (!smallest.complete) {
    const double share = double(smallest.num_bytes_placed) / double(text.size());
    throw RenderError("[fit_font_size] text of " + std::to_string(text.size()) + " bytes does not fit the " +
                      std::to_string(style.width_px) + " x " + std::to_string(style.height_px) + " px page even at " +
                      number(double(low) * step_px) + " px: " + std::to_string(smallest.num_bytes_placed) + " bytes (" +
                      number(std::floor(share * 1000) / 10) + " %) do");
  }
  while (low < high) {  // low fits; a larger size never fits more
    const int64_t middle = low + (high - low + 1) / 2;
    if (measure(middle).complete)
      low = middle;
    else
      high = middle - 1;
  }
  return double(low) * step_px;
}

}  // namespace fovea::render

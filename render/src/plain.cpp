#include "plain.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "composer.h"
#include "fovea/base/utf8.h"
#include "missing.h"
#include "raster.h"

namespace fovea::render {
namespace {

int16_t to_int16(int64_t value) {
  return static_cast<int16_t>(std::clamp<int64_t>(value, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max()));
}

size_t code_point_length(char lead_char) {
  const unsigned char lead = static_cast<unsigned char>(lead_char);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// Fills the page while the layout goes on.
class Painter {
 public:
  Painter(Page& page, const Style& style, const Font& font, GlyphSet& glyphs, const Geometry& geometry, size_t text_begin)
      : page_(page), style_(style), font_(font), glyphs_(glyphs), geometry_(geometry), text_begin_(text_begin),
        left_q32_(style.margin_left_px << 32) {}

  void begin_line(size_t byte) {
    PageLine line;
    const auto index = static_cast<int64_t>(page_.lines.size());
    line.byte_begin = static_cast<uint32_t>(byte - text_begin_);
    line.top_px = to_int16(geometry_.line_top(index));
    line.bottom_px = to_int16(geometry_.line_top(index + 1));
    baseline_px_ = static_cast<int>(geometry_.line_top(index) + geometry_.baseline_in_line_px);
    line.baseline_px = to_int16(baseline_px_);
    page_.lines.push_back(line);
    end_units_ = 0;
  }

  void clusters(const Segment& segment, size_t first, size_t last, int64_t pen_units) {
    const ShapedWord& word = *segment.word;
    if (word.num_missing())
      count_missing(font_, word, first, last, segment.byte_begin, style_.strict, style_.fallback, page_.report);
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
    end_units_ = std::max(end_units_, start_units + std::max(clusters[first].x1_units, clusters[last - 1].x1_units));
    const uint32_t line = static_cast<uint32_t>(page_.lines.size() - 1);
    for (size_t i = first; i < last; ++i) {
      const ShapedCluster& cluster = clusters[i];
      InkBox ink;
      if (cluster.glyph_begin < cluster.glyph_end) ink = draw(glyphs[cluster.glyph_begin], start_units);
      for (uint32_t g = cluster.glyph_begin + 1; g < cluster.glyph_end; ++g) ink.add(draw(glyphs[g], start_units));
      CharBox box;
      box.line = line;
      box.x0_px = to_int16(ink.x0_px), box.y0_px = to_int16(ink.y0_px);
      box.x1_px = to_int16(ink.x1_px), box.y1_px = to_int16(ink.y1_px);
      box.cell_x0_px = rounded_px(start_units + cluster.x0_units);
      box.cell_x1_px = rounded_px(start_units + cluster.x1_units);
      box.byte_offset = static_cast<uint32_t>(segment.byte_begin - text_begin_ + cluster.byte_begin);
      page_.chars.push_back(box);
      size_t at = cluster.byte_begin;
      for (int n = 1; n < cluster.num_code_points; ++n) {
        at += code_point_length(text[at]);
        box.byte_offset = static_cast<uint32_t>(segment.byte_begin - text_begin_ + at);
        page_.chars.push_back(box);
      }
    }
  }

  void spaces(size_t byte, size_t num, int64_t pen_units, int64_t advance_units) {
    end_units_ = pen_units + int64_t(num) * advance_units;
    for (size_t i = 0; i < num; ++i)
      add_space(byte + i, pen_units + int64_t(i) * advance_units, pen_units + int64_t(i + 1) * advance_units);
  }
  void dropped_spaces(size_t byte, size_t num, int64_t pen_units) {
    for (size_t i = 0; i < num; ++i) add_space(byte + i, pen_units, pen_units);
  }
  size_t num_clipped() const { return num_clipped_; }
  void end_line(size_t byte_end, bool hard_break) {
    page_.lines.back().start_px = to_int16(style_.margin_left_px);
    page_.lines.back().end_px = rounded_px(end_units_);
    page_.lines.back().byte_end = static_cast<uint32_t>(byte_end - text_begin_);
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
    if (left_px >= 0 && y_px >= 0 && left_px + glyph.width_px <= page_.image.width_px && y_px + glyph.height_px <= page_.image.height_px)
      return {left_px, y_px, left_px + glyph.width_px, y_px + glyph.height_px};  // its coverage is trimmed to the ink
    ++num_clipped_;
    const InkBox ink = ink_box(glyph, left_px, y_px, page_.image);
    return ink;
  }

  void add_space(size_t byte, int64_t x0_units, int64_t x1_units) {
    if (page_.lines.empty()) return;  // a page without room for a line
    CharBox box;
    box.byte_offset = static_cast<uint32_t>(byte - text_begin_);
    box.line = static_cast<uint32_t>(page_.lines.size() - 1);
    box.cell_x0_px = rounded_px(x0_units);
    box.cell_x1_px = rounded_px(x1_units);
    page_.chars.push_back(box);
  }

  static constexpr int64_t kHalf = int64_t(1) << 31;
  Page& page_;
  const Style& style_;
  const Font& font_;
  GlyphSet& glyphs_;
  const Geometry& geometry_;
  const size_t text_begin_;
  const int64_t left_q32_;
  int baseline_px_ = 0;
  int64_t end_units_ = 0;  // the line's pen so far
  size_t num_clipped_ = 0;
};

}  // namespace

bool is_plain(const Style& s) {
  return s.columns == 1 && s.align == "left" && (s.direction == "auto" || s.direction == "ltr") && s.line_breaks == "spaces" &&
         !s.hyphenate && s.newline == "break" && s.markup == "none" && s.letter_spacing_px == 0 && s.word_spacing_px == 0 &&
         s.horizontal_scale == 1 && s.first_line_indent_px == 0 && s.indent_left_px == 0 && s.indent_right_px == 0 &&
         s.paragraph_space_px == 0 && s.crop == "none" && s.antialias == "gray" && s.text_color.empty() && s.page_color.empty() &&
         s.pixels != "rgb" && !s.inverse && !s.keep_draw_list && !s.bold && !s.italic;
}

PlainRules plain_rules(const Style& style) {
  PlainRules rules;
  rules.tabs = style.tab_spaces > 0;
  rules.fallback = style.fallback;
  rules.language = language_id(style.language);
  return rules;
}

bool render_plain(std::string_view text, size_t begin, const Style& style, Font& font, bool whole_page, Page& page, LayoutEnd& end) {
  const Geometry geometry(style, font, style.font_size_px);
  GlyphOptions options;
  options.size_26_6 = geometry.size_26_6;
  options.num_phases = int(style.subpixel_positions);
  options.hinting = style.hinting == "none" ? Hinting::kNone : style.hinting == "full" ? Hinting::kFull : Hinting::kLight;
  const auto glyphs = font.glyphs(options);

  page.image = Image::filled(int(style.width_px), int(style.height_px), 1, uint8_t(style.page_gray));
  page.chars.reserve(std::min<size_t>(text.size() - begin, 8192));
  Painter painter(page, style, font, *glyphs, geometry, begin);
  Segmenter segmenter(text, font, plain_rules(style), begin);
  end = lay_out(segmenter, geometry, font.space_units(), text.size(), painter, whole_page);
  if (segmenter.needs_full_layout()) return false;
  const size_t text_end = whole_page ? end.byte_next : end.num_bytes_placed;
  page.text = text.substr(begin, text_end - begin);
  page.byte_begin = begin;
  page.report.font_family = font.family();
  page.report.font_size_px = double(geometry.size_26_6) / 64;
  page.report.num_bytes_left_out = text.size() - text_end;
  page.report.num_clipped_glyphs = painter.num_clipped();
  page.report.fill_ratio = double(geometry.line_top(end.num_lines) - style.margin_top_px) /
                           double(style.height_px - style.margin_top_px - style.margin_bottom_px);
  if (segmenter.has_marks()) {
    find_page_graphemes(page);
  } else {  // every character is a cluster
    page.grapheme_begin.resize(page.chars.size());
    std::iota(page.grapheme_begin.begin(), page.grapheme_begin.end(), uint32_t(0));
  }
  return true;
}

}  // namespace fovea::render

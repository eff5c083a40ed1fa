#include "composer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "missing.h"
#include "raster_rich.h"
#include "unicode.h"

namespace fovea::render {
namespace {

constexpr int64_t kHalf = int64_t(1) << 31;

int16_t to_int16(int64_t value) {
  return static_cast<int16_t>(std::clamp<int64_t>(value, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max()));
}
double px(int64_t q32) { return std::ldexp(double(q32), -32); }
bool is_gray(uint32_t rgb) { return (rgb >> 16 & 255) == (rgb & 255) && (rgb >> 8 & 255) == (rgb & 255); }
uint32_t mix(uint32_t a, uint32_t b, uint32_t of_255) {
  uint32_t out = 0;
  for (int shift = 0; shift < 24; shift += 8)
    out |= (((a >> shift & 255) * (255 - of_255) + (b >> shift & 255) * of_255 + 127) / 255) << shift;
  return out;
}

}  // namespace

Composer::Composer(const Style& style, Analyzer& analyzer, Flow& flow, const StyledText* styled)
    : style_(style), analyzer_(analyzer), flow_(flow), styled_(styled), vertical_(style.direction == "vertical") {}

int16_t Composer::rounded(int64_t q32) const { return to_int16((q32 + kHalf) >> 32); }

void Composer::begin_page(size_t byte_begin) {
  page_ = Page{};
  list_ = std::make_shared<DrawList>();
  list_->width_px = double(style_.width_px);
  list_->height_px = double(style_.height_px);
  list_->page_rgb = page_rgb(style_);
  font_use_of_.clear();
  seen_use_.clear();
  byte_begin_ = byte_begin;
  block_end_px_ = 0;
  any_color_ = !is_gray(list_->page_rgb);
}

int64_t Composer::source_of(size_t byte) const {
  if (!styled_ || !styled_->has_source()) return int64_t(byte);
  if (byte >= styled_->source_byte.size()) return int64_t(styled_->source.size());
  const uint32_t at = styled_->source_byte[byte];
  return at == StyledText::kNoSource ? -1 : int64_t(at);
}

uint32_t Composer::font_use(uint32_t use, bool rotated) {
  (void)rotated;
  if (font_use_of_.size() <= use) font_use_of_.resize(use + 1, 0);
  if (font_use_of_[use]) return font_use_of_[use] - 1;
  const Use& with = analyzer_.use(use);
  FontUse out;
  out.font = with.font;
  out.size_px = double(flow_.scale(use).size_26_6) / 64;
  out.horizontal_scale = style_.horizontal_scale;
  out.synthetic_bold = with.font->location().synthetic_bold;
  out.synthetic_italic = with.font->location().synthetic_italic;
  if (out.synthetic_bold || out.synthetic_italic) {
    const std::string note = std::string(out.synthetic_bold && out.synthetic_italic ? "bold italic"
                                         : out.synthetic_bold                       ? "bold"
                                                                                    : "italic") +
                             " of '" + with.font->family() + "' is synthetic: the family has no such face";
    auto& notes = page_.report.notes;
    if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  list_->fonts.push_back(out);
  font_use_of_[use] = uint32_t(list_->fonts.size());
  return font_use_of_[use] - 1;
}

void Composer::add_rect(double inline0, double block0, double inline1, double block1, uint32_t rgb) {
  PlacedRect rect{std::round(inline0), std::round(block0), std::round(inline1), std::round(block1), rgb};
  if (vertical_) {
    const double width = list_->width_px;
    rect = {width - std::round(block1), std::round(inline0), width - std::round(block0), std::round(inline1), rgb};
  }
  if (!(rect.x1_px > rect.x0_px) || !(rect.y1_px > rect.y0_px)) return;
  any_color_ |= !is_gray(rgb);
  list_->rects.push_back(rect);
}

void Composer::add_char(size_t byte, const FlowLine&, int64_t low_q32, int64_t high_q32, bool to_left) {
  const int64_t source = source_of(byte);
  if (source < 0 || size_t(source) < byte_begin_) return;  // drawn for the reader (a bullet that goes on), not of this page's text
  CharBox box;
  box.byte_offset = uint32_t(size_t(source) - byte_begin_);
  box.line = uint32_t(page_.lines.empty() ? 0 : page_.lines.size() - 1);
  box.cell_x0_px = rounded(std::min(low_q32, high_q32));
  box.cell_x1_px = rounded(std::max(low_q32, high_q32));
  box.column = page_.lines.empty() ? 0 : page_.lines.back().column;
  box.right_to_left = to_left;
  page_.chars.push_back(box);
}

void Composer::count_missing(const LineItem& item) {
  const Use& use = analyzer_.use(item.use);
  if (item.word->num_missing()) {
    const bool lone = !use.font || !item.piece;
    if (!lone)
      render::count_missing(*use.font, *item.word, item.first, item.last,
                            size_t(std::max<int64_t>(source_of(item.piece->byte_begin), 0)), style_.strict, style_.fallback, page_.report);
  }
  if (use.face == 0 || !item.piece) return;
  for (uint32_t i = item.first; i < item.last; ++i)
    page_.report.num_fallback_glyphs += item.word->clusters()[i].num_code_points - item.word->clusters()[i].num_missing;
  if (seen_use_.size() <= item.use) seen_use_.resize(item.use + 1, 0);
  if (seen_use_[item.use]) return;
  seen_use_[item.use] = 1;
  auto& families = page_.report.fallback_families;
  if (std::find(families.begin(), families.end(), use.font->family()) == families.end()) families.push_back(use.font->family());
}

// Glyphs of an item's clusters, and their characters' boxes.
void Composer::add_glyphs(const LineItem& item, const FlowLine& line, bool with_chars) {
  const ShapedWord& word = *item.word;
  const auto clusters = word.clusters();
  const auto glyphs = word.glyphs();
  const std::string_view text = word.text();
  const UseScale& scale = flow_.scale(item.use);
  const Use& use = analyzer_.use(item.use);
  const uint32_t rgb = analyzer_.look(use.look).rgb;
  any_color_ |= !is_gray(rgb);
  const bool rotated = vertical_ && !item.down;
  const int64_t factor = item.down ? scale.y_q32_from_units : scale.x_q32_from_units;
  const int64_t spacing = std::llround(std::ldexp(style_.letter_spacing_px, 32)) + (item.piece ? item.space_q32 : 0);
  // A part of a word begins at its leftmost cluster: the first, or the last where the script runs to the left.
  int64_t origin_units = 0;
  if (item.last - item.first < clusters.size() && item.last > item.first)
    origin_units = std::min(clusters[item.first].x0_units, clusters[item.last - 1].x0_units);
  const bool to_left = clusters.size() > 1 ? clusters.front().x0_units > clusters.back().x0_units : item.level & 1;
  const uint32_t font = font_use(item.use, rotated);
  const bool marker = item.piece && item.piece->marker;
  const uint32_t marker_char = uint32_t(page_.chars.size());
  if (marker && with_chars) add_char(item.byte_begin, line, item.x_q32, item.x_q32 + item.width_q32, false);
  const double width_px = list_->width_px;
  for (uint32_t i = item.first; i < item.last; ++i) {
    const ShapedCluster& cluster = clusters[i];
    const int64_t place = to_left ? int64_t(item.last) - 1 - int64_t(i) : int64_t(i) - int64_t(item.first);
    const int64_t start_q32 = item.x_q32 + place * spacing;
    PlacedGlyph placed;
    placed.font_use = font;
    placed.rgb = rgb;
    placed.rotated = rotated;
    placed.char_begin = marker ? marker_char : uint32_t(page_.chars.size());
    if (with_chars && !marker) {
      const int64_t low = start_q32 + (cluster.x0_units - origin_units) * factor;
      const int64_t high = start_q32 + (cluster.x1_units - origin_units) * factor + spacing;
      size_t at = cluster.byte_begin;
      for (int n = 0; n < cluster.num_code_points; ++n) {
        add_char(item.piece->byte_begin + at, line, low, high, to_left);
        next_code_point(text, at);
      }
    }
    placed.num_chars = uint32_t(page_.chars.size()) - placed.char_begin;
    for (uint32_t g = cluster.glyph_begin; g < cluster.glyph_end; ++g) {
      const ShapedGlyph& glyph = glyphs[g];
      placed.glyph_id = glyph.glyph_id;
      if (!vertical_) {
        placed.x_px = px(start_q32 + (glyph.x_units - origin_units) * scale.x_q32_from_units);
        placed.y_px = px((line.baseline_px << 32) - glyph.y_units * scale.y_q32_from_units);
      } else {
        const double centre = width_px - double(line.top_px + line.bottom_px) / 2;
        if (rotated) {
          placed.x_px = std::round(centre - (scale.ascent_px - scale.descent_px) / 2) + px(glyph.y_units * scale.y_q32_from_units);
          placed.y_px = px(start_q32 + (glyph.x_units - origin_units) * scale.x_q32_from_units);
        } else {
          placed.x_px = centre + px(glyph.x_units * scale.x_q32_from_units);
          placed.y_px = px(start_q32 - (glyph.y_units + origin_units) * scale.y_q32_from_units);
        }
      }
      list_->glyphs.push_back(placed);
    }
  }
}

void Composer::add_item(const LineItem& item, const FlowLine& line) {
  const bool has_width = item.width_q32 > 0 && !item.dropped;
  if (has_width) {
    const Look& look = analyzer_.look(analyzer_.use(item.use).look);
    const double low = px(item.x_q32), high = px(item.x_q32 + item.width_q32);
    if (look.has_background) add_rect(low, double(line.top_px), high, double(line.bottom_px), look.background_rgb);
    const UseScale& scale = flow_.scale(item.use);
    const double thick = std::max(1.0, std::round(double(scale.size_26_6) / 64 / 14));
    const double base = vertical_ ? double(line.bottom_px) - thick : double(line.baseline_px);
    if (look.underline) add_rect(low, base + thick, high, base + 2 * thick, look.rgb);
    if (look.strike) {
      const double middle = vertical_ ? double(line.top_px + line.bottom_px) / 2 : base - std::round(scale.ascent_px * 0.28);
      add_rect(low, middle - thick, high, middle, look.rgb);
    }
  }
  if (item.word) {
    count_missing(item);
    if (item.piece) {
      add_glyphs(item, line, true);
    } else {
      // a hyphen: the ink of the soft hyphen that the source has there, or of nothing
      const size_t first_glyph = list_->glyphs.size();
      add_glyphs(item, line, false);
      const bool soft = !line.items.empty() && [&] {
        for (size_t i = 1; i < line.items.size(); ++i)
          if (&line.items[i] == &item) return line.items[i - 1].piece && line.items[i - 1].piece->soft_hyphen &&
                                              line.items[i - 1].byte_end == line.items[i - 1].piece->byte_end;
        return false;
      }();
      for (size_t g = first_glyph; g < list_->glyphs.size(); ++g) {
        list_->glyphs[g].char_begin = soft && !page_.chars.empty() ? uint32_t(page_.chars.size() - 1) : 0;
        list_->glyphs[g].num_chars = soft && !page_.chars.empty() ? 1 : 0;
      }
      if (soft && !page_.chars.empty()) {
        page_.chars.back().cell_x0_px = rounded(item.x_q32);
        page_.chars.back().cell_x1_px = rounded(item.x_q32 + item.width_q32);
      }
    }
    return;
  }
  const Piece& piece = *item.piece;
  if (piece.kind == Piece::kSpaces) {
    const size_t num = item.byte_end - item.byte_begin;
    const int64_t advance = item.dropped ? 0 : item.space_q32;
    const bool to_left = item.level & 1;
    for (size_t i = 0; i < num; ++i) {
      const int64_t low = item.x_q32 + advance * int64_t(to_left ? num - 1 - i : i);
      add_char(item.byte_begin + i, line, low, low + advance, to_left);
    }
    return;
  }
  add_char(item.byte_begin, line, item.x_q32, item.x_q32 + item.width_q32, item.level & 1);  // tabs, silent characters: one code point
}

void Composer::line(const FlowLine& line) {
  const auto first_source = [&](size_t byte, size_t end) {
    for (size_t i = byte; i < end; ++i)
      if (const int64_t source = source_of(i); source >= 0) return source;
    const int64_t source = source_of(end);
    return source >= 0 ? source : int64_t(page_.lines.empty() ? byte_begin_ : page_.lines.back().byte_end + byte_begin_);
  };
  PageLine out;
  if (!styled_ || !styled_->has_source()) {
    out.byte_begin = uint32_t(line.byte_begin - byte_begin_);
    out.byte_end = uint32_t(line.byte_end - byte_begin_);
  } else {
    out.byte_begin = uint32_t(std::max(size_t(first_source(line.byte_begin, line.byte_end)), byte_begin_) - byte_begin_);
    out.byte_end = out.byte_begin;
    for (size_t i = line.byte_end; i > line.byte_begin; --i)
      if (source_of(i - 1) >= 0) {
        out.byte_end = std::max(out.byte_begin, uint32_t(std::max(size_t(source_of(i - 1)) + 1, byte_begin_) - byte_begin_));
        break;
      }
  }
  if (vertical_) {
    const int64_t width = std::llround(list_->width_px);
    out.top_px = to_int16(width - line.bottom_px);
    out.bottom_px = to_int16(width - line.top_px);
    out.baseline_px = to_int16(width - (line.top_px + line.bottom_px) / 2);
  } else {
    out.top_px = to_int16(line.top_px);
    out.bottom_px = to_int16(line.bottom_px);
    out.baseline_px = to_int16(line.baseline_px);
  }
  out.vertical = vertical_;
  out.hard_break = line.hard_break;
  out.right_to_left = line.base_level & 1;
  out.column = uint16_t(line.column);
  out.start_px = rounded(line.start_q32);
  out.end_px = rounded(line.end_q32);
  page_.lines.push_back(out);
  block_end_px_ = std::max(block_end_px_, line.bottom_px);
  if (line.paragraph && line.paragraph->cell_begin.empty()) {
    const ParagraphStyle& paragraph = *line.paragraph;
    if (!paragraph.background.empty())
      add_rect(double(line.box_left_px), double(line.top_px), double(line.box_right_px), double(line.bottom_px),
               parse_color(paragraph.background, "paragraph background"));
    if (!paragraph.bar_color.empty() && paragraph.bar_px > 0) {
      const double bar = std::max(1.0, std::round(flow_.length(paragraph.bar_px))), gap = 2 * bar;
      const bool to_left = line.base_level & 1;
      const double at = to_left ? double(line.box_right_px) + gap : double(line.box_left_px) - gap - bar;
      add_rect(at, double(line.top_px), at + bar, double(line.bottom_px), parse_color(paragraph.bar_color, "bar_color"));
    }
    if (paragraph.rule_below && line.hard_break && line.last_of_paragraph)
      add_rect(double(line.box_left_px), double(line.bottom_px) - 1, double(line.box_right_px), double(line.bottom_px),
               mix(page_rgb(style_), text_rgb(style_), 90));
  }
  for (const LineItem& item : line.items) add_item(item, line);
}

void Composer::strays(const std::vector<LineItem>& items) {
  if (page_.lines.empty()) return;
  FlowLine none;
  const int64_t pen = int64_t(page_.lines.back().right_to_left ? page_.lines.back().start_px : page_.lines.back().end_px) << 32;
  for (LineItem item : items) {
    item.x_q32 = pen;
    add_item(item, none);
  }
}

void Composer::table_row(int64_t top_px, int64_t bottom_px, const std::vector<int64_t>& borders, const ParagraphStyle& paragraph, int) {
  const uint32_t paper = page_rgb(style_), ink = text_rgb(style_);
  const uint32_t rule = mix(paper, ink, 110);
  const double low = double(std::min(borders.front(), borders.back())), high = double(std::max(borders.front(), borders.back()));
  if (paragraph.table_head) add_rect(low, double(top_px), high + 1, double(bottom_px), mix(paper, ink, 22));
  for (int64_t x : borders) add_rect(double(x), double(top_px), double(x) + 1, double(bottom_px), rule);
  if (paragraph.table_head) add_rect(low, double(top_px), high + 1, double(top_px) + 1, rule);
  add_rect(low, double(bottom_px) - 1, high + 1, double(bottom_px), rule);
  block_end_px_ = std::max(block_end_px_, bottom_px);
}

// Cuts the canvas to what is used, margins kept. What is drawn does not change.
void Composer::crop(Page& page, bool width, bool height) {
  int64_t low = std::numeric_limits<int64_t>::max(), high = 0;
  for (const PageLine& line : page.lines) {
    low = std::min<int64_t>(low, line.start_px);
    high = std::max<int64_t>(high, line.end_px);
  }
  for (const PlacedRect& rect : list_->rects) {
    if (vertical_) break;
    high = std::max<int64_t>(high, std::llround(rect.x1_px));
    low = std::min<int64_t>(low, std::llround(rect.x0_px));
  }
  if (page.lines.empty()) low = high = vertical_ ? style_.margin_top_px : style_.margin_left_px;
  const auto shift_x = [&](int64_t dx) {
    for (auto& glyph : list_->glyphs) glyph.x_px -= double(dx);
    for (auto& rect : list_->rects) rect.x0_px -= double(dx), rect.x1_px -= double(dx);
    for (auto& line : page.lines) {
      if (vertical_)
        line.top_px = to_int16(line.top_px - dx), line.bottom_px = to_int16(line.bottom_px - dx), line.baseline_px = to_int16(line.baseline_px - dx);
      else
        line.start_px = to_int16(line.start_px - dx), line.end_px = to_int16(line.end_px - dx);
    }
    if (!vertical_)
      for (auto& box : page.chars) box.cell_x0_px = to_int16(box.cell_x0_px - dx), box.cell_x1_px = to_int16(box.cell_x1_px - dx);
  };
  if (!vertical_) {
    if (width) {
      const int64_t dx = std::max<int64_t>(low - style_.margin_left_px, 0);
      if (dx > 0) shift_x(dx);
      list_->width_px = double(std::clamp<int64_t>(high - dx + style_.margin_right_px, 1, style_.width_px));
    }
    if (height)
      list_->height_px = double(std::clamp<int64_t>(std::max(block_end_px_, style_.margin_top_px) + style_.margin_bottom_px, 1, style_.height_px));
    return;
  }
  if (height) list_->height_px = double(std::clamp<int64_t>(high + style_.margin_bottom_px, 1, style_.height_px));
  if (width) {
    const int64_t used = std::max(block_end_px_, style_.margin_right_px) + style_.margin_left_px;
    const int64_t dx = std::max<int64_t>(style_.width_px - used, 0);
    if (dx > 0) shift_x(dx);
    list_->width_px = double(std::max<int64_t>(style_.width_px - dx, 1));
  }
}

Page Composer::finish(const PageEnd& end, bool whole_page, std::string_view text) {
  Page page = std::move(page_);
  const bool mapped = styled_ && styled_->has_source();
  size_t text_end = whole_page ? end.byte_next : end.byte_end;
  if (end.complete) text_end = text.size();
  if (!mapped) {
    page.text = text.substr(byte_begin_, text_end - byte_begin_);
    page.report.num_bytes_left_out = text.size() - text_end;
  } else {
    size_t source_end = styled_->source.size();
    if (!end.complete) {
      source_end = byte_begin_;
      for (size_t i = 0; i < text_end; ++i)
        if (const int64_t source = source_of(i); source >= 0) source_end = std::max(source_end, size_t(source) + 1);
      while (source_end < styled_->source.size() && (static_cast<unsigned char>(styled_->source[source_end]) & 0xC0) == 0x80) ++source_end;
    }
    page.text = styled_->source.substr(byte_begin_, source_end - byte_begin_);
    page.report.num_bytes_left_out = styled_->source.size() - source_end;
  }
  // The white space that a single page was cut at belongs to the rest.
  while (!page.chars.empty() && page.chars.back().byte_offset >= page.text.size()) page.chars.pop_back();
  page.byte_begin = byte_begin_;
  page.report.font_family = analyzer_.use(analyzer_.look(0).use).font->family();
  page.report.font_size_px = double(flow_.scale(analyzer_.look(0).use).size_26_6) / 64;
  page.report.fill_ratio = end.available_px > 0 ? end.used_px / end.available_px : 0;
  if (flow_.hyphenation_missing())
    page.report.notes.push_back("no hyphenation dictionary for language '" + style_.language + "' is installed: words were not hyphenated");

  const bool last = style_.crop == "last" && end.complete && whole_page;
  if (style_.crop != "none") crop(page, style_.crop == "width" || style_.crop == "both", style_.crop == "height" || style_.crop == "both" || last);

  RasterOptions options;
  options.antialias = style_.antialias == "mono" ? Antialias::kMono : style_.antialias == "subpixel" ? Antialias::kSubpixel : Antialias::kGray;
  options.hinting = style_.hinting == "none" ? Hinting::kNone : style_.hinting == "full" ? Hinting::kFull : Hinting::kLight;
  options.subpixel_positions = int(style_.subpixel_positions);
  options.channels = style_.pixels == "rgb" || (style_.pixels == "auto" && (any_color_ || style_.antialias == "subpixel")) ? 3 : 1;
  options.inverse = style_.inverse;
  std::vector<InkBox> inks;
  page.report.num_clipped_glyphs = draw(*list_, options, page.image, &inks);
  for (const PlacedRect& rect : list_->rects) {
    const auto x0 = int(std::max(rect.x0_px, 0.0)), y0 = int(std::max(rect.y0_px, 0.0));
    const auto x1 = int(std::min(rect.x1_px, double(page.image.width_px))), y1 = int(std::min(rect.y1_px, double(page.image.height_px)));
    if (x1 > x0 && y1 > y0) page.decorations.push_back({to_int16(x0), to_int16(y0), to_int16(x1), to_int16(y1)});
  }
  for (size_t g = 0; g < list_->glyphs.size(); ++g) {
    const InkBox& ink = inks[g];
    if (ink.empty()) continue;
    const PlacedGlyph& glyph = list_->glyphs[g];
    if (glyph.num_chars == 0) {
      page.decorations.push_back({to_int16(ink.x0_px), to_int16(ink.y0_px), to_int16(ink.x1_px), to_int16(ink.y1_px)});
      continue;
    }
    for (uint32_t i = glyph.char_begin; i < glyph.char_begin + glyph.num_chars && i < page.chars.size(); ++i) {
      CharBox& box = page.chars[i];
      InkBox all{box.x0_px, box.y0_px, box.x1_px, box.y1_px};
      all.add(ink);
      box.x0_px = to_int16(all.x0_px), box.y0_px = to_int16(all.y0_px);
      box.x1_px = to_int16(all.x1_px), box.y1_px = to_int16(all.y1_px);
    }
  }
  find_page_graphemes(page);
  if (style_.keep_draw_list && style_.inverse) invert_colours(*list_);  // so that PDF and SVG show what the page shows
  if (style_.keep_draw_list) page.draw_list = list_;
  list_.reset();
  return page;
}

void find_page_graphemes(Page& page) {
  auto& begins = page.grapheme_begin;
  begins.clear();
  begins.reserve(page.chars.size());
  const auto lead_of = [&](const CharBox& box) { return static_cast<unsigned char>(page.text[box.byte_offset]); };
  bool simple = true;
  for (const CharBox& box : page.chars) {
    if (lead_of(box) < 0xCC) continue;  // below U+0300
    size_t pos = box.byte_offset;
    if (!is_simple(next_code_point(page.text, pos))) {
      simple = false;
      break;
    }
  }
  if (simple) {
    for (size_t i = 0; i < page.chars.size(); ++i) {
      bool joined = false;
      if (i > 0 && lead_of(page.chars[i]) >= 0xCC) {
        size_t pos = page.chars[i].byte_offset;
        joined = is_joined(next_code_point(page.text, pos));
      }
      if (!joined) begins.push_back(uint32_t(i));
    }
    return;
  }
  std::vector<uint8_t> marks;
  find_graphemes(page.text, marks);
  for (size_t i = 0; i < page.chars.size(); ++i)
    if (i == 0 || marks[page.chars[i].byte_offset]) begins.push_back(uint32_t(i));
}

}  // namespace fovea::render

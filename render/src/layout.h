// Layout: the one algorithm that decides what stands on which line, for drawing and for measuring alike.
//
// Note "Units": pens and widths are whole font units counted from the line's start, never rounded, so that the same text
// breaks by the same arithmetic at every size; a page's width is turned into font units once (floor).
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

#include "font.h"
#include "fovea/render/style.h"
#include "segmenter.h"

namespace fovea::render {

/// A style's page at one size of one font. Line i covers rows line_top(i) to line_top(i + 1).
struct Geometry {
  int64_t size_26_6 = 0;           ///< em in 1/64 px, as FreeType is told
  int64_t px_q32_from_units = 0;   ///< px * 2^32 a font unit
  int64_t max_line_units = 0;      ///< what fits between the margins
  int64_t max_lines = 0;
  int64_t margin_top_px = 0;
  double pitch_px = 0;
  int64_t baseline_in_line_px = 0;  ///< from the line's top

  Geometry(const Style& style, const Font& font, double font_size_px)
      : size_26_6(font.snap_size_26_6(std::llround(font_size_px * 64))), margin_top_px(style.margin_top_px) {
    const double px_from_units = double(size_26_6) / 64 / double(font.units_per_em());
    px_q32_from_units = std::llround(std::ldexp(px_from_units, 32));
    const int64_t avail_width_px = style.width_px - style.margin_left_px - style.margin_right_px;
    max_line_units = (avail_width_px << 32) / px_q32_from_units;
    const double own_px = double(font.ascent_units() + font.descent_units()) * px_from_units;
    pitch_px = style.line_pitch_px > 0 ? style.line_pitch_px : style.line_height * own_px;
    const double extra_px = pitch_px - own_px;
    baseline_in_line_px = std::llround(double(font.ascent_units()) * px_from_units + extra_px / 2);
    const int64_t avail_height_px = style.height_px - style.margin_top_px - style.margin_bottom_px;
    max_lines = int64_t(double(avail_height_px) / pitch_px) + 1;
    while (max_lines > 0 && line_top(max_lines) > style.height_px - style.margin_bottom_px) --max_lines;
  }
  int64_t line_top(int64_t line) const { return margin_top_px + std::llround(double(line) * pitch_px); }
};

struct LayoutEnd {
  bool complete = true;     ///< everything was placed
  size_t num_bytes_placed = 0;  ///< of the text; if incomplete, up to the end of the last line, before the white space it broke at
  size_t byte_next = 0;         ///< if incomplete, where the next page's first line begins: after that white space or newline
  int64_t num_lines = 0;
};

/// Greedy layout. `source.next(Segment&)` gives the text; `sink` is told, in source order, what goes where:
///   begin_line(byte)                                                 pen 0, first byte of the line
///   clusters(segment, first, last, pen_units)                        clusters [first, last) of a word, from this pen
///   spaces(byte, num, pen_units, advance_units)                      spaces inside a line
///   dropped_spaces(byte, num, pen_units)                             spaces that a line broke at
///   end_line(byte_end, hard_break)
/// Lines that the page has no room for are not begun. A newline ends a line and does not begin another: a text that ends in
/// a newline has no empty last line. whole_page: sink is also told of the white space that the page broke at.
template <class Source, class Sink>
LayoutEnd lay_out(Source& source, const Geometry& geometry, int64_t space_units, size_t text_size, Sink& sink, bool whole_page = false) {
  const int64_t max_units = geometry.max_line_units;
  LayoutEnd end;
  bool open = false;
  int64_t pen = 0;
  size_t line_end = 0;                          // after the last byte placed on the line
  size_t spaces_begin = 0, num_spaces = 0;      // read but not yet placed

  const auto open_line = [&](size_t byte) {
    if (end.num_lines >= geometry.max_lines) return false;
    ++end.num_lines;
    open = true;
    pen = 0;
    line_end = byte;
    sink.begin_line(byte);
    return true;
  };
  const auto place_spaces = [&](size_t num) {
    if (num == 0) return;
    sink.spaces(spaces_begin, num, pen, space_units);
    pen += int64_t(num) * space_units;
    spaces_begin += num;
    num_spaces -= num;
    line_end = spaces_begin;
  };
  const auto drop_spaces = [&] {
    if (num_spaces) sink.dropped_spaces(spaces_begin, num_spaces, pen);
    num_spaces = 0;
  };
  // Ends the paragraph's last line: what fits of its trailing spaces stays.
  const auto end_paragraph = [&] {
    const int64_t room = space_units > 0 ? std::max<int64_t>(max_units - pen, 0) / space_units
                                         : std::numeric_limits<int64_t>::max();
    place_spaces(size_t(std::min<int64_t>(room, int64_t(num_spaces))));
    drop_spaces();
    sink.end_line(line_end, true);
    open = false;
  };
  const auto wrap = [&](size_t next_byte) {
    if (end.num_lines >= geometry.max_lines) return false;
    drop_spaces();
    sink.end_line(line_end, false);
    return open_line(next_byte);
  };
  const auto cut = [&](size_t next_byte) {
    if (open) {
      if (whole_page) drop_spaces();
      sink.end_line(line_end, false);
    }
    end.complete = false;
    end.num_bytes_placed = line_end;
    end.byte_next = next_byte;
    return end;
  };

  Segment segment;
  while (source.next(segment)) {
    if (segment.kind == Segment::kSpaces) {
      if (num_spaces == 0) spaces_begin = segment.byte_begin;
      num_spaces += segment.byte_end - segment.byte_begin;
      continue;
    }
    const size_t first_byte = num_spaces ? spaces_begin : segment.byte_begin;
    if (!open && !open_line(first_byte)) return cut(first_byte);
    if (segment.kind == Segment::kNewline) {
      end_paragraph();
      continue;
    }
    const ShapedWord& word = *segment.word;
    const int64_t begin_units = pen + int64_t(num_spaces) * space_units;
    if (begin_units + word.width_units() <= max_units) {
      place_spaces(num_spaces);
      sink.clusters(segment, 0, word.clusters().size(), pen);
      pen += word.width_units();
      line_end = segment.byte_end;
      continue;
    }
    if (!segment.breakable) {
      if ((pen > 0 || num_spaces > 0) && !wrap(segment.byte_begin)) return cut(segment.byte_begin);
      if (word.width_units() <= max_units) {
        sink.clusters(segment, 0, word.clusters().size(), pen);
        pen += word.width_units();
        line_end = segment.byte_end;
        continue;
      }
    }
    const auto clusters = word.clusters();
    // Wider than a line: break between clusters. A cluster that is itself wider than the line stands alone on one.
    size_t first = 0;
    int64_t run_units = 0;
    const auto byte_of = [&](size_t cluster) {
      return cluster < clusters.size() ? segment.byte_begin + clusters[cluster].byte_begin : segment.byte_end;
    };
    for (size_t i = 0; i < clusters.size(); ++i) {
      const int64_t width = clusters[i].x1_units - clusters[i].x0_units;
      const int64_t pending = int64_t(num_spaces) * space_units;
      if (pen + pending + run_units + width > max_units && (pen > 0 || num_spaces > 0 || run_units > 0)) {
        if (i > first) {
          place_spaces(num_spaces);
          sink.clusters(segment, first, i, pen);
          pen += run_units;
          line_end = byte_of(i);
        }
        if (!wrap(byte_of(i))) return cut(byte_of(i));
        first = i;
        run_units = 0;
      }
      run_units += width;
    }
    place_spaces(num_spaces);
    sink.clusters(segment, first, word.clusters().size(), pen);
    pen += run_units;
    line_end = segment.byte_end;
  }
  if (open) {
    end_paragraph();
  } else if (num_spaces > 0) {  // white space after the last newline gets a line if there is one, and is never missed
    if (open_line(spaces_begin)) end_paragraph();
    drop_spaces();
  }
  end.num_bytes_placed = end.byte_next = text_size;
  return end;
}

}  // namespace fovea::render

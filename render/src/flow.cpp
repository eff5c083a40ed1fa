#include "flow.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/utf8.h"
#include "unicode.h"

namespace fovea::render {
namespace {

int64_t q32(double px) { return std::llround(std::ldexp(px, 32)); }
constexpr int64_t kOne = int64_t(1) << 32;
bool is_white(const LineItem& item) { return item.piece && item.piece->kind != Piece::kWord; }

}  // namespace

Chunk* Flow::Queue::get(size_t number) {
  while (number >= first + chunks.size()) {
    auto chunk = source->next();
    if (!chunk) return nullptr;
    chunks.push_back(std::move(chunk));
  }
  return chunks[number - first].get();
}

Flow::Flow(const Style& style, Analyzer& analyzer, ChunkSource& source, double font_size_px, size_t text_size)
    : style_(style), analyzer_(analyzer), font_size_px_(font_size_px), text_size_(text_size) {
  queue_.source = &source;
  vertical_ = style.direction == "vertical";
  letter_q32_ = q32(style.letter_spacing_px);
  word_q32_ = q32(style.word_spacing_px);
  int64_t inline_end = 0;
  if (vertical_) {
    inline_begin_px_ = style.margin_top_px;
    inline_end = style.height_px - style.margin_bottom_px;
    block_begin_px_ = style.margin_right_px;
    block_end_px_ = style.width_px - style.margin_left_px;
  } else {
    inline_begin_px_ = style.margin_left_px;
    inline_end = style.width_px - style.margin_right_px;
    block_begin_px_ = style.margin_top_px;
    block_end_px_ = style.height_px - style.margin_bottom_px;
  }
  column_px_ = (inline_end - inline_begin_px_ - (style.columns - 1) * style.column_gap_px) / style.columns;
  if (style.hyphenate) {
    hyphenator_ = Hyphenator::find(style.language);
    hyphenation_missing_ = !hyphenator_;
  }
}

const UseScale& Flow::scale(uint32_t index) {
  while (scales_.size() <= index) {
    const Use& use = analyzer_.use(uint32_t(scales_.size()));
    const Look& look = analyzer_.look(use.look);
    const double wanted_px = look.size_px > 0 ? look.size_px : font_size_px_ * look.font_scale;
    UseScale scale;
    scale.size_26_6 = use.font->snap_size_26_6(std::max<int64_t>(std::llround(wanted_px * 64), 16));
    const double px_from_units = double(scale.size_26_6) / 64 / double(use.font->units_per_em());
    scale.y_q32_from_units = std::llround(std::ldexp(px_from_units, 32));
    scale.x_q32_from_units = style_.horizontal_scale == 1
                                 ? scale.y_q32_from_units
                                 : std::llround(std::ldexp(px_from_units * style_.horizontal_scale, 32));
    scale.ascent_px = double(use.font->ascent_units()) * px_from_units;
    scale.descent_px = double(use.font->descent_units()) * px_from_units;
    const double own_px = double(use.font->ascent_units() + use.font->descent_units()) * px_from_units;
    scale.pitch_px = style_.line_pitch_px > 0 ? style_.line_pitch_px * std::max(1.0, wanted_px / font_size_px_) : style_.line_height * own_px;
    scale.baseline_px = scale.ascent_px + (scale.pitch_px - own_px) / 2;
    scale.space_q32 = use.font->space_units() * scale.x_q32_from_units + word_q32_ + letter_q32_;
    if (vertical_) scale.space_q32 = (use.font->units_per_em() / 2) * scale.y_q32_from_units + word_q32_ + letter_q32_;
    scales_.push_back(scale);
  }
  return scales_[index];
}

int64_t Flow::width_of(const Piece& piece, uint32_t first, uint32_t last) {
  const auto clusters = piece.word->clusters();
  const UseScale& s = scale(piece.use);
  int64_t units = 0;
  if (first == 0 && last == clusters.size())
    units = piece.word->width_units();
  else
    for (uint32_t i = first; i < last; ++i) units += clusters[i].x1_units - clusters[i].x0_units;
  return units * (piece.down ? s.y_q32_from_units : s.x_q32_from_units) + int64_t(last - first) * letter_q32_;
}

// Of clusters [first, ...) those that fit; at least one if take_one.
uint32_t Flow::fitting_clusters(const Piece& piece, uint32_t first, int64_t room_q32, bool take_one) {
  const auto clusters = piece.word->clusters();
  const UseScale& s = scale(piece.use);
  const int64_t factor = piece.down ? s.y_q32_from_units : s.x_q32_from_units;
  int64_t used = 0;
  uint32_t at = first;
  while (at < clusters.size()) {
    used += int64_t(clusters[at].x1_units - clusters[at].x0_units) * factor + letter_q32_;
    if (used > room_q32 && !(take_one && at == first)) break;
    ++at;
  }
  return at;
}

LineItem Flow::hyphen_after(const Piece& piece, size_t byte) {
  LineItem item;
  item.word = analyzer_.hyphen(piece, item.use);
  item.last = uint32_t(item.word->clusters().size());
  item.level = piece.level;
  item.down = piece.down;
  const UseScale& s = scale(item.use);
  item.width_q32 = item.word->width_units() * (piece.down ? s.y_q32_from_units : s.x_q32_from_units) + letter_q32_;
  item.byte_begin = item.byte_end = byte;
  return item;
}

bool Flow::hyphenate(const Piece& piece, uint32_t first, int64_t room_q32, uint32_t& last, LineItem& hyphen) {
  if (!hyphenator_ || !piece.letters || (piece.level & 1) || piece.marker) return false;
  const std::string_view text = piece.word->text();
  const auto clusters = piece.word->clusters();
  hyphen = hyphen_after(piece, 0);
  const uint32_t fit = fitting_clusters(piece, first, room_q32 - hyphen.width_q32, false);
  if (fit <= first) return false;
  uint32_t best = 0;
  for (size_t pos = 0; pos < text.size();) {  // each run of letters is a word of its own
    size_t begin = pos, end = pos;
    while (end < text.size()) {
      size_t next = end;
      const char32_t c = next_code_point(text, next);
      if (!is_letter(c) && !is_joined(c)) break;
      end = next;
    }
    if (end == begin) {
      next_code_point(text, pos);
      continue;
    }
    for (size_t divided : hyphenator_->divide(text.substr(begin, end - begin)))
      for (uint32_t i = first + 1; i <= fit && i < clusters.size(); ++i)
        if (clusters[i].byte_begin == begin + divided) best = std::max(best, i);
    pos = end;
  }
  if (best <= first) return false;
  last = best;
  hyphen.byte_begin = hyphen.byte_end = piece.byte_begin + clusters[best].byte_begin;
  return true;
}

// Fills line.items with what fits from `at` on, and moves `at` behind it. Returns false at the end of the text.
bool Flow::make_line(Queue& queue, Cursor& at, int64_t max_q32, FlowLine& line) {
  struct Candidate {
    size_t num_items = 0;
    Cursor at;
    int64_t pen_q32 = 0;
    bool hyphen = false;
  } candidate;
  auto& items = line.items;
  items.clear();
  int64_t pen = 0;
  bool hard = false, soft = false, any = false;
  const int64_t tab_q32 = std::max<int64_t>((style_.tab_spaces > 0 ? style_.tab_spaces : 4) * scale(analyzer_.look(0).use).space_q32, kOne);
  // In a hanging first line the indent is a tab stop.
  int64_t hang_q32 = 0;
  if (line.first_of_paragraph && line.paragraph) hang_q32 = q32(-length(line.paragraph->first_line_indent_px));
  if (line.first_of_paragraph) hang_q32 -= style_.first_line_indent_px << 32;
  const auto take_candidate = [&] {
    if (candidate.num_items == 0) return false;
    items.resize(candidate.num_items);
    at = candidate.at;
    pen = candidate.pen_q32;
    if (candidate.hyphen) {
      LineItem hyphen = hyphen_after(*items.back().piece, items.back().byte_end);
      pen += hyphen.width_q32;
      items.push_back(hyphen);
    }
    return true;
  };
  while (!hard && !soft) {
    Chunk* chunk = queue.get(at.chunk);
    if (!chunk) {
      hard = true;
      line.last_of_paragraph = true;
      break;
    }
    any = true;
    if (at.piece >= chunk->pieces.size()) {
      if (chunk->ends_paragraph || chunk->has_newline) {
        hard = true;
        line.last_of_paragraph = chunk->ends_paragraph;
        if (items.empty()) line.byte_begin = line.byte_end = chunk->byte_end - (chunk->has_newline ? 1 : 0);
      }
      at = {at.chunk + 1, 0, 0};
      continue;
    }
    const Piece& piece = chunk->pieces[at.piece];
    if (piece.break_before && at.cluster == 0 && !items.empty()) {
      const Piece* last = items.back().piece;
      bool hyphen = last && last->soft_hyphen, fits = true;
      if (hyphen) fits = pen + hyphen_after(*last, 0).width_q32 <= max_q32;
      if (fits) candidate = {items.size(), at, pen, hyphen};
    }
    LineItem item;
    item.piece = &piece;
    item.use = piece.use;
    item.level = piece.level;
    item.down = piece.down;
    item.byte_begin = piece.byte_begin;
    item.byte_end = piece.byte_end;
    if (piece.kind != Piece::kWord) {
      if (piece.kind == Piece::kSpaces) {
        item.space_q32 = scale(piece.use).space_q32;
        item.width_q32 = item.space_q32 * int64_t(piece.byte_end - piece.byte_begin);
      } else if (piece.kind == Piece::kTab) {
        item.width_q32 = pen < hang_q32 ? hang_q32 - pen
                                        : (std::max<int64_t>(pen, 0) / tab_q32 + 1) * tab_q32 - std::max<int64_t>(pen, 0);
        item.space_q32 = item.width_q32;
      }
      pen += item.width_q32;
      items.push_back(item);
      ++at.piece;
      if (piece.hard_after) hard = true;
      continue;
    }
    item.word = piece.word;
    const auto num_clusters = uint32_t(piece.word->clusters().size());
    item.first = at.cluster;
    item.last = num_clusters;
    const auto byte_of = [&](uint32_t cluster) {
      return cluster < num_clusters ? piece.byte_begin + piece.word->clusters()[cluster].byte_begin : piece.byte_end;
    };
    item.byte_begin = byte_of(at.cluster);
    item.width_q32 = width_of(piece, item.first, item.last);
    if (pen + item.width_q32 <= max_q32) {
      pen += item.width_q32;
      items.push_back(item);
      ++at.piece;
      at.cluster = 0;
      continue;
    }
    if (piece.marker) {  // stands for one character of the text: never broken, and clipped where it is wider than a line
      if (!items.empty() && take_candidate()) {
        soft = true;
        continue;
      }
      pen += item.width_q32;
      items.push_back(item);
      ++at.piece;
      at.cluster = 0;
      continue;
    }
    if (!piece.anywhere) {
      LineItem hyphen;
      uint32_t last = 0;
      if (style_.hyphenate && hyphenate(piece, at.cluster, max_q32 - pen, last, hyphen)) {
        item.last = last;
        item.byte_end = byte_of(last);
        item.width_q32 = width_of(piece, item.first, item.last);
        items.push_back(item);
        items.push_back(hyphen);
        pen += item.width_q32 + hyphen.width_q32;
        at.cluster = last;
        soft = true;
        continue;
      }
      if (take_candidate()) {
        soft = true;
        continue;
      }
    }
    // Wider than a line: break between clusters. A cluster that is itself wider than the line stands alone on one.
    const uint32_t last = fitting_clusters(piece, at.cluster, max_q32 - pen, items.empty());
    if (last > at.cluster) {
      item.last = last;
      item.byte_end = byte_of(last);
      item.width_q32 = width_of(piece, item.first, item.last);
      items.push_back(item);
      pen += item.width_q32;
    }
    if (last == num_clusters) {
      ++at.piece;
      at.cluster = 0;
    } else {
      at.cluster = last;
      soft = true;
    }
  }
  if (!any) return false;
  end_line(line, hard, max_q32, pen);
  return true;
}

// White space at the line's end: what the line broke at goes, at a paragraph's end what fits of it stays.
void Flow::end_line(FlowLine& line, bool hard, int64_t max_q32, int64_t pen) {
  auto& items = line.items;
  line.hard_break = hard;
  size_t tail = items.size();
  while (tail > 0 && is_white(items[tail - 1])) --tail;
  for (size_t i = tail; i < items.size(); ++i) pen -= items[i].width_q32;
  for (size_t i = tail; i < items.size(); ++i) {
    LineItem& item = items[i];
    int64_t kept = 0;
    const int64_t num = item.piece->kind == Piece::kSpaces ? int64_t(item.byte_end - item.byte_begin) : 1;
    if (hard && item.piece->kind == Piece::kSilent)
      kept = num;
    else if (hard)
      kept = item.space_q32 > 0 ? std::min(num, std::max<int64_t>(max_q32 - pen, 0) / item.space_q32) : num;
    if (kept == num) {
      pen += item.width_q32;
      continue;
    }
    LineItem rest = item;
    rest.dropped = true;
    rest.width_q32 = rest.space_q32 = 0;
    if (kept == 0) {
      items[i] = rest;
    } else {
      item.byte_end = item.byte_begin + size_t(kept);
      item.width_q32 = item.space_q32 * kept;
      pen += item.width_q32;
      rest.byte_begin = item.byte_end;
      items.insert(items.begin() + ptrdiff_t(i) + 1, rest);
    }
    for (size_t k = i + 1; k < items.size(); ++k) {
      items[k].dropped = true;
      items[k].width_q32 = items[k].space_q32 = 0;
    }
    break;
  }
  if (!items.empty()) {
    line.byte_begin = items.front().byte_begin;
    line.byte_end = line.byte_begin;
    for (const LineItem& item : items)
      if (!item.dropped) line.byte_end = std::max(line.byte_end, item.byte_end);
  }
}

// Alignment, justification and visual order: every item's pen.
void Flow::place_items(FlowLine& line, int64_t box_left_q32, int64_t max_q32, const std::string& align, bool last) {
  auto& items = line.items;
  if (align == "right" || align == "center")
    for (size_t i = items.size(); i-- > 0 && is_white(items[i]);)
      if (!items[i].dropped) items[i].dropped = true, items[i].width_q32 = items[i].space_q32 = 0;
  int64_t total = 0;
  for (const LineItem& item : items) total += item.width_q32;
  int64_t slack = std::max<int64_t>(max_q32 - total, 0);
  if (align == "justify" && !last && slack > 0) {
    int64_t num_spaces = 0, num_gaps = 0;
    bool seen_word = false;
    for (const LineItem& item : items) {
      if (item.dropped) continue;
      if (item.piece && item.piece->kind == Piece::kTab) num_spaces = 0, num_gaps = 0;  // what stands before a tab stays
      if (item.piece && item.piece->kind == Piece::kSpaces && seen_word) num_spaces += int64_t(item.byte_end - item.byte_begin);
      if (!item.word) continue;
      seen_word = true;
      size_t pos = 0;
      if (item.piece && is_ideographic(next_code_point(item.word->text(), pos))) num_gaps += item.last - item.first;
    }
    const bool by_spaces = num_spaces > 0;
    const int64_t num = by_spaces ? num_spaces : std::max<int64_t>(num_gaps - 1, 0);
    if (num > 0) {
      const int64_t add = slack / num;
      seen_word = false;
      size_t first = 0;
      for (size_t i = 0; i < items.size(); ++i)
        if (items[i].piece && items[i].piece->kind == Piece::kTab && !items[i].dropped) first = i + 1, seen_word = true;
      int64_t left = num;
      for (size_t i = first; i < items.size(); ++i) {
        LineItem& item = items[i];
        if (item.dropped) continue;
        if (by_spaces && item.piece && item.piece->kind == Piece::kSpaces && seen_word) {
          item.space_q32 += add;
          item.width_q32 += add * int64_t(item.byte_end - item.byte_begin);
        } else if (!by_spaces && item.word && item.piece) {
          size_t pos = 0;
          const int64_t gaps = is_ideographic(next_code_point(item.word->text(), pos)) ? std::min<int64_t>(item.last - item.first, left) : 0;
          if (gaps == int64_t(item.last - item.first)) {
            item.space_q32 = add;
            item.width_q32 += add * gaps;
            left -= gaps;
          }
        }
        seen_word |= item.word != nullptr;
      }
      total = 0;
      for (const LineItem& item : items) total += item.width_q32;
      slack = std::max<int64_t>(max_q32 - total, 0);
    }
  }
  const bool to_left = line.base_level & 1;
  const int64_t offset = align == "right" ? slack : align == "center" ? slack / 2 : 0;
  int64_t pen = to_left ? box_left_q32 + max_q32 - offset - total : box_left_q32 + offset;
  line.start_q32 = pen;
  line.end_q32 = pen + total;

  bool mixed = to_left;
  for (const LineItem& item : items) mixed |= item.level != 0;
  if (!mixed) {
    for (LineItem& item : items) {
      item.x_q32 = pen;
      pen += item.width_q32;
    }
    return;
  }
  // UAX 9: L1 (white space at the end has the paragraph's level), L2 (reversal from the highest level down)
  for (size_t i = items.size(); i-- > 0 && is_white(items[i]);) items[i].level = uint8_t(line.base_level);
  std::vector<uint32_t> order(items.size());
  uint8_t highest = 0, lowest_odd = 255;
  for (size_t i = 0; i < items.size(); ++i) {
    order[i] = uint32_t(i);
    highest = std::max(highest, items[i].level);
    if (items[i].level & 1) lowest_odd = std::min(lowest_odd, items[i].level);
  }
  for (int level = highest; level >= lowest_odd; --level)
    for (size_t i = 0; i < order.size();) {
      if (items[order[i]].level < level) {
        ++i;
        continue;
      }
      size_t end = i;
      while (end < order.size() && items[order[end]].level >= level) ++end;
      std::reverse(order.begin() + ptrdiff_t(i), order.begin() + ptrdiff_t(end));
      i = end;
    }
  for (uint32_t i : order) {
    items[i].x_q32 = pen;
    pen += items[i].width_q32;
  }
}

// The line's pitch, and where in it the baseline is: room for every font on it. A pitch that was asked for in px stays.
void Flow::line_metrics(const FlowLine& line, double& baseline_px, double& pitch_px) {
  const UseScale base = scale(line.items.empty() || !line.items.front().piece ? analyzer_.look(0).use
                                                                              : analyzer_.look(analyzer_.use(line.items.front().use).look).use);
  baseline_px = base.baseline_px;
  pitch_px = base.pitch_px;
  double above = baseline_px, below = pitch_px - baseline_px;
  bool changed = false;
  uint32_t before = UINT32_MAX;
  for (const LineItem& item : line.items) {
    if (item.use == before || (is_white(item) && item.piece->kind == Piece::kSilent)) continue;
    before = item.use;
    const Use& use = analyzer_.use(item.use);
    if (use.face != 0 && (style_.line_pitch_px > 0 || use.font->has_colour())) continue;
    const UseScale& s = scale(item.use);
    if (s.baseline_px > above) above = s.baseline_px, changed = true;
    if (s.pitch_px - s.baseline_px > below) below = s.pitch_px - s.baseline_px, changed = true;
  }
  if (!changed) return;
  baseline_px = above;
  pitch_px = above + below;
}

bool Flow::next_column() {
  if (column_ + 1 >= style_.columns) return false;
  used_before_px_ += double(block_end_px_ - block_begin_px_);
  ++column_;
  base_y_px_ = pitch_px_ = gap_px_ = 0;
  num_equal_ = 0;
  column_empty_ = true;
  return true;
}

// Whether a line of this pitch has a place, if need be in the next column.
bool Flow::make_room(double pitch_px) {
  for (;;) {
    if (column_empty_) gap_px_ = 0;
    const bool equal = pitch_px == pitch_px_ && gap_px_ == 0;
    const double bottom = equal ? base_y_px_ + double(num_equal_ + 1) * pitch_px_ : used_in_column() + gap_px_ + pitch_px;
    if (block_begin_px_ + std::llround(bottom) <= block_end_px_) return true;
    if (!next_column()) return false;
  }
}

void Flow::take_room(FlowLine& line, double baseline_px, double pitch_px) {
  if (pitch_px != pitch_px_ || gap_px_ != 0) {
    base_y_px_ = used_in_column() + gap_px_;
    num_equal_ = 0;
    pitch_px_ = pitch_px;
    gap_px_ = 0;
  }
  line.top_px = block_begin_px_ + std::llround(used_in_column());
  line.baseline_px = line.top_px + std::llround(baseline_px);
  ++num_equal_;
  line.bottom_px = block_begin_px_ + std::llround(used_in_column());
  line.column = column_;
  column_empty_ = false;
}

int64_t Flow::column_left_px() const {
  const int64_t place = style_.direction == "rtl" ? style_.columns - 1 - column_ : column_;
  return inline_begin_px_ + place * (column_px_ + style_.column_gap_px);
}

void Flow::box_of(const ParagraphStyle* paragraph, int base_level, bool first_line, int64_t& left_px, int64_t& right_px) const {
  double start = double(style_.indent_left_px), end = double(style_.indent_right_px);
  if (first_line) start += double(style_.first_line_indent_px);
  if (paragraph) {
    start += length(paragraph->indent_left_px) + (first_line ? length(paragraph->first_line_indent_px) : 0);
    end += length(paragraph->indent_right_px);
  }
  const double room = double(column_px_);
  start = std::clamp(start, -double(inline_begin_px_), room - 1);
  if (room - start - end < std::min(room - start, 2 * font_size_px_)) end = 0;  // narrower than two letters: give it what there is
  if (room - start - end < std::min(room, 2 * font_size_px_)) start = std::max(0.0, room - end - 2 * font_size_px_);
  const int64_t left = column_left_px();
  const auto start_px = std::llround(start), end_px = std::llround(end);
  left_px = left + (base_level & 1 ? end_px : start_px);
  right_px = std::max<int64_t>(left + column_px_ - (base_level & 1 ? start_px : end_px), left_px + 1);
}

// Whether nothing but spaces at the beginning of a last line is left: that is never missed.
bool Flow::only_spaces_left() {
  Cursor at = at_;
  Chunk* chunk = queue_.get(at.chunk);
  if (!chunk) return true;
  if (at.piece != 0 || at.cluster != 0 || chunk->has_newline || !chunk->ends_paragraph) return false;
  for (const Piece& piece : chunk->pieces)
    if (piece.kind != Piece::kSpaces) return false;
  return queue_.get(at.chunk + 1) == nullptr;
}

PageEnd Flow::fill_page(LineSink* sink) {
  PageEnd end;
  alive_.clear();
  column_ = 0;
  base_y_px_ = pitch_px_ = gap_px_ = used_before_px_ = 0;
  num_equal_ = 0;
  column_empty_ = true;
  FlowLine line;
  bool full = false;
  while (Chunk* chunk = queue_.get(at_.chunk)) {
    const bool at_begin = at_.piece == 0 && at_.cluster == 0;
    if (at_begin && chunk->begins_paragraph && !line_is_first_) line_is_first_ = true;
    if (at_begin && chunk->begins_paragraph) {
      if (!column_empty_) gap_px_ += style_.paragraph_space_px + (chunk->paragraph ? length(chunk->paragraph->space_before_px) : 0);
      if (chunk->paragraph && !chunk->paragraph->cell_begin.empty() && chunk->ends_paragraph) {
        if (chunk->paragraph->table != table_) measure_table(at_.chunk);
        table_ = chunk->paragraph->table;
        const double space_after_px = chunk->paragraph->space_after_px;
        if (place_row(*chunk, sink, end)) {
          at_ = {at_.chunk + 1, 0, 0};
          end.byte_end = chunk->byte_end - (chunk->has_newline ? 1 : 0);
          while (queue_.first < at_.chunk && !queue_.chunks.empty()) {
            alive_.push_back(std::move(queue_.chunks.front()));
            queue_.chunks.pop_front();
            ++queue_.first;
          }
          gap_px_ += length(space_after_px);
          continue;
        }
        if (!column_empty_ || end.num_lines > 0) {
          full = true;
          break;
        }
      }
    }
    line.base_level = chunk->base_level;
    line.paragraph = chunk->paragraph;
    line.first_of_paragraph = line_is_first_;
    line.last_of_paragraph = false;
    int64_t left_px = 0, right_px = 0;
    box_of(line.paragraph, line.base_level, line_is_first_, left_px, right_px);
    const Cursor from = at_;
    const int64_t max_q32 = (right_px - left_px) << 32;
    make_line(queue_, at_, max_q32, line);
    double baseline_px = 0, pitch_px = 0;
    line_metrics(line, baseline_px, pitch_px);
    if (!make_room(pitch_px)) {
      at_ = from;
      full = true;
      break;
    }
    take_room(line, baseline_px, pitch_px);
    box_of(line.paragraph, line.base_level, line_is_first_, left_px, right_px);  // of the column it went to
    line.box_left_px = left_px;
    line.box_right_px = right_px;
    const bool own_align = line.paragraph && !line.paragraph->align.empty();
    place_items(line, left_px << 32, max_q32, own_align ? line.paragraph->align : style_.align,
                line.hard_break || (line.paragraph && line.paragraph->keep_spaces));
    if (sink) sink->line(line);
    ++end.num_lines;
    end.byte_end = line.byte_end;
    line_is_first_ = line.hard_break && line.last_of_paragraph;
    if (line_is_first_ && line.paragraph) gap_px_ += length(line.paragraph->space_after_px);
    while (queue_.first < at_.chunk && !queue_.chunks.empty()) {
      alive_.push_back(std::move(queue_.chunks.front()));
      queue_.chunks.pop_front();
      ++queue_.first;
    }
  }
  end.used_px = used_before_px_ + double(std::llround(used_in_column()));
  end.available_px = double(style_.columns) * double(block_end_px_ - block_begin_px_);
  if (full && only_spaces_left()) {
    if (Chunk* chunk = queue_.get(at_.chunk)) {
      std::vector<LineItem> strays;
      for (const Piece& piece : chunk->pieces) {
        LineItem item;
        item.piece = &piece;
        item.use = piece.use;
        item.dropped = true;
        item.byte_begin = piece.byte_begin;
        item.byte_end = piece.byte_end;
        strays.push_back(item);
      }
      if (sink && end.num_lines > 0) sink->strays(strays);
      at_ = {at_.chunk + 1, 0, 0};
    }
    full = false;
  }
  end.complete = !full;
  if (!full) {
    end.byte_end = end.byte_next = text_size_;
    return end;
  }
  const Chunk* chunk = queue_.get(at_.chunk);
  if (!chunk) {
    end.byte_next = text_size_;
  } else if (at_.piece < chunk->pieces.size()) {
    const Piece& piece = chunk->pieces[at_.piece];
    end.byte_next = piece.byte_begin;
    if (at_.cluster > 0) end.byte_next += piece.word->clusters()[at_.cluster].byte_begin;
  } else {
    end.byte_next = chunk->byte_end - (chunk->has_newline ? 1 : 0);
  }
  return end;
}

}  // namespace fovea::render

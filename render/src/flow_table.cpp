// Rows of tables: each cell is laid out in a column of its own width.
#include <algorithm>
#include <cmath>

#include "flow.h"

namespace fovea::render {

namespace {
constexpr double kCellPaddingEm = 0.4;
constexpr size_t kMaxMeasuredRows = 2000;
}  // namespace

// The pieces of each cell as a paragraph of its own.
std::vector<std::shared_ptr<Chunk>> Flow::cells_of(const Chunk& chunk) const {
  const auto& begins = chunk.paragraph->cell_begin;
  std::vector<std::shared_ptr<Chunk>> cells;
  for (size_t i = 0; i < begins.size(); ++i) {
    auto cell = std::make_shared<Chunk>();
    cell->base_level = chunk.base_level;
    cell->paragraph = chunk.paragraph;
    cell->byte_begin = i == 0 ? chunk.byte_begin : std::clamp(begins[i], chunk.byte_begin, chunk.byte_end);
    cell->byte_end = i + 1 < begins.size() ? std::clamp(begins[i + 1], cell->byte_begin, chunk.byte_end) : chunk.byte_end;
    for (const Piece& piece : chunk.pieces)
      if (piece.byte_begin >= cell->byte_begin && piece.byte_begin < cell->byte_end) cell->pieces.push_back(piece);
    if (!cell->pieces.empty()) cell->pieces.front().break_before = false;
    cells.push_back(std::move(cell));
  }
  return cells;
}

// Widths of the columns: as wide as their widest cell where that fits, else between that and their longest word in proportion.
void Flow::measure_table(size_t chunk_number) {
  const Chunk* first = queue_.get(chunk_number);
  const int64_t table = first->paragraph->table;
  std::vector<double> least, most;
  for (size_t row = 0; row < kMaxMeasuredRows; ++row) {
    const Chunk* chunk = queue_.get(chunk_number + row);
    if (!chunk || !chunk->paragraph || chunk->paragraph->table != table) break;
    const auto cells = cells_of(*chunk);
    if (cells.size() > least.size()) least.resize(cells.size()), most.resize(cells.size());
    for (size_t i = 0; i < cells.size(); ++i) {
      double all = 0, word = 0;
      for (const Piece& piece : cells[i]->pieces) {
        if (piece.kind == Piece::kTab) continue;  // between cells
        if (piece.break_before) least[i] = std::max(least[i], word), word = 0;
        const int64_t width = piece.word ? width_of(piece, 0, uint32_t(piece.word->clusters().size()))
                                         : scale(piece.use).space_q32 * int64_t(piece.byte_end - piece.byte_begin);
        all += std::ldexp(double(width), -32);
        if (piece.word) word += std::ldexp(double(width), -32);
      }
      least[i] = std::max(least[i], word);
      most[i] = std::max(most[i], all);
    }
  }
  int64_t left = 0, right = 0;
  box_of(first->paragraph, first->base_level, false, left, right);
  const double padding = 2 * std::ceil(kCellPaddingEm * font_size_px_);
  const double room = std::max(double(right - left) - padding * double(least.size()), double(least.size()));
  double sum_least = 0, sum_most = 0;
  for (size_t i = 0; i < least.size(); ++i) sum_least += least[i], sum_most += most[i];
  table_widths_px_.clear();
  for (size_t i = 0; i < least.size(); ++i) {
    double width = 0;
    if (sum_most <= room)
      width = std::ceil(most[i]) + 1;  // 1: widths are whole px
    else if (sum_least < room && sum_most > sum_least)
      width = std::floor(least[i] + (most[i] - least[i]) * (room - sum_least) / (sum_most - sum_least));
    else
      width = std::floor(room * std::max(least[i], 1.0) / std::max(sum_least, 1.0));
    table_widths_px_.push_back(int64_t(std::max(width, 1.0) + padding));
  }
}

bool Flow::place_row(const Chunk& chunk, LineSink* sink, PageEnd& end) {
  const auto cells = cells_of(chunk);
  if (cells.empty() || cells.size() > table_widths_px_.size()) return false;
  const auto padding = int64_t(std::ceil(kCellPaddingEm * font_size_px_));
  const double pad_y = std::ceil(kCellPaddingEm * font_size_px_ / 2);
  struct PlacedLine {
    FlowLine line;
    double top = 0, baseline = 0, pitch = 0;
    size_t cell = 0;
    int64_t max_q32 = 0;
  };
  struct NoMore : ChunkSource {
    std::shared_ptr<Chunk> next() override { return nullptr; }
  } no_more;
  std::vector<PlacedLine> lines;
  double height = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    Queue queue;
    queue.source = &no_more;
    queue.chunks.push_back(cells[i]);
    Cursor at;
    double y = pad_y;
    const int64_t max_q32 = (std::max<int64_t>(table_widths_px_[i] - 2 * padding, 1)) << 32;
    do {
      PlacedLine placed;
      placed.line.base_level = chunk.base_level;
      placed.line.paragraph = chunk.paragraph;
      placed.line.first_of_paragraph = y == pad_y;
      placed.line.byte_begin = placed.line.byte_end = cells[i]->byte_begin;
      placed.cell = i;
      placed.max_q32 = max_q32;
      if (!make_line(queue, at, max_q32, placed.line)) break;
      line_metrics(placed.line, placed.baseline, placed.pitch);
      placed.top = y;
      y += placed.pitch;
      lines.push_back(std::move(placed));
    } while (at.chunk == 0);
    height = std::max(height, y + pad_y);
  }
  const int64_t num_lines_before = int64_t(end.num_lines);
  if (!make_room(height)) return false;
  FlowLine row;
  take_room(row, 0, height);
  pitch_px_ = -1;  // the next row has its own height
  base_y_px_ += height;
  num_equal_ = 0;

  int64_t left = 0, right = 0;
  box_of(chunk.paragraph, chunk.base_level, false, left, right);
  const bool to_left = chunk.base_level & 1;
  std::vector<int64_t> borders = {to_left ? right : left};
  for (size_t i = 0; i < cells.size(); ++i) borders.push_back(borders.back() + (to_left ? -1 : 1) * table_widths_px_[i]);
  if (sink) sink->table_row(row.top_px, row.bottom_px, borders, *chunk.paragraph, column_);
  for (PlacedLine& placed : lines) {
    FlowLine& line = placed.line;
    line.column = column_;
    line.top_px = row.top_px + std::llround(placed.top);
    line.baseline_px = line.top_px + std::llround(placed.baseline);
    line.bottom_px = row.top_px + std::llround(placed.top + placed.pitch);
    const int64_t cell_left = std::min(borders[placed.cell], borders[placed.cell + 1]) + padding;
    line.box_left_px = cell_left;
    line.box_right_px = cell_left + (placed.max_q32 >> 32);
    const auto& aligns = chunk.paragraph->cell_align;
    place_items(line, cell_left << 32, placed.max_q32, placed.cell < aligns.size() ? aligns[placed.cell] : "left", line.hard_break);
    if (sink) sink->line(line);
    ++end.num_lines;
  }
  if (int64_t(end.num_lines) == num_lines_before) ++end.num_lines;
  return true;
}

}  // namespace fovea::render

// Flow: pieces to lines, lines to columns and pages. Decides what stands where; draws nothing.
//
// Note "Axes": lines run along the inline axis and follow each other along the block axis. In horizontal pages inline is x from the left
// and block is y; in vertical pages inline is y from the top and block runs from the right edge to the left.
// Note "Units": pens are px * 2^32 (q32) from the page's inline edge, sums of whole font units times one factor a font and size, as in
// layout.h: both layouts place the same text on the same pens.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "analyzer.h"
#include "fovea/render/style.h"
#include "hyphenator.h"

namespace fovea::render {

/// Where chunks come from: an Analyzer, or the list of one that is measured again and again.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  virtual std::shared_ptr<Chunk> next() = 0;
};

/// A piece, or some clusters of one, on a line.
struct LineItem {
  const Piece* piece = nullptr;  ///< null: a hyphen that the source does not have
  const ShapedWord* word = nullptr;
  uint32_t use = 0;
  uint32_t first = 0, last = 0;  ///< clusters of the word
  uint8_t level = 0;
  bool dropped = false;          ///< white space that the line broke at
  bool down = false;
  int64_t x_q32 = 0;             ///< inline pen at the item's low end
  int64_t width_q32 = 0;
  int64_t space_q32 = 0;         ///< advance of each space, or what is added after each cluster when a line is justified
  size_t byte_begin = 0, byte_end = 0;
};

struct FlowLine {
  std::vector<LineItem> items;  ///< in source order
  int64_t top_px = 0, baseline_px = 0, bottom_px = 0;  ///< block axis
  int64_t box_left_px = 0, box_right_px = 0;           ///< inline: the column less indents
  int64_t start_q32 = 0, end_q32 = 0;                  ///< inline: lowest and highest pen
  int column = 0;
  int base_level = 0;
  bool hard_break = false;
  bool first_of_paragraph = false, last_of_paragraph = false;
  const ParagraphStyle* paragraph = nullptr;
  size_t byte_begin = 0, byte_end = 0;  ///< of what is drawn: dropped spaces left out
};

class LineSink {
 public:
  virtual ~LineSink() = default;
  virtual void line(const FlowLine& line) = 0;
  /// White space for which there is no line: it goes to the end of the last one.
  virtual void strays(const std::vector<LineItem>&) {}
  /// A table's row: its block extent and the inline borders of its cells.
  virtual void table_row(int64_t, int64_t, const std::vector<int64_t>&, const ParagraphStyle&, int) {}
};

/// What a use measures at the flow's base size.
struct UseScale {
  int64_t size_26_6 = 0;
  int64_t x_q32_from_units = 0, y_q32_from_units = 0;
  double ascent_px = 0, descent_px = 0;  ///< of the font
  double pitch_px = 0, baseline_px = 0;  ///< of a line of it
  int64_t space_q32 = 0;
};

struct PageEnd {
  bool complete = true;       ///< nothing is left
  size_t num_lines = 0;
  size_t byte_end = 0;        ///< of the text: after the last byte drawn
  size_t byte_next = 0;       ///< where the rest begins: after the white space that the page broke at
  double used_px = 0;         ///< block axis, all columns together
  double available_px = 0;
};

class Flow {
 public:
  /// style (resolved), analyzer and source must outlive the flow. text_size: bytes of the text.
  Flow(const Style& style, Analyzer& analyzer, ChunkSource& source, double font_size_px, size_t text_size);

  /// Lays out the next page. sink may be null. Lines' items point into chunks that live until the next call.
  PageEnd fill_page(LineSink* sink);
  const UseScale& scale(uint32_t use);
  /// px of a paragraph's length.
  double length(double value) const { return analyzer_.lengths_in_em() ? value * font_size_px_ : value; }
  /// What could not be done as asked.
  bool hyphenation_missing() const { return hyphenation_missing_; }

 private:
  struct Cursor {
    size_t chunk = 0, piece = 0;
    uint32_t cluster = 0;
  };
  struct Queue {  // chunks that a line may look at
    std::deque<std::shared_ptr<Chunk>> chunks;
    size_t first = 0;  // number of chunks.front()
    ChunkSource* source = nullptr;
    Chunk* get(size_t number);
  };
  bool make_line(Queue& queue, Cursor& at, int64_t max_q32, FlowLine& line);
  void end_line(FlowLine& line, bool hard, int64_t max_q32, int64_t pen_q32);
  void place_items(FlowLine& line, int64_t box_left_q32, int64_t max_q32, const std::string& align, bool last);
  uint32_t fitting_clusters(const Piece& piece, uint32_t first, int64_t room_q32, bool take_one);
  bool hyphenate(const Piece& piece, uint32_t first, int64_t room_q32, uint32_t& last, LineItem& hyphen);
  LineItem hyphen_after(const Piece& piece, size_t byte);
  int64_t width_of(const Piece& piece, uint32_t first, uint32_t last);
  void line_metrics(const FlowLine& line, double& baseline_px, double& pitch_px);
  bool make_room(double pitch_px);
  void take_room(FlowLine& line, double baseline_px, double pitch_px);
  bool next_column();
  bool place_row(const Chunk& chunk, LineSink* sink, PageEnd& end);
  void measure_table(size_t chunk_number);
  std::vector<std::shared_ptr<Chunk>> cells_of(const Chunk& chunk) const;
  bool only_spaces_left();
  double used_in_column() const { return base_y_px_ + double(num_equal_) * pitch_px_; }
  int64_t column_left_px() const;
  void box_of(const ParagraphStyle* paragraph, int base_level, bool first_line, int64_t& left_px, int64_t& right_px) const;

  const Style& style_;
  Analyzer& analyzer_;
  const double font_size_px_;
  const size_t text_size_;
  Queue queue_;
  Cursor at_;
  std::vector<UseScale> scales_;
  std::shared_ptr<const Hyphenator> hyphenator_;
  bool hyphenation_missing_ = false;
  bool vertical_ = false;
  int64_t letter_q32_ = 0, word_q32_ = 0;
  int64_t inline_begin_px_ = 0, column_px_ = 0, block_begin_px_ = 0, block_end_px_ = 0;
  // the column that is being filled
  int column_ = 0;
  double base_y_px_ = 0, pitch_px_ = 0;
  int64_t num_equal_ = 0;
  double gap_px_ = 0;  // asked for above the next line
  bool column_empty_ = true;
  double used_before_px_ = 0;
  // the paragraph
  bool line_is_first_ = true;
  int64_t table_ = -1;
  std::vector<int64_t> table_widths_px_;
  std::vector<std::shared_ptr<Chunk>> alive_;
};

}  // namespace fovea::render

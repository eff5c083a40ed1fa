#include "measure.h"

#include <cmath>

#include "layout.h"
#include "missing.h"
#include "plain.h"

namespace fovea::render {
namespace {

// The layout alone; sums the lines' widths.
struct WidthSink {
  const Geometry& geometry;
  int64_t end_units = 0;
  double sum_px = 0;
  void begin_line(size_t) { end_units = 0; }
  void clusters(const Segment& segment, size_t first, size_t last, int64_t pen_units) {
    int64_t units = segment.word->width_units();
    if (last - first < segment.word->clusters().size()) {
      units = 0;
      for (size_t i = first; i < last; ++i) units += segment.word->clusters()[i].x1_units - segment.word->clusters()[i].x0_units;
    }
    end_units = pen_units + units;
  }
  void spaces(size_t, size_t, int64_t, int64_t) {}
  void dropped_spaces(size_t, size_t, int64_t) {}
  void end_line(size_t, bool) { sum_px += std::ldexp(double(end_units * geometry.px_q32_from_units), -32); }
};

// Gives segments again that were read before, and reads on where they end.
struct Recorder {
  Segmenter& segmenter;
  std::vector<Segment>& segments;
  const Font& font;
  const Style& style;
  size_t at = 0;
  bool next(Segment& segment) {
    if (at == segments.size()) {
      Segment read;
      if (!segmenter.next(read)) return false;
      if (style.strict && read.kind == Segment::kWord && read.word->num_missing())
        for (const ShapedCluster& cluster : read.word->clusters())
          if (cluster.num_missing) throw_missing(font, *read.word, cluster, read.byte_begin, style.fallback);
      segments.push_back(read);
    }
    segment = segments[at++];
    return true;
  }
};

class PlainMeasurer : public Measurer {
 public:
  PlainMeasurer(std::string_view text, const Style& style, std::shared_ptr<Font> font)
      : text_(text), style_(style), font_(std::move(font)), segmenter_(text, *font_, plain_rules(style)) {}

  Measured at(double font_size_px) override {
    if (font_size_px == last_size_px_) return last_;
    const Geometry geometry(style_, *font_, font_size_px);
    Recorder source{segmenter_, segments_, *font_, style_};
    WidthSink sink{geometry};
    const LayoutEnd end = lay_out(source, geometry, font_->space_units(), text_.size(), sink);
    Measured out;
    out.complete = end.complete;
    out.num_bytes_placed = end.num_bytes_placed;
    out.num_lines = size_t(end.num_lines);
    out.fill_ratio = double(geometry.line_top(end.num_lines) - style_.margin_top_px) /
                     double(style_.height_px - style_.margin_top_px - style_.margin_bottom_px);
    out.line_width_px = sink.sum_px;
    last_size_px_ = font_size_px;
    last_ = out;
    return out;
  }
  bool needs_full_layout() const { return segmenter_.needs_full_layout(); }

 private:
  std::string_view text_;
  const Style& style_;
  std::shared_ptr<Font> font_;
  Segmenter segmenter_;
  std::vector<Segment> segments_;
  double last_size_px_ = 0;
  Measured last_;
};

class FullMeasurer : public Measurer {
 public:
  FullMeasurer(std::string_view text, const StyledText* styled, const Style& style, Caches& caches)
      : text_(text), style_(style), analyzer_(text, styled, style, caches.fonts, caches.stacks) {}

  Measured at(double font_size_px) override {
    struct Recording : ChunkSource {
      FullMeasurer& owner;
      size_t at = 0;
      explicit Recording(FullMeasurer& o) : owner(o) {}
      std::shared_ptr<Chunk> next() override {
        if (at == owner.chunks_.size()) {
          auto chunk = owner.analyzer_.next();
          if (!chunk) return nullptr;
          if (owner.style_.strict) owner.refuse_missing(*chunk);
          owner.chunks_.push_back(std::move(chunk));
        }
        return owner.chunks_[at++];
      }
    } source(*this);
    struct Widths : LineSink {
      double sum_px = 0;
      void line(const FlowLine& line) override { sum_px += std::ldexp(double(line.end_q32 - line.start_q32), -32); }
    } widths;
    Flow flow(style_, analyzer_, source, font_size_px, text_.size());
    const PageEnd end = flow.fill_page(&widths);
    Measured out;
    out.complete = end.complete;
    out.num_bytes_placed = end.byte_end;
    out.num_lines = end.num_lines;
    out.fill_ratio = end.available_px > 0 ? end.used_px / end.available_px : 0;
    out.line_width_px = widths.sum_px;
    return out;
  }

 private:
  void refuse_missing(const Chunk& chunk) {
    for (const Piece& piece : chunk.pieces) {
      if (!piece.word || !piece.word->num_missing()) continue;
      for (const ShapedCluster& cluster : piece.word->clusters())
        if (cluster.num_missing) throw_missing(*analyzer_.use(piece.use).font, *piece.word, cluster, piece.byte_begin, style_.fallback);
    }
  }

  std::string_view text_;
  const Style& style_;
  Analyzer analyzer_;
  std::vector<std::shared_ptr<Chunk>> chunks_;
};

}  // namespace

std::unique_ptr<Measurer> make_measurer(std::string_view text, const StyledText* styled, const Style& style, Caches& caches,
                                        double smallest_px) {
  if (!styled && is_plain(style)) {
    auto plain = std::make_unique<PlainMeasurer>(text, style, caches.fonts.get(style.font, smallest_px));
    plain->at(smallest_px);
    if (!plain->needs_full_layout()) return plain;
  }
  return std::make_unique<FullMeasurer>(text, styled, style, caches);
}

}  // namespace fovea::render

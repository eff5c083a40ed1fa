// Composer: lines that have their places to a Page: draw list, boxes of characters, report.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "flow.h"
#include "fovea/render/page.h"
#include "fovea/render/style.h"

namespace fovea::render {

class Composer : public LineSink {
 public:
  /// All must outlive the composer. styled may be null.
  Composer(const Style& style, Analyzer& analyzer, Flow& flow, const StyledText* styled);

  /// Begins a page whose text starts at this byte.
  void begin_page(size_t byte_begin);
  void line(const FlowLine& line) override;
  void strays(const std::vector<LineItem>& items) override;
  void table_row(int64_t top_px, int64_t bottom_px, const std::vector<int64_t>& borders_px, const ParagraphStyle& paragraph,
                 int column) override;
  /// Draws the page. `whole_page`: white space that the page broke at belongs to it (render_pages), and crop = last counts as height
  /// if this is the last one. Errors: RenderError (strict; FreeType).
  Page finish(const PageEnd& end, bool whole_page, std::string_view text);

 private:
  void add_item(const LineItem& item, const FlowLine& line);
  void add_glyphs(const LineItem& item, const FlowLine& line, bool with_chars);
  void add_char(size_t byte, const FlowLine& line, int64_t low_q32, int64_t high_q32, bool to_left);
  void add_rect(double inline0, double block0, double inline1, double block1, uint32_t rgb);
  void count_missing(const LineItem& item);
  uint32_t font_use(uint32_t use, bool rotated);
  int64_t source_of(size_t byte) const;  ///< -1: not in the source
  void crop(Page& page, bool width, bool height);
  int16_t rounded(int64_t q32) const;

  const Style& style_;
  Analyzer& analyzer_;
  Flow& flow_;
  const StyledText* styled_;
  const bool vertical_;
  Page page_;
  std::shared_ptr<DrawList> list_;
  std::vector<uint32_t> font_use_of_;  // by use: index into DrawList::fonts + 1
  size_t byte_begin_ = 0;
  int64_t block_end_px_ = 0;  // lowest line so far
  bool any_color_ = false, colour_font_ = false;
  std::vector<uint8_t> seen_use_;
};

/// Grapheme clusters of the page's text: index of each cluster's first character box.
void find_page_graphemes(Page& page);

}  // namespace fovea::render

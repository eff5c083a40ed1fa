// Markdown through cmark-gfm to styled text.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm.h>

#include "code_colors.h"
#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"
#include "fovea/render/style.h"
#include "fovea/render/styled_text.h"

namespace fovea::render {
namespace {

constexpr uint32_t kNone = StyledText::kNoSource;
constexpr double kCodeScale = 0.92;
// em
constexpr double kListIndent = 1.7, kQuoteIndent = 1.2, kCodeIndent = 0.5, kBlockSpace = 0.5;
constexpr std::array<double, 6> kHeadingScale = {1.7, 1.4, 1.2, 1.08, 1.0, 0.92};

uint32_t mix(uint32_t a, uint32_t b, uint32_t of_255) {
  uint32_t out = 0;
  for (int shift = 0; shift < 24; shift += 8)
    out |= (((a >> shift & 255) * (255 - of_255) + (b >> shift & 255) * of_255 + 127) / 255) << shift;
  return out;
}
std::string hex(uint32_t rgb) {
  static const char kDigits[] = "0123456789abcdef";
  std::string out = "#";
  for (int shift = 20; shift >= 0; shift -= 4) out += kDigits[rgb >> shift & 15];
  return out;
}

// A fixed-width family for code: the text's own if it is one.
std::string code_font(const Style& style) {
  static const std::vector<std::string> families = font_families();
  for (const char* hint : {"Mono", "mono", "Courier", "Code", "Typewriter"})
    if (style.font.find(hint) != std::string::npos) return {};
  for (const char* family : {"DejaVu Sans Mono", "Noto Sans Mono", "Liberation Mono", "Noto Mono"})
    if (std::find(families.begin(), families.end(), family) != families.end()) return family;
  return {};
}

struct FreeNode {
  void operator()(cmark_node* node) const { cmark_node_free(node); }
};
struct FreeParser {
  void operator()(cmark_parser* parser) const { cmark_parser_free(parser); }
};

class Writer {
 public:
  Writer(std::string_view source, const Style& style) : source_(source), code_font_(code_font(style)) {
    const uint32_t paper = page_rgb(style), ink = text_rgb(style);
    const uint32_t luma = (paper >> 16 & 255) * 2 + (paper >> 8 & 255) * 5 + (paper & 255);
    const bool dark = luma < 8 * 128;
    code_paper_ = hex(mix(paper, ink, 18));
    quote_ink_ = hex(mix(ink, paper, 70));
    bar_ = hex(mix(paper, ink, 70));
    link_ = dark ? "#8ab4f8" : "#0b4fa8";
    keyword_ = dark ? "#c792ea" : "#8b1a8b";
    string_ = dark ? "#a5d6a7" : "#1b6e2d";
    comment_ = hex(mix(ink, paper, 110));
    number_ = dark ? "#ffb074" : "#a0440a";
    line_begin_.push_back(0);
    for (size_t i = 0; i < source_.size(); ++i)
      if (source_[i] == '\n' || (source_[i] == '\r' && (i + 1 == source_.size() || source_[i + 1] != '\n')))
        line_begin_.push_back(i + 1);  // as cmark counts lines
    out_.lengths_in_em = true;
    out_.source = std::string(source);
  }

  StyledText write(cmark_node* root) {
    blocks(root, 0, 0, false);
    if (!out_.text.empty() && out_.text.back() == '\n') {
      out_.text.pop_back();
      out_.source_byte.pop_back();
    }
    return std::move(out_);
  }

 private:
  size_t line_byte(int line, int column) const {
    const size_t at = line_begin_[size_t(std::clamp(line, 1, int(line_begin_.size()))) - 1] + size_t(std::max(column, 1) - 1);
    return std::min(at, source_.size());
  }
  void append(std::string_view text, uint32_t source_byte) {  // all of it comes from one place, or (kNone) from nowhere
    out_.text += text;
    out_.source_byte.insert(out_.source_byte.end(), text.size(), source_byte);
  }

  // Text of the source, maybe without the backslashes and entities that it is written with there.
  void append_literal(std::string_view text) {
    if (text.empty()) return;
    const size_t found = source_.find(text, cursor_);
    if (found != std::string_view::npos && found < limit_) {
      for (size_t i = 0; i < text.size(); ++i) out_.source_byte.push_back(uint32_t(found + i));
      out_.text += text;
      cursor_ = found + text.size();
      return;
    }
    for (size_t pos = 0; pos < text.size();) {
      const size_t begin = pos;
      next_code_point(text, pos);
      const std::string_view one = text.substr(begin, pos - begin);
      size_t at = cursor_, skip = one.size();
      while (at < limit_ && source_.substr(at, one.size()) != one) {
        if (source_[at] == '&') {  // an entity stands for what it names
          const size_t end = source_.find(';', at);
          if (end != std::string_view::npos && end - at < 34) {
            skip = end + 1 - at;
            break;
          }
        }
        ++at;
      }
      if (at >= limit_) {
        append(one, kNone);
        continue;
      }
      append(one, uint32_t(at));
      cursor_ = at + skip;
    }
  }

  TextSpan& span(size_t begin) {
    TextSpan made;
    made.byte_begin = begin;
    made.byte_end = out_.text.size();
    out_.spans.push_back(made);
    return out_.spans.back();
  }

  void inlines(cmark_node* parent) {
    for (cmark_node* node = cmark_node_first_child(parent); node; node = cmark_node_next(node)) {
      const size_t begin = out_.text.size();
      const char* literal = cmark_node_get_literal(node);
      const std::string_view text = literal ? literal : "";
      switch (cmark_node_get_type(node)) {
        case CMARK_NODE_TEXT: append_literal(text); break;
        case CMARK_NODE_SOFTBREAK: append_break(" "); break;
        case CMARK_NODE_LINEBREAK: append_break("\u2028"); break;
        case CMARK_NODE_CODE: {
          append_literal(text);
          if (begin == out_.text.size()) break;
          TextSpan& made = span(begin);
          made.font = code_font_;
          made.font_scale = kCodeScale;
          made.background = code_paper_;
          break;
        }
        case CMARK_NODE_HTML_INLINE: {
          append_literal(text);
          if (begin < out_.text.size()) span(begin).color = comment_;
          break;
        }
        case CMARK_NODE_EMPH:
          inlines(node);
          if (begin < out_.text.size()) span(begin).italic = true;
          break;
        case CMARK_NODE_STRONG:
          inlines(node);
          if (begin < out_.text.size()) span(begin).bold = true;
          break;
        case CMARK_NODE_LINK:
          inlines(node);
          skip_target(node);
          if (begin < out_.text.size()) {
            TextSpan& made = span(begin);
            made.color = link_;
            made.underline = true;
          }
          break;
        case CMARK_NODE_IMAGE:
          append("[", kNone);
          inlines(node);
          skip_target(node);
          append("]", kNone);
          span(begin).italic = true;
          break;
        default:
          inlines(node);
          if (std::strcmp(cmark_node_get_type_string(node), "strikethrough") == 0 && begin < out_.text.size()) span(begin).strike = true;
      }
    }
  }
  // Behind a link's text stands where it leads to: "](url "title")" or "][name]".
  void skip_target(cmark_node* node) {
    if (source_.substr(cursor_).starts_with("](")) {
      for (const char* part : {cmark_node_get_url(node), cmark_node_get_title(node)}) {
        const size_t at = part && *part ? source_.find(part, cursor_) : std::string_view::npos;
        if (at != std::string_view::npos && at < limit_) cursor_ = at + std::strlen(part);
      }
      const size_t end = source_.find(')', cursor_);
      if (end != std::string_view::npos && end < limit_) cursor_ = end + 1;
    } else if (source_.substr(cursor_).starts_with("][")) {
      const size_t end = source_.find(']', cursor_ + 1);
      if (end != std::string_view::npos && end < limit_) cursor_ = end + 1;
    }
  }
  void append_break(std::string_view text) {
    const size_t newline = source_.find('\n', cursor_);
    if (newline == std::string_view::npos || newline >= limit_) return append(text, kNone);
    append(text, uint32_t(newline));
    cursor_ = newline + 1;
  }

  struct Place {
    double indent = 0;  // em
    int quotes = 0;
  };

  // Where the source of a block ends: literals are not looked for beyond it.
  void enter(cmark_node* node) {
    cursor_ = std::max(cursor_, line_byte(cmark_node_get_start_line(node), 1));
    const int end_line = cmark_node_get_end_line(node);
    limit_ = end_line < int(line_begin_.size()) ? line_begin_[size_t(std::max(end_line, 1))] : source_.size();
  }

  ParagraphStyle paragraph(double indent, int quotes, size_t begin, double after) {
    ParagraphStyle made;
    made.byte_begin = begin;
    made.byte_end = out_.text.size() + 1;
    made.indent_left_px = indent;
    made.space_after_px = after;
    if (quotes > 0) {
      made.bar_color = bar_;
      made.bar_px = 0.2;
    }
    return made;
  }
  void end_paragraph(ParagraphStyle made, int quotes) {
    if (quotes > 0 && out_.text.size() > made.byte_begin) {
      TextSpan quiet;
      quiet.byte_begin = made.byte_begin;
      quiet.byte_end = out_.text.size();
      quiet.color = quote_ink_;
      out_.spans.insert(out_.spans.begin(), quiet);  // under what its words say of themselves
    }
    append("\n", kNone);
    out_.paragraphs.push_back(std::move(made));
  }

  // The marker of a list item, once, before its first paragraph.
  void put_marker(ParagraphStyle& made) {
    if (marker_.empty()) return;
    made.first_line_indent_px = list_indents_.empty() ? -kListIndent : -list_indents_.back();
    const bool number = marker_source_ != kNone && marker_[0] >= '0' && marker_[0] <= '9';
    for (size_t i = 0; i < marker_.size(); ++i) append(marker_.substr(i, 1), number ? marker_source_ + uint32_t(i) : marker_source_);
    append("\t", kNone);
    marker_.clear();
  }

  void blocks(cmark_node* parent, double indent, int quotes, bool tight) {
    if (++depth_ > 100) throw ConfigError("[markdown] blocks must be nested at most 100 deep");
    for (cmark_node* node = cmark_node_first_child(parent); node; node = cmark_node_next(node)) {
      const double after = tight ? 0.1 : kBlockSpace;
      const char* type = cmark_node_get_type_string(node);
      switch (cmark_node_get_type(node)) {
        case CMARK_NODE_PARAGRAPH: {
          enter(node);
          const size_t begin = out_.text.size();
          ParagraphStyle made;
          put_marker(made);
          const double first = made.first_line_indent_px;
          inlines(node);
          made = paragraph(indent, quotes, begin, after);
          made.first_line_indent_px = first;
          end_paragraph(std::move(made), quotes);
          break;
        }
        case CMARK_NODE_HEADING: {
          enter(node);
          const size_t begin = out_.text.size();
          ParagraphStyle marker;
          put_marker(marker);
          inlines(node);
          const size_t level = size_t(std::clamp(cmark_node_get_heading_level(node), 1, 6)) - 1;
          if (out_.text.size() > begin) {
            TextSpan heading;
            heading.byte_begin = begin;
            heading.byte_end = out_.text.size();
            heading.bold = true;
            heading.font_scale = kHeadingScale[level];
            out_.spans.push_back(heading);
          }
          ParagraphStyle made = paragraph(indent, quotes, begin, 0.35);
          made.first_line_indent_px = marker.first_line_indent_px;
          made.space_before_px = level < 2 ? 0.5 : 0.3;
          made.rule_below = level == 0;
          made.align = "left";
          end_paragraph(std::move(made), quotes);
          break;
        }
        case CMARK_NODE_CODE_BLOCK: {
          enter(node);
          code_block(node, indent, quotes);
          break;
        }
        case CMARK_NODE_HTML_BLOCK: {
          enter(node);
          const char* literal = cmark_node_get_literal(node);
          code_lines(literal ? literal : "", "html", indent, quotes, false);
          break;
        }
        case CMARK_NODE_THEMATIC_BREAK: {
          enter(node);
          ParagraphStyle made = paragraph(indent, quotes, out_.text.size(), kBlockSpace);
          made.rule_below = true;
          append("\u200B", kNone);  // a line of its own
          end_paragraph(std::move(made), 0);
          break;
        }
        case CMARK_NODE_BLOCK_QUOTE: blocks(node, indent + kQuoteIndent, quotes + 1, tight); break;
        case CMARK_NODE_LIST: {
          int number = cmark_node_get_list_start(node);
          const bool ordered = cmark_node_get_list_type(node) == CMARK_ORDERED_LIST, tight_list = cmark_node_get_list_tight(node);
          ++lists_;
          int last_number = number;
          for (cmark_node* item = cmark_node_first_child(node); item; item = cmark_node_next(item)) ++last_number;
          const double list_indent = kListIndent + (ordered ? 0.65 * double(std::to_string(last_number - 1).size() - 1) : 0);
          list_indents_.push_back(list_indent);
          for (cmark_node* item = cmark_node_first_child(node); item; item = cmark_node_next(item), ++number) {
            enter(item);
            static const std::array<const char*, 3> kBullets = {"\u2022", "\u25E6", "\u2023"};
            const size_t at = line_byte(cmark_node_get_start_line(item), cmark_node_get_start_column(item));
            marker_source_ = uint32_t(at);
            const char* end = cmark_node_get_list_delim(node) == CMARK_PAREN_DELIM ? ")" : ".";
            marker_ = ordered ? std::to_string(number) + end : kBullets[size_t(lists_ - 1) % 3];
            if (at >= source_.size()) marker_source_ = kNone;
            if (ordered && (marker_source_ == kNone || source_.substr(at, marker_.size()) != marker_))
              marker_source_ = kNone;
            if (marker_source_ != kNone) cursor_ = std::max(cursor_, at + (ordered ? marker_.size() : 1));
            if (!cmark_node_first_child(item)) {
              ParagraphStyle made = paragraph(indent + list_indent, quotes, out_.text.size(), after);
              put_marker(made);
              end_paragraph(std::move(made), quotes);
            }
            blocks(item, indent + list_indent, quotes, tight_list);
          }
          --lists_;
          list_indents_.pop_back();
          if (tight_list && lists_ == 0 && !out_.paragraphs.empty()) out_.paragraphs.back().space_after_px = kBlockSpace;
          break;
        }
        default:
          if (std::strcmp(type, "table") == 0)
            table(node, indent, quotes);
          else
            blocks(node, indent, quotes, tight);
      }
    }
    --depth_;
  }

  void code_block(cmark_node* node, double indent, int quotes) {
    const char* literal = cmark_node_get_literal(node);
    const char* info = cmark_node_get_fence_info(node);
    std::string language = info ? info : "";
    language = language.substr(0, language.find_first_of(" \t{,"));
    if (info && *info) {  // the fence's own line is not code
      const size_t newline = source_.find('\n', cursor_);
      if (newline != std::string_view::npos) cursor_ = newline + 1;
    }
    code_lines(literal ? literal : "", language, indent, quotes, true);
  }

  void code_lines(std::string_view code, const std::string& language, double indent, int quotes, bool colored) {
    while (!code.empty() && code.back() == '\n') code.remove_suffix(1);
    const auto colors = color_code(code, language);
    const size_t text_begin = out_.text.size();
    std::vector<size_t> text_of(code.size() + 1, 0);  // where each byte of the code stands in the text
    size_t line = 0;
    ParagraphStyle ignored;
    put_marker(ignored);
    const size_t first_begin = out_.text.size();
    for (size_t at = 0; at <= code.size(); ++line) {
      const size_t end = std::min(code.find('\n', at), code.size());
      const size_t begin = line == 0 ? std::min(text_begin, first_begin) : out_.text.size();
      const size_t code_begin = out_.text.size();
      append_literal(code.substr(at, end - at));
      for (size_t i = at; i <= end && i <= code.size(); ++i) text_of[i] = std::min(code_begin + (i - at), out_.text.size());
      const bool last = end >= code.size();
      if (out_.text.size() > begin) {
        TextSpan made;
        made.byte_begin = code_begin;
        made.byte_end = out_.text.size();
        made.font = code_font_;
        made.font_scale = kCodeScale;
        if (made.byte_end > made.byte_begin) out_.spans.push_back(made);
      }
      ParagraphStyle made = paragraph(indent + kCodeIndent, quotes, begin, last ? kBlockSpace : 0);
      if (line == 0) made.first_line_indent_px = ignored.first_line_indent_px;
      made.background = code_paper_;
      made.align = "left";
      made.direction = "ltr";
      made.keep_spaces = true;
      end_paragraph(std::move(made), 0);
      at = end + 1;
      if (last) break;
    }
    if (!colored) return;
    for (const CodeRange& range : colors) {
      TextSpan made;
      made.color = range.token == CodeToken::kKeyword   ? keyword_
                   : range.token == CodeToken::kString  ? string_
                   : range.token == CodeToken::kComment ? comment_
                                                        : number_;
      made.bold = range.token == CodeToken::kKeyword;
      made.byte_begin = text_of[range.byte_begin];
      made.byte_end = text_of[range.byte_end];
      if (made.byte_end > made.byte_begin && made.byte_end <= out_.text.size()) out_.spans.push_back(made);
    }
  }

  void table(cmark_node* node, double indent, int quotes) {
    const uint16_t num_columns = cmark_gfm_extensions_get_table_columns(node);
    const uint8_t* aligns = cmark_gfm_extensions_get_table_alignments(node);
    const int64_t number = num_tables_++;
    bool head = true;
    marker_.clear();
    for (cmark_node* row = cmark_node_first_child(node); row; row = cmark_node_next(row)) {
      enter(row);
      const size_t begin = out_.text.size();
      ParagraphStyle made;
      uint16_t column = 0;
      for (cmark_node* cell = cmark_node_first_child(row); cell && column < num_columns; cell = cmark_node_next(cell), ++column) {
        if (column > 0) append("\t", kNone);
        made.cell_begin.push_back(out_.text.size());
        const char align = aligns ? char(aligns[column]) : 0;
        made.cell_align.push_back(align == 'r' ? "right" : align == 'c' ? "center" : "left");
        const size_t cell_begin = out_.text.size();
        inlines(cell);
        if (head && out_.text.size() > cell_begin) span(cell_begin).bold = true;
      }
      const auto begins = made.cell_begin;
      const auto cell_align = made.cell_align;
      made = paragraph(indent, quotes, begin, cmark_node_next(row) ? 0 : kBlockSpace);
      made.cell_begin = begins;
      made.cell_align = cell_align;
      made.table = number;
      made.table_head = head;
      end_paragraph(std::move(made), 0);
      head = false;
    }
  }

  std::string_view source_;
  StyledText out_;
  std::vector<size_t> line_begin_;
  size_t cursor_ = 0, limit_ = SIZE_MAX;
  std::string code_font_, code_paper_, quote_ink_, bar_, link_, keyword_, string_, comment_, number_;
  std::string marker_;
  uint32_t marker_source_ = kNone;
  std::vector<double> list_indents_;
  int lists_ = 0, depth_ = 0;
  int64_t num_tables_ = 0;
};

}  // namespace

StyledText markdown_to_styled_text(std::string_view markdown, const Style& style) {
  require_utf8(markdown, "markdown text");
  if (markdown.size() >= kNone) throw ConfigError("[markdown] text must have less than 4 GiB, got " + std::to_string(markdown.size()) + " bytes");
  static std::once_flag once;
  std::call_once(once, cmark_gfm_core_extensions_ensure_registered);
  std::unique_ptr<cmark_parser, FreeParser> parser(cmark_parser_new(CMARK_OPT_DEFAULT | CMARK_OPT_STRIKETHROUGH_DOUBLE_TILDE));
  for (const char* name : {"table", "strikethrough"})
    if (cmark_syntax_extension* extension = cmark_find_syntax_extension(name)) cmark_parser_attach_syntax_extension(parser.get(), extension);
  cmark_parser_feed(parser.get(), markdown.data(), markdown.size());
  std::unique_ptr<cmark_node, FreeNode> root(cmark_parser_finish(parser.get()));
  return Writer(markdown, style).write(root.get());
}

}  // namespace fovea::render

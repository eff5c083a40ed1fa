#include "fovea/render/renderer.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "composer.h"
#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "measure.h"
#include "number_text.h"
#include "plain.h"
#include "renderer_state.h"

namespace fovea::render {
namespace {

class AnalyzerSource : public ChunkSource {
 public:
  explicit AnalyzerSource(Analyzer& analyzer) : analyzer_(analyzer) {}
  std::shared_ptr<Chunk> next() override { return analyzer_.next(); }

 private:
  Analyzer& analyzer_;
};

[[noreturn]] void throw_overflow(size_t left_out, size_t size, const Style& style) {
  throw RenderError("[render] overflow: " + std::to_string(left_out) + " of " + std::to_string(size) + " bytes do not fit the " +
                    std::to_string(style.width_px) + " x " + std::to_string(style.height_px) + " px page at font_size_px=" +
                    number_text(style.font_size_px) + "; use a smaller font, or overflow=cut");
}

Page render_full(std::string_view text, const StyledText* styled, const Style& style, Caches& caches) {
  Analyzer analyzer(text, styled, style, caches.fonts, caches.stacks);
  AnalyzerSource source(analyzer);
  Flow flow(style, analyzer, source, style.font_size_px, text.size());
  Composer composer(style, analyzer, flow, styled);
  composer.begin_page(0);
  const PageEnd end = flow.fill_page(&composer);
  if (!end.complete && style.overflow == "fail") throw_overflow(text.size() - end.byte_end, text.size(), style);
  return composer.finish(end, style.crop == "last", text);
}

}  // namespace

void check_text(std::string_view text, const char* where) {
  if (text.size() > std::numeric_limits<uint32_t>::max())
    throw ConfigError(std::string("[") + where + "] text must have less than 4 GiB, got " + std::to_string(text.size()) + " bytes");
  require_utf8(text, std::string(where) + " text");
}

void check_styled(const StyledText& text, const char* where) {
  check_text(text.text, where);
  if (text.has_source() && text.source_byte.size() != text.text.size())
    throw ConfigError(std::string("[") + where + "] source_byte must have one entry a byte of the text or be empty with source, got " +
                      std::to_string(text.source_byte.size()) + " for " + std::to_string(text.text.size()) + " bytes");
  for (uint32_t at : text.source_byte)
    if (at != StyledText::kNoSource && at >= text.source.size())
      throw ConfigError(std::string("[") + where + "] source_byte must lie inside the source of " + std::to_string(text.source.size()) +
                        " bytes, got " + std::to_string(at));
  size_t at = 0;
  for (const ParagraphStyle& paragraph : text.paragraphs) {
    if (paragraph.byte_begin < at || paragraph.byte_end < paragraph.byte_begin)
      throw ConfigError(std::string("[") + where + "] paragraphs must stand in order and not overlap, got bytes " +
                        std::to_string(paragraph.byte_begin) + " to " + std::to_string(paragraph.byte_end));
    at = paragraph.byte_end;
    if (!std::is_sorted(paragraph.cell_begin.begin(), paragraph.cell_begin.end()))
      throw ConfigError(std::string("[") + where + "] cell_begin must rise");
    for (double px : {paragraph.first_line_indent_px, paragraph.indent_left_px, paragraph.indent_right_px, paragraph.space_before_px,
                      paragraph.space_after_px, paragraph.bar_px})
      if (!(std::abs(px) <= 16384)) throw ConfigError(std::string("[") + where + "] lengths of paragraphs must be at most 16384 px");
    for (const std::string* align : {&paragraph.align})
      if (!align->empty() && *align != "left" && *align != "right" && *align != "center" && *align != "justify")
        throw ConfigError(std::string("[") + where + "] align must be left, right, center or justify, got '" + *align + "'");
    if (!paragraph.direction.empty() && paragraph.direction != "auto" && paragraph.direction != "ltr" && paragraph.direction != "rtl")
      throw ConfigError(std::string("[") + where + "] direction of a paragraph must be auto, ltr or rtl, got '" + paragraph.direction + "'");
  }
}

Renderer::Renderer() : state_(std::make_unique<State>()) {}
Renderer::~Renderer() = default;

Page Renderer::render(std::string_view text, const Style& given) const {
  validate(given);
  check_text(text, "render");
  const Style style = resolved(given);
  if (!given.paper.empty() || given.font_size_pt > 0) validate(style);
  if (style.markup == "markdown") {
    const StyledText styled = markdown_to_styled_text(text, style);
    return render_full(styled.text, &styled, style, *state_);
  }
  if (is_plain(style)) {
    const auto font = state_->fonts.get(style.font, style.font_size_px);
    Page page;
    LayoutEnd end;
    if (render_plain(text, 0, style, *font, false, page, end)) {
      if (!end.complete && style.overflow == "fail") throw_overflow(text.size() - end.num_bytes_placed, text.size(), style);
      return page;
    }
  }
  return render_full(text, nullptr, style, *state_);
}

Page Renderer::render(const StyledText& text, const Style& given) const {
  validate(given);
  check_styled(text, "render");
  const Style style = resolved(given);
  if (!given.paper.empty() || given.font_size_pt > 0) validate(style);
  return render_full(text.text, &text, style, *state_);
}

namespace {

void no_line_fits(const Style& style) {
  throw RenderError("[render_pages] not one line fits the " + std::to_string(style.width_px) + " x " + std::to_string(style.height_px) +
                    " px page at font_size_px=" + number_text(style.font_size_px) + "; use a smaller font or smaller margins");
}

void pages_full(std::string_view text, const StyledText* styled, const Style& style, Caches& caches, size_t begin, int64_t page_index,
                const std::function<bool(Page&&)>& take) {
  Analyzer analyzer(text, styled, style, caches.fonts, caches.stacks);
  if (begin > 0) analyzer.seek(begin);
  AnalyzerSource source(analyzer);
  Flow flow(style, analyzer, source, style.font_size_px, text.size());
  Composer composer(style, analyzer, flow, styled);
  size_t at = begin, source_at = begin;
  for (;;) {
    composer.begin_page(styled && styled->has_source() ? source_at : at);
    const PageEnd end = flow.fill_page(&composer);
    if (!end.complete && end.byte_next <= at && end.num_lines == 0) no_line_fits(style);
    Page page = composer.finish(end, true, text);
    page.page_index = page_index++;
    at = end.byte_next;
    source_at += page.text.size();
    if (!take(std::move(page)) || end.complete) return;
  }
}

}  // namespace

void Renderer::render_pages(std::string_view text, const Style& given, const std::function<bool(Page&&)>& take) const {
  validate(given);
  check_text(text, "render_pages");
  const Style style = resolved(given);
  if (!given.paper.empty() || given.font_size_pt > 0) validate(style);
  if (style.overflow == "fail") throw ConfigError("[render_pages] overflow must be cut or continue, got 'fail'");
  if (style.markup == "markdown") {
    const StyledText styled = markdown_to_styled_text(text, style);
    return pages_full(styled.text, &styled, style, *state_, 0, 0, take);
  }
  size_t at = 0;
  int64_t page_index = 0;
  if (is_plain(style)) {
    const auto font = state_->fonts.get(style.font, style.font_size_px);
    for (;;) {
      Page page;
      LayoutEnd end;
      if (!render_plain(text, at, style, *font, true, page, end)) break;
      if (!end.complete && end.num_lines == 0) no_line_fits(style);
      page.page_index = page_index++;
      at = end.byte_next;
      if (!take(std::move(page)) || end.complete) return;
    }
  }
  pages_full(text, nullptr, style, *state_, at, page_index, take);
}

void Renderer::render_pages(const StyledText& text, const Style& given, const std::function<bool(Page&&)>& take) const {
  validate(given);
  check_styled(text, "render_pages");
  const Style style = resolved(given);
  if (!given.paper.empty() || given.font_size_pt > 0) validate(style);
  if (style.overflow == "fail") throw ConfigError("[render_pages] overflow must be cut or continue, got 'fail'");
  pages_full(text.text, &text, style, *state_, 0, 0, take);
}

std::vector<Page> Renderer::render_pages(std::string_view text, const Style& style, size_t max_pages) const {
  std::vector<Page> pages;
  if (max_pages == 0) return pages;
  render_pages(text, style, [&](Page&& page) {
    pages.push_back(std::move(page));
    return pages.size() < max_pages;
  });
  return pages;
}

Page Renderer::render_channels(const std::array<std::string_view, 3>& texts, const Style& given) const {
  validate(given);
  Style style = resolved(given);
  if (style.pixels == "rgb" || style.antialias == "subpixel" || !style.text_color.empty() || !style.page_color.empty() ||
      !style.newline_marker_color.empty())
    throw ConfigError("[render_channels] the style must be gray: no colours, no antialias=subpixel, no pixels=rgb");
  if (style.crop != "none") throw ConfigError("[render_channels] crop must be none, got '" + style.crop + "': the channels share a page");
  style.pixels = "gray";
  style.keep_draw_list = false;
  Page out;
  for (int channel = 0; channel < 3; ++channel) {
    Page page = render(texts[size_t(channel)], style);
    if (channel == 0) {
      out.image = Image::filled(page.image.width_px, page.image.height_px, 3, 0);
      out.report = page.report;
    } else {
      PageReport& sum = out.report;
      const PageReport& more = page.report;
      if (sum.num_missing_glyphs == 0) sum.missing_example = more.missing_example;
      sum.num_missing_glyphs += more.num_missing_glyphs;
      sum.num_control_chars += more.num_control_chars;
      sum.num_bytes_left_out += more.num_bytes_left_out;
      sum.num_fallback_glyphs += more.num_fallback_glyphs;
      sum.num_clipped_glyphs += more.num_clipped_glyphs;
      sum.fill_ratio = std::max(sum.fill_ratio, more.fill_ratio);
      for (const auto& family : more.fallback_families)
        if (std::find(sum.fallback_families.begin(), sum.fallback_families.end(), family) == sum.fallback_families.end())
          sum.fallback_families.push_back(family);
      for (const auto& note : more.notes)
        if (std::find(sum.notes.begin(), sum.notes.end(), note) == sum.notes.end()) sum.notes.push_back(note);
    }
    for (size_t i = 0; i < page.image.pixels.size(); ++i) out.image.pixels[3 * i + size_t(channel)] = page.image.pixels[i];
    const auto byte = uint32_t(out.text.size()), line = uint32_t(out.lines.size()), box = uint32_t(out.chars.size());
    for (CharBox c : page.chars) {
      c.byte_offset += byte;
      c.line += line;
      c.channel = uint8_t(channel);
      out.chars.push_back(c);
    }
    for (PageLine l : page.lines) {
      l.byte_begin += byte;
      l.byte_end += byte;
      l.channel = uint8_t(channel);
      out.lines.push_back(l);
    }
    for (uint32_t begin : page.grapheme_begin) out.grapheme_begin.push_back(begin + box);
    out.decorations.insert(out.decorations.end(), page.decorations.begin(), page.decorations.end());
    out.text += page.text;
  }
  return out;
}

}  // namespace fovea::render

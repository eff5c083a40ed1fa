// Renderer: text and Style in, Page out.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/render/page.h"
#include "fovea/render/style.h"
#include "fovea/render/styled_text.h"

namespace fovea::render {

/// What fit_token_ratio found.
struct TokenFit {
  double font_size_px = 0;     ///< the largest at which the page holds num_text_tokens
  size_t num_text_tokens = 0;  ///< whole tokens on the page: round(ratio * num_vision_tokens), or all there are
  size_t num_bytes = 0;        ///< of the text that they cover: render(text.substr(0, num_bytes)) shows exactly them
  double ratio = 0;            ///< num_text_tokens / num_vision_tokens
};

/// What pack_square found: render(text, style) fills a square page from edge to edge.
struct SquareFit {
  Style style;             ///< width_px = height_px = side, font size and line pitch set
  int64_t side_px = 0;
  int64_t num_lines = 0;
  double fill_ratio = 0;   ///< area of the lines' used widths / area between the margins
};

/// Draws pages. Thread-safe: one Renderer may serve many threads; words and glyphs are shaped and rasterised once and shared.
class Renderer {
 public:
  Renderer();
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  /// One page. Text   UTF-8; '\n' ends a paragraph, lines wrap at spaces (style.line_breaks), a word wider than
  ///        the line is broken between grapheme clusters; other control characters are drawn as .notdef and counted.
  /// Text that does not fit is left out and counted (overflow = cut or continue), or an error (fail).
  /// Errors ConfigError (style, text not UTF-8, unknown font with near names), RenderError (overflow = fail, strict).
  Page render(std::string_view text, const Style& style) const;
  /// The same for spans and paragraphs of different looks; style.markup is not used. Page::text and byte offsets are those of
  /// text.source where there is one (Markdown).
  Page render(const StyledText& text, const Style& style) const;

  /// All pages of a text, one after the other: memory holds one page at a time, work grows linearly with the text. `take` may return
  /// false to stop. Page k + 1 begins where page k ends: every byte is on one page. overflow must not be "fail". Page::byte_begin is the
  /// place of the page's text. Errors: as render; RenderError if not one line fits a page.
  void render_pages(std::string_view text, const Style& style, const std::function<bool(Page&&)>& take) const;
  void render_pages(const StyledText& text, const Style& style, const std::function<bool(Page&&)>& take) const;
  /// The same as a list, of at most max_pages.
  std::vector<Page> render_pages(std::string_view text, const Style& style, size_t max_pages = SIZE_MAX) const;

  /// Three texts on one RGB page, each in a colour channel of its own (0 red, 1 green, 2 blue); chars, lines and texts of all three follow
  /// each other: Page::text is the three texts one after the other, CharBox::channel tells them apart. Style must be gray.
  Page render_channels(const std::array<std::string_view, 3>& texts, const Style& style) const;

  /// The largest font size, a multiple of step_px, at which the whole text fits the style's page, by measuring (no pixels drawn).
  /// style.font_size_px is not used. Errors: as render; RenderError if even min_px does not fit, naming the share that does.
  double fit_font_size(std::string_view text, const Style& style, double min_px = 3, double max_px = 64,
                       double step_px = 0.25) const;
  /// The largest font size, a multiple of step_px, at which the text fits and takes at most fill_ratio (0, 1] of the height between
  /// the margins (all columns together). Errors: as fit_font_size.
  double fit_fill_ratio(std::string_view text, const Style& style, double fill_ratio, double min_px = 3, double max_px = 64,
                        double step_px = 0.25) const;
  /// How much text gives `ratio` text tokens a vision token, and the largest font size at which the page holds it. token_end are the
  /// rising byte offsets in `text` at which each text token ends: the renderer knows no tokenizer. A token that ends inside a character
  /// takes the whole character with it. Errors: as fit_font_size; ConfigError (offsets, ratio).
  TokenFit fit_token_ratio(std::string_view text, const std::vector<size_t>& token_end, double ratio, int64_t num_vision_tokens,
                           const Style& style, double min_px = 3, double max_px = 64, double step_px = 0.25) const;
  /// Running text on a square page that it fills evenly. `max_side_px` is the budget, the side a multiple of stride_px (the encoder's).
  /// With style.font_size_px fixed (keep_font_size) the smallest such square that holds the text is taken, and its line pitch is stretched
  /// so that the last line ends at the bottom margin; without, the square is the largest of the budget and the font size fills it.
  /// Errors: ConfigError; RenderError if the budget is too small for the text.
  SquareFit pack_square(std::string_view text, const Style& style, int64_t max_side_px, int64_t stride_px = 16,
                        bool keep_font_size = false, double min_px = 3, double max_px = 64, double step_px = 0.25) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Family names that fontconfig knows, sorted, each once.
std::vector<std::string> font_families();
/// The file that a family name (its regular face) or path stands for. Errors: ConfigError listing near names.
std::string font_file(const std::string& family_or_path);

}  // namespace fovea::render

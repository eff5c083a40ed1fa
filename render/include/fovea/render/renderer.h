// Renderer: text and Style in, Page out.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/render/page.h"
#include "fovea/render/style.h"

namespace fovea::render {

/// Draws pages. Thread-safe: one Renderer may serve many threads; words and glyphs are shaped and rasterised once and shared.
class Renderer {
 public:
  Renderer();
  ~Renderer();
  Renderer(const Renderer&) = delete;
  Renderer& operator=(const Renderer&) = delete;

  /// Text   UTF-8; '\n' ends a paragraph (one line break, no space between paragraphs), lines wrap at spaces, a word wider than
  ///        the line is broken between characters; other control characters are drawn as .notdef and counted.
  /// Errors ConfigError (style, text not UTF-8, unknown font with near names), RenderError (overflow = fail, strict).
  Page render(std::string_view text, const Style& style) const;

  /// The largest font size, a multiple of step_px, at which the whole text fits the style's page, by measuring (no pixels drawn).
  /// style.font_size_px is not used. Errors: as render; RenderError if even min_px does not fit, naming the share that does.
  double fit_font_size(std::string_view text, const Style& style, double min_px = 3, double max_px = 64,
                       double step_px = 0.25) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Family names that fontconfig knows, sorted, each once.
std::vector<std::string> font_families();
/// The file that a family name (its regular face) or path stands for. Errors: ConfigError listing near names.
std::string font_file(const std::string& family_or_path);

}  // namespace fovea::render

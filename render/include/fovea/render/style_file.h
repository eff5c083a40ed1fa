// Style files: a style, how to find its font size, and degradations, as TOML; and the styles that ship.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/render/degrade.h"
#include "fovea/render/renderer.h"
#include "fovea/render/style.h"

namespace fovea::render {

/// How the font size is found. Nothing of it counts while size is "given".
struct FitConfig {
  std::string size = "given";     ///< given: the style's; largest: the text just fits; fill: fill_ratio of the page; tokens: token_ratio
  double fill_ratio = 1;          ///< fill: share of the height between the margins
  double token_ratio = 10;        ///< tokens: text tokens a vision token; what is too much text is left out
  int64_t num_vision_tokens = 0;  ///< tokens: of the page; 0: one for each 64 x 64 px begun
  double min_px = 3, max_px = 64, step_px = 0.25;

  template <class V> void visit_fields(V& v) {
    v.field("size", size, "font size: as given, the largest that fits, by the share of the page, by text tokens, on a square page filled evenly",
            {.choices = {"given", "largest", "fill", "tokens", "square"}});
    v.field("fill_ratio", fill_ratio, "fill: share of the height between the margins", {.min = 0.01, .max = 1});
    v.field("token_ratio", token_ratio, "tokens: text tokens a vision token", {.min = 0.01, .max = 1000});
    v.field("num_vision_tokens", num_vision_tokens, "tokens: vision tokens of the page; 0: one for each 64 x 64 px begun", {.min = 0, .max = 1000000});
    v.field("min_px", min_px, "smallest size tried", {.min = 1, .max = 2048});
    v.field("max_px", max_px, "largest size tried", {.min = 1, .max = 2048});
    v.field("step_px", step_px, "sizes are multiples of this", {.min = 0.015625, .max = 64});
  }
};

/// What a style file holds: the fields of Style at the top level, [fit] and [degrade] below.
struct StyleSheet {
  Style style;
  FitConfig fit;
  Degradations degrade;

  template <class V> void visit_fields(V& v) {
    style.visit_fields(v);
    v.field("fit", fit, "how the font size is found");
    v.field("degrade", degrade, "what happens to the page after it was drawn");
  }
};

/// A file (a name that ends in .toml or has a folder in it), else a style that ships. Errors: IoError; ConfigError naming file, line and
/// key, or the styles there are.
StyleSheet load_style(const std::string& name_or_path);
/// Names of the styles that ship, sorted, and the TOML of one. They are part of the library: no file is read. Errors: ConfigError.
std::vector<std::string> style_names();
std::string style_text(const std::string& name);

/// The style with the size that sheet.fit finds for the text; text_bytes: how much of the text belongs on the page ("tokens" takes a part).
/// token_end: byte offsets at which each text token ends, for "tokens" only. Errors: ConfigError, RenderError (does not fit).
Style fitted_style(const Renderer& renderer, std::string_view text, const StyleSheet& sheet, const std::vector<size_t>& token_end, size_t& text_bytes);

}  // namespace fovea::render

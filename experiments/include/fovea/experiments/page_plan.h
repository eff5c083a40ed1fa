// Pages planned before any is drawn: which prefix of which passage, in what size of type, on how many vision tokens.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/datasets/text.h"
#include "fovea/experiments/curve_style.h"
#include "fovea/render/renderer.h"
#include "fovea/text/tokenizer.h"

namespace fovea::experiments {

/// Sizes of type that a page may be set in, in px: multiples of the step.
constexpr double kMinFontPx = 3, kMaxFontPx = 64, kFontStepPx = 0.25;

/// A passage with its tokens: prefixes of it fill the pages.
struct Passage {
  std::string text, source;
  text::Encoding tokens;
};

/// The longest prefix of whole words with at most `count` tokens; the first word if that alone has more. Han, kana and Thai characters count as words.
std::string_view prefix_of(const Passage& passage, size_t count);

/// A passage of at least num_tokens tokens, or all that the source has. Place and length do not depend on the exact need, so that other ratios meet
/// the same passages: a few thousand tokens are taken where the source has plenty. White space runs are one space.
Passage make_passage(const std::string& source, const std::string& name, datasets::TextKind kind, size_t num_tokens, uint64_t seed, uint64_t index,
                     const text::Tokenizer& tokenizer);

struct PlannedPage {
  int64_t budget = 0;
  double ratio = 0;
  size_t font = 0;          ///< index into the list of fonts
  int64_t index = 0;        ///< of its passage
  size_t number = 0;        ///< NNN
  std::string_view text;
  double font_size_px = 0;
  size_t num_text_tokens = 0;
  double work = 0;          ///< the reader's own tokens
  std::string key;
};

/// The style of a square page of a curve.
render::Style page_style(const CurveStyle& style, const std::string& font, int64_t side_px, double size_px);

/// Side of a square page of so many vision tokens.
int64_t side_of_budget(int64_t budget, int64_t stride_px);

/// Font sizes of all pages: the largest in which each fits. make_passages(n): all passages if n tokens are needed.
/// Errors: ConfigError "[where] ratio R cannot be reached ..." with the nearest ratio that all pages of the cell reach.
void fit_pages(std::vector<PlannedPage>& plan, const CurveStyle& style, const std::vector<std::string>& fonts,
               const std::function<std::vector<Passage>(size_t num_tokens)>& make_passages, const text::Tokenizer& tokenizer,
               const render::Renderer& renderer, int64_t stride_px, int num_threads, const std::string& where, bool three_texts = false);

/// The page with its reading's errors: substituted and lost characters red, the place before which something was added blue.
Image error_picture(const render::Page& page, std::string_view hypothesis);

}  // namespace fovea::experiments

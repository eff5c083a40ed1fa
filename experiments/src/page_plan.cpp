#include "fovea/experiments/page_plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/three_texts.h"

namespace fovea::experiments {
namespace {

bool is_unspaced(char32_t c) { return (c >= 0x2E80 && c <= 0xFFEF && !(c >= 0xD800 && c <= 0xF8FF)) || c >= 0x20000 || (c >= 0x0E00 && c < 0x0F00); }

// Does a word end before byte `at`? Han, kana and Thai characters count as words.
bool ends_word(const std::string& text, size_t at) {
  if (at == 0) return false;
  if (at == text.size()) return true;
  if (text[at] == ' ' || text[at] == '\n') return text[at - 1] != ' ' && text[at - 1] != '\n';
  if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80 || text[at - 1] == ' ') return false;
  size_t before = at - 1, after = at;
  while ((static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
  return is_unspaced(next_code_point(text, before)) && is_unspaced(next_code_point(text, after));
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

// Text tokens that every page of a cell can hold, at most `count`: by bisection for each passage.
size_t reach_of(const std::vector<Passage>& passages, size_t count, const render::Style& style, const text::Tokenizer& tokenizer,
                const render::Renderer& renderer) {
  size_t reach = count;
  for (const auto& passage : passages) {
    const auto fits = [&](size_t n) {
      try {
        renderer.fit_font_size(prefix_of(passage, n), style, kMinFontPx, kMinFontPx, kFontStepPx);
        return true;
      } catch (const RenderError&) {
        return false;
      }
    };
    if (fits(reach)) continue;
    size_t low = 0, high = reach;
    while (high - low > 1) {
      const size_t middle = low + (high - low) / 2;
      (fits(middle) ? low : high) = middle;
    }
    reach = low == 0 ? 0 : std::min(low, tokenizer.count_tokens(prefix_of(passage, low)));
    if (reach == 0) break;
  }
  return reach;
}

}  // namespace

std::string_view prefix_of(const Passage& passage, size_t count) {
  const auto& ends = passage.tokens.byte_ends;
  for (size_t k = std::min(count, ends.size()); k > 0; --k)
    if (ends_word(passage.text, ends[k - 1])) return std::string_view(passage.text).substr(0, ends[k - 1]);
  return std::string_view(passage.text).substr(0, passage.text.find(' '));
}

Passage make_passage(const std::string& source, const std::string& name, datasets::TextKind kind, size_t num_tokens, uint64_t seed,
                     uint64_t index, const text::Tokenizer& tokenizer) {
  Passage out;
  out.source = name;
  const size_t usual_chars = 5 * std::bit_ceil(std::max<size_t>(num_tokens, 4096));
  size_t min_chars = std::max(num_tokens * 11 / 2 + 64, std::min(usual_chars, source.size() / 4));
  for (int attempt = 0; attempt < 16; ++attempt) {
    const std::string raw = datasets::passage(source, kind, min_chars, seed, index);
    out.text = kind == datasets::TextKind::kCode ? raw : normalize_space(raw);  // the lines of code are a part of it
    out.tokens = tokenizer.encode_with_offsets(out.text, /*match_added_tokens=*/false);
    if (out.tokens.ids.size() >= num_tokens || to_code_points(raw).size() < min_chars) break;  // enough, or all there is
    min_chars += min_chars / 2;
  }
  return out;
}

render::Style page_style(const CurveStyle& look, const std::string& font, int64_t side_px, double size_px) {
  render::Style style = look.style;
  style.width_px = style.height_px = side_px;
  style.font = font;
  style.font_size_px = size_px;
  style.overflow = "fail";
  return style;
}

int64_t side_of_budget(int64_t budget, int64_t stride_px) { return int64_t(std::lround(std::sqrt(double(budget)))) * stride_px; }

void fit_pages(std::vector<PlannedPage>& plan, const CurveStyle& look, const std::vector<std::string>& fonts,
               const std::function<std::vector<Passage>(size_t)>& make_passages, const text::Tokenizer& tokenizer, const render::Renderer& renderer,
               int64_t stride_px, int num_threads, const std::string& where, bool three_texts) {
  std::vector<std::string> failures(plan.size());
  const auto side_of = [&](const PlannedPage& page) { return side_of_budget(page.budget, stride_px); };
  parallel_for(plan.size(), num_threads, [&](size_t i) {
    auto& page = plan[i];
    try {
      const auto style = page_style(look, fonts[page.font], side_of(page), kMaxFontPx);
      page.font_size_px = three_texts ? fit_three_parts(renderer, in_three_parts(std::string(page.text)), style, kMinFontPx, kMaxFontPx, kFontStepPx)
                                      : renderer.fit_font_size(page.text, style, kMinFontPx, kMaxFontPx, kFontStepPx);
    } catch (const RenderError& e) {
      failures[i] = e.what();
    }
  });
  const auto first = std::find_if(failures.begin(), failures.end(), [](const std::string& text) { return !text.empty(); });
  if (first == failures.end()) return;
  const PlannedPage& bad = plan[size_t(first - failures.begin())];
  if (three_texts) throw ConfigError("[" + where + "] ratio " + plain(bad.ratio) + " cannot be reached at budget " + std::to_string(bad.budget) + " with font " + fonts[bad.font] + ", in three channels either: " + *first);
  const auto style = page_style(look, fonts[bad.font], side_of(bad), kMaxFontPx);
  // What is told must hold when it is asked for: a smaller need may move the passages, so it is tried on those.
  size_t reach = size_t(std::llround(bad.ratio * double(bad.budget)));
  for (int attempt = 0; attempt < 8; ++attempt) {
    const size_t found = reach_of(make_passages(reach), reach, style, tokenizer, renderer);
    if (found == reach) break;
    reach = found;
    if (reach == 0) throw ConfigError("[" + where + "] " + *first);
  }
  const double nearest = std::floor(100.0 * double(reach) / double(bad.budget)) / 100;
  throw ConfigError("[" + where + "] ratio " + plain(bad.ratio) + " cannot be reached at budget " + std::to_string(bad.budget) + " with font " + fonts[bad.font] +
                    ": no size of " + plain(kMinFontPx) + " px or more holds " + std::to_string(std::llround(bad.ratio * double(bad.budget))) +
                    " text tokens; the nearest ratio that all its pages reach is " + plain(nearest));
}

}  // namespace fovea::experiments

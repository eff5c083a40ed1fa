// Fitting a text to a page, by measuring.
#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/render/renderer.h"
#include "number_text.h"
#include "renderer_state.h"

namespace fovea::render {
namespace {

// Multiples of step_px from min_px to max_px.
struct Steps {
  int64_t low = 0, high = 0;
  Steps(double min_px, double max_px, double step_px, const std::string& where) {
    if (!(step_px >= 1.0 / 64) || !(min_px >= 1) || !(max_px <= 2048) || !(min_px <= max_px))
      throw ConfigError("[" + where + "] must have 1 <= min_px <= max_px <= 2048 and step_px >= 1/64, got min_px=" + number_text(min_px) +
                        ", max_px=" + number_text(max_px) + ", step_px=" + number_text(step_px));
    constexpr double kSlack = 1e-9;  // 3 / 0.1 is not quite 30
    low = std::llround(std::ceil(min_px / step_px - kSlack));
    high = std::llround(std::floor(max_px / step_px + kSlack));
    if (low > high)
      throw ConfigError("[" + where + "] must have a multiple of step_px=" + number_text(step_px) + " from min_px=" + number_text(min_px) +
                        " to max_px=" + number_text(max_px));
  }
};

[[noreturn]] void throw_too_long(const std::string& where, size_t size, const Style& style, double font_size_px, size_t placed) {
  const double share = double(placed) / double(std::max<size_t>(size, 1));
  throw RenderError("[" + where + "] text of " + std::to_string(size) + " bytes does not fit the " + std::to_string(style.width_px) +
                    " x " + std::to_string(style.height_px) + " px page even at " + number_text(font_size_px) + " px: " +
                    std::to_string(placed) + " bytes (" + number_text(std::floor(share * 1000) / 10) + " %) do");
}


// The largest size at which the text fits and fills no more than max_fill.
double largest_size(std::string_view given_text, const Style& style, double max_fill, double min_px, double max_px, double step_px,
                    const std::string& where, Caches& caches) {
  const Steps steps(min_px, max_px, step_px, where);
  check_text(given_text, where.c_str());
  StyledText styled;
  std::string_view text = given_text;
  const bool markdown = style.markup == "markdown";
  if (markdown) {
    styled = markdown_to_styled_text(given_text, style);
    text = styled.text;
  }
  int64_t low = steps.low, high = steps.high;
  if (caches.fonts.get(style.font)->is_fixed_size()) {
    // A font of bitmaps has the sizes that it has: from the largest down, each with its own glyphs and widths.
    std::map<int64_t, int64_t> step_of_size;
    for (int64_t step = low; step <= high; ++step) {
      const double wanted_px = double(step) * step_px;
      const auto size = caches.fonts.get(style.font, wanted_px)->snap_size_26_6(std::llround(wanted_px * 64));
      const auto [it, added] = step_of_size.try_emplace(size, step);
      // of the steps that mean this size the nearest to it, so that it is what is named
      if (!added && std::abs(double(step) * step_px - double(size) / 64) < std::abs(double(it->second) * step_px - double(size) / 64))
        it->second = step;
    }
    size_t placed = 0;
    for (auto it = step_of_size.rbegin(); it != step_of_size.rend(); ++it) {
      Style sized = style;
      sized.font_size_px = double(it->second) * step_px;
      const Measured measured = make_measurer(text, markdown ? &styled : nullptr, sized, caches, sized.font_size_px)->at(sized.font_size_px);
      if (measured.complete && measured.fill_ratio <= max_fill) return sized.font_size_px;
      placed = measured.num_bytes_placed;
    }
    throw_too_long(where, text.size(), style, double(step_of_size.begin()->first) / 64, placed);
  }
  const auto measurer = make_measurer(text, markdown ? &styled : nullptr, style, caches, double(low) * step_px);
  const auto fits = [&](const Measured& measured) { return measured.complete && measured.fill_ratio <= max_fill; };
  const Measured smallest = measurer->at(double(low) * step_px);
  if (!smallest.complete) throw_too_long(where, text.size(), style, double(low) * step_px, smallest.num_bytes_placed);
  if (!fits(smallest))
    throw RenderError("[" + where + "] fill_ratio=" + number_text(max_fill) + " is passed even at " + number_text(double(low) * step_px) +
                      " px: the text fills " + number_text(smallest.fill_ratio));
  while (low < high) {  // low fits; a larger size never fits more
    const int64_t middle = low + (high - low + 1) / 2;
    if (fits(measurer->at(double(middle) * step_px)))
      low = middle;
    else
      high = middle - 1;
  }
  return double(low) * step_px;
}

Style checked(const Style& given) {
  validate(given);
  const Style style = resolved(given);
  if (!given.paper.empty() || given.font_size_pt > 0) validate(style);
  return style;
}

}  // namespace

double Renderer::fit_font_size(std::string_view text, const Style& given, double min_px, double max_px, double step_px) const {
  return largest_size(text, checked(given), 1e9, min_px, max_px, step_px, "fit_font_size", *state_);
}

double Renderer::fit_fill_ratio(std::string_view text, const Style& given, double fill_ratio, double min_px, double max_px,
                                double step_px) const {
  if (!(fill_ratio > 0 && fill_ratio <= 1))
    throw ConfigError("[fit_fill_ratio] fill_ratio must be in (0, 1], got " + number_text(fill_ratio));
  return largest_size(text, checked(given), fill_ratio, min_px, max_px, step_px, "fit_fill_ratio", *state_);
}

TokenFit Renderer::fit_token_ratio(std::string_view text, const std::vector<size_t>& token_end, double ratio, int64_t num_vision_tokens,
                                   const Style& given, double min_px, double max_px, double step_px) const {
  if (!(ratio > 0) || !(ratio <= 1e6)) throw ConfigError("[fit_token_ratio] ratio must be above 0, got " + number_text(ratio));
  if (num_vision_tokens < 1 || num_vision_tokens > (int64_t(1) << 40))
    throw ConfigError("[fit_token_ratio] num_vision_tokens must be at least 1, got " + std::to_string(num_vision_tokens));
  check_text(text, "fit_token_ratio");
  if (token_end.empty() || !std::is_sorted(token_end.begin(), token_end.end()) || token_end.back() > text.size())
    throw ConfigError("[fit_token_ratio] token_end must be rising byte offsets up to " + std::to_string(text.size()) + ", got " +
                      std::to_string(token_end.size()) + " of them" +
                      (token_end.empty() ? "" : ", the last " + std::to_string(token_end.back())));
  TokenFit fit;
  const double wanted = std::max(std::round(ratio * double(num_vision_tokens)), 1.0);
  fit.num_text_tokens = wanted < double(token_end.size()) ? size_t(wanted) : token_end.size();
  fit.num_bytes = token_end[fit.num_text_tokens - 1];
  while (fit.num_bytes < text.size() && (static_cast<unsigned char>(text[fit.num_bytes]) & 0xC0) == 0x80) ++fit.num_bytes;
  fit.ratio = double(fit.num_text_tokens) / double(num_vision_tokens);
  fit.font_size_px =
      largest_size(text.substr(0, fit.num_bytes), checked(given), 1e9, min_px, max_px, step_px, "fit_token_ratio", *state_);
  return fit;
}

SquareFit Renderer::pack_square(std::string_view text, const Style& given, int64_t max_side_px, int64_t stride_px, bool keep_font_size,
                                double min_px, double max_px, double step_px) const {
  Style style = checked(given);
  if (stride_px < 1 || stride_px > 4096) throw ConfigError("[pack_square] stride_px must be from 1 to 4096, got " + std::to_string(stride_px));
  if (max_side_px < stride_px || max_side_px > 16384)
    throw ConfigError("[pack_square] max_side_px must be from stride_px=" + std::to_string(stride_px) + " to 16384, got " +
                      std::to_string(max_side_px));
  if (style.direction == "vertical") throw ConfigError("[pack_square] direction must not be vertical");
  check_text(text, "pack_square");
  const int64_t num_sides = max_side_px / stride_px;
  const auto square = [&](int64_t n) {
    Style out = style;
    out.width_px = out.height_px = n * stride_px;
    return out;
  };
  StyledText styled;
  std::string_view source = text;
  const bool markdown = style.markup == "markdown";
  const auto measure = [&](const Style& with) {
    if (markdown) {
      styled = markdown_to_styled_text(text, with);
      source = styled.text;
    }
    return make_measurer(source, markdown ? &styled : nullptr, with, *state_, with.font_size_px)->at(with.font_size_px);
  };
  SquareFit fit;
  fit.style = square(num_sides);
  validate(fit.style);
  if (keep_font_size) {
    // the smallest side that leaves room between margins and holds the text
    int64_t low = 1, high = num_sides;
    const auto holds = [&](int64_t n) {
      const Style at = square(n);
      try {
        validate(at);
      } catch (const ConfigError&) {
        return false;
      }
      return measure(at).complete;
    };
    if (!holds(high)) throw_too_long("pack_square", text.size(), fit.style, style.font_size_px, measure(fit.style).num_bytes_placed);
    while (low < high) {
      const int64_t middle = low + (high - low) / 2;
      if (holds(middle))
        high = middle;
      else
        low = middle + 1;
    }
    fit.style = square(high);
  } else {
    fit.style.font_size_px = largest_size(text, fit.style, 1e9, min_px, max_px, step_px, "pack_square", *state_);
  }
  fit.side_px = fit.style.width_px;
  Measured measured = measure(fit.style);
  fit.num_lines = int64_t(measured.num_lines);
  const double avail_px = double(fit.side_px - style.margin_top_px - style.margin_bottom_px);
  // One column of lines alike: the pitch that brings the last line to the bottom margin.
  if (measured.num_lines > 1 && style.columns == 1 && style.paragraph_space_px == 0 && !markdown) {
    Style stretched = fit.style;
    stretched.line_pitch_px = std::floor(avail_px / double(measured.num_lines) * 4096) / 4096;
    if (const Measured again = measure(stretched); again.complete && again.num_lines == measured.num_lines) {
      fit.style = stretched;
      measured = again;
    }
  }
  const double area = double(fit.side_px - style.margin_left_px - style.margin_right_px) * avail_px;
  const double pitch = measured.num_lines ? measured.fill_ratio * avail_px / double(measured.num_lines) : 0;
  fit.fill_ratio = area > 0 ? std::min(measured.line_width_px * pitch / area, 1.0) : 0;
  return fit;
}

}  // namespace fovea::render

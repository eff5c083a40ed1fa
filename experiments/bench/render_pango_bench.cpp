// The renderer beside Pango and Cairo, one core, in one run: 1,024 x 1,024 px gray pages of 1,000 English words, 1,000 distinct pages, the
// same font, size, margins, hinting and antialiasing. Timed: finished gray pages in memory, caches warm; ours with the box of every
// character, Pango's without and, as render_page/pango_with_boxes, with. Not timed: reading texts, starting fonts, finding the size.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <pango/pangocairo.h>

#include "english_pages.h"
#include "fovea/render/renderer.h"

namespace {

using fovea::render::Page;
using fovea::render::Renderer;
using fovea::render::Style;

constexpr size_t kNumPages = 1000, kNumWords = 1000;
constexpr int kSidePx = 1024, kMarginPx = 4;
constexpr const char* kFont = "DejaVu Sans";

const std::vector<std::string>& texts() {
  static const std::vector<std::string> kTexts = fovea::english_pages(kNumPages, kNumWords);
  return kTexts;
}

// The largest size at which all texts fit, less 2 %: Pango breaks lines by hinted widths, and all of its lines must fit as well.
Style style() {
  static const Style kStyle = [] {
    Style style;
    style.width_px = style.height_px = kSidePx;
    style.margin_left_px = style.margin_top_px = style.margin_right_px = style.margin_bottom_px = kMarginPx;
    style.font = kFont;
    style.hinting = "light";
    style.overflow = "fail";
    const Renderer renderer;
    double size_px = 64;
    for (const auto& text : texts()) size_px = std::min(size_px, renderer.fit_font_size(text, style));
    style.font_size_px = std::floor(size_px * 0.98 * 4) / 4;
    return style;
  }();
  return kStyle;
}

// Pango as a program would hold it for many pages: font map, context and layout live on, the page is new each time.
class Pango {
 public:
  explicit Pango(double font_size_px) : map_(pango_cairo_font_map_new()), context_(pango_font_map_create_context(map_)) {
    cairo_font_options_t* options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(context_, options);
    cairo_font_options_destroy(options);
    layout_ = pango_layout_new(context_);
    PangoFontDescription* font = pango_font_description_from_string(kFont);
    pango_font_description_set_absolute_size(font, font_size_px * PANGO_SCALE);
    pango_layout_set_font_description(layout_, font);
    pango_font_description_free(font);
    pango_layout_set_width(layout_, (kSidePx - 2 * kMarginPx) * PANGO_SCALE);
    pango_layout_set_wrap(layout_, PANGO_WRAP_WORD_CHAR);
  }
  ~Pango() {
    g_object_unref(layout_);
    g_object_unref(context_);
    g_object_unref(map_);
  }
  Pango(const Pango&) = delete;
  Pango& operator=(const Pango&) = delete;

  /// Coverage, which is 255 - gray of a black text on white. A surface of coverage alone is Cairo's fastest.
  cairo_surface_t* draw(const std::string& text) {
    cairo_surface_t* page = cairo_image_surface_create(CAIRO_FORMAT_A8, kSidePx, kSidePx);
    cairo_t* cr = cairo_create(page);
    pango_layout_set_text(layout_, text.data(), int(text.size()));
    cairo_move_to(cr, kMarginPx, kMarginPx);
    cairo_set_source_rgba(cr, 0, 0, 0, 1);
    pango_cairo_show_layout(cr, layout_);
    cairo_destroy(cr);
    cairo_surface_flush(page);
    return page;
  }
  int num_lines() const { return pango_layout_get_line_count(layout_); }
  int height_px() const {
    int height = 0;
    pango_layout_get_pixel_size(layout_, nullptr, &height);
    return height;
  }
  size_t read_boxes(std::vector<PangoRectangle>& boxes) const {
    boxes.clear();
    PangoLayoutIter* at = pango_layout_get_iter(layout_);
    do {
      boxes.emplace_back();
      pango_layout_iter_get_char_extents(at, &boxes.back());
    } while (pango_layout_iter_next_char(at));
    pango_layout_iter_free(at);
    return boxes.size();
  }

 private:
  PangoFontMap* map_;
  PangoContext* context_;
  PangoLayout* layout_;
};

double ink(const uint8_t* row, size_t stride, bool is_coverage) {
  double sum = 0;
  for (int y = 0; y < kSidePx; ++y, row += stride)
    for (int x = 0; x < kSidePx; ++x) sum += is_coverage ? row[x] : 255 - row[x];
  return sum;
}

// Both must have drawn the same: all of the text, lines and ink alike. The two may break a line differently here and there, because Pango
// rounds advances to 1/1024 px.
bool same_content(benchmark::State& state, const Renderer& renderer, Pango& pango) {
  double ratio_min = 1e9, ratio_max = 0;
  int64_t lines_apart = 0;
  for (size_t i = 0; i < kNumPages; i += 50) {
    const Page page = renderer.render(texts()[i], style());
    cairo_surface_t* other = pango.draw(texts()[i]);
    const double ratio = ink(cairo_image_surface_get_data(other), size_t(cairo_image_surface_get_stride(other)), true) /
                         ink(page.image.pixels.data(), kSidePx, false);
    cairo_surface_destroy(other);
    ratio_min = std::min(ratio_min, ratio), ratio_max = std::max(ratio_max, ratio);
    lines_apart = std::max<int64_t>(lines_apart, std::llabs(int64_t(page.lines.size()) - pango.num_lines()));
    if (page.text != texts()[i] || pango.height_px() > kSidePx - 2 * kMarginPx) {
      state.SkipWithError("a page does not hold its text");
      return false;
    }
  }
  state.counters["ink_ratio_min"] = ratio_min;
  state.counters["ink_ratio_max"] = ratio_max;
  if (ratio_min < 0.97 || ratio_max > 1.03 || lines_apart > 1) {
    state.SkipWithError("the pages differ in ink or lines");
    return false;
  }
  return true;
}

void render_fovea(benchmark::State& state) {
  const Renderer renderer;
  for (const auto& text : texts()) benchmark::DoNotOptimize(renderer.render(text, style()));
  size_t i = 0, num_boxes = 0;
  for (auto _ : state) {
    const Page page = renderer.render(texts()[i++ % kNumPages], style());
    num_boxes += page.chars.size();
    benchmark::DoNotOptimize(page.image.pixels.data());
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["boxes_per_page"] = benchmark::Counter(double(num_boxes), benchmark::Counter::kAvgIterations);
  state.counters["font_size_px"] = style().font_size_px;
}

void render_pango(benchmark::State& state, bool with_boxes) {
  const Renderer renderer;
  Pango pango(style().font_size_px);
  if (!same_content(state, renderer, pango)) return;
  std::vector<PangoRectangle> boxes;
  size_t i = 0, num_boxes = 0;
  for (auto _ : state) {
    cairo_surface_t* page = pango.draw(texts()[i++ % kNumPages]);
    if (with_boxes) num_boxes += pango.read_boxes(boxes);
    benchmark::DoNotOptimize(cairo_image_surface_get_data(page));
    cairo_surface_destroy(page);
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
  if (with_boxes) state.counters["boxes_per_page"] = benchmark::Counter(double(num_boxes), benchmark::Counter::kAvgIterations);
}

BENCHMARK(render_fovea)->Name("render_page/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(render_pango, plain, false)->Name("render_page/pango")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(render_pango, boxes, true)->Name("render_page/pango_with_boxes")->Unit(benchmark::kMicrosecond);

}  // namespace

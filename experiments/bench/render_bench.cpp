// Renderer benchmarks, one core. Timed: finished pages in memory with glyph map. Not timed: making the texts, font start-up.
#include <cmath>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/render/renderer.h"

namespace {

using fovea::Rng;
using fovea::render::Renderer;
using fovea::render::Style;

constexpr size_t kNumPages = 1000;
constexpr size_t kVocabulary = 6000;

// English-like: letter frequencies and word lengths of English prose, words drawn by Zipf's law, sentences and paragraphs.
std::vector<std::string> make_texts(size_t num_texts, size_t num_chars) {
  Rng rng(17);
  const std::string letters = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddlllluuucccmmmffwwyyggppbbvkxqjz";
  std::vector<std::string> words;
  for (size_t i = 0; i < kVocabulary; ++i) {
    std::string word;
    const size_t length = 1 + std::min<size_t>(1 + size_t(std::log2(double(i + 2)) / 3 + 0.5), 4) + rng.below(5);
    for (size_t n = 0; n < length; ++n) word += letters[rng.below(letters.size())];
    words.push_back(word);
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < num_texts; ++i) {
    std::string text;
    while (text.size() < num_chars) {
      const size_t num_words = 6 + rng.below(18);
      for (size_t n = 0; n < num_words; ++n) {
        std::string word = words[size_t(std::pow(double(kVocabulary), rng.uniform())) - 1];
        if (n == 0) word[0] = char(word[0] - 'a' + 'A');
        text += word;
        text += n + 1 == num_words ? "." : rng.chance(0.08) ? ", " : " ";
      }
      text += rng.chance(0.15) ? "\n" : " ";
    }
    text.resize(num_chars);
    texts.push_back(std::move(text));
  }
  return texts;
}

void render_pages(benchmark::State& state, int64_t side_px, size_t num_chars, const char* font, int64_t phases) {
  const auto texts = make_texts(kNumPages, num_chars);
  const Renderer renderer;
  Style style;
  style.width_px = style.height_px = side_px;
  style.font = font;
  style.overflow = "fail";
  style.subpixel_positions = phases;
  double size_px = 64;
  for (const auto& text : texts) size_px = std::min(size_px, renderer.fit_font_size(text, style));
  style.font_size_px = size_px;
  size_t i = 0, num_boxes = 0;
  for (auto _ : state) {
    auto page = renderer.render(texts[i++ % texts.size()], style);
    num_boxes += page.chars.size();
    benchmark::DoNotOptimize(page.image.pixels.data());
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["chars_per_page"] = benchmark::Counter(double(num_boxes), benchmark::Counter::kAvgIterations);
  state.counters["font_size_px"] = size_px;
}

void fit_font_size_640(benchmark::State& state) {
  const auto texts = make_texts(kNumPages, 3700);
  const Renderer renderer;
  Style style;
  for (const auto& text : texts) renderer.fit_font_size(text, style);
  size_t i = 0;
  for (auto _ : state) benchmark::DoNotOptimize(renderer.fit_font_size(texts[i++ % texts.size()], style));
}

// Chinese running text: 3,000 characters by Zipf's law, a comma or full stop every dozen.
std::vector<std::string> make_chinese_texts(size_t num_texts, size_t num_chars) {
  constexpr char32_t kFirst = 0x4E00;
  constexpr size_t kNumCharacters = 3000;
  Rng rng(19);
  std::vector<std::string> texts;
  for (size_t i = 0; i < num_texts; ++i) {
    std::string text;
    for (size_t n = 0; n < num_chars;) {
      const size_t length = 4 + rng.below(16);
      for (size_t k = 0; k < length && n < num_chars; ++k, ++n)
        fovea::append_utf8(text, kFirst + char32_t(7 * (size_t(std::pow(double(kNumCharacters), rng.uniform())) - 1) % 20000));
      if (n < num_chars) fovea::append_utf8(text, rng.chance(0.3) ? U'\u3002' : U'\uFF0C'), ++n;
      if (n < num_chars && rng.chance(0.05)) text += '\n', ++n;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

double fitting_size(const Renderer& renderer, const std::vector<std::string>& texts, const Style& style) {
  double size_px = 64;
  for (const auto& text : texts) size_px = std::min(size_px, renderer.fit_font_size(text, style));
  return size_px;
}

void run_pages(benchmark::State& state, const Renderer& renderer, const std::vector<std::string>& texts, const Style& style) {
  for (const auto& text : texts) benchmark::DoNotOptimize(renderer.render(text, style).image.pixels.data());  // warm caches
  size_t i = size_t(state.thread_index()) * texts.size() / size_t(state.threads()), num_boxes = 0;
  for (auto _ : state) {
    auto page = renderer.render(texts[i++ % texts.size()], style);
    num_boxes += page.chars.size();
    benchmark::DoNotOptimize(page.image.pixels.data());
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["chars_per_page"] = benchmark::Counter(double(num_boxes), benchmark::Counter::kAvgIterations);
  state.counters["font_size_px"] = style.font_size_px / double(state.threads());
}

struct Job {
  std::vector<std::string> texts;
  Style style;
  Renderer renderer;
};

// 1,000 pages of about 1,000 words and 1,024 px.
Job& english_job() {
  static Job job;
  static const bool made = [] {
    job.texts = make_texts(kNumPages, 6000);
    job.style.width_px = job.style.height_px = 1024;
    job.style.overflow = "fail";
    job.style.font_size_px = fitting_size(job.renderer, job.texts, job.style);
    return true;
  }();
  (void)made;
  return job;
}

Job& chinese_job() {
  static Job job;
  static const bool made = [] {
    job.texts = make_chinese_texts(kNumPages, 2500);
    job.style.width_px = job.style.height_px = 1024;
    job.style.font = "WenQuanYi Micro Hei";
    job.style.language = "zh";
    job.style.overflow = "fail";
    job.style.font_size_px = fitting_size(job.renderer, job.texts, job.style);
    return true;
  }();
  (void)made;
  return job;
}

void render_english(benchmark::State& state) { run_pages(state, english_job().renderer, english_job().texts, english_job().style); }
void render_chinese(benchmark::State& state) { run_pages(state, chinese_job().renderer, chinese_job().texts, chinese_job().style); }

// The same pages through the full layout, which the draw list asks for.
void render_english_full(benchmark::State& state) {
  Style style = english_job().style;
  style.keep_draw_list = true;
  run_pages(state, english_job().renderer, english_job().texts, style);
}

void render_english_columns(benchmark::State& state) {
  Style style = english_job().style;
  style.columns = 2;
  style.align = "justify";
  style.overflow = "cut";
  run_pages(state, english_job().renderer, english_job().texts, style);
}

// Finding the size and drawing the page, against drawing alone (render_page).
void fit_and_render(benchmark::State& state) {
  Job& job = english_job();
  Style style = job.style;
  size_t i = 0;
  for (auto _ : state) {
    const auto& text = job.texts[i++ % job.texts.size()];
    style.font_size_px = job.renderer.fit_font_size(text, style);
    benchmark::DoNotOptimize(job.renderer.render(text, style).image.pixels.data());
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
}

// A text of so many million characters as a stream of pages: the time a character must not grow with the text.
void render_stream(benchmark::State& state) {
  Job& job = english_job();
  Style style = job.style;
  style.overflow = "continue";
  std::string text;
  while (text.size() < size_t(state.range(0)) * 1000000) text += job.texts[text.size() % job.texts.size()] + "\n";
  size_t num_pages = 0;
  for (auto _ : state)
    job.renderer.render_pages(text, style, [&](fovea::render::Page&& page) {
      benchmark::DoNotOptimize(page.image.pixels.data());
      ++num_pages;
      return true;
    });
  state.counters["pages_per_second"] = benchmark::Counter(double(num_pages), benchmark::Counter::kIsRate);
  state.counters["megachars_per_second"] = benchmark::Counter(double(text.size()) * double(state.iterations()) / 1e6, benchmark::Counter::kIsRate);
}

BENCHMARK_CAPTURE(render_pages, mono, 640, 3700, "DejaVu Sans Mono", 1)->Name("render_page_640/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(render_pages, serif, 640, 3700, "DejaVu Serif", 4)
    ->Name("render_page_640/proportional_4_phases")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(render_english)->Name("render_page/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(render_english)->Name("render_page_threads/fovea")->Threads(2)->UseRealTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(render_chinese)->Name("render_page_zh/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(fit_and_render)->Name("fit_and_render_page/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(render_english_full)->Name("render_page_full_layout/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(render_english_columns)->Name("render_page_columns/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(render_stream)->Name("render_stream_megachars/fovea")->Arg(1)->Arg(10)->Unit(benchmark::kMillisecond);
BENCHMARK(fit_font_size_640)->Name("fit_font_size_640")->Unit(benchmark::kMicrosecond);

}  // namespace

// Renderer benchmarks, one core. Timed: finished pages in memory with glyph map. Not timed: making the texts, font start-up.
#include <cmath>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "fovea/base/random.h"
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

BENCHMARK_CAPTURE(render_pages, mono, 640, 3700, "DejaVu Sans Mono", 1)->Name("render_page_640/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(render_pages, serif, 640, 3700, "DejaVu Serif", 4)
    ->Name("render_page_640/proportional_4_phases")
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(render_pages, large, 1024, 6000, "DejaVu Sans Mono", 1)->Name("render_page_1024/fovea")->Unit(benchmark::kMicrosecond);
BENCHMARK(fit_font_size_640)->Name("fit_font_size_640")->Unit(benchmark::kMicrosecond);

}  // namespace

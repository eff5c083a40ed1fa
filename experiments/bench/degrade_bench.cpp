// What each degradation costs on a 1024 x 1024 px gray page of 6,000 characters, one core, map moved along. Timed: degrade() on a
// fresh copy of the page, the copy included (render/degrade:copy is the copy alone). Every benchmark cycles over 1,000 seeds.
#include <string>

#include <benchmark/benchmark.h>

#include "fovea/base/random.h"
#include "fovea/render/degrade.h"
#include "fovea/render/renderer.h"

namespace {

using fovea::render::Degradations;
using fovea::render::Page;

const Page& page() {
  static const Page made = [] {
    fovea::Rng rng(5);
    std::string text;
    while (text.size() < 6000) {
      for (size_t n = 2 + rng.below(8); n > 0; --n) text += char('a' + rng.below(26));
      text += ' ';
    }
    text.resize(6000);
    fovea::render::Style style;
    style.width_px = style.height_px = 1024;
    style.font = "DejaVu Sans";
    const fovea::render::Renderer renderer;
    style.font_size_px = renderer.fit_font_size(text, style);
    return renderer.render(text, style);
  }();
  return made;
}

void run(benchmark::State& state, const Degradations& asked) {
  Degradations config = asked;
  int64_t seed = 0;
  page();
  for (auto _ : state) {
    Page copy = page();
    config.seed = seed++ % 1000;
    degrade(copy, config);
    benchmark::DoNotOptimize(copy.image.pixels.data());
  }
  state.counters["pages_per_second"] = benchmark::Counter(double(state.iterations()), benchmark::Counter::kIsRate);
}

void add(const std::string& name, void (*set)(Degradations&)) {
  Degradations config;
  set(config);
  benchmark::RegisterBenchmark(("degrade_1024/" + name).c_str(), [config](benchmark::State& state) { run(state, config); })->Unit(benchmark::kMicrosecond);
}

const int registered = [] {
  add("copy", [](Degradations&) {});
  add("ink_bleed_px=0.5", [](Degradations& d) { d.ink_bleed_px = 0.5; });
  add("ink_fade=0.5", [](Degradations& d) { d.ink_fade = 0.5; });
  add("skew_degrees=3", [](Degradations& d) { d.skew_degrees = 3; });
  add("perspective=0.1", [](Degradations& d) { d.perspective = 0.1; });
  add("paper_texture=0.5", [](Degradations& d) { d.paper_texture = 0.5; });
  add("shadow=0.5", [](Degradations& d) { d.shadow = 0.5; });
  add("occlusion=0.05", [](Degradations& d) { d.occlusion = 0.05; });
  add("gaussian_blur_px=1", [](Degradations& d) { d.gaussian_blur_px = 1; });
  add("motion_blur_px=5", [](Degradations& d) { d.motion_blur_px = 5, d.motion_blur_degrees = 30; });
  add("downscale=0.5", [](Degradations& d) { d.downscale = 0.5; });
  add("noise=10", [](Degradations& d) { d.noise = 10; });
  add("salt_pepper=0.01", [](Degradations& d) { d.salt_pepper = 0.01; });
  add("jpeg_quality=50", [](Degradations& d) { d.jpeg_quality = 50; });
  add("all", [](Degradations& d) {
    d.ink_bleed_px = 0.5, d.ink_fade = 0.3, d.skew_degrees = 3, d.perspective = 0.05, d.paper_texture = 0.4, d.shadow = 0.4, d.occlusion = 0.02;
    d.gaussian_blur_px = 0.6, d.motion_blur_px = 2, d.downscale = 0.8, d.noise = 6, d.salt_pepper = 0.001, d.jpeg_quality = 50;
  });
  return 0;
}();

}  // namespace

// Score and tokenizer speed. Not timed: loading the tokenizer, making the texts.
// FOVEA_DEEPSEEK_TOKENIZER_JSON (environment) names DeepSeek's tokenizer.json; else the reader's own is measured.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score.h"
#include "fovea/text/tokenizer.h"

namespace {

using namespace fovea;

std::string sample_text() { return read_file(FOVEA_SOURCE_DIR "/datasets/samples/en_the_man_who_was_thursday.txt"); }

// Two pages of 6,000 characters, 5 % of them wrong: substituted, dropped or doubled.
std::pair<std::u32string, std::u32string> page_pair() {
  const std::u32string ref = to_code_points(experiments::normalize_space(sample_text())).substr(0, 6000);
  std::u32string hyp;
  Rng rng(1);
  for (char32_t c : ref) {
    const bool wrong = rng.chance(0.05);
    const uint64_t kind = rng.below(3);
    if (!wrong || kind == 2) hyp += c;
    if (wrong && kind > 0) hyp += char32_t('a' + rng.below(26));
  }
  return {ref, hyp};
}

void edit_script_6000(benchmark::State& state) {
  const auto [ref, hyp] = page_pair();
  std::vector<experiments::EditRun> script;
  size_t distance = 0;
  for (auto _ : state) benchmark::DoNotOptimize(distance = experiments::edit_script(ref, hyp, script));
  state.counters["edits"] = double(distance);
}
BENCHMARK(edit_script_6000)->Name("edit_script_6000/fovea")->Unit(benchmark::kMicrosecond);

void edit_distance_6000(benchmark::State& state) {
  const auto [ref, hyp] = page_pair();
  for (auto _ : state) benchmark::DoNotOptimize(experiments::edit_distance(ref, hyp));
}
BENCHMARK(edit_distance_6000)->Name("edit_distance_6000/fovea")->Unit(benchmark::kMicrosecond);

void score_text_6000(benchmark::State& state) {
  const auto [ref, hyp] = page_pair();
  const std::string ref_utf8 = to_utf8(ref), hyp_utf8 = to_utf8(hyp);
  for (auto _ : state) benchmark::DoNotOptimize(experiments::score_text(ref_utf8, hyp_utf8));
}
BENCHMARK(score_text_6000)->Name("score_text_6000/fovea")->Unit(benchmark::kMicrosecond);

void tokenizer_encode(benchmark::State& state) {
  const char* path = std::getenv("FOVEA_DEEPSEEK_TOKENIZER_JSON");
  const auto tokenizer = path ? text::Tokenizer::deepseek(path)
                              : text::Tokenizer::from_file(FOVEA_SOURCE_DIR "/models/reader-tiny/tokenizer.json");
  std::string text;
  if (const char* file = std::getenv("FOVEA_BENCH_TEXT")) text = read_file(file);
  else text = sample_text();
  size_t count = 0;
  for (auto _ : state) benchmark::DoNotOptimize(count = tokenizer.encode(text).size());
  state.counters["tokens"] = double(count);
  state.counters["MB_per_s"] = benchmark::Counter(double(text.size()) * double(state.iterations()) / 1e6, benchmark::Counter::kIsRate);
  state.SetLabel(path ? "deepseek" : "reader-tiny");
}
BENCHMARK(tokenizer_encode)->Name("tokenizer_encode/fovea")->Unit(benchmark::kMillisecond);

}  // namespace

#include "run.h"

#include <algorithm>
#include <cmath>

#include "fovea/decoder/ngram_guard.h"

namespace fovea::decoder {

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEnd: return "end";
    case StopReason::kLength: return "length";
    case StopReason::kLoop: return "loop";
  }
  return "end";
}

int64_t find_loop(const std::vector<int32_t>& ids, int64_t min_repeats, int64_t max_period, int64_t min_tokens) {
  if (min_repeats < 2) return 0;
  const int64_t n = int64_t(ids.size());
  for (int64_t period = 1; period <= max_period; ++period) {
    const int64_t tail = std::max(min_repeats * period, min_tokens);
    if (tail > n) continue;
    int64_t same = 0;
    while (same < tail - period && ids[n - 1 - same] == ids[n - 1 - same - period]) ++same;
    if (same == tail - period) return period;
  }
  return 0;
}

int64_t sample_row(const float* p, int64_t vocab, double top_p, Rng& rng) {
  std::vector<int64_t> order(vocab);
  for (int64_t i = 0; i < vocab; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  double kept = 0;
  int64_t count = 0;
  while (count < vocab && (count == 0 || kept < top_p)) kept += p[order[count++]];
  double at = rng.uniform() * kept;
  for (int64_t i = 0; i < count; ++i)
    if ((at -= p[order[i]]) < 0) return order[i];
  return order[count - 1];
}

float entropy_of(const float* p, int64_t vocab) {
  double sum = 0;
  for (int64_t i = 0; i < vocab; ++i)
    if (p[i] > 0) sum -= double(p[i]) * std::log(double(p[i]));
  return float(sum);
}

std::vector<int32_t> banned_next(const Run& run) {
  const GenerateConfig& config = run.request.config;
  std::vector<int32_t> out;
  if (config.ngram_size > 0 && config.ngram_window > 0) {
    out = banned_by_ngrams(run.result.ids, config.ngram_size, config.ngram_window, config.ngram_exempt);
  } else if (config.ngram_size > 0) {
    std::vector<int32_t> all = run.request.prompt_ids;
    all.insert(all.end(), run.result.ids.begin(), run.result.ids.end());
    out = banned_by_ngrams(all, config.ngram_size, 0, config.ngram_exempt);
  }
  for (const auto& [place, id] : run.loop_bans)
    if (place == run.result.ids.size()) out.push_back(id);
  return out;
}

bool take(Run& run, int64_t id, float probability, float entropy, int64_t eos) {
  Generated& result = run.result;
  const GenerateConfig& config = run.request.config;
  if (id == eos) return true;
  run.next = id;
  result.ids.push_back(int32_t(id));
  result.probabilities.push_back(probability);
  result.entropies.push_back(entropy);
  const int64_t period = find_loop(result.ids, config.loop_min_repeats, config.loop_max_period, config.loop_min_tokens);
  if (period > 0) {
    const size_t written = result.ids.size();
    // Back to the first copy of the block.
    size_t end = written;
    while (end > size_t(2 * period) && result.ids[end - 1] == result.ids[end - 1 - size_t(period)]) --end;
    result.ids.resize(std::max<size_t>(end, size_t(period)));
    result.probabilities.resize(result.ids.size());
    result.entropies.resize(result.ids.size());
    if (result.loops_left < config.loop_retries) {
      ++result.loops_left;
      const size_t left = result.ids.size();
      std::erase_if(run.loop_bans, [&](const auto& ban) { return ban.first > left; });
      run.loop_bans.emplace_back(left, result.ids[left - size_t(period)]);
      run.next = result.ids.back();
      return false;
    }
    result.reason = StopReason::kLoop;
    result.loop_period = period;
    result.loop_begin = int64_t(result.ids.size()) - period;
    result.loop_repeats = (int64_t(written) - result.loop_begin) / period;
    return true;
  }
  if (int64_t(result.ids.size()) == run.limit) {
    result.reason = StopReason::kLength;
    return true;
  }
  return false;
}

}  // namespace fovea::decoder

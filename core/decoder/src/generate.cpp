#include "fovea/decoder/generate.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/random.h"

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

namespace {

// One id a row of probabilities [B, V] (float32, CPU), nucleus sampling.
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

}  // namespace

std::vector<Generated> generate(DecoderImpl& decoder, const at::Tensor& prompts, const GenerateConfig& config,
                                const std::function<void(size_t, const Generated&)>& on_done,
                                const std::function<void(size_t)>& on_step) {
  torch::NoGradGuard no_grad;
  const int64_t batch = prompts.size(0), prompt_length = prompts.size(1);
  const int64_t room = decoder.config.max_position_embeddings - prompt_length;
  if (room < 1)
    throw ShapeError("[generate] a prompt of " + std::to_string(prompt_length) + " positions leaves none of the decoder's " +
                     std::to_string(decoder.config.max_position_embeddings));
  const int64_t limit = std::min(config.max_new_tokens, room);
  std::vector<Generated> results(batch);
  std::vector<Rng> streams;
  for (int64_t i = 0; i < batch; ++i) streams.emplace_back(uint64_t(config.seed), 77, uint64_t(i));
  std::vector<int64_t> active(batch);
  for (int64_t i = 0; i < batch; ++i) active[i] = i;

  KvCache cache(decoder.config, batch, prompt_length + limit, prompts.device(), prompts.scalar_type());
  auto hidden = decoder.forward(prompts, &cache).select(1, prompt_length - 1);  // [B, D]
  for (int64_t step = 0; step < limit && !active.empty(); ++step) {
    const auto probabilities = at::softmax(decoder.logits(hidden).to(at::kFloat) / (config.temperature > 0 ? config.temperature : 1.0), -1);
    at::Tensor ids, chosen;
    if (config.temperature > 0) {
      const auto host = probabilities.to(at::kCPU).contiguous();
      ids = at::empty({host.size(0)}, at::kLong);
      for (int64_t row = 0; row < host.size(0); ++row)
        ids.data_ptr<int64_t>()[row] = sample_row(host.data_ptr<float>() + row * host.size(1), host.size(1), config.top_p, streams[active[row]]);
      chosen = host.gather(1, ids.unsqueeze(1)).squeeze(1);
    } else {
      auto [best, index] = probabilities.max(-1);
      ids = index.to(at::kCPU);
      chosen = best.to(at::kCPU);
    }
    std::vector<int64_t> kept_rows, still_active;
    for (size_t row = 0; row < active.size(); ++row) {
      Generated& result = results[active[row]];
      const int64_t id = ids.data_ptr<int64_t>()[row];
      bool done = id == decoder.config.eos_token_id;
      if (!done) {
        result.ids.push_back(int32_t(id));
        result.probabilities.push_back(chosen.data_ptr<float>()[row]);
        const int64_t period = find_loop(result.ids, config.loop_min_repeats, config.loop_max_period, config.loop_min_tokens);
        if (period > 0) {
          result.reason = StopReason::kLoop;
          result.loop_period = period;
          // Back to the first copy of the block.
          size_t end = result.ids.size();
          while (end > size_t(2 * period) && result.ids[end - 1] == result.ids[end - 1 - size_t(period)]) --end;
          result.ids.resize(std::max<size_t>(end, size_t(period)));
          result.probabilities.resize(result.ids.size());
          done = true;
        } else if (step + 1 == limit) {
          result.reason = StopReason::kLength;
          done = true;
        }
      }
      if (done) {
        if (on_done) on_done(size_t(active[row]), result);
      } else {
        kept_rows.push_back(int64_t(row));
        still_active.push_back(active[row]);
      }
    }
    if (on_step) on_step(active.size());
    if (still_active.empty()) break;
    if (kept_rows.size() < active.size()) {
      const auto rows = at::tensor(kept_rows, at::kLong);
      ids = ids.index_select(0, rows);
      cache.keep(rows.to(prompts.device()));
      active = std::move(still_active);
    }
    const auto inputs = decoder.embed(ids.to(prompts.device()).unsqueeze(1)).to(prompts.scalar_type());  // [B, 1, D]
    hidden = decoder.forward(inputs, &cache).select(1, 0);
  }
  return results;
}

}  // namespace fovea::decoder

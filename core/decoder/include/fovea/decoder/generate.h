// Text out of a prompt of vectors: batched, greedy or sampled, with a loop detector.
#pragma once
#include <functional>

#include "fovea/decoder/decoder.h"

namespace fovea::decoder {

struct GenerateConfig {
  int64_t max_new_tokens = 8192;      ///< also bounded by the decoder's positions
  double temperature = 0;             ///< 0 greedy
  double top_p = 1;                   ///< nucleus, with temperature > 0
  int64_t seed = 0;
  int64_t loop_min_repeats = 8;       ///< stop a sequence whose tail repeats one block at least this often; 0 never
  int64_t loop_max_period = 32;       ///< longest block looked for, in tokens
  int64_t loop_min_tokens = 48;       ///< and the repeated tail must be at least this long
  int64_t loop_retries = 32;          ///< so often a loop does not end the text: its copies are taken back, and from the first one another id than theirs is written; 0: it ends
  int64_t ngram_size = 0;             ///< an n-gram of this length is not written twice; 0: no ban
  int64_t ngram_window = 0;           ///< unless it began more than so many ids ago; 0: ever, the prompt included
  std::vector<int64_t> ngram_exempt = {};  ///< ids that are never banned

  template <class V> void visit_fields(V& v) {
    v.field("max_new_tokens", max_new_tokens, "most text tokens a page", {.min = 1});
    v.field("temperature", temperature, "0 greedy, above it sampling", {.min = 0, .max = 100});
    v.field("top_p", top_p, "nucleus of the sampling", {.min = 0, .max = 1});
    v.field("seed", seed, "seed of the sampling");
    v.field("loop_min_repeats", loop_min_repeats, "repeats of one block that count as a loop, 0 never", {.min = 0});
    v.field("loop_max_period", loop_max_period, "longest block of a loop in tokens", {.min = 1});
    v.field("loop_min_tokens", loop_min_tokens, "shortest tail that counts as a loop in tokens", {.min = 1});
    v.field("loop_retries", loop_retries, "loops a text that are taken back and left by another token instead of ending it", {.min = 0});
    v.field("ngram_size", ngram_size, "an n-gram of this length is not written twice, 0 no ban", {.min = 0});
    v.field("ngram_window", ngram_window, "unless it began more than so many tokens ago, 0 ever", {.min = 0});
    v.field("ngram_exempt", ngram_exempt, "token ids that are never banned", {.min = 0});
  }
};

enum class StopReason { kEnd, kLength, kLoop };
const char* stop_reason_name(StopReason reason);  ///< end | length | loop

struct Generated {
  std::vector<int32_t> ids;            ///< without the end id; a loop is cut to one copy of its block
  std::vector<float> probabilities;    ///< of each id
  std::vector<float> entropies;        ///< of what each id was chosen from, in nats
  StopReason reason = StopReason::kEnd;
  int64_t loop_period = 0;             ///< of a kLoop stop, in tokens
  int64_t loop_begin = 0;              ///< and where in ids its block stands
  int64_t loop_repeats = 0;            ///< and how often it had been written, the first time included
  int64_t loops_left = 0;              ///< loops that were taken back (GenerateConfig::loop_retries)
};

/// Continues each prompt. prompts [B, T, I] (vision tokens with the begin token's embedding at the end, say).
/// on_done(index, result) is called as soon as a sequence is finished, in order of finishing; on_step(num_tokens) after each step with the
/// tokens since the last call; on_ids(index, ids) now and then with all that a sequence has so far, for those who show it growing. All run on the
/// calling thread, and what they throw ends the generation. An Engine (engine.h) of this call alone does the work; for prompts of different lengths, and
/// more of them while others are being written, use one of your own.
/// With loop_retries a text that on_ids has shown can become shorter.
/// prompt_ids: the prompt's ids (of every sequence alike), for a ban on n-grams without a window; vision tokens stand there with an id of their own.
/// Errors: ShapeError if the prompt leaves no position.
std::vector<Generated> generate(DecoderImpl& decoder, const at::Tensor& prompts, const GenerateConfig& config,
                                const std::function<void(size_t, const Generated&)>& on_done = {},
                                const std::function<void(size_t)>& on_step = {}, const std::vector<int32_t>& prompt_ids = {},
                                const std::function<void(size_t, const std::vector<int32_t>&)>& on_ids = {});

/// Period of the block that the tail of ids repeats (at least min_repeats times and min_tokens tokens), 0 if none.
int64_t find_loop(const std::vector<int32_t>& ids, int64_t min_repeats, int64_t max_period, int64_t min_tokens);

}  // namespace fovea::decoder

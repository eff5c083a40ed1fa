// Many texts at once: requests come and go while others are being written. Keys and values lie in pages of a fixed pool, so that prompts
// may have any lengths and a finished text makes room at once.
// A sequence's result does not depend on what is decoded beside it (up to the rounding of products of more or fewer rows).
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "fovea/decoder/generate.h"

namespace fovea::decoder {

struct EngineConfig {
  int64_t max_batch = 256;            ///< sequences decoded together
  int64_t cache_positions = 0;        ///< positions that the pages hold; 0: what max_batch can need, as far as a part of the free memory goes
  int64_t block = 32;                 ///< positions of a page
  int64_t prefill_positions = 16384;  ///< prompts taken in between two steps, in positions; always at least one
  bool graphs = true;                 ///< on a GPU: play a step as one recorded launch

  template <class V> void visit_fields(V& v) {
    v.field("max_batch", max_batch, "sequences decoded together", {.min = 1, .max = 65536});
    v.field("cache_positions", cache_positions, "positions that the key-value cache holds, 0 as memory allows", {.min = 0});
    v.field("block", block, "positions of a page of the cache", {.min = 1, .max = 256});
    v.field("prefill_positions", prefill_positions, "positions of prompts taken in between two steps", {.min = 1});
    v.field("graphs", graphs, "play a step on a GPU as one recorded launch");
  }
};

/// A text to write.
struct Request {
  at::Tensor prompt;                ///< [T, I] (decoder.h), on the decoder's device and in its type
  std::vector<int32_t> prompt_ids;  ///< for a ban on n-grams without a window; may be empty
  GenerateConfig config;
  uint64_t stream = 0;              ///< of random numbers, beside config.seed
  std::function<void(const Generated&)> on_done;
  std::function<void(const std::vector<int32_t>&)> on_ids;  ///< now and then, all that is written so far
};

struct Occupancy {
  int64_t running = 0, waiting = 0;            ///< requests
  int64_t blocks_total = 0, blocks_free = 0;   ///< pages
  int64_t block = 0;                           ///< positions of a page
  int64_t cache_bytes = 0;                     ///< of all pages
  int64_t evictions = 0;                       ///< times a sequence had to give its pages to others and was read again later
  std::string path;                            ///< int8 threads | pages | pages, recorded steps
};

class Engine {
 public:
  /// The decoder must outlive the engine. On a GPU in bfloat16 its weights are laid side by side (join_weights). On a CPU a dense float32 decoder with 8-bit
  /// weights (nn::pack_int8) takes a path of its own, on at::get_num_threads() threads: steps then give the same bits on any number of
  /// threads and in any company.
  explicit Engine(DecoderImpl& decoder, const EngineConfig& config = {});
  ~Engine();

  /// Queues a request; may be called from any thread. Returns its number.
  /// Errors: ShapeError if the prompt leaves no position; ConfigError if prompt and longest text can never fit the cache.
  int64_t submit(Request request);
  /// Forgets a request that waits or runs: its callbacks are not called any more. Any thread. Returns whether it was there.
  bool cancel(int64_t id);
  /// Takes in what fits, then decodes a step (on the 8-bit path some steps) of all that run. Callbacks run on the calling thread; the
  /// first exception of one leaves step() after all bookkeeping. Returns the tokens written (an end id counts).
  size_t step();
  /// Nothing waits or runs.
  bool idle() const;
  Occupancy occupancy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fovea::decoder

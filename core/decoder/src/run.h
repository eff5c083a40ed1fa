// A request in work, and what is done with it token by token.
#pragma once
#include <atomic>
#include <span>

#include "cpu_decoder.h"
#include "fovea/base/random.h"
#include "fovea/decoder/engine.h"

namespace fovea::decoder {

struct Run {
  int64_t id = 0;
  Request request;
  Generated result;
  Rng rng{0, 0, 0};
  int64_t limit = 0;        ///< most ids
  int64_t next = 0;         ///< the id that the next step reads
  int64_t positions = 0;    ///< in the cache
  std::vector<std::pair<size_t, int32_t>> loop_bans;  ///< after so many ids, this one is not written: it began a loop there. In the order of their places
  /// Positions that the cache must hold before the next step: prompt and text, but for the id that the step reads.
  int64_t positions_before_next() const { return request.prompt.size(0) + int64_t(result.ids.size()) - 1; }
  int64_t admitted = 0;     ///< when, as a count
  std::atomic<bool> cancelled{false};
  std::vector<int32_t> pages;       ///< of the paged cache
  CpuDecoder::Sequence sequence;    ///< of the 8-bit path
};

/// One id of probabilities [V], nucleus sampling.
int64_t sample_row(const float* probabilities, int64_t vocab, double top_p, Rng& rng);
/// Entropy of probabilities [V] in nats.
float entropy_of(const float* probabilities, int64_t vocab);
/// Ids that the n-gram guard and loops that were left forbid next.
std::vector<int32_t> banned_next(const Run& run);
/// The run's text takes an id. Returns whether it is done. The text can become shorter (GenerateConfig::loop_retries): the cache follows, positions_before_next().
bool take(Run& run, int64_t id, float probability, float entropy, int64_t eos);

/// Where the runs live and how a step is made.
class Backend {
 public:
  struct Turn {
    size_t tokens = 0;
    std::vector<Run*> done, evicted;  ///< evicted: gave up their pages, to be read again with what they have written
    std::vector<std::pair<Run*, std::vector<int32_t>>> grown;  ///< of requests with on_ids
  };
  virtual ~Backend() = default;
  /// Positions that there will ever be.
  virtual int64_t capacity() const = 0;
  /// Reserves room for the run's prompt and text so far; false: not now.
  virtual bool admit(Run& run) = 0;
  /// Reads the prompts of admitted runs and writes the next id of each.
  virtual void prefill(const std::vector<Run*>& runs, Turn& turn) = 0;
  /// Steps of what runs.
  virtual void step(Turn& turn) = 0;
  /// Frees what the run holds; it must not be stepped any more. False if that comes later, in some turn's `done`.
  virtual bool drop(Run& run) = 0;
  virtual void describe(Occupancy& out) const = 0;
};

std::unique_ptr<Backend> make_team(DecoderImpl& decoder, const EngineConfig& config);   ///< null where the decoder is none for it
std::unique_ptr<Backend> make_paged(DecoderImpl& decoder, const EngineConfig& config);

}  // namespace fovea::decoder

// Steps of a decoder on a CPU without LibTorch operations: dense layers with 8-bit weights, as the reader that ships has them. A step of
// a few sequences runs on one thread from the ids to the logits; threads take sequences of their own, so they never wait for each other.
// Shape letters: R sequences of a step, V vocabulary.
#pragma once
#include <memory>
#include <vector>

#include "fovea/decoder/decoder.h"

namespace fovea::decoder {

class CpuDecoder {
 public:
  /// Null if this decoder is none of the above: then LibTorch's operations are the way. max_positions: longest sequence. The decoder must
  /// outlive it.
  static std::unique_ptr<const CpuDecoder> make(const DecoderImpl& decoder, int64_t max_positions);

  /// Keys and values of one sequence.
  struct Sequence {
    int64_t length = 0, capacity = 0;
    at::Tensor store;  ///< float32 [layers, Hk, 2, capacity * d]: keys as nn::put_key leaves them, then values [capacity, d]
  };
  /// One sequence of a cache.
  Sequence sequence(const KvCache& cache, int64_t row) const;

  /// Working memory of one thread.
  struct Scratch {
    std::vector<float> x, normed, qkv, attended, hidden, up, scores, logits;
  };
  /// The step of ids[i] in sequences[i]; returns logits [R, V] inside scratch. A sequence's logits do not depend on the others.
  const float* step(const std::vector<Sequence*>& sequences, const std::vector<int64_t>& ids, Scratch& scratch) const;

 private:
  struct Layer {
    const float *input_norm, *post_norm, *q_gain;  ///< null without
    const nn::Int8Weight *q, *k, *v, *o, *gate, *up, *down;
  };
  void reserve(Sequence& sequence, int64_t positions) const;
  float* keys(const Sequence& s, int64_t layer, int64_t head) const;
  DecoderConfig config_;
  std::vector<Layer> layers_;
  const float *embedding_ = nullptr, *norm_ = nullptr;
  const nn::Int8Weight* head_ = nullptr;
  nn::Rotary rotary_;
};

}  // namespace fovea::decoder

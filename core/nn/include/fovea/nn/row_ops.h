// What a decoder does with one row of one step, as loops over plain float32 arrays on the calling thread. A step of a few rows is made of
// arrays of some thousand floats: as LibTorch operations most of its time went into calls and into handing work over to threads.
// Shape letters: d head width (a multiple of 16), n positions in the cache, V vocabulary.
#pragma once
#include <cstdint>

#include "fovea/nn/simd.h"

namespace fovea::nn {

/// y = x / sqrt(mean(x^2) + eps) (* weight unless null); y may be x.
void rms_norm_row(const float* x, const float* weight, float* y, int64_t width, float eps, Simd simd = best_simd());

/// `count` heads [count, d] in place: normalised if `normalize`, times gain[head] unless null, then rotated (element i with i + d/2)
/// by cos, sin [d/2].
void qk_norm_rope_row(float* heads, int64_t count, int64_t d, bool normalize, float eps, const float* gain, const float* cos, const float* sin,
                      Simd simd = best_simd());

/// y = silu(gate) * up; y may be gate or up.
void swiglu_row(const float* gate, const float* up, float* y, int64_t width, Simd simd = best_simd());

/// Keys are kept in blocks of 16 positions, [ceil(n / 16), d, 16], so that 16 scores are made side by side.
constexpr int64_t kKeyBlock = 16;
/// Floats that the keys of n positions take.
inline int64_t key_floats(int64_t n, int64_t d) { return (n + kKeyBlock - 1) / kKeyBlock * kKeyBlock * d; }
/// Puts key [d] at `position`; positions must be put in order, from 0.
void put_key(float* keys, int64_t position, const float* key, int64_t d);

/// softmax(q k^T / sqrt(d)) v of the `heads` queries [heads, d] that share one key head: keys as put_key leaves them, values [n, d], out
/// [heads, d]. scores is working memory of heads * key_floats(n, 1).
void attend_row(const float* q, const float* keys, const float* values, float* out, float* scores, int64_t heads, int64_t n, int64_t d,
                Simd simd = best_simd());

/// probabilities = softmax(logits / temperature), [V].
void softmax_row(const float* logits, float* probabilities, int64_t vocab, float temperature, Simd simd = best_simd());

struct Choice {
  int64_t id = 0;         ///< the first of the largest
  float probability = 0;  ///< of it, softmax over all
  float entropy = 0;      ///< of the softmax, in nats
};
/// The most likely of logits [V]; -inf counts as impossible.
Choice most_likely(const float* logits, int64_t vocab, Simd simd = best_simd());

}  // namespace fovea::nn

#include "fovea/nn/row_ops.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

// Every loop is written once, as an inline body over vectors of 16 floats that the compiler splits as it must, and compiled for each
// instruction set. Vectors are handed over by reference alone: by value they would have another ABI in each.
#define FOVEA_BODY inline __attribute__((always_inline))
#if defined(__x86_64__)
#define FOVEA_FORMS(name, parameters, ...)                                                                     \
  void name##_plain parameters { name##_body<Simd::kPlain>(__VA_ARGS__); }                                     \
  __attribute__((target("avx2,fma"))) void name##_avx2 parameters { name##_body<Simd::kAvx2>(__VA_ARGS__); }   \
  __attribute__((target("avx512f,fma"))) void name##_avx512 parameters { name##_body<Simd::kAvx512>(__VA_ARGS__); }
#define FOVEA_CALL(name, ...)                                   \
  switch (simd) {                                               \
    case Simd::kAvx512: return name##_avx512(__VA_ARGS__);      \
    case Simd::kAvx2: return name##_avx2(__VA_ARGS__);          \
    case Simd::kPlain: return name##_plain(__VA_ARGS__);        \
  }
#else
#define FOVEA_FORMS(name, parameters, ...) \
  void name##_plain parameters { name##_body<Simd::kPlain>(__VA_ARGS__); }
#define FOVEA_CALL(name, ...) \
  (void)simd;                 \
  return name##_plain(__VA_ARGS__);
#endif

namespace fovea::nn {
namespace {

typedef float Floats __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(64), aligned(4), may_alias));
constexpr int64_t kLanes = 16;
// Where many sums are kept at once they must be of the registers' own width: gcc 12 splits 16 floats for AVX2 by way of the stack, and attention took most of a step.
// (In structs, since a template argument loses the attributes, and with them the right to stand anywhere.)
struct Sixteen {
  typedef Floats Vector;
  static constexpr int kWidth = 16;
};
struct Eight {
  typedef float Vector __attribute__((vector_size(32), aligned(4), may_alias));
  static constexpr int kWidth = 8;
};
template <Simd simd> using Sums = std::conditional_t<simd == Simd::kAvx2, Eight, Sixteen>;
template <class S> FOVEA_BODY const typename S::Vector& as(const float* p) { return *reinterpret_cast<const typename S::Vector*>(p); }
template <class S> FOVEA_BODY typename S::Vector& as(float* p) { return *reinterpret_cast<typename S::Vector*>(p); }

FOVEA_BODY const Floats& lanes(const float* p) { return *reinterpret_cast<const Floats*>(p); }
FOVEA_BODY Floats& lanes(float* p) { return *reinterpret_cast<Floats*>(p); }

FOVEA_BODY float sum_of(const Floats& x) {
  float half[8];
  for (int i = 0; i < 8; ++i) half[i] = x[i] + x[i + 8];
  return ((half[0] + half[4]) + (half[1] + half[5])) + ((half[2] + half[6]) + (half[3] + half[7]));
}
FOVEA_BODY float largest_of(const Floats& x) {
  float out = x[0];
  for (int i = 1; i < 16; ++i) out = std::max(out, x[i]);
  return out;
}

// x = exp(x), to 2 units in the last place; x is cut to [-87, 88]. Cephes' expf: 2^n times a polynomial in the rest; the sum with
// 1.5 * 2^23 rounds to n and leaves it in the low bits.
FOVEA_BODY void exp_of(Floats& x) {
  const Floats low = Floats{} - 87.0f, high = Floats{} + 88.0f;
  x = x < low ? low : x;
  x = x > high ? high : x;
  const Floats shifted = x * 1.44269504f + 12582912.0f;
  const Floats n = shifted - 12582912.0f;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + (r + 1.0f);
  Ints bits, power;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&power, &shifted, sizeof power);
  bits += power << 23;
  std::memcpy(&x, &bits, sizeof x);
}

FOVEA_BODY float sum_of_squares(const float* x, int64_t width) {
  Floats sums = {};
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) sums += lanes(x + i) * lanes(x + i);
  float sum = sum_of(sums);
  for (; i < width; ++i) sum += x[i] * x[i];
  return sum;
}

template <Simd> FOVEA_BODY void rms_norm_body(const float* x, const float* weight, float* y, int64_t width, float eps) {
  const float factor = 1.0f / std::sqrt(sum_of_squares(x, width) / float(width) + eps);
  if (weight)
    for (int64_t i = 0; i < width; ++i) y[i] = x[i] * factor * weight[i];
  else
    for (int64_t i = 0; i < width; ++i) y[i] = x[i] * factor;
}
FOVEA_FORMS(rms_norm, (const float* x, const float* weight, float* y, int64_t width, float eps), x, weight, y, width, eps)

template <Simd>
FOVEA_BODY void qk_norm_rope_body(float* heads, int64_t count, int64_t d, bool normalize, float eps, const float* gain, const float* cos, const float* sin) {
  for (int64_t h = 0; h < count; ++h) {
    float *low = heads + h * d, *high = low + d / 2;
    float factor = normalize ? 1.0f / std::sqrt(sum_of_squares(low, d) / float(d) + eps) : 1.0f;
    if (gain) factor *= gain[h];
    for (int64_t i = 0; i < d / 2; ++i) {
      const float a = low[i] * factor, b = high[i] * factor;
      low[i] = a * cos[i] - b * sin[i];
      high[i] = b * cos[i] + a * sin[i];
    }
  }
}
FOVEA_FORMS(qk_norm_rope, (float* heads, int64_t count, int64_t d, bool normalize, float eps, const float* gain, const float* cos, const float* sin),
            heads, count, d, normalize, eps, gain, cos, sin)

template <Simd> FOVEA_BODY void swiglu_body(const float* gate, const float* up, float* y, int64_t width) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const Floats g = lanes(gate + i);
    Floats e = -g;
    exp_of(e);
    lanes(y + i) = g / (e + 1.0f) * lanes(up + i);
  }
  for (; i < width; ++i) y[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}
FOVEA_FORMS(swiglu, (const float* gate, const float* up, float* y, int64_t width), gate, up, y, width)

// x = exp((x - largest) * factor) for n floats; returns their sum.
FOVEA_BODY float exps_and_sum(float* x, int64_t n, float largest, float factor) {
  Floats sums = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Floats e = (lanes(x + i) - largest) * factor;
    exp_of(e);
    lanes(x + i) = e;
    sums += e;
  }
  float sum = sum_of(sums);
  for (; i < n; ++i) sum += x[i] = std::exp((x[i] - largest) * factor);
  return sum;
}

FOVEA_BODY float largest_in(const float* x, int64_t n) {
  float largest = x[0];
  int64_t i = 0;
  if (n >= kLanes) {
    Floats best = lanes(x);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      const Floats& next = lanes(x + i);
      best = next > best ? next : best;
    }
    largest = largest_of(best);
  }
  for (; i < n; ++i) largest = std::max(largest, x[i]);
  return largest;
}

// Scores of kHeads queries with all blocks of keys.
template <class S, int kHeads> FOVEA_BODY void score_heads(const float* q, const float* keys, float* scores, int64_t blocks, int64_t d, float scale) {
  constexpr int kParts = int(kKeyBlock) / S::kWidth;
  for (int64_t b = 0; b < blocks; ++b) {
    const float* block = keys + b * d * kKeyBlock;
    typename S::Vector sums[kHeads][kParts] = {};
    for (int64_t i = 0; i < d; ++i)
      for (int p = 0; p < kParts; ++p) {
        const auto& k = as<S>(block + i * kKeyBlock + p * S::kWidth);
        for (int h = 0; h < kHeads; ++h) sums[h][p] += k * q[h * d + i];
      }
    for (int h = 0; h < kHeads; ++h)
      for (int p = 0; p < kParts; ++p) as<S>(scores + (h * blocks + b) * kKeyBlock + p * S::kWidth) = sums[h][p] * scale;
  }
}

// kVectors vectors of columns of the weighted sums of `count` values for kHeads heads, added to out.
template <class S, int kHeads, int kVectors>
FOVEA_BODY void mix_columns(const float* weights, int64_t stride, const float* values, float* out, int64_t count, int64_t d) {
  typename S::Vector sums[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h)
    for (int c = 0; c < kVectors; ++c) sums[h][c] = as<S>(out + h * d + c * S::kWidth);
  for (int64_t s = 0; s < count; ++s)
    for (int c = 0; c < kVectors; ++c) {
      const auto& value = as<S>(values + s * d + c * S::kWidth);
      for (int h = 0; h < kHeads; ++h) sums[h][c] += value * weights[h * stride + s];
    }
  for (int h = 0; h < kHeads; ++h)
    for (int c = 0; c < kVectors; ++c) as<S>(out + h * d + c * S::kWidth) = sums[h][c];
}

template <Simd simd, int kHeads>
FOVEA_BODY void attend_heads(const float* q, const float* keys, const float* values, float* out, float* scores, int64_t n, int64_t d) {
  using S = Sums<simd>;
  constexpr int kVectors = simd == Simd::kAvx512 ? 4 : simd == Simd::kAvx2 ? 2 : 1;  // sums that the registers hold
  constexpr int64_t kColumns = kVectors * S::kWidth;
  const int64_t blocks = (n + kKeyBlock - 1) / kKeyBlock, stride = blocks * kKeyBlock;
  score_heads<S, kHeads>(q, keys, scores, blocks, d, 1.0f / std::sqrt(float(d)));
  float factors[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    float* row = scores + h * stride;
    factors[h] = 1.0f / exps_and_sum(row, n, largest_in(row, n), 1.0f);
  }
  std::fill(out, out + kHeads * d, 0.0f);
  constexpr int64_t kChunk = 64;  // values that stay in the first cache while all their columns are added
  for (int64_t s = 0; s < n; s += kChunk) {
    int64_t c = 0;
    for (; c + kColumns <= d; c += kColumns) mix_columns<S, kHeads, kVectors>(scores + s, stride, values + s * d + c, out + c, std::min(kChunk, n - s), d);
    for (; c < d; c += S::kWidth) mix_columns<S, kHeads, 1>(scores + s, stride, values + s * d + c, out + c, std::min(kChunk, n - s), d);
  }
  for (int h = 0; h < kHeads; ++h)
    for (int64_t i = 0; i < d; ++i) out[h * d + i] *= factors[h];
}

template <Simd simd>
FOVEA_BODY void attend_body(const float* q, const float* keys, const float* values, float* out, float* scores, int64_t heads, int64_t n, int64_t d) {
  int64_t h = 0;
  for (; h + 4 <= heads; h += 4) attend_heads<simd, 4>(q + h * d, keys, values, out + h * d, scores, n, d);
  for (; h + 2 <= heads; h += 2) attend_heads<simd, 2>(q + h * d, keys, values, out + h * d, scores, n, d);
  if (h < heads) attend_heads<simd, 1>(q + h * d, keys, values, out + h * d, scores, n, d);
}
FOVEA_FORMS(attend, (const float* q, const float* keys, const float* values, float* out, float* scores, int64_t heads, int64_t n, int64_t d),
            q, keys, values, out, scores, heads, n, d)

template <Simd> FOVEA_BODY void softmax_body(const float* logits, float* probabilities, int64_t vocab, float temperature) {
  std::copy(logits, logits + vocab, probabilities);
  const float factor = 1.0f / exps_and_sum(probabilities, vocab, largest_in(logits, vocab), 1.0f / temperature);
  for (int64_t i = 0; i < vocab; ++i) probabilities[i] *= factor;
}
FOVEA_FORMS(softmax, (const float* logits, float* probabilities, int64_t vocab, float temperature), logits, probabilities, vocab, temperature)

template <Simd> FOVEA_BODY void most_likely_body(const float* logits, int64_t vocab, Choice* out) {
  const float largest = largest_in(logits, vocab);
  Floats sums = {}, means = {};
  int64_t i = 0;
  for (; i + kLanes <= vocab; i += kLanes) {
    Floats e = lanes(logits + i) - largest, gap = e;
    exp_of(e);
    sums += e;
    for (int64_t j = 0; j < kLanes; ++j) gap[j] = gap[j] < -100.0f ? -100.0f : gap[j];  // exp of less is nothing, of -inf times -inf no number
    means += e * gap;
  }
  float sum = sum_of(sums), mean = sum_of(means);
  for (; i < vocab; ++i) {
    const float gap = logits[i] - largest, e = std::exp(gap);
    sum += e;
    if (e > 0) mean += e * gap;
  }
  out->id = std::find(logits, logits + vocab, largest) - logits;
  out->probability = 1.0f / sum;
  out->entropy = std::log(sum) - mean / sum;
}
FOVEA_FORMS(most_likely, (const float* logits, int64_t vocab, Choice* out), logits, vocab, out)

}  // namespace

void rms_norm_row(const float* x, const float* weight, float* y, int64_t width, float eps, Simd simd) { FOVEA_CALL(rms_norm, x, weight, y, width, eps) }

void qk_norm_rope_row(float* heads, int64_t count, int64_t d, bool normalize, float eps, const float* gain, const float* cos, const float* sin, Simd simd) {
  FOVEA_CALL(qk_norm_rope, heads, count, d, normalize, eps, gain, cos, sin)
}

void swiglu_row(const float* gate, const float* up, float* y, int64_t width, Simd simd) { FOVEA_CALL(swiglu, gate, up, y, width) }

void put_key(float* keys, int64_t position, const float* key, int64_t d) {
  const int64_t lane = position % kKeyBlock;
  float* block = keys + position / kKeyBlock * kKeyBlock * d;
  if (lane == 0) std::fill(block, block + kKeyBlock * d, 0.0f);  // places not yet taken are read, if not used
  for (int64_t i = 0; i < d; ++i) block[i * kKeyBlock + lane] = key[i];
}

void attend_row(const float* q, const float* keys, const float* values, float* out, float* scores, int64_t heads, int64_t n, int64_t d, Simd simd) {
  FOVEA_CALL(attend, q, keys, values, out, scores, heads, n, d)
}

void softmax_row(const float* logits, float* probabilities, int64_t vocab, float temperature, Simd simd) {
  FOVEA_CALL(softmax, logits, probabilities, vocab, temperature)
}

Choice most_likely(const float* logits, int64_t vocab, Simd simd) {
  Choice out;
  const auto run = [&] { FOVEA_CALL(most_likely, logits, vocab, &out) };
  run();
  return out;
}

}  // namespace fovea::nn

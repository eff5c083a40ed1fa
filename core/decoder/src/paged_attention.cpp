#include "paged_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "fovea/cuda/decode.h"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are passed between functions that are inlined

namespace fovea::decoder {
namespace {

constexpr int64_t kLanes = 16;
typedef float Lanes __attribute__((vector_size(64), aligned(4)));
typedef uint32_t Words __attribute__((vector_size(64), aligned(4)));
typedef uint16_t Halves __attribute__((vector_size(32), aligned(2)));

#define FOVEA_CLONES __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#if !defined(__x86_64__)
#undef FOVEA_CLONES
#define FOVEA_CLONES
#endif

__attribute__((always_inline)) inline Lanes lanes(const float* x) { return *reinterpret_cast<const Lanes*>(x); }
__attribute__((always_inline)) inline Lanes lanes(const uint16_t* x) {  // bfloat16 is the upper half of a float32
  const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(x), Words) << 16;
  Lanes out;
  std::memcpy(&out, &words, sizeof(out));
  return out;
}

struct Pages {
  const int32_t* table;
  int64_t block, stride, offset;  // stride: elements from page to page; offset: of the head within a page
};

// scores [count] = q . key * scale; the sum of exp(score - largest) is returned and left in scores.
template <class T>
__attribute__((always_inline)) inline float weigh(const float* q, const T* keys, const Pages& pages, float* scores, int64_t count, int64_t d, float scale) {
  float largest = -INFINITY;
  for (int64_t s = 0; s < count; ++s) {
    const T* key = keys + pages.table[s / pages.block] * pages.stride + pages.offset + s % pages.block * d;
    Lanes sum = {};
    for (int64_t i = 0; i < d; i += kLanes) sum += lanes(q + i) * lanes(key + i);
    float total = 0;
    for (int64_t i = 0; i < kLanes; ++i) total += sum[i];
    scores[s] = total * scale;
    largest = std::max(largest, scores[s]);
  }
  float total = 0;
  for (int64_t s = 0; s < count; ++s) total += scores[s] = std::exp(scores[s] - largest);
  return total;
}
template <class T>
__attribute__((always_inline)) inline void mix(const float* weights, const T* values, const Pages& pages, float* out, int64_t count, int64_t d, float factor) {
  std::fill(out, out + d, 0.0f);
  for (int64_t s = 0; s < count; ++s) {
    const T* value = values + pages.table[s / pages.block] * pages.stride + pages.offset + s % pages.block * d;
    for (int64_t i = 0; i < d; i += kLanes) *reinterpret_cast<Lanes*>(out + i) += weights[s] * lanes(value + i);
  }
  for (int64_t i = 0; i < d; ++i) out[i] *= factor;
}
FOVEA_CLONES void attend_float(const float* q, const float* keys, const float* values, const Pages& pages, float* scores, float* out, int64_t count, int64_t d) {
  const float total = weigh(q, keys, pages, scores, count, d, 1.0f / std::sqrt(float(d)));
  mix(scores, values, pages, out, count, d, 1.0f / total);
}
FOVEA_CLONES void attend_bfloat16(const float* q, const uint16_t* keys, const uint16_t* values, const Pages& pages, float* scores, float* out, int64_t count, int64_t d) {
  const float total = weigh(q, keys, pages, scores, count, d, 1.0f / std::sqrt(float(d)));
  mix(scores, values, pages, out, count, d, 1.0f / total);
}

}  // namespace

at::Tensor paged_attention_cpu(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values, const at::Tensor& positions, const at::Tensor& table) {
  const auto type = q.scalar_type();
  const int64_t rows = q.size(0), heads = q.size(1), d = q.size(2), kv_heads = keys.size(1), block = keys.size(2);
  if (!q.is_cpu() || (type != at::kFloat && type != at::kBFloat16) || d % kLanes != 0) return cuda::twin::paged_attention(q, keys, values, positions, table);
  const auto queries = q.to(at::kFloat).contiguous();
  auto out = at::empty({rows, heads, d}, queries.options());
  at::parallel_for(0, rows * heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scores;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / heads, head = i % heads / (heads / kv_heads), count = positions.const_data_ptr<int32_t>()[row] + 1;
      float* to = out.data_ptr<float>() + i * d;
      if (count <= 0) {
        std::fill(to, to + d, 0.0f);
        continue;
      }
      scores.resize(size_t(count));
      const Pages pages{table.const_data_ptr<int32_t>() + row * table.stride(0), block, kv_heads * block * d, head * block * d};
      const float* from = queries.const_data_ptr<float>() + i * d;
      if (type == at::kFloat)
        attend_float(from, keys.const_data_ptr<float>(), values.const_data_ptr<float>(), pages, scores.data(), to, count, d);
      else
        attend_bfloat16(from, static_cast<const uint16_t*>(keys.const_data_ptr()), static_cast<const uint16_t*>(values.const_data_ptr()), pages, scores.data(), to, count, d);
    }
  });
  return out.to(type);
}

}  // namespace fovea::decoder

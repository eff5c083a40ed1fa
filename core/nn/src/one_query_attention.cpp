#include "one_query_attention.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace fovea::nn {
namespace {

typedef float Floats __attribute__((vector_size(64), aligned(4)));  // 16 lanes from any address; the compiler splits them as it must

// One key head: scores of `heads` queries [heads, d] with keys [count, d], softmax, weighted sum of values into out [heads, d].
#define FOVEA_CLONES __attribute__((target_clones("avx512f", "arch=x86-64-v3", "default")))
#if !defined(__x86_64__)
#undef FOVEA_CLONES
#define FOVEA_CLONES
#endif
FOVEA_CLONES void attend_head(const float* q, const float* k, const float* v, float* out, float* scores, int64_t heads, int64_t count, int64_t d, float scale) {
  for (int64_t s = 0; s < count; ++s)
    for (int64_t h = 0; h < heads; ++h) {
      Floats sum = {};
      for (int64_t i = 0; i < d; i += 16)
        sum += *reinterpret_cast<const Floats*>(q + h * d + i) * *reinterpret_cast<const Floats*>(k + s * d + i);
      float total = 0;
      for (int i = 0; i < 16; ++i) total += sum[i];
      scores[h * count + s] = total * scale;
    }
  for (int64_t h = 0; h < heads; ++h) {
    float* row = scores + h * count;
    float largest = row[0];
    for (int64_t s = 1; s < count; ++s) largest = std::max(largest, row[s]);
    float total = 0;
    for (int64_t s = 0; s < count; ++s) total += row[s] = std::exp(row[s] - largest);
    for (int64_t s = 0; s < count; ++s) row[s] /= total;
  }
  std::fill(out, out + heads * d, 0.0f);
  for (int64_t s = 0; s < count; ++s)
    for (int64_t h = 0; h < heads; ++h) {
      const float weight = scores[h * count + s];
      for (int64_t i = 0; i < d; i += 16) {
        Floats& target = *reinterpret_cast<Floats*>(out + h * d + i);
        target += weight * *reinterpret_cast<const Floats*>(v + s * d + i);
      }
    }
}

}  // namespace

bool can_attend_one_query(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t d = q.size(3);
  const auto dense_rows = [&](const at::Tensor& x) { return x.stride(3) == 1 && x.stride(2) == d; };
  return q.is_cpu() && q.scalar_type() == at::kFloat && k.scalar_type() == at::kFloat && v.scalar_type() == at::kFloat && d % 16 == 0 && dense_rows(k) && dense_rows(v);
}

at::Tensor attend_one_query(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const int64_t batch = q.size(0), kv_heads = k.size(1), share = q.size(1) / kv_heads, count = k.size(2), d = q.size(3);
  const auto queries = q.contiguous();
  auto out = at::empty({batch, q.size(1), 1, d}, q.options());
  const float *qp = queries.data_ptr<float>(), *kp = k.data_ptr<float>(), *vp = v.data_ptr<float>();
  float* op = out.data_ptr<float>();
  const int64_t k0 = k.stride(0), k1 = k.stride(1), v0 = v.stride(0), v1 = v.stride(1);
  const float scale = float(1.0 / std::sqrt(double(d)));
  at::parallel_for(0, batch * kv_heads, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scores(size_t(share * count));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / kv_heads, h = i % kv_heads;
      attend_head(qp + i * share * d, kp + b * k0 + h * k1, vp + b * v0 + h * v1, op + i * share * d, scores.data(), share, count, d, scale);
    }
  });
  return out;
}

}  // namespace fovea::nn

// Inputs of the decoding kernels with what the twins, in fp32 on the same bfloat16 values, make of them.
#pragma once
#include "fovea/cuda/decode.h"
#include "support.h"

namespace fovea::cuda::test {

struct StepCase {
  int64_t q_heads, kv_heads, head_dim, block;
  bool normalize, gain;
  std::vector<int> positions;  ///< negative: padding
};
inline const std::vector<StepCase>& step_cases() {
  static const std::vector<StepCase> cases = {{2, 2, 128, 32, false, false, {0, 300, -1, 31, 32}}, {8, 2, 32, 8, true, true, {5, 63, 64}},
                                              {3, 1, 64, 16, true, false, {17}}, {10, 10, 128, 32, false, false, {700, 3, 1000, -1}}};
  return cases;
}
struct StepInputs {
  Tensor qkv, gain, cos, sin, positions, table, keys, values;
  QkNormRopeOptions options;
  Tensor q, new_keys, new_values, attended;  ///< fp32, of the twins; attention over the new cache rounded to bfloat16
  std::vector<int64_t> live;                 ///< rows that are no padding
};
inline StepInputs step_inputs(const StepCase& c) {
  StepInputs in;
  const int64_t rows = int64_t(c.positions.size()), longest = *std::max_element(c.positions.begin(), c.positions.end()) + 1;
  const int64_t each = (longest + c.block - 1) / c.block, pages = rows * each + 3;
  in.options = {c.q_heads, c.kv_heads, c.head_dim, c.normalize, 1e-6};
  in.qkv = random_bf16({rows, (c.q_heads + 2 * c.kv_heads) * c.head_dim});
  if (c.gain) in.gain = torch::rand({c.q_heads}) + 0.5;
  std::tie(in.cos, in.sin) = rope_tables(longest + 5, c.head_dim / 2);
  in.positions = torch::tensor(c.positions, torch::kInt32);
  in.table = torch::randperm(pages).slice(0, 0, rows * each).view({rows, each}).to(torch::kInt32);
  in.keys = random_bf16({pages, c.kv_heads, c.block, c.head_dim});
  in.values = random_bf16({pages, c.kv_heads, c.block, c.head_dim});
  for (int64_t r = 0; r < rows; ++r)
    if (c.positions[size_t(r)] >= 0) in.live.push_back(r);
    else in.table[r].fill_(0);
  auto keys = in.keys.to(torch::kFloat32), values = in.values.to(torch::kFloat32);
  in.q = twin::rope_append(in.qkv.to(torch::kFloat32), in.options, in.gain, in.cos, in.sin, in.positions, in.table, keys, values);
  in.new_keys = keys, in.new_values = values;
  in.attended = twin::paged_attention(in.q.to(torch::kBFloat16).to(torch::kFloat32), keys.to(torch::kBFloat16).to(torch::kFloat32), values, in.positions, in.table);
  return in;
}
inline Tensor rows_of(const Tensor& x, const std::vector<int64_t>& rows) { return x.index_select(0, torch::tensor(rows, torch::kInt64).to(x.device())); }

struct ExpertCase {
  int64_t rows, width, experts, top, inner;
  bool shared;
};
struct ExpertInputs {
  Tensor x, gate, gate_up, down, shared;
  Routes routes;    ///< of the twin
  Tensor expected;  ///< fp32
};
inline ExpertInputs expert_inputs(const ExpertCase& c) {
  ExpertInputs in;
  in.x = random_bf16({c.rows, c.width});
  in.gate = random_bf16({c.experts, c.width}, 2.0 / std::sqrt(double(c.width)));
  in.gate_up = random_bf16({c.experts, 2 * c.inner, c.width}, 1.0 / std::sqrt(double(c.width)));
  in.down = random_bf16({c.experts, c.width, c.inner}, 1.0 / std::sqrt(double(c.inner)));
  if (c.shared) in.shared = random_bf16({c.rows, c.width});
  in.routes = twin::route(in.x, in.gate, c.top);
  in.expected = twin::expert_mlps(in.x.to(torch::kFloat32), in.gate_up.to(torch::kFloat32), in.down.to(torch::kFloat32), in.routes,
                                  c.shared ? in.shared.to(torch::kFloat32) : Tensor());
  return in;
}

/// Logits with ties and a banned id.
inline Tensor logits_case(int64_t rows, int64_t classes) {
  auto out = random_bf16({rows, classes}, 3);
  out[0][classes / 2] = out[0][classes - 1] = 40;  // a tie: the first
  if (classes > 4) out[rows - 1][3] = -std::numeric_limits<float>::infinity();
  return out;
}

}  // namespace fovea::cuda::test

// The definitions that the decoding kernels are held to.
#include <torch/torch.h>

#include <cmath>
#include <limits>

#include "fovea/cuda/decode.h"

namespace fovea::cuda::twin {
namespace {

torch::Tensor widened(const torch::Tensor& x) {
  const auto dtype = x.scalar_type();
  return dtype == torch::kBFloat16 || dtype == torch::kFloat16 ? x.to(torch::kFloat32) : x;
}

}  // namespace

torch::Tensor rope_append(const torch::Tensor& qkv, const QkNormRopeOptions& options, const torch::Tensor& q_gain, const torch::Tensor& cos,
                          const torch::Tensor& sin, const torch::Tensor& positions, const torch::Tensor& table, torch::Tensor& keys, torch::Tensor& values) {
  const int64_t hq = options.num_q_heads, hk = options.num_kv_heads, d = options.head_dim, block = keys.size(2);
  const auto heads = widened(qkv).reshape({qkv.size(0), hq + 2 * hk, d});
  auto q = heads.narrow(1, 0, hq), k = heads.narrow(1, hq, hk);
  const auto normalized = [&](const torch::Tensor& x) { return x * torch::rsqrt(x.square().mean(-1, /*keepdim=*/true) + options.eps); };
  if (options.normalize) q = normalized(q), k = normalized(k);
  if (q_gain.defined()) q = q * q_gain.to(q.scalar_type()).unsqueeze(-1);
  const auto at = positions.to(torch::kInt64).clamp_min(0);
  const auto c = cos.index_select(0, at).to(q.scalar_type()).unsqueeze(1), s = sin.index_select(0, at).to(q.scalar_type()).unsqueeze(1);  // [B, 1, d/2]
  const auto rotate = [&](const torch::Tensor& x) {
    const auto halves = x.chunk(2, -1);
    return torch::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1).to(qkv.scalar_type());
  };
  k = rotate(k);
  const auto v = heads.narrow(1, hq + hk, hk).to(qkv.scalar_type());
  auto rows = (positions >= 0).nonzero().squeeze(1);
  const auto live = at.index_select(0, rows);
  const auto pages = table.index({rows, torch::div(live, block, "floor")}).to(torch::kInt64), places = live.remainder(block);
  keys.index_put_({pages, torch::indexing::Slice(), places}, k.index_select(0, rows));
  values.index_put_({pages, torch::indexing::Slice(), places}, v.index_select(0, rows));
  return rotate(q).contiguous();
}

torch::Tensor paged_attention(const torch::Tensor& q, const torch::Tensor& keys, const torch::Tensor& values, const torch::Tensor& positions,
                              const torch::Tensor& table) {
  const int64_t rows = q.size(0), hq = q.size(1), d = q.size(2), hk = keys.size(1), block = keys.size(2);
  const int64_t longest = std::max<int64_t>(1, positions.max().item<int64_t>() + 1), pages = (longest + block - 1) / block;
  const auto gathered = [&](const torch::Tensor& cache) {  // [B, Hq, pages * block, d]
    const auto own = cache.index_select(0, table.slice(1, 0, pages).reshape(-1).to(torch::kInt64)).view({rows, pages, hk, block, d});
    return widened(own.transpose(1, 2).reshape({rows, hk, pages * block, d})).repeat_interleave(hq / hk, 1);
  };
  const auto hidden = torch::arange(pages * block, positions.options()).unsqueeze(0) > positions.unsqueeze(1);  // [B, pages * block]
  auto scores = torch::matmul(widened(q).unsqueeze(2), gathered(keys).transpose(2, 3)).squeeze(2) / std::sqrt(double(d));
  const auto mask = hidden.unsqueeze(1);
  scores = scores.masked_fill(mask, -std::numeric_limits<double>::infinity());
  const auto weights = torch::nan_to_num(torch::softmax(scores, -1), 0.0).unsqueeze(2);
  // What stands in a page behind the last position may be anything, NaN included.
  const auto seen = gathered(values).masked_fill(mask.unsqueeze(-1), 0.0);
  return torch::matmul(weights, seen).squeeze(2).to(q.scalar_type());
}

Routes route(const torch::Tensor& x, const torch::Tensor& gate, int64_t top) {
  const auto wide = x.scalar_type() == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
  const auto scores = torch::softmax(torch::linear(x.to(wide), gate.to(wide)), -1);
  // A stable sort, so that equal scores go to the lowest index on every device.
  const auto [sorted, order] = scores.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/true);
  return {order.slice(1, 0, top).to(torch::kInt32), sorted.slice(1, 0, top)};
}

torch::Tensor grouped_experts(const torch::Tensor& x, const Routes& routes, int64_t num_experts, const std::function<torch::Tensor(int64_t, const torch::Tensor&)>& mlp) {
  const int64_t top = routes.ids.size(1), pairs = routes.ids.numel();
  const auto order = routes.ids.reshape(-1).argsort(/*stable=*/true, /*dim=*/0);  // slots, by expert
  const auto ids = routes.ids.reshape(-1).index_select(0, order).to(torch::kCPU).contiguous();
  const auto rows = x.index_select(0, torch::div(order, top, "floor"));
  std::vector<torch::Tensor> parts;
  const int32_t* id = ids.data_ptr<int32_t>();
  for (int64_t begin = 0; begin < pairs;) {
    int64_t end = begin + 1;
    while (end < pairs && id[end] == id[begin]) ++end;
    TORCH_CHECK(id[begin] >= 0 && id[begin] < num_experts, "[grouped_experts] no expert ", id[begin]);
    parts.push_back(mlp(id[begin], rows.slice(0, begin, end)));
    begin = end;
  }
  auto place = torch::empty_like(order);
  place.scatter_(0, order, torch::arange(pairs, order.options()));
  const auto products = parts.empty() ? rows : torch::cat(parts).index_select(0, place);  // [B K, D], by row and slot
  const auto wide = routes.weights.scalar_type();
  return (products.to(wide).view({-1, top, x.size(1)}) * routes.weights.unsqueeze(-1)).sum(1).to(x.scalar_type());
}

torch::Tensor expert_mlps(const torch::Tensor& x, const torch::Tensor& gate_up, const torch::Tensor& down, const Routes& routes, const torch::Tensor& shared) {
  const auto sum = grouped_experts(x, routes, gate_up.size(0), [&](int64_t e, const torch::Tensor& rows) {
    return torch::linear(swiglu(torch::linear(rows, gate_up[e])), down[e]);
  });
  return shared.defined() ? sum + shared : sum;
}

Picked pick(const torch::Tensor& logits) {
  const auto wide = widened(logits);
  const auto logs = torch::log_softmax(wide, -1);
  const auto ids = logs.argmax(-1);
  const auto p = logs.exp();
  const auto entropies = -(p * logs.masked_fill(p == 0, 0.0)).sum(-1);
  return {ids, logs.gather(1, ids.unsqueeze(1)).squeeze(1).exp().to(torch::kFloat32), entropies.to(torch::kFloat32)};
}

}  // namespace fovea::cuda::twin

// Operations of a decoding step: one new position for each of B sequences, over a key-value cache in pages. No gradients. As in ops.h
// each comes twice: here, with a CUDA kernel for bfloat16 on a CUDA device, and in namespace twin, in plain LibTorch, which defines it.
// A page holds `block` positions of one sequence: keys, values [pages, Hk, block, d]. table int32 [B, most pages] names each sequence's pages in
// order. positions int32 [B] is the new position of each; a negative one marks a row that is only padding (its outputs are not used).
// Shape letters: B rows, D width, Hq and Hk heads, d head width, E experts, K chosen of them, I inner width, V classes.
// Errors: ShapeError as in ops.h; UnsupportedError where a kernel cannot take the sizes.
#pragma once
#include <functional>
#include <memory>

#include "fovea/cuda/ops.h"

namespace fovea::cuda {

/// q [B, Hq, d] out of qkv [B, (Hq + 2 Hk) d], normalised, multiplied and rotated as qk_norm_rope does with the angles of each row's position
/// (cos, sin fp32 [positions, d/2]); the new key and value are written into their page.
torch::Tensor rope_append(const torch::Tensor& qkv, const QkNormRopeOptions& options, const torch::Tensor& q_gain, const torch::Tensor& cos,
                          const torch::Tensor& sin, const torch::Tensor& positions, const torch::Tensor& table, torch::Tensor& keys, torch::Tensor& values);

/// softmax(q k^T / sqrt(d)) v over positions 0 .. positions[row]: q [B, Hq, d] -> [B, Hq, d]. Kernels exist for d of 32, 64, 128.
torch::Tensor paged_attention(const torch::Tensor& q, const torch::Tensor& keys, const torch::Tensor& values, const torch::Tensor& positions,
                              const torch::Tensor& table);

struct Routes {
  torch::Tensor ids;      ///< int32 [B, K]
  torch::Tensor weights;  ///< fp32 [B, K], falling; softmax over all experts, not renormalised; ties go to the lowest id
};
/// x [B, D], gate [E, D].
Routes route(const torch::Tensor& x, const torch::Tensor& gate, int64_t top);

/// sum over slots of weight * mlp(x) of the chosen experts, rounded, plus `shared` [B, D] or none. x [B, D], gate_up [E, 2 I, D], gate first,
/// down [E, D, I]. A few rows read the weights of their experts alone; more are sorted by expert and multiplied in groups.
torch::Tensor expert_mlps(const torch::Tensor& x, const torch::Tensor& gate_up, const torch::Tensor& down, const Routes& routes, const torch::Tensor& shared = {});
/// Most rows that the kernels which read single experts are used for.
constexpr int64_t kSingleExpertRows = 8;

struct Picked {
  torch::Tensor ids;            ///< int64 [B]: first of the largest
  torch::Tensor probabilities;  ///< fp32 [B], of it
  torch::Tensor entropies;      ///< fp32 [B], of the softmax over all, in nats
};
/// logits [B, V], fp32 or 16 bits.
Picked pick(const torch::Tensor& logits);

namespace twin {
torch::Tensor rope_append(const torch::Tensor& qkv, const QkNormRopeOptions& options, const torch::Tensor& q_gain, const torch::Tensor& cos,
                          const torch::Tensor& sin, const torch::Tensor& positions, const torch::Tensor& table, torch::Tensor& keys, torch::Tensor& values);
torch::Tensor paged_attention(const torch::Tensor& q, const torch::Tensor& keys, const torch::Tensor& values, const torch::Tensor& positions,
                              const torch::Tensor& table);
Routes route(const torch::Tensor& x, const torch::Tensor& gate, int64_t top);
torch::Tensor expert_mlps(const torch::Tensor& x, const torch::Tensor& gate_up, const torch::Tensor& down, const Routes& routes, const torch::Tensor& shared = {});
Picked pick(const torch::Tensor& logits);

/// The sum over chosen experts with mlp(expert, rows [n, D]) -> [n, D] for each expert that somebody chose; differentiable. Where experts
/// have no joined weights, this is the way.
torch::Tensor grouped_experts(const torch::Tensor& x, const Routes& routes, int64_t num_experts, const std::function<torch::Tensor(int64_t, const torch::Tensor&)>& mlp);
}  // namespace twin

/// Work recorded once and played back as one launch (a CUDA graph). The recorded work must use the same memory every time and must not look at
/// results on the host.
class Graph {
 public:
  /// Runs `work` twice as a trial and records it, on a stream of its own. Graphs of one `pool` (of an earlier graph, or null) share their
  /// memory: the results of one are lost once another is played. Errors: UnsupportedError without CUDA or if CUDA refuses.
  Graph(const std::function<void()>& work, const Graph* pool = nullptr);
  ~Graph();
  /// Plays on the current stream.
  void play();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

/// Bytes of the device that are free, LibTorch's unused ones included; -1 where that is unknown (a CPU).
int64_t free_device_bytes(const torch::Device& device);

}  // namespace fovea::cuda

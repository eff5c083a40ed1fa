// Launch functions of the decoding kernels, in the manner of kernels.h: a step of `rows` sequences, one new position each.
// A cache page holds `block` positions of one sequence: keys and values [pages, kv_heads, block, head_dim]; table [rows, table_stride]
// names a sequence's pages in order. positions [rows] is the new position of each; a negative one marks a row that is only padding.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace fovea::cuda::kernels {

struct RopeAppend {
  const void* qkv = nullptr;     // [rows, (q_heads + 2 * kv_heads) * head_dim]
  const float* gain = nullptr;   // [q_heads] or null
  const float* cos = nullptr;    // [positions, head_dim / 2]
  const float* sin = nullptr;
  const int* positions = nullptr;
  const int* table = nullptr;
  int table_stride = 0, rows = 0, q_heads = 0, kv_heads = 0, head_dim = 0, block = 0;  // head_dim even
  bool normalize = false;
  float eps = 0;
};
/// q [rows, q_heads, head_dim]; keys and values of the new position go into their page. Padding rows write q alone.
cudaError_t rope_append(const RopeAppend& in, void* q, void* keys, void* values, cudaStream_t stream);

struct PagedAttention {
  const void* q = nullptr;  // [rows, q_heads, head_dim]
  const void* keys = nullptr;
  const void* values = nullptr;
  const int* positions = nullptr;  // a sequence sees positions 0 .. positions[row]
  const int* table = nullptr;
  int table_stride = 0, rows = 0, q_heads = 0, kv_heads = 0, head_dim = 0, block = 0;  // head_dim 32, 64 or 128
  int splits = 1;            // parts that a sequence's positions are worked off in, each by blocks of their own
};
/// out [rows, q_heads, head_dim]; zeros for padding. partial: working memory of rows * q_heads * splits * (head_dim + 2) floats (unused
/// for one split). cudaErrorInvalidValue for another head_dim or more than 65535 splits.
cudaError_t paged_attention(const PagedAttention& in, float* partial, void* out, cudaStream_t stream);

/// Softmax over x gate^T in fp32 and its largest `top`, falling, ties to the lowest index. x [rows, width], gate [experts, width],
/// ids and weights [rows, top]. cudaErrorInvalidValue for more than 256 experts or a width that 8 does not divide.
cudaError_t route(const void* x, const void* gate, int* ids, float* weights, int rows, int width, int experts, int top, cudaStream_t stream);

struct ExpertProducts {
  const void* gate_up = nullptr;   // [experts, 2 * inner, width], gate first
  const void* down = nullptr;      // [experts, width, inner]
  const int* ids = nullptr;        // [rows, top]
  const float* weights = nullptr;  // [rows, top]
  const void* shared = nullptr;    // [rows, width] or null: added to the rounded sum
  int rows = 0, top = 0, width = 0, inner = 0;
};
/// hidden [rows, top, inner] = silu(gate x) * (up x) for the chosen experts, gate and up rounded to bfloat16. x [rows, width].
/// cudaErrorInvalidValue unless 8 divides width and inner, or for rows * top > 65535.
cudaError_t expert_hidden(const ExpertProducts& in, const void* x, void* hidden, cudaStream_t stream);
/// out [rows, width] = round(sum over slots of weight * round(down hidden)) + shared.
cudaError_t expert_output(const ExpertProducts& in, const void* hidden, void* out, cudaStream_t stream);
/// The same sum from products that are there: products [rows * top, width], row place[row * top + slot] belongs to that slot.
cudaError_t expert_combine(const ExpertProducts& in, const void* products, const int64_t* place, void* out, cudaStream_t stream);

/// The first of the largest logits of each row, its probability and the entropy (nats) of the softmax over all. logits [rows, classes],
/// bfloat16 or fp32.
cudaError_t pick(const void* logits, bool fp32, int64_t* ids, float* probabilities, float* entropies, int rows, int64_t classes, cudaStream_t stream);

}  // namespace fovea::cuda::kernels

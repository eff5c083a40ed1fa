// Launch function of the kernel in grid_attention.cu: raw device pointers to bfloat16, sizes in elements, a stream.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

namespace fovea::cuda::kernels {

struct GridAttention {
  const void* packed = nullptr;   ///< [batch, grid, grid, 3, heads, 64]: queries, keys, values
  const void* padding = nullptr;  ///< [3, heads, 64], what a position outside of the grid has, or null for zeros
  const void* rel_h = nullptr;    ///< [2 side - 1, 64]: row y - ky + side - 1
  const void* rel_w = nullptr;    ///< the same for columns
  void* out = nullptr;            ///< [batch, grid, grid, heads, 64]
  int batch = 0, grid = 0, heads = 0;
  int side = 0;                   ///< of a window; grid for attention over the page
};
constexpr int kGridAttentionMaxSide = 80;

/// All pointers on 16-byte boundaries. cudaErrorInvalidValue for a side that is 0 or above kGridAttentionMaxSide.
cudaError_t grid_attention(const GridAttention& arguments, cudaStream_t stream);

/// out = x sigmoid(1.702 x), count values; pointers on 16-byte boundaries.
cudaError_t quick_gelu(const void* x, void* out, int64_t count, cudaStream_t stream);

}  // namespace fovea::cuda::kernels

// Attention over a square grid of positions, whole or in windows, with a bias that depends on the distance in rows and in columns (the windowed
// tower of DeepSeek-OCR). The bias as a dense tensor is 403 MB a page of 1024 px in bfloat16; only kDense makes it.
#pragma once
#include <cstdint>
#include <string>

#include <torch/types.h>

namespace fovea::cuda {

/// How it is computed. All forms are the same function; they differ by rounding.
enum class GridForm {
  kAutomatic,  ///< kKernel where it runs, else kAugmented on a GPU in 16 bits, else kTiled
  kDense,      ///< the bias of all queries as one tensor [b, H, T, T]: the plain form
  kTiled,      ///< kDense for as many queries at a time as fit into kTileBytes
  kAugmented,  ///< bias values appended to the queries, one-hot rows and columns to the keys: any fused attention without a mask. d + 2 side <= 256
  kKernel,     ///< CUDA, bfloat16, d = 64, side <= 80, and only where no gradient is asked for
};
constexpr int64_t kTileBytes = int64_t(64) << 20;

/// "auto", "dense", "tiled", "augmented", "kernel". Errors: ConfigError for another name.
GridForm grid_form(const std::string& name);

struct GridOptions {
  int64_t heads = 1;
  int64_t window = 0;  ///< side of a window; 0: the whole grid. The last windows may stick out of the grid
  GridForm form = GridForm::kAutomatic;
};

/// For a query at (y, x) and the keys (ky, kx) of its window: softmax(q k / sqrt(d) + q R_h[y - ky + s - 1] + q R_w[x - kx + s - 1]) v.
/// Positions outside of the grid are keys with the queries, keys and values of `padding`, and are not masked, as in the published model.
/// Shapes   qkv [B, n, n, 3 H d], in this order; padding [3 H d] or none (zeros); rel_h, rel_w [2 s - 1, d] with s the window or n.
///          -> [B, n, n, H d]. Differentiable in everything (kKernel: not).
/// Errors   ShapeError; UnsupportedError for a form that does not apply.
torch::Tensor grid_attention(const torch::Tensor& qkv, const torch::Tensor& padding, const torch::Tensor& rel_h, const torch::Tensor& rel_w,
                             const GridOptions& options);

/// Which form kAutomatic is for such arguments.
GridForm automatic_form(const torch::Tensor& qkv, const torch::Tensor& rel_h, int64_t side, int64_t head_dim);

/// x sigmoid(1.702 x), any shape; a kernel in bfloat16 on a GPU where no gradient is asked for.
torch::Tensor quick_gelu(const torch::Tensor& x);

}  // namespace fovea::cuda

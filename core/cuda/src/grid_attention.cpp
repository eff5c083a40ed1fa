#include "fovea/cuda/grid_attention.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"

#ifdef FOVEA_WITH_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "grid_attention_kernel.h"
#endif

namespace fovea::cuda {
namespace {

using torch::Tensor;

struct Regions {
  Tensor q, k, v;  ///< [b, H, s * s, d]
};

bool wants_gradient(const Tensor& x) { return torch::GradMode::is_enabled() && x.defined() && x.requires_grad(); }

/// table [2 s - 1, d] -> [s, s, d]: row a, column b holds the entry of offset a - b.
Tensor by_pair(const Tensor& table, int64_t s) {
  const auto index = torch::arange(s, torch::TensorOptions().device(table.device()).dtype(torch::kLong));
  return table.index_select(0, (index.unsqueeze(1) - index.unsqueeze(0) + (s - 1)).flatten()).view({s, s, -1});
}

/// The bias's two parts for the query rows [first, first + rows) of every region: [b, H, rows * s, s] by key row, by key column.
std::pair<Tensor, Tensor> bias_parts(const Tensor& q, const Tensor& pairs_h, const Tensor& pairs_w, int64_t s, int64_t first, int64_t rows) {
  const int64_t b = q.size(0), heads = q.size(1), d = q.size(3);
  const auto grid = q.slice(2, first * s, (first + rows) * s).reshape({b * heads, rows, s, d});
  const auto by_row = torch::einsum("bhwc,hkc->bhwk", {grid, pairs_h.slice(0, first, first + rows)});
  const auto by_column = torch::einsum("bhwc,wkc->bhwk", {grid, pairs_w});
  return {by_row.reshape({b, heads, rows * s, s}), by_column.reshape({b, heads, rows * s, s})};
}

Tensor attend_rows(const Regions& in, const Tensor& pairs_h, const Tensor& pairs_w, int64_t s, int64_t first, int64_t rows) {
  const auto [by_row, by_column] = bias_parts(in.q, pairs_h, pairs_w, s, first, rows);
  const auto bias = (by_row.unsqueeze(-1) + by_column.unsqueeze(-2)).flatten(-2);  // [b, H, rows * s, s * s]
  return torch::scaled_dot_product_attention(in.q.slice(2, first * s, (first + rows) * s), in.k, in.v, bias);
}

Tensor attend_tiled(const Regions& in, const Tensor& pairs_h, const Tensor& pairs_w, int64_t s) {
  const int64_t b = in.q.size(0), heads = in.q.size(1);
  const int64_t row_bytes = heads * s * s * s * int64_t(in.q.element_size());  // of one region
  const int64_t regions = std::clamp<int64_t>(kTileBytes / row_bytes, 1, std::max<int64_t>(b, 1));
  const int64_t rows = std::clamp<int64_t>(kTileBytes / (row_bytes * regions), 1, s);
  if (regions >= b && rows >= s) return attend_rows(in, pairs_h, pairs_w, s, 0, s);
  std::vector<Tensor> parts;
  for (int64_t at = 0; at < b; at += regions) {
    const int64_t end = std::min(b, at + regions);
    const Regions some{in.q.slice(0, at, end), in.k.slice(0, at, end), in.v.slice(0, at, end)};
    std::vector<Tensor> rows_done;
    for (int64_t first = 0; first < s; first += rows) rows_done.push_back(attend_rows(some, pairs_h, pairs_w, s, first, std::min(rows, s - first)));
    parts.push_back(rows_done.size() == 1 ? rows_done[0] : torch::cat(rows_done, 2));
  }
  return parts.size() == 1 ? parts[0] : torch::cat(parts, 0);
}

/// softmax([q / sqrt(d), bias by row, bias by column] [k, one-hot row, one-hot column]^T) v: the products add up to the biased scores.
Tensor attend_augmented(const Regions& in, const Tensor& pairs_h, const Tensor& pairs_w, int64_t s) {
  const int64_t b = in.q.size(0), heads = in.q.size(1), tokens = s * s, d = in.q.size(3);
  const int64_t padding = (8 - (d + 2 * s) % 8) % 8;  // fused attention wants a multiple of 8
  const auto [by_row, by_column] = bias_parts(in.q, pairs_h, pairs_w, s, 0, s);
  const auto eye = torch::eye(s, in.q.options());
  const auto places = torch::cat({eye.repeat_interleave(s, 0), eye.repeat({s, 1})}, 1).expand({b, heads, tokens, 2 * s});
  const auto q = torch::constant_pad_nd(torch::cat({in.q * (1.0 / std::sqrt(double(d))), by_row, by_column}, -1), {0, padding});
  const auto k = torch::constant_pad_nd(torch::cat({in.k, places}, -1), {0, padding});
  const auto v = torch::constant_pad_nd(in.v, {0, 2 * s + padding});
  return torch::scaled_dot_product_attention(q, k, v, {}, 0.0, false, /*scale=*/1.0).slice(3, 0, d);
}

#ifdef FOVEA_WITH_CUDA
Tensor on_16_bytes(const Tensor& x) {
  auto out = x.contiguous();
  if (reinterpret_cast<uintptr_t>(out.const_data_ptr()) % 16 != 0) out = out.clone();
  return out;
}
void check_grid_launch(cudaError_t status, const char* op) {
  if (status != cudaSuccess) throw UnsupportedError(std::string("[") + op + "] CUDA: " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}
Tensor attend_by_kernel(const Tensor& qkv, const Tensor& padding, const Tensor& rel_h, const Tensor& rel_w, int64_t heads, int64_t side) {
  const c10::cuda::CUDAGuard guard(qkv.device());
  const auto packed = on_16_bytes(qkv), h = on_16_bytes(rel_h), w = on_16_bytes(rel_w);
  const auto fill = padding.defined() ? on_16_bytes(padding) : padding;
  auto out = torch::empty({qkv.size(0), qkv.size(1), qkv.size(2), qkv.size(3) / 3}, qkv.options());
  kernels::GridAttention a;
  a.packed = packed.const_data_ptr();
  a.padding = fill.defined() ? fill.const_data_ptr() : nullptr;
  a.rel_h = h.const_data_ptr();
  a.rel_w = w.const_data_ptr();
  a.out = out.mutable_data_ptr();
  a.batch = int(qkv.size(0)), a.grid = int(qkv.size(1)), a.heads = int(heads), a.side = int(side);
  check_grid_launch(kernels::grid_attention(a, c10::cuda::getCurrentCUDAStream(qkv.device().index()).stream()), "grid_attention");
  return out;
}
#endif

bool kernel_applies(const Tensor& qkv, int64_t side, int64_t head_dim) {
#ifdef FOVEA_WITH_CUDA
  return qkv.is_cuda() && qkv.scalar_type() == torch::kBFloat16 && head_dim == 64 && side <= kernels::kGridAttentionMaxSide;
#else
  (void)qkv, (void)side, (void)head_dim;
  return false;
#endif
}

}  // namespace

GridForm grid_form(const std::string& name) {
  if (name == "auto") return GridForm::kAutomatic;
  if (name == "dense") return GridForm::kDense;
  if (name == "tiled") return GridForm::kTiled;
  if (name == "augmented") return GridForm::kAugmented;
  if (name == "kernel") return GridForm::kKernel;
  throw ConfigError("[grid_attention] form must be auto, dense, tiled, augmented or kernel, got '" + name + "'");
}

GridForm automatic_form(const Tensor& qkv, const Tensor& rel_h, int64_t side, int64_t head_dim) {
  const bool gradient = wants_gradient(qkv) || wants_gradient(rel_h);
  if (kernel_applies(qkv, side, head_dim) && !gradient) return GridForm::kKernel;
  const bool half = qkv.scalar_type() == torch::kBFloat16 || qkv.scalar_type() == torch::kHalf;
  return qkv.is_cuda() && half && head_dim + 2 * side <= 256 ? GridForm::kAugmented : GridForm::kTiled;
}

Tensor grid_attention(const Tensor& qkv, const Tensor& padding, const Tensor& rel_h, const Tensor& rel_w, const GridOptions& options) {
  const auto require = [](bool holds, const char* what, const Tensor& got) {
    if (!holds) throw ShapeError(std::string("[grid_attention] ") + what + ", got " + (got.defined() ? c10::str(got.sizes()) : std::string("none")));
  };
  require(qkv.defined() && qkv.dim() == 4 && qkv.size(1) == qkv.size(2) && options.heads >= 1 && qkv.size(3) % (3 * options.heads) == 0,
          "qkv must be [B, n, n, 3 H d]", qkv);
  const int64_t batch = qkv.size(0), n = qkv.size(1), width = qkv.size(3) / 3, heads = options.heads, d = width / heads;
  const int64_t s = options.window > 0 ? options.window : n;
  require(!padding.defined() || (padding.dim() == 1 && padding.size(0) == 3 * width), "padding must be [3 H d]", padding);
  for (const Tensor* table : {&rel_h, &rel_w})
    require(table->defined() && table->dim() == 2 && table->size(0) == 2 * s - 1 && table->size(1) == d && table->scalar_type() == qkv.scalar_type(),
            "rel_h and rel_w must be [2 s - 1, d] of qkv's type", *table);

  const GridForm form = options.form == GridForm::kAutomatic ? automatic_form(qkv, rel_h, s, d) : options.form;
  if (form == GridForm::kKernel) {
    if (!kernel_applies(qkv, s, d) || wants_gradient(qkv) || wants_gradient(rel_h))
      throw UnsupportedError("[grid_attention] the kernel needs a CUDA build, bfloat16 on a GPU, heads of 64, a side of at most 80 and no gradient");
#ifdef FOVEA_WITH_CUDA
    return attend_by_kernel(qkv, padding, rel_h, rel_w, heads, s);
#endif
  }
  if (form == GridForm::kAugmented && d + 2 * s > 256)
    throw UnsupportedError("[grid_attention] the augmented form needs d + 2 side <= 256, got " + std::to_string(d + 2 * s));

  const int64_t windows = (n + s - 1) / s, m = windows * s;
  auto padded = qkv;
  if (m != n) {
    padded = padding.defined() ? padding.expand({batch, m, m, 3 * width}).clone() : torch::zeros({batch, m, m, 3 * width}, qkv.options());
    padded.slice(1, 0, n).slice(2, 0, n).copy_(qkv);
  }
  const auto split = padded.view({batch, windows, s, windows, s, 3, heads, d}).permute({5, 0, 1, 3, 6, 2, 4, 7});
  const auto parts = split.reshape({3, batch * windows * windows, heads, s * s, d});
  const Regions in{parts[0], parts[1], parts[2]};
  const auto pairs_h = by_pair(rel_h, s), pairs_w = by_pair(rel_w, s);
  const auto attended = form == GridForm::kDense       ? attend_rows(in, pairs_h, pairs_w, s, 0, s)
                        : form == GridForm::kAugmented ? attend_augmented(in, pairs_h, pairs_w, s)
                                                       : attend_tiled(in, pairs_h, pairs_w, s);
  auto out = attended.reshape({batch, windows, windows, heads, s, s, d}).permute({0, 1, 4, 2, 5, 3, 6}).reshape({batch, m, m, width});
  return m == n ? out : out.slice(1, 0, n).slice(2, 0, n);
}

Tensor quick_gelu(const Tensor& x) {
#ifdef FOVEA_WITH_CUDA
  if (x.is_cuda() && x.scalar_type() == torch::kBFloat16 && x.numel() > 0 && !wants_gradient(x)) {
    const c10::cuda::CUDAGuard guard(x.device());
    const auto from = on_16_bytes(x);
    auto out = torch::empty_like(from);
    check_grid_launch(kernels::quick_gelu(from.const_data_ptr(), out.mutable_data_ptr(), from.numel(), c10::cuda::getCurrentCUDAStream(x.device().index()).stream()),
          "quick_gelu");
    return out;
  }
#endif
  return x * torch::sigmoid(x * 1.702);
}

}  // namespace fovea::cuda

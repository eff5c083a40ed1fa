#include "fovea/vision/sam.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/cuda/ops.h"
#include "fovea/nn/checkpoint.h"

namespace fovea::vision {

static nn::Norm make_norm(const SamConfig& c, const nn::Factory& factory) {
  const bool layer = c.norm == "layer";
  return nn::Norm(layer ? nn::NormKind::kLayer : nn::NormKind::kRms, c.width, /*affine=*/layer, c.norm_eps, factory);
}

PatchEmbedImpl::PatchEmbedImpl(const SamConfig& c, const nn::Factory& factory) : patch_px_(c.patch_px) {
  proj = register_module("proj", nn::Conv(c.in_channels, c.width, c.patch_px, c.patch_px, 0, true, factory));
}

at::Tensor PatchEmbedImpl::forward(const at::Tensor& pixels) {
  // As a product of unfolded patches: the same sums as the convolution, and far faster on a CPU.
  const int64_t batch = pixels.size(0), channels = pixels.size(1), n = pixels.size(2) / patch_px_, p = patch_px_;
  const auto patches = pixels.view({batch, channels, n, p, n, p}).permute({0, 2, 4, 1, 3, 5}).reshape({batch, n, n, channels * p * p});
  return at::linear(patches, proj->weight.flatten(1), proj->bias);
}

ConvStemImpl::ConvStemImpl(const SamConfig& c, const nn::Factory& factory) {
  const int64_t cell = c.patch_px / 4;
  cells = register_module("cells", nn::Conv(c.in_channels * cell * cell, c.stem_widths[0], 3, 1, 1, true, factory));
  down = register_module("down", nn::Conv(c.stem_widths[0], c.stem_widths[1], 3, 2, 1, true, factory));
  for (int64_t i = 0; i < c.stem_blocks; ++i) {
    const std::string name = "block_" + std::to_string(i);
    nn::Conv first(c.stem_widths[1], c.stem_widths[1], 3, 1, 1, true, factory);
    nn::Conv second(c.stem_widths[1], c.stem_widths[1], 3, 1, 1, true, factory);
    blocks_.emplace_back(register_module(name + "_in", first), register_module(name + "_out", second));
  }
  out = register_module("out", nn::Conv(c.stem_widths[1], c.width, 3, 2, 1, true, factory));
}

at::Tensor ConvStemImpl::forward(const at::Tensor& pixels) {
  auto x = at::pixel_unshuffle(pixels, 4).contiguous(at::MemoryFormat::ChannelsLast);  // [B, 16 C, S/4, S/4]
  x = at::gelu(cells(x));                                                              // [B, W0, S/4, S/4]
  x = at::gelu(down(x));                                                               // [B, W1, S/8, S/8]
  for (auto& [first, second] : blocks_) x = x + second(at::gelu(first(x)));
  return out(x).permute({0, 2, 3, 1}).contiguous();                                    // [B, n, n, D]
}

SamAttentionImpl::SamAttentionImpl(const SamConfig& c, int64_t side, const nn::Factory& factory) : config_(c) {
  const int64_t d = c.width / c.heads;
  qkv = register_module("qkv", nn::Linear(c.width, 3 * c.width, c.bias, factory));
  proj = register_module("proj", nn::Linear(c.width, c.width, c.bias, factory));
  if (c.relative_positions) {
    rel_pos_h = register_parameter("rel_pos_h", factory.empty({2 * side - 1, d}));
    rel_pos_w = register_parameter("rel_pos_w", factory.empty({2 * side - 1, d}));
  }
  if (c.qk_norm) q_gain = register_parameter("q_gain", factory.empty({c.heads}));
}

// A relative table [L, d] for a side of s: stretched to 2 s - 1 rows if need be.
static at::Tensor stretched(const at::Tensor& table, int64_t s) {
  if (table.size(0) == 2 * s - 1) return table;
  return at::upsample_linear1d(table.to(at::kFloat).t().unsqueeze(0), {2 * s - 1}, /*align_corners=*/false).squeeze(0).t().to(table.scalar_type());
}

static std::atomic<cuda::GridForm> chosen_form{cuda::GridForm::kAutomatic};
void set_grid_form(cuda::GridForm form) { chosen_form = form; }

at::Tensor SamAttentionImpl::over_grid(const at::Tensor& x, int64_t window) {
  const int64_t s = window > 0 ? window : x.size(1);
  return proj(cuda::grid_attention(qkv(x), qkv->bias, stretched(rel_pos_h, s), stretched(rel_pos_w, s), {config_.heads, window, chosen_form}));
}

at::Tensor SamAttentionImpl::forward(const at::Tensor& x) {
  if (config_.relative_positions) return over_grid(x, 0);
  const int64_t batch = x.size(0), s = x.size(1), tokens = s * s, heads = config_.heads, d = config_.width / heads;
  const auto packed = qkv(x).view({batch, tokens, 3 * config_.width});
  const auto rotary = config_.rotary ? nn::Rotary::grid(s, s, d, 100.0, x.device()) : nn::Rotary{};
  const auto in = cuda::qk_norm_rope(packed, {heads, heads, d, config_.qk_norm, config_.norm_eps}, nn::as_float(q_gain), rotary.cos, rotary.sin);
  const auto attended = nn::attend(in.q, in.k, in.v, /*causal=*/false);
  return proj(attended.transpose(1, 2).reshape({batch, s, s, config_.width}));
}

SamMlpImpl::SamMlpImpl(const SamConfig& c, const nn::Factory& factory) {
  lin1 = register_module("lin1", nn::Linear(c.width, c.mlp_width, c.bias, factory));
  lin2 = register_module("lin2", nn::Linear(c.mlp_width, c.width, c.bias, factory));
}

SamBlockImpl::SamBlockImpl(const SamConfig& c, int64_t window, const nn::Factory& factory)
    : window_(window), relative_positions_(c.relative_positions) {
  norm1 = register_module("norm1", make_norm(c, factory));
  attn = register_module("attn", SamAttention(c, window > 0 ? window : c.native_grid, factory));
  norm2 = register_module("norm2", make_norm(c, factory));
  mlp = register_module("mlp", SamMlp(c, factory));
}

at::Tensor SamBlockImpl::forward(const at::Tensor& x) {
  auto y = norm1(x);
  if (relative_positions_) {
    y = attn->over_grid(y, window_);
  } else if (window_ == 0) {
    y = attn(y);
  } else {
    const int64_t batch = x.size(0), n = x.size(1), width = x.size(3), w = window_;
    const int64_t pad = (w - n % w) % w, m = n + pad, k = m / w;
    if (pad > 0) y = at::constant_pad_nd(y, {0, 0, 0, pad, 0, pad});
    y = y.reshape({batch, k, w, k, w, width}).transpose(2, 3).reshape({batch * k * k, w, w, width});
    y = attn(y);
    y = y.reshape({batch, k, k, w, w, width}).transpose(2, 3).reshape({batch, m, m, width});
    if (pad > 0) y = y.slice(1, 0, n).slice(2, 0, n);
  }
  const auto [sum, normed] = norm2->forward_sum(y, x);
  return sum + mlp(normed);
}

SamEncoderImpl::SamEncoderImpl(const SamConfig& c, const nn::Factory& factory) : config_(c) {
  if (c.stem == "conv") conv_stem = register_module("conv_stem", ConvStem(c, factory));
  else patch_embed = register_module("patch_embed", PatchEmbed(c, factory));
  if (c.absolute_positions)
    pos_embed = register_parameter("pos_embed", factory.empty({1, c.native_grid, c.native_grid, c.width}));
  torch::nn::ModuleList blocks;
  for (int64_t i = 0; i < c.depth; ++i) {
    const bool global = std::find(c.global_layers.begin(), c.global_layers.end(), i) != c.global_layers.end();
    blocks_.emplace_back(SamBlock(c, global ? 0 : c.window, factory));
    blocks->push_back(blocks_.back());
  }
  register_module("blocks", blocks);
  if (c.neck_channels > 0) {
    neck = register_module("neck", torch::nn::ModuleList());
    neck->push_back(nn::Conv(c.width, c.neck_channels, 1, 1, 0, false, factory));
    neck->push_back(nn::ChannelNorm(c.neck_channels, 1e-6, factory));
    neck->push_back(nn::Conv(c.neck_channels, c.neck_channels, 3, 1, 1, false, factory));
    neck->push_back(nn::ChannelNorm(c.neck_channels, 1e-6, factory));
  } else {
    final_norm = register_module("final_norm", make_norm(c, factory));
  }
}

at::Tensor resize_positions(const at::Tensor& table, int64_t side) {
  if (table.size(1) == side) return table;
  const auto resized = at::_upsample_bicubic2d_aa(table.to(at::kFloat).permute({0, 3, 1, 2}).contiguous(), {side, side}, /*align_corners=*/false);
  return resized.permute({0, 2, 3, 1}).contiguous().to(table.scalar_type());
}

at::Tensor SamEncoderImpl::forward(const at::Tensor& pixels) {
  if (pixels.dim() != 4 || pixels.size(1) != config_.in_channels || pixels.size(2) != pixels.size(3) ||
      pixels.size(2) % config_.patch_px != 0 || pixels.size(2) == 0)
    throw ShapeError("[SamEncoder] pixels must be [B, " + std::to_string(config_.in_channels) + ", S, S] with S a multiple of " +
                     std::to_string(config_.patch_px) + ", got " + c10::str(pixels.sizes()));
  auto x = conv_stem ? conv_stem(pixels) : patch_embed(pixels);  // [B, n, n, D]
  if (pos_embed.defined()) x = x + resize_positions(pos_embed, x.size(1));
  for (auto& block : blocks_) x = nn::checkpointed(x, [&block](const at::Tensor& y) { return block(y); });
  if (final_norm) return final_norm(x).permute({0, 3, 1, 2});
  x = x.permute({0, 3, 1, 2});  // [B, D, n, n]
  x = neck[0]->as<nn::ConvImpl>()->forward(x);
  x = neck[1]->as<nn::ChannelNormImpl>()->forward(x);
  x = neck[2]->as<nn::ConvImpl>()->forward(x);
  return neck[3]->as<nn::ChannelNormImpl>()->forward(x);
}

}  // namespace fovea::vision

#include "fovea/vision/clip.h"

#include "fovea/base/error.h"
#include "fovea/cuda/ops.h"
#include "fovea/nn/checkpoint.h"
#include "fovea/vision/sam.h"

namespace fovea::vision {

static nn::Norm make_norm(const ClipConfig& c, const nn::Factory& factory) {
  const bool layer = c.norm == "layer";
  return nn::Norm(layer ? nn::NormKind::kLayer : nn::NormKind::kRms, c.width, /*affine=*/layer, c.norm_eps, factory);
}

ClipAttentionImpl::ClipAttentionImpl(const ClipConfig& c, const nn::Factory& factory) : config_(c) {
  qkv_proj = register_module("qkv_proj", nn::Linear(c.width, 3 * c.width, c.bias, factory));
  out_proj = register_module("out_proj", nn::Linear(c.width, c.width, c.bias, factory));
  if (c.qk_norm) q_gain = register_parameter("q_gain", factory.empty({c.heads}));
}

at::Tensor ClipAttentionImpl::forward(const at::Tensor& x, const nn::Rotary& rotary) {
  const auto in = cuda::qk_norm_rope(qkv_proj(x), {config_.heads, config_.heads, config_.width / config_.heads, config_.qk_norm, config_.norm_eps},
                                     nn::as_float(q_gain), rotary.cos, rotary.sin);
  return out_proj(nn::attend(in.q, in.k, in.v, /*causal=*/false).transpose(1, 2).reshape(x.sizes()));
}

ClipMlpImpl::ClipMlpImpl(const ClipConfig& c, const nn::Factory& factory) : activation_(c.activation) {
  fc1 = register_module("fc1", nn::Linear(c.width, c.mlp_width, c.bias, factory));
  fc2 = register_module("fc2", nn::Linear(c.mlp_width, c.width, c.bias, factory));
}

ClipLayerImpl::ClipLayerImpl(const ClipConfig& c, const nn::Factory& factory) {
  layer_norm1 = register_module("layer_norm1", make_norm(c, factory));
  self_attn = register_module("self_attn", ClipAttention(c, factory));
  layer_norm2 = register_module("layer_norm2", make_norm(c, factory));
  mlp = register_module("mlp", ClipMlp(c, factory));
}

at::Tensor ClipLayerImpl::forward(const at::Tensor& x, const nn::Rotary& rotary) {
  const auto [h, normed] = layer_norm2->forward_sum(self_attn(layer_norm1(x), rotary), x);
  return h + mlp(normed);
}

namespace {
/// Holder of the checkpoint's embeddings.* names.
class ClipEmbeddingsImpl : public torch::nn::Module {
 public:
  ClipEmbeddingsImpl(const ClipConfig& c, const nn::Factory& factory) {
    if (c.class_token) class_embedding = register_parameter("class_embedding", factory.empty({c.width}));
    if (c.unused_patch_embedding)
      patch_embedding = register_module("patch_embedding", nn::Conv(3, c.width, 14, 14, 0, false, factory));
    position_embedding = register_module(
        "position_embedding", nn::Embedding(c.native_grid * c.native_grid + (c.class_token ? 1 : 0), c.width, factory));
  }
  at::Tensor class_embedding;
  nn::Conv patch_embedding{nullptr};
  nn::Embedding position_embedding{nullptr};
};
TORCH_MODULE(ClipEmbeddings);
/// Holder of the checkpoint's transformer.layers.N names.
class ClipTransformerImpl : public torch::nn::Module {};
TORCH_MODULE(ClipTransformer);
}  // namespace

ClipEncoderImpl::ClipEncoderImpl(const ClipConfig& c, int64_t in, const nn::Factory& factory) : config_(c) {
  ClipEmbeddings embeddings(c, factory);
  register_module("embeddings", embeddings);
  class_embedding = embeddings->class_embedding;
  position_embedding = embeddings->position_embedding;
  if (in != c.width) input_proj = register_module("input_proj", nn::Linear(in, c.width, c.bias, factory));
  if (c.input_norm) pre_layrnorm = register_module("pre_layrnorm", make_norm(c, factory));
  ClipTransformer transformer;
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < c.depth; ++i) {
    layers_.emplace_back(ClipLayer(c, factory));
    layers->push_back(layers_.back());
  }
  transformer->register_module("layers", layers);
  register_module("transformer", transformer);
}

at::Tensor ClipEncoderImpl::positions(int64_t grid) const {
  const int64_t native = config_.native_grid, first = config_.class_token ? 1 : 0;
  const auto& table = position_embedding->weight;
  if (grid == native) return table.unsqueeze(0);
  const auto square = table.slice(0, first).view({1, native, native, config_.width});
  at::Tensor resized;
  if (config_.position_resize == "bicubic") {
    resized = resize_positions(square, grid);
  } else {
    if (grid > native)
      throw ShapeError("[ClipEncoder] a page of " + std::to_string(grid) + " x " + std::to_string(grid) +
                       " vision tokens is larger than the " + std::to_string(native) + " x " + std::to_string(native) +
                       " positions this model was built with");
    resized = square.slice(1, 0, grid).slice(2, 0, grid);
  }
  const auto rows = resized.reshape({1, grid * grid, config_.width});
  return first ? at::cat({table.slice(0, 0, 1).unsqueeze(0), rows}, 1) : rows;
}

at::Tensor ClipEncoderImpl::forward(const at::Tensor& tokens, int64_t grid) {
  auto x = input_proj ? input_proj(tokens) : tokens;
  if (class_embedding.defined())
    x = at::cat({class_embedding.view({1, 1, -1}).expand({x.size(0), 1, config_.width}), x}, 1);
  x = x + positions(grid);
  if (pre_layrnorm) x = pre_layrnorm(x);
  nn::Rotary rotary;
  if (config_.rotary) rotary = nn::Rotary::grid(grid, grid, config_.width / config_.heads, 100.0, x.device());
  for (auto& layer : layers_) x = nn::checkpointed(x, [&layer, rotary](const at::Tensor& y) { return layer(y, rotary); });
  return class_embedding.defined() ? x.slice(1, 1) : x;
}

}  // namespace fovea::vision

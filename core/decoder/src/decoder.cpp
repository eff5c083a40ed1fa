#include "fovea/decoder/decoder.h"

#include "few_rows.h"
#include "fovea/base/error.h"
#include "fovea/nn/checkpoint.h"
#include "fovea/cuda/decode.h"

namespace fovea::decoder {

void validate(const DecoderConfig& c) {
  std::vector<std::string> problems;
  fovea::detail::Validate visitor{"", problems};
  const_cast<DecoderConfig&>(c).visit_fields(visitor);
  if (c.num_attention_heads % std::max<int64_t>(1, c.num_key_value_heads) != 0)
    problems.push_back("num_key_value_heads must divide num_attention_heads");
  if (c.deepstack_layer >= c.num_hidden_layers)
    problems.push_back("deepstack_layer must be below num_hidden_layers, got " + std::to_string(c.deepstack_layer));
  if (c.head_dim % 2 != 0) problems.push_back("head_dim must be even");
  if (c.num_experts_per_tok > c.n_routed_experts) problems.push_back("num_experts_per_tok must be at most n_routed_experts");
  if (!problems.empty()) fovea::detail::throw_problems("DecoderConfig", problems);
}

KvCache::KvCache(const DecoderConfig& c, int64_t batch, int64_t capacity, const at::Device& device, at::ScalarType dtype)
    : capacity_(capacity) {
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    for (auto* list : {&keys_, &values_})
      list->push_back(at::empty({batch, c.num_key_value_heads, 0, c.head_dim}, at::TensorOptions().device(device).dtype(dtype)));
}

// Room for `positions` positions, the first length_ copied.
static at::Tensor resized(const at::Tensor& old, int64_t positions, int64_t length) {
  auto out = at::empty({old.size(0), old.size(1), positions, old.size(3)}, old.options());
  if (length > 0) out.narrow(2, 0, length).copy_(old.narrow(2, 0, length));
  return out;
}

std::pair<at::Tensor, at::Tensor> KvCache::append(int64_t layer, const at::Tensor& k, const at::Tensor& v) {
  const int64_t end = length_ + k.size(2);
  if (end > capacity_)
    throw ShapeError("[KvCache] " + std::to_string(end) + " positions do not fit a cache of " + std::to_string(capacity_));
  for (auto [list, value] : {std::pair{&keys_, &k}, std::pair{&values_, &v}}) {
    at::Tensor& store = (*list)[layer];
    if (store.size(2) < end) store = resized(store, std::min(capacity_, std::max<int64_t>(end + 256, store.size(2) * 3 / 2)), length_);
    store.narrow(2, length_, k.size(2)).copy_(*value);
  }
  return {keys_[layer].narrow(2, 0, end), values_[layer].narrow(2, 0, end)};
}

// Whether the joined weights are still what `first` is a part of.
static bool holds(const at::Tensor& joined, const at::Tensor& first) {
  return joined.defined() && !at::GradMode::is_enabled() && joined.const_data_ptr() == first.const_data_ptr() && joined.scalar_type() == first.scalar_type();
}

DecoderAttentionImpl::DecoderAttentionImpl(const DecoderConfig& c, const nn::Factory& factory) : config_(c) {
  const int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim;
  q_proj = register_module("q_proj", nn::Linear(c.hidden_size, q, false, factory));
  k_proj = register_module("k_proj", nn::Linear(c.hidden_size, kv, false, factory));
  v_proj = register_module("v_proj", nn::Linear(c.hidden_size, kv, false, factory));
  o_proj = register_module("o_proj", nn::Linear(q, c.hidden_size, false, factory));
  if (c.qk_norm) q_gain = register_parameter("q_gain", factory.empty({c.num_attention_heads}));
}

at::Tensor DecoderAttentionImpl::project(const at::Tensor& x) {
  if (holds(joined_, q_proj->weight)) return at::linear(x, joined_);
  // With gradients one product with the joined weights; without, joining would cost more than three products.
  if (at::GradMode::is_enabled()) return at::linear(x, at::cat({q_proj->weight, k_proj->weight, v_proj->weight}));
  return at::cat({few_rows_linear(q_proj, x), few_rows_linear(k_proj, x), few_rows_linear(v_proj, x)}, -1);
}

at::Tensor DecoderAttentionImpl::forward(const at::Tensor& x, const nn::Rotary& rotary, KvCache* cache, int64_t layer, Taps* taps, const nn::Packed* packed) {
  auto [q, k, v] = cuda::qk_norm_rope(
      project(x), {config_.num_attention_heads, config_.num_key_value_heads, config_.head_dim, config_.qk_norm, config_.rms_norm_eps},
      nn::as_float(q_gain), rotary.cos, rotary.sin);
  if (taps && taps->qk_layer == layer) taps->q = q, taps->k = k;
  if (cache) std::tie(k, v) = cache->append(layer, k, v);
  const auto attended = packed ? nn::attend_packed(q, k, v, *packed) : nn::attend(q, k, v, /*causal=*/true).transpose(1, 2);  // [B, T, H, d]
  return o_proj(attended.reshape({x.size(0), x.size(1), config_.num_attention_heads * config_.head_dim}));
}

GatedMlpImpl::GatedMlpImpl(int64_t width, int64_t hidden, const nn::Factory& factory) {
  gate_proj = register_module("gate_proj", nn::Linear(width, hidden, false, factory));
  up_proj = register_module("up_proj", nn::Linear(width, hidden, false, factory));
  down_proj = register_module("down_proj", nn::Linear(hidden, width, false, factory));
}

at::Tensor GatedMlpImpl::forward(const at::Tensor& x) {
  if (holds(joined_, gate_proj->weight)) return down_proj(cuda::swiglu(at::linear(x, joined_)));
  if (!at::GradMode::is_enabled()) return few_rows_linear(down_proj, at::silu(few_rows_linear(gate_proj, x)).mul_(few_rows_linear(up_proj, x)));
  const auto packed = at::linear(x, at::cat({gate_proj->weight, up_proj->weight}));
  return down_proj(cuda::swiglu(packed));
}

MoeImpl::MoeImpl(const DecoderConfig& c, const nn::Factory& factory) : config_(c) {
  gate = register_module("gate", nn::Linear(c.hidden_size, c.n_routed_experts, false, factory));
  torch::nn::ModuleList experts;
  for (int64_t i = 0; i < c.n_routed_experts; ++i) {
    experts_.emplace_back(GatedMlp(c.hidden_size, c.moe_intermediate_size, factory));
    experts->push_back(experts_.back());
  }
  register_module("experts", experts);
  if (c.n_shared_experts > 0)
    shared_experts = register_module("shared_experts", GatedMlp(c.hidden_size, c.n_shared_experts * c.moe_intermediate_size, factory));
}

at::Tensor MoeImpl::forward(const at::Tensor& x) {
  const auto rows = x.reshape({-1, x.size(-1)});  // [N, D]
  const auto shared = shared_experts ? shared_experts(rows) : at::Tensor();
  if (holds(gate_up_, experts_.front()->gate_proj->weight)) {
    const auto routes = cuda::route(rows, gate->weight, config_.num_experts_per_tok);
    return cuda::expert_mlps(rows, gate_up_, down_, routes, shared).view(x.sizes());
  }
  const auto routes = cuda::twin::route(rows, gate->weight, config_.num_experts_per_tok);
  const auto routed = cuda::twin::grouped_experts(rows, routes, int64_t(experts_.size()), [&](int64_t e, const at::Tensor& mine) { return experts_[size_t(e)](mine); });
  return (shared.defined() ? routed + shared : routed).view(x.sizes());
}

DecoderLayerImpl::DecoderLayerImpl(const DecoderConfig& c, int64_t index, const nn::Factory& factory) : index_(index) {
  const auto norm = [&] { return nn::Norm(nn::NormKind::kRms, c.hidden_size, c.norm_weight, c.rms_norm_eps, factory); };
  input_layernorm = register_module("input_layernorm", norm());
  self_attn = register_module("self_attn", DecoderAttention(c, factory));
  post_attention_layernorm = register_module("post_attention_layernorm", norm());
  if (index < c.first_k_dense_replace) dense_ = register_module("mlp", GatedMlp(c.hidden_size, c.intermediate_size, factory));
  else moe_ = register_module("mlp", Moe(c, factory));
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& x, const nn::Rotary& rotary, KvCache* cache, Taps* taps, const nn::Packed* packed) {
  const auto [h, y] = post_attention_layernorm->forward_sum(self_attn(input_layernorm(x), rotary, cache, index_, taps, packed), x);
  const auto out = h + (dense_ ? dense_(y) : moe_(y));
  if (taps && taps->hidden_layer == index_) taps->hidden = out;
  return out;
}

DecoderImpl::DecoderImpl(const DecoderConfig& c, const nn::Factory& factory) : config(c) {
  validate(c);
  embed_tokens = register_module("embed_tokens", nn::Embedding(c.vocab_size, c.hidden_size, factory));
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    layers_.emplace_back(DecoderLayer(c, i, factory));
    layers->push_back(layers_.back());
  }
  register_module("layers", layers);
  norm = register_module("norm", nn::Norm(nn::NormKind::kRms, c.hidden_size, c.norm_weight, c.rms_norm_eps, factory));
  lm_head = register_module("lm_head", nn::Linear(c.hidden_size, c.vocab_size, false, factory));
}

void DecoderImpl::prepare(int64_t count, const at::Device& device) {
  if (!rotary_.defined() || rotary_.cos.size(0) < count || rotary_.cos.device() != device)
    rotary_ = nn::Rotary::line(0, std::max(count, config.max_position_embeddings), config.head_dim, config.rope_theta, device);
}

at::Tensor DecoderImpl::embed(const at::Tensor& ids) {
  const auto x = embed_tokens(ids);
  return config.deepstack_layer > 0 ? at::constant_pad_nd(x, {0, config.hidden_size}) : x;
}

std::pair<at::Tensor, at::Tensor> DecoderImpl::halves(const at::Tensor& inputs) const {
  if (inputs.size(-1) != config.input_width())
    throw ShapeError("[decoder] inputs must be [..., " + std::to_string(config.input_width()) + "], got " + c10::str(inputs.sizes()));
  if (config.deepstack_layer == 0) return {inputs, {}};
  return {inputs.narrow(-1, 0, config.hidden_size).contiguous(), inputs.narrow(-1, config.hidden_size, config.hidden_size)};
}

at::Tensor DecoderImpl::through_layers(const at::Tensor& inputs, const nn::Rotary& rotary, KvCache* cache, Taps* taps, const nn::Packed* packed) {
  auto [x, deep] = halves(inputs);
  for (size_t i = 0; i < layers_.size(); ++i) {
    auto& layer = layers_[i];
    if (deep.defined() && int64_t(i) == config.deepstack_layer) x = x + deep;
    const bool tapped = taps && (taps->qk_layer == int64_t(i) || taps->hidden_layer == int64_t(i));
    if (cache || tapped || !nn::CheckpointGuard::is_on()) {
      x = layer(x, rotary, cache, taps, packed);
      continue;
    }
    // A layer that is gone through again backwards keeps what it needs: the caller's may be gone by then.
    const auto kept = packed ? std::make_shared<const nn::Packed>(*packed) : nullptr;
    x = nn::checkpointed(x, [&layer, rotary, kept](const at::Tensor& y) { return layer(y, rotary, nullptr, nullptr, kept.get()); });
  }
  return norm(x);
}

at::Tensor DecoderImpl::forward(const at::Tensor& inputs, KvCache* cache, Taps* taps) {
  const int64_t first = cache ? cache->length() : 0, count = inputs.size(1);
  prepare(first + count, inputs.device());
  const auto out = through_layers(inputs, {rotary_.cos.narrow(0, first, count), rotary_.sin.narrow(0, first, count)}, cache, taps, nullptr);
  if (cache) cache->advance(count);
  return out;
}

at::Tensor DecoderImpl::forward(const at::Tensor& inputs, const nn::Packed& packed, Taps* taps) {
  prepare(packed.longest, inputs.device());
  return through_layers(inputs, {rotary_.cos.index_select(0, packed.places), rotary_.sin.index_select(0, packed.places)}, nullptr, taps, &packed);
}

}  // namespace fovea::decoder

#include "cpu_decoder.h"

#include <algorithm>

#include "fovea/nn/row_ops.h"

namespace fovea::decoder {

std::unique_ptr<const CpuDecoder> CpuDecoder::make(const DecoderImpl& decoder, int64_t max_positions) {
  const DecoderConfig& c = decoder.config;
  auto out = std::make_unique<CpuDecoder>();
  bool possible = c.head_dim % 16 == 0;
  const auto floats = [&](const at::Tensor& x) -> const float* {
    if (!x.defined()) return nullptr;
    if (!x.is_cpu() || x.scalar_type() != at::kFloat || !x.is_contiguous()) return possible = false, nullptr;
    return x.const_data_ptr<float>();
  };
  const auto packed = [&](const nn::Linear& linear) {
    if (!linear->int8 || linear->bias.defined()) possible = false;
    return linear->int8.get();
  };
  for (const auto& layer : decoder.layers_) {
    if (!layer->dense_) return nullptr;
    const auto& attention = *layer->self_attn;
    const auto& mlp = *layer->dense_;
    out->layers_.push_back({floats(layer->input_layernorm->weight), floats(layer->post_attention_layernorm->weight), floats(attention.q_gain),
                            packed(attention.q_proj), packed(attention.k_proj), packed(attention.v_proj), packed(attention.o_proj),
                            packed(mlp.gate_proj), packed(mlp.up_proj), packed(mlp.down_proj)});
  }
  out->embedding_ = floats(decoder.embed_tokens->weight);
  out->norm_ = floats(decoder.norm->weight);
  out->head_ = packed(decoder.lm_head);
  if (!possible) return nullptr;
  out->config_ = c;
  out->rotary_ = nn::Rotary::line(0, max_positions, c.head_dim, c.rope_theta, at::kCPU);
  return out;
}

float* CpuDecoder::keys(const Sequence& s, int64_t layer, int64_t head) const {
  return s.store.data_ptr<float>() + (layer * config_.num_key_value_heads + head) * 2 * s.capacity * config_.head_dim;
}

void CpuDecoder::reserve(Sequence& s, int64_t positions) const {
  if (positions <= s.capacity) return;
  const int64_t d = config_.head_dim;
  Sequence larger;
  larger.length = s.length;
  larger.capacity = (std::max(positions + 256, s.capacity * 3 / 2) + nn::kKeyBlock - 1) / nn::kKeyBlock * nn::kKeyBlock;
  larger.store = at::empty({config_.num_hidden_layers, config_.num_key_value_heads, 2, larger.capacity * d}, at::kFloat);
  if (s.length > 0)
    for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer)
      for (int64_t h = 0; h < config_.num_key_value_heads; ++h) {
        const float* from = keys(s, layer, h);
        float* to = keys(larger, layer, h);
        std::copy_n(from, nn::key_floats(s.length, d), to);
        std::copy_n(from + s.capacity * d, s.length * d, to + larger.capacity * d);
      }
  s = std::move(larger);
}

CpuDecoder::Sequence CpuDecoder::sequence(const KvCache& cache, int64_t row) const {
  const int64_t d = config_.head_dim;
  Sequence out;
  reserve(out, cache.length());
  out.length = cache.length();
  for (int64_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    const auto k = cache.keys(layer)[row].contiguous(), v = cache.values(layer)[row].contiguous();  // [Hk, T, d]
    for (int64_t h = 0; h < config_.num_key_value_heads; ++h) {
      float* store = keys(out, layer, h);
      const float *from_k = k.const_data_ptr<float>() + h * out.length * d, *from_v = v.const_data_ptr<float>() + h * out.length * d;
      for (int64_t t = 0; t < out.length; ++t) nn::put_key(store, t, from_k + t * d, d);
      std::copy_n(from_v, out.length * d, store + out.capacity * d);
    }
  }
  return out;
}

const float* CpuDecoder::step(const std::vector<Sequence*>& sequences, const std::vector<int64_t>& ids, Scratch& w) const {
  const int64_t rows = int64_t(sequences.size()), width = config_.hidden_size, d = config_.head_dim;
  const int64_t heads = config_.num_attention_heads, kv_heads = config_.num_key_value_heads, share = heads / kv_heads;
  const int64_t inner = config_.intermediate_size;
  const float eps = float(config_.rms_norm_eps);
  int64_t longest = 0;
  for (Sequence* s : sequences) {
    reserve(*s, s->length + 1);
    longest = std::max(longest, s->length + 1);
  }
  w.x.resize(size_t(rows * width));
  w.normed.resize(size_t(rows * width));
  w.qkv.resize(size_t(rows * (heads + 2 * kv_heads) * d));
  w.attended.resize(size_t(rows * heads * d));
  w.hidden.resize(size_t(rows * inner));
  w.up.resize(size_t(rows * inner));
  w.scores.resize(size_t(share * nn::key_floats(longest, 1)));
  w.logits.resize(size_t(rows * config_.vocab_size));
  float *q = w.qkv.data(), *k = q + rows * heads * d, *v = k + rows * kv_heads * d;  // [R, H d], [R, Hk d], [R, Hk d]

  const auto norm_rows = [&](const float* weight) {
    for (int64_t r = 0; r < rows; ++r) nn::rms_norm_row(&w.x[size_t(r * width)], weight, &w.normed[size_t(r * width)], width, eps);
  };
  for (int64_t r = 0; r < rows; ++r) std::copy_n(embedding_ + ids[size_t(r)] * width, width, &w.x[size_t(r * width)]);
  for (size_t l = 0; l < layers_.size(); ++l) {
    const Layer& layer = layers_[l];
    norm_rows(layer.input_norm);
    layer.q->multiply(w.normed.data(), rows, q);
    layer.k->multiply(w.normed.data(), rows, k);
    layer.v->multiply(w.normed.data(), rows, v);
    for (int64_t r = 0; r < rows; ++r) {
      const Sequence& s = *sequences[size_t(r)];
      const float *cos = rotary_.cos.const_data_ptr<float>() + s.length * d / 2, *sin = rotary_.sin.const_data_ptr<float>() + s.length * d / 2;
      nn::qk_norm_rope_row(q + r * heads * d, heads, d, config_.qk_norm, eps, layer.q_gain, cos, sin);
      nn::qk_norm_rope_row(k + r * kv_heads * d, kv_heads, d, config_.qk_norm, eps, nullptr, cos, sin);
      for (int64_t h = 0; h < kv_heads; ++h) {
        float *of_keys = keys(s, int64_t(l), h), *of_values = of_keys + s.capacity * d;
        nn::put_key(of_keys, s.length, k + (r * kv_heads + h) * d, d);
        std::copy_n(v + (r * kv_heads + h) * d, d, of_values + s.length * d);
        const int64_t first = (r * heads + h * share) * d;
        nn::attend_row(q + first, of_keys, of_values, &w.attended[size_t(first)], w.scores.data(), share, s.length + 1, d);
      }
    }
    layer.o->multiply(w.attended.data(), rows, w.x.data(), /*add=*/true);
    norm_rows(layer.post_norm);
    layer.gate->multiply(w.normed.data(), rows, w.hidden.data());
    layer.up->multiply(w.normed.data(), rows, w.up.data());
    nn::swiglu_row(w.hidden.data(), w.up.data(), w.hidden.data(), rows * inner);
    layer.down->multiply(w.hidden.data(), rows, w.x.data(), /*add=*/true);
  }
  norm_rows(norm_);
  head_->multiply(w.normed.data(), rows, w.logits.data());
  for (Sequence* s : sequences) ++s->length;
  return w.logits.data();
}

}  // namespace fovea::decoder

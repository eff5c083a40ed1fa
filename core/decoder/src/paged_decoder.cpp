#include "paged_decoder.h"

#include "few_rows.h"
#include "fovea/cuda/decode.h"
#include "paged_attention.h"

namespace fovea::decoder {

PagedDecoder::PagedDecoder(DecoderImpl& decoder, int64_t pages, int64_t block, const at::Device& device, at::ScalarType dtype)
    : decoder_(decoder), block_(block) {
  const DecoderConfig& c = decoder.config;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i)
    for (auto* list : {&keys_, &values_})
      list->push_back(at::empty({pages, c.num_key_value_heads, block, c.head_dim}, at::TensorOptions().device(device).dtype(dtype)));
  decoder.prepare(c.max_position_embeddings, device);
}

at::Tensor PagedDecoder::step(const at::Tensor& ids, const at::Tensor& positions, const at::Tensor& table) {
  const DecoderConfig& c = decoder_.config;
  const cuda::QkNormRopeOptions options{c.num_attention_heads, c.num_key_value_heads, c.head_dim, c.qk_norm, c.rms_norm_eps};
  const int64_t rows = ids.size(0);
  auto x = decoder_.embed_tokens(ids);  // [B, D]
  if (x.scalar_type() != keys_.front().scalar_type()) x = x.to(keys_.front().scalar_type());
  for (size_t l = 0; l < decoder_.layers_.size(); ++l) {
    auto& layer = *decoder_.layers_[l];
    auto& attention = *layer.self_attn;
    const auto qkv = attention.project(layer.input_layernorm(x));
    const auto q = cuda::rope_append(qkv, options, nn::as_float(attention.q_gain), decoder_.rotary_.cos, decoder_.rotary_.sin, positions, table, keys_[l], values_[l]);
    const auto attended = q.is_cpu() ? paged_attention_cpu(q, keys_[l], values_[l], positions, table) : cuda::paged_attention(q, keys_[l], values_[l], positions, table);
    const auto out = few_rows_linear(attention.o_proj, attended.view({rows, c.num_attention_heads * c.head_dim}));
    const auto [sum, normed] = cuda::add_rms_norm(out, x, layer.post_attention_layernorm->weight, layer.post_attention_layernorm->eps);
    x = sum + (layer.dense_ ? layer.dense_(normed) : layer.moe_(normed));
  }
  return few_rows_linear(decoder_.lm_head, decoder_.norm(x));
}

at::Tensor PagedDecoder::prefill(const at::Tensor& prompts, const at::Tensor& pages) {
  const int64_t batch = prompts.size(0), length = prompts.size(1), each = pages.size(0) / batch;
  KvCache cache(decoder_.config, batch, each * block_, prompts.device(), prompts.scalar_type());
  const auto hidden = decoder_.forward(prompts, &cache).select(1, length - 1);
  for (size_t l = 0; l < keys_.size(); ++l) {
    const auto [k, v] = cache.whole(int64_t(l));  // [B, Hk, each * block, d]
    for (const auto& [from, to] : {std::pair{&k, &keys_[l]}, std::pair{&v, &values_[l]}}) {
      const auto parts = from->view({batch, from->size(1), each, block_, from->size(3)}).transpose(1, 2);
      to->index_copy_(0, pages, parts.reshape({batch * each, from->size(1), block_, from->size(3)}));
    }
  }
  return decoder_.logits(hidden);
}

int64_t PagedDecoder::bytes() const {
  int64_t out = 0;
  for (const auto& k : keys_) out += 2 * int64_t(k.nbytes());
  return out;
}

// The joined tensor of weights [rows, in] each; they become views of it.
static at::Tensor join_rows(const std::vector<nn::Linear>& parts) {
  std::vector<at::Tensor> weights;
  for (const auto& part : parts) weights.push_back(part->weight);
  auto joined = at::cat(weights);
  int64_t row = 0;
  for (const auto& part : parts) {
    const int64_t rows = part->weight.size(0);
    part->weight.set_data(joined.narrow(0, row, rows));
    row += rows;
  }
  return joined;
}

void PagedDecoder::join(DecoderImpl& decoder) {
  torch::NoGradGuard no_grad;
  const auto join_mlp = [](GatedMlpImpl& mlp) {
    if (!mlp.joined_.defined() || mlp.joined_.const_data_ptr() != mlp.gate_proj->weight.const_data_ptr()) mlp.joined_ = join_rows({mlp.gate_proj, mlp.up_proj});
  };
  for (auto& layer : decoder.layers_) {
    auto& attention = *layer->self_attn;
    if (!attention.joined_.defined() || attention.joined_.const_data_ptr() != attention.q_proj->weight.const_data_ptr())
      attention.joined_ = join_rows({attention.q_proj, attention.k_proj, attention.v_proj});
    if (layer->dense_) {
      join_mlp(*layer->dense_);
      continue;
    }
    auto& moe = *layer->moe_;
    if (moe.shared_experts) join_mlp(*moe.shared_experts);
    auto& first = *moe.experts_.front();
    if (moe.gate_up_.defined() && moe.gate_up_.const_data_ptr() == first.gate_proj->weight.const_data_ptr()) continue;
    const int64_t experts = int64_t(moe.experts_.size()), inner = first.gate_proj->weight.size(0), width = first.gate_proj->weight.size(1);
    moe.gate_up_ = at::empty({experts, 2 * inner, width}, first.gate_proj->weight.options().requires_grad(false));
    moe.down_ = at::empty({experts, width, inner}, moe.gate_up_.options());
    for (int64_t e = 0; e < experts; ++e) {
      auto& expert = *moe.experts_[size_t(e)];
      for (auto [linear, place] : {std::pair{&expert.gate_proj, moe.gate_up_[e].narrow(0, 0, inner)}, {&expert.up_proj, moe.gate_up_[e].narrow(0, inner, inner)},
                                   {&expert.down_proj, moe.down_[e]}}) {
        place.copy_((*linear)->weight);
        (*linear)->weight.set_data(place);
      }
    }
  }
}

void join_weights(DecoderImpl& decoder) { PagedDecoder::join(decoder); }

}  // namespace fovea::decoder

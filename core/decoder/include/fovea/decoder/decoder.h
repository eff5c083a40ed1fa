// The decoder: dense and mixture-of-experts layers over vision tokens and text alike. Names are those of the checkpoint.
// Shape letters: B sequences, T positions, D width, I width of the input (D, or 2 D with deepstack_layer), H query heads, Hk key heads, d head width, V vocabulary.
#pragma once
#include <optional>

#include "fovea/decoder/config.h"
#include "fovea/nn/modules.h"
#include "fovea/nn/packed.h"

namespace fovea::decoder {

class CpuDecoder;    // src/cpu_decoder.h: reads the weights of the layers below
class PagedDecoder;  // src/paged_decoder.h: a step over a cache in pages

/// Keys and values of the positions so far; grows as needed up to its capacity. All sequences of a batch have the same length: for prompts and
/// for texts that are there already; generation goes on in pages (engine.h).
class KvCache {
 public:
  KvCache(const DecoderConfig& config, int64_t batch, int64_t capacity, const at::Device& device, at::ScalarType dtype);
  int64_t length() const { return length_; }
  int64_t capacity() const { return capacity_; }
  /// Appends k, v [B, Hk, T, d] of one layer; returns views of all so far. The length moves on with advance().
  std::pair<at::Tensor, at::Tensor> append(int64_t layer, const at::Tensor& k, const at::Tensor& v);
  void advance(int64_t count) { length_ += count; }
  /// Keys and values of a layer so far, [B, Hk, length, d], views.
  at::Tensor keys(int64_t layer) const { return keys_[size_t(layer)].narrow(2, 0, length_); }
  at::Tensor values(int64_t layer) const { return values_[size_t(layer)].narrow(2, 0, length_); }
  /// The same up to the capacity, which one append() of all positions has filled: what follows the last position is not set.
  std::pair<at::Tensor, at::Tensor> whole(int64_t layer) const { return {keys_[size_t(layer)], values_[size_t(layer)]}; }

 private:
  int64_t length_ = 0, capacity_;
  std::vector<at::Tensor> keys_, values_;  ///< [B, Hk, >= length, d] a layer
};

/// What training looks at inside the decoder; filled where asked.
struct Taps {
  int64_t qk_layer = -1;      ///< layer whose queries and keys are kept; -1 none
  int64_t hidden_layer = -1;  ///< layer whose output is kept; -1 none
  at::Tensor q, k;            ///< [B, H, T, d], [B, Hk, T, d] after norm and rotary
  at::Tensor hidden;          ///< [B, T, D]
};

class DecoderAttentionImpl : public torch::nn::Module {
 public:
  DecoderAttentionImpl(const DecoderConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x, const nn::Rotary& rotary, KvCache* cache, int64_t layer, Taps* taps, const nn::Packed* packed);

 private:
  friend class CpuDecoder;
  friend class PagedDecoder;
  DecoderConfig config_;
  at::Tensor project(const at::Tensor& x);  ///< [..., D] -> [..., (H + 2 Hk) d]
  nn::Linear q_proj{nullptr}, k_proj{nullptr}, v_proj{nullptr}, o_proj{nullptr};
  at::Tensor q_gain;
  at::Tensor joined_;  ///< the three weights side by side, if join_weights was called
};
TORCH_MODULE(DecoderAttention);

/// down(silu(gate(x)) * up(x)).
class GatedMlpImpl : public torch::nn::Module {
 public:
  GatedMlpImpl(int64_t width, int64_t hidden, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x);

 private:
  friend class CpuDecoder;
  friend class PagedDecoder;
  friend class MoeImpl;
  nn::Linear gate_proj{nullptr}, up_proj{nullptr}, down_proj{nullptr};
  at::Tensor joined_;  ///< gate and up side by side, if join_weights was called
};
TORCH_MODULE(GatedMlp);

/// Softmax router without renormalisation over the chosen experts, shared experts always on. Ties go to the lowest index.
class MoeImpl : public torch::nn::Module {
 public:
  MoeImpl(const DecoderConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x);

 private:
  friend class PagedDecoder;
  DecoderConfig config_;
  nn::Linear gate{nullptr};
  std::vector<GatedMlp> experts_;
  GatedMlp shared_experts{nullptr};
  at::Tensor gate_up_, down_;  ///< all experts' weights side by side [E, 2 I, D], [E, D, I], if join_weights was called
};
TORCH_MODULE(Moe);

class DecoderLayerImpl : public torch::nn::Module {
 public:
  DecoderLayerImpl(const DecoderConfig& config, int64_t index, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x, const nn::Rotary& rotary, KvCache* cache, Taps* taps, const nn::Packed* packed = nullptr);

 private:
  friend class CpuDecoder;
  friend class PagedDecoder;
  int64_t index_;
  nn::Norm input_layernorm{nullptr}, post_attention_layernorm{nullptr};
  DecoderAttention self_attn{nullptr};
  GatedMlp dense_{nullptr};
  Moe moe_{nullptr};
};
TORCH_MODULE(DecoderLayer);

class DecoderImpl : public torch::nn::Module {
 public:
  DecoderImpl(const DecoderConfig& config, const nn::Factory& factory);
  /// int64 [B, T] -> [B, T, I]; text has zeros in a second half.
  at::Tensor embed(const at::Tensor& ids);
  /// Inputs [B, T, I] -> normed hidden states [B, T, D]. Positions go on from the cache's length (0 without one).
  at::Tensor forward(const at::Tensor& inputs, KvCache* cache = nullptr, Taps* taps = nullptr);
  /// Sequences one after the other: inputs [1, R, I] -> [1, R, D], and so the taps.
  at::Tensor forward(const at::Tensor& inputs, const nn::Packed& packed, Taps* taps = nullptr);
  at::Tensor logits(const at::Tensor& hidden) { return lm_head(hidden); }  ///< [..., D] -> [..., V]
  /// Inputs [..., I] -> what the first layer takes [..., D], and what is added before layer deepstack_layer [..., D], undefined without one.
  std::pair<at::Tensor, at::Tensor> halves(const at::Tensor& inputs) const;
  /// Makes the angles of positions 0..count now; forward() on several threads needs them there.
  void prepare(int64_t count, const at::Device& device);
  const DecoderConfig config;

 private:
  friend class CpuDecoder;
  friend class PagedDecoder;
  at::Tensor through_layers(const at::Tensor& inputs, const nn::Rotary& rotary, KvCache* cache, Taps* taps, const nn::Packed* packed);
  nn::Embedding embed_tokens{nullptr};
  std::vector<DecoderLayer> layers_;
  nn::Norm norm{nullptr};
  nn::Linear lm_head{nullptr};
  nn::Rotary rotary_;  ///< cached angles of positions 0..n
};
TORCH_MODULE(Decoder);

/// Lays weights that are multiplied together side by side (query, key and value; gate and up; all experts of a layer): the parameters become
/// views of the joined tensors, layer by layer, so that no more than one layer is in memory twice. Moving the module afterwards undoes it.
void join_weights(DecoderImpl& decoder);

}  // namespace fovea::decoder

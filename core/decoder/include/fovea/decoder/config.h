// Numbers of the decoder. The defaults are DeepSeek3B-MoE-A570M (source: config.json of deepseek-ai/DeepSeek-OCR).
#pragma once
#include "fovea/base/config.h"

namespace fovea::decoder {

struct DecoderConfig {
  int64_t vocab_size = 129280;
  int64_t hidden_size = 1280;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 10;
  int64_t num_key_value_heads = 10;
  int64_t head_dim = 128;
  int64_t intermediate_size = 6848;       ///< dense layers
  int64_t moe_intermediate_size = 896;    ///< each routed expert
  int64_t n_routed_experts = 64;
  int64_t n_shared_experts = 2;           ///< fused into one MLP
  int64_t num_experts_per_tok = 6;
  int64_t first_k_dense_replace = 1;      ///< layers below it are dense, the others mixtures of experts
  double rms_norm_eps = 1e-6;
  bool norm_weight = true;                ///< learned weight of the norms
  double rope_theta = 10000.0;
  bool qk_norm = false;                   ///< normalised queries and keys with a learned gain
  int64_t deepstack_layer = 0;            ///< vision tokens are twice as wide: their first half is read where text is embedded, their second is added to the residual
                                          ///< stream before this layer (from 0), so that a position holds more numbers than the width. 0: none.
                                          ///< After DeepStack (Meng et al. 2024, arXiv 2406.04334), which gives deeper layers other tokens of the picture
  int64_t max_position_embeddings = 8192; ///< positions it was trained for; generation stops there
  int64_t bos_token_id = 0;
  int64_t eos_token_id = 1;

  template <class V> void visit_fields(V& v) {
    v.field("vocab_size", vocab_size, "rows of the embedding", {.min = 1});
    v.field("hidden_size", hidden_size, "width", {.min = 1});
    v.field("num_hidden_layers", num_hidden_layers, "layers", {.min = 1});
    v.field("num_attention_heads", num_attention_heads, "query heads", {.min = 1});
    v.field("num_key_value_heads", num_key_value_heads, "key and value heads", {.min = 1});
    v.field("head_dim", head_dim, "width of a head", {.min = 2});
    v.field("intermediate_size", intermediate_size, "hidden width of dense MLPs", {.min = 1});
    v.field("moe_intermediate_size", moe_intermediate_size, "hidden width of a routed expert", {.min = 1});
    v.field("n_routed_experts", n_routed_experts, "routed experts a layer", {.min = 1});
    v.field("n_shared_experts", n_shared_experts, "shared experts, fused into one MLP", {.min = 0});
    v.field("num_experts_per_tok", num_experts_per_tok, "experts a token visits", {.min = 1});
    v.field("first_k_dense_replace", first_k_dense_replace, "number of dense layers at the bottom", {.min = 0});
    v.field("rms_norm_eps", rms_norm_eps, "epsilon of the norms", {.min = 0});
    v.field("norm_weight", norm_weight, "norms have a learned weight");
    v.field("rope_theta", rope_theta, "base of the rotary positions", {.min = 1});
    v.field("qk_norm", qk_norm, "normalised queries and keys with a learned gain");
    v.field("deepstack_layer", deepstack_layer, "layer before which the second half of vision tokens of twice the width is added, 0 none", {.min = 0});
    v.field("max_position_embeddings", max_position_embeddings, "positions the decoder was trained for", {.min = 1});
    v.field("bos_token_id", bos_token_id, "id of the first token", {.min = 0});
    v.field("eos_token_id", eos_token_id, "id that ends the text", {.min = 0});
  }

  /// Width of a position of the decoder's input: of a vision token as it is read.
  int64_t input_width() const { return deepstack_layer > 0 ? 2 * hidden_size : hidden_size; }
};

/// Errors: ConfigError listing all problems.
void validate(const DecoderConfig& config);

}  // namespace fovea::decoder

#include "fovea/model/config.h"

#include "fovea/base/error.h"

namespace fovea::model {

namespace presets {

ModelConfig deepseek_ocr() { return {}; }

ModelConfig reader_tiny() {
  ModelConfig c;
  c.name = "reader-tiny";
  auto& sam = c.encoder.sam;
  sam.in_channels = 1;
  sam.stem = "conv";
  sam.stem_widths = {96, 192};
  sam.stem_blocks = 1;
  sam.width = 384;
  sam.depth = 6;
  sam.heads = 6;
  sam.mlp_width = 1280;
  sam.window = 8;
  sam.global_layers = {2, 5};
  sam.norm = "rms";
  sam.bias = false;
  sam.absolute_positions = false;
  sam.relative_positions = false;
  sam.rotary = true;
  sam.qk_norm = true;
  sam.neck_channels = 0;
  c.encoder.compressor = {.kind = "conv", .channels = {448, 640}, .activation = "gelu", .bias = true};
  auto& clip = c.encoder.clip;
  clip.width = 512;
  clip.depth = 2;
  clip.heads = 8;
  clip.mlp_width = 1536;
  clip.native_grid = 20;
  clip.position_resize = "crop";
  clip.class_token = false;
  clip.unused_patch_embedding = false;
  clip.input_norm = false;
  clip.norm = "rms";
  clip.norm_eps = 1e-6;
  clip.activation = "gelu";
  clip.bias = false;
  clip.rotary = true;
  clip.qk_norm = true;
  c.encoder.pixels = "ink";
  c.encoder.output_norm = true;
  auto& decoder = c.decoder;
  decoder.vocab_size = 4096;
  decoder.hidden_size = 512;
  decoder.num_hidden_layers = 6;
  decoder.num_attention_heads = 8;
  decoder.num_key_value_heads = 2;
  decoder.head_dim = 64;
  decoder.intermediate_size = 1280;
  decoder.first_k_dense_replace = 6;
  decoder.norm_weight = false;
  decoder.qk_norm = true;
  decoder.max_position_embeddings = 8192;
  decoder.bos_token_id = 0;
  decoder.eos_token_id = 1;
  return c;
}

ModelConfig miniature() {
  ModelConfig c = reader_tiny();
  c.name = "miniature";
  auto& sam = c.encoder.sam;
  sam.stem_widths = {16, 32};
  sam.width = 64;
  sam.depth = 2;
  sam.heads = 2;
  sam.mlp_width = 128;
  sam.window = 4;
  sam.global_layers = {1};
  c.encoder.compressor.channels = {64, 96};
  auto& clip = c.encoder.clip;
  clip.width = 64;
  clip.depth = 1;
  clip.heads = 2;
  clip.mlp_width = 128;
  auto& decoder = c.decoder;
  decoder.hidden_size = 64;
  decoder.num_hidden_layers = 3;
  decoder.num_attention_heads = 2;
  decoder.num_key_value_heads = 1;
  decoder.head_dim = 32;
  decoder.intermediate_size = 128;
  decoder.first_k_dense_replace = 2;  // the last layer is a mixture of experts, so that tests train one
  decoder.n_routed_experts = 4;
  decoder.num_experts_per_tok = 2;
  decoder.n_shared_experts = 1;
  decoder.moe_intermediate_size = 64;
  return c;
}

ModelConfig by_name(const std::string& name) {
  if (name == "deepseek-ocr") return deepseek_ocr();
  if (name == "reader-tiny") return reader_tiny();
  if (name == "miniature") return miniature();
  throw ConfigError("[presets] unknown preset '" + name + "'; there are deepseek-ocr, reader-tiny, miniature");
}

}  // namespace presets

void validate(const ModelConfig& config) {
  vision::validate(config.encoder);
  decoder::validate(config.decoder);
}

}  // namespace fovea::model

#include "fovea/model/config.h"

#include "fovea/base/error.h"
#include "fovea/model/text_encoder.h"

namespace fovea::model {

namespace presets {

ModelConfig deepseek_ocr() {
  ModelConfig c;
  c.sequence = "begin-vision-prompt";
  return c;
}

ModelConfig reader_tiny() {
  ModelConfig c;
  c.name = "reader-tiny";
  c.sequence = "vision-begin";
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

bool is_published_config(const Json& json) { return json.is_object() && json.contains("language_config"); }

ModelConfig published_config(const Json& json) {
  ModelConfig c = presets::deepseek_ocr();
  if (!is_published_config(json)) throw ConfigError("[config.json] language_config is missing: not a published DeepSeek-OCR config");
  const Json& language = json.at("language_config");
  std::vector<std::string> problems;
  const auto number = [&](const Json& from, const char* name, int64_t& value, bool needed = true) {
    if (from.contains(name) && from.at(name).is_number_integer())
      value = from.at(name).get<int64_t>();
    else if (needed)
      problems.push_back(std::string(name) + " is missing or no whole number");
  };
  const auto numbers = [&](const Json& from, const char* name, std::vector<int64_t>& values) {
    if (!from.contains(name)) return;
    try {
      detail::assign(values, from.at(name));
    } catch (const Error&) {
      problems.push_back(std::string(name) + " is no list of whole numbers");
    }
  };
  auto& d = c.decoder;
  number(language, "vocab_size", d.vocab_size);
  number(language, "hidden_size", d.hidden_size);
  number(language, "num_hidden_layers", d.num_hidden_layers);
  number(language, "num_attention_heads", d.num_attention_heads);
  number(language, "num_key_value_heads", d.num_key_value_heads);
  number(language, "intermediate_size", d.intermediate_size);
  number(language, "moe_intermediate_size", d.moe_intermediate_size);
  number(language, "n_routed_experts", d.n_routed_experts);
  number(language, "n_shared_experts", d.n_shared_experts);
  number(language, "num_experts_per_tok", d.num_experts_per_tok);
  number(language, "first_k_dense_replace", d.first_k_dense_replace);
  number(language, "max_position_embeddings", d.max_position_embeddings, false);
  number(language, "bos_token_id", d.bos_token_id, false);
  number(language, "eos_token_id", d.eos_token_id, false);
  if (d.num_attention_heads > 0) d.head_dim = d.hidden_size / d.num_attention_heads;
  if (language.contains("rms_norm_eps") && language.at("rms_norm_eps").is_number()) d.rms_norm_eps = language.at("rms_norm_eps").get<double>();
  if (language.contains("rope_theta") && language.at("rope_theta").is_number()) d.rope_theta = language.at("rope_theta").get<double>();
  // What would need another decoder.
  const auto only = [&](const char* name, const Json& expected) {
    if (language.contains(name) && !language.at(name).is_null() && language.at(name) != expected)
      problems.push_back(std::string(name) + " must be " + expected.dump() + ", got " + language.at(name).dump());
  };
  only("use_mla", false);
  only("norm_topk_prob", false);
  only("scoring_func", "softmax");
  only("topk_method", "greedy");
  only("hidden_act", "silu");
  only("tie_word_embeddings", false);
  if (json.contains("vision_config") && json.at("vision_config").contains("width")) {
    const Json& towers = json.at("vision_config").at("width");
    if (towers.contains("sam_vit_b")) {
      auto& sam = c.encoder.sam;
      const Json& from = towers.at("sam_vit_b");
      number(from, "width", sam.width);
      number(from, "layers", sam.depth);
      number(from, "heads", sam.heads);
      sam.mlp_width = 4 * sam.width;
      numbers(from, "global_attn_indexes", sam.global_layers);
      numbers(from, "downsample_channels", c.encoder.compressor.channels);
    }
    if (towers.contains("clip-l-14-224")) {
      auto& clip = c.encoder.clip;
      const Json& from = towers.at("clip-l-14-224");
      number(from, "width", clip.width);
      number(from, "layers", clip.depth);
      number(from, "heads", clip.heads);
      clip.mlp_width = 4 * clip.width;
    }
  }
  if (!problems.empty()) fovea::detail::throw_problems("config.json", problems);
  return c;
}

// No model is beyond these: a config that is asks for more memory or time than there is, by mistake or on purpose.
static void require_plausible(const Json& fields, const std::string& prefix, std::vector<std::string>& problems) {
  for (const auto& [name, value] : fields.items()) {
    const int64_t most = name == "num_hidden_layers" || name == "depth" || name == "stem_blocks" ? 10'000 : int64_t(1) << 31;
    if (value.is_object()) require_plausible(value, prefix + name + ".", problems);
    if (value.is_number_integer() && value.get<int64_t>() > most)
      problems.push_back(prefix + name + " must be at most " + std::to_string(most) + ", got " + value.dump());
  }
}

void validate(const ModelConfig& config) {
  std::vector<std::string> problems;
  require_plausible(config_to_json(config), "", problems);
  if (!problems.empty()) fovea::detail::throw_problems("ModelConfig", problems);
  if (config.source == "text") validate(config.text_encoder);
  else vision::validate(config.encoder);
  decoder::validate(config.decoder);
}

}  // namespace fovea::model

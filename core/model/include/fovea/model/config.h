// A whole model as numbers: DeepSeek-OCR and the reader that ships are the same classes with other values.
#pragma once
#include "fovea/decoder/config.h"
#include "fovea/model/text_encoder_config.h"
#include "fovea/vision/config.h"

namespace fovea::model {

struct ModelConfig {
  std::string name = "deepseek-ocr";
  std::string source = "page";               ///< what is compressed: page (encoder) | text (text_encoder, a baseline)
  vision::EncoderConfig encoder;
  TextEncoderConfig text_encoder;
  decoder::DecoderConfig decoder;
  std::string tokenizer = "tokenizer.json";  ///< file in the model's folder
  std::string sequence = "vision-begin";     ///< what the decoder reads: vision-begin (no prompt) | begin-vision-prompt (DeepSeek-OCR)
  int64_t continue_token_id = -1;            ///< vision-begin: stands in the begin token's place where the text after the page is written and not the page's own; -1: the begin token
  int64_t image_token_id = 128815;           ///< stands for a vision token in the prompt's ids (begin-vision-prompt)

  template <class V> void visit_fields(V& v) {
    v.field("name", name, "name of the model");
    v.field("source", source, "what is compressed", {.choices = {"page", "text"}});
    v.field("encoder", encoder, "page to vision tokens");
    v.field("text_encoder", text_encoder, "text to latents, where source is text");
    v.field("decoder", decoder, "vision tokens to text");
    v.field("tokenizer", tokenizer, "tokenizer file in the model's folder");
    v.field("sequence", sequence, "order of what the decoder reads", {.choices = {"vision-begin", "begin-vision-prompt"}});
    v.field("continue_token_id", continue_token_id, "id that begins the text after the page, where a model was trained for both; -1 the begin token", {.min = -1});
    v.field("image_token_id", image_token_id, "id that stands for a vision token in a prompt", {.min = 0});
  }

  /// Pixels of a page side that one vector of the decoder's input covers.
  int64_t stride_px() const { return source == "text" ? text_encoder.px_per_latent : encoder.stride_px(); }
};

namespace presets {
/// deepseek-ai/DeepSeek-OCR as released: 2,710 tensors, 3,336,106,240 parameters.
ModelConfig deepseek_ocr();
/// The reader that ships: grayscale, no pretrained part, weightless RMS norms, normalised queries and keys, convolutional stem.
ModelConfig reader_tiny();
/// A few hundred thousand parameters of reader_tiny's kind, for tests that train.
ModelConfig miniature();
/// By name: deepseek-ocr | reader-tiny | miniature. Errors: ConfigError listing them.
ModelConfig by_name(const std::string& name);
}  // namespace presets

/// The config of a folder as deepseek-ai published it (config.json with language_config and vision_config).
/// Sizes of the vision towers that the published code has as constants keep them.
/// Errors: ConfigError where a field is missing or of a kind that this model does not have (use_mla, another scoring function).
ModelConfig published_config(const Json& json);
/// Whether this is such a config.json.
bool is_published_config(const Json& json);

/// Errors: ConfigError listing all problems.
void validate(const ModelConfig& config);

}  // namespace fovea::model

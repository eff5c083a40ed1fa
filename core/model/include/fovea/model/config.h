// A whole model as numbers: DeepSeek-OCR and the reader that ships are the same classes with other values.
#pragma once
#include "fovea/decoder/config.h"
#include "fovea/vision/config.h"

namespace fovea::model {

struct ModelConfig {
  std::string name = "deepseek-ocr";
  vision::EncoderConfig encoder;
  decoder::DecoderConfig decoder;
  std::string tokenizer = "tokenizer.json";  ///< file in the model's folder

  template <class V> void visit_fields(V& v) {
    v.field("name", name, "name of the model");
    v.field("encoder", encoder, "page to vision tokens");
    v.field("decoder", decoder, "vision tokens to text");
    v.field("tokenizer", tokenizer, "tokenizer file in the model's folder");
  }
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

/// Errors: ConfigError listing all problems.
void validate(const ModelConfig& config);

}  // namespace fovea::model

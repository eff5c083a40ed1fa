// OpticalModel: encoder and decoder as one module tree, and the reader around it that turns pages into text.
#pragma once
#include <memory>

#include "fovea/base/image.h"
#include "fovea/decoder/decoder.h"
#include "fovea/decoder/engine.h"
#include "fovea/decoder/generate.h"
#include "fovea/image/views.h"
#include "fovea/model/config.h"
#include "fovea/model/text_encoder.h"
#include "fovea/model/vision_tokens.h"
#include "fovea/text/tokenizer.h"
#include "fovea/vision/encoder.h"
#include "fovea/weights/load.h"
#include "fovea/weights/save.h"

namespace fovea::model {

class OpticalModelImpl : public torch::nn::Module {
 public:
  OpticalModelImpl(const ModelConfig& config, const nn::Factory& factory);
  /// Vectors as they are kept [..., kept_width()] -> as the decoder reads them [..., D].
  at::Tensor decoder_input(const at::Tensor& kept) const { return encoder ? encoder->widened(kept) : kept; }
  int64_t kept_width() const { return encoder ? encoder->kept_width() : config.decoder.input_width(); }
  const ModelConfig config;
  vision::DeepEncoder encoder{nullptr};  ///< where config.source is page
  TextEncoder text_encoder{nullptr};     ///< where it is text
  decoder::Decoder decoder{nullptr};
};
TORCH_MODULE(OpticalModel);

/// Name in the published checkpoint of a parameter of OpticalModel's tree.
std::string published_name(const std::string& own_name);
/// All parameters under their published names, in tree order.
weights::NamedTensors published_tensors(const OpticalModel& model);

struct LoadModelConfig {
  std::string device = "cpu";      ///< cpu | cuda | cuda:N
  std::string dtype = "auto";      ///< auto (float32 on a CPU, bfloat16 on a GPU) | float32 | bfloat16 | float16

  template <class V> void visit_fields(V& v) {
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
  }
};

/// Checks that the device exists. Errors: ConfigError "no GPU ...".
at::Device parse_device(const std::string& name);

/// Text read from one page.
struct Reading {
  std::string text;
  decoder::Generated generated;
};

/// A model with its tokenizer, ready to read. One thread at a time may use it.
class Reader {
 public:
  /// Folder with config.json, *.safetensors and a tokenizer. Errors: IoError, ConfigError, WeightsError (all names at once).
  static Reader load(const std::string& folder, const LoadModelConfig& config = {});
  Reader(ModelConfig config, OpticalModel model, text::Tokenizer tokenizer, at::Device device, at::ScalarType dtype);

  /// Pages to vision tokens, all of one size. Errors: ShapeError (see vision::bytes_from_images).
  std::vector<VisionTokens> encode(const std::vector<const Image*>& pages);
  /// One picture in a mode, tiles included, to vision tokens.
  VisionTokens encode(const image::Views& views);
  /// Texts to grid x grid latents each, by a text-side baseline. Errors: ConfigError (this model reads pages), ShapeError.
  std::vector<VisionTokens> encode_texts(const std::vector<std::string>& texts, int64_t grid);
  /// Vision tokens to text; they may be of different layouts, all of this model's width. Callbacks as decoder::generate; what one throws ends the call.
  /// prompt   for models that take one (config().sequence): a text with one <image>, or a name that prompt_text knows; empty: "free-ocr"
  /// Models that take a prompt keep their special tokens in the text: tables, labels and boxes are made of them (text::parse_grounded).
  /// Errors: ShapeError (also a prompt longer than the decoder's positions); ConfigError (a prompt for a model that takes none, or without exactly one <image>).
  std::vector<Reading> decode(const std::vector<const VisionTokens*>& tokens, const decoder::GenerateConfig& config = {},
                              const std::function<void(size_t, const Reading&)>& on_done = {},
                              const std::function<void(size_t)>& on_step = {}, const std::string& prompt = {},
                              const std::function<void(size_t, const std::string& text_so_far)>& on_text = {});

  /// A page of many: queued now, decoded by step() together with whatever else is queued. Returns its number. Errors as decode.
  int64_t submit(const VisionTokens& tokens, const decoder::GenerateConfig& config, const std::string& prompt, std::function<void(const Reading&)> on_done,
                 std::function<void(const std::string& text_so_far)> on_text = {}, uint64_t stream = 0);
  bool cancel(int64_t page);   ///< as decoder::Engine
  size_t step();               ///< as decoder::Engine
  bool idle() const;           ///< no page waits or is being decoded
  decoder::Occupancy occupancy();
  /// How pages are decoded together; takes effect with an engine of its own at the next page. Errors: ConfigError while pages are being decoded.
  void set_engine(const decoder::EngineConfig& config);
  const ModelConfig& config() const { return config_; }
  const text::Tokenizer& tokenizer() const { return tokenizer_; }
  OpticalModel& model() { return model_; }
  at::Device device() const { return device_; }

 private:
  ModelConfig config_;
  OpticalModel model_;
  text::Tokenizer tokenizer_;
  decoder::Engine& engine();
  at::Device device_;
  at::ScalarType dtype_;
  decoder::EngineConfig engine_config_;
  std::shared_ptr<decoder::Engine> engine_;  ///< made with the first page
};

/// The text of a published prompt: free-ocr, markdown, ocr, figure, describe, locate:WORDS (where WORDS stands). Any other text is returned as it is.
/// Source: README.md of deepseek-ai/DeepSeek-OCR.
std::string prompt_text(const std::string& name_or_text);

/// Writes config.json and weight shards (tokenizer.json is copied by the caller). Errors: IoError, WeightsError.
weights::SaveReport save_model(const std::string& folder, const OpticalModel& model, const weights::SaveOptions& options);

}  // namespace fovea::model

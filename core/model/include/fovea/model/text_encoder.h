// Text-side baselines: text in, as many latent vectors of the same width as a page of that budget has vision tokens, laid out alike. What an optical
// compressor has to beat (arXiv 2512.03643). Shape letters: B texts, T positions (padded), N = g*g latents, W width, D decoder width.
#pragma once
#include "fovea/model/text_encoder_config.h"
#include "fovea/nn/modules.h"

namespace fovea::model {

/// Errors: ConfigError listing all problems.
void validate(const TextEncoderConfig& config);

/// The latent that holds token t of a text of T tokens: floor(t N / T), t where T <= N; -1 where truncation loses it.
int64_t latent_of(const TextEncoderConfig& config, int64_t t, int64_t num_tokens, int64_t num_latents);

class TextLayerImpl;
class TextQueryLayerImpl;

class TextEncoderImpl : public torch::nn::Module {
 public:
  TextEncoderImpl(const TextEncoderConfig& config, int64_t vocab_size, int64_t decoder_width, const nn::Factory& factory);
  /// ids int64 [B, T] on the model's device, lengths int64 [B] on the CPU, each 1 to T -> [B, g*(g+1)+1, D] with separators as DeepEncoder's.
  /// What stands beyond a text's length has no influence. Errors: ShapeError.
  at::Tensor forward(const at::Tensor& ids, const at::Tensor& lengths, int64_t grid);
  const TextEncoderConfig config;

 private:
  at::Tensor pyramid(const at::Tensor& x, const at::Tensor& lengths, int64_t latents);  ///< [B, T, W] -> [B, N, W]
  nn::Embedding embed_tokens{nullptr};
  std::vector<std::shared_ptr<TextLayerImpl>> layers_, latent_layers_;
  std::vector<std::shared_ptr<TextQueryLayerImpl>> query_layers_;
  std::vector<std::pair<nn::Linear, nn::Linear>> levels_;  ///< of the pyramid, from the text up
  at::Tensor query_embed;
  nn::Linear projector{nullptr};
  at::Tensor image_newline, view_seperator;  ///< named as the page encoder's
};
TORCH_MODULE(TextEncoder);

}  // namespace fovea::model

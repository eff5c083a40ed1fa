// DeepEncoder: windowed tower, compressor, global tower, projector, separators. Page views in, the decoder's input vectors out.
// Shape letters: B pages, S side in px, n = S / patch_px, g = n / patches_per_token_side, D decoder width.
#pragma once
#include "fovea/base/image.h"
#include "fovea/vision/clip.h"
#include "fovea/vision/compressor.h"
#include "fovea/vision/sam.h"

namespace fovea::vision {

struct EncoderOutput {
  at::Tensor patches;   ///< [B, C, n, n] after the windowed tower
  at::Tensor tokens;    ///< [B, g*g, D] after the projector, without separators
  at::Tensor sequence;  ///< [B, g*(g+1)+1, D]: row separator after every row, view separator at the end
};

class ProjectorImpl : public torch::nn::Module {
 public:
  ProjectorImpl(int64_t in, int64_t out, bool bias, const nn::Factory& factory) {
    layers = register_module("layers", nn::Linear(in, out, bias, factory));
  }
  at::Tensor forward(const at::Tensor& x) { return layers(x); }
  nn::Linear layers{nullptr};
};
TORCH_MODULE(Projector);

class DeepEncoderImpl : public torch::nn::Module {
 public:
  DeepEncoderImpl(const EncoderConfig& config, int64_t decoder_width, const nn::Factory& factory);
  /// pixels [B, C, S, S], scaled as pixels_from_bytes does. Errors: ShapeError unless stride_px divides S.
  EncoderOutput forward(const at::Tensor& pixels);
  const EncoderConfig config;

 private:
  SamEncoder sam_model{nullptr};
  std::shared_ptr<CompressorImpl> compressor;
  ClipEncoder vision_model{nullptr};
  Projector projector{nullptr};
  at::Tensor image_newline, view_seperator;  ///< spelled as in the checkpoint
};
TORCH_MODULE(DeepEncoder);

/// Bytes uint8 [B, C, S, S] -> scaled pixels of the given type on the same device.
at::Tensor pixels_from_bytes(const at::Tensor& bytes, const EncoderConfig& config, at::ScalarType dtype);
/// Pages as bytes [B, C, S, S] (copied): gray pages are repeated for 3-channel encoders, RGB pages averaged for gray ones.
/// Errors: ShapeError unless all are square, of one side, and stride_px divides it.
at::Tensor bytes_from_images(const std::vector<const Image*>& images, const EncoderConfig& config);

/// Decoder positions of a page of g x g vision tokens: g*(g+1)+1.
inline int64_t num_decoder_positions(int64_t grid) { return grid * (grid + 1) + 1; }

}  // namespace fovea::vision

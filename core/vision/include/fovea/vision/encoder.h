// DeepEncoder: windowed tower, compressor, global tower, projector, separators. Page views in, the decoder's input vectors out.
// Shape letters: B pages, S side in px, n = S / patch_px, g = n / patches_per_token_side, D width of the decoder's input, W width of a kept token (D unless token_width).
#pragma once
#include "fovea/base/image.h"
#include "fovea/vision/clip.h"
#include "fovea/vision/compressor.h"
#include "fovea/vision/sam.h"

namespace fovea::vision {

struct EncoderOutput {
  at::Tensor patches;   ///< [B, C, n, n] after the windowed tower
  at::Tensor tokens;    ///< [B, g*g, D] as the decoder reads them, without separators
  at::Tensor kept;      ///< [B, g*g, W] the same as they are kept; tokens = widened(kept)
  at::Tensor sequence;  ///< [B, g*(g+1)+1, W]: kept tokens, a row separator after every row, the view separator at the end
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
  /// decoder_width: D. output_norm takes the first normed_width of its numbers (0: all) and leaves what a deeper layer adds (DecoderConfig::deepstack_layer) at its own scale.
  DeepEncoderImpl(const EncoderConfig& config, int64_t decoder_width, const nn::Factory& factory, int64_t normed_width = 0);
  /// pixels [B, C, S, S], scaled as pixels_from_bytes does. Errors: ShapeError unless stride_px divides S.
  EncoderOutput forward(const at::Tensor& pixels);
  /// The two halves of forward: the windowed tower, [B, C, n, n], and all after it.
  at::Tensor patches(const at::Tensor& pixels);
  EncoderOutput from_patches(const at::Tensor& patches);
  /// One picture with tiles, as the decoder reads it: the tiles' vision tokens as one mosaic with a row separator after each of its rows (not after
  /// each tile's), then the global view's rows, then the view separator.
  /// global [g*g, W]; tiles [rows * columns, t*t, W], row by row, or undefined where there are none -> [rows*t*(columns*t + 1) + g*(g+1) + 1, W].
  /// Source: modeling_deepseekocr.py (DeepseekOCRModel.forward). Errors: ShapeError.
  at::Tensor sequence(const at::Tensor& global, const at::Tensor& tiles = {}, int64_t rows = 1, int64_t columns = 1) const;
  /// Kept vectors [..., W], separators among them, as the decoder reads them: [..., D].
  at::Tensor widened(const at::Tensor& kept) const;
  /// W.
  int64_t kept_width() const;
  const EncoderConfig config;

 private:
  at::Tensor normed(const at::Tensor& tokens) const;  // output_norm
  at::Tensor narrowed(const at::Tensor& x) const;  // [..., D] -> [..., W]
  SamEncoder sam_model{nullptr};
  std::shared_ptr<CompressorImpl> compressor;
  ClipEncoder vision_model{nullptr};
  Projector projector{nullptr};
  mutable nn::Linear token_narrow{nullptr}, token_widen{nullptr};  ///< config.token_width
  at::Tensor image_newline, view_seperator;  ///< spelled as in the checkpoint
  int64_t normed_width_;
};
TORCH_MODULE(DeepEncoder);

/// tokens [B, height, width, D] with the separator [D] after every row -> [B, height * (width + 1), D].
at::Tensor with_row_separators(const at::Tensor& tokens, const at::Tensor& separator);

/// Bytes uint8 [B, C, S, S] -> scaled pixels of the given type on the same device.
at::Tensor pixels_from_bytes(const at::Tensor& bytes, const EncoderConfig& config, at::ScalarType dtype);
/// Pages as bytes [B, C, S, S] (copied): gray pages are repeated for 3-channel encoders, RGB pages averaged for gray ones.
/// Errors: ShapeError unless all are square, of one side, and stride_px divides it.
at::Tensor bytes_from_images(const std::vector<const Image*>& images, const EncoderConfig& config);

/// Decoder positions of a page of g x g vision tokens: g*(g+1)+1.
inline int64_t num_decoder_positions(int64_t grid) { return grid * (grid + 1) + 1; }

}  // namespace fovea::vision

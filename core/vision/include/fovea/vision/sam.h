// The windowed tower: patches in, a grid of local features out. Names are those of model.sam_model in the checkpoint.
// Shape letters: B views, S side in px, n = S / patch_px, D width, H heads, d head width, w window.
#pragma once
#include "fovea/cuda/grid_attention.h"
#include "fovea/nn/modules.h"
#include "fovea/vision/config.h"

namespace fovea::vision {

/// One linear embedding a patch: [B, C, S, S] -> [B, n, n, D].
class PatchEmbedImpl : public torch::nn::Module {
 public:
  PatchEmbedImpl(const SamConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& pixels);

 private:
  int64_t patch_px_;
  nn::Conv proj{nullptr};
};
TORCH_MODULE(PatchEmbed);

/// Overlapping 3x3 convolutions over 4 x 4 px cells, then two steps of stride 2: sees a glyph the same wherever it stands in the
/// patch, which a linear patch embedding must learn place by place. [B, C, S, S] -> [B, n, n, D].
class ConvStemImpl : public torch::nn::Module {
 public:
  ConvStemImpl(const SamConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& pixels);

 private:
  nn::Conv cells{nullptr}, down{nullptr}, out{nullptr};
  std::vector<std::pair<nn::Conv, nn::Conv>> blocks_;
};
TORCH_MODULE(ConvStem);

class SamAttentionImpl : public torch::nn::Module {
 public:
  SamAttentionImpl(const SamConfig& config, int64_t side, const nn::Factory& factory);
  /// x [b, s, s, D] -> the same; s is the side of the window or of the page.
  at::Tensor forward(const at::Tensor& x);
  /// With relative positions, x [B, n, n, D]: in windows of that side, or over the page if it is 0.
  at::Tensor over_grid(const at::Tensor& x, int64_t window);

 private:
  SamConfig config_;
  nn::Linear qkv{nullptr}, proj{nullptr};
  at::Tensor rel_pos_h, rel_pos_w, q_gain;
};
TORCH_MODULE(SamAttention);

class SamMlpImpl : public torch::nn::Module {
 public:
  SamMlpImpl(const SamConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x) { return lin2(at::gelu(lin1(x))); }

 private:
  nn::Linear lin1{nullptr}, lin2{nullptr};
};
TORCH_MODULE(SamMlp);

class SamBlockImpl : public torch::nn::Module {
 public:
  SamBlockImpl(const SamConfig& config, int64_t window, const nn::Factory& factory);
  /// x [B, n, n, D]; window 0 attends over the page. Zero padding of the last windows is not masked (as the reference).
  at::Tensor forward(const at::Tensor& x);

 private:
  int64_t window_;
  bool relative_positions_;
  nn::Norm norm1{nullptr}, norm2{nullptr};
  SamAttention attn{nullptr};
  SamMlp mlp{nullptr};
};
TORCH_MODULE(SamBlock);

/// [B, C, S, S] -> [B, neck_channels or D, n, n]. Errors: ShapeError unless the pixels are square and patch_px divides S.
class SamEncoderImpl : public torch::nn::Module {
 public:
  SamEncoderImpl(const SamConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& pixels);
  int64_t out_channels() const { return config_.neck_channels > 0 ? config_.neck_channels : config_.width; }

 private:
  SamConfig config_;
  PatchEmbed patch_embed{nullptr};
  ConvStem conv_stem{nullptr};
  at::Tensor pos_embed;
  std::vector<SamBlock> blocks_;
  nn::Norm final_norm{nullptr};
  torch::nn::ModuleList neck{nullptr};
};
TORCH_MODULE(SamEncoder);

/// How attention with relative positions is computed from now on in this process; for tests and benchmarks.
void set_grid_form(cuda::GridForm form);

/// Resizes a stored table [1, n0, n0, D] to [1, n, n, D]: bicubic, antialiased, a = -0.5, in float32.
at::Tensor resize_positions(const at::Tensor& table, int64_t side);

}  // namespace fovea::vision

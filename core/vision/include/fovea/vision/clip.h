// The global tower over compressed tokens. Names are those of model.vision_model in the checkpoint.
// Shape letters: B views, g token grid side, D width.
#pragma once
#include "fovea/nn/modules.h"
#include "fovea/vision/config.h"

namespace fovea::vision {

class ClipAttentionImpl : public torch::nn::Module {
 public:
  ClipAttentionImpl(const ClipConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x, const nn::Rotary& rotary);  ///< [B, T, D] -> the same

 private:
  ClipConfig config_;
  nn::Linear qkv_proj{nullptr}, out_proj{nullptr};
  at::Tensor q_gain;
};
TORCH_MODULE(ClipAttention);

class ClipMlpImpl : public torch::nn::Module {
 public:
  ClipMlpImpl(const ClipConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x) { return fc2(nn::activate(fc1(x), activation_)); }

 private:
  std::string activation_;
  nn::Linear fc1{nullptr}, fc2{nullptr};
};
TORCH_MODULE(ClipMlp);

class ClipLayerImpl : public torch::nn::Module {
 public:
  ClipLayerImpl(const ClipConfig& config, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& x, const nn::Rotary& rotary);

 private:
  nn::Norm layer_norm1{nullptr}, layer_norm2{nullptr};
  ClipAttention self_attn{nullptr};
  ClipMlp mlp{nullptr};
};
TORCH_MODULE(ClipLayer);

/// Tokens [B, g*g, in] (row-major) -> [B, g*g, D]; the class token's output is dropped.
/// Errors: ShapeError if position_resize is crop and g is larger than the stored grid.
class ClipEncoderImpl : public torch::nn::Module {
 public:
  ClipEncoderImpl(const ClipConfig& config, int64_t in, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& tokens, int64_t grid);

 private:
  at::Tensor positions(int64_t grid) const;  ///< [1, (1 +) g*g, D]
  ClipConfig config_;
  nn::Linear input_proj{nullptr};  ///< only where in != width (not in DeepSeek-OCR)
  at::Tensor class_embedding;
  nn::Embedding position_embedding{nullptr};
  nn::Norm pre_layrnorm{nullptr};
  std::vector<ClipLayer> layers_;
};
TORCH_MODULE(ClipEncoder);

}  // namespace fovea::vision

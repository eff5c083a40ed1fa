#include "compressors.h"
#include "fovea/base/error.h"
#include "fovea/cuda/ops.h"

namespace fovea::vision {
namespace {

constexpr int64_t kHeadDim = 64;

/// Cross-attention from tokens to patches, then an MLP; both residual.
class QueryLayerImpl : public torch::nn::Module {
 public:
  QueryLayerImpl(int64_t width, int64_t patch_width, const nn::Factory& factory) : heads_(width / kHeadDim) {
    q_proj = register_module("q_proj", nn::Linear(width, width, false, factory));
    kv_proj = register_module("kv_proj", nn::Linear(patch_width, 2 * width, false, factory));
    out_proj = register_module("out_proj", nn::Linear(width, width, false, factory));
    fc1 = register_module("fc1", nn::Linear(width, 2 * width, false, factory));
    fc2 = register_module("fc2", nn::Linear(2 * width, width, false, factory));
    q_gain = register_parameter("q_gain", factory.empty({heads_}));
  }
  /// tokens [B, g*g, W], patches [B, n*n, C] -> tokens.
  at::Tensor forward(const at::Tensor& tokens, const at::Tensor& patches, const nn::Rotary& of_tokens, const nn::Rotary& of_patches) {
    const int64_t batch = tokens.size(0), num_tokens = tokens.size(1), num_patches = patches.size(1), width = tokens.size(2);
    const auto split = [&](const at::Tensor& x, int64_t count) { return x.view({batch, count, heads_, kHeadDim}).transpose(1, 2); };
    auto q = cuda::rms_norm(split(q_proj(cuda::rms_norm(tokens)), num_tokens).contiguous());
    q = nn::rotate(q * q_gain.to(q.scalar_type()).view({1, heads_, 1, 1}), of_tokens);
    const auto kv = kv_proj(patches).chunk(2, -1);
    const auto k = nn::rotate(cuda::rms_norm(split(kv[0], num_patches).contiguous()), of_patches);
    const auto attended = nn::attend(q, k, split(kv[1], num_patches), /*causal=*/false).transpose(1, 2).reshape({batch, num_tokens, width});
    const auto sum = tokens + out_proj(attended);
    return sum + fc2(at::gelu(fc1(cuda::rms_norm(sum))));
  }

 private:
  int64_t heads_;
  nn::Linear q_proj{nullptr}, kv_proj{nullptr}, out_proj{nullptr}, fc1{nullptr}, fc2{nullptr};
  at::Tensor q_gain;
};
TORCH_MODULE(QueryLayer);

/// One learned query a cell, the same for all cells but for its place (rotary positions), attends over the patches of the whole page. Learned queries as in
/// BLIP-2 (arXiv 2301.12597, section 3.1), here on a grid of any size.
class QueryCompressorImpl : public CompressorImpl {
 public:
  QueryCompressorImpl(const CompressorConfig& config, int64_t in, const nn::Factory& factory) : factor_(side_factor(config)), channels_(config.channels.back()) {
    if (channels_ % kHeadDim != 0) throw ConfigError("[queries] the last of compressor.channels must be a multiple of 64, got " + std::to_string(channels_));
    query_embed = register_parameter("query_embed", factory.empty({1, 1, channels_}));
    for (int64_t i = 0; i < config.depth; ++i) layers_.push_back(register_module("layer_" + std::to_string(i), QueryLayer(channels_, in, factory)));
  }
  at::Tensor forward(const at::Tensor& features) override {
    const int64_t batch = features.size(0), n = features.size(2), g = n / factor_;
    const auto patches = cuda::rms_norm(features.flatten(2).transpose(1, 2).contiguous());
    const auto of_patches = nn::Rotary::grid(n, n, kHeadDim, 100.0, features.device());
    // A token stands at the middle of its cell: between four patches, of which the lower right one lends its place.
    const auto middle = at::arange(g, at::TensorOptions().device(features.device()).dtype(at::kLong)) * factor_ + factor_ / 2;
    const auto at_middle = (middle.unsqueeze(1) * n + middle.unsqueeze(0)).flatten();
    const nn::Rotary of_tokens{of_patches.cos.index_select(0, at_middle), of_patches.sin.index_select(0, at_middle)};
    auto tokens = query_embed.expand({batch, g * g, channels_});
    for (auto& layer : layers_) tokens = layer(tokens, patches, of_tokens, of_patches);
    return tokens.transpose(1, 2).reshape({batch, channels_, g, g});
  }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t factor_, channels_;
  at::Tensor query_embed;
  std::vector<QueryLayer> layers_;
};

}  // namespace

CompressorPtr make_queries_compressor(const CompressorConfig& config, int64_t in, const nn::Factory& factory) {
  return std::make_shared<QueryCompressorImpl>(config, in, factory);
}

}  // namespace fovea::vision

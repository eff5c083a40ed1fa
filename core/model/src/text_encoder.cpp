#include "fovea/model/text_encoder.h"

#include <cmath>

#include "fovea/base/config.h"
#include "fovea/base/error.h"
#include "fovea/cuda/ops.h"
#include "fovea/vision/encoder.h"

namespace fovea::model {

namespace {
constexpr double kTheta = 10000.0;
constexpr int64_t kMaxLevels = 8;  // 2^8 tokens a latent
}  // namespace

void validate(const TextEncoderConfig& config) {
  std::vector<std::string> problems;
  fovea::detail::Validate visitor{"", problems};
  const_cast<TextEncoderConfig&>(config).visit_fields(visitor);
  if (config.width % config.heads != 0 || config.width / config.heads % 2 != 0) problems.push_back("heads must divide width into even parts");
  if (!problems.empty()) fovea::detail::throw_problems("TextEncoderConfig", problems);
}

int64_t latent_of(const TextEncoderConfig& config, int64_t t, int64_t num_tokens, int64_t num_latents) {
  if (num_tokens <= num_latents || config.kind == "truncate") return t < num_latents ? t : -1;
  return t * num_latents / num_tokens;
}

/// Self-attention and MLP, pre-norm; mask [B, 1, 1, T] or none.
class TextLayerImpl : public torch::nn::Module {
 public:
  TextLayerImpl(const TextEncoderConfig& c, const nn::Factory& factory) : heads_(c.heads), dim_(c.width / c.heads) {
    qkv = register_module("qkv", nn::Linear(c.width, 3 * c.width, false, factory));
    out_proj = register_module("out_proj", nn::Linear(c.width, c.width, false, factory));
    fc1 = register_module("fc1", nn::Linear(c.width, c.mlp_width, false, factory));
    fc2 = register_module("fc2", nn::Linear(c.mlp_width, c.width, false, factory));
    q_gain = register_parameter("q_gain", factory.empty({heads_}));
  }
  at::Tensor forward(const at::Tensor& x, const at::Tensor& mask, const nn::Rotary& rotary) {
    const auto in = cuda::qk_norm_rope(qkv(cuda::rms_norm(x)), {heads_, heads_, dim_, true, 1e-6}, nn::as_float(q_gain), rotary.cos, rotary.sin);
    const auto attended = mask.defined() ? at::scaled_dot_product_attention(in.q, in.k, in.v, mask) : nn::attend(in.q, in.k, in.v, false);
    const auto sum = x + out_proj(attended.transpose(1, 2).reshape(x.sizes()));
    return sum + fc2(at::gelu(fc1(cuda::rms_norm(sum))));
  }

 private:
  int64_t heads_, dim_;
  nn::Linear qkv{nullptr}, out_proj{nullptr}, fc1{nullptr}, fc2{nullptr};
  at::Tensor q_gain;
};

// x [B, H, T, d] turned by angles [B, T, d/2] or [T, d/2].
static at::Tensor turned(const at::Tensor& x, const at::Tensor& angles) {
  const auto a = angles.dim() == 3 ? angles.unsqueeze(1) : angles;
  return nn::rotate(x, {a.cos(), a.sin()});
}

/// Latents attend over the text, then an MLP.
class TextQueryLayerImpl : public torch::nn::Module {
 public:
  TextQueryLayerImpl(const TextEncoderConfig& c, const nn::Factory& factory) : heads_(c.heads), dim_(c.width / c.heads) {
    q_proj = register_module("q_proj", nn::Linear(c.width, c.width, false, factory));
    kv_proj = register_module("kv_proj", nn::Linear(c.width, 2 * c.width, false, factory));
    out_proj = register_module("out_proj", nn::Linear(c.width, c.width, false, factory));
    fc1 = register_module("fc1", nn::Linear(c.width, c.mlp_width, false, factory));
    fc2 = register_module("fc2", nn::Linear(c.mlp_width, c.width, false, factory));
    q_gain = register_parameter("q_gain", factory.empty({heads_}));
  }
  at::Tensor forward(const at::Tensor& latents, const at::Tensor& text, const at::Tensor& mask, const at::Tensor& latent_angles, const at::Tensor& text_angles) {
    const auto split = [&](const at::Tensor& x) { return x.view({x.size(0), x.size(1), heads_, dim_}).transpose(1, 2); };
    const auto q = cuda::rms_norm(split(q_proj(cuda::rms_norm(latents))).contiguous()) * q_gain.to(latents.scalar_type()).view({1, heads_, 1, 1});
    const auto kv = kv_proj(text).chunk(2, -1);
    const auto k = cuda::rms_norm(split(kv[0]).contiguous());
    const auto attended = at::scaled_dot_product_attention(turned(q, latent_angles), turned(k, text_angles), split(kv[1]), mask);
    const auto sum = latents + out_proj(attended.transpose(1, 2).reshape(latents.sizes()));
    return sum + fc2(at::gelu(fc1(cuda::rms_norm(sum))));
  }

 private:
  int64_t heads_, dim_;
  nn::Linear q_proj{nullptr}, kv_proj{nullptr}, out_proj{nullptr}, fc1{nullptr}, fc2{nullptr};
  at::Tensor q_gain;
};

TextEncoderImpl::TextEncoderImpl(const TextEncoderConfig& c, int64_t vocab_size, int64_t decoder_width, const nn::Factory& factory) : config(c) {
  validate(c);
  embed_tokens = register_module("embed_tokens", nn::Embedding(vocab_size, c.width, factory));
  for (int64_t i = 0; i < c.depth; ++i) layers_.push_back(register_module("layer_" + std::to_string(i), std::make_shared<TextLayerImpl>(c, factory)));
  for (int64_t i = 0; i < c.latent_depth; ++i)
    latent_layers_.push_back(register_module("latent_layer_" + std::to_string(i), std::make_shared<TextLayerImpl>(c, factory)));
  if (c.kind == "queries") {
    query_embed = register_parameter("query_embed", factory.empty({1, 1, c.width}));
    for (int64_t i = 0; i < c.query_depth; ++i)
      query_layers_.push_back(register_module("query_layer_" + std::to_string(i), std::make_shared<TextQueryLayerImpl>(c, factory)));
  } else if (c.kind == "pyramid") {
    for (int64_t i = 0; i < kMaxLevels; ++i) {
      const std::string name = "level_" + std::to_string(i);
      nn::Linear in(4 * c.width, c.mlp_width, false, factory), out(c.mlp_width, c.width, false, factory);
      levels_.emplace_back(register_module(name + "_in", in), register_module(name + "_out_proj", out));
    }
  }
  projector = register_module("projector", nn::Linear(c.width, decoder_width, true, factory));
  image_newline = register_parameter("image_newline", factory.empty({decoder_width}));
  view_seperator = register_parameter("view_seperator", factory.empty({decoder_width}));
}

at::Tensor TextEncoderImpl::pyramid(const at::Tensor& x, const at::Tensor& lengths, int64_t latents) {
  const int64_t batch = x.size(0), width = x.size(2);
  const int64_t* length = lengths.data_ptr<int64_t>();
  // Texts with the same number of halvings go together, so that a text's latents do not depend on its neighbours in the batch.
  std::vector<std::vector<int64_t>> of_level(kMaxLevels + 1);
  for (int64_t b = 0; b < batch; ++b) {
    int64_t levels = 0;
    while (latents << levels < length[b]) ++levels;
    if (levels > kMaxLevels) throw ShapeError("[pyramid] a latent takes at most " + std::to_string(1 << kMaxLevels) + " tokens, got " + std::to_string(length[b]) + " tokens for " + std::to_string(latents) + " latents");
    of_level[size_t(levels)].push_back(b);
  }
  std::vector<at::Tensor> parts;
  std::vector<int64_t> order;
  for (int64_t levels = 0; levels <= kMaxLevels; ++levels) {
    const auto& rows = of_level[size_t(levels)];
    if (rows.empty()) continue;
    const int64_t full = latents << levels;
    // Token t stands at floor(t full / T): all latents get their share.
    auto source = at::full({int64_t(rows.size()), full}, x.size(1), at::kLong);  // the row after the last is empty
    for (size_t r = 0; r < rows.size(); ++r)
      for (int64_t t = 0; t < length[rows[r]]; ++t) source.data_ptr<int64_t>()[int64_t(r) * full + (length[rows[r]] <= latents ? t : t * full / length[rows[r]])] = t;
    const auto chosen = at::constant_pad_nd(x.index_select(0, at::tensor(rows, at::kLong).to(x.device())), {0, 0, 0, 1});
    auto y = chosen.gather(1, source.to(x.device()).unsqueeze(-1).expand({int64_t(rows.size()), full, width}));
    for (int64_t level = 0; level < levels; ++level) {
      const auto padded = at::constant_pad_nd(cuda::rms_norm(y), {0, 0, 1, 1});  // [b, L + 2, W]
      const int64_t half = y.size(1) / 2;
      // A convolution of width 4 and stride 2, as one product.
      const auto four = at::cat({padded.slice(1, 0, 2 * half, 2), padded.slice(1, 1, 2 * half + 1, 2), padded.slice(1, 2, 2 * half + 2, 2), padded.slice(1, 3, {}, 2)}, -1);
      auto& [in, out] = levels_[size_t(level)];
      y = y.view({y.size(0), half, 2, width}).mean(2) + out(at::gelu(in(four)));
    }
    parts.push_back(y);
    order.insert(order.end(), rows.begin(), rows.end());
  }
  const auto joined = at::cat(parts, 0);
  std::vector<int64_t> back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[size_t(order[i])] = int64_t(i);
  return joined.index_select(0, at::tensor(back, at::kLong).to(x.device()));
}

at::Tensor TextEncoderImpl::forward(const at::Tensor& ids, const at::Tensor& lengths, int64_t grid) {
  if (ids.dim() != 2 || lengths.dim() != 1 || lengths.size(0) != ids.size(0) || !lengths.device().is_cpu() || lengths.scalar_type() != at::kLong)
    throw ShapeError("[TextEncoder] needs ids [B, T] and int64 lengths [B] on the CPU, got " + c10::str(ids.sizes()) + " and " + c10::str(lengths.sizes()));
  const int64_t batch = ids.size(0), count = ids.size(1), latents = grid * grid, width = config.width, dim = width / config.heads;
  const auto device = ids.device();
  const auto on_device = lengths.to(device);
  const auto at_token = at::arange(count, at::TensorOptions().device(device).dtype(at::kLong));       // [T]
  const auto present = at_token.unsqueeze(0) < on_device.unsqueeze(1);                                // [B, T]
  const auto mask = present.view({batch, 1, 1, count});
  auto x = embed_tokens(ids);
  const auto rotary = nn::Rotary::line(0, count, dim, kTheta, device);
  for (auto& layer : layers_) x = layer->forward(x, mask, rotary);

  at::Tensor out;  // [B, N, W]
  if (config.kind == "queries") {
    const auto frequencies = 1.0 / at::pow(at::Scalar(kTheta), at::arange(dim / 2, at::TensorOptions().device(device).dtype(at::kFloat)) / double(dim / 2));
    const auto text_angles = at_token.to(at::kFloat).unsqueeze(1) * frequencies;  // [T, d/2]
    const auto at_latent = (at::arange(latents, at::TensorOptions().device(device).dtype(at::kFloat)) + 0.5).unsqueeze(0) * at::clamp_min(on_device, latents).to(at::kFloat).unsqueeze(1) / double(latents);
    const auto latent_angles = at_latent.unsqueeze(-1) * frequencies;  // [B, N, d/2]
    const auto text = cuda::rms_norm(x);
    out = query_embed.expand({batch, latents, width});
    for (auto& layer : query_layers_) out = layer->forward(out, text, mask, latent_angles, text_angles);
  } else if (config.kind == "pyramid") {
    out = pyramid(x, lengths, latents);
  } else {
    // Sums over each latent's tokens, divided by their number; what truncation loses goes to a row that is dropped.
    const auto lengths_2d = on_device.unsqueeze(1);
    const auto spread = config.kind == "truncate" ? at_token.unsqueeze(0).expand({batch, count})
                                                  : at::where(lengths_2d > latents, at::floor_divide(at_token.unsqueeze(0) * latents, lengths_2d), at_token.unsqueeze(0));
    const auto target = at::where(present & (spread < latents), spread, at::full_like(spread, latents)).unsqueeze(-1);
    const auto sums = at::zeros({batch, latents + 1, width}, x.options().dtype(at::kFloat)).scatter_add(1, target.expand({batch, count, width}), x.to(at::kFloat));
    const auto counts = at::zeros({batch, latents + 1, 1}, sums.options()).scatter_add(1, target, at::ones({batch, count, 1}, sums.options()));
    out = (sums / at::clamp_min(counts, 1.0)).slice(1, 0, latents).to(x.scalar_type());
  }
  const auto latent_rotary = nn::Rotary::line(0, latents, dim, kTheta, device);
  for (auto& layer : latent_layers_) out = layer->forward(out, {}, latent_rotary);
  out = cuda::rms_norm(projector(cuda::rms_norm(out)), {}, 1e-6);
  return at::cat({vision::with_row_separators(out.view({batch, grid, grid, out.size(2)}), image_newline), view_seperator.expand({batch, 1, out.size(2)})}, 1);
}

}  // namespace fovea::model

#include "fovea/model/cost.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/model/optical_model.h"

namespace fovea::model {

namespace {

double linear(double rows, double in, double out) { return 2 * rows * in * out; }
double attention(double queries, double keys, double width) { return 4 * queries * keys * width; }
/// A pre-norm block of queries, keys, values, output and a two-layer MLP.
double block(double rows, double keys, double width, double mlp_width) {
  return linear(rows, width, 4 * width) + attention(rows, keys, width) + 2 * linear(rows, width, mlp_width);
}

double front_flops(const vision::SamConfig& c, double side) {
  const double n = side / double(c.patch_px), patches = n * n;
  double out = 0;
  if (c.stem == "conv") {
    const double cell = double(c.patch_px) / 4, w0 = double(c.stem_widths[0]), w1 = double(c.stem_widths[1]);
    out += linear(side * side / 16, 9 * double(c.in_channels) * cell * cell, w0) + linear(side * side / 64, 9 * w0, w1) +
           double(c.stem_blocks) * 2 * linear(side * side / 64, 9 * w1, w1) + linear(patches, 9 * w1, double(c.width));
  } else {
    out += linear(patches, double(c.in_channels * c.patch_px * c.patch_px), double(c.width));
  }
  for (int64_t i = 0; i < c.depth; ++i) {
    const bool global = std::find(c.global_layers.begin(), c.global_layers.end(), i) != c.global_layers.end();
    out += block(patches, global ? patches : double(c.window * c.window), double(c.width), double(c.mlp_width));
  }
  if (c.neck_channels > 0) out += linear(patches, double(c.width), double(c.neck_channels)) + linear(patches, 9 * double(c.neck_channels), double(c.neck_channels));
  return out;
}

double compressor_flops(const vision::CompressorConfig& c, double patches, double in) {
  if (c.kind == "mean" || c.kind == "none") return 0;
  const double factor = double(int64_t(1) << (2 * c.channels.size())), tokens = patches / factor, out = double(c.channels.back());
  if (c.kind == "conv") {
    double sum = 0, rows = patches;
    for (size_t i = 0; i < c.channels.size(); ++i) {
      if (i + 1 == c.channels.size()) sum += double(c.layers) * block(rows, rows, in, 2 * in);
      rows /= 4, sum += linear(rows, 9 * in, double(c.channels[i])), in = double(c.channels[i]);
    }
    return sum;
  }
  if (c.kind == "shuffle") return linear(tokens, in * factor, out);
  if (c.kind == "queries")
    return double(c.depth) * (linear(tokens, out, 2 * out) + linear(patches, in, 2 * out) + attention(tokens, patches, out) + 2 * linear(tokens, out, 2 * out));
  if (c.kind == "merge") {
    double sum = linear(tokens, in, out);
    for (double rows = patches; rows > tokens; rows /= 2) sum += 2 * rows / 2 * rows / 2 * in;
    return sum;
  }
  return linear(patches, in, out);  // prune
}

double decoder_flops(const decoder::DecoderConfig& c, double positions, double text) {
  const double q = double(c.num_attention_heads * c.head_dim), kv = double(c.num_key_value_heads * c.head_dim), d = double(c.hidden_size);
  double out = linear(text, d, double(c.vocab_size));
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    const double hidden = i < c.first_k_dense_replace ? double(c.intermediate_size) : double((c.num_experts_per_tok + c.n_shared_experts) * c.moe_intermediate_size);
    out += linear(positions, d, q + 2 * kv) + linear(positions, q, d) + attention(positions, positions / 2, q) + 3 * linear(positions, d, hidden);
  }
  return out;
}

}  // namespace

PageFlops page_flops(const ModelConfig& c, int64_t side_px, int64_t num_text_tokens) {
  if (side_px <= 0 || side_px % c.stride_px() != 0)
    throw ShapeError("[page_flops] the page side must be a multiple of " + std::to_string(c.stride_px()) + " px, got " + std::to_string(side_px));
  const double grid = double(side_px / c.stride_px()), tokens = grid * grid, text = double(num_text_tokens);
  PageFlops out;
  if (c.source == "text") {
    const auto& t = c.text_encoder;
    const double w = double(t.width), mlp = double(t.mlp_width);
    out.front = double(t.depth) * block(text, text, w, mlp);
    if (t.kind == "queries") out.compressor = double(t.query_depth) * (linear(tokens, w, 2 * w) + linear(text, w, 2 * w) + attention(tokens, text, w) + 2 * linear(tokens, w, mlp));
    if (t.kind == "pyramid")
      for (double rows = tokens; rows < text; rows *= 2) out.compressor += linear(rows, 4 * w, mlp) + linear(rows, mlp, w);
    out.global = double(t.latent_depth) * block(tokens, tokens, w, mlp) + linear(tokens, w, double(c.decoder.input_width()));
  } else {
    const auto& e = c.encoder;
    const double patches = double(side_px / e.sam.patch_px) * double(side_px / e.sam.patch_px);
    const double in = double(e.sam.neck_channels > 0 ? e.sam.neck_channels : e.sam.width);
    const double channels = e.compressor.kind == "mean" || e.compressor.kind == "none" ? in : double(e.compressor.channels.back());
    out.front = front_flops(e.sam, double(side_px));
    out.compressor = compressor_flops(e.compressor, patches, in);
    out.global = double(e.clip.depth) * block(tokens, tokens, double(e.clip.width), double(e.clip.mlp_width)) +
                 (channels == double(e.clip.width) ? 0 : linear(tokens, channels, double(e.clip.width))) +
                 linear(tokens, double(e.clip.width) + channels, double(c.decoder.input_width())) +
                 2 * linear(tokens, double(c.decoder.input_width()), double(e.token_width));
  }
  out.decoder = decoder_flops(c.decoder, grid * (grid + 1) + 1 + text, text);
  return out;
}

ParameterCounts count_parameters(const ModelConfig& config) {
  const OpticalModel model(config, nn::Factory{at::kMeta, at::kFloat});
  ParameterCounts out;
  for (const auto& item : model->named_parameters()) {
    const std::string& name = item.key();
    const int64_t count = item.value().numel();
    const auto begins = [&](const char* prefix) { return name.rfind(prefix, 0) == 0; };
    int64_t& part = begins("decoder.") ? out.decoder
                    : begins("encoder.sam_model.") || begins("text_encoder.layer_") || begins("text_encoder.embed_tokens.") ? out.front
                    : begins("encoder.compressor.") || begins("text_encoder.query") || begins("text_encoder.level_") ? out.compressor
                                                                                                                        : out.global;
    part += count;
    out.total += count;
  }
  return out;
}

}  // namespace fovea::model

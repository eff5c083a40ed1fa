#include "fovea/train/objective.h"

#include <cmath>

#include "fovea/cuda/ops.h"

namespace fovea::train {

GlyphProbeImpl::GlyphProbeImpl(int64_t feature_width, int64_t frequencies, int64_t width, int64_t classes, const nn::Factory& factory)
    : frequencies_(frequencies) {
  feature_in = register_module("feature_in", nn::Linear(feature_width, width, true, factory));
  offset_in = register_module("offset_in", nn::Linear(4 * frequencies, width, true, factory));
  middle = register_module("middle", nn::Linear(width, width, true, factory));
  lm_head = register_module("lm_head", nn::Linear(width, classes, true, factory));
}

at::Tensor GlyphProbeImpl::forward(const at::Tensor& feature, const at::Tensor& offset) {
  const auto k = at::arange(frequencies_, offset.options()) * (0.5 * M_PI);
  const auto angles = (offset.unsqueeze(-1) * k).flatten(-2);  // [N, 2 F]
  const auto waves = at::cat({angles.sin(), angles.cos()}, -1).to(feature.scalar_type());
  const auto hidden = at::gelu(feature_in(feature) * (1 + offset_in(waves)));
  return lm_head(at::gelu(middle(hidden)));
}

ObjectiveImpl::ObjectiveImpl(model::OpticalModel m, const ObjectiveConfig& config, int64_t classes, const nn::Factory& factory)
    : config_(config), factory_(factory) {
  const auto& c = m->config;
  const int64_t patch_channels = c.encoder.sam.neck_channels > 0 ? c.encoder.sam.neck_channels : c.encoder.sam.width;
  model = register_module("model", m);
  if (config.probe > 0 && c.source == "page")
    token_probe = register_module("token_probe", GlyphProbe(c.decoder.hidden_size, 16, config.probe_width, classes, factory));
  if (config.patch_probe > 0 && c.source == "page")
    patch_probe = register_module("patch_probe", GlyphProbe(patch_channels, 8, config.probe_width, classes, factory));
  if (config.guide > 0 && config.guide_offset > 0)
    offset_readout = register_module("offset_readout", nn::Linear(c.decoder.hidden_size, 64, true, factory));
}

// Mean over the chosen rows of a [N] tensor; an empty choice gives 0.
static at::Tensor masked_mean(const at::Tensor& values, const at::Tensor& mask) {
  const auto weights = mask.to(at::kFloat);
  return (values.to(at::kFloat) * weights).sum() / at::clamp_min(weights.sum(), 1.0);
}

at::Tensor ObjectiveImpl::probe_loss(GlyphProbe& probe, const at::Tensor& features, int64_t n, const Batch& batch, int64_t side_px, at::Tensor& accuracy) {
  // features [B, n*n, D]; the cell under a glyph's centre and the place inside it
  const double cell_px = double(side_px) / double(n);
  const auto cell = batch.glyph_xy / cell_px;                     // [B, Q, 2]
  const auto index = cell.floor().clamp(0, double(n - 1));
  const auto offset = (cell - index).flatten(0, 1);               // [B Q, 2]
  const auto flat = index.select(2, 1) * double(n) + index.select(2, 0);
  const auto base = at::arange(features.size(0), flat.options()).unsqueeze(1) * double(n * n);
  const auto picked = features.flatten(0, 1).index_select(0, (flat + base).flatten().to(at::kLong));
  const auto logits = probe(picked, offset);
  const auto labels = batch.glyph_class.flatten();
  const auto valid = labels >= 0;
  const auto [loss, correct] = cuda::cross_entropy(logits, labels);
  accuracy = masked_mean(correct.detach(), valid);
  return masked_mean(loss, valid);
}

LossParts ObjectiveImpl::forward(const Batch& batch, bool with_reader) {
  const int64_t side = batch.spec.side_px;
  const auto& encoder_config = model->config.encoder;
  vision::EncoderOutput encoded;
  if (model->config.source == "text")
    encoded.sequence = model->text_encoder(batch.source_ids, batch.source_lengths, side / model->config.stride_px());
  else
    encoded = model->encoder(vision::pixels_from_bytes(batch.pixels, encoder_config, factory_.dtype));
  LossParts parts;
  const auto zero = at::zeros({}, at::TensorOptions().device(batch.pixels.device()).dtype(at::kFloat));
  parts.total = parts.reader_loss = parts.reader_accuracy = parts.probe_accuracy = parts.patch_probe_accuracy = parts.guide_accuracy = zero;
  if (token_probe)
    parts.total = parts.total + config_.probe * probe_loss(token_probe, encoded.tokens, side / encoder_config.stride_px(), batch, side, parts.probe_accuracy);
  if (patch_probe)
    parts.total = parts.total + config_.patch_probe * probe_loss(patch_probe, encoded.patches.flatten(2).transpose(1, 2),
                                                                side / encoder_config.sam.patch_px, batch, side, parts.patch_probe_accuracy);
  if (!with_reader) return parts;

  const int64_t vision_length = encoded.sequence.size(1);
  const auto embedded = model->decoder->embed(batch.inputs);  // [B, T, D]
  const auto inputs = at::cat({encoded.sequence.to(embedded.scalar_type()), embedded}, 1);
  decoder::Taps taps;
  if (config_.guide > 0) taps.qk_layer = config_.guide_layer, taps.hidden_layer = config_.guide_layer - 1;
  const auto hidden = model->decoder->forward(inputs, nullptr, &taps);
  const auto text = hidden.slice(1, vision_length).flatten(0, 1).index_select(0, batch.positions);  // [M, D]
  const auto [loss, correct] = cuda::cross_entropy(model->decoder->logits(text), batch.targets);
  parts.reader_loss = loss.mean();
  parts.reader_accuracy = correct.detach().to(at::kFloat).mean();
  parts.total = parts.total + config_.reader * parts.reader_loss;
  if (config_.guide > 0) {
    // Four heads of one layer look at the token under the next glyph.
    const auto& c = model->config.decoder;
    const int64_t heads = std::min<int64_t>(4, c.num_attention_heads), share = c.num_attention_heads / c.num_key_value_heads;
    const auto valid = batch.place_cell >= 0;
    at::Tensor guide = zero;
    for (int64_t h = 0; h < heads; ++h) {
      const auto q = taps.q.select(1, h).slice(1, vision_length);         // [B, T, d]
      const auto k = taps.k.select(1, h / share).slice(1, 0, vision_length);
      const auto scores = (at::bmm(q, k.transpose(1, 2)) * (1.0 / std::sqrt(double(c.head_dim)))).flatten(0, 1).index_select(0, batch.positions);  // [M, P]
      const auto [head_loss, hit] = cuda::cross_entropy(scores, batch.place_cell);
      guide = guide + masked_mean(head_loss, valid) / double(heads);
      if (h == 0) parts.guide_accuracy = masked_mean(hit.detach(), valid);
    }
    if (offset_readout) {
      const auto at_text = taps.hidden.slice(1, vision_length).flatten(0, 1).index_select(0, batch.positions);
      const auto readout = offset_readout(at_text);  // [M, 64]
      const auto x = cuda::cross_entropy(readout.slice(1, 0, 32).contiguous(), at::floor_divide(batch.place_offset, 32));
      const auto y = cuda::cross_entropy(readout.slice(1, 32).contiguous(), batch.place_offset.remainder(32));
      guide = guide + config_.guide_offset * (masked_mean(x.loss, valid) + masked_mean(y.loss, valid));
    }
    parts.total = parts.total + config_.guide * guide;
  }
  return parts;
}

}  // namespace fovea::train

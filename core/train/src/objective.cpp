#include "fovea/train/objective.h"

#include <cmath>

#include "fovea/cuda/ops.h"

namespace fovea::train {

GlyphProbeImpl::GlyphProbeImpl(int64_t feature_width, int64_t axes, int64_t frequencies, int64_t width, int64_t classes, const nn::Factory& factory)
    : frequencies_(frequencies) {
  feature_in = register_module("feature_in", nn::Linear(feature_width, width, true, factory));
  offset_in = register_module("offset_in", nn::Linear(2 * axes * frequencies, width, true, factory));
  middle = register_module("middle", nn::Linear(width, width, true, factory));
  lm_head = register_module("lm_head", nn::Linear(width, classes, true, factory));
}

at::Tensor GlyphProbeImpl::forward(const at::Tensor& feature, const at::Tensor& offset) {
  const auto k = at::arange(frequencies_, offset.options()) * (0.5 * M_PI);
  const auto angles = (offset.unsqueeze(-1) * k).flatten(-2);  // [N, axes F]
  const auto waves = at::cat({angles.sin(), angles.cos()}, -1).to(feature.scalar_type());
  const auto hidden = at::gelu(feature_in(feature) * (1 + offset_in(waves)));
  return lm_head(at::gelu(middle(hidden)));
}

ObjectiveImpl::ObjectiveImpl(model::OpticalModel m, const ObjectiveConfig& config, int64_t classes, const nn::Factory& factory)
    : config_(config), factory_(factory) {
  const auto& c = m->config;
  const int64_t patch_channels = c.encoder.sam.neck_channels > 0 ? c.encoder.sam.neck_channels : c.encoder.sam.width;
  const int64_t axes = c.encoder.sam.in_channels > 1 ? 3 : 2;
  model = register_module("model", m);
  if (config.probe > 0 && c.source == "page")
    token_probe = register_module("token_probe", GlyphProbe(c.decoder.input_width(), axes, 16, config.probe_width, classes, factory));
  if (config.patch_probe > 0 && c.source == "page")
    patch_probe = register_module("patch_probe", GlyphProbe(patch_channels, axes, 8, config.probe_width, classes, factory));
  if (config.guide > 0 && config.guide_offset > 0)
    offset_readout = register_module("offset_readout", nn::Linear(c.decoder.hidden_size, 64, true, factory));
}

// How many labels are none of those that cross_entropy leaves out (whose loss is 0, and which are never correct); at least 1.
static at::Tensor num_asked(const at::Tensor& labels) { return at::clamp_min((labels >= 0).sum(), 1).to(at::kFloat); }
static at::Tensor mean_of(const at::Tensor& values, const at::Tensor& count) { return values.sum(at::kFloat) / count; }

at::Tensor ObjectiveImpl::probe_loss(GlyphProbe& probe, const at::Tensor& features, int64_t n, const Batch& batch, const at::Tensor& count, int64_t side_px, at::Tensor& accuracy) {
  // features [B, n*n, D]; the cell under a glyph's centre and the place inside it
  const double cell_px = double(side_px) / double(n);
  const auto cell = batch.glyph_xy / cell_px;                     // [B, Q, 2]
  const auto index = cell.floor().clamp(0, double(n - 1));
  auto offset = (cell - index).flatten(0, 1);                     // [B Q, 2]
  if (const int64_t channels = model->config.encoder.sam.in_channels; channels > 1)
    offset = at::cat({offset, batch.glyph_channel.flatten().unsqueeze(1) / double(channels)}, 1);
  const auto flat = index.select(2, 1) * double(n) + index.select(2, 0);
  const auto base = at::arange(features.size(0), flat.options()).unsqueeze(1) * double(n * n);
  const auto picked = features.flatten(0, 1).index_select(0, (flat + base).flatten().to(at::kLong));
  const auto logits = probe(picked, offset);
  const auto [loss, correct] = cuda::cross_entropy(logits, batch.glyph_class.flatten());
  accuracy = mean_of(correct, count);
  return mean_of(loss, count);
}

void ObjectiveImpl::set_teacher(model::OpticalModel teacher, const SequenceIds& around) {
  teacher_ = std::move(teacher);
  teacher_ids_ = around;
}

void ObjectiveImpl::set_adapters(Adapters a) { adapters = register_module("adapters", std::move(a)); }

vision::EncoderOutput ObjectiveImpl::encode(model::OpticalModel& of, const Batch& batch) {
  vision::EncoderOutput encoded;
  if (of->config.source == "text") {
    encoded.sequence = of->text_encoder(batch.source_ids, batch.source_lengths, batch.spec.side_px / of->config.stride_px());
    return encoded;
  }
  const int64_t channels = of->config.encoder.sam.in_channels, given = batch.pixels.size(1);
  // A teacher may see the page in other channels than the model that learns.
  const auto pixels = channels == given ? batch.pixels : given == 1 ? batch.pixels.expand({-1, channels, -1, -1}).contiguous() : batch.pixels.to(at::kFloat).mean(1, true).to(at::kByte);
  return of->encoder(vision::pixels_from_bytes(pixels, of->config.encoder, factory_.dtype));
}

at::Tensor ObjectiveImpl::read(model::OpticalModel& of, const vision::EncoderOutput& encoded, const Sequences& sequences, decoder::Taps* taps) {
  const auto embedded = of->decoder->embed(sequences.ids);  // [I, D]
  const auto vision = of->decoder_input(encoded.sequence).to(embedded.scalar_type()).flatten(0, 1);
  const auto rows = nn::permute_rows(at::cat({vision, embedded}), sequences.order, sequences.inverse);
  return of->decoder->forward(rows.unsqueeze(0), sequences.packed, taps)[0].index_select(0, sequences.rows);
}

// Softened by `temperature`: mean over rows of KL(teacher || student) times its square.
static at::Tensor distance_of(const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  const auto s = at::log_softmax(student.to(at::kFloat) / temperature, -1), t = at::log_softmax(teacher.to(at::kFloat) / temperature, -1);
  return (t.exp() * (t - s)).sum() * (temperature * temperature / double(std::max<int64_t>(1, student.size(0))));
}

// The sequences with what was said [M] in the place of the ids that are marked so.
static Sequences with_own_text(Sequences sequences, const at::Tensor& said) {
  sequences.ids = at::where(sequences.own >= 0, said.index_select(0, at::clamp_min(sequences.own, 0)), sequences.ids);
  return sequences;
}

at::Tensor ObjectiveImpl::say(const vision::EncoderOutput& encoded, const Batch& batch) {
  torch::NoGradGuard no_grad;
  const auto logits = model->decoder->logits(read(model, encoded, batch.sequences));
  if (config_.own_text_temperature == 0) return logits.argmax(-1);
  // The first token at which the summed probability passes the draw.
  const auto sums = at::softmax(logits.to(at::kFloat) / config_.own_text_temperature, -1).cumsum(-1);
  const auto drawn = at::searchsorted(sums, batch.own_draw.unsqueeze(1) * sums.slice(1, -1), /*out_int32=*/false, /*right=*/true);
  return drawn.squeeze(1).clamp_max(logits.size(1) - 1);
}

LossParts ObjectiveImpl::evaluate(const Batch& batch) {
  torch::NoGradGuard no_grad;
  if (adapters) adapters->attach();
  const auto [loss, correct] = cuda::cross_entropy(model->decoder->logits(read(model, encode(model, batch), batch.sequences)), batch.targets);
  if (adapters) adapters->detach();
  LossParts parts;
  parts.reader_loss = loss.mean();
  parts.reader_accuracy = correct.to(at::kFloat).mean();
  return parts;
}

LossParts ObjectiveImpl::forward(const Batch& batch, bool with_reader, bool probes_detached) {
  const int64_t side = batch.spec.side_px;
  const auto& encoder_config = model->config.encoder;
  if (adapters) adapters->attach();
  auto encoded = encode(model, batch);
  LossParts parts;
  const auto zero = at::zeros({}, at::TensorOptions().device(batch.pixels.device()).dtype(at::kFloat));
  parts.total = parts.reader_loss = parts.reader_accuracy = parts.probe_accuracy = parts.patch_probe_accuracy = parts.guide_accuracy = parts.distance = zero;
  at::Tensor num_glyphs;
  const auto asked = [&](const at::Tensor& features) { return probes_detached ? features.detach() : features; };
  if (token_probe || patch_probe) num_glyphs = num_asked(batch.glyph_class);
  at::Tensor tokens = encoded.tokens;
  // The half that a deeper layer adds has a scale of its own; a probe that was asked about it as it is learned nothing (experiments/LOG.md, 2026-11-29).
  if (token_probe && model->config.decoder.deepstack_layer > 0)
    tokens = cuda::rms_norm(tokens.unflatten(-1, {2, model->config.decoder.hidden_size}).contiguous(), {}, 1e-6).flatten(-2);
  if (token_probe)
    parts.total = parts.total + config_.probe * probe_loss(token_probe, asked(tokens), side / encoder_config.stride_px(), batch, num_glyphs, side, parts.probe_accuracy);
  if (patch_probe)
    parts.total = parts.total + config_.patch_probe * probe_loss(patch_probe, asked(encoded.patches.flatten(2).transpose(1, 2)),
                                                                side / encoder_config.sam.patch_px, batch, num_glyphs, side, parts.patch_probe_accuracy);
  if (!with_reader) return parts;
  decoder::Taps taps;
  if (config_.guide > 0) taps.qk_layer = config_.guide_layer, taps.hidden_layer = config_.guide_layer - 1;
  const bool own_text = config_.own_text_share > 0;
  at::Tensor said;
  if (own_text) said = say(encoded, batch);
  const auto logits = model->decoder->logits(read(model, encoded, own_text ? with_own_text(batch.sequences, said) : batch.sequences, &taps));
  const auto [loss, correct] = cuda::cross_entropy(logits, batch.targets);
  parts.reader_loss = loss.mean();
  parts.reader_accuracy = correct.detach().to(at::kFloat).mean();
  parts.total = parts.total + config_.reader * parts.reader_loss;
  if (teacher_) {
    at::Tensor taught;
    {
      torch::NoGradGuard no_grad;
      // The same text behind the teacher's own begin or prompt.
      const auto theirs = encode(teacher_, batch);
      auto sequences = to_device(lay_out(batch, teacher_ids_, theirs.sequence.size(1)), batch.pixels.device());
      if (own_text) sequences = with_own_text(std::move(sequences), said);
      taught = teacher_->decoder->logits(read(teacher_, theirs, sequences));
    }
    const auto distance = distance_of(logits, taught, config_.distill_temperature);
    parts.distance = distance.detach();
    parts.total = parts.total + config_.distill * distance;
  }
  if (config_.guide > 0) {
    const auto [guide, accuracy] = guide_loss(batch, taps);
    parts.guide_accuracy = accuracy;
    parts.total = parts.total + config_.guide * guide;
  }
  return parts;
}

std::pair<at::Tensor, at::Tensor> ObjectiveImpl::guide_loss(const Batch& batch, const decoder::Taps& taps) {
  // Four heads of one layer look at the token under the next glyph; heads that share a key head are rows of one product. Ends, which have no place, are left out by cross_entropy.
  const auto& c = model->config.decoder;
  const auto& s = batch.sequences;
  const int64_t heads = std::min<int64_t>(4, c.num_attention_heads), share = c.num_attention_heads / c.num_key_value_heads;
  const int64_t pages = batch.place_cell.size(0), places = batch.place_cell.size(1), d = c.head_dim;
  const auto num_places = num_asked(batch.place_cell);
  const auto asking = s.rows.index_select(0, batch.place_target.flatten());  // [B G]
  const auto first = s.packed.starts.slice(0, 0, pages).to(at::kLong).unsqueeze(1) + s.num_before;
  const auto vision = (first + at::arange(s.num_vision, first.options())).flatten();  // [B V]
  at::Tensor guide = at::zeros({}, num_places.options()), accuracy;
  for (int64_t h = 0; h < heads; h += share) {
    const int64_t n = std::min(share, heads - h);
    const auto q = taps.q[0].slice(0, h, h + n).index_select(1, asking).view({n, pages, places, d}).transpose(0, 1).reshape({pages, n * places, d});
    const auto k = taps.k[0][h / share].index_select(0, vision).view({pages, s.num_vision, d});
    const auto scores = at::baddbmm(at::zeros({1}, q.options()), q, k.transpose(1, 2), /*beta=*/0, /*alpha=*/1.0 / std::sqrt(double(d)));  // [B, n G, V]
    const auto [loss, hit] = cuda::cross_entropy(scores.flatten(0, 1), batch.place_cell.unsqueeze(1).expand({pages, n, places}).reshape({-1}));
    guide = guide + mean_of(loss, num_places) / double(heads);
    if (h == 0) accuracy = mean_of(hit.view({pages, n, places}).select(1, 0), num_places);
  }
  if (offset_readout) {
    const auto readout = offset_readout(taps.hidden[0].index_select(0, asking));  // [B G, 64]: 32 for x, then 32 for y
    const auto offset = batch.place_offset.flatten();
    const auto both = at::stack({at::floor_divide(offset, 32), offset.remainder(32)}, 1).masked_fill((batch.place_cell.flatten() < 0).unsqueeze(1), -1);
    guide = guide + config_.guide_offset * mean_of(cuda::cross_entropy(readout.view({-1, 32}), both.flatten()).loss, num_places);
  }
  return {guide, accuracy};
}

}  // namespace fovea::train

// The losses: reading, glyph probe, guided attention. Shape letters as in batcher.h; D vision token width, C patch channels.
#pragma once
#include "fovea/model/optical_model.h"
#include "fovea/train/adapters.h"
#include "fovea/train/batcher.h"

namespace fovea::train {

/// Which character is at this place of this feature? feature [N, D], offset [N, axes] in [0, 1): across and down its cell and, where a model sees colours, the channel
/// that it is asked about -> [N, classes]. The feature is gated by a Fourier embedding of the offset, so that one vector can answer for every place in its cell.
class GlyphProbeImpl : public torch::nn::Module {
 public:
  GlyphProbeImpl(int64_t feature_width, int64_t axes, int64_t frequencies, int64_t width, int64_t classes, const nn::Factory& factory);
  at::Tensor forward(const at::Tensor& feature, const at::Tensor& offset);

 private:
  int64_t frequencies_;
  nn::Linear feature_in{nullptr}, offset_in{nullptr}, middle{nullptr}, lm_head{nullptr};
};
TORCH_MODULE(GlyphProbe);

/// Parts of one step, all device scalars (sums and counts are float32), so that nothing waits for the device.
struct LossParts {
  at::Tensor total;
  at::Tensor reader_loss, reader_accuracy;
  at::Tensor probe_accuracy, patch_probe_accuracy;
  at::Tensor guide_accuracy;
  at::Tensor distance;  ///< KL(teacher, student) a token, 0 without a teacher
};

/// The model with what only training needs: probes and the offset read-out.
class ObjectiveImpl : public torch::nn::Module {
 public:
  ObjectiveImpl(model::OpticalModel model, const ObjectiveConfig& config, int64_t glyph_classes, const nn::Factory& factory);
  /// with_reader = false: the probes alone (first part of a run). probes_detached: what they are asked about does not learn from them.
  /// Adapters stay attached until release(): a layer that is computed again backwards must find them.
  LossParts forward(const Batch& batch, bool with_reader, bool probes_detached = false);
  /// After the backward pass.
  void release() { if (adapters) adapters->detach(); }
  /// Reading loss and accuracy alone, without gradients.
  LossParts evaluate(const Batch& batch);
  /// A model that is learned from; it is not among the module's parameters. What it is given before and after the vision tokens is its own
  /// (`around`), the text is the batch's.
  void set_teacher(model::OpticalModel teacher, const SequenceIds& around);
  /// Adapters on the model, trained with it; their reset() is the caller's.
  void set_adapters(Adapters adapters);
  Adapters adapters_of() const { return adapters; }
  /// Arithmetic of the pixels that go in; the parameters' own.
  void set_dtype(at::ScalarType dtype) { factory_.dtype = dtype; }

 private:
  vision::EncoderOutput encode(model::OpticalModel& of, const Batch& batch);
  /// Hidden states that say the targets, [M, D].
  at::Tensor read(model::OpticalModel& of, const vision::EncoderOutput& encoded, const Sequences& sequences, decoder::Taps* taps = nullptr);
  /// What the reader says itself for each target, int64 [M], without gradients: the likeliest id, or one drawn at own_text_temperature.
  at::Tensor say(const vision::EncoderOutput& encoded, const Batch& batch);
  /// Loss and accuracy of four heads' attention to the places that batch names, and of the read-out.
  std::pair<at::Tensor, at::Tensor> guide_loss(const Batch& batch, const decoder::Taps& taps);
  at::Tensor probe_loss(GlyphProbe& probe, const at::Tensor& features, int64_t cells_a_side, const Batch& batch, const at::Tensor& count, int64_t side_px, at::Tensor& accuracy);
  ObjectiveConfig config_;
  model::OpticalModel model{nullptr};
  GlyphProbe token_probe{nullptr}, patch_probe{nullptr};
  nn::Linear offset_readout{nullptr};
  Adapters adapters{nullptr};
  model::OpticalModel teacher_{nullptr};
  SequenceIds teacher_ids_;
  nn::Factory factory_;
};
TORCH_MODULE(Objective);

}  // namespace fovea::train

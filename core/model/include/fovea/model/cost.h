// What a model costs: parameters and floating-point operations by part, counted from its config alone.
#pragma once
#include "fovea/model/config.h"

namespace fovea::model {

/// Floating-point operations of one page forwards; a multiply-add counts as two. Products of matrices, convolutions and attention are counted, norms and
/// activations are not. Training costs three times as much (forwards once, backwards twice).
struct PageFlops {
  double front = 0;       ///< windowed tower with its stem, or the layers over the text of a text-side baseline
  double compressor = 0;
  double global = 0;      ///< global tower and projector, or the layers over the latents
  double decoder = 0;     ///< all positions at once, as in training, with the head for the text's tokens
  double total() const { return front + compressor + global + decoder; }
};

/// A page of side_px with num_text_tokens of the reader's own tokens. Errors: ShapeError unless stride_px() divides side_px.
PageFlops page_flops(const ModelConfig& config, int64_t side_px, int64_t num_text_tokens);

struct ParameterCounts {
  int64_t front = 0, compressor = 0, global = 0, decoder = 0, total = 0;
};
/// Counted on the module tree itself (on the meta device, so that it takes no memory).
ParameterCounts count_parameters(const ModelConfig& config);

}  // namespace fovea::model

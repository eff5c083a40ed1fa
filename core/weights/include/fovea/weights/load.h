// From a store into a model's tensors.
//
// Note: Quantised tensors
// A floating tensor NAME of shape [R, ...] (C elements a row) may be stored in 8, 6 or 4 bits, with its scales beside it:
//   8 bits  NAME I8 [R, ...], NAME.scale F32 or F16 [R]:               value = NAME * scale[row]
//   6 bits  NAME U8 [R, 3C/4], NAME.scale F16 or F32 [R, ceil(C/G)]:   value = (number - 32) * scale[row, column / G]
//   4 bits  NAME U8 [R, C/2], NAME.scale F16 or F32 [R, ceil(C/G)]:    value = (number - 8) * scale[row, column / G]
// G, the columns that share a scale, is a power of two from 32 on (that where nothing else was asked for); it follows from the shapes (quantize.h: group_of).
// Numbers follow each other from the lowest bit of a row's first byte on: in 4 bits the low half of byte j is column 2j, the high half column 2j + 1; in 6 bits three bytes hold
// columns 4j to 4j + 3, columns counted over the flattened rest of the shape.
// Scales may be negative. Readers tell the forms apart by the stored dtype (plain, I8, U8) and 4 from 6 bits by the bytes of a row.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "fovea/weights/store.h"

namespace fovea::weights {

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

struct LoadOptions {
  /// Names neither loaded, missed nor unexpected. The constant buffer model.vision_model.embeddings.position_ids always is.
  std::vector<std::string> ignore = {};
  /// Stored tensors whose names begin so may be left over, as when only one part of a model is loaded.
  std::vector<std::string> allow_unexpected_prefix = {};
};

struct LoadReport {
  int64_t num_loaded = 0;              ///< targets written
  int64_t num_dequantized = 0;         ///< of these, from 8, 6 or 4 bits
  std::vector<std::string> left_over;  ///< stored tensors that allow_unexpected_prefix let pass
};

/// Copies stored tensors into the targets of the same names, one at a time, in the target's dtype and on its device.
/// Floating types convert into each other; all others must be stored in the target's type.
/// Errors   one WeightsError that lists every missing, unexpected and unfit (shape or dtype) tensor, 20 names of each and
///          the counts; no target has been written then.
LoadReport load_weights(const NamedTensors& targets, const WeightStore& store, const LoadOptions& options = {});

}  // namespace fovea::weights

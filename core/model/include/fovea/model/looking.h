// Where the decoder looked: attention over vision tokens while a finished text is gone through once more, teacher forced.
// Shape letters: L layers asked for, H heads, T tokens of the text, N tokens of the page's grids (mosaic first, separators left out; 0 for tokens that were removed).
#pragma once
#include "fovea/model/optical_model.h"

namespace fovea::model {

struct Looking {
  at::Tensor attention;              ///< float32 [L, H, T, N]: of the position that says token t, over each vision token; the softmax is over all positions
  at::Tensor separators;             ///< float32 [L, H, T]: what fell on row and view separators
  at::Tensor text;                   ///< float32 [L, H, T]: what fell on prompt and text; attention.sum(-1) + separators + text = 1
  std::vector<int64_t> layers;       ///< decoder layers, from 0
  std::vector<int64_t> token_bytes;  ///< [T]: bytes of the text at which each token ends
};

/// One pass over page, prompt and text; no text is generated. The decoder's own arithmetic, so equal to what generation did but for rounding.
/// ids     tokens of the text, as Generated::ids has them
/// layers  from 0; empty: all
/// prompt  as Reader::decode
/// Memory  4 * L * H * T * N bytes for the result.
/// Errors  ShapeError (vision tokens of another width); ConfigError (no token; a layer that is not there; more positions than the decoder knows; a prompt as Reader::decode).
Looking look_back(Reader& reader, const VisionTokens& tokens, const std::vector<int32_t>& ids, const std::vector<int64_t>& layers = {}, const std::string& prompt = {});

}  // namespace fovea::model

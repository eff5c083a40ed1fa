// Vision tokens as things: averaged, pooled, dropped, pruned, stored in fewer bits, and fed to the decoder again.
#pragma once
#include <string>
#include <vector>

#include "fovea/model/vision_tokens.h"

namespace fovea::model {

/// Place in `sequence` of every vision token that is left, in reading order (the mosaic's first, then the global view's); separators are between them.
std::vector<int64_t> token_positions(const VisionTokens& tokens);
/// Euclidean length of every vision token that is left, in that order.
std::vector<double> token_norms(const VisionTokens& tokens);

/// The mean of several pages' vectors, position by position: of the same page seen several times, say. Errors: ShapeError unless all have one layout and width.
VisionTokens average(const std::vector<const VisionTokens*>& pages);

/// Means over blocks of factor x factor neighbours of the grid, so that n tokens become n / factor^2; separators stay as they are (of each row of blocks the first).
/// Tiles' mosaic and global view are pooled alike. Errors: ShapeError where factor does not divide both sides, or tokens were removed.
VisionTokens pool(const VisionTokens& tokens, int64_t factor);

/// Without the named tokens (numbers of token_positions).
/// how   remove: the sequence gets shorter; zero: their vectors become 0; mean: they become the mean of those that stay
/// Errors: ConfigError (a number that is none, every token named, another `how`).
VisionTokens drop(const VisionTokens& tokens, std::vector<int64_t> which, const std::string& how = "remove");

/// Keeps `keep` tokens: those of the largest norm, or of the smallest (by = "norm" | "small-norm"), or evenly spread over the sequence ("even": what a prune
/// must beat). Ties go to the earlier token. Errors: ConfigError.
VisionTokens prune(const VisionTokens& tokens, int64_t keep, const std::string& by = "norm", const std::string& how = "remove");

struct QuantizedTokens {
  VisionTokens tokens;            ///< as they are after storing and reading again, in float32
  double relative_error = 0;      ///< |stored - original| / |original| over the sequence (2-norms)
  double largest_error = 0;       ///< of one number
  int64_t num_bytes = 0;          ///< scales included
  int64_t num_bytes_original = 0; ///< in the type that they had
};
/// kind   float32 | float16 | int8 (a scale a vector) | int4 (a scale each 32 numbers; needs an even width) | binary (signs, times the vector's mean magnitude;
///        a measure, not a file format: save_vision_tokens has the others)
/// Errors: ConfigError (another kind, an odd width, values that float16 cannot hold).
QuantizedTokens quantize(const VisionTokens& tokens, const std::string& kind);

}  // namespace fovea::model

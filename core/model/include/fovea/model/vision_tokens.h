// VisionTokens: all that the decoder ever sees of a page.
#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

namespace fovea::model {

/// The vectors of one page as they are kept for the decoder, and how they are laid out.
struct VisionTokens {
  at::Tensor sequence;      ///< [num_decoder_positions, W] (the decoder's width, or the encoder's token_width): rows of vision tokens, a row separator after each, a view separator last; a mosaic of tiles first
  int64_t rows = 0, columns = 0;  ///< of the global view's token grid
  int64_t num_valid = 0;    ///< vision tokens that cover the page and not padding (the paper's N_valid)
  std::string model;        ///< name of the model whose encoder made them
  int64_t mosaic_rows = 0, mosaic_columns = 0;  ///< of the token grid of all tiles together; 0: no tiles
  std::vector<int64_t> removed = {};  ///< rising numbers of the tokens that drop() took out, in reading order of both grids

  /// Tokens of the grids, those that were removed included.
  int64_t num_grid_tokens() const { return rows * columns + mosaic_rows * mosaic_columns; }
  /// The paper's count: vision tokens without separators.
  int64_t num_vision_tokens() const { return num_grid_tokens() - int64_t(removed.size()); }
  /// What the decoder really reads: vision tokens and separators.
  int64_t num_decoder_positions() const { return sequence.size(0); }
};

/// One safetensors file.
/// kind   keep (the type they have) | float32 | float16 | int8 | int4: as vision_token_ops.h's quantize; what is loaded is what quantize returns
/// Errors: IoError, WeightsError, ConfigError.
void save_vision_tokens(const VisionTokens& tokens, const std::string& path, const std::string& kind = "keep");
VisionTokens load_vision_tokens(const std::string& path);

}  // namespace fovea::model

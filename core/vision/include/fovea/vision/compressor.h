// Compressors: a grid of patch features in, a smaller grid of token features out. A new one is a file in src/compressors/ and a line in the
// table of src/compressor.cpp.
#pragma once
#include <memory>

#include "fovea/nn/modules.h"
#include "fovea/vision/config.h"

namespace fovea::vision {

/// [B, C, n, n] -> [B, C', g, g] with g = n / 2^steps. Kinds that choose or merge patches by content put their tokens on the grid in reading order.
class CompressorImpl : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& features) = 0;
  virtual int64_t out_channels() const = 0;
};

/// Errors: ConfigError for an unknown kind.
std::shared_ptr<CompressorImpl> make_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);

}  // namespace fovea::vision

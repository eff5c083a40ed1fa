// All compressors: one a file of this folder and one line of the list.
#pragma once
#include "fovea/vision/compressor.h"

// A line here is a kind by this name, made by make_NAME_compressor, which its file defines.
#define FOVEA_COMPRESSORS(kind) \
  kind(conv)                    \
  kind(mean)                    \
  kind(shuffle)                 \
  kind(queries)                 \
  kind(merge)                   \
  kind(prune)                   \
  kind(none)

namespace fovea::vision {

using CompressorPtr = std::shared_ptr<CompressorImpl>;
#define FOVEA_DECLARE_COMPRESSOR(kind) CompressorPtr make_##kind##_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
FOVEA_COMPRESSORS(FOVEA_DECLARE_COMPRESSOR)
#undef FOVEA_DECLARE_COMPRESSOR

/// Patches a side of a token.
inline int64_t side_factor(const CompressorConfig& config) { return int64_t(1) << config.channels.size(); }

/// Waves of places on a page for tokens that left their grid: place [..., 2] in [0, 1] -> [..., 4 * kPlaceWaves], half to 2^(kPlaceWaves - 2) turns over the page.
constexpr int64_t kPlaceWaves = 8;
at::Tensor place_waves(const at::Tensor& place);
/// Centres of an n x n grid of patches in reading order, [n*n, 2] as (x, y) in [0, 1].
at::Tensor patch_places(int64_t n, const at::Device& device);

}  // namespace fovea::vision

// The makers that src/compressor.cpp lists: one a file of this folder.
#pragma once
#include "fovea/vision/compressor.h"

namespace fovea::vision {

using CompressorPtr = std::shared_ptr<CompressorImpl>;
CompressorPtr make_conv_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_mean_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_shuffle_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_query_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_merge_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_prune_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);
CompressorPtr make_no_compressor(const CompressorConfig& config, int64_t in_channels, const nn::Factory& factory);

/// Patches a side of a token.
inline int64_t side_factor(const CompressorConfig& config) { return int64_t(1) << config.channels.size(); }

/// Waves of places on a page for tokens that left their grid: place [..., 2] in [0, 1] -> [..., 4 * kPlaceWaves], half to 2^(kPlaceWaves - 2) turns over the page.
constexpr int64_t kPlaceWaves = 8;
at::Tensor place_waves(const at::Tensor& place);
/// Centres of an n x n grid of patches in reading order, [n*n, 2] as (x, y) in [0, 1].
at::Tensor patch_places(int64_t n, const at::Device& device);

}  // namespace fovea::vision

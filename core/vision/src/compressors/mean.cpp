#include "compressors.h"

namespace fovea::vision {
namespace {

/// Mean over each cell of patches; no parameters.
class MeanCompressorImpl : public CompressorImpl {
 public:
  MeanCompressorImpl(const CompressorConfig& config, int64_t in) : factor_(side_factor(config)), channels_(in) {}
  at::Tensor forward(const at::Tensor& features) override { return at::avg_pool2d(features, factor_); }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t factor_, channels_;
};

/// Every patch is a token.
class NoCompressorImpl : public CompressorImpl {
 public:
  explicit NoCompressorImpl(int64_t in) : channels_(in) {}
  at::Tensor forward(const at::Tensor& features) override { return features; }
  int64_t out_channels() const override { return channels_; }

 private:
  int64_t channels_;
};

}  // namespace

CompressorPtr make_mean_compressor(const CompressorConfig& config, int64_t in, const nn::Factory&) { return std::make_shared<MeanCompressorImpl>(config, in); }
CompressorPtr make_none_compressor(const CompressorConfig&, int64_t in, const nn::Factory&) { return std::make_shared<NoCompressorImpl>(in); }

}  // namespace fovea::vision

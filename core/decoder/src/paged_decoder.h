// A step of a decoder over a cache in pages: one new position a sequence.
// Shape letters: B sequences, D width, H query heads, Hk key heads, d head width, V vocabulary.
#pragma once
#include "fovea/decoder/decoder.h"

namespace fovea::decoder {

class PagedDecoder {
 public:
  /// Room for `pages` pages of `block` positions in every layer.
  PagedDecoder(DecoderImpl& decoder, int64_t pages, int64_t block, const at::Device& device, at::ScalarType dtype);

  /// ids, positions int32 [B] and table int32 [B, most pages] as cuda/decode.h has them; returns logits [B, V]. Looks at nothing on the host.
  at::Tensor step(const at::Tensor& ids, const at::Tensor& positions, const at::Tensor& table);

  /// Forward of prompts [B, T, I] (decoder.h) whose pages (int64 [B * ceil(T / block)], sequence by sequence) are filled; returns the logits of the last position [B, V].
  at::Tensor prefill(const at::Tensor& prompts, const at::Tensor& pages);

  int64_t bytes() const;
  static void join(DecoderImpl& decoder);  ///< join_weights

 private:
  DecoderImpl& decoder_;
  int64_t block_;
  std::vector<at::Tensor> keys_, values_;  ///< [pages, Hk, block, d] a layer
};

}  // namespace fovea::decoder

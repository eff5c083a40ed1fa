// What the tests of grid_attention share: arguments, and the plain form in fp32 on the same values.
#pragma once
#include "fovea/cuda/grid_attention.h"
#include "support.h"

namespace fovea::cuda::test {

struct GridCase {
  int64_t batch, grid, heads, window, head_dim = 64;
  bool padding = true;
};
struct GridInputs {
  Tensor qkv, padding, rel_h, rel_w;
};
inline GridInputs grid_inputs(const GridCase& c, torch::ScalarType dtype) {
  const int64_t s = c.window > 0 ? c.window : c.grid, d = c.head_dim;
  const auto make = [&](at::IntArrayRef shape, double scale) { return (torch::randn(shape) * scale).to(dtype); };
  return {make({c.batch, c.grid, c.grid, 3 * c.heads * d}, 1.0), c.padding ? make({3 * c.heads * d}, 0.5) : Tensor(), make({2 * s - 1, d}, 0.25),
          make({2 * s - 1, d}, 0.25)};
}
inline Tensor run(const GridInputs& in, const GridCase& c, GridForm form) {
  return grid_attention(in.qkv, in.padding, in.rel_h, in.rel_w, {c.heads, c.window, form});
}
inline Tensor plain_fp32(const GridInputs& in, const GridCase& c) {
  const auto wide = [](const Tensor& x) { return x.defined() ? x.to(torch::kFloat32) : x; };
  return run({wide(in.qkv), wide(in.padding), wide(in.rel_h), wide(in.rel_w)}, c, GridForm::kDense);
}
inline std::string describe(const GridCase& c) {
  return "B " + std::to_string(c.batch) + " n " + std::to_string(c.grid) + " H " + std::to_string(c.heads) + " window " + std::to_string(c.window) + " d " +
         std::to_string(c.head_dim) + (c.padding ? " padding" : "");
}

}  // namespace fovea::cuda::test

// Start values for training from nothing.
#pragma once
#include <torch/torch.h>

namespace fovea::nn {

/// Fills every parameter of the module, deterministic in (seed, name) and independent of device.
/// Rules by name, first that fits: residual outputs (attn.proj, o_proj, out_proj, lin2, fc2, down_proj) 0; q_gain 2; one-dimensional
/// *.weight 1; bias 0; embeddings, positions, separators normal(0, .02); all else uniform(+-1/sqrt(fan_in)).
void initialise(torch::nn::Module& module, uint64_t seed);

}  // namespace fovea::nn

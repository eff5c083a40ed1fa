// Vision tokens in few bits, as a part of the model: forwards rounded, backwards as if they were not.
#pragma once
#include <torch/torch.h>

#include <string>

namespace fovea::vision {

/// x [..., W] -> the same shape and type, rounded; gradients pass unchanged (straight through: Bengio et al. 2013, arXiv 1308.3432).
/// form   none: x itself; int8: 255 steps of one scale a vector; int4: 15 steps of a scale each 32 numbers; binary: signs, times the vector's mean magnitude.
///        model/vision_token_ops.h's quantize, which stores in these forms, finds binary again as it is and the others within a step.
/// Errors: ConfigError (another form).
at::Tensor rounded_tokens(const at::Tensor& x, const std::string& form);

}  // namespace fovea::vision

// Attention of one new position a sequence over a cache in pages, on a CPU.
#pragma once
#include <torch/torch.h>

namespace fovea::decoder {

/// Arguments and result as cuda::paged_attention; float32 or bfloat16 on a CPU, d a multiple of 16, else the plain twin. A row's result is the same
/// bits whatever the other rows are.
at::Tensor paged_attention_cpu(const at::Tensor& q, const at::Tensor& keys, const at::Tensor& values, const at::Tensor& positions, const at::Tensor& table);

}  // namespace fovea::decoder

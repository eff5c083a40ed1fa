// silu(gate) * up and its gradients. Memory-bound: one read and one write of everything.
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

// blockDim (x, y): x threads walk a row, y rows a block.
template <int kVec>
__global__ void forward_kernel(const bf16* gate,
                               const bf16* up,
                               int64_t in_row_stride,
                               bf16* out,
                               int64_t rows,
                               int64_t columns) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  gate += row * in_row_stride;
  up += row * in_row_stride;
  out += row * columns;
  for (int64_t c = int64_t(threadIdx.x) * kVec; c < columns; c += int64_t(blockDim.x) * kVec) {
    float g[kVec], u[kVec];
    load<kVec>(gate + c, g);
    load<kVec>(up + c, u);
#pragma unroll
    for (int i = 0; i < kVec; ++i) u[i] *= g[i] / (1.0f + __expf(-g[i]));
    store<kVec>(out + c, u);
  }
}

// y = g s u with s = sigmoid(g):  dy/du = g s,  dy/dg = u s (1 + g (1 - s)).
template <int kVec>
__global__ void backward_kernel(const bf16* grad_out,
                                const bf16* gate,
                                const bf16* up,
                                int64_t in_row_stride,
                                bf16* grad_gate,
                                bf16* grad_up,
                                int64_t rows,
                                int64_t columns) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  grad_out += row * columns;
  gate += row * in_row_stride;
  up += row * in_row_stride;
  grad_gate += row * in_row_stride;
  grad_up += row * in_row_stride;
  for (int64_t c = int64_t(threadIdx.x) * kVec; c < columns; c += int64_t(blockDim.x) * kVec) {
    float d[kVec], g[kVec], u[kVec];
    load<kVec>(grad_out + c, d);
    load<kVec>(gate + c, g);
    load<kVec>(up + c, u);
#pragma unroll
    for (int i = 0; i < kVec; ++i) {
      const float s = 1.0f / (1.0f + __expf(-g[i]));
      const float to_up = d[i] * g[i] * s;
      g[i] = d[i] * u[i] * s * (1.0f + g[i] * (1.0f - s));
      u[i] = to_up;
    }
    store<kVec>(grad_gate + c, g);
    store<kVec>(grad_up + c, u);
  }
}

dim3 block_for(int64_t vectors) {
  unsigned x = 32;
  while (x < 256 && x < vectors) x *= 2;
  return dim3(x, 256 / x);
}

}  // namespace

cudaError_t swiglu_forward(const void* gate,
                           const void* up,
                           int64_t in_row_stride,
                           void* out,
                           int64_t rows,
                           int64_t columns,
                           cudaStream_t stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const bool wide =
      columns % 8 == 0 && in_row_stride % 8 == 0 && aligned16(gate) && aligned16(up) && aligned16(out);
  const dim3 block = block_for(wide ? columns / 8 : columns);
  const dim3 grid(static_cast<unsigned>(ceil_div(rows, block.y)));
  return launch(wide ? forward_kernel<8> : forward_kernel<1>, grid, block, stream, static_cast<const bf16*>(gate),
                static_cast<const bf16*>(up), in_row_stride, static_cast<bf16*>(out), rows, columns);
}

cudaError_t swiglu_backward(const void* grad_out,
                            const void* gate,
                            const void* up,
                            int64_t in_row_stride,
                            void* grad_gate,
                            void* grad_up,
                            int64_t rows,
                            int64_t columns,
                            cudaStream_t stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const bool wide = columns % 8 == 0 && in_row_stride % 8 == 0 && aligned16(grad_out) && aligned16(gate) &&
                    aligned16(up) && aligned16(grad_gate) && aligned16(grad_up);
  const dim3 block = block_for(wide ? columns / 8 : columns);
  const dim3 grid(static_cast<unsigned>(ceil_div(rows, block.y)));
  return launch(wide ? backward_kernel<8> : backward_kernel<1>, grid, block, stream, static_cast<const bf16*>(grad_out),
                static_cast<const bf16*>(gate), static_cast<const bf16*>(up), in_row_stride,
                static_cast<bf16*>(grad_gate), static_cast<bf16*>(grad_up), rows, columns);
}

}  // namespace fovea::cuda::kernels

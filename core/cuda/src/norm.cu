// RMS norm, alone or after a residual addition: a warp a row, each row read twice (the second time from cache).
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kRowsPerBlock = 4;          // blockDim (32, kRowsPerBlock): a warp is one threadIdx.y
constexpr int kColumnsPerBlock = 128;     // of the weight's gradient

template <int kVec> __device__ __forceinline__ void load_weight(const NormWeight& weight, int64_t column, float (&to)[kVec]) {
  if (weight.kind == NormWeight::kBFloat16) {
    load<kVec>(static_cast<const bf16*>(weight.data) + column, to);
  } else {
#pragma unroll
    for (int i = 0; i < kVec; ++i)
      to[i] = weight.kind == NormWeight::kNone ? 1.0f : static_cast<const float*>(weight.data)[column + i];
  }
}

template <int kVec>
__global__ void forward_kernel(const bf16* x,
                               const bf16* residual,
                               NormWeight weight,
                               bf16* sum,
                               bf16* y,
                               float* rstd,
                               int64_t rows,
                               int64_t columns,
                               float eps) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;  // the whole warp
  const int64_t first = int64_t(threadIdx.x) * kVec, start = row * columns;
  float squares = 0;
  for (int64_t c = first; c < columns; c += 32 * kVec) {
    float v[kVec];
    load<kVec>(x + start + c, v);
    if (residual) {
      float r[kVec];
      load<kVec>(residual + start + c, r);
#pragma unroll
      for (int i = 0; i < kVec; ++i) v[i] = __bfloat162float(__float2bfloat16_rn(v[i] + r[i]));
      store<kVec>(sum + start + c, v);
    }
#pragma unroll
    for (int i = 0; i < kVec; ++i) squares += v[i] * v[i];
  }
  squares = group_sum<32>(squares);
  const float scale = rsqrtf(squares / static_cast<float>(columns) + eps);
  if (threadIdx.x == 0) rstd[row] = scale;
  const bf16* in = residual ? sum : x;  // each thread reads back what it wrote itself
  for (int64_t c = first; c < columns; c += 32 * kVec) {
    float v[kVec], w[kVec];
    load<kVec>(in + start + c, v);
    load_weight<kVec>(weight, c, w);
#pragma unroll
    for (int i = 0; i < kVec; ++i) v[i] *= scale * w[i];
    store<kVec>(y + start + c, v);
  }
}

// With n = x r, g = dy w:  dx = r (g - n mean(g n)) = r g - x r^3 mean(g x).
template <int kVec>
__global__ void backward_kernel(const bf16* grad_y,
                                const bf16* x,
                                const float* rstd,
                                NormWeight weight,
                                const bf16* grad_sum,
                                bf16* grad_x,
                                int64_t rows,
                                int64_t columns) {
  const int64_t row = int64_t(blockIdx.x) * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  const int64_t first = int64_t(threadIdx.x) * kVec, start = row * columns;
  float dot = 0;
  for (int64_t c = first; c < columns; c += 32 * kVec) {
    float g[kVec], v[kVec], w[kVec];
    load<kVec>(grad_y + start + c, g);
    load<kVec>(x + start + c, v);
    load_weight<kVec>(weight, c, w);
#pragma unroll
    for (int i = 0; i < kVec; ++i) dot += g[i] * w[i] * v[i];
  }
  dot = group_sum<32>(dot);
  const float scale = rstd[row];
  const float slope = scale * scale * scale * dot / static_cast<float>(columns);
  for (int64_t c = first; c < columns; c += 32 * kVec) {
    float g[kVec], v[kVec], w[kVec];
    load<kVec>(grad_y + start + c, g);
    load<kVec>(x + start + c, v);
    load_weight<kVec>(weight, c, w);
#pragma unroll
    for (int i = 0; i < kVec; ++i) g[i] = scale * g[i] * w[i] - slope * v[i];
    if (grad_sum) {
      load<kVec>(grad_sum + start + c, v);
#pragma unroll
      for (int i = 0; i < kVec; ++i) g[i] += v[i];
    }
    store<kVec>(grad_x + start + c, g);
  }
}

__global__ void backward_weight_kernel(const bf16* grad_y,
                                       const bf16* x,
                                       const float* rstd,
                                       float* partial,
                                       int64_t rows,
                                       int64_t columns) {
  const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0;
#pragma unroll 4
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const int64_t at = row * columns + column;
    sum += __bfloat162float(grad_y[at]) * __bfloat162float(x[at]) * rstd[row];
  }
  partial[int64_t(blockIdx.y) * columns + column] = sum;
}

}  // namespace

cudaError_t rms_norm_forward(const void* x,
                             const void* residual,
                             NormWeight weight,
                             void* sum,
                             void* y,
                             float* rstd,
                             int64_t rows,
                             int64_t columns,
                             float eps,
                             cudaStream_t stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const bool wide = columns % 8 == 0 && aligned16(x) && aligned16(residual) && aligned16(weight.data) &&
                    aligned16(sum) && aligned16(y);
  const dim3 block(32, kRowsPerBlock), grid(static_cast<unsigned>(ceil_div(rows, kRowsPerBlock)));
  return launch(wide ? forward_kernel<8> : forward_kernel<1>, grid, block, stream, static_cast<const bf16*>(x),
                static_cast<const bf16*>(residual), weight, static_cast<bf16*>(sum), static_cast<bf16*>(y), rstd, rows,
                columns, eps);
}

cudaError_t rms_norm_backward(const void* grad_y,
                              const void* x,
                              const float* rstd,
                              NormWeight weight,
                              const void* grad_sum,
                              void* grad_x,
                              int64_t rows,
                              int64_t columns,
                              cudaStream_t stream) {
  if (rows == 0 || columns == 0) return cudaSuccess;
  const bool wide = columns % 8 == 0 && aligned16(grad_y) && aligned16(x) && aligned16(weight.data) &&
                    aligned16(grad_sum) && aligned16(grad_x);
  const dim3 block(32, kRowsPerBlock), grid(static_cast<unsigned>(ceil_div(rows, kRowsPerBlock)));
  return launch(wide ? backward_kernel<8> : backward_kernel<1>, grid, block, stream, static_cast<const bf16*>(grad_y),
                static_cast<const bf16*>(x), rstd, weight, static_cast<const bf16*>(grad_sum),
                static_cast<bf16*>(grad_x), rows, columns);
}

cudaError_t rms_norm_backward_weight(const void* grad_y,
                                     const void* x,
                                     const float* rstd,
                                     float* partial,
                                     int64_t parts,
                                     int64_t rows,
                                     int64_t columns,
                                     cudaStream_t stream) {
  if (parts == 0 || columns == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(ceil_div(columns, kColumnsPerBlock)), static_cast<unsigned>(parts));
  return launch(backward_weight_kernel, grid, dim3(kColumnsPerBlock), stream, static_cast<const bf16*>(grad_y),
                static_cast<const bf16*>(x), rstd, partial, rows, columns);
}

}  // namespace fovea::cuda::kernels

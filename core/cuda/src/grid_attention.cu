// softmax(q k^T / 8 + q . R_h[y - ky] + q . R_w[x - kx]) v over the windows of a grid, without the bias in memory: a step of keys is whole rows
// of the window, so that the column part of the bias is the same in every step and stays in registers, and the row part is one number a query
// and row. Both parts are products of the queries with the tables, made at the start by the same code as the scores. Positions outside of the
// grid are keys like others (the published model does not mask them) and are never queries.
// The rest is the known online softmax over steps of keys (Dao, FlashAttention-2, arXiv 2307.08691), with m16n8k16 products.
#include "grid_attention_kernel.h"

#include "mma.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kDim = 64, kChunks = kDim / 8;
constexpr float kInverseScale = 8.0f;                 // sqrt(kDim), a power of two: the bias is kept times it, exactly
constexpr float kToLog2 = 1.4426950408889634f / 8.0f;  // scores in units of log 2

// Rows of 128 bytes; their 16-byte chunks are swapped by row, so that eight rows' equal chunks lie in different banks.
__device__ __forceinline__ int place(int row, int chunk) { return row * kDim + (chunk ^ (row & 7)) * 8; }

template <int kWarps, int kWidth, int kRows> struct Shape {
  static constexpr int kQueries = 16 * kWarps, kThreads = 32 * kWarps;
  static constexpr int kKeys = kWidth * kRows;  // of a step: kRows rows of the window, padded to kWidth
  static constexpr int kTiles = kKeys / 8, kRowTiles = kWidth / 8;
  static constexpr int kBiasStride = kWidth + 1;
  static constexpr int kBufferElements = kKeys * kDim;  // one of keys or values
  static constexpr int kBytes = 4 * kBufferElements * 2 + kQueries * kBiasStride * 4;
};

// acc += Q rows^T for the rows of a buffer; thread's columns are 8 j + 2 (lane % 4) + {0, 1}.
template <int kTiles> __device__ __forceinline__ void multiply_rows(float (&acc)[kTiles][4], const uint32_t (&q)[4][4], const bf16* rows, int lane) {
#pragma unroll
  for (int j = 0; j < kTiles; ++j) {
    const int row = j * 8 + lane % 8;
    uint32_t part[4];
    load_matrices<false>(part, rows + place(row, lane / 8));
    mma(acc[j], q[0], part[0], part[1]);
    mma(acc[j], q[1], part[2], part[3]);
    load_matrices<false>(part, rows + place(row, 4 + lane / 8));
    mma(acc[j], q[2], part[0], part[1]);
    mma(acc[j], q[3], part[2], part[3]);
  }
}

__device__ __forceinline__ uint32_t pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
}
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(0xFFFFFFFFu, x, 1);
  return x + __shfl_xor_sync(0xFFFFFFFFu, x, 2);
}

// A block: kQueries queries of one head of one window. A warp: 16 of them; a thread holds parts of rows lane / 4 and lane / 4 + 8.
template <int kWarps, int kWidth, int kRows>
__global__ void __launch_bounds__(32 * kWarps, kWarps == 7 ? 2 : 3) attend_kernel(const bf16* packed, const bf16* padding, const bf16* rel_h, const bf16* rel_w,
                                                             bf16* out, int grid, int heads, int side, int windows, int tiles) {
  using S = Shape<kWarps, kWidth, kRows>;
#ifdef FOVEA_EMULATE_CUDA
  alignas(16) static unsigned char shared[S::kBytes];
#else
  extern __shared__ __align__(16) unsigned char shared[];
#endif
  bf16* const keys = reinterpret_cast<bf16*>(shared);           // two buffers
  bf16* const values = keys + 2 * S::kBufferElements;           // two buffers
  float* const bias = reinterpret_cast<float*>(values + 2 * S::kBufferElements);

  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  int64_t block = blockIdx.x;
  const int tile = int(block % tiles);
  block /= tiles;
  const int head = int(block % heads);
  block /= heads;
  const int window_x = int(block % windows) * side;
  block /= windows;
  const int window_y = int(block % windows) * side;
  const int64_t page = block / windows;
  const int real_width = (side < grid - window_x ? side : grid - window_x), num_queries = real_width * (side < grid - window_y ? side : grid - window_y);
  if (tile * S::kQueries >= num_queries) return;
  const int64_t position_stride = int64_t(3) * heads * kDim;
  const bf16* const page_packed = packed + page * grid * grid * position_stride;

  // Queries, as the left operand.
  int x[2], y[2];
  bool real[2];
  int64_t position[2];
  uint32_t q[4][4];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int index = tile * S::kQueries + warp * 16 + lane / 4 + 8 * half;
    real[half] = index < num_queries;
    const int nearest = real[half] ? index : 0;
    y[half] = nearest / real_width;
    x[half] = nearest % real_width;
    position[half] = int64_t(window_y + y[half]) * grid + window_x + x[half];
    const bf16* from = page_packed + position[half] * position_stride + head * kDim + lane % 4 * 2;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      q[k][half] = *reinterpret_cast<const uint32_t*>(from + 16 * k);
      q[k][half + 2] = *reinterpret_cast<const uint32_t*>(from + 16 * k + 8);
    }
  }
  float* const my_bias[2] = {bias + (warp * 16 + lane / 4) * S::kBiasStride, bias + (warp * 16 + lane / 4 + 8) * S::kBiasStride};

  // The bias: products with every row of a table, each put where its key coordinate is. First columns, then rows.
  float by_column[S::kRowTiles][4] = {};
  float acc[S::kTiles][4];
#pragma unroll 1
  for (int axis = 0; axis < 2; ++axis) {
    const bf16* const table = axis == 0 ? rel_w : rel_h;
    const int table_rows = 2 * side - 1;
    for (int first = 0; first < table_rows; first += S::kKeys) {
      __syncthreads();
      for (int i = thread; i < S::kKeys * kChunks; i += S::kThreads) {
        const int row = i / kChunks, chunk = i % kChunks;
        const bool there = first + row < table_rows;
        copy_async(keys + place(row, chunk), table + (there ? first + row : 0) * kDim + chunk * 8, there);
      }
      copies_done();
      __syncthreads();
#pragma unroll
      for (int j = 0; j < S::kTiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) acc[j][e] = 0.0f;
      multiply_rows(acc, q, keys, lane);
#pragma unroll
      for (int j = 0; j < S::kTiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int half = e / 2, row = first + j * 8 + lane % 4 * 2 + e % 2;
          const int key = (axis == 0 ? x[half] : y[half]) + side - 1 - row;
          if (key >= 0 && key < side) my_bias[half][key] = acc[j][e] * kInverseScale;
        }
    }
    if (axis == 0) {
      warp_barrier();
#pragma unroll
      for (int j = 0; j < S::kRowTiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int key = j * 8 + lane % 4 * 2 + e % 2;
          by_column[j][e] = key < side ? my_bias[e / 2][key] : -INFINITY;
        }
    }
  }

  const auto load_step = [&](int step) {
    bf16* const to_keys = keys + (step & 1) * S::kBufferElements;
    bf16* const to_values = values + (step & 1) * S::kBufferElements;
    for (int i = thread; i < S::kKeys * kChunks; i += S::kThreads) {
      const int key = i / kChunks, chunk = i % kChunks;
      const int key_x = key % kWidth, key_y = step * kRows + key / kWidth;
      const int grid_x = window_x + key_x, grid_y = window_y + key_y;
      const bf16* from = nullptr;
      if (key_x < side && key_y < side)
        from = grid_x < grid && grid_y < grid ? page_packed + (int64_t(grid_y) * grid + grid_x) * position_stride : padding;
      const bool there = from != nullptr;
      if (!there) from = packed;  // an address that may be formed
      copy_async(to_keys + place(key, chunk), from + (heads + head) * kDim + chunk * 8, there);
      copy_async(to_values + place(key, chunk), from + (2 * heads + head) * kDim + chunk * 8, there);
    }
  };

  float sum[2] = {0.0f, 0.0f}, largest[2] = {-INFINITY, -INFINITY};
  float result[8][4];
#pragma unroll
  for (int j = 0; j < 8; ++j)
#pragma unroll
    for (int e = 0; e < 4; ++e) result[j][e] = 0.0f;

  const int steps = (side + kRows - 1) / kRows;
  __syncthreads();  // the tables have been read, and every row of the bias is written
  load_step(0);
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    copies_done();
    __syncthreads();
    if (step + 1 < steps) load_step(step + 1);
    const bf16* const step_keys = keys + (step & 1) * S::kBufferElements;
    const bf16* const step_values = values + (step & 1) * S::kBufferElements;

#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int key_y = step * kRows + r;
      const float by_row[2] = {key_y < side ? my_bias[0][key_y] : -INFINITY, key_y < side ? my_bias[1][key_y] : -INFINITY};
#pragma unroll
      for (int j = 0; j < S::kRowTiles; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) acc[r * S::kRowTiles + j][e] = by_column[j][e] + by_row[e / 2];
    }
    multiply_rows(acc, q, step_keys, lane);

#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = -INFINITY;
#pragma unroll
      for (int j = 0; j < S::kTiles; ++j) top = fmaxf(top, fmaxf(acc[j][2 * half], acc[j][2 * half + 1]));
      top = fmaxf(largest[half], quad_max(top));
      const float fade = power_of_two((largest[half] - top) * kToLog2), offset = top * kToLog2;
      largest[half] = top;
      sum[half] *= fade;
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        result[j][2 * half] *= fade;
        result[j][2 * half + 1] *= fade;
      }
#pragma unroll
      for (int j = 0; j < S::kTiles; ++j)
#pragma unroll
        for (int e = 2 * half; e < 2 * half + 2; ++e) {
          acc[j][e] = power_of_two(acc[j][e] * kToLog2 - offset);
          sum[half] += acc[j][e];
        }
    }

#pragma unroll
    for (int k = 0; k < S::kTiles / 2; ++k) {
      const uint32_t weights[4] = {pack(acc[2 * k][0], acc[2 * k][1]), pack(acc[2 * k][2], acc[2 * k][3]),
                                   pack(acc[2 * k + 1][0], acc[2 * k + 1][1]), pack(acc[2 * k + 1][2], acc[2 * k + 1][3])};
      const int row = 16 * k + lane % 16;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        uint32_t part[4];
        load_matrices<true>(part, step_values + place(row, 2 * j + lane / 16));
        mma(result[2 * j], weights, part[0], part[1]);
        mma(result[2 * j + 1], weights, part[2], part[3]);
      }
    }
  }

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float inverse = 1.0f / quad_sum(sum[half]);
    if (!real[half]) continue;
    bf16* const to = out + ((page * grid * grid + position[half]) * heads + head) * kDim + lane % 4 * 2;
#pragma unroll
    for (int j = 0; j < 8; ++j)
      *reinterpret_cast<uint32_t*>(to + 8 * j) = pack(result[j][2 * half] * inverse, result[j][2 * half + 1] * inverse);
  }
}

template <int kWarps, int kWidth, int kRows> cudaError_t start(const GridAttention& a, cudaStream_t stream) {
  using S = Shape<kWarps, kWidth, kRows>;
  const int windows = (a.grid + a.side - 1) / a.side;
  const int tiles = (a.side * a.side + S::kQueries - 1) / S::kQueries;
  const int64_t blocks = int64_t(a.batch) * windows * windows * a.heads * tiles;
  if (blocks >= int64_t(1) << 31) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(blocks)), block(S::kThreads);
  const auto* packed = static_cast<const bf16*>(a.packed);
  const auto* padding = static_cast<const bf16*>(a.padding);
  const auto* rel_h = static_cast<const bf16*>(a.rel_h);
  const auto* rel_w = static_cast<const bf16*>(a.rel_w);
  auto* out = static_cast<bf16*>(a.out);
  const auto kernel = attend_kernel<kWarps, kWidth, kRows>;
#ifdef FOVEA_EMULATE_CUDA
  (void)stream;
  emulate::run(grid, block, [&] { kernel(packed, padding, rel_h, rel_w, out, a.grid, a.heads, a.side, windows, tiles); });
  return cudaSuccess;
#else
  const cudaError_t status = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, S::kBytes);
  if (status != cudaSuccess) return status;
  kernel<<<grid, block, S::kBytes, stream>>>(packed, padding, rel_h, rel_w, out, a.grid, a.heads, a.side, windows, tiles);
  return cudaGetLastError();
#endif
}

__global__ void quick_gelu_kernel(const bf16* x, bf16* out, int64_t count) {
  const int64_t first = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 8;
  if (first >= count) return;
  if (first + 8 <= count) {
    float v[8];
    load<8>(x + first, v);
#pragma unroll
    for (int i = 0; i < 8; ++i) v[i] /= 1.0f + __expf(-1.702f * v[i]);
    store<8>(out + first, v);
  } else {
    for (int64_t i = first; i < count; ++i) {
      float v[1];
      load<1>(x + i, v);
      v[0] /= 1.0f + __expf(-1.702f * v[0]);
      store<1>(out + i, v);
    }
  }
}

}  // namespace

cudaError_t grid_attention(const GridAttention& a, cudaStream_t stream) {
  if (a.side < 1 || a.side > kGridAttentionMaxSide || a.grid < 1) return cudaErrorInvalidValue;
  if (a.batch == 0 || a.heads == 0) return cudaSuccess;
  if (a.side <= 16) return start<7, 16, 4>(a, stream);  // 14: two blocks a window
  if (a.side <= 32) return start<4, 32, 2>(a, stream);
  if (a.side <= 48) return start<4, 48, 1>(a, stream);
  if (a.side <= 64) return start<4, 64, 1>(a, stream);
  return start<4, 80, 1>(a, stream);
}

cudaError_t quick_gelu(const void* x, void* out, int64_t count, cudaStream_t stream) {
  if (count == 0) return cudaSuccess;
  const dim3 grid(static_cast<unsigned>(ceil_div(count, 8 * 256))), block(256);
  return launch(quick_gelu_kernel, grid, block, stream, static_cast<const bf16*>(x), static_cast<bf16*>(out), count);
}

}  // namespace fovea::cuda::kernels

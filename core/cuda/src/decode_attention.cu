// One new position a sequence over a paged cache: rotation and storing of the new key and value; attention, split over positions.
#include "decode_kernels.h"
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kHeadsPerBlock = 4;  // blockDim (32, kHeadsPerBlock): a warp a head
constexpr int kThreads = 128;
constexpr int kUnroll = 4;         // positions whose keys and values a group has in flight

__global__ void rope_append_kernel(RopeAppend in, bf16* q, bf16* keys, bf16* values) {
  const int heads = in.q_heads + 2 * in.kv_heads;
  const int row = blockIdx.x, head = static_cast<int>(blockIdx.y * blockDim.y + threadIdx.y);
  if (head >= heads) return;  // the whole warp
  const int d = in.head_dim, half = d / 2, lane = threadIdx.x;
  const bf16* from = static_cast<const bf16*>(in.qkv) + (int64_t(row) * heads + head) * d;
  const int position = in.positions[row];
  const bool is_query = head < in.q_heads, is_value = head >= in.q_heads + in.kv_heads;
  if (position < 0 && !is_query) return;
  bf16* to;
  if (is_query) {
    to = q + (int64_t(row) * in.q_heads + head) * d;
  } else {
    const int page = in.table[int64_t(row) * in.table_stride + position / in.block];
    const int kv = is_value ? head - in.q_heads - in.kv_heads : head - in.q_heads;
    to = (is_value ? values : keys) + ((int64_t(page) * in.kv_heads + kv) * in.block + position % in.block) * d;
  }
  if (is_value) {
    for (int i = lane; i < d; i += 32) to[i] = from[i];
    return;
  }
  float factor = 1.0f;
  if (in.normalize) {
    float squares = 0;
    for (int i = lane; i < d; i += 32) {
      const float x = __bfloat162float(from[i]);
      squares += x * x;
    }
    factor = rsqrtf(group_sum<32>(squares) / d + in.eps);
  }
  if (is_query && in.gain) factor *= in.gain[head];
  const int64_t angles = int64_t(position < 0 ? 0 : position) * half;
  for (int i = lane; i < half; i += 32) {
    const float lo = __bfloat162float(from[i]) * factor, hi = __bfloat162float(from[i + half]) * factor;
    const float c = in.cos[angles + i], s = in.sin[angles + i];
    to[i] = __float2bfloat16_rn(lo * c - hi * s);
    to[i + half] = __float2bfloat16_rn(hi * c + lo * s);
  }
}

/// Block (row * q_heads + head, split). A group of kDim / 8 lanes holds a position, 8 values a lane, and keeps a running softmax of the
/// positions it has seen; at the end the groups are joined.
template <int kDim> __global__ void attention_kernel(PagedAttention in, float* partial, bf16* out) {
  constexpr int kLanes = kDim / 8, kGroups = kThreads / kLanes;
  __shared__ float group_max[kGroups], group_total[kGroups], group_values[kGroups][kDim];
  const int row = static_cast<int>(blockIdx.x) / in.q_heads, head = static_cast<int>(blockIdx.x) % in.q_heads;
  const int kv = head / (in.q_heads / in.kv_heads), split = blockIdx.y;
  const int group = static_cast<int>(threadIdx.x) / kLanes, lane = static_cast<int>(threadIdx.x) % kLanes;
  const int length = in.positions[row] + 1;
  const int share = ((length + in.splits - 1) / in.splits + kGroups - 1) / kGroups * kGroups;
  const int begin = split * share, end = begin + share < length ? begin + share : length;
  const bf16 *keys = static_cast<const bf16*>(in.keys), *values = static_cast<const bf16*>(in.values);
  const int* pages = in.table + int64_t(row) * in.table_stride;

  float q[8];
  load<8>(static_cast<const bf16*>(in.q) + int64_t(blockIdx.x) * kDim + lane * 8, q);
  const float scale = rsqrtf(static_cast<float>(kDim));
#pragma unroll
  for (int i = 0; i < 8; ++i) q[i] *= scale;
  float largest = -INFINITY, total = 0, sum[8] = {0, 0, 0, 0, 0, 0, 0, 0};
  for (int first = begin; first < end; first += kGroups * kUnroll) {  // the same for all lanes of a warp: they shuffle together
    float k[kUnroll][8], v[kUnroll][8], score[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const int position = first + u * kGroups + group;
      if (position < end) {
        const int64_t at = ((int64_t(pages[position / in.block]) * in.kv_heads + kv) * in.block + position % in.block) * kDim + lane * 8;
        load<8>(keys + at, k[u]);
        load<8>(values + at, v[u]);
      } else {
#pragma unroll
        for (int i = 0; i < 8; ++i) k[u][i] = 0, v[u][i] = 0;
      }
    }
    float newest = largest;
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      float dot = 0;
#pragma unroll
      for (int i = 0; i < 8; ++i) dot += q[i] * k[u][i];
      dot = group_sum<kLanes>(dot);
      score[u] = first + u * kGroups + group < end ? dot : -INFINITY;
      newest = fmaxf(newest, score[u]);
    }
    if (newest == -INFINITY) continue;  // no position of this group yet
    const float old = __expf(largest - newest);
    total *= old;
#pragma unroll
    for (int i = 0; i < 8; ++i) sum[i] *= old;
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const float weight = __expf(score[u] - newest);
      total += weight;
#pragma unroll
      for (int i = 0; i < 8; ++i) sum[i] += weight * v[u][i];
    }
    largest = newest;
  }
  if (lane == 0) group_max[group] = largest, group_total[group] = total;
#pragma unroll
  for (int i = 0; i < 8; ++i) group_values[group][lane * 8 + i] = sum[i];
  __syncthreads();

  for (int i = threadIdx.x; i < kDim; i += kThreads) {
    float most = -INFINITY;
    for (int g = 0; g < kGroups; ++g) most = fmaxf(most, group_max[g]);
    float all = 0, value = 0;
    if (most != -INFINITY)
      for (int g = 0; g < kGroups; ++g) {
        const float weight = __expf(group_max[g] - most);
        all += weight * group_total[g];
        value += weight * group_values[g][i];
      }
    if (in.splits == 1) {
      out[int64_t(blockIdx.x) * kDim + i] = __float2bfloat16_rn(all > 0 ? value / all : 0.0f);
    } else {
      float* part = partial + (int64_t(blockIdx.x) * in.splits + split) * (kDim + 2);
      part[2 + i] = value;
      if (i == 0) part[0] = most, part[1] = all;
    }
  }
}

__global__ void join_kernel(const float* partial, bf16* out, int splits, int d) {
  const float* parts = partial + int64_t(blockIdx.x) * splits * (d + 2);
  for (int i = threadIdx.x; i < d; i += blockDim.x) {
    float most = -INFINITY;
    for (int s = 0; s < splits; ++s) most = fmaxf(most, parts[int64_t(s) * (d + 2)]);
    float all = 0, value = 0;
    if (most != -INFINITY)
      for (int s = 0; s < splits; ++s) {
        const float* part = parts + int64_t(s) * (d + 2);
        const float weight = __expf(part[0] - most);
        all += weight * part[1];
        value += weight * part[2 + i];
      }
    out[int64_t(blockIdx.x) * d + i] = __float2bfloat16_rn(all > 0 ? value / all : 0.0f);
  }
}

template <int kDim> cudaError_t launch_attention(const PagedAttention& in, float* partial, void* out, cudaStream_t stream) {
  const unsigned heads = static_cast<unsigned>(in.rows) * static_cast<unsigned>(in.q_heads);
  const cudaError_t status = launch(attention_kernel<kDim>, dim3(heads, static_cast<unsigned>(in.splits)), dim3(kThreads), stream, in, partial,
                                    static_cast<bf16*>(out));
  if (status != cudaSuccess || in.splits == 1) return status;
  return launch(join_kernel, dim3(heads), dim3(kDim), stream, partial, static_cast<bf16*>(out), in.splits, kDim);
}

}  // namespace

cudaError_t rope_append(const RopeAppend& in, void* q, void* keys, void* values, cudaStream_t stream) {
  if (in.rows == 0) return cudaSuccess;
  const int heads = in.q_heads + 2 * in.kv_heads;
  return launch(rope_append_kernel, dim3(static_cast<unsigned>(in.rows), static_cast<unsigned>(ceil_div(heads, kHeadsPerBlock))), dim3(32, kHeadsPerBlock),
                stream, in, static_cast<bf16*>(q), static_cast<bf16*>(keys), static_cast<bf16*>(values));
}

cudaError_t paged_attention(const PagedAttention& in, float* partial, void* out, cudaStream_t stream) {
  if (in.rows == 0) return cudaSuccess;
  if (in.splits < 1 || in.splits > 65535) return cudaErrorInvalidValue;
  switch (in.head_dim) {
    case 32: return launch_attention<32>(in, partial, out, stream);
    case 64: return launch_attention<64>(in, partial, out, stream);
    case 128: return launch_attention<128>(in, partial, out, stream);
    default: return cudaErrorInvalidValue;
  }
}

}  // namespace fovea::cuda::kernels

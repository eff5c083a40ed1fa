// Split, norm of each head of q and k, gain of q, rotation, transposition, in one pass over the projection's output.
// A group of head_dim / 4 lanes holds one head of one token: lane l has elements 2l, 2l+1 of the lower half (lo) and of
// the upper half (hi), which is what the rotation pairs. Groups are numbered as the heads lie in memory.
#include "device.cuh"

namespace fovea::cuda::kernels {
namespace {

constexpr int kThreads = 256;

/// Which head of which token a thread works on.
struct Place {
  bool active;
  int batch, token, head;  // head counts q heads, then k heads, then v heads
  int64_t row;             // batch * tokens + token
  int lane;
};

template <int kHeadDim> __device__ __forceinline__ Place find_place(const QkNormRope& in) {
  constexpr int kLanes = kHeadDim / 4;
  const int heads = in.q_heads + 2 * in.kv_heads;
  const int64_t group = int64_t(blockIdx.x) * (kThreads / kLanes) + threadIdx.x / kLanes;
  Place at;
  at.active = group < int64_t(in.batch) * in.tokens * heads;  // at most 2^31 - 1, checked by the caller
  const unsigned index = at.active ? static_cast<unsigned>(group) : 0u;  // idle lanes stay for the shuffles
  const unsigned row = index / static_cast<unsigned>(heads);
  at.head = static_cast<int>(index - row * static_cast<unsigned>(heads));
  at.batch = static_cast<int>(row / static_cast<unsigned>(in.tokens));
  at.token = static_cast<int>(row - static_cast<unsigned>(at.batch) * static_cast<unsigned>(in.tokens));
  at.row = row;
  at.lane = threadIdx.x % kLanes;
  return at;
}

struct Four {
  float lo[2], hi[2];
};
template <int kHeadDim> __device__ __forceinline__ Four load_head(const bf16* head, int lane) {
  const float2 lo = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(head + 2 * lane));
  const float2 hi = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(head + kHeadDim / 2 + 2 * lane));
  return {{lo.x, lo.y}, {hi.x, hi.y}};
}
template <int kHeadDim> __device__ __forceinline__ void store_head(bf16* head, int lane, const Four& v) {
  *reinterpret_cast<__nv_bfloat162*>(head + 2 * lane) = __floats2bfloat162_rn(v.lo[0], v.lo[1]);
  *reinterpret_cast<__nv_bfloat162*>(head + kHeadDim / 2 + 2 * lane) = __floats2bfloat162_rn(v.hi[0], v.hi[1]);
}

/// 1 / rms of the head, or 1. All lanes of the warp must call.
template <int kHeadDim> __device__ __forceinline__ float head_scale(const QkNormRope& in, const Four& x) {
  const float squares =
      group_sum<kHeadDim / 4>(x.lo[0] * x.lo[0] + x.lo[1] * x.lo[1] + x.hi[0] * x.hi[0] + x.hi[1] * x.hi[1]);
  return in.normalize ? rsqrtf(squares / kHeadDim + in.eps) : 1.0f;
}

template <int kHeadDim> __global__ void forward_kernel(QkNormRope in, bf16* q, bf16* k, bf16* v) {
  const Place at = find_place<kHeadDim>(in);
  const int heads = in.q_heads + 2 * in.kv_heads;
  Four x = load_head<kHeadDim>(static_cast<const bf16*>(in.qkv) + (at.row * heads + at.head) * kHeadDim, at.lane);
  const float scale = head_scale<kHeadDim>(in, x);
  if (!at.active) return;

  bf16* out = q;
  int out_heads = in.q_heads, out_head = at.head;
  if (at.head >= in.q_heads + in.kv_heads) {
    out = v, out_heads = in.kv_heads, out_head = at.head - in.q_heads - in.kv_heads;
  } else {
    float factor = scale;
    if (at.head >= in.q_heads) {
      out = k, out_heads = in.kv_heads, out_head = at.head - in.q_heads;
    } else if (in.gain) {
      factor *= in.gain[at.head];
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float lo = x.lo[i] * factor, hi = x.hi[i] * factor;
      x.lo[i] = lo, x.hi[i] = hi;
      if (in.cos) {
        const int64_t angle = int64_t(at.token) * (kHeadDim / 2) + 2 * at.lane + i;
        const float c = in.cos[angle], s = in.sin[angle];
        x.lo[i] = lo * c - hi * s;
        x.hi[i] = hi * c + lo * s;
      }
    }
  }
  const int64_t out_row = (int64_t(at.batch) * out_heads + out_head) * in.tokens + at.token;
  store_head<kHeadDim>(out + out_row * kHeadDim, at.lane, x);
}

// With n = x r and z = gain n: dgain = sum(dz n), and through the norm dx = r (dn - n mean(dn n)) with dn = gain dz.
template <int kHeadDim>
__global__ void backward_kernel(QkNormRope in,
                                HeadGrad grad_q,
                                HeadGrad grad_k,
                                HeadGrad grad_v,
                                bf16* grad_qkv,
                                float* gain_partial) {
  const Place at = find_place<kHeadDim>(in);
  const int heads = in.q_heads + 2 * in.kv_heads;
  const bool is_q = at.head < in.q_heads, is_v = at.head >= in.q_heads + in.kv_heads;
  const HeadGrad from = is_q ? grad_q : is_v ? grad_v : grad_k;
  const int from_head = is_q ? at.head : is_v ? at.head - in.q_heads - in.kv_heads : at.head - in.q_heads;
  Four g = load_head<kHeadDim>(static_cast<const bf16*>(from.data) + at.batch * from.batch_stride +
                                   from_head * from.head_stride + at.token * from.token_stride,
                               at.lane);
  Four x = load_head<kHeadDim>(static_cast<const bf16*>(in.qkv) + (at.row * heads + at.head) * kHeadDim, at.lane);
  const float scale = head_scale<kHeadDim>(in, x);
  float dot = 0;  // sum(dz n), this lane's part
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    x.lo[i] *= scale;  // now n
    x.hi[i] *= scale;
    if (in.cos && !is_v) {  // the rotation's transpose
      const int64_t angle = int64_t(at.token) * (kHeadDim / 2) + 2 * at.lane + i;
      const float c = in.cos[angle], s = in.sin[angle], lo = g.lo[i], hi = g.hi[i];
      g.lo[i] = lo * c + hi * s;
      g.hi[i] = hi * c - lo * s;
    }
    dot += g.lo[i] * x.lo[i] + g.hi[i] * x.hi[i];
  }
  dot = group_sum<kHeadDim / 4>(dot);
  if (!at.active) return;
  if (!is_v) {
    float gain = 1.0f;
    if (is_q && in.gain) {
      gain = in.gain[at.head];
      if (at.lane == 0) gain_partial[at.row * in.q_heads + at.head] = dot;
    }
    const float mean = in.normalize ? gain * dot / kHeadDim : 0.0f;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      g.lo[i] = scale * (gain * g.lo[i] - x.lo[i] * mean);
      g.hi[i] = scale * (gain * g.hi[i] - x.hi[i] * mean);
    }
  }
  store_head<kHeadDim>(grad_qkv + (at.row * heads + at.head) * kHeadDim, at.lane, g);
}

dim3 grid_for(const QkNormRope& in) {
  const int64_t groups = int64_t(in.batch) * in.tokens * (in.q_heads + 2 * in.kv_heads);
  return dim3(static_cast<unsigned>(ceil_div(groups, kThreads / (in.head_dim / 4))));
}

}  // namespace

cudaError_t qk_norm_rope_forward(const QkNormRope& in, void* q, void* k, void* v, cudaStream_t stream) {
  if (in.head_dim != 64 && in.head_dim != 128) return cudaErrorInvalidValue;
  if (in.batch == 0 || in.tokens == 0) return cudaSuccess;
  return launch(in.head_dim == 64 ? forward_kernel<64> : forward_kernel<128>, grid_for(in), dim3(kThreads), stream, in,
                static_cast<bf16*>(q), static_cast<bf16*>(k), static_cast<bf16*>(v));
}

cudaError_t qk_norm_rope_backward(const QkNormRope& in,
                                  HeadGrad grad_q,
                                  HeadGrad grad_k,
                                  HeadGrad grad_v,
                                  void* grad_qkv,
                                  float* gain_partial,
                                  cudaStream_t stream) {
  if (in.head_dim != 64 && in.head_dim != 128) return cudaErrorInvalidValue;
  if (in.batch == 0 || in.tokens == 0) return cudaSuccess;
  return launch(in.head_dim == 64 ? backward_kernel<64> : backward_kernel<128>, grid_for(in), dim3(kThreads), stream,
                in, grad_q, grad_k, grad_v, static_cast<bf16*>(grad_qkv), gain_partial);
}

}  // namespace fovea::cuda::kernels

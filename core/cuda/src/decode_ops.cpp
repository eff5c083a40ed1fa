// Checks, and the choice between kernel and twin, of the decoding operations.
#include <torch/torch.h>

#include <algorithm>
#include <string>

#include "fovea/base/error.h"
#include "fovea/cuda/decode.h"

#ifdef FOVEA_WITH_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "decode_kernels.h"
#endif

namespace fovea::cuda {
namespace {

using torch::Tensor;

void demand(bool holds, const char* op, const char* what, const Tensor& got) {
  if (holds) return;
  throw ShapeError(std::string("[") + op + "] " + what + ", got " + (got.defined() ? c10::str(got.scalar_type(), " ", got.sizes(), " on ", got.device()) : "none"));
}

void check_pages(const char* op, const Tensor& x, const Tensor& keys, const Tensor& values, const Tensor& positions, const Tensor& table) {
  demand(keys.dim() == 4 && keys.is_contiguous() && keys.scalar_type() == x.scalar_type() && keys.device() == x.device(), op,
          "keys must be contiguous [pages, Hk, block, d] of x's dtype and device", keys);
  demand(values.sizes() == keys.sizes() && values.is_contiguous() && values.scalar_type() == keys.scalar_type() && values.device() == x.device(), op,
          "values must be as keys", values);
  demand(positions.dim() == 1 && positions.size(0) == x.size(0) && positions.scalar_type() == torch::kInt32 && positions.is_contiguous() &&
              positions.device() == x.device(),
          op, "positions must be int32 [B]", positions);
  demand(table.dim() == 2 && table.size(0) == x.size(0) && table.scalar_type() == torch::kInt32 && table.stride(1) == 1 && table.device() == x.device(), op,
          "table must be int32 [B, most pages]", table);
}

#ifdef FOVEA_WITH_CUDA
bool kernel_takes(const Tensor& x) { return x.is_cuda() && x.scalar_type() == torch::kBFloat16 && x.numel() > 0; }

Tensor packed(const Tensor& x) {
  auto out = x.contiguous();
  if (reinterpret_cast<uintptr_t>(out.const_data_ptr()) % 16 != 0) out = out.clone();
  return out;
}
void expect_success(cudaError_t status, const char* op) {
  if (status != cudaSuccess)
    throw UnsupportedError(std::string("[") + op + "] CUDA: " + cudaGetErrorName(status) + ", " + cudaGetErrorString(status));
}
cudaStream_t current_stream(const Tensor& x) { return c10::cuda::getCurrentCUDAStream(x.device().index()).stream(); }

// Parts that a sequence's positions are split into: enough blocks to fill the device, whatever the length.
int splits_of(int64_t heads) { return int(std::clamp<int64_t>(1024 / heads, 1, 32)); }
#endif

}  // namespace

Tensor rope_append(const Tensor& qkv, const QkNormRopeOptions& o, const Tensor& q_gain, const Tensor& cos, const Tensor& sin, const Tensor& positions,
                   const Tensor& table, Tensor& keys, Tensor& values) {
  const char* op = "rope_append";
  demand(qkv.dim() == 2 && qkv.size(1) == (o.num_q_heads + 2 * o.num_kv_heads) * o.head_dim, op, "qkv must be [B, (Hq + 2 Hk) d]", qkv);
  check_pages(op, qkv, keys, values, positions, table);
  demand(keys.size(1) == o.num_kv_heads && keys.size(3) == o.head_dim, op, "keys must be [pages, Hk, block, d]", keys);
  for (const Tensor* angles : {&cos, &sin})
    demand(angles->dim() == 2 && angles->size(1) == o.head_dim / 2 && angles->is_contiguous() && angles->device() == qkv.device(), op, "cos and sin must be [positions, d/2]", *angles);
#ifdef FOVEA_WITH_CUDA
  if (kernel_takes(qkv) && cos.scalar_type() == torch::kFloat32) {
    const c10::cuda::CUDAGuard guard(qkv.device());
    const auto in = packed(qkv);
    const auto gain = q_gain.defined() ? q_gain.to(torch::kFloat32).contiguous() : Tensor();
    auto q = torch::empty({qkv.size(0), o.num_q_heads, o.head_dim}, qkv.options());
    expect_success(kernels::rope_append({in.const_data_ptr(), gain.defined() ? gain.const_data_ptr<float>() : nullptr, cos.const_data_ptr<float>(), sin.const_data_ptr<float>(),
                                positions.const_data_ptr<int>(), table.const_data_ptr<int>(), int(table.stride(0)), int(qkv.size(0)), int(o.num_q_heads),
                                int(o.num_kv_heads), int(o.head_dim), int(keys.size(2)), o.normalize, float(o.eps)},
                               q.mutable_data_ptr(), keys.mutable_data_ptr(), values.mutable_data_ptr(), current_stream(qkv)),
          op);
    return q;
  }
#endif
  return twin::rope_append(qkv, o, q_gain, cos, sin, positions, table, keys, values);
}

Tensor paged_attention(const Tensor& q, const Tensor& keys, const Tensor& values, const Tensor& positions, const Tensor& table) {
  const char* op = "paged_attention";
  demand(q.dim() == 3 && q.size(2) == keys.size(3) && q.size(1) % keys.size(1) == 0, op, "q must be [B, Hq, d], Hq a multiple of Hk", q);
  check_pages(op, q, keys, values, positions, table);
#ifdef FOVEA_WITH_CUDA
  const int64_t d = q.size(2), heads = q.size(0) * q.size(1);
  if (kernel_takes(q) && (d == 32 || d == 64 || d == 128)) {
    const c10::cuda::CUDAGuard guard(q.device());
    const auto in = packed(q);
    const int splits = splits_of(heads);
    auto out = torch::empty_like(in);
    const auto partial = splits > 1 ? torch::empty({heads * splits * (d + 2)}, q.options().dtype(torch::kFloat32)) : Tensor();
    expect_success(kernels::paged_attention({in.const_data_ptr(), keys.const_data_ptr(), values.const_data_ptr(), positions.const_data_ptr<int>(), table.const_data_ptr<int>(),
                                    int(table.stride(0)), int(q.size(0)), int(q.size(1)), int(keys.size(1)), int(d), int(keys.size(2)), splits},
                                   splits > 1 ? partial.mutable_data_ptr<float>() : nullptr, out.mutable_data_ptr(), current_stream(q)),
          op);
    return out;
  }
#endif
  return twin::paged_attention(q, keys, values, positions, table);
}

Routes route(const Tensor& x, const Tensor& gate, int64_t top) {
  demand(x.dim() == 2, "route", "x must be [B, D]", x);
  demand(gate.dim() == 2 && gate.size(1) == x.size(1) && gate.device() == x.device() && top >= 1 && top <= gate.size(0), "route", "gate must be [E, D], E at least `top`", gate);
#ifdef FOVEA_WITH_CUDA
  if (kernel_takes(x) && gate.scalar_type() == torch::kBFloat16 && gate.size(0) <= 256 && x.size(1) % 8 == 0) {
    const c10::cuda::CUDAGuard guard(x.device());
    const auto in = packed(x), weight = packed(gate);
    Routes out{torch::empty({x.size(0), top}, x.options().dtype(torch::kInt32)), torch::empty({x.size(0), top}, x.options().dtype(torch::kFloat32))};
    expect_success(kernels::route(in.const_data_ptr(), weight.const_data_ptr(), out.ids.mutable_data_ptr<int>(), out.weights.mutable_data_ptr<float>(), int(x.size(0)),
                         int(x.size(1)), int(gate.size(0)), int(top), current_stream(x)),
          "route");
    return out;
  }
#endif
  return twin::route(x, gate, top);
}

Tensor expert_mlps(const Tensor& x, const Tensor& gate_up, const Tensor& down, const Routes& routes, const Tensor& shared) {
  const char* op = "expert_mlps";
  demand(x.dim() == 2 && x.scalar_type() == gate_up.scalar_type() && x.device() == gate_up.device(), op, "x must be [B, D] of the weights' dtype and device", x);
  demand(gate_up.dim() == 3 && gate_up.size(2) == x.size(1) && gate_up.size(1) % 2 == 0, op, "gate_up must be [E, 2 I, D]", gate_up);
  demand(down.dim() == 3 && down.size(0) == gate_up.size(0) && down.size(1) == x.size(1) && down.size(2) * 2 == gate_up.size(1), op, "down must be [E, D, I]", down);
  demand(routes.ids.dim() == 2 && routes.ids.size(0) == x.size(0), op, "routes must be [B, K]", routes.ids);
  demand(!shared.defined() || shared.sizes() == x.sizes(), op, "shared must be [B, D]", shared);
#ifdef FOVEA_WITH_CUDA
  const int64_t rows = x.size(0), width = x.size(1), inner = down.size(2), top = routes.ids.size(1);
  if (kernel_takes(x) && gate_up.is_contiguous() && down.is_contiguous() && width % 8 == 0 && inner % 8 == 0) {
    const c10::cuda::CUDAGuard guard(x.device());
    const auto in = packed(x), more = shared.defined() ? packed(shared) : Tensor();
    auto out = torch::empty_like(in);
    const kernels::ExpertProducts what{gate_up.const_data_ptr(), down.const_data_ptr(), routes.ids.const_data_ptr<int>(), routes.weights.const_data_ptr<float>(),
                                       more.defined() ? more.const_data_ptr() : nullptr, int(rows), int(top), int(width), int(inner)};
    if (rows <= kSingleExpertRows) {
      auto hidden = torch::empty({rows * top, inner}, x.options());
      expect_success(kernels::expert_hidden(what, in.const_data_ptr(), hidden.mutable_data_ptr(), current_stream(x)), op);
      expect_success(kernels::expert_output(what, hidden.const_data_ptr(), out.mutable_data_ptr(), current_stream(x)), op);
      return out;
    }
    const auto [ids, order] = routes.ids.view(-1).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    const auto ends = torch::searchsorted(ids, torch::arange(gate_up.size(0), ids.options()), /*out_int32=*/true, /*right=*/true);
    auto place = torch::empty_like(order);
    place.scatter_(0, order, torch::arange(rows * top, order.options()));
    const auto sorted = in.index_select(0, torch::div(order, top, "floor"));
    const auto hidden = swiglu(at::_grouped_mm(sorted, gate_up.transpose(1, 2), ends));
    const auto products = at::_grouped_mm(hidden, down.transpose(1, 2), ends);
    expect_success(kernels::expert_combine(what, products.const_data_ptr(), place.const_data_ptr<int64_t>(), out.mutable_data_ptr(), current_stream(x)), op);
    return out;
  }
#endif
  return twin::expert_mlps(x, gate_up, down, routes, shared);
}

Picked pick(const Tensor& logits) {
  demand(logits.dim() == 2 && logits.size(1) > 0, "pick", "logits must be [B, V]", logits);
#ifdef FOVEA_WITH_CUDA
  if (logits.is_cuda() && logits.numel() > 0 && (logits.scalar_type() == torch::kBFloat16 || logits.scalar_type() == torch::kFloat32)) {
    const c10::cuda::CUDAGuard guard(logits.device());
    const auto in = logits.contiguous();
    const auto floats = logits.options().dtype(torch::kFloat32);
    Picked out{torch::empty({logits.size(0)}, logits.options().dtype(torch::kInt64)), torch::empty({logits.size(0)}, floats), torch::empty({logits.size(0)}, floats)};
    expect_success(kernels::pick(in.const_data_ptr(), in.scalar_type() == torch::kFloat32, out.ids.mutable_data_ptr<int64_t>(), out.probabilities.mutable_data_ptr<float>(),
                        out.entropies.mutable_data_ptr<float>(), int(in.size(0)), in.size(1), current_stream(in)),
          "pick");
    return out;
  }
#endif
  return twin::pick(logits);
}

#ifdef FOVEA_WITH_CUDA
struct Graph::Parts {
  at::cuda::CUDAGraph graph;
  c10::cuda::CUDAStream stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/true);
};

Graph::Graph(const std::function<void()>& work, const Graph* pool) : parts_(std::make_unique<Parts>()) {
  const auto before = c10::cuda::getCurrentCUDAStream();
  before.synchronize();
  {
    const c10::cuda::CUDAStreamGuard guard(parts_->stream);
    for (int trial = 0; trial < 2; ++trial) work();
    parts_->stream.synchronize();
    try {
      parts_->graph.capture_begin(pool ? pool->parts_->graph.pool() : c10::MempoolId_t{0, 0}, cudaStreamCaptureModeThreadLocal);
      work();
      parts_->graph.capture_end();
    } catch (const std::exception& error) {
      try {
        parts_->graph.capture_end();
      } catch (const std::exception&) {
      }
      cudaGetLastError();
      throw UnsupportedError(std::string("[Graph] CUDA could not record the work: ") + error.what());
    }
  }
}
void Graph::play() { parts_->graph.replay(); }
#else
struct Graph::Parts {};
Graph::Graph(const std::function<void()>&, const Graph*) { throw UnsupportedError("[Graph] this build has no CUDA"); }
void Graph::play() {}
#endif
Graph::~Graph() = default;

int64_t free_device_bytes(const torch::Device& device) {
#ifdef FOVEA_WITH_CUDA
  if (device.is_cuda()) {
    const c10::cuda::CUDAGuard guard(device);
    size_t free = 0, total = 0;
    expect_success(cudaMemGetInfo(&free, &total), "free_device_bytes");
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device.index() >= 0 ? device.index() : c10::cuda::current_device());
    const auto& reserved = stats.reserved_bytes[0];
    const auto& allocated = stats.allocated_bytes[0];
    return int64_t(free) + reserved.current - allocated.current;
  }
#endif
  (void)device;
  return -1;
}

}  // namespace fovea::cuda

// Checks, the choice between kernel and twin, and autograd around the kernels.
#include "fovea/cuda/ops.h"

#include <torch/torch.h>

#include <optional>
#include <string>

#include "fovea/base/error.h"

#ifdef FOVEA_WITH_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "kernels.h"
#endif

namespace fovea::cuda {
namespace {

using torch::Tensor;

std::string describe(const Tensor& x) {
  if (!x.defined()) return "none";
  std::string out = c10::toString(x.scalar_type());
  out += " [";
  for (int64_t i = 0; i < x.dim(); ++i) out.append(i ? ", " : "").append(std::to_string(x.size(i)));
  return out + "] on " + x.device().str();
}
void require(bool holds, const char* op, const char* what, const Tensor& got) {
  if (!holds) throw ShapeError(std::string("[") + op + "] " + what + ", got " + describe(got));
}
void require_floating(const char* op, const Tensor& x) {
  require(x.defined() && torch::isFloatingType(x.scalar_type()) && x.dim() >= 1, op,
          "first argument must be floating, of at least one dimension", x);
}
void require_same(const char* op, const Tensor& a, const Tensor& b) {
  require(b.defined() && a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() && a.device() == b.device(), op,
          "second argument must have shape, dtype and device of the first", b);
}
/// x without its history; none stays none.
Tensor constant(const Tensor& x) { return x.defined() ? x.detach() : x; }
void check_norm(const char* op, const Tensor& x, const Tensor& weight) {
  require_floating(op, x);
  if (!weight.defined()) return;
  require(weight.dim() == 1 && weight.size(0) == x.size(-1) && weight.device() == x.device() &&
              (weight.scalar_type() == torch::kFloat32 || weight.scalar_type() == x.scalar_type()),
          op, "weight must be [last dimension of x], fp32 or of x's dtype, on its device", weight);
}

#ifdef FOVEA_WITH_CUDA
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::tensor_list;

/// Note: "When a kernel runs", ops.h.
bool use_kernel(const Tensor& x) { return x.is_cuda() && x.scalar_type() == torch::kBFloat16 && x.numel() > 0; }

/// Contiguous, and on a 16-byte boundary as the kernels' wide accesses want it.
Tensor dense(const Tensor& x) {
  auto out = x.contiguous();
  if (reinterpret_cast<uintptr_t>(out.const_data_ptr()) % 16 != 0) out = out.clone();
  return out;
}
void check(cudaError_t status, const char* op) {
  if (status != cudaSuccess)
    throw UnsupportedError(std::string("[") + op + "] CUDA: " + cudaGetErrorName(status) + ", " +
                           cudaGetErrorString(status));
}
cudaStream_t stream_of(const Tensor& x) { return c10::cuda::getCurrentCUDAStream(x.device().index()).stream(); }

const void* in(const Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
void* out(Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }
const float* in_float(const Tensor& x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; }

char* offset_bf16(void* p, int64_t elements) { return static_cast<char*>(p) + 2 * elements; }
const char* offset_bf16(const void* p, int64_t elements) { return static_cast<const char*>(p) + 2 * elements; }

struct SwigluFunction : Function<SwigluFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& gate_up) {
    const c10::cuda::CUDAGuard guard(gate_up.device());
    const int64_t columns = gate_up.size(-1) / 2, rows = gate_up.numel() / (2 * columns);
    auto shape = gate_up.sizes().vec();
    shape.back() = columns;
    auto y = torch::empty(shape, gate_up.options());
    check(kernels::swiglu_forward(in(gate_up), offset_bf16(in(gate_up), columns), 2 * columns, out(y), rows, columns,
                                  stream_of(gate_up)),
          "swiglu");
    ctx->save_for_backward({gate_up});
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto gate_up = ctx->get_saved_variables()[0];
    const c10::cuda::CUDAGuard guard(gate_up.device());
    const int64_t columns = gate_up.size(-1) / 2, rows = gate_up.numel() / (2 * columns);
    const auto grad = dense(grads[0]);
    auto grad_in = torch::empty_like(gate_up);
    check(kernels::swiglu_backward(in(grad), in(gate_up), offset_bf16(in(gate_up), columns), 2 * columns, out(grad_in),
                                   offset_bf16(out(grad_in), columns), rows, columns, stream_of(gate_up)),
          "swiglu backward");
    return {grad_in};
  }
};

struct Swiglu2Function : Function<Swiglu2Function> {
  static Tensor forward(AutogradContext* ctx, const Tensor& gate, const Tensor& up) {
    const c10::cuda::CUDAGuard guard(gate.device());
    const int64_t columns = gate.size(-1);
    auto y = torch::empty_like(gate);
    check(kernels::swiglu_forward(in(gate), in(up), columns, out(y), gate.numel() / columns, columns, stream_of(gate)),
          "swiglu2");
    ctx->save_for_backward({gate, up});
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &gate = saved[0], &up = saved[1];
    const c10::cuda::CUDAGuard guard(gate.device());
    const int64_t columns = gate.size(-1);
    const auto grad = dense(grads[0]);
    auto grad_gate = torch::empty_like(gate), grad_up = torch::empty_like(up);
    check(kernels::swiglu_backward(in(grad), in(gate), in(up), columns, out(grad_gate), out(grad_up),
                                   gate.numel() / columns, columns, stream_of(gate)),
          "swiglu2 backward");
    return {grad_gate, grad_up};
  }
};

kernels::NormWeight norm_weight(const Tensor& weight) {
  if (!weight.defined()) return {};
  return {weight.const_data_ptr(), weight.scalar_type() == torch::kFloat32 ? kernels::NormWeight::kFloat32
                                                                           : kernels::NormWeight::kBFloat16};
}
/// Saved by both norms: what was normalised, rstd, weight (or undefined).
/// Returns the gradients of what was normalised and of the weight; grad_sum, if defined, goes into the first.
std::pair<Tensor, Tensor> norm_backward(const tensor_list& saved, const Tensor& grad_y, const Tensor& grad_sum) {
  const auto &x = saved[0], &rstd = saved[1], &weight = saved[2];
  const int64_t columns = x.size(-1), rows = x.numel() / columns;
  const auto stream = stream_of(x);
  auto grad_x = torch::empty_like(x);
  check(kernels::rms_norm_backward(in(grad_y), in(x), in_float(rstd), norm_weight(weight), in(grad_sum), out(grad_x),
                                   rows, columns, stream),
        "rms_norm backward");
  if (!weight.defined()) return {grad_x, Tensor()};
  const int64_t parts = std::min<int64_t>(256, (rows + 31) / 32);
  auto partial = torch::empty({parts, columns}, x.options().dtype(torch::kFloat32));
  check(kernels::rms_norm_backward_weight(in(grad_y), in(x), in_float(rstd), partial.mutable_data_ptr<float>(), parts,
                                          rows, columns, stream),
        "rms_norm backward of the weight");
  return {grad_x, partial.sum(0).to(weight.scalar_type())};
}

struct RmsNormFunction : Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& weight, double eps) {
    const c10::cuda::CUDAGuard guard(x.device());
    const Tensor w = weight.value_or(Tensor());
    const int64_t columns = x.size(-1), rows = x.numel() / columns;
    auto y = torch::empty_like(x), rstd = torch::empty({rows}, x.options().dtype(torch::kFloat32));
    check(kernels::rms_norm_forward(in(x), nullptr, norm_weight(w), nullptr, out(y), rstd.mutable_data_ptr<float>(), rows,
                                    columns, static_cast<float>(eps), stream_of(x)),
          "rms_norm");
    ctx->save_for_backward({x, rstd, w});
    return y;
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const c10::cuda::CUDAGuard guard(saved[0].device());
    const auto [grad_x, grad_weight] = norm_backward(saved, dense(grads[0]), Tensor());
    return {grad_x, grad_weight, Tensor()};
  }
};

struct AddRmsNormFunction : Function<AddRmsNormFunction> {
  static tensor_list forward(AutogradContext* ctx,
                             const Tensor& x,
                             const Tensor& residual,
                             const std::optional<Tensor>& weight,
                             double eps) {
    const c10::cuda::CUDAGuard guard(x.device());
    const Tensor w = weight.value_or(Tensor());
    const int64_t columns = x.size(-1), rows = x.numel() / columns;
    auto sum = torch::empty_like(x), y = torch::empty_like(x);
    auto rstd = torch::empty({rows}, x.options().dtype(torch::kFloat32));
    check(kernels::rms_norm_forward(in(x), in(residual), norm_weight(w), out(sum), out(y), rstd.mutable_data_ptr<float>(),
                                    rows, columns, static_cast<float>(eps), stream_of(x)),
          "add_rms_norm");
    ctx->save_for_backward({sum, rstd, w});
    ctx->set_materialize_grads(false);
    return {sum, y};
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const c10::cuda::CUDAGuard guard(saved[0].device());
    const Tensor grad_sum = grads[0].defined() ? dense(grads[0]) : Tensor();
    if (!grads[1].defined()) return {grad_sum, grad_sum, Tensor(), Tensor()};
    const auto [grad, grad_weight] = norm_backward(saved, dense(grads[1]), grad_sum);
    return {grad, grad, grad_weight, Tensor()};
  }
};

kernels::QkNormRope qk_arguments(const Tensor& qkv,
                                 const QkNormRopeOptions& options,
                                 const Tensor& gain,
                                 const Tensor& cos,
                                 const Tensor& sin) {
  kernels::QkNormRope args;
  args.qkv = in(qkv);
  args.gain = in_float(gain);
  args.cos = in_float(cos);
  args.sin = in_float(sin);
  args.batch = static_cast<int>(qkv.size(0));
  args.tokens = static_cast<int>(qkv.size(1));
  args.q_heads = static_cast<int>(options.num_q_heads);
  args.kv_heads = static_cast<int>(options.num_kv_heads);
  args.head_dim = static_cast<int>(options.head_dim);
  args.normalize = options.normalize;
  args.eps = static_cast<float>(options.eps);
  return args;
}

/// The gradient [B, H, T, d] of one output, as it lies if the kernel can read it so (attention's backward gives transposed
/// ones), else copied; `keep` holds it meanwhile. An output that nothing used has gradient zero.
kernels::HeadGrad head_grad(const Tensor& grad, at::IntArrayRef shape, const Tensor& like, tensor_list& keep) {
  Tensor x = grad.defined() ? grad : torch::zeros(shape, like.options());
  const bool readable = x.stride(3) == 1 && x.stride(0) % 2 == 0 && x.stride(1) % 2 == 0 && x.stride(2) % 2 == 0 &&
                        reinterpret_cast<uintptr_t>(x.const_data_ptr()) % 4 == 0;
  if (!readable) x = x.clone(torch::MemoryFormat::Contiguous);
  keep.push_back(x);
  return {x.const_data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
}

struct QkNormRopeFunction : Function<QkNormRopeFunction> {
  static tensor_list forward(AutogradContext* ctx,
                             const Tensor& qkv,
                             const std::optional<Tensor>& gain,
                             const std::optional<Tensor>& cos,
                             const std::optional<Tensor>& sin,
                             const QkNormRopeOptions& options) {
    const c10::cuda::CUDAGuard guard(qkv.device());
    const Tensor g = gain.value_or(Tensor()), c = cos.value_or(Tensor()), s = sin.value_or(Tensor());
    const int64_t batch = qkv.size(0), tokens = qkv.size(1), d = options.head_dim;
    auto q = torch::empty({batch, options.num_q_heads, tokens, d}, qkv.options());
    auto k = torch::empty({batch, options.num_kv_heads, tokens, d}, qkv.options()), v = torch::empty_like(k);
    check(kernels::qk_norm_rope_forward(qk_arguments(qkv, options, g, c, s), out(q), out(k), out(v), stream_of(qkv)),
          "qk_norm_rope");
    ctx->save_for_backward({qkv, g, c, s});
    ctx->saved_data["num_q_heads"] = options.num_q_heads;
    ctx->saved_data["num_kv_heads"] = options.num_kv_heads;
    ctx->saved_data["head_dim"] = options.head_dim;
    ctx->saved_data["normalize"] = options.normalize;
    ctx->saved_data["eps"] = options.eps;
    ctx->set_materialize_grads(false);
    return {q, k, v};
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &qkv = saved[0], &gain = saved[1], &cos = saved[2], &sin = saved[3];
    const c10::cuda::CUDAGuard guard(qkv.device());
    QkNormRopeOptions options;
    options.num_q_heads = ctx->saved_data["num_q_heads"].toInt();
    options.num_kv_heads = ctx->saved_data["num_kv_heads"].toInt();
    options.head_dim = ctx->saved_data["head_dim"].toInt();
    options.normalize = ctx->saved_data["normalize"].toBool();
    options.eps = ctx->saved_data["eps"].toDouble();
    const int64_t batch = qkv.size(0), tokens = qkv.size(1), d = options.head_dim;
    tensor_list keep;
    const std::vector<int64_t> q_shape = {batch, options.num_q_heads, tokens, d};
    const std::vector<int64_t> kv_shape = {batch, options.num_kv_heads, tokens, d};
    const auto grad_q = head_grad(grads[0], q_shape, qkv, keep);
    const auto grad_k = head_grad(grads[1], kv_shape, qkv, keep);
    const auto grad_v = head_grad(grads[2], kv_shape, qkv, keep);
    auto grad_qkv = torch::empty_like(qkv);
    Tensor partial;
    if (gain.defined()) partial = torch::empty({batch * tokens, options.num_q_heads}, gain.options());
    check(kernels::qk_norm_rope_backward(qk_arguments(qkv, options, gain, cos, sin), grad_q, grad_k, grad_v, out(grad_qkv),
                                         partial.defined() ? partial.mutable_data_ptr<float>() : nullptr, stream_of(qkv)),
          "qk_norm_rope backward");
    return {grad_qkv, gain.defined() ? partial.sum(0) : Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

struct CrossEntropyFunction : Function<CrossEntropyFunction> {
  static tensor_list forward(AutogradContext* ctx, const Tensor& logits, const Tensor& targets) {
    const c10::cuda::CUDAGuard guard(logits.device());
    const int64_t rows = logits.size(0), classes = logits.size(1);
    const auto wide = logits.options().dtype(torch::kFloat32);
    auto loss = torch::empty({rows}, wide), lse = torch::empty({rows}, wide);
    auto correct = torch::empty({rows}, logits.options().dtype(torch::kBool));
    check(kernels::cross_entropy_forward(in(logits), targets.const_data_ptr<int64_t>(), loss.mutable_data_ptr<float>(),
                                         correct.mutable_data_ptr<bool>(), lse.mutable_data_ptr<float>(), rows, classes,
                                         stream_of(logits)),
          "cross_entropy");
    ctx->save_for_backward({logits, targets, lse});
    ctx->mark_non_differentiable({correct});
    return {loss, correct};
  }
  static tensor_list backward(AutogradContext* ctx, tensor_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto &logits = saved[0], &targets = saved[1], &lse = saved[2];
    const c10::cuda::CUDAGuard guard(logits.device());
    const auto grad = grads[0].contiguous();
    auto grad_logits = torch::empty_like(logits);
    check(kernels::cross_entropy_backward(in(logits), targets.const_data_ptr<int64_t>(), in_float(lse), in_float(grad),
                                          out(grad_logits), logits.size(0), logits.size(1), stream_of(logits)),
          "cross_entropy backward");
    return {grad_logits, Tensor()};
  }
};

/// As the autograd functions take a tensor that may be none.
std::optional<Tensor> maybe(const Tensor& x) {
  return x.defined() ? std::optional<Tensor>(dense(x)) : std::nullopt;
}
#endif

}  // namespace

bool has_kernels() {
#ifdef FOVEA_WITH_CUDA
  return true;
#else
  return false;
#endif
}

Tensor swiglu(const Tensor& gate_up) {
  require_floating("swiglu", gate_up);
  require(gate_up.size(-1) % 2 == 0, "swiglu", "last dimension must be even", gate_up);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(gate_up)) return SwigluFunction::apply(dense(gate_up));
#endif
  return twin::swiglu(gate_up);
}

Tensor swiglu2(const Tensor& gate, const Tensor& up) {
  require_floating("swiglu2", gate);
  require_same("swiglu2", gate, up);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(gate)) return Swiglu2Function::apply(dense(gate), dense(up));
#endif
  return twin::swiglu2(gate, up);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  check_norm("rms_norm", x, weight);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(x)) return RmsNormFunction::apply(dense(x), maybe(weight), eps);
#endif
  return twin::rms_norm(x, weight, eps);
}

std::pair<Tensor, Tensor> add_rms_norm(const Tensor& x, const Tensor& residual, const Tensor& weight, double eps) {
  check_norm("add_rms_norm", x, weight);
  require_same("add_rms_norm", x, residual);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(x)) {
    const auto results = AddRmsNormFunction::apply(dense(x), dense(residual), maybe(weight), eps);
    return {results[0], results[1]};
  }
#endif
  return twin::add_rms_norm(x, residual, weight, eps);
}

Qkv qk_norm_rope(const Tensor& qkv,
                 const QkNormRopeOptions& options,
                 const Tensor& q_gain,
                 const Tensor& cos,
                 const Tensor& sin) {
  const char* op = "qk_norm_rope";
  const int64_t heads = options.num_q_heads + 2 * options.num_kv_heads, d = options.head_dim;
  if (options.num_q_heads < 1 || options.num_kv_heads < 1 || d < 2 || d % 2 != 0)
    throw ConfigError("[qk_norm_rope] num_q_heads and num_kv_heads must be positive, head_dim even and positive, got " +
                      std::to_string(options.num_q_heads) + ", " + std::to_string(options.num_kv_heads) + ", " +
                      std::to_string(d));
  require_floating(op, qkv);
  require(qkv.dim() == 3 && qkv.size(2) == heads * d, op, "qkv must be [B, T, (Hq + 2 Hk) d]", qkv);
  const auto float_on_device = [&](const Tensor& x) {
    return x.device() == qkv.device() && (x.scalar_type() == torch::kFloat32 || x.scalar_type() == torch::kFloat64);
  };
  if (q_gain.defined())
    require(q_gain.dim() == 1 && q_gain.size(0) == options.num_q_heads && float_on_device(q_gain), op,
            "q_gain must be [Hq], fp32, on the device of qkv", q_gain);
  require(cos.defined() == sin.defined(), op, "cos and sin must both be given or neither", cos.defined() ? sin : cos);
  for (const Tensor* table : {&cos, &sin})
    if (table->defined())
      require(table->dim() == 2 && table->size(0) == qkv.size(1) && table->size(1) == d / 2 && float_on_device(*table), op,
              "cos and sin must be [T, d/2], fp32, on the device of qkv", *table);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(qkv)) {
    if (d != 64 && d != 128)
      throw UnsupportedError("[qk_norm_rope] head_dim must be 64 or 128 on CUDA in bfloat16, got " + std::to_string(d));
    if (qkv.numel() / d >= int64_t(1) << 31)
      throw UnsupportedError("[qk_norm_rope] B T (Hq + 2 Hk) must be below 2^31, got " + std::to_string(qkv.numel() / d));
    const auto as_float = [](const Tensor& x) { return x.defined() ? x.to(torch::kFloat32) : x; };
    const auto results = QkNormRopeFunction::apply(dense(qkv), maybe(as_float(q_gain)), maybe(as_float(constant(cos))),
                                                   maybe(as_float(constant(sin))), options);
    return {results[0], results[1], results[2]};
  }
#endif
  return twin::qk_norm_rope(qkv, options, q_gain, constant(cos), constant(sin));
}

CrossEntropy cross_entropy(const Tensor& logits, const Tensor& targets) {
  const char* op = "cross_entropy";
  require_floating(op, logits);
  require(logits.dim() == 2 && logits.size(1) > 0, op, "logits must be [N, V] with V > 0", logits);
  require(targets.defined() && targets.dim() == 1 && targets.size(0) == logits.size(0) &&
              targets.scalar_type() == torch::kInt64 && targets.device() == logits.device(),
          op, "targets must be int64 [N] on the device of logits", targets);
#ifdef FOVEA_WITH_CUDA
  if (use_kernel(logits)) {
    const auto results = CrossEntropyFunction::apply(dense(logits), targets.contiguous());
    return {results[0], results[1]};
  }
#endif
  return twin::cross_entropy(logits, targets);
}

}  // namespace fovea::cuda

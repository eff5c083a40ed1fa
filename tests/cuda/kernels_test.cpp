// fovea::cuda's ops: the twins against formulas written again here and against finite differences, the wrappers against the
// twins on a CPU, and the kernels against the twins on a GPU.
#include <gmock/gmock.h>

#include <cstdlib>
#include <functional>

#include "fovea/base/error.h"
#include "support.h"

namespace fovea::cuda {
namespace {

using namespace test;
using ::testing::HasSubstr;

// ---- On a CPU ----------------------------------------------------------------------------------------------------------

class Ops : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(5); }
};

const torch::ScalarType kCpuDtypes[] = {torch::kFloat32, torch::kFloat64, torch::kBFloat16};

TEST_F(Ops, OnACpuTheWrapperIsTheTwin) {
  for (auto dtype : kCpuDtypes) {
    const auto x = torch::randn({3, 4, 10}).to(dtype), other = torch::randn({3, 4, 10}).to(dtype);
    const auto weight = torch::randn({10});
    EXPECT_TRUE(swiglu(x).equal(twin::swiglu(x)));
    EXPECT_EQ(swiglu(x).scalar_type(), dtype);
    EXPECT_TRUE(swiglu2(x, other).equal(twin::swiglu2(x, other)));
    EXPECT_TRUE(rms_norm(x, weight, 1e-5).equal(twin::rms_norm(x, weight, 1e-5)));
    EXPECT_TRUE(rms_norm(x).equal(twin::rms_norm(x)));
    EXPECT_EQ(rms_norm(x, weight).scalar_type(), dtype);
    const auto [sum, y] = add_rms_norm(x, other, weight);
    EXPECT_TRUE(sum.equal(x + other));
    EXPECT_TRUE(y.equal(twin::rms_norm(x + other, weight)));
    QkNormRopeOptions options;
    options.num_q_heads = 3, options.num_kv_heads = 1, options.head_dim = 2;
    const auto [cos, sin] = rope_tables(4, 1);
    const auto a = qk_norm_rope(x, options, torch::ones({3}), cos, sin), b = twin::qk_norm_rope(x, options, torch::ones({3}), cos, sin);
    EXPECT_TRUE(a.q.equal(b.q) && a.k.equal(b.k) && a.v.equal(b.v));
    EXPECT_TRUE(a.q.is_contiguous() && a.k.is_contiguous() && a.v.is_contiguous());
    EXPECT_EQ(a.q.scalar_type(), dtype);
    const auto targets = torch::tensor({1, 9, 0, 3}, torch::kInt64);
    const auto c = cross_entropy(x[0], targets), d = twin::cross_entropy(x[0], targets);
    EXPECT_TRUE(c.loss.equal(d.loss) && c.correct.equal(d.correct));
    EXPECT_EQ(c.loss.scalar_type(), dtype == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32);
  }
}

TEST_F(Ops, TwinsAreTheirFormulas) {
  const auto options64 = torch::dtype(torch::kFloat64);
  const auto x = torch::randn({3, 8}, options64), weight = torch::randn({8}, options64);
  const auto y = twin::swiglu(x), n = twin::rms_norm(x, weight, 1e-3);
  for (int64_t r = 0; r < 3; ++r) {
    const auto at = [&](int64_t c) { return x[r][c].item<double>(); };
    double squares = 0;
    for (int64_t c = 0; c < 8; ++c) squares += at(c) * at(c);
    for (int64_t c = 0; c < 4; ++c)
      EXPECT_NEAR(y[r][c].item<double>(), at(c) / (1 + std::exp(-at(c))) * at(c + 4), 1e-12);
    for (int64_t c = 0; c < 8; ++c)
      EXPECT_NEAR(n[r][c].item<double>(), at(c) / std::sqrt(squares / 8 + 1e-3) * weight[c].item<double>(), 1e-12);
  }

  const int64_t B = 2, T = 3, hq = 4, hk = 2, d = 6;
  const auto qkv = torch::randn({B, T, (hq + 2 * hk) * d}, options64), gain = torch::rand({hq}, options64);
  const auto cos = torch::randn({T, d / 2}, options64), sin = torch::randn({T, d / 2}, options64);
  QkNormRopeOptions options;
  options.num_q_heads = hq, options.num_kv_heads = hk, options.head_dim = d, options.eps = 1e-2;
  const auto out = twin::qk_norm_rope(qkv, options, gain, cos, sin);
  for (int64_t b = 0; b < B; ++b)
    for (int64_t t = 0; t < T; ++t)
      for (int64_t h = 0; h < hq + 2 * hk; ++h) {
        std::vector<double> z(d);
        double squares = 0;
        for (int64_t i = 0; i < d; ++i) {
          z[i] = qkv[b][t][h * d + i].item<double>();
          squares += z[i] * z[i];
        }
        const bool is_q = h < hq, is_v = h >= hq + hk;
        const double factor = is_v ? 1 : (is_q ? gain[h].item<double>() : 1) / std::sqrt(squares / d + 1e-2);
        const auto& from = is_q ? out.q : is_v ? out.v : out.k;
        const int64_t head = is_q ? h : is_v ? h - hq - hk : h - hq;
        for (int64_t i = 0; i < d / 2; ++i) {
          const double c = is_v ? 1 : cos[t][i].item<double>(), s = is_v ? 0 : sin[t][i].item<double>();
          const double lo = z[i] * factor, hi = z[i + d / 2] * factor;
          EXPECT_NEAR(from[b][head][t][i].item<double>(), lo * c - hi * s, 1e-12);
          EXPECT_NEAR(from[b][head][t][i + d / 2].item<double>(), hi * c + lo * s, 1e-12);
        }
      }

  const auto logits = torch::randn({5, 7}, options64);
  const auto targets = awkward_targets(5, 7);
  const auto ce = twin::cross_entropy(logits, targets);
  for (int64_t r = 0; r < 3; ++r) {
    double sum = 0, best = -1e9;
    int64_t first = -1;
    for (int64_t c = 0; c < 7; ++c) {
      const double v = logits[r][c].item<double>();
      sum += std::exp(v);
      if (v > best) best = v, first = c;
    }
    const int64_t target = targets[r].item<int64_t>();
    EXPECT_NEAR(ce.loss[r].item<double>(), std::log(sum) - logits[r][target].item<double>(), 1e-12);
    EXPECT_EQ(ce.correct[r].item<bool>(), first == target);
  }
  EXPECT_TRUE(std::isnan(ce.loss[3].item<double>())) << "a target out of range must show";
  EXPECT_EQ(ce.loss[4].item<double>(), 0) << "a negative target is ignored";
  EXPECT_FALSE(ce.correct[3].item<bool>() || ce.correct[4].item<bool>());
}

/// Gradients of sum(f * fixed weights) against central differences, fp64.
void check_gradients(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f, std::vector<Tensor> inputs) {
  for (auto& input : inputs) input = input.detach().clone().requires_grad_();
  std::vector<Tensor> weights;
  const auto objective = [&] {
    const auto outputs = f(inputs);
    auto sum = torch::zeros({}, torch::kFloat64);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (weights.size() <= i) weights.push_back(torch::randn(outputs[i].sizes(), torch::kFloat64));
      sum = sum + (outputs[i] * weights[i]).sum();
    }
    return sum;
  };
  objective().backward();
  torch::NoGradGuard no_grad;
  for (size_t which = 0; which < inputs.size(); ++which) {
    auto flat = inputs[which].view(-1);
    const auto gradient = inputs[which].grad().reshape(-1);
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const double old = flat[i].item<double>(), step = 1e-5;
      flat[i] = old + step;
      const double above = objective().item<double>();
      flat[i] = old - step;
      const double below = objective().item<double>();
      flat[i] = old;
      const double expected = (above - below) / (2 * step);
      ASSERT_NEAR(gradient[i].item<double>(), expected, 1e-7 * std::max(1.0, std::abs(expected))) << "input " << which << " at " << i;
    }
  }
}

TEST_F(Ops, GradientsAreThoseOfFiniteDifferences) {
  const auto random = [](at::IntArrayRef shape) { return torch::randn(shape, torch::kFloat64); };
  using In = const std::vector<Tensor>&;
  check_gradients([](In in) -> std::vector<Tensor> { return {swiglu(in[0])}; }, {random({3, 10})});
  check_gradients([](In in) -> std::vector<Tensor> { return {swiglu2(in[0], in[1])}; }, {random({2, 5}), random({2, 5})});
  check_gradients([](In in) -> std::vector<Tensor> { return {rms_norm(in[0], in[1], 1e-3)}; }, {random({3, 7}), random({7})});
  check_gradients(
      [](In in) -> std::vector<Tensor> {
        const auto [sum, y] = add_rms_norm(in[0], in[1], in[2], 1e-3);
        return {sum, y};
      },
      {random({3, 6}), random({3, 6}), random({6})});
  QkNormRopeOptions options;
  options.num_q_heads = 2, options.num_kv_heads = 1, options.head_dim = 4, options.eps = 1e-3;
  const auto cos = random({3, 2}), sin = random({3, 2});
  check_gradients(
      [&](In in) -> std::vector<Tensor> {
        const auto out = qk_norm_rope(in[0], options, in[1], cos, sin);
        return {out.q, out.k, out.v};
      },
      {random({2, 3, 16}), random({2})});
  const auto targets = torch::tensor({3, 0, -1}, torch::kInt64);
  check_gradients([&](In in) -> std::vector<Tensor> { return {cross_entropy(in[0], targets).loss}; }, {random({3, 5})});
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST_F(Ops, WrongArgumentsAreNamed) {
  const auto x = torch::randn({2, 3, 8});
  EXPECT_THAT(error_of([&] { swiglu(torch::randn({2, 3})); }), HasSubstr("[swiglu] last dimension must be even, got Float [2, 3]"));
  EXPECT_THAT(error_of([&] { swiglu(Tensor()); }), HasSubstr("got none"));
  EXPECT_THAT(error_of([&] { swiglu2(x, x.to(torch::kFloat64)); }), HasSubstr("[swiglu2] second argument"));
  EXPECT_THAT(error_of([&] { rms_norm(x, torch::ones({7})); }), HasSubstr("[rms_norm] weight must be"));
  EXPECT_THAT(error_of([&] { rms_norm(torch::ones({2}, torch::kInt64)); }), HasSubstr("floating"));
  EXPECT_THAT(error_of([&] { add_rms_norm(x, x[0]); }), HasSubstr("[add_rms_norm] second argument"));
  QkNormRopeOptions options;
  options.num_q_heads = 2, options.num_kv_heads = 1, options.head_dim = 2;
  EXPECT_THAT(error_of([&] { qk_norm_rope(x[0], options); }), HasSubstr("qkv must be [B, T, (Hq + 2 Hk) d]"));
  EXPECT_THAT(error_of([&] { qk_norm_rope(x, options, torch::ones({3})); }), HasSubstr("q_gain must be"));
  EXPECT_THAT(error_of([&] { qk_norm_rope(x, options, {}, torch::ones({3, 1})); }), HasSubstr("both be given"));
  EXPECT_THAT(error_of([&] { qk_norm_rope(x, options, {}, torch::ones({4, 1}), torch::ones({4, 1})); }), HasSubstr("[T, d/2]"));
  options.head_dim = 3;
  EXPECT_THAT(error_of([&] { qk_norm_rope(x, options); }), HasSubstr("head_dim even"));
  EXPECT_THAT(error_of([&] { cross_entropy(x[0], torch::zeros({3})); }), HasSubstr("targets must be int64"));
  EXPECT_THAT(error_of([&] { cross_entropy(x, torch::zeros({2}, torch::kInt64)); }), HasSubstr("logits must be [N, V]"));
}

// ---- On a GPU ----------------------------------------------------------------------------------------------------------

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    torch::manual_seed(7);
    if (torch::cuda::is_available() && has_kernels()) return;
    const char* required = std::getenv("FOVEA_REQUIRE_GPU");
    if (required && std::string(required) == "1")
      FAIL() << (has_kernels() ? "no CUDA device" : "built without CUDA") << ", but FOVEA_REQUIRE_GPU=1";
    GTEST_SKIP() << (has_kernels() ? "no CUDA device" : "built without CUDA");
  }
  static Tensor on_gpu(const Tensor& x, bool gradient = true) {
    if (!x.defined()) return x;
    auto out = x.detach().to(torch::kCUDA);
    return gradient && out.is_floating_point() ? out.requires_grad_() : out;
  }
};

const std::vector<std::pair<int64_t, int64_t>> kSizes = {{1, 8},     {5, 7},     {37, 129},  {131, 384}, {67, 512},
                                                         {301, 1280}, {19, 2048}, {4099, 384}, {3, 2305}};

TEST_F(Gpu, Swiglu) {
  for (const auto& [rows, columns] : kSizes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    const auto both = random_bf16({rows, 2 * columns}, 2), grad = random_bf16({rows, columns});
    const auto leaf = fp32_leaf(both);
    const auto expected = twin::swiglu(leaf);
    expected.backward(grad.to(torch::kFloat32));
    const auto x = on_gpu(both);
    const auto y = swiglu(x);
    EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
    EXPECT_NE(y.grad_fn()->name().find("Swiglu"), std::string::npos) << "not the kernel: " << y.grad_fn()->name();
    y.backward(on_gpu(grad, false));
    EXPECT_TRUE(close(y, expected, kBf16Relative, 1e-5));
    EXPECT_TRUE(close(x.grad(), leaf.grad(), kBf16Relative, 1e-5));
    const auto gate = on_gpu(both.narrow(1, 0, columns).contiguous()), up = on_gpu(both.narrow(1, columns, columns).contiguous());
    const auto y2 = swiglu2(gate, up);
    y2.backward(on_gpu(grad, false));
    EXPECT_TRUE(close(y2, expected, kBf16Relative, 1e-5));
    EXPECT_TRUE(close(torch::cat({gate.grad(), up.grad()}, 1), leaf.grad(), kBf16Relative, 1e-5));
  }
}

TEST_F(Gpu, RmsNorm) {
  for (const auto& [rows, columns] : kSizes)
    for (int weight_kind = 0; weight_kind < 3; ++weight_kind)
      for (bool add : {false, true}) {
        SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + " weight " + std::to_string(weight_kind) +
                     (add ? " add" : ""));
        const auto x = random_bf16({rows, columns}), residual = add ? random_bf16({rows, columns}) : Tensor();
        const auto weight = weight_kind == 0   ? Tensor()
                            : weight_kind == 1 ? random_bf16({columns})
                                               : torch::randn({columns});
        const auto grad_y = random_bf16({rows, columns}), grad_sum = add ? random_bf16({rows, columns}) : Tensor();
        const auto expected = norm_reference(x, residual, weight, 1e-6, grad_y, grad_sum);
        const auto gx = on_gpu(x), gr = on_gpu(residual), gw = on_gpu(weight);
        Tensor sum, y;
        if (add) {
          std::tie(sum, y) = add_rms_norm(gx, gr, gw);
          torch::autograd::backward({sum, y}, {on_gpu(grad_sum, false), on_gpu(grad_y, false)});
          EXPECT_TRUE(sum.cpu().equal(expected.sum));
          EXPECT_TRUE(close(gr.grad(), expected.grad_x, kBf16Relative, 1e-5));
        } else {
          y = rms_norm(gx, gw);
          y.backward(on_gpu(grad_y, false));
        }
        EXPECT_NE(y.grad_fn()->name().find("RmsNorm"), std::string::npos) << y.grad_fn()->name();
        EXPECT_TRUE(close(y, expected.y, kBf16Relative, 1e-5));
        EXPECT_TRUE(close(gx.grad(), expected.grad_x, kBf16Relative, 1e-5));
        if (weight.defined()) {
          EXPECT_EQ(gw.grad().scalar_type(), weight.scalar_type());
          EXPECT_TRUE(close(gw.grad(), expected.grad_weight, weight_kind == 1 ? kBf16Relative : 1e-4, 5e-4));
        }
      }
}

TEST_F(Gpu, AddRmsNormWithOneOutputUsed) {
  const auto x = random_bf16({5, 384}), residual = random_bf16({5, 384}), grad = random_bf16({5, 384});
  auto a = on_gpu(x), b = on_gpu(residual);
  add_rms_norm(a, b).first.backward(on_gpu(grad, false));
  EXPECT_TRUE(a.grad().cpu().equal(grad) && b.grad().cpu().equal(grad));
  a = on_gpu(x), b = on_gpu(residual);
  add_rms_norm(a, b).second.backward(on_gpu(grad, false));
  const auto expected = norm_reference(x, residual, {}, 1e-6, grad, {});
  EXPECT_TRUE(close(a.grad(), expected.grad_x, kBf16Relative, 1e-5));
  EXPECT_TRUE(close(b.grad(), expected.grad_x, kBf16Relative, 1e-5));
}

TEST_F(Gpu, QkNormRope) {
  auto cases = qk_cases();
  cases.push_back({3, 257, 6, 6, 64, true, true, true});
  cases.push_back({2, 130, 10, 2, 128, true, true, true});
  for (const auto& c : cases)
    for (bool transposed : {false, true}) {
      SCOPED_TRACE(describe(c) + (transposed ? " transposed" : ""));
      const auto qkv = random_bf16({c.batch, c.tokens, (c.q_heads + 2 * c.kv_heads) * c.head_dim}, 1.5);
      const auto gain = c.gain ? torch::rand({c.q_heads}) + 0.5 : Tensor();
      Tensor cos, sin;
      if (c.rope) std::tie(cos, sin) = rope_tables(c.tokens, c.head_dim / 2);
      const auto grad = [&](int64_t heads) {
        return transposed ? random_bf16({c.batch, c.tokens, heads, c.head_dim}).transpose(1, 2)
                          : random_bf16({c.batch, heads, c.tokens, c.head_dim});
      };
      const Qkv grads = {grad(c.q_heads), grad(c.kv_heads), grad(c.kv_heads)};
      const auto expected = qk_reference(qkv, options_of(c), gain, cos, sin, grads);
      const auto x = on_gpu(qkv), g = on_gpu(gain);
      const auto out = qk_norm_rope(x, options_of(c), g, on_gpu(cos, false), on_gpu(sin, false));
      EXPECT_NE(out.q.grad_fn()->name().find("QkNormRope"), std::string::npos) << out.q.grad_fn()->name();
      EXPECT_TRUE(out.q.is_contiguous() && out.k.is_contiguous() && out.v.is_contiguous());
      torch::autograd::backward({out.q, out.k, out.v},
                                {on_gpu(grads.q, false), on_gpu(grads.k, false), on_gpu(grads.v, false)});
      EXPECT_TRUE(close(out.q, expected.out.q, kBf16Relative, 1e-5));
      EXPECT_TRUE(close(out.k, expected.out.k, kBf16Relative, 1e-5));
      EXPECT_TRUE(close(out.v, expected.out.v, 0, 0));
      EXPECT_TRUE(close(x.grad(), expected.grad_qkv, kBf16Relative, 1e-5));
      if (c.gain) {
        EXPECT_TRUE(close(g.grad(), expected.grad_gain, 1e-4, 1e-3));
      }
    }
}

TEST_F(Gpu, QkNormRopeWithUnusedOutputs) {
  const QkCase c = {2, 5, 2, 1, 64, true, false, false};
  const auto qkv = random_bf16({2, 5, 4 * 64});
  const auto grad = random_bf16({2, 1, 5, 64});
  const auto zeros = torch::zeros({2, 2, 5, 64}), other = torch::zeros({2, 1, 5, 64});
  const auto expected = qk_reference(qkv, options_of(c), {}, {}, {}, {zeros, grad, other});
  const auto x = on_gpu(qkv);
  qk_norm_rope(x, options_of(c)).k.backward(on_gpu(grad, false));
  EXPECT_TRUE(close(x.grad(), expected.grad_qkv, kBf16Relative, 1e-5));
  const auto y = on_gpu(qkv);
  qk_norm_rope(y, options_of(c)).v.sum().backward();  // an expanded gradient
  EXPECT_TRUE(close(y.grad().slice(2, 192), torch::ones({2, 5, 64}), 0, 0));
  EXPECT_TRUE(close(y.grad().slice(2, 0, 192), torch::zeros({2, 5, 192}), 0, 0));
}

TEST_F(Gpu, CrossEntropy) {
  for (const auto& [rows, classes] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {5, 7}, {33, 100}, {129, 1000}, {70, 4097}, {513, 8192}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(classes));
    const auto logits = random_bf16({rows, classes}, 4);
    auto targets = awkward_targets(rows, classes);
    targets[0] = logits[0].to(torch::kFloat32).argmax().item<int64_t>();
    const auto grad = torch::randn({rows});
    const auto leaf = fp32_leaf(logits);
    const auto expected = twin::cross_entropy(leaf, targets);
    expected.loss.backward(grad);
    const auto x = on_gpu(logits);
    const auto got = cross_entropy(x, on_gpu(targets));
    EXPECT_EQ(got.loss.scalar_type(), torch::kFloat32);
    EXPECT_FALSE(got.correct.requires_grad());
    got.loss.backward(on_gpu(grad, false));
    EXPECT_EQ(x.grad().scalar_type(), torch::kBFloat16);
    EXPECT_TRUE(close(got.loss, expected.loss, kFp32Relative, 2e-5));
    EXPECT_TRUE(got.correct.cpu().equal(expected.correct));
    EXPECT_TRUE(close(x.grad(), leaf.grad(), kBf16Relative, 2e-6));
    const auto z = on_gpu(logits.slice(0, 0, 1));
    cross_entropy(z, on_gpu(targets.slice(0, 0, 1))).loss.mean().backward();  // a gradient of one element, maybe expanded
    EXPECT_TRUE(close(z.grad(), leaf.grad().slice(0, 0, 1) / grad[0], 2 * kBf16Relative, 1e-5));
  }
}

TEST_F(Gpu, OddStridesAndOffsetsAreMadeDense) {
  const auto big = random_bf16({64, 800});
  const auto view = big.slice(1, 3, 3 + 512);  // neither contiguous nor aligned
  EXPECT_TRUE(close(swiglu(on_gpu(big, false).slice(1, 3, 515)), twin::swiglu(view.to(torch::kFloat32)), kBf16Relative, 1e-5));
  const auto flat = on_gpu(big.reshape(-1), false).slice(0, 1, 1 + 512).view({1, 512});  // contiguous, 2 bytes off
  EXPECT_TRUE(close(rms_norm(flat), twin::rms_norm(flat.cpu().to(torch::kFloat32)), kBf16Relative, 1e-5));
}

TEST_F(Gpu, SameBitsEveryTime) {
  const auto x = on_gpu(random_bf16({777, 1280})), w = on_gpu(torch::randn({1280})), grad = on_gpu(random_bf16({777, 1280}), false);
  rms_norm(x, w).backward(grad);
  const auto first = w.grad().clone();
  w.mutable_grad() = Tensor();
  rms_norm(x, w).backward(grad);
  EXPECT_TRUE(first.equal(w.grad()));
}

TEST_F(Gpu, OtherTypesRunTheTwin) {
  const auto x = torch::randn({5, 64});
  EXPECT_TRUE(close(rms_norm(on_gpu(x)), twin::rms_norm(x), kFp32Relative, 1e-6));
  EXPECT_TRUE(close(swiglu(on_gpu(x)), twin::swiglu(x), kFp32Relative, 1e-6));
  const auto half = x.to(torch::kFloat16);
  EXPECT_EQ(rms_norm(on_gpu(half)).scalar_type(), torch::kFloat16);
}

TEST_F(Gpu, UnsupportedHeadSizeIsNamed) {
  QkNormRopeOptions options;
  options.head_dim = 32;
  EXPECT_THAT(error_of([&] { qk_norm_rope(on_gpu(random_bf16({1, 2, 96})), options); }), HasSubstr("head_dim must be 64 or 128"));
}

}  // namespace
}  // namespace fovea::cuda

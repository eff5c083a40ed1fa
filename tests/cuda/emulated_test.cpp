// The kernels' own sources, run on the CPU (emulate_cuda.h) against their twins. Inputs lie between NaNs, so a read outside
// of them shows in the result; outputs lie between marks, so a write outside of them shows too.
#include "core/cuda/src/kernels.h"
#include "support.h"

namespace fovea::cuda {
namespace {

using namespace test;
namespace k = kernels;

/// A tensor inside a larger one whose other elements are `padding`.
class Fenced {
 public:
  explicit Fenced(const Tensor& values, int64_t misalign = 0) : padding_(values.is_floating_point() ? NAN : 99) {
    make(values.sizes(), values.options(), misalign);
    inner_.copy_(values);
  }
  Fenced(at::IntArrayRef shape, torch::ScalarType dtype, int64_t misalign = 0)
      : padding_(torch::isFloatingType(dtype) ? 12345 : 0) {
    make(shape, torch::dtype(dtype), misalign);
    inner_.fill_(torch::isFloatingType(dtype) ? NAN : 0);
  }
  void* data() { return inner_.data_ptr(); }
  template <class T> T* as() { return inner_.data_ptr<T>(); }
  const Tensor& tensor() const { return inner_; }
  ::testing::AssertionResult fence_holds() const {
    const auto marks = torch::cat({whole_.slice(0, 0, start_), whole_.slice(0, start_ + inner_.numel())});
    if (torch::allclose(marks.to(torch::kFloat64), torch::full({marks.numel()}, padding_, torch::kFloat64), 0.01, 0, true))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "written outside";
  }

 private:
  void make(at::IntArrayRef shape, const torch::TensorOptions& options, int64_t misalign) {
    int64_t count = 1;
    for (int64_t size : shape) count *= size;
    start_ = 256 + misalign;
    whole_ = torch::full({count + 512}, padding_, options);
    inner_ = whole_.slice(0, start_, start_ + count).view(shape);
  }
  double padding_;
  int64_t start_ = 0;
  Tensor whole_, inner_;
};

class Emulated : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(3); }
};

TEST_F(Emulated, Swiglu) {
  for (const auto& [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{{1, 8}, {7, 24}, {3, 5}, {9, 384}, {2, 2304}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    for (int64_t misalign : {0, 1}) {
      const auto both = random_bf16({rows, 2 * columns}, 2), grad = random_bf16({rows, columns});
      const auto leaf = fp32_leaf(both);
      const auto expected = twin::swiglu(leaf);
      expected.backward(grad.to(torch::kFloat32));
      Fenced in(both, misalign), out({rows, columns}, torch::kBFloat16), dy(grad), din({rows, 2 * columns}, torch::kBFloat16);
      char* up = static_cast<char*>(in.data()) + 2 * columns;
      char* dup = static_cast<char*>(din.data()) + 2 * columns;
      ASSERT_EQ(k::swiglu_forward(in.data(), up, 2 * columns, out.data(), rows, columns, nullptr), cudaSuccess);
      ASSERT_EQ(k::swiglu_backward(dy.data(), in.data(), up, 2 * columns, din.data(), dup, rows, columns, nullptr), cudaSuccess);
      EXPECT_TRUE(close(out.tensor(), expected, kBf16Relative, 1e-6));
      EXPECT_TRUE(close(din.tensor(), leaf.grad(), kBf16Relative, 1e-6));
      EXPECT_TRUE(out.fence_holds() && din.fence_holds());

      Fenced gate(both.narrow(1, 0, columns)), top(both.narrow(1, columns, columns));
      Fenced out2({rows, columns}, torch::kBFloat16), dgate({rows, columns}, torch::kBFloat16), dtop({rows, columns}, torch::kBFloat16);
      k::swiglu_forward(gate.data(), top.data(), columns, out2.data(), rows, columns, nullptr);
      k::swiglu_backward(dy.data(), gate.data(), top.data(), columns, dgate.data(), dtop.data(), rows, columns, nullptr);
      EXPECT_TRUE(out2.tensor().equal(out.tensor()));
      EXPECT_TRUE(torch::cat({dgate.tensor(), dtop.tensor()}, 1).equal(din.tensor()));
      EXPECT_TRUE(out2.fence_holds() && dgate.fence_holds() && dtop.fence_holds());
    }
  }
}

TEST_F(Emulated, Norms) {
  for (const auto& [rows, columns] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 8}, {5, 264}, {6, 7}, {9, 384}, {37, 129}, {3, 1280}, {2, 2048}}) {
    for (int mode = 0; mode < 6; ++mode) {  // residual or not; weight none, bf16, fp32
      const bool add = mode >= 3;
      SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns) + " mode " + std::to_string(mode));
      const auto x = random_bf16({rows, columns}), residual = add ? random_bf16({rows, columns}) : Tensor();
      Tensor weight;
      k::NormWeight w;
      if (mode % 3 == 1) weight = random_bf16({columns});
      if (mode % 3 == 2) weight = torch::randn({columns});
      const auto grad_y = random_bf16({rows, columns}), grad_sum = add ? random_bf16({rows, columns}) : Tensor();
      const auto expected = norm_reference(x, residual, weight, 1e-6, grad_y, grad_sum);

      const auto bf16 = torch::kBFloat16;
      Fenced in(x), r(add ? residual : x), sum({rows, columns}, bf16), y({rows, columns}, bf16), rstd({rows}, torch::kFloat32);
      Fenced fenced_weight(weight.defined() ? weight : torch::ones({1}));
      if (weight.defined())
        w = {fenced_weight.data(), mode % 3 == 1 ? k::NormWeight::kBFloat16 : k::NormWeight::kFloat32};
      k::rms_norm_forward(in.data(), add ? r.data() : nullptr, w, add ? sum.data() : nullptr, y.data(), rstd.as<float>(), rows,
                          columns, 1e-6f, nullptr);
      if (add) {
        EXPECT_TRUE(sum.tensor().equal(expected.sum));
      }
      EXPECT_TRUE(close(y.tensor(), expected.y, kBf16Relative, 1e-6));

      Fenced dy(grad_y), dsum(add ? grad_sum : grad_y), dx({rows, columns}, bf16);
      void* normed = add ? sum.data() : in.data();
      k::rms_norm_backward(dy.data(), normed, rstd.as<float>(), w, add ? dsum.data() : nullptr, dx.data(), rows, columns, nullptr);
      EXPECT_TRUE(close(dx.tensor(), expected.grad_x, kBf16Relative, 2e-6));
      EXPECT_TRUE(y.fence_holds() && dx.fence_holds() && rstd.fence_holds() && sum.fence_holds());
      if (weight.defined()) {
        const int64_t parts = std::min<int64_t>(256, (rows + 31) / 32);
        Fenced partial({parts, columns}, torch::kFloat32);
        k::rms_norm_backward_weight(dy.data(), normed, rstd.as<float>(), partial.as<float>(), parts, rows, columns, nullptr);
        EXPECT_TRUE(close(partial.tensor().sum(0), expected.grad_weight, kFp32Relative, 2e-5));
        EXPECT_TRUE(partial.fence_holds());
      }
    }
  }
}

k::HeadGrad head_grad(const Tensor& x) { return {x.data_ptr(), x.stride(0), x.stride(1), x.stride(2)}; }

TEST_F(Emulated, QkNormRope) {
  for (const auto& c : qk_cases())
    for (bool transposed_grads : {false, true}) {
      SCOPED_TRACE(describe(c) + (transposed_grads ? " transposed" : ""));
      const int64_t width = (c.q_heads + 2 * c.kv_heads) * c.head_dim;
      const auto qkv = random_bf16({c.batch, c.tokens, width}, 1.5);
      const auto gain = c.gain ? torch::rand({c.q_heads}) + 0.5 : Tensor();
      Tensor cos, sin;
      if (c.rope) std::tie(cos, sin) = rope_tables(c.tokens, c.head_dim / 2);
      const auto grad = [&](int64_t heads) {
        return transposed_grads ? random_bf16({c.batch, c.tokens, heads, c.head_dim}).transpose(1, 2)
                                : random_bf16({c.batch, heads, c.tokens, c.head_dim});
      };
      const Qkv grads = {grad(c.q_heads), grad(c.kv_heads), grad(c.kv_heads)};
      const auto expected = qk_reference(qkv, options_of(c), gain, cos, sin, grads);

      Fenced in(qkv), fenced_gain(c.gain ? gain : torch::ones({1})), fenced_cos(c.rope ? cos : torch::ones({1})),
          fenced_sin(c.rope ? sin : torch::ones({1}));
      k::QkNormRope args;
      args.qkv = in.data();
      if (c.gain) args.gain = fenced_gain.as<float>();
      if (c.rope) args.cos = fenced_cos.as<float>(), args.sin = fenced_sin.as<float>();
      args.batch = int(c.batch), args.tokens = int(c.tokens), args.q_heads = int(c.q_heads), args.kv_heads = int(c.kv_heads);
      args.head_dim = int(c.head_dim), args.normalize = c.normalize, args.eps = 1e-6f;
      const auto bf16 = torch::kBFloat16;
      Fenced q(grads.q.sizes(), bf16), key(grads.k.sizes(), bf16), v(grads.k.sizes(), bf16);
      ASSERT_EQ(k::qk_norm_rope_forward(args, q.data(), key.data(), v.data(), nullptr), cudaSuccess);
      EXPECT_TRUE(close(q.tensor(), expected.out.q, kBf16Relative, 2e-6));
      EXPECT_TRUE(close(key.tensor(), expected.out.k, kBf16Relative, 2e-6));
      EXPECT_TRUE(close(v.tensor(), expected.out.v, 0, 0));
      EXPECT_TRUE(q.fence_holds() && key.fence_holds() && v.fence_holds());

      Fenced dqkv(qkv.sizes(), bf16), partial({c.batch * c.tokens, c.q_heads}, torch::kFloat32);
      ASSERT_EQ(k::qk_norm_rope_backward(args, head_grad(grads.q), head_grad(grads.k), head_grad(grads.v), dqkv.data(),
                                         partial.as<float>(), nullptr),
                cudaSuccess);
      EXPECT_TRUE(close(dqkv.tensor(), expected.grad_qkv, kBf16Relative, 2e-6));
      EXPECT_TRUE(dqkv.fence_holds() && partial.fence_holds());
      if (c.gain) {
        EXPECT_TRUE(close(partial.tensor().sum(0), expected.grad_gain, kFp32Relative, 2e-4));
      }
    }
  k::QkNormRope odd;
  odd.head_dim = 96;
  EXPECT_EQ(k::qk_norm_rope_forward(odd, nullptr, nullptr, nullptr, nullptr), cudaErrorInvalidValue);
}

TEST_F(Emulated, CrossEntropy) {
  for (const auto& [rows, classes] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {5, 7}, {4, 8}, {3, 100}, {9, 1000}, {6, 4097}, {4, 8192}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(classes));
    const auto logits = random_bf16({rows, classes}, 4);  // at this size equal largest logits are common
    auto targets = awkward_targets(rows, classes);
    targets[0] = logits[0].to(torch::kFloat32).argmax().item<int64_t>();
    const auto grad = torch::randn({rows});
    const auto leaf = fp32_leaf(logits);
    const auto expected = twin::cross_entropy(leaf, targets);
    expected.loss.backward(grad);
    Fenced in(logits), fenced_targets(targets), loss({rows}, torch::kFloat32), lse({rows}, torch::kFloat32),
        correct({rows}, torch::kBool), dloss(grad), dlogits({rows, classes}, torch::kBFloat16);
    k::cross_entropy_forward(in.data(), fenced_targets.as<int64_t>(), loss.as<float>(), correct.as<bool>(), lse.as<float>(),
                             rows, classes, nullptr);
    EXPECT_TRUE(close(loss.tensor(), expected.loss, kFp32Relative, 1e-5));
    EXPECT_TRUE(correct.tensor().equal(expected.correct));
    EXPECT_TRUE(close(lse.tensor(), torch::logsumexp(logits.to(torch::kFloat32), 1), kFp32Relative, 1e-5));
    k::cross_entropy_backward(in.data(), fenced_targets.as<int64_t>(), lse.as<float>(), dloss.as<float>(), dlogits.data(), rows,
                              classes, nullptr);
    EXPECT_TRUE(close(dlogits.tensor(), leaf.grad(), kBf16Relative, 1e-6));
    EXPECT_TRUE(loss.fence_holds() && lse.fence_holds() && correct.fence_holds() && dlogits.fence_holds());
  }
}

TEST_F(Emulated, CrossEntropyTiesAndExtremes) {
  auto logits = torch::zeros({4, 520}).to(torch::kBFloat16);  // row 0: all equal, the first wins
  logits[1][517] = 3;
  logits[1][44] = 3;
  logits[2].fill_(-1e38);
  logits[2][7] = 1e38;
  logits[3].fill_(-INFINITY);
  logits[3][300] = 1;
  const auto targets = torch::tensor({0, 44, 7, 300}, torch::kInt64);
  Fenced in(logits), t(targets), loss({4}, torch::kFloat32), lse({4}, torch::kFloat32), correct({4}, torch::kBool);
  k::cross_entropy_forward(in.data(), t.as<int64_t>(), loss.as<float>(), correct.as<bool>(), lse.as<float>(), 4, 520, nullptr);
  EXPECT_TRUE(correct.tensor().all().item<bool>());
  EXPECT_TRUE(close(loss.tensor(), twin::cross_entropy(logits.to(torch::kFloat32), targets).loss, kFp32Relative, 1e-6));
}

TEST_F(Emulated, NothingToDo) {
  EXPECT_EQ(k::swiglu_forward(nullptr, nullptr, 0, nullptr, 0, 8, nullptr), cudaSuccess);
  EXPECT_EQ(k::rms_norm_forward(nullptr, nullptr, {}, nullptr, nullptr, nullptr, 0, 8, 0, nullptr), cudaSuccess);
  EXPECT_EQ(k::cross_entropy_forward(nullptr, nullptr, nullptr, nullptr, nullptr, 0, 8, nullptr), cudaSuccess);
}

}  // namespace
}  // namespace fovea::cuda

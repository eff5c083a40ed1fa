// Every loop over rows against LibTorch's operations, in every form that this processor runs, widths that fill no vector included.
#include "fovea/nn/row_ops.h"

#include <gtest/gtest.h>

#include "fovea/cuda/ops.h"
#include "fovea/nn/modules.h"

namespace fovea {
namespace {

std::vector<nn::Simd> forms() {
  std::vector<nn::Simd> out;
  for (auto simd : {nn::Simd::kPlain, nn::Simd::kAvx2, nn::Simd::kAvx512})
    if (simd <= nn::best_simd()) out.push_back(simd);
  return out;
}

double gap(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(RowOps, RmsNorm) {
  torch::manual_seed(1);
  for (auto simd : forms())
    for (int64_t width : {1, 15, 16, 100, 512}) {
      const auto x = at::randn({width}), weight = at::randn({width});
      auto y = at::empty({width});
      nn::rms_norm_row(x.data_ptr<float>(), nullptr, y.data_ptr<float>(), width, 1e-6f, simd);
      EXPECT_LT(gap(y, cuda::rms_norm(x, {}, 1e-6)), 3e-6) << width;
      y.copy_(x);  // in place
      nn::rms_norm_row(y.data_ptr<float>(), weight.data_ptr<float>(), y.data_ptr<float>(), width, 1e-6f, simd);
      EXPECT_LT(gap(y, cuda::rms_norm(x, weight, 1e-6)), 1e-5) << width;
    }
}

TEST(RowOps, QkNormAndRotary) {
  torch::manual_seed(2);
  for (auto simd : forms())
    for (int64_t d : {16, 48, 64})
      for (bool normalize : {false, true}) {
        const int64_t heads = 5, position = 70;
        const auto rotary = nn::Rotary::line(position, 1, d, 10000.0, at::kCPU);
        const auto x = at::randn({1, 1, (heads + 2) * d}), gain = at::rand({heads}) + 0.5;
        const auto expected = cuda::qk_norm_rope(x, {heads, 1, d, normalize, 1e-6}, gain, rotary.cos, rotary.sin);
        auto q = x.view({-1, d}).narrow(0, 0, heads).clone(), k = x.view({-1, d}).narrow(0, heads, 1).clone();
        const float *cos = rotary.cos.data_ptr<float>(), *sin = rotary.sin.data_ptr<float>();
        nn::qk_norm_rope_row(q.data_ptr<float>(), heads, d, normalize, 1e-6f, gain.data_ptr<float>(), cos, sin, simd);
        nn::qk_norm_rope_row(k.data_ptr<float>(), 1, d, normalize, 1e-6f, nullptr, cos, sin, simd);
        EXPECT_LT(gap(q, expected.q.view({heads, d})), 1e-5);
        EXPECT_LT(gap(k, expected.k.view({1, d})), 1e-5);
      }
}

TEST(RowOps, SwigluOfLargeAndSmallGates) {
  torch::manual_seed(3);
  for (auto simd : forms())
    for (int64_t width : {1, 16, 37, 1280}) {
      auto gate = at::randn({width}) * 8, up = at::randn({width});
      gate[0] = -200;
      if (width > 1) gate[1] = 200;
      auto y = gate.clone();
      nn::swiglu_row(y.data_ptr<float>(), up.data_ptr<float>(), y.data_ptr<float>(), width, simd);
      EXPECT_TRUE(at::allclose(y, at::silu(gate) * up, 1e-5, 1e-6)) << width;
    }
}

TEST(RowOps, AttentionOverACache) {
  torch::manual_seed(4);
  for (auto simd : forms())
    for (const auto& [heads, d] : {std::pair<int64_t, int64_t>{4, 64}, {1, 16}, {3, 48}, {5, 32}, {8, 128}})
      for (int64_t n : {1, 15, 16, 17, 63, 64, 65, 300}) {
        const auto q = at::randn({heads, d}) * 3, k = at::randn({n, d}), v = at::randn({n, d});
        auto keys = at::full({nn::key_floats(n, d)}, std::numeric_limits<float>::quiet_NaN()), out = at::empty({heads, d});
        for (int64_t t = 0; t < n; ++t) nn::put_key(keys.data_ptr<float>(), t, k[t].data_ptr<float>(), d);
        std::vector<float> scores(size_t(heads * nn::key_floats(n, 1)));
        nn::attend_row(q.data_ptr<float>(), keys.data_ptr<float>(), v.data_ptr<float>(), out.data_ptr<float>(), scores.data(), heads, n, d, simd);
        const auto expected = at::softmax(q.to(at::kDouble).matmul(k.to(at::kDouble).t()) / std::sqrt(double(d)), -1).matmul(v.to(at::kDouble));
        EXPECT_LT(gap(out.to(at::kDouble), expected), 1e-5) << heads << " heads of " << d << ", " << n << " positions";
      }
}

TEST(RowOps, SoftmaxAndTheMostLikely) {
  torch::manual_seed(5);
  for (auto simd : forms())
    for (int64_t vocab : {1, 16, 33, 4096}) {
      const auto logits = at::randn({vocab}) * 10;
      auto out = at::empty({vocab});
      nn::softmax_row(logits.data_ptr<float>(), out.data_ptr<float>(), vocab, 0.7f, simd);
      EXPECT_LT(gap(out, at::softmax(logits / 0.7, -1)), 3e-6);
      const auto choice = nn::most_likely(logits.data_ptr<float>(), vocab, simd);
      EXPECT_EQ(choice.id, logits.argmax().item<int64_t>());
      EXPECT_NEAR(choice.probability, at::softmax(logits, -1).max().item<float>(), 3e-6);
    }
  const std::vector<float> ties = {1, 3, 3, 2};
  EXPECT_EQ(nn::most_likely(ties.data(), 4).id, 1);
}

}  // namespace
}  // namespace fovea

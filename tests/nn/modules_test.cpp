#include "fovea/nn/modules.h"

#include <gtest/gtest.h>

#include "fovea/nn/initialise.h"

namespace fovea {
namespace {

at::Tensor random_int8_weight(int64_t out, int64_t in) {
  auto q = at::randint(-127, 128, {out, in}).to(at::kFloat);
  q.select(1, 0).fill_(127);
  return q * (at::rand({out, 1}) + 0.01);
}

// As weights in four (six) bits are stored: -8 to 7 (-32 to 31) with a float16 scale for each group of columns, of either sign; some groups reach 7 (31) and no further.
at::Tensor random_packed_weight(int64_t bits, int64_t out, int64_t in, int64_t group) {
  const int64_t most = (1 << (bits - 1)) - 1;
  auto q = at::randint(-most, most + 1, {out, in / group, group}).to(at::kFloat);
  q.select(2, 1).fill_(-most - 1);
  q.select(0, out / 2).clamp_(-most, most).select(1, 0).fill_(most);
  const auto scale = ((at::rand({out, in / group, 1}) + 0.05) * at::sign(at::randn({out, in / group, 1}))).to(at::kHalf).to(at::kFloat);
  return (q * scale).view({out, in});
}

TEST(Int8Linear, FourAndSixBitsInGroupsOfColumnsArePackedToo) {
  torch::manual_seed(6);
  for (auto simd : {nn::Simd::kPlain, nn::Simd::kAvx2, nn::Simd::kAvx512}) {
    if (simd > nn::best_simd()) continue;
    for (const auto& [bits, out, in, group] : {std::tuple<int64_t, int64_t, int64_t, int64_t>{4, 65, 96, 32}, {4, 128, 1280, 256}, {4, 40, 512, 128}, {4, 33, 80, 80}, {6, 65, 96, 32}, {6, 128, 1280, 256}}) {
      const auto weight = random_packed_weight(bits, out, in, group);
      const auto packed = nn::Int8Weight::from_exact(weight);
      ASSERT_TRUE(packed) << group;
      const auto x = at::randn({33, in}), before = at::randn({33, out});
      const auto expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
      const double close = 1e-5 * expected.abs().max().item<double>();
      auto all = at::empty({33, out}), sum = before.clone();
      packed->multiply(x.data_ptr<float>(), 33, all.data_ptr<float>(), false, simd);
      packed->multiply(x.data_ptr<float>(), 33, sum.data_ptr<float>(), /*add=*/true, simd);
      EXPECT_LT((all - expected).abs().max().item<double>(), close) << group;
      EXPECT_LT((sum - before - expected).abs().max().item<double>(), close) << group;
      for (int64_t rows : {1, 3, 5, 9}) {
        auto some = at::empty({rows, out});
        packed->multiply(x.data_ptr<float>(), rows, some.data_ptr<float>(), false, simd);
        EXPECT_TRUE(at::equal(some, all.narrow(0, 0, rows))) << rows << " rows";
      }
    }
  }
}

TEST(Int8Linear, EqualsFloat32OnEveryNumberOfRows) {
  torch::manual_seed(1);
  torch::NoGradGuard no_grad;
  for (const auto& [out, in] : {std::pair<int64_t, int64_t>{65, 48}, {512, 1280}, {1, 16}, {4096, 512}}) {
    const auto weight = random_int8_weight(out, in);
    const auto packed = nn::Int8Weight::from_exact(weight);
    ASSERT_TRUE(packed);
    for (int64_t rows : {1, 2, 3, 4, 7, 8, 9, 16, 31, 32}) {
      const auto x = at::randn({rows, 1, in});
      const auto expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
      const auto gap = (packed->multiply(x).to(at::kDouble) - expected).abs().max().item<double>();
      EXPECT_LT(gap, 2e-6 * expected.abs().max().item<double>() + 1e-4 * expected.std(false).item<double>()) << out << " x " << in << ", " << rows << " rows";
    }
  }
}

TEST(Int8Linear, EveryFormOnPlainArrays) {
  torch::manual_seed(4);
  for (auto simd : {nn::Simd::kPlain, nn::Simd::kAvx2, nn::Simd::kAvx512}) {
    if (simd > nn::best_simd()) continue;
    for (const auto& [out, in] : {std::pair<int64_t, int64_t>{65, 48}, {16, 1280}, {1, 16}, {1000, 512}}) {
      const auto weight = random_int8_weight(out, in);
      const auto packed = nn::Int8Weight::from_exact(weight);
      const auto x = at::randn({33, in}), before = at::randn({33, out});
      const auto expected = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
      const double close = 1e-5 * expected.abs().max().item<double>();
      auto all = at::empty({33, out}), sum = before.clone();
      packed->multiply(x.data_ptr<float>(), 33, all.data_ptr<float>(), false, simd);
      packed->multiply(x.data_ptr<float>(), 33, sum.data_ptr<float>(), /*add=*/true, simd);
      EXPECT_LT((all - expected).abs().max().item<double>(), close);
      EXPECT_LT((sum - before - expected).abs().max().item<double>(), close);
      for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16}) {  // a row's result is the same to the last bit in any company
        auto some = at::empty({rows, out});
        packed->multiply(x.data_ptr<float>(), rows, some.data_ptr<float>(), false, simd);
        EXPECT_TRUE(at::equal(some, all.narrow(0, 0, rows))) << rows << " rows";
      }
    }
  }
}

TEST(Int8Linear, OnlyExactWeightsArePacked) {
  torch::manual_seed(2);
  EXPECT_FALSE(nn::Int8Weight::from_exact(at::randn({8, 32})));
  EXPECT_FALSE(nn::Int8Weight::from_exact(random_int8_weight(8, 40)));  // 40 is no multiple of 16
  EXPECT_TRUE(nn::Int8Weight::from_exact(at::zeros({8, 32})));
}

TEST(Attend, OneQueryOverACacheEqualsTheGeneralPath) {
  torch::manual_seed(3);
  const auto q = at::randn({2, 8, 1, 16}), k = at::randn({2, 2, 300, 16}), v = at::randn({2, 2, 300, 16});
  const auto expected = at::scaled_dot_product_attention(q, k.repeat_interleave(4, 1), v.repeat_interleave(4, 1));
  EXPECT_TRUE(at::allclose(nn::attend(q, k, v, true), expected, 1e-5, 1e-5));
  // A cache grows inside a larger buffer: views of it must do.
  const auto big_k = at::zeros({2, 2, 512, 16}), big_v = at::zeros({2, 2, 512, 16});
  big_k.narrow(2, 0, 300).copy_(k);
  big_v.narrow(2, 0, 300).copy_(v);
  EXPECT_TRUE(at::allclose(nn::attend(q, big_k.narrow(2, 0, 300), big_v.narrow(2, 0, 300), true), expected, 1e-5, 1e-5));
}

TEST(Conv, BiasOverChannelsAndItsGradient) {
  torch::manual_seed(4);
  for (const bool channels_last : {false, true}) {
    auto y = at::randn({3, 5, 4, 6}, at::kDouble), bias = at::randn({5}, at::kDouble);
    const auto weights = at::randn({3, 5, 4, 6}, at::kDouble);
    if (channels_last) y = y.contiguous(at::MemoryFormat::ChannelsLast);
    y.set_requires_grad(true), bias.set_requires_grad(true);
    const auto plain = y + bias.view({1, -1, 1, 1}), own = nn::add_channel_bias(y, bias);
    EXPECT_TRUE(own.equal(plain));
    const auto wanted = torch::autograd::grad({(plain * weights).sum()}, {y, bias}), found = torch::autograd::grad({(own * weights).sum()}, {y, bias});
    EXPECT_TRUE(found[0].equal(wanted[0]));
    EXPECT_TRUE(at::allclose(found[1], wanted[1], 1e-12, 1e-12));
  }
}

TEST(Norm, AfterASumIsSumAndNorm) {
  torch::manual_seed(5);
  for (const auto kind : {nn::NormKind::kLayer, nn::NormKind::kRms}) {
    nn::Norm norm(kind, 12, true, 1e-5, nn::Factory{});
    torch::NoGradGuard no_grad;
    for (auto& p : norm->parameters()) p.copy_(at::randn(p.sizes()));
    const auto x = at::randn({4, 12}), residual = at::randn({4, 12});
    const auto [sum, normed] = norm->forward_sum(x, residual);
    EXPECT_TRUE(sum.equal(x + residual));
    EXPECT_TRUE(normed.equal(norm(x + residual)));
  }
}

TEST(Rotary, HalfSplitAndInFloat32) {
  const auto line = nn::Rotary::line(5, 3, 8, 10000.0, at::kCPU);
  EXPECT_EQ(line.cos.sizes().vec(), (std::vector<int64_t>{3, 4}));
  EXPECT_NEAR(line.cos[0][0].item<float>(), std::cos(5.0), 1e-6);
  const auto x = at::randn({1, 1, 3, 8});
  const auto y = nn::rotate(x, line);
  EXPECT_NEAR(y[0][0][1][2].item<float>(), (x[0][0][1][2] * line.cos[1][2] - x[0][0][1][6] * line.sin[1][2]).item<float>(), 1e-6);
  EXPECT_TRUE(at::allclose(y.norm(), x.norm()));
}

}  // namespace
}  // namespace fovea

// Sequences one after the other give what each gives by itself, forwards and backwards; on a GPU what a CPU gives.
#include <gtest/gtest.h>

#include <cstdlib>

#include "fovea/nn/checkpoint.h"
#include "support.h"

namespace fovea {
namespace {

using test::random_decoder;

TEST(Packed, OffsetsAndPlacesFollowFromLengths) {
  const auto packed = nn::Packed::of_lengths({3, 1, 4});
  EXPECT_EQ(packed.offsets, (std::vector<int64_t>{0, 3, 4, 8}));
  EXPECT_EQ(packed.longest, 4);
  EXPECT_TRUE(packed.starts.equal(at::tensor({0, 3, 4, 8}, at::kInt)));
  EXPECT_TRUE(packed.places.equal(at::tensor({0, 1, 2, 0, 0, 1, 2, 3}, at::kLong)));
}

TEST(Packed, PermutedRowsAndTheirGradients) {
  at::manual_seed(4);
  const auto order = at::randperm(9), inverse = order.argsort();
  const auto x = at::randn({9, 3}, at::kDouble).set_requires_grad(true), weights = at::randn({9, 3}, at::kDouble);
  const auto y = nn::permute_rows(x, order, inverse);
  EXPECT_TRUE(y.equal(x.index_select(0, order)));
  const auto found = torch::autograd::grad({(y * weights).sum()}, {x})[0];
  EXPECT_TRUE(found.equal(torch::autograd::grad({(x.index_select(0, order) * weights).sum()}, {x})[0]));
}

TEST(Packed, TheDecoderReadsEachSequenceByItself) {
  at::set_num_threads(1);
  auto model = random_decoder({4, 2, 8, true, true}, 5);
  for (auto& p : model->parameters()) p.set_requires_grad(true);
  const auto packed = nn::Packed::of_lengths({5, 17, 1, 9});
  at::manual_seed(6);
  const auto x = at::randn({1, 32, 48}).set_requires_grad(true), weights = at::randn({1, 32, 48});
  decoder::Taps taps;
  taps.qk_layer = taps.hidden_layer = 1;
  const auto together = model->forward(x, packed, &taps);
  std::vector<at::Tensor> parts, queries;
  for (size_t b = 0; b < 4; ++b) {
    decoder::Taps own;
    own.qk_layer = 1;
    parts.push_back(model->forward(x.slice(1, packed.offsets[b], packed.offsets[b + 1]), nullptr, &own));
    queries.push_back(own.q);
  }
  const auto apart = at::cat(parts, 1);
  EXPECT_TRUE(at::allclose(together, apart, 1e-4, 1e-5)) << (together - apart).abs().max();
  EXPECT_TRUE(at::allclose(taps.q, at::cat(queries, 2), 1e-4, 1e-5));
  EXPECT_EQ(taps.hidden.sizes(), x.sizes());
  std::vector<at::Tensor> inputs = {x};
  for (const auto& p : model->parameters()) inputs.push_back(p);
  const auto wanted = torch::autograd::grad({(apart * weights).sum()}, inputs, {}, true, false, /*allow_unused=*/true);
  {
    // Layers that are gone through again backwards outlive the caller's own Packed.
    const nn::CheckpointGuard again(true);
    auto gone = std::make_unique<nn::Packed>(packed);
    const auto y = model->forward(x, *gone);
    gone.reset();
    (y * weights).sum().backward();
  }
  std::vector<at::Tensor> recomputed;
  for (auto& p : inputs) recomputed.push_back(p.grad());
  const auto found = torch::autograd::grad({(together * weights).sum()}, inputs, {}, false, false, true);
  for (size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_EQ(found[i].defined(), wanted[i].defined()) << i;
    if (!wanted[i].defined()) continue;
    EXPECT_TRUE(at::allclose(found[i], wanted[i], 1e-3, 1e-5)) << i;
    EXPECT_TRUE(at::allclose(recomputed[i], wanted[i], 1e-3, 1e-5)) << i;
  }
}

TEST(PackedOnGpu, FlashAttentionOverAllSequencesEqualsEachByItself) {
  if (!torch::cuda::is_available()) {
    const char* required = std::getenv("FOVEA_REQUIRE_GPU");
    if (required && std::string(required) == "1") FAIL() << "FOVEA_REQUIRE_GPU=1, but there is no GPU";
    GTEST_SKIP() << "no GPU";
  }
  at::manual_seed(7);
  auto packed = nn::Packed::of_lengths({1, 200, 64, 333, 5});
  const int64_t rows = packed.offsets.back();
  std::vector<at::Tensor> on_cpu = {at::randn({1, 8, rows, 64}), at::randn({1, 2, rows, 64}), at::randn({1, 2, rows, 64})}, on_gpu;
  for (auto& x : on_cpu) {
    x = x.to(at::kBFloat16).to(at::kFloat).set_requires_grad(true);
    on_gpu.push_back(x.detach().to(at::kCUDA, at::kBFloat16).set_requires_grad(true));
  }
  const auto weights = at::randn({1, rows, 8, 64}).to(at::kBFloat16).to(at::kFloat);
  const auto expected = nn::attend_packed(on_cpu[0], on_cpu[1], on_cpu[2], packed);
  (expected * weights).sum().backward();
  packed.starts = packed.starts.to(at::kCUDA);
  const auto found = nn::attend_packed(on_gpu[0], on_gpu[1], on_gpu[2], packed);
  (found * weights.to(at::kCUDA, at::kBFloat16)).sum().backward();
  const auto distance = [](const at::Tensor& got, const at::Tensor& want) { return ((got.to(at::kCPU, at::kFloat) - want).norm() / want.norm()).item<double>(); };
  EXPECT_LT(distance(found, expected), 1e-2);
  for (size_t i = 0; i < 3; ++i) EXPECT_LT(distance(on_gpu[i].grad(), on_cpu[i].grad()), 1e-2) << i;
}

}  // namespace
}  // namespace fovea

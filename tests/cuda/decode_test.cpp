// The decoding operations: on a CPU they are their twins; on a GPU their kernels against the twins.
#include "decode_cases.h"

#include <cstdlib>

#include "fovea/base/error.h"

namespace fovea::cuda {
namespace {

using namespace test;

TEST(DecodeOps, OnACpuTheyAreTheTwins) {
  torch::manual_seed(1);
  const auto in = expert_inputs({5, 16, 4, 2, 8, true});
  EXPECT_TRUE(expert_mlps(in.x, in.gate_up, in.down, in.routes, in.shared).equal(twin::expert_mlps(in.x, in.gate_up, in.down, in.routes, in.shared)));
  EXPECT_TRUE(route(in.x, in.gate, 2).ids.equal(in.routes.ids));
  const auto step = step_inputs(step_cases()[1]);
  EXPECT_TRUE(paged_attention(step.q, step.new_keys, step.new_values, step.positions, step.table).allclose(twin::paged_attention(step.q, step.new_keys, step.new_values, step.positions, step.table)));
  EXPECT_THROW(route(in.x, in.gate, 5), ShapeError);
  EXPECT_THROW(paged_attention(step.q, step.new_keys, step.new_values, step.positions.to(torch::kInt64), step.table), ShapeError);
  EXPECT_THROW(expert_mlps(in.x, in.gate_up, in.down.slice(0, 1), in.routes), ShapeError);
  EXPECT_EQ(free_device_bytes(torch::kCPU), -1);
}

TEST(DecodeOps, TwinsAreTheirFormulas) {
  torch::manual_seed(2);
  const auto in = expert_inputs({6, 12, 5, 3, 8, false});
  const auto scores = torch::softmax(torch::matmul(in.x.to(torch::kFloat32), in.gate.to(torch::kFloat32).t()), -1);
  for (int64_t r = 0; r < 6; ++r) {
    auto sum = torch::zeros({12});
    for (int64_t slot = 0; slot < 3; ++slot) {
      const int64_t e = in.routes.ids[r][slot].item<int>();
      EXPECT_FLOAT_EQ(in.routes.weights[r][slot].item<float>(), scores[r][e].item<float>());
      if (slot > 0) {
        EXPECT_LE(in.routes.weights[r][slot].item<float>(), in.routes.weights[r][slot - 1].item<float>());
      }
      const auto both = torch::mv(in.gate_up[e].to(torch::kFloat32), in.x[r].to(torch::kFloat32)).chunk(2);
      sum += scores[r][e] * torch::mv(in.down[e].to(torch::kFloat32), torch::silu(both[0]) * both[1]);
    }
    EXPECT_TRUE(in.expected[r].allclose(sum, 1e-4, 1e-5));
  }
  const auto picked = twin::pick(logits_case(3, 50));
  EXPECT_EQ(picked.ids[0].item<int64_t>(), 25);
  EXPECT_NEAR(picked.probabilities[0].item<float>(), 0.5, 1e-6);
  EXPECT_NEAR(picked.entropies[0].item<float>(), std::log(2.0), 1e-5);
}

class DecodeKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (torch::cuda::is_available() && has_kernels()) {
      torch::manual_seed(3);
      return;
    }
    const char* required = std::getenv("FOVEA_REQUIRE_GPU");
    if (required && std::string(required) == "1") FAIL() << "FOVEA_REQUIRE_GPU=1, but there is no GPU or the build has no kernels";
    GTEST_SKIP() << "no GPU, or a build without CUDA";
  }
  static Tensor gpu(const Tensor& x) { return x.defined() ? x.to(torch::kCUDA) : x; }
};

TEST_F(DecodeKernels, RopeAppendAndAttention) {
  for (const auto& c : step_cases()) {
    SCOPED_TRACE(c10::str(c.q_heads, " heads of ", c.head_dim));
    const auto in = step_inputs(c);
    auto keys = gpu(in.keys), values = gpu(in.values);
    const auto q = rope_append(gpu(in.qkv), in.options, gpu(in.gain), gpu(in.cos), gpu(in.sin), gpu(in.positions), gpu(in.table), keys, values);
    EXPECT_TRUE(close(rows_of(q, in.live), rows_of(in.q, in.live), kBf16Relative, 1e-3));
    EXPECT_TRUE(close(keys, in.new_keys, kBf16Relative, 1e-3));
    EXPECT_TRUE(close(values, in.new_values, kBf16Relative, 1e-3));
    const auto attended = paged_attention(q, keys, values, gpu(in.positions), gpu(in.table));
    EXPECT_TRUE(close(rows_of(attended, in.live), rows_of(in.attended, in.live), 2 * kBf16Relative, 4e-3));
    EXPECT_TRUE(attended.equal(paged_attention(q, keys, values, gpu(in.positions), gpu(in.table))));
  }
}

TEST_F(DecodeKernels, RouteAndExperts) {
  for (int64_t rows : {1, 3, 8, 9, 64, 256, 700}) {
    for (const auto& c : {ExpertCase{rows, 1280, 64, 6, 896, true}, ExpertCase{rows, 64, 4, 2, 32, false}}) {
      SCOPED_TRACE(c10::str(c.rows, " rows of ", c.width));
      const auto in = expert_inputs(c);
      const auto routes = route(gpu(in.x), gpu(in.gate), c.top);
      EXPECT_TRUE(close(routes.weights, in.routes.weights, 1e-4, 1e-6));
      const double other = (routes.ids.cpu() != in.routes.ids).to(torch::kFloat64).mean().item<double>();
      EXPECT_LT(other, 0.01);  // near-ties
      const auto out = expert_mlps(gpu(in.x), gpu(in.gate_up), gpu(in.down), {gpu(in.routes.ids), gpu(in.routes.weights)}, gpu(in.shared));
      EXPECT_TRUE(close(out, in.expected, 4 * kBf16Relative, 0.02));
    }
  }
}

TEST_F(DecodeKernels, Pick) {
  for (const auto& [rows, classes] : std::vector<std::pair<int64_t, int64_t>>{{1, 129280}, {7, 1000}, {256, 4099}, {2, 3}}) {
    const auto logits = logits_case(rows, classes);
    for (auto dtype : {torch::kBFloat16, torch::kFloat32}) {
      const auto expected = twin::pick(logits.to(dtype));
      const auto found = pick(gpu(logits.to(dtype)));
      EXPECT_EQ(found.ids[0].item<int64_t>(), classes / 2);
      EXPECT_TRUE(close(logits.to(torch::kFloat32).gather(1, found.ids.cpu().unsqueeze(1)), logits.to(torch::kFloat32).gather(1, expected.ids.unsqueeze(1)), 0, 0));
      EXPECT_TRUE(close(found.probabilities, expected.probabilities, 1e-3, 1e-6));
      EXPECT_TRUE(close(found.entropies, expected.entropies, 1e-3, 1e-4));
    }
  }
}

TEST_F(DecodeKernels, RecordedWorkIsPlayedAgain) {
  const auto in = expert_inputs({16, 64, 4, 2, 32, true});
  const auto gate = gpu(in.gate), gate_up = gpu(in.gate_up), down = gpu(in.down), shared = gpu(in.shared);
  auto x = torch::zeros_like(gpu(in.x));
  Tensor out, other;
  Graph graph([&] { out = expert_mlps(x, gate_up, down, route(x, gate, 2), shared); });
  Graph second([&] { other = x + 1; }, &graph);
  x.copy_(gpu(in.x));
  graph.play();
  EXPECT_TRUE(close(out, in.expected, 4 * kBf16Relative, 0.02));
  second.play();
  EXPECT_TRUE(other.equal(x + 1));
  x.zero_();
  graph.play();
  EXPECT_TRUE(close(out, in.shared, kBf16Relative, 1e-6));
}

}  // namespace
}  // namespace fovea::cuda

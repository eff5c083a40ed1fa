// The decoding kernels' own sources, run on the CPU (emulate_cuda.h) against their twins.
#include "core/cuda/src/decode_kernels.h"
#include "decode_cases.h"

namespace fovea::cuda {
namespace {

using namespace test;
namespace k = kernels;

class EmulatedDecode : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(3); }
};

TEST_F(EmulatedDecode, RopeAppendAndAttention) {
  for (const auto& c : step_cases()) {
    SCOPED_TRACE(c10::str(c.q_heads, " heads of ", c.head_dim));
    const auto in = step_inputs(c);
    const int rows = int(c.positions.size());
    auto keys = in.keys.clone(), values = in.values.clone();
    auto q = torch::full({rows, c.q_heads, c.head_dim}, NAN, torch::kBFloat16);
    ASSERT_EQ(k::rope_append({in.qkv.data_ptr(), c.gain ? in.gain.data_ptr<float>() : nullptr, in.cos.data_ptr<float>(), in.sin.data_ptr<float>(),
                              in.positions.data_ptr<int>(), in.table.data_ptr<int>(), int(in.table.stride(0)), rows, int(c.q_heads), int(c.kv_heads),
                              int(c.head_dim), int(c.block), c.normalize, 1e-6f},
                             q.data_ptr(), keys.data_ptr(), values.data_ptr(), nullptr),
              cudaSuccess);
    EXPECT_TRUE(close(rows_of(q, in.live), rows_of(in.q, in.live), kBf16Relative, 1e-3));
    EXPECT_TRUE(close(keys, in.new_keys, kBf16Relative, 1e-3));
    EXPECT_TRUE(close(values, in.new_values, kBf16Relative, 1e-3));
    for (int splits : {1, 3, 32}) {
      auto out = torch::full({rows, c.q_heads, c.head_dim}, NAN, torch::kBFloat16);
      auto partial = torch::full({rows * c.q_heads * splits * (c.head_dim + 2)}, NAN);
      ASSERT_EQ(k::paged_attention({q.data_ptr(), keys.data_ptr(), values.data_ptr(), in.positions.data_ptr<int>(), in.table.data_ptr<int>(), int(in.table.stride(0)),
                                    rows, int(c.q_heads), int(c.kv_heads), int(c.head_dim), int(c.block), splits},
                                   partial.data_ptr<float>(), out.data_ptr(), nullptr),
                cudaSuccess);
      EXPECT_TRUE(close(rows_of(out, in.live), rows_of(in.attended, in.live), 2 * kBf16Relative, 4e-3)) << splits;
      for (int r = 0; r < rows; ++r)
        if (c.positions[size_t(r)] < 0) {
          EXPECT_EQ(out[r].count_nonzero().item<int64_t>(), 0);
        }
    }
  }
}

TEST_F(EmulatedDecode, RouteAndExperts) {
  for (const auto& c : {ExpertCase{3, 64, 12, 4, 24, true}, ExpertCase{2, 320, 70, 6, 16, false}, ExpertCase{1, 8, 1, 1, 8, true}}) {
    SCOPED_TRACE(c10::str(c.rows, " rows of ", c.width));
    const auto in = expert_inputs(c);
    auto ids = torch::full({c.rows, c.top}, -1, torch::kInt32);
    auto weights = torch::full({c.rows, c.top}, NAN);
    ASSERT_EQ(k::route(in.x.data_ptr(), in.gate.data_ptr(), ids.data_ptr<int>(), weights.data_ptr<float>(), int(c.rows), int(c.width), int(c.experts), int(c.top), nullptr),
              cudaSuccess);
    EXPECT_TRUE(ids.equal(in.routes.ids));
    EXPECT_TRUE(close(weights, in.routes.weights, 1e-4, 1e-6));
    const k::ExpertProducts what{in.gate_up.data_ptr(), in.down.data_ptr(), ids.data_ptr<int>(), weights.data_ptr<float>(), c.shared ? in.shared.data_ptr() : nullptr,
                                 int(c.rows), int(c.top), int(c.width), int(c.inner)};
    auto hidden = torch::full({c.rows * c.top, c.inner}, NAN, torch::kBFloat16), out = torch::full({c.rows, c.width}, NAN, torch::kBFloat16);
    ASSERT_EQ(k::expert_hidden(what, in.x.data_ptr(), hidden.data_ptr(), nullptr), cudaSuccess);
    ASSERT_EQ(k::expert_output(what, hidden.data_ptr(), out.data_ptr(), nullptr), cudaSuccess);
    EXPECT_TRUE(close(out, in.expected, 4 * kBf16Relative, 0.02));
    // The grouped way: products in some order, each with its place.
    const auto place = torch::randperm(c.rows * c.top);
    auto products = torch::empty({c.rows * c.top, c.width}, torch::kBFloat16), combined = torch::full({c.rows, c.width}, NAN, torch::kBFloat16);
    for (int64_t p = 0; p < c.rows * c.top; ++p)
      products[place[p].item<int64_t>()] = torch::mv(in.down[ids.view(-1)[p].item<int>()].to(torch::kFloat32), hidden[p].to(torch::kFloat32)).to(torch::kBFloat16);
    ASSERT_EQ(k::expert_combine(what, products.data_ptr(), place.data_ptr<int64_t>(), combined.data_ptr(), nullptr), cudaSuccess);
    EXPECT_TRUE(close(combined, out, kBf16Relative, 1e-2));
  }
}

TEST_F(EmulatedDecode, TiesGoToTheLowestExpertAndNoNumberToSome) {
  auto x = torch::ones({2, 8}, torch::kBFloat16), gate = torch::zeros({40, 8}, torch::kBFloat16);
  x[1].fill_(NAN);
  auto ids = torch::full({2, 3}, -1, torch::kInt32);
  auto weights = torch::full({2, 3}, NAN);
  ASSERT_EQ(k::route(x.data_ptr(), gate.data_ptr(), ids.data_ptr<int>(), weights.data_ptr<float>(), 2, 8, 40, 3, nullptr), cudaSuccess);
  for (int slot = 0; slot < 3; ++slot) {
    EXPECT_EQ(ids[0][slot].item<int>(), slot);
    EXPECT_NEAR(weights[0][slot].item<float>(), 1.0 / 40, 1e-6);
    EXPECT_GE(ids[1][slot].item<int>(), 0);
    EXPECT_LT(ids[1][slot].item<int>(), 40);
  }
}

TEST_F(EmulatedDecode, Pick) {
  for (const auto& [rows, classes] : std::vector<std::pair<int64_t, int64_t>>{{2, 3}, {3, 1000}, {2, 512}}) {
    const auto logits = logits_case(rows, classes);
    const auto wide = logits.to(torch::kFloat32);
    const auto expected = twin::pick(wide);
    for (bool fp32 : {false, true}) {
      auto ids = torch::full({rows}, -1, torch::kInt64);
      auto probabilities = torch::full({rows}, NAN), entropies = torch::full({rows}, NAN);
      ASSERT_EQ(k::pick(fp32 ? wide.data_ptr() : logits.data_ptr(), fp32, ids.data_ptr<int64_t>(), probabilities.data_ptr<float>(), entropies.data_ptr<float>(), int(rows),
                        classes, nullptr),
                cudaSuccess);
      EXPECT_EQ(ids[0].item<int64_t>(), classes / 2);
      EXPECT_TRUE(close(wide.gather(1, ids.unsqueeze(1)), wide.gather(1, expected.ids.unsqueeze(1)), 0, 0));
      EXPECT_TRUE(close(probabilities, expected.probabilities, 1e-4, 1e-6));
      EXPECT_TRUE(close(entropies, expected.entropies, 1e-4, 1e-5));
    }
  }
}

}  // namespace
}  // namespace fovea::cuda

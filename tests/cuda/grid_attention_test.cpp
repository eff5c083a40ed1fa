// The forms of attention with a relative bias against the plain one, and what they hold in memory.
#include <cstdio>
#include <fstream>

#include "fovea/base/error.h"
#include "grid_attention_cases.h"

namespace fovea::cuda {
namespace {

using namespace test;

class GridAttention : public ::testing::Test {
 protected:
  void SetUp() override { torch::manual_seed(11); }
  torch::NoGradGuard no_grad;
};

TEST_F(GridAttention, FormsAreEqualInFloat32) {
  for (const GridCase& c : std::vector<GridCase>{{1, 8, 2, 0}, {2, 20, 1, 0}, {1, 40, 2, 0, 16}, {2, 16, 3, 14}, {1, 14, 2, 14}, {2, 9, 2, 4, 24, false}, {1, 3, 1, 14}, {1, 1, 1, 0}}) {
    SCOPED_TRACE(describe(c));
    const auto in = grid_inputs(c, torch::kFloat32);
    const auto expected = run(in, c, GridForm::kDense);
    EXPECT_TRUE(close(run(in, c, GridForm::kTiled), expected, 1e-5, 1e-5));
    EXPECT_TRUE(close(run(in, c, GridForm::kAugmented), expected, 1e-5, 1e-5));
    EXPECT_TRUE(run(in, c, GridForm::kAutomatic).equal(run(in, c, GridForm::kTiled)));
  }
}

TEST_F(GridAttention, TilesAreMoreThanOneAtTheSidesOfThePublishedModes) {
  // 1 head of 64 x 64 makes a bias of 64 MiB, of 80 x 80 more: the tiled form then goes over rows; and over pages where there are several.
  for (const GridCase& c : std::vector<GridCase>{{1, 68, 1, 0, 8}, {3, 48, 1, 0, 8}}) {
    SCOPED_TRACE(describe(c));
    const auto in = grid_inputs(c, torch::kFloat32);
    EXPECT_TRUE(close(run(in, c, GridForm::kTiled), run(in, c, GridForm::kDense), 1e-5, 1e-5));
  }
}

TEST_F(GridAttention, FormsAreCloseInBFloat16) {
  for (const GridCase& c : std::vector<GridCase>{{1, 16, 2, 0}, {1, 16, 2, 14}}) {
    SCOPED_TRACE(describe(c));
    const auto in = grid_inputs(c, torch::kBFloat16);
    const auto expected = plain_fp32(in, c);
    for (const GridForm form : {GridForm::kDense, GridForm::kTiled, GridForm::kAugmented})
      EXPECT_TRUE(close(run(in, c, form), expected, 0.02, 0.1)) << int(form);  // the bias itself is rounded, to 1 / 64 near 4
  }
}

TEST_F(GridAttention, GradientsAreThoseOfThePlainForm) {
  torch::AutoGradMode with_grad(true);
  const GridCase c{1, 6, 2, 4, 8};
  const auto in = grid_inputs(c, torch::kFloat32);
  std::vector<Tensor> expected;
  for (const GridForm form : {GridForm::kDense, GridForm::kTiled, GridForm::kAugmented}) {
    std::vector<Tensor> leaves;
    for (const Tensor& x : {in.qkv, in.padding, in.rel_h, in.rel_w}) leaves.push_back(x.clone().requires_grad_());
    const auto out = run({leaves[0], leaves[1], leaves[2], leaves[3]}, c, form);
    (out * torch::arange(out.numel(), torch::kFloat32).view(out.sizes()).sin()).sum().backward();
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (form == GridForm::kDense) expected.push_back(leaves[i].grad());
      else EXPECT_TRUE(close(leaves[i].grad(), expected[i], 1e-4, 1e-5)) << i;
    }
  }
}

TEST_F(GridAttention, NeverHoldsTheWholeBias) {
#ifdef __linux__
  const auto peak_kb = [] {
    std::ifstream status("/proc/self/status");
    std::string word;
    int64_t value = 0;
    while (status >> word)
      if (word == "VmHWM:" && status >> value) break;
    return value;
  };
  const GridCase c{1, 64, 4, 0};  // the plain form's bias: 256 MiB
  const auto in = grid_inputs(c, torch::kFloat32);
  run({in.qkv.slice(1, 0, 8).slice(2, 0, 8), in.padding, in.rel_h.slice(0, 0, 15), in.rel_w.slice(0, 0, 15)}, {1, 8, 4, 0}, GridForm::kAutomatic);
  if (!(std::ofstream("/proc/self/clear_refs") << "5" << std::flush)) GTEST_SKIP() << "the peak cannot be set back here";
  const int64_t before = peak_kb();
  run(in, c, GridForm::kAutomatic);
  EXPECT_LT(peak_kb() - before, 190 * 1024) << "KiB more than before";
#else
  GTEST_SKIP() << "reads /proc";
#endif
}

TEST_F(GridAttention, SaysWhatIsWrong) {
  const GridCase c{1, 4, 1, 0, 8};
  const auto in = grid_inputs(c, torch::kFloat32);
  EXPECT_THROW(grid_attention(in.qkv, {}, in.rel_h.slice(0, 1), in.rel_w, {1, 0}), ShapeError);
  EXPECT_THROW(grid_attention(in.qkv[0], {}, in.rel_h, in.rel_w, {1, 0}), ShapeError);
  EXPECT_THROW(run(in, c, GridForm::kKernel), UnsupportedError);
  EXPECT_THROW(grid_form("flash"), ConfigError);
  EXPECT_EQ(grid_form("tiled"), GridForm::kTiled);
}

TEST_F(GridAttention, KernelIsThePlainFormOnAGpu) {
  if (!has_kernels() || !torch::cuda::is_available()) GTEST_SKIP() << "no GPU";
  for (const GridCase& c : std::vector<GridCase>{{1, 64, 2, 0}, {2, 80, 1, 0}, {1, 40, 3, 0}, {1, 32, 2, 0}, {1, 20, 2, 0}, {1, 52, 2, 0}, {1, 1, 1, 0},
                                                 {3, 64, 12, 14}, {1, 40, 12, 14}, {1, 32, 2, 14, 64, false}, {2, 5, 1, 14}}) {
    SCOPED_TRACE(describe(c));
    const auto host = grid_inputs(c, torch::kBFloat16);
    const auto move = [](const Tensor& x) { return x.defined() ? x.cuda() : x; };
    const GridInputs in{move(host.qkv), move(host.padding), move(host.rel_h), move(host.rel_w)};
    const auto expected = plain_fp32(in, c);
    EXPECT_TRUE(close(run(in, c, GridForm::kKernel), expected, 0.01, 0.01));
    EXPECT_TRUE(run(in, c, GridForm::kAutomatic).equal(run(in, c, GridForm::kKernel)));
    EXPECT_TRUE(close(run(in, c, GridForm::kAugmented), expected, 0.02, 0.1));
    EXPECT_TRUE(close(run(in, c, GridForm::kTiled), expected, 0.02, 0.1));
  }
}

TEST_F(GridAttention, QuickGelu) {
  for (const char* device : {"cpu", "cuda"}) {
    if (device[1] == 'u' && !torch::cuda::is_available()) continue;
    const auto x = (torch::randn({3, 1027}) * 4).to(torch::kBFloat16).to(torch::Device(device));
    const auto wide = x.to(torch::kFloat32);
    EXPECT_TRUE(close(quick_gelu(x), wide * torch::sigmoid(wide * 1.702), 0.05, 1e-5)) << device;
  }
}

}  // namespace
}  // namespace fovea::cuda

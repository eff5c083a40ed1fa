// The kernel's own source, run on the CPU (emulate_cuda.h, and mma.cuh for the tensor-core pieces) against the plain form.
#include "core/cuda/src/grid_attention_kernel.h"
#include "grid_attention_cases.h"

namespace fovea::cuda {
namespace {

using namespace test;

Tensor run_kernel(const GridInputs& in, const GridCase& c) {
  const int64_t room = 64;  // marks around the output show a write outside of it
  const int64_t count = in.qkv.numel() / 3;
  auto whole = torch::full({count + 2 * room}, 77.0, torch::kBFloat16);
  kernels::GridAttention a;
  a.packed = in.qkv.data_ptr();
  a.padding = in.padding.defined() ? in.padding.data_ptr() : nullptr;
  a.rel_h = in.rel_h.data_ptr();
  a.rel_w = in.rel_w.data_ptr();
  a.out = static_cast<char*>(whole.data_ptr()) + 2 * room;
  a.batch = int(c.batch), a.grid = int(c.grid), a.heads = int(c.heads), a.side = int(c.window > 0 ? c.window : c.grid);
  EXPECT_EQ(kernels::grid_attention(a, nullptr), cudaSuccess);
  const auto marks = torch::cat({whole.slice(0, 0, room), whole.slice(0, room + count)});
  EXPECT_TRUE(marks.eq(77.0).all().item<bool>()) << "written outside";
  return whole.slice(0, room, room + count).view({c.batch, c.grid, c.grid, c.heads * 64}).clone();
}

TEST(EmulatedGridAttention, EveryShapeOfBlock) {
  torch::manual_seed(5);
  for (const GridCase& c : std::vector<GridCase>{{1, 1, 1, 0}, {1, 8, 2, 0}, {1, 16, 1, 14}, {2, 15, 2, 14, 64, false}, {1, 5, 1, 14}, {1, 18, 1, 0}, {1, 33, 1, 0}}) {
    SCOPED_TRACE(describe(c));
    const auto in = grid_inputs(c, torch::kBFloat16);
    EXPECT_TRUE(close(run_kernel(in, c), plain_fp32(in, c), 0.01, 0.01));
  }
}

TEST(EmulatedGridAttention, LargeScoresDoNotOverflow) {
  torch::manual_seed(6);
  const GridCase c{1, 9, 1, 0};
  auto in = grid_inputs(c, torch::kBFloat16);
  in.qkv = in.qkv * 30;
  EXPECT_TRUE(close(run_kernel(in, c), plain_fp32(in, c), 0.02, 0.02));
}

TEST(EmulatedGridAttention, RefusesSides) {
  kernels::GridAttention a;
  a.batch = a.heads = a.grid = 1;
  a.side = kernels::kGridAttentionMaxSide + 1;
  EXPECT_EQ(kernels::grid_attention(a, nullptr), cudaErrorInvalidValue);
}

TEST(EmulatedGridAttention, QuickGelu) {
  const auto x = random_bf16({1003}, 4);
  auto out = torch::empty_like(x);
  ASSERT_EQ(kernels::quick_gelu(x.data_ptr(), out.data_ptr(), x.numel(), nullptr), cudaSuccess);
  const auto wide = x.to(torch::kFloat32);
  EXPECT_TRUE(close(out, wide * torch::sigmoid(wide * 1.702), kBf16Relative, 1e-6));
}

}  // namespace
}  // namespace fovea::cuda

// The CPU's own path of generation (8-bit weights packed) against LibTorch's operations (the same weights, not packed).
#include "fovea/decoder/generate.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <thread>

#include "fovea/base/error.h"

namespace fovea {
namespace {

struct Shape {
  int64_t heads, kv_heads, head_dim;
  bool qk_norm, norm_weight;
};

decoder::Decoder random_decoder(const Shape& shape, uint64_t seed, int64_t num_dense = 3) {
  decoder::DecoderConfig c;
  c.vocab_size = 75;
  c.hidden_size = 48;
  c.num_hidden_layers = 3;
  c.num_attention_heads = shape.heads;
  c.num_key_value_heads = shape.kv_heads;
  c.head_dim = shape.head_dim;
  c.intermediate_size = 80;
  c.moe_intermediate_size = 32;
  c.n_routed_experts = 4;
  c.num_experts_per_tok = 2;
  c.first_k_dense_replace = num_dense;
  c.norm_weight = shape.norm_weight;
  c.qk_norm = shape.qk_norm;
  c.max_position_embeddings = 700;
  decoder::Decoder out(c, nn::Factory{});
  torch::NoGradGuard no_grad;
  torch::manual_seed(seed);
  for (auto& p : out->parameters()) {
    if (p.dim() < 2) {
      p.copy_(at::rand(p.sizes()) + 0.5);
    } else {  // 8-bit rows
      auto q = at::randint(-127, 128, p.sizes()).to(at::kFloat);
      q.select(1, 0).fill_(127);
      p.copy_(q * ((at::rand({p.size(0), 1}) + 0.5) * (0.02 / std::sqrt(double(p.size(1)) / 48))));
    }
    p.set_requires_grad(false);
  }
  return out;
}

struct Threads {  // for one test
  explicit Threads(int count) : before(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

TEST(Generate, PackedDecoderEqualsThePlainOne) {
  for (const Shape& shape : {Shape{8, 2, 16, true, false}, Shape{3, 3, 32, false, true}, Shape{6, 1, 16, true, true}}) {
    auto decoder = random_decoder(shape, 7);
    const auto prompts = at::randn({9, 21, 48});
    const decoder::GenerateConfig options{.max_new_tokens = 400, .loop_min_repeats = 4};  // longer than one growth of the cache
    const auto plain = decoder::generate(*decoder, prompts, options);
    decoder->to(at::kDouble);  // what rounding does to either is measured against this
    const auto exact = decoder::generate(*decoder, prompts.to(at::kDouble), options);
    decoder->to(at::kFloat);
    ASSERT_EQ(nn::pack_int8(*decoder), 3 * 7 + 1);
    std::vector<std::vector<decoder::Generated>> runs;
    for (int threads : {1, 2, 3, 5}) {
      const Threads use(threads);
      runs.push_back(decoder::generate(*decoder, prompts, options));
    }
    std::set<size_t> lengths;
    double gap_plain = 0, gap_packed = 0;
    for (size_t i = 0; i < plain.size(); ++i) {
      lengths.insert(plain[i].ids.size());
      EXPECT_EQ(runs[0][i].ids, plain[i].ids) << i;
      EXPECT_EQ(runs[0][i].reason, plain[i].reason);
      EXPECT_EQ(runs[0][i].loop_period, plain[i].loop_period);
      ASSERT_EQ(exact[i].ids, plain[i].ids);
      for (size_t t = 0; t < exact[i].ids.size() && t < runs[0][i].ids.size(); ++t) {
        gap_plain = std::max(gap_plain, std::abs(double(plain[i].probabilities[t]) - exact[i].probabilities[t]));
        gap_packed = std::max(gap_packed, std::abs(double(runs[0][i].probabilities[t]) - exact[i].probabilities[t]));
      }
      for (const auto& run : runs) {
        EXPECT_EQ(run[i].ids, runs[0][i].ids);
        EXPECT_EQ(run[i].probabilities, runs[0][i].probabilities);  // to the last bit on any number of threads
      }
    }
    EXPECT_LT(gap_packed, 3 * gap_plain + 1e-6) << gap_plain;
    EXPECT_GT(lengths.size(), 1u);  // pages that end at different times were among them
  }
}

TEST(Generate, SamplingIsTheSameOnAnyNumberOfThreads) {
  auto decoder = random_decoder({8, 2, 16, true, false}, 9);
  const auto prompts = at::randn({5, 10, 48});
  decoder::GenerateConfig options{.max_new_tokens = 60, .temperature = 0.8, .top_p = 0.9, .seed = 3};
  const auto plain = decoder::generate(*decoder, prompts, options);
  nn::pack_int8(*decoder);
  for (int threads : {1, 4}) {
    const Threads use(threads);
    const auto packed = decoder::generate(*decoder, prompts, options);
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(packed[i].ids, plain[i].ids) << i;
  }
  options.seed = 4;
  EXPECT_NE(decoder::generate(*decoder, prompts, options)[0].ids, plain[0].ids);
}

TEST(Generate, CallbacksRunOnTheCallingThread) {
  auto decoder = random_decoder({8, 2, 16, true, false}, 11);
  nn::pack_int8(*decoder);
  const Threads use(3);
  const auto prompts = at::randn({7, 10, 48});
  const auto caller = std::this_thread::get_id();
  std::vector<int> told(7, 0);
  size_t tokens = 0;
  const auto results = decoder::generate(
      *decoder, prompts, {.max_new_tokens = 90, .loop_min_repeats = 0},
      [&](size_t i, const decoder::Generated&) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        ++told[i];
      },
      [&](size_t count) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        tokens += count;
      });
  size_t expected = 0;
  for (const auto& result : results) expected += result.ids.size() + (result.reason == decoder::StopReason::kEnd);
  EXPECT_EQ(tokens, expected);
  EXPECT_EQ(told, std::vector<int>(7, 1));
  // What a callback throws ends the generation.
  size_t steps = 0;
  EXPECT_THROW(decoder::generate(*decoder, prompts, {.max_new_tokens = 600, .loop_min_repeats = 0}, {}, [&](size_t) { if (++steps == 5) throw ConfigError("stop"); }),
               ConfigError);
}

TEST(Generate, MixturesOfExpertsTakeTheGeneralPath) {
  auto decoder = random_decoder({8, 2, 16, true, false}, 13, /*num_dense=*/1);
  const auto prompts = at::randn({2, 10, 48});
  const decoder::GenerateConfig options{.max_new_tokens = 20};
  const auto plain = decoder::generate(*decoder, prompts, options);
  nn::pack_int8(*decoder);
  const auto packed = decoder::generate(*decoder, prompts, options);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(packed[i].ids, plain[i].ids) << i;
}

}  // namespace
}  // namespace fovea

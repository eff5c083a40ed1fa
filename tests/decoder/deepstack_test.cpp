// Vision tokens of twice the width: the second half enters before its layer, in every path that reads a prompt.
#include <gmock/gmock.h>

#include "fovea/base/error.h"
#include "fovea/decoder/engine.h"
#include "support.h"

namespace fovea {
namespace {

using test::random_decoder;

TEST(Deepstack, TheSecondHalfIsAddedBeforeItsLayer) {
  torch::NoGradGuard no_grad;
  auto deep = random_decoder({4, 2, 16, true, true}, 3, 3, 1, /*deepstack_layer=*/2), plain = random_decoder({4, 2, 16, true, true}, 3);
  const auto x = at::randn({2, 7, 48}), second = at::randn({2, 7, 48});
  const auto nothing = at::zeros_like(second);
  EXPECT_TRUE(deep->forward(at::cat({x, nothing}, -1)).equal(plain->forward(x)));
  // The twin: layer after layer by hand.
  const auto& c = plain->config;
  const auto rotary = nn::Rotary::line(0, 7, c.head_dim, c.rope_theta, at::kCPU);
  auto modules = plain->named_modules();
  auto h = x;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    if (i == 2) h = h + second;
    h = std::dynamic_pointer_cast<decoder::DecoderLayerImpl>(modules["layers." + std::to_string(i)])->forward(h, rotary, nullptr, nullptr);
  }
  const auto expected = std::dynamic_pointer_cast<nn::NormImpl>(modules["norm"])->forward(h), found = deep->forward(at::cat({x, second}, -1));
  EXPECT_TRUE(at::allclose(found, expected, 1e-5, 1e-6)) << (found - expected).abs().max();
  EXPECT_FALSE(at::allclose(found, plain->forward(x), 1e-3, 1e-4));
  // Text has no second half.
  const auto ids = at::tensor({5, 9, 2}, at::kLong);
  EXPECT_TRUE(deep->embed(ids).equal(at::cat({plain->embed(ids), at::zeros({3, 48})}, -1)));
}

TEST(Deepstack, GradientsReachBothHalves) {
  auto model = random_decoder({4, 2, 16, true, true}, 4, 3, 1, 1);
  const auto packed = nn::Packed::of_lengths({5, 9});
  const auto x = at::randn({1, 14, 96}).set_requires_grad(true), weights = at::randn({1, 14, 48});
  const auto together = torch::autograd::grad({(model->forward(x, packed) * weights).sum()}, {x})[0];
  const auto apart = torch::autograd::grad({(at::cat({model->forward(x.slice(1, 0, 5)), model->forward(x.slice(1, 5))}, 1) * weights).sum()}, {x})[0];
  EXPECT_TRUE(at::allclose(together, apart, 1e-3, 1e-5)) << (together - apart).abs().max();
  for (int64_t half : {0, 48}) EXPECT_GT(together.slice(2, half, half + 48).abs().min().item<float>(), 0);
}

// Steps after a prompt of wide tokens, packed weights and plain ones, a short cache that throws texts out, against the forward over the whole text.
TEST(Deepstack, EnginesReadWidePrompts) {
  torch::NoGradGuard no_grad;
  for (const bool packed : {false, true}) {
    auto d = random_decoder({8, 8, 16, true, false}, 7, 3, /*eos_token_id=*/1000, /*deepstack_layer=*/2);
    if (packed) nn::pack_int8(*d);
    std::vector<at::Tensor> prompts;
    for (int64_t length : {19, 5, 33}) prompts.push_back(at::randn({length, 96}));
    decoder::Engine engine(*d, {.cache_positions = packed ? 0 : 88, .block = 8});  // 88 do not hold all three with what they write
    std::vector<decoder::Generated> out(prompts.size());
    for (size_t i = 0; i < prompts.size(); ++i) {
      decoder::Request request;
      request.prompt = prompts[i];
      request.config = {.max_new_tokens = 30, .loop_min_repeats = 0};
      request.on_done = [&out, i](const decoder::Generated& result) { out[i] = result; };
      engine.submit(std::move(request));
    }
    while (!engine.idle()) engine.step();
    for (size_t i = 0; i < prompts.size(); ++i) {
      const std::vector<int64_t> ids(out[i].ids.begin(), out[i].ids.end());
      ASSERT_EQ(ids.size(), 30u);
      const auto inputs = at::cat({prompts[i].unsqueeze(0), d->embed(at::tensor(ids, at::kLong).unsqueeze(0))}, 1);
      const auto p = at::softmax(d->logits(d->forward(inputs))[0], -1);
      double gap = 0;
      for (size_t t = 0; t < ids.size(); ++t) gap = std::max(gap, std::abs(double(out[i].probabilities[t]) - p[prompts[i].size(0) - 1 + int64_t(t)][ids[t]].item<float>()));
      EXPECT_LT(gap, packed ? 0.05 : 1e-3) << packed << " " << i;
    }
    decoder::Request narrow;
    narrow.prompt = at::randn({3, 48});
    EXPECT_THROW(engine.submit(std::move(narrow)), ShapeError);
  }
}

TEST(Deepstack, TheLayerMustBeOneOfTheDecoder) {
  decoder::DecoderConfig c;
  c.deepstack_layer = c.num_hidden_layers;
  try {
    decoder::validate(c);
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr("deepstack_layer must be below num_hidden_layers, got 12"));
  }
}

}  // namespace
}  // namespace fovea

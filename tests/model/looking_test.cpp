// Attention of a teacher-forced pass: against softmaxes written out one by one, and against what generation said.
#include "fovea/model/looking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/nn/initialise.h"

namespace fovea {
namespace {

model::Reader miniature_reader(uint64_t seed, int64_t deepstack_layer = 0) {
  auto config = model::presets::miniature();
  config.decoder.deepstack_layer = deepstack_layer;
  model::OpticalModel m(config, nn::Factory{});
  nn::initialise(*m, seed);
  torch::NoGradGuard no_grad;  // residual outputs start at zero; let every layer matter
  uint64_t i = 0;
  for (auto& p : m->parameters())
    if (p.dim() > 1 && p.abs().max().item<float>() == 0) {
      torch::manual_seed(++i);
      p.normal_(0, 0.05);
    }
  m->eval();
  return model::Reader(config, m, text::Tokenizer::from_file(std::string(FOVEA_SOURCE_DIR) + "/models/reader-tiny/tokenizer.json"), at::kCPU, at::kFloat);
}

Image page_of(int side) {
  Image page = Image::filled(side, side, 1, 255);
  for (size_t i = 0; i < page.pixels.size(); ++i) page.pixels[i] = uint8_t((i * 37) >> 4);
  return page;
}

class Looking : public testing::TestWithParam<int64_t> {};  // deepstack_layer

TEST_P(Looking, EqualsSoftmaxesWrittenOut) {
  torch::NoGradGuard no_grad;
  auto reader = miniature_reader(5, GetParam());
  const Image page = page_of(192);
  const auto tokens = reader.encode({&page});
  const auto read = reader.decode({&tokens[0]}, {.max_new_tokens = 12});
  const auto& ids = read[0].generated.ids;
  ASSERT_GE(ids.size(), 4u);
  const auto found = model::look_back(reader, tokens[0], ids);
  const auto& config = reader.config().decoder;
  const int64_t n = tokens[0].num_vision_tokens(), num = int64_t(ids.size());
  ASSERT_EQ(found.attention.sizes(), (std::vector<int64_t>{config.num_hidden_layers, config.num_attention_heads, num, n}));

  // the twin: the decoder's own forward, one layer's queries and keys at a time, sums in double
  const int64_t P = tokens[0].num_decoder_positions(), grid = tokens[0].columns;
  std::vector<int64_t> said = {config.bos_token_id};
  said.insert(said.end(), ids.begin(), ids.end() - 1);
  const auto inputs = at::cat({tokens[0].sequence.unsqueeze(0), reader.model()->decoder->embed(at::tensor(said, at::kLong).unsqueeze(0))}, 1);
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    decoder::Taps taps;
    taps.qk_layer = layer;
    reader.model()->decoder->forward(inputs, nullptr, &taps);
    for (int64_t h = 0; h < config.num_attention_heads; ++h) {
      const auto q = taps.q[0][h].to(at::kDouble), k = taps.k[0][h * config.num_key_value_heads / config.num_attention_heads].to(at::kDouble);
      for (int64_t t : {int64_t(0), num - 1}) {
        std::vector<double> e;
        double sum = 0;
        for (int64_t j = 0; j <= P + t; ++j) e.push_back(std::exp((q[P + t] * k[j]).sum().item<double>() / std::sqrt(double(config.head_dim)))), sum += e.back();
        double on_vision = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double want = e[size_t(i / grid * (grid + 1) + i % grid)] / sum;
          on_vision += want;
          EXPECT_NEAR((found.attention.index({layer, h, t, i}).item<double>()), want, 1e-5);
        }
        EXPECT_NEAR((found.attention[layer][h][t].sum() + found.separators[layer][h][t] + found.text[layer][h][t]).item<double>(), 1, 1e-5);
        EXPECT_NEAR(found.attention[layer][h][t].sum().item<double>(), on_vision, 1e-5);
      }
    }
  }
  EXPECT_EQ(found.token_bytes.back(), int64_t(reader.tokenizer().decode_bytes(ids, true).size()));
}

INSTANTIATE_TEST_SUITE_P(Widths, Looking, testing::Values(0, 1));

TEST(LookingBack, LaterTokensChangeNothing) {
  auto reader = miniature_reader(6);
  const Image page = page_of(128);
  const auto tokens = reader.encode({&page});
  const std::vector<int32_t> ids = {300, 301, 302, 303, 304}, shorter = {300, 301, 302};
  const auto all = model::look_back(reader, tokens[0], ids, {1}), part = model::look_back(reader, tokens[0], shorter, {1});
  ASSERT_EQ(all.layers, std::vector<int64_t>{1});
  EXPECT_LT((all.attention.slice(2, 0, 3) - part.attention).abs().max().item<float>(), 1e-5);
  // a single layer is that layer of all
  EXPECT_LT((model::look_back(reader, tokens[0], ids).attention[1] - all.attention[0]).abs().max().item<float>(), 1e-6);
}

TEST(LookingBack, RefusesWhatHasNoAnswer) {
  auto reader = miniature_reader(7);
  const Image page = page_of(128);
  auto tokens = reader.encode({&page})[0];
  EXPECT_THROW(model::look_back(reader, tokens, {}), ConfigError);
  EXPECT_THROW(model::look_back(reader, tokens, {300}, {99}), ConfigError);
  EXPECT_THROW(model::look_back(reader, tokens, {300}, {}, "<image>\nFree OCR."), ConfigError);
  auto cut = tokens;
  cut.sequence = tokens.sequence.slice(0, 0, 2);
  EXPECT_THROW(model::look_back(reader, cut, {300}), ShapeError);
  // without token 2 of the 2 x 2 grid: its column is empty, the others keep their places
  auto dropped = tokens;
  dropped.sequence = at::cat({tokens.sequence.slice(0, 0, 3), tokens.sequence.slice(0, 4)});
  dropped.removed = {2};
  const auto found = model::look_back(reader, dropped, {300, 301});
  EXPECT_EQ(found.attention.size(3), 4);
  EXPECT_EQ(found.attention.select(3, 2).abs().max().item<float>(), 0);
  EXPECT_GT(found.attention.select(3, 3).min().item<float>(), 0);
  EXPECT_LT((found.attention.sum(-1) + found.separators + found.text - 1).abs().max().item<float>(), 1e-5);
}

}  // namespace
}  // namespace fovea

// What holds for any reader, shown on a miniature with random weights: the decoder sees VisionTokens alone, weights survive a
// round trip, errors say what is wrong.
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/optical_model.h"
#include "fovea/model/vision_token_ops.h"
#include "fovea/nn/initialise.h"

namespace fovea {
namespace {
namespace fs = std::filesystem;

const std::string kTokenizer = std::string(FOVEA_SOURCE_DIR) + "/models/reader-tiny/tokenizer.json";

model::OpticalModel random_model(uint64_t seed) {
  model::OpticalModel m(model::presets::miniature(), nn::Factory{});
  nn::initialise(*m, seed);
  torch::NoGradGuard no_grad;  // residual outputs start at zero; let every layer matter
  uint64_t i = 0;
  for (auto& p : m->parameters())
    if (p.dim() > 1 && p.abs().max().item<float>() == 0) {
      torch::manual_seed(++i);
      p.normal_(0, 0.05);
    }
  return m;
}

std::string folder_of(const std::string& name) {
  const std::string folder = testing::TempDir() + "fovea_" + name + std::to_string(::getpid());
  fs::remove_all(folder);
  return folder;
}

model::Reader reader_in(const std::string& folder, uint64_t seed) {
  model::save_model(folder, random_model(seed), {});
  fs::copy_file(kTokenizer, folder + "/tokenizer.json");
  return model::Reader::load(folder);
}

Image page_of(uint64_t seed, int side) {
  Image page = Image::filled(side, side, 1, 255);
  for (size_t i = 0; i < page.pixels.size(); ++i) page.pixels[i] = uint8_t((i * (2 * seed + 3)) >> 4);
  return page;
}

TEST(Reader, DecoderSeesOnlyVisionTokens) {
  const std::string folder = folder_of("tokens");
  auto reader = reader_in(folder, 3);
  const Image a = page_of(1, 128), b = page_of(7, 128);
  const auto tokens = reader.encode({&a, &b});
  EXPECT_EQ(tokens[0].num_vision_tokens(), 4);
  EXPECT_EQ(tokens[0].num_decoder_positions(), 7);  // 2 rows of 2 and a separator each, one at the end
  const decoder::GenerateConfig options{.max_new_tokens = 24};
  const auto both = reader.decode({&tokens[0], &tokens[1]}, options);
  ASSERT_NE(both[0].generated.ids, both[1].generated.ids);

  model::save_vision_tokens(tokens[0], folder + "/a.tokens");
  model::save_vision_tokens(tokens[1], folder + "/b.tokens");
  auto fresh = model::Reader::load(folder);
  const auto a2 = model::load_vision_tokens(folder + "/a.tokens"), b2 = model::load_vision_tokens(folder + "/b.tokens");
  EXPECT_EQ(fresh.decode({&a2}, options)[0].text, both[0].text);
  EXPECT_EQ(fresh.decode({&b2}, options)[0].text, both[1].text);  // another page's tokens give that page's text
  fs::remove_all(folder);
}

TEST(Reader, NarrowTokensAreKeptStoredAndRead) {
  const std::string folder = folder_of("narrow");
  auto config = model::presets::miniature();
  config.encoder.token_width = 16;
  model::OpticalModel narrow(config, nn::Factory{});
  nn::initialise(*narrow, 3);
  model::save_model(folder, narrow, {});
  fs::copy_file(kTokenizer, folder + "/tokenizer.json");
  auto reader = model::Reader::load(folder);
  const Image a = page_of(1, 128);
  const auto tokens = reader.encode({&a});
  ASSERT_EQ(tokens[0].sequence.sizes().vec(), (std::vector<int64_t>{7, 16}));
  const decoder::GenerateConfig options{.max_new_tokens = 12};
  const auto read = reader.decode({&tokens[0]}, options);
  model::save_vision_tokens(tokens[0], folder + "/a.tokens");
  const auto again = model::load_vision_tokens(folder + "/a.tokens");
  EXPECT_EQ(reader.decode({&again}, options)[0].generated.ids, read[0].generated.ids);
  // The decoder reads what the bottleneck makes of them, and nothing of another width.
  EXPECT_EQ(reader.model()->decoder_input(tokens[0].sequence).size(1), config.decoder.hidden_size);
  auto other = tokens[0];
  other.sequence = at::zeros({7, 64});
  EXPECT_THROW(reader.decode({&other}, options), ShapeError);
  fs::remove_all(folder);
}

TEST(Reader, WideTokensAreKeptStoredAndRead) {
  const std::string folder = folder_of("wide");
  auto config = model::presets::miniature();
  config.decoder.deepstack_layer = 1;
  model::OpticalModel wide(config, nn::Factory{});
  nn::initialise(*wide, 3);
  model::save_model(folder, wide, {});
  fs::copy_file(kTokenizer, folder + "/tokenizer.json");
  auto reader = model::Reader::load(folder);
  EXPECT_EQ(reader.config().decoder.deepstack_layer, 1);
  const Image a = page_of(1, 128);
  const auto tokens = reader.encode({&a});
  const int64_t width = config.decoder.hidden_size;
  ASSERT_EQ(tokens[0].sequence.sizes().vec(), (std::vector<int64_t>{7, 2 * width}));
  // The first half is normed as it would be without a second.
  EXPECT_NEAR(tokens[0].sequence[0].slice(0, 0, width).pow(2).mean().item<float>(), 1, 1e-3);
  const decoder::GenerateConfig options{.max_new_tokens = 12};
  const auto read = reader.decode({&tokens[0]}, options);
  model::save_vision_tokens(tokens[0], folder + "/a.tokens");
  const auto again = model::load_vision_tokens(folder + "/a.tokens");
  EXPECT_EQ(reader.decode({&again}, options)[0].generated.ids, read[0].generated.ids);
  EXPECT_EQ(model::quantize(tokens[0], "float16").num_bytes, 7 * 2 * width * 2);
  auto other = tokens[0];
  other.sequence = at::zeros({7, width});
  EXPECT_THROW(reader.decode({&other}, options), ShapeError);
  fs::remove_all(folder);
}

TEST(Reader, EveryBudgetFrom16To256) {
  const std::string folder = folder_of("budgets");
  auto reader = reader_in(folder, 5);
  for (int grid : {4, 8, 10, 13, 16}) {
    const Image page = page_of(uint64_t(grid), grid * 64);
    EXPECT_EQ(reader.encode({&page})[0].num_vision_tokens(), grid * grid);
  }
  const Image odd = page_of(1, 100), wide = Image::filled(128, 64, 1, 0);
  EXPECT_THROW(reader.encode({&odd}), ShapeError);
  EXPECT_THROW(reader.encode({&wide}), ShapeError);
  fs::remove_all(folder);
}

TEST(Reader, BatchesDecodeAsSinglePagesDo) {
  const std::string folder = folder_of("batch");
  auto reader = reader_in(folder, 11);
  std::vector<Image> pages;
  for (uint64_t i = 0; i < 5; ++i) pages.push_back(page_of(i, 128));
  std::vector<const Image*> pointers;
  for (const auto& page : pages) pointers.push_back(&page);
  const auto tokens = reader.encode(pointers);
  std::vector<const model::VisionTokens*> all;
  for (const auto& t : tokens) all.push_back(&t);
  const decoder::GenerateConfig options{.max_new_tokens = 40};
  const auto together = reader.decode(all, options);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto alone = reader.decode({all[i]}, options);
    EXPECT_EQ(alone[0].generated.ids, together[i].generated.ids) << i;
  }
  fs::remove_all(folder);
}

TEST(Reader, SamplingIsSeededAndLoopsAreFound) {
  const std::string folder = folder_of("sampling");
  auto reader = reader_in(folder, 13);
  const Image page = page_of(2, 128);
  const auto tokens = reader.encode({&page});
  const decoder::GenerateConfig hot{.max_new_tokens = 30, .temperature = 1.5, .top_p = 0.9, .seed = 4};
  auto other = hot;
  other.seed = 5;
  const auto first = reader.decode({&tokens[0]}, hot)[0].generated.ids;
  EXPECT_EQ(first, reader.decode({&tokens[0]}, hot)[0].generated.ids);
  EXPECT_NE(first, reader.decode({&tokens[0]}, other)[0].generated.ids);
  std::vector<int32_t> ids = {9, 8, 7};
  for (int i = 0; i < 20; ++i) ids.insert(ids.end(), {1, 2, 3});
  EXPECT_EQ(decoder::find_loop(ids, 8, 32, 48), 3);
  ids.push_back(4);
  EXPECT_EQ(decoder::find_loop(ids, 8, 32, 48), 0);
  fs::remove_all(folder);
}

TEST(Reader, DamagedModelsAreNamed) {
  const std::string folder = folder_of("damaged");
  reader_in(folder, 1);
  EXPECT_THROW(model::Reader::load(folder + "/none"), IoError);
  auto config = model::presets::miniature();
  config.decoder.hidden_size = 128;
  write_file_atomic(folder + "/config.json", config_to_json(config).dump());
  try {
    model::Reader::load(folder);
    FAIL();
  } catch (const WeightsError& e) {
    EXPECT_NE(std::string(e.what()).find("embed_tokens"), std::string::npos) << e.what();
  }
  write_file_atomic(folder + "/config.json", R"({"decoder": {"hidden_sizes": 3}, "colour": 1})");
  try {
    model::Reader::load(folder);
    FAIL();
  } catch (const ConfigError& e) {  // both problems at once, with the near name
    EXPECT_NE(std::string(e.what()).find("hidden_size"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("colour"), std::string::npos) << e.what();
  }
  write_file_atomic(folder + "/config.json", "{");
  EXPECT_THROW(model::Reader::load(folder), ConfigError);
  EXPECT_THROW(model::parse_device("gpu"), ConfigError);
  fs::remove_all(folder);
}

TEST(Reader, QuantisedWeightsReadTheSameWithinTheirError) {
  const std::string folder = folder_of("int8");
  auto reader = reader_in(folder, 21);
  weights::SaveOptions options;
  options.quantize = weights::Quantize::kInt8;
  model::save_model(folder + "/q", reader.model(), options);
  fs::copy_file(kTokenizer, folder + "/q/tokenizer.json");
  auto quantised = model::Reader::load(folder + "/q");
  const Image page = page_of(2, 128);
  const auto full = reader.encode({&page})[0].sequence, small = quantised.encode({&page})[0].sequence;
  EXPECT_LT((full - small).norm().item<float>() / full.norm().item<float>(), 0.05f);
  EXPECT_GT((full - small).norm().item<float>(), 0.0f);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fovea

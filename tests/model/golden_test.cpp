// A scaled-down DeepSeek-OCR with rule-made weights against the published code's outputs (tests/golden).
#include "support.h"

#include <algorithm>

#include "fovea/image/views.h"
#include "fovea/model/optical_model.h"

namespace fovea {
namespace {

model::ModelConfig small_config() {
  auto c = model::published_config(test::read_golden("small_config.json"));
  c.name = "small";
  return c;
}

model::OpticalModel small_model() {
  model::OpticalModel small(small_config(), nn::Factory{});
  torch::NoGradGuard no_grad;
  for (auto& [name, tensor] : model::published_tensors(small)) tensor.copy_(test::rule_weight(name, tensor.sizes(), 1));
  return small;
}

TEST(Golden, SmallModelHasTheNamesAndShapesOfTheReference) {
  const Json expected = test::read_golden("small_tensors.json");
  const auto small = small_model();
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, tensor] : model::published_tensors(small)) found[name] = tensor;
  const Json& tensors = expected.contains("tensors") ? expected["tensors"] : expected;
  size_t count = 0;
  const auto check = [&](const std::string& name, const Json& entry) {
    ASSERT_TRUE(found.count(name)) << name;
    EXPECT_EQ(found[name].sizes().vec(), entry["shape"].get<std::vector<int64_t>>()) << name;
    ++count;
  };
  if (tensors.is_array())
    for (const auto& entry : tensors) check(entry["name"], entry);
  else
    for (const auto& item : tensors.items()) check(item.key(), item.value());
  EXPECT_EQ(count, found.size());
}

// Whole prompt through preprocessing, encoder and decoder in every mode.
class SmallModel : public testing::TestWithParam<const char*> {};

TEST_P(SmallModel, EqualsTheReferenceLayerByLayer) {
  torch::NoGradGuard no_grad;
  const Json golden = test::read_golden(GetParam());
  auto small = small_model();
  std::vector<int64_t> ids;
  for (const auto& run : golden["input_id_runs"]) ids.insert(ids.end(), run[1].get<size_t>(), run[0].get<int64_t>());
  auto embeds = small->decoder->embed(at::tensor(ids, at::kLong).unsqueeze(0));
  if (golden.contains("image") && !golden["image"].is_null()) {
    const Json& image = golden["image"];
    const Image picture = test::rule_image(image["picture"], image["width"], image["height"], image["seed"]);
    const std::string mode = image.contains("mode") ? image["mode"].get<std::string>() : "tiny";
    const image::Views views = image::make_views(picture, image::mode_by_name(mode));
    EXPECT_EQ(views.global.width_px, image["view_side"].get<int>());
    if (image.contains("view_crc32")) {
      EXPECT_EQ(test::crc32_of(views.global), image["view_crc32"]);
    }
    const auto tokens_of = [&](const std::vector<Image>& pages) {
      return small->encoder(vision::pixels_from_bytes(test::bytes_of(pages), small->config.encoder, at::kFloat)).tokens;
    };
    const auto sequence = small->encoder->sequence(tokens_of({views.global})[0], views.tiles.empty() ? at::Tensor() : tokens_of(views.tiles),
                                                   views.grid.rows, views.grid.columns);
    const int64_t start = golden["image_span"]["start"], count = golden["image_span"]["count"];
    ASSERT_EQ(sequence.size(0), count);
    embeds = at::cat({embeds.slice(1, 0, start), sequence.unsqueeze(0), embeds.slice(1, start + count)}, 1);
  }
  if (golden["tensors"].contains("inputs_embeds")) test::expect_digest("inputs_embeds", embeds[0], golden["tensors"]["inputs_embeds"]);
  for (int64_t layer = 0; layer < small->config.decoder.num_hidden_layers; ++layer) {
    const std::string name = "layer." + std::to_string(layer);
    if (!golden["tensors"].contains(name)) continue;
    decoder::Taps taps;
    taps.hidden_layer = layer;
    small->decoder->forward(embeds, nullptr, &taps);
    test::expect_digest(name, taps.hidden[0], golden["tensors"][name]);
  }
  const auto logits = small->decoder->logits(small->decoder->forward(embeds))[0];
  if (golden["tensors"].contains("logits")) test::expect_digest("logits", logits, golden["tensors"]["logits"]);
  const auto top = logits[logits.size(0) - 1];
  for (size_t i = 0; i < golden["last_logits_top8"]["id"].size(); ++i)
    EXPECT_NEAR(top[golden["last_logits_top8"]["id"][i].get<int64_t>()].item<float>(), golden["last_logits_top8"]["value"][i].get<float>(), 1e-4);

  // 32 greedy steps through the cache; the stop id does not stop, as in the reference.
  auto config = small->config.decoder;
  decoder::KvCache cache(config, 1, embeds.size(1) + 40, at::kCPU, at::kFloat);
  auto hidden = small->decoder->forward(embeds, &cache).select(1, embeds.size(1) - 1);
  for (size_t step = 0; step < golden["greedy"]["ids"].size(); ++step) {
    const auto [value, id] = small->decoder->logits(hidden)[0].max(0);
    EXPECT_EQ(id.item<int64_t>(), golden["greedy"]["ids"][step].get<int64_t>()) << "step " << step;
    EXPECT_NEAR(value.item<float>(), golden["greedy"]["top1_logit"][step].get<float>(), 2e-4) << "step " << step;
    hidden = small->decoder->forward(small->decoder->embed(id.view({1, 1})), &cache).select(1, 0);
  }
}

TEST_P(SmallModel, GeneratesWithTheBanOnRepeatedNgrams) {
  torch::NoGradGuard no_grad;
  const Json golden = test::read_golden(GetParam());
  if (!golden.contains("image") || golden["image"].is_null()) GTEST_SKIP() << "text alone";
  auto config = small_config();
  config.image_token_id = golden["image_token_id"];
  const auto expected = golden["greedy_no_repeat_ngram_2_whole_sequence"]["ids"].get<std::vector<int32_t>>();
  config.decoder.eos_token_id = 1023;  // the stop id does not stop, as in the reference
  ASSERT_EQ(std::count(expected.begin(), expected.end(), 1023), 0);
  model::OpticalModel unstopped(config, nn::Factory{});
  for (auto& [name, tensor] : model::published_tensors(unstopped)) tensor.copy_(test::rule_weight(name, tensor.sizes(), 1));
  const Json& image = golden["image"];
  const auto views = image::make_views(test::rule_image(image["picture"], image["width"], image["height"], image["seed"]), image::mode_by_name(image["mode"]));
  const auto tokens_of = [&](const std::vector<Image>& pages) {
    return unstopped->encoder(vision::pixels_from_bytes(test::bytes_of(pages), config.encoder, at::kFloat)).tokens;
  };
  const auto vision = unstopped->encoder->sequence(tokens_of({views.global})[0], views.tiles.empty() ? at::Tensor() : tokens_of(views.tiles),
                                                   views.grid.rows, views.grid.columns);
  std::vector<int32_t> ids;
  for (const auto& run : golden["input_id_runs"]) ids.insert(ids.end(), run[1].get<size_t>(), run[0].get<int32_t>());
  auto embeds = unstopped->decoder->embed(at::tensor(std::vector<int64_t>(ids.begin(), ids.end()), at::kLong).unsqueeze(0)).clone();
  embeds[0].slice(0, golden["image_span"]["start"].get<int64_t>(), golden["image_span"]["start"].get<int64_t>() + vision.size(0)).copy_(vision);
  const auto out = decoder::generate(*unstopped->decoder, embeds, {.max_new_tokens = int64_t(expected.size()), .loop_min_repeats = 0, .ngram_size = 2}, {}, {}, ids);
  EXPECT_EQ(out[0].ids, expected);
}

INSTANTIATE_TEST_SUITE_P(Modes, SmallModel, testing::Values("small_text.json", "small_tiny.json", "small_small.json", "small_base.json", "small_large.json", "small_gundam.json",
                                                           "small_gundam_untiled.json"),
                         [](const auto& info) { return std::string(info.param).substr(6, std::string(info.param).size() - 11); });

}  // namespace
}  // namespace fovea

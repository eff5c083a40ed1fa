// The released model's encoder and its first two decoder layers at full size, with rule-made weights, against the published code's outputs (tests/golden).
#include "support.h"

#include "fovea/image/read.h"
#include "fovea/image/views.h"
#include "fovea/model/optical_model.h"

namespace fovea {
namespace {

template <class Module> void fill_by_rule(Module& module, const std::string& prefix) {
  torch::NoGradGuard no_grad;
  for (auto& item : module->named_parameters()) {
    item.value().copy_(test::rule_weight(model::published_name(prefix + item.key()), item.value().sizes(), 1));
    item.value().set_requires_grad(false);
  }
}

class FullEncoder : public testing::TestWithParam<const char*> {
 protected:
  static vision::DeepEncoder& encoder() {
    static vision::DeepEncoder encoder = [] {
      const auto config = model::presets::deepseek_ocr();
      vision::DeepEncoder made(config.encoder, config.decoder.hidden_size, nn::Factory{});
      fill_by_rule(made, "encoder.");
      return made;
    }();
    return encoder;
  }
};

TEST_P(FullEncoder, EqualsTheReference) {
  torch::NoGradGuard no_grad;
  const Json golden = test::read_golden(GetParam());
  const Json& source = golden["source"];
  image::Views views;
  if (source.contains("file")) {
    views = image::make_views(image::read(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/" + source["file"].get<std::string>()),
                              image::mode_by_name(source["mode"].get<std::string>()));
  } else {
    views.global = test::rule_image(source["picture"], source["width"], source["height"], source["seed"]);
  }
  EXPECT_EQ(test::crc32_of(views.global), golden["view_crc32"]);
  const std::string prefix = views.tiles.empty() ? "" : "global.";
  const auto run = [&](const std::vector<Image>& pages, const std::string& name) {
    const auto out = encoder()->forward(vision::pixels_from_bytes(test::bytes_of(pages), encoder()->config, at::kFloat));
    test::expect_digest(name + "sam.neck", out.patches, golden["tensors"][name + "sam.neck"]);
    auto projected = out.tokens;
    const auto shape = golden["tensors"][name + "projected"]["shape"].template get<std::vector<int64_t>>();
    test::expect_digest(name + "projected", projected.view(shape), golden["tensors"][name + "projected"]);
    return projected;
  };
  const auto global = run({views.global}, prefix);
  const auto tiles = views.tiles.empty() ? at::Tensor() : run(views.tiles, "tiles.");
  test::expect_digest("sequence", encoder()->sequence(global[0], tiles, views.grid.rows, views.grid.columns), golden["tensors"]["sequence"]);
}

INSTANTIATE_TEST_SUITE_P(Views, FullEncoder,
                         testing::Values("encoder_picture_512.json", "encoder_picture_640.json", "encoder_picture_1024.json", "encoder_picture_1280.json",
                                         "encoder_page_small.json", "encoder_page_gundam.json"),
                         [](const auto& info) { return std::string(info.param).substr(8, std::string(info.param).size() - 13); });

TEST(FullDecoder, LayersNormAndHeadEqualTheReference) {
  torch::NoGradGuard no_grad;
  const Json golden = test::read_golden("decoder_layers.json");
  auto config = model::presets::deepseek_ocr().decoder;
  config.num_hidden_layers = 2;  // one dense, one of experts
  decoder::Decoder decoder(config, nn::Factory{});
  fill_by_rule(decoder, "decoder.");
  const auto input = test::rule_tensor("decoder/input", golden["input"]["shape"].get<std::vector<int64_t>>(), 0, 1, 1);
  const auto modules = decoder->named_modules();
  at::Tensor first;
  for (int64_t index : {0, 1})
    for (const std::string where : {"near", "far"}) {
      SCOPED_TRACE("layer " + std::to_string(index) + " " + where);
      const auto layer = std::dynamic_pointer_cast<decoder::DecoderLayerImpl>(modules["layers." + std::to_string(index)]);
      ASSERT_TRUE(layer);
      const int64_t begin = golden["positions"][where][0];
      const auto rotary = nn::Rotary::line(begin, input.size(1), config.head_dim, config.rope_theta, at::kCPU);
      const auto output = layer->forward(input, rotary, nullptr, nullptr);
      test::expect_digest("output", output, golden["layer." + std::to_string(index) + "." + where]["tensors"]["output"]);
      if (index == 0 && where == "near") first = output;
    }
  const auto norm = std::dynamic_pointer_cast<nn::NormImpl>(modules["norm"]);
  ASSERT_TRUE(norm);
  const auto rows = at::tensor(golden["head"]["rows"].get<std::vector<int64_t>>(), at::kLong);
  const auto normed = norm->forward(first)[0].index_select(0, rows);
  test::expect_digest("head.normed", normed, golden["head"]["normed"]);
  const auto logits = decoder->logits(normed);
  test::expect_digest("head.logits", logits, golden["head"]["logits"]);
  for (int64_t row = 0; row < rows.size(0); ++row) {
    const auto top = std::get<1>(logits[row].topk(5));
    for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(top[i].item<int64_t>(), golden["head"]["top5_id"][size_t(row)][size_t(i)].get<int64_t>());
  }
}

}  // namespace
}  // namespace fovea

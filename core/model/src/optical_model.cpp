#include "fovea/model/optical_model.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::model {
namespace fs = std::filesystem;

OpticalModelImpl::OpticalModelImpl(const ModelConfig& c, const nn::Factory& factory) : config(c) {
  validate(c);
  if (c.source == "text")
    text_encoder = register_module("text_encoder", TextEncoder(c.text_encoder, c.decoder.vocab_size, c.decoder.input_width(), factory));
  else
    encoder = register_module("encoder", vision::DeepEncoder(c.encoder, c.decoder.input_width(), factory, c.decoder.hidden_size));
  decoder = register_module("decoder", decoder::Decoder(c.decoder, factory));
}

std::string published_name(const std::string& own_name) {
  static const std::pair<std::string, std::string> prefixes[] = {
      {"decoder.lm_head.", "lm_head."},
      {"decoder.", "model."},
      {"encoder.compressor.", "model.sam_model."},
      {"encoder.", "model."},
  };
  for (const auto& [own, published] : prefixes)
    if (own_name.rfind(own, 0) == 0) return published + own_name.substr(own.size());
  return own_name;
}

weights::NamedTensors published_tensors(const OpticalModel& model) {
  weights::NamedTensors out;
  for (const auto& item : model->named_parameters()) out.emplace_back(published_name(item.key()), item.value());
  return out;
}

at::Device parse_device(const std::string& name) {
  if (name == "cpu") return at::kCPU;
  if (name == "cuda" || name.rfind("cuda:", 0) == 0) {
    const int64_t count = torch::cuda::is_available() ? int64_t(torch::cuda::device_count()) : 0;
    int64_t index = 0;
    if (name.size() > 5) {
      try {
        size_t used = 0;
        index = std::stoll(name.substr(5), &used);
        if (used != name.size() - 5) index = -1;
      } catch (const std::exception&) {
        index = -1;
      }
    }
    if (count == 0) throw ConfigError("[device] there is no GPU that torch can use here, got '" + name + "'; use cpu");
    if (index < 0 || index >= count)
      throw ConfigError("[device] this machine has cuda:0 to cuda:" + std::to_string(count - 1) + ", got '" + name + "'");
    return at::Device(at::kCUDA, at::DeviceIndex(index));
  }
  throw ConfigError("[device] must be cpu, cuda or cuda:N, got '" + name + "'");
}

static at::ScalarType parse_dtype(const std::string& name, const at::Device& device) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  if (name == "auto") return device.is_cuda() ? at::kBFloat16 : at::kFloat;
  throw ConfigError("[dtype] must be auto, float32, bfloat16 or float16, got '" + name + "'");
}

Reader::Reader(ModelConfig config, OpticalModel model, text::Tokenizer tokenizer, at::Device device, at::ScalarType dtype)
    : config_(std::move(config)), model_(std::move(model)), tokenizer_(std::move(tokenizer)), device_(device), dtype_(dtype) {}

Reader Reader::load(const std::string& folder, const LoadModelConfig& options) {
  const at::Device device = parse_device(options.device);
  const at::ScalarType dtype = parse_dtype(options.dtype, device);
  if (!fs::is_directory(folder)) throw IoError("[load model] " + folder + " is not a folder; a model is a folder with config.json, *.safetensors and tokenizer.json");
  ModelConfig config;
  const std::string config_path = folder + "/config.json";
  Json json;
  try {
    json = Json::parse(read_file(config_path));
  } catch (const Json::exception& e) {
    throw ConfigError("[load model] " + config_path + " is not JSON: " + e.what());
  }
  if (is_published_config(json))
    config = published_config(json);
  else
    apply_json(config, json, config_path);
  validate(config);
  auto tokenizer = text::Tokenizer::from_file(folder + "/" + config.tokenizer);
  OpticalModel model(config, nn::Factory{device, dtype});
  {
    torch::NoGradGuard no_grad;
    weights::load_weights(published_tensors(model), weights::WeightStore(folder));
  }
  model->eval();
  for (auto& parameter : model->parameters()) parameter.set_requires_grad(false);
  if (device.is_cpu() && dtype == at::kFloat) nn::pack_int8(*model->decoder);
  return Reader(std::move(config), std::move(model), std::move(tokenizer), device, dtype);
}

std::vector<VisionTokens> Reader::encode_texts(const std::vector<std::string>& texts, int64_t grid) {
  torch::NoGradGuard no_grad;
  if (config_.source != "text") throw ConfigError("[encode_texts] " + config_.name + " reads pages, not text");
  std::vector<VisionTokens> out;
  for (const auto& text : texts) {  // one by one: what a text gives does not depend on what is encoded beside it
    std::vector<int64_t> ids;
    for (auto id : tokenizer_.encode(text, /*match_added_tokens=*/false)) ids.push_back(id);
    if (ids.empty()) ids.push_back(config_.decoder.eos_token_id);
    const auto sequence = model_->text_encoder(at::tensor(ids, at::kLong).unsqueeze(0).to(device_), at::tensor({int64_t(ids.size())}, at::kLong), grid);
    out.push_back({sequence[0].to(at::kCPU), grid, grid, grid * grid, config_.name});
  }
  return out;
}

std::vector<VisionTokens> Reader::encode(const std::vector<const Image*>& pages) {
  torch::NoGradGuard no_grad;
  if (config_.source != "page") throw ConfigError("[encode] " + config_.name + " reads text, not pages: encode_texts");
  const auto bytes = vision::bytes_from_images(pages, config_.encoder);
  std::vector<VisionTokens> out(pages.size());
  const auto encode_some = [&](int64_t first, int64_t count) {
    const auto part = bytes.slice(0, first, first + count).to(device_);
    const auto encoded = model_->encoder(vision::pixels_from_bytes(part, config_.encoder, dtype_));
    const auto host = encoded.sequence.to(at::kCPU);
    const int64_t grid = part.size(2) / config_.encoder.stride_px();
    for (int64_t i = 0; i < count; ++i) out[size_t(first + i)] = {host[i].clone(), grid, grid, grid * grid, config_.name};
  };
  const int64_t num_pages = bytes.size(0);
  if (device_.is_cuda()) {
    constexpr int64_t kAtOnce = 64;
    for (int64_t first = 0; first < num_pages; first += kAtOnce) encode_some(first, std::min(kAtOnce, num_pages - first));
    return out;
  }
  // On a CPU every thread has a page of its own (LibTorch's operations take one thread each then); the tower's activations are some 30 MB
  // a page. Pages are handed out one by one, as threads are not equally fast.
  const int64_t num_threads = std::min<int64_t>(at::get_num_threads(), num_pages);
  std::atomic<int64_t> next{0};
  at::parallel_for(0, num_threads, 1, [&](int64_t, int64_t) {
    torch::NoGradGuard no_grad_here;
    for (int64_t page; (page = next.fetch_add(1)) < num_pages;) encode_some(page, 1);
  });
  return out;
}

VisionTokens Reader::encode(const image::Views& views) {
  torch::NoGradGuard no_grad;
  const auto tokens_of = [&](const std::vector<const Image*>& pages) {
    const auto bytes = vision::bytes_from_images(pages, config_.encoder).to(device_);
    std::vector<at::Tensor> parts;
    constexpr int64_t kAtOnce = 4;  // tiles: attention over a view's patches takes hundreds of MB each on a CPU
    for (int64_t first = 0; first < bytes.size(0); first += kAtOnce)
      parts.push_back(model_->encoder(vision::pixels_from_bytes(bytes.slice(0, first, first + kAtOnce), config_.encoder, dtype_)).kept);
    return at::cat(parts, 0);
  };
  const auto global = tokens_of({&views.global})[0];
  at::Tensor tiles;
  VisionTokens out;
  out.rows = out.columns = views.global.width_px / config_.encoder.stride_px();
  if (!views.tiles.empty()) {
    std::vector<const Image*> pages;
    for (const Image& tile : views.tiles) pages.push_back(&tile);
    tiles = tokens_of(pages);
    const int64_t side = views.tiles[0].width_px / config_.encoder.stride_px();
    out.mosaic_rows = views.grid.rows * side;
    out.mosaic_columns = views.grid.columns * side;
  }
  out.sequence = model_->encoder->sequence(global, tiles, views.grid.rows, views.grid.columns).to(at::kCPU);
  out.num_valid = views.counts.paper_valid_tokens;
  out.model = config_.name;
  return out;
}

std::string prompt_text(const std::string& name) {
  if (name.empty() || name == "free-ocr") return "<image>\nFree OCR.";
  if (name == "markdown") return "<image>\n<|grounding|>Convert the document to markdown.";
  if (name == "ocr") return "<image>\n<|grounding|>OCR this image.";
  if (name == "figure") return "<image>\nParse the figure.";
  if (name == "describe") return "<image>\nDescribe this image in detail.";
  if (name.rfind("locate:", 0) == 0) return "<image>\nLocate <|ref|>" + name.substr(7) + "<|/ref|> in the image.";
  return name;
}

weights::SaveReport save_model(const std::string& folder, const OpticalModel& model, const weights::SaveOptions& options) {
  make_writable_folder(folder);
  const auto report = weights::save_weights(folder, published_tensors(model), options);
  write_file_atomic(folder + "/config.json", config_to_json(model->config).dump(2) + "\n");
  return report;
}

}  // namespace fovea::model

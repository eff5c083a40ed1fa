#include "fovea/experiments/info.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/image/views.h"
#include "fovea/model/optical_model.h"
#include "fovea/weights/quantize.h"

namespace fovea::experiments {
namespace {
namespace fs = std::filesystem;

// The part of the tree that a tensor belongs to: layers of one kind together.
std::string part_of(const std::string& name) {
  static const char* const parts[] = {"model.sam_model.net_", "model.sam_model.", "model.vision_model.", "model.projector.", "model.embed_tokens.", "lm_head.", "text_encoder."};
  for (const char* part : parts)
    if (name.rfind(part, 0) == 0) {
      std::string out = part;
      while (out.back() == '.' || out.back() == '_') out.pop_back();
      return out == "model.sam_model.net" ? "model.sam_model.net_2, net_3 (compressor)" : out;
    }
  if (name.rfind("model.layers.", 0) == 0) {
    if (name.find(".mlp.experts.") != std::string::npos) return "model.layers.N.mlp.experts";
    if (name.find(".mlp.shared_experts.") != std::string::npos) return "model.layers.N.mlp.shared_experts";
    if (name.find(".mlp.") != std::string::npos) return "model.layers.N.mlp";
    if (name.find(".self_attn.") != std::string::npos) return "model.layers.N.self_attn";
    return "model.layers.N norms";
  }
  return name;
}

std::string with_unit(double bytes) {
  char text[32];
  if (bytes >= 1073741824.0) std::snprintf(text, sizeof text, "%.2f GiB", bytes / 1073741824.0);
  else std::snprintf(text, sizeof text, "%.1f MiB", bytes / 1048576.0);
  return text;
}

}  // namespace

Json model_info(const InfoConfig& config) {
  validate_fields(config, "info");
  model::ModelConfig m;
  const std::string preset = config.model.empty() ? config.preset : config.model;
  const bool is_folder = !config.model.empty() && fs::is_directory(config.model);
  if (!is_folder) {
    if (!config.model.empty() && config.model.find('/') != std::string::npos) throw IoError("[info] " + config.model + " is not a folder");
    m = model::presets::by_name(preset);
  } else {
    const std::string path = config.model + "/config.json";
    const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) throw ConfigError("[info] " + path + " is not JSON");
    if (model::is_published_config(json)) m = model::published_config(json);
    else apply_json(m, json, path);
  }
  model::validate(m);
  const bool prompted = m.sequence == "begin-vision-prompt";
  const std::string dtype = config.dtype != "auto" ? config.dtype : prompted ? "bfloat16" : "float32";
  const int64_t item = dtype == "float32" ? 4 : 2;
  const model::OpticalModel network(m, nn::Factory{at::kMeta, at::kFloat});
  Json out = {{"name", m.name}};
  Json tensors = Json::array(), tree = Json::array();
  std::map<std::string, size_t> places;
  int64_t count = 0, num_tensors = 0, int8 = 0, int6 = 0, int4 = 0;
  for (const auto& [name, tensor] : model::published_tensors(network)) {
    ++num_tensors;
    count += tensor.numel();
    tensors.push_back({{"name", name}, {"shape", tensor.sizes().vec()}});
    const std::string part = part_of(name);
    if (places.emplace(part, tree.size()).second) tree.push_back({{"name", part}, {"num_tensors", 0}, {"num_parameters", 0}});
    Json& entry = tree[places[part]];
    entry["num_tensors"] = entry["num_tensors"].get<int64_t>() + 1;
    entry["num_parameters"] = entry["num_parameters"].get<int64_t>() + tensor.numel();
    // As weights::save_weights stores them: matrices in fewer bits with their scales, the rest as it is.
    const int64_t rows = tensor.dim() > 0 ? tensor.size(0) : 1, columns = rows > 0 ? tensor.numel() / rows : 0;
    const int64_t plain = tensor.numel() * item, eight = tensor.numel() + rows * 4;
    int8 += tensor.dim() >= 2 ? eight : plain;
    const auto packed = [&](int64_t bits) {
      if (tensor.dim() < 2) return plain;
      if (weights::stored_bits(bits, columns) == 8 || name.find("conv_stem") != std::string::npos) return eight;
      return tensor.numel() * bits / 8 + rows * weights::num_scales(columns) * 2;
    };
    int6 += packed(6);
    int4 += packed(4);
  }
  out["num_tensors"] = num_tensors;
  out["num_parameters"] = count;
  out["stride_px"] = m.stride_px();
  out["config"] = config_to_json(m);
  out["tree"] = std::move(tree);
  Json weights = {{"dtype", dtype}, {"num_bytes", count * item}, {"num_bytes_int8", int8}, {"num_bytes_int6", int6}, {"num_bytes_int4", int4}};
  if (is_folder) {
    int64_t stored = 0;
    for (const auto& entry : fs::directory_iterator(config.model))
      if (entry.path().extension() == ".safetensors") stored += int64_t(entry.file_size());
    weights["num_bytes_stored"] = stored;
  }
  out["weights"] = std::move(weights);
  out["picture"] = {{"width_px", config.width_px}, {"height_px", config.height_px}, {"max_new_tokens", config.max_new_tokens}};
  Json modes = Json::array();
  const std::vector<std::string> gray = {"256", "384", "512", "640", "768", "1024"};
  for (const auto& name : m.source != "page" ? std::vector<std::string>{} : prompted ? image::mode_names() : gray) {
    const int64_t stride = m.stride_px();
    if (!prompted && std::stoll(name) % stride != 0) continue;
    const auto mode = image::mode_by_name(name, stride);
    const auto counts = image::count_tokens(config.width_px, config.height_px, mode, stride);
    const int64_t tiles = image::choose_tile_grid(config.width_px, config.height_px, mode).num_tiles();
    const auto& d = m.decoder;
    const int64_t positions = std::min(d.max_position_embeddings, counts.decoder_positions + config.max_new_tokens);
    const int64_t cache = positions * d.num_hidden_layers * 2 * d.num_key_value_heads * d.head_dim * item;
    const auto& sam = m.encoder.sam;
    const auto widest = [&](int64_t views, int64_t side) { return views * (side / sam.patch_px) * (side / sam.patch_px) * (sam.mlp_width + 4 * sam.width) * item; };
    const int64_t activations = std::max(widest(1, mode.view_side_px), widest(std::min<int64_t>(4, tiles), mode.tile_side_px));
    modes.push_back({{"mode", name}, {"num_tiles", tiles}, {"num_vision_tokens", counts.vision_tokens}, {"num_decoder_positions", counts.decoder_positions},
                     {"cache_bytes", cache}, {"activation_bytes", activations}, {"total_bytes", count * item + cache + activations}});
  }
  out["modes"] = std::move(modes);
  if (config.tensors) out["tensors"] = std::move(tensors);
  return out;
}

std::string describe_info(const Json& info) {
  std::string out;
  char line[256];
  const auto add = [&](int length) { out.append(line, size_t(std::clamp(length, 0, int(sizeof line) - 1))).push_back('\n'); };
  for (const auto& part : info["tree"])
    add(std::snprintf(line, sizeof line, "%-44s %6lld tensors %14lld parameters", part["name"].get<std::string>().c_str(), static_cast<long long>(part["num_tensors"].get<int64_t>()),
                      static_cast<long long>(part["num_parameters"].get<int64_t>())));
  out += info["name"].get<std::string>() + ": " + std::to_string(info["num_tensors"].get<int64_t>()) + " tensors, " + std::to_string(info["num_parameters"].get<int64_t>()) +
         " parameters, " + std::to_string(info["stride_px"].get<int64_t>()) + " px a vision token\n";
  const Json& weights = info["weights"];
  out += "weights: " + with_unit(weights["num_bytes"].get<double>()) + " in " + weights["dtype"].get<std::string>() + ", " + with_unit(weights["num_bytes_int8"].get<double>()) +
         " in 8 bits, " + with_unit(weights["num_bytes_int6"].get<double>()) + " in 6 bits, " + with_unit(weights["num_bytes_int4"].get<double>()) + " in 4 bits";
  if (weights.contains("num_bytes_stored")) out += "; " + with_unit(weights["num_bytes_stored"].get<double>()) + " on disk";
  out += "\n";
  if (info["modes"].empty()) return out;
  const Json& picture = info["picture"];
  out += "for a picture of " + std::to_string(picture["width_px"].get<int64_t>()) + " x " + std::to_string(picture["height_px"].get<int64_t>()) + " px and " +
         std::to_string(picture["max_new_tokens"].get<int64_t>()) + " text tokens, one page at a time:\n";
  add(std::snprintf(line, sizeof line, "%-10s %6s %14s %18s %12s %16s %12s", "mode", "tiles", "vision tokens", "decoder positions", "cache", "activations >=", "memory >="));
  for (const auto& mode : info["modes"])
    add(std::snprintf(line, sizeof line, "%-10s %6lld %14lld %18lld %12s %16s %12s", mode["mode"].get<std::string>().c_str(), static_cast<long long>(mode["num_tiles"].get<int64_t>()),
                      static_cast<long long>(mode["num_vision_tokens"].get<int64_t>()), static_cast<long long>(mode["num_decoder_positions"].get<int64_t>()),
                      with_unit(mode["cache_bytes"].get<double>()).c_str(), with_unit(mode["activation_bytes"].get<double>()).c_str(),
                      with_unit(mode["total_bytes"].get<double>()).c_str()));
  return out;
}

}  // namespace fovea::experiments

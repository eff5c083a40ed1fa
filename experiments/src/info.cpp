#include "fovea/experiments/info.h"

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/optical_model.h"

namespace fovea::experiments {

Json model_info(const InfoConfig& config) {
  model::ModelConfig model_config;
  if (config.model.empty()) {
    model_config = model::presets::by_name(config.preset);
  } else {
    const std::string path = config.model + "/config.json";
    const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) throw ConfigError("[info] " + path + " is not JSON");
    apply_json(model_config, json, path);
  }
  model::validate(model_config);
  const model::OpticalModel network(model_config, nn::Factory{at::kMeta, at::kFloat});
  Json out = {{"name", model_config.name}};
  Json tensors = Json::array();
  int64_t count = 0, num_tensors = 0;
  for (const auto& [name, tensor] : model::published_tensors(network)) {
    ++num_tensors;
    count += tensor.numel();
    tensors.push_back({{"name", name}, {"shape", tensor.sizes().vec()}});
  }
  out["num_tensors"] = num_tensors;
  out["num_parameters"] = count;
  out["stride_px"] = model_config.encoder.stride_px();
  out["config"] = config_to_json(model_config);
  if (config.tensors) out["tensors"] = std::move(tensors);
  return out;
}

}  // namespace fovea::experiments

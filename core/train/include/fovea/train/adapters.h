// Low-rank adapters (LoRA: Hu et al. 2021, arXiv 2106.09685): W + (alpha / rank) B A in place of W, where A and B alone are trained.
// The product is made in the run's arithmetic and put where the layer keeps its weight, so every path through the layer sees the weight that
// merging will give, and no layer has to know.
#pragma once
#include <map>

#include "fovea/model/optical_model.h"
#include "fovea/train/config.h"

namespace fovea::train {

class AdaptersImpl : public torch::nn::Module {
 public:
  /// One adapter for each Linear of the model whose last name (q_proj) or a prefix of its name (decoder.layers.0) is among config.targets.
  /// Errors: ConfigError naming a target of no Linear and the nearest.
  AdaptersImpl(const model::OpticalModel& model, const LoraConfig& config, const nn::Factory& factory);
  /// B = 0 and A uniform in +-1/sqrt(in): the model begins as it was.
  void reset(uint64_t seed);
  /// The layers' weights with the adapters in them, part of the graph where gradients are on. detach() puts the own ones back.
  void attach();
  void detach();
  int64_t size() const { return int64_t(entries_.size()); }
  /// Names of the adapted weights in the tree, and for each (A [rank, in], B [out, rank]).
  struct Entry {
    std::string name;  ///< "decoder.layers.0.self_attn.q_proj"
    nn::Linear layer{nullptr};
    at::Tensor own, a, b;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  double scale_;
  std::vector<Entry> entries_;
};
TORCH_MODULE(Adapters);

/// adapter_model.safetensors and adapter_config.json, names as PEFT has them ("base_model.model.NAME.lora_A.weight", NAME the published one).
/// values: of each lora_A and lora_B by the adapters' parameter names.
void save_adapters(const std::string& folder, const Adapters& adapters, const LoraConfig& config, const std::map<std::string, at::Tensor>& values, const std::string& base);

/// Adds a saved folder's adapters to the model's weights, in float32. Returns their number.
/// Errors: IoError, ConfigError (no adapter_config.json, another kind), WeightsError (names or shapes that the model has not).
int64_t merge_adapters(model::OpticalModel& model, const std::string& folder);

}  // namespace fovea::train

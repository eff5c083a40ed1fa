#include "fovea/train/adapters.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/train/init.h"

namespace fovea::train {

// A name as a parameter of a module may bear it.
static std::string slashed(std::string name) {
  std::replace(name.begin(), name.end(), '.', '/');
  return name;
}

AdaptersImpl::AdaptersImpl(const model::OpticalModel& model, const LoraConfig& config, const nn::Factory& factory) : scale_(config.alpha / double(config.rank)) {
  std::set<std::string> used, known;
  for (const auto& item : model->named_modules()) {
    auto* linear = dynamic_cast<nn::LinearImpl*>(item.value().get());
    if (!linear) continue;
    const std::string name = item.key(), last = name.substr(name.rfind('.') + 1);
    known.insert(last);
    bool wanted = false;
    for (const auto& target : config.targets)
      if (target == last || has_prefix(name, {target})) wanted = true, used.insert(target);
    if (!wanted) continue;
    Entry entry;
    entry.name = name;
    entry.layer = nn::Linear(std::dynamic_pointer_cast<nn::LinearImpl>(item.value()));
    entry.a = register_parameter(slashed(name) + "/lora_A", factory.empty({config.rank, linear->weight.size(1)}));
    entry.b = register_parameter(slashed(name) + "/lora_B", factory.empty({linear->weight.size(0), config.rank}));
    entries_.push_back(std::move(entry));
  }
  for (const auto& target : config.targets)
    if (!used.count(target)) {
      const std::string near = nearest_word(target, {known.begin(), known.end()});
      throw ConfigError("[train] lora.targets: '" + target + "' is no matrix of the model" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
    }
}

void AdaptersImpl::reset(uint64_t seed) {
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < entries_.size(); ++i) {
    auto values = at::empty(entries_[i].a.sizes(), at::kFloat);
    const double bound = 1 / std::sqrt(double(values.size(1)));
    Rng rng(seed, 31, uint64_t(i));
    float* out = values.data_ptr<float>();
    for (int64_t k = 0; k < values.numel(); ++k) out[k] = float(rng.uniform(-bound, bound));
    entries_[i].a.copy_(values);
    entries_[i].b.zero_();
  }
}

void AdaptersImpl::attach() {
  for (auto& e : entries_) {
    if (!e.own.defined()) e.own = e.layer->weight;
    e.layer->weight = e.own + at::mm(e.b * scale_, e.a).to(e.own.scalar_type());
  }
}

void AdaptersImpl::detach() {
  for (auto& e : entries_)
    if (e.own.defined()) e.layer->weight = e.own, e.own = at::Tensor();
}

// "model.layers.0.self_attn.q_proj" in the published checkpoint.
static std::string published_layer(const std::string& name) {
  const std::string weight = model::published_name(name + ".weight");
  return weight.substr(0, weight.size() - std::string(".weight").size());
}

void save_adapters(const std::string& folder, const Adapters& adapters, const LoraConfig& config, const std::map<std::string, at::Tensor>& values, const std::string& base) {
  make_writable_folder(folder);
  weights::NamedTensors tensors;
  Json layers = Json::array();  // whole names: a part of ours, such as decoder.layers.0, says nothing to PEFT
  for (const auto& e : adapters->entries()) layers.push_back(published_layer(e.name));
  for (const auto& e : adapters->entries())
    for (const char* half : {"lora_A", "lora_B"}) tensors.emplace_back("base_model.model." + published_layer(e.name) + "." + half + ".weight", values.at(slashed(e.name) + "/" + half));
  const std::string temporary = folder + "/.new";
  weights::SaveOptions options;
  options.max_shard_bytes = int64_t(1) << 40;
  weights::save_weights(temporary, tensors, options);
  const Json about = {{"peft_type", "LORA"}, {"base_model_name_or_path", base}, {"r", config.rank}, {"lora_alpha", config.alpha}, {"lora_dropout", 0.0}, {"bias", "none"},
                      {"target_modules", layers}, {"task_type", "CAUSAL_LM"}};
  std::filesystem::rename(temporary + "/model.safetensors", folder + "/adapter_model.safetensors");
  std::filesystem::remove_all(temporary);
  write_file_atomic(folder + "/adapter_config.json", about.dump(2) + "\n");
}

int64_t merge_adapters(model::OpticalModel& model, const std::string& folder) {
  torch::NoGradGuard no_grad;
  const std::string path = folder + "/adapter_config.json";
  Json about;
  try {
    about = Json::parse(read_file(path));
  } catch (const Json::exception& e) {
    throw ConfigError("[adapters] " + path + " is not JSON: " + e.what());
  }
  if (about.value("peft_type", "") != "LORA" || !about.contains("r") || !about["r"].is_number_integer() || !about.contains("lora_alpha") || !about["lora_alpha"].is_number() || about["r"].get<int64_t>() < 1)
    throw ConfigError("[adapters] " + path + " must have peft_type LORA, r and lora_alpha");
  const double scale = about["lora_alpha"].get<double>() / double(about["r"].get<int64_t>());
  const weights::WeightStore store(folder + "/adapter_model.safetensors");
  std::map<std::string, nn::LinearImpl*> layers;
  for (const auto& item : model->named_modules())
    if (auto* linear = dynamic_cast<nn::LinearImpl*>(item.value().get())) layers[published_layer(item.key())] = linear;
  int64_t count = 0;
  const std::string head = "base_model.model.", tail = ".lora_A.weight";
  for (const auto& entry : store.entries()) {
    if (entry.name.size() < tail.size() || entry.name.compare(entry.name.size() - tail.size(), tail.size(), tail) != 0) continue;
    const std::string stem = entry.name.substr(0, entry.name.size() - tail.size()), name = stem.rfind(head, 0) == 0 ? stem.substr(head.size()) : stem;
    const auto layer = layers.find(name);
    if (layer == layers.end()) throw WeightsError("[adapters] " + folder + " adapts " + name + ", which the model does not have");
    const auto a = store.tensor(entry.name).to(at::kFloat), b = store.tensor(stem + ".lora_B.weight").to(at::kFloat);
    auto& weight = layer->second->weight;
    if (a.dim() != 2 || b.dim() != 2 || b.size(1) != a.size(0) || b.size(0) != weight.size(0) || a.size(1) != weight.size(1))
      throw WeightsError("[adapters] " + name + ": A " + weights::shape_to_string(a.sizes()) + " and B " + weights::shape_to_string(b.sizes()) + " do not fit " + weights::shape_to_string(weight.sizes()));
    weight.copy_(weight.to(at::kFloat) + at::mm(b * scale, a));
    ++count;
  }
  if (count == 0) throw WeightsError("[adapters] " + folder + " holds no adapter");
  return count;
}

}  // namespace fovea::train

#include "fovea/train/init.h"

#include <algorithm>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::train {

model::ModelConfig read_model_config(const std::string& folder) {
  const std::string path = folder + "/config.json";
  Json json;
  try {
    json = Json::parse(read_file(path));
  } catch (const Json::exception& e) {
    throw ConfigError("[train] " + path + " is not JSON: " + e.what());
  }
  if (model::is_published_config(json)) return model::published_config(json);
  model::ModelConfig config;
  apply_json(config, json, path);
  return config;
}

static bool begins(const std::string& name, const std::string& prefix) {
  if (name.rfind(prefix, 0) != 0) return false;
  return name.size() == prefix.size() || prefix.back() == '.' || name[prefix.size()] == '.';
}

bool has_prefix(const std::string& own_name, const std::vector<std::string>& prefixes) {
  const std::string published = model::published_name(own_name);
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return !p.empty() && (begins(own_name, p) || begins(published, p)); });
}

// Every part of the tree above these parameters, under both names.
static std::vector<std::string> parts_of(const std::vector<std::string>& own_names) {
  std::set<std::string> parts;
  for (const auto& own : own_names)
    for (const std::string& name : {own, model::published_name(own)})
      for (size_t dot = name.find('.'); ; dot = name.find('.', dot + 1)) {
        parts.insert(name.substr(0, dot));
        if (dot == std::string::npos) break;
      }
  return {parts.begin(), parts.end()};
}

static std::vector<std::string> own_names_of(const model::OpticalModel& model) {
  std::vector<std::string> names;
  for (const auto& item : model->named_parameters()) names.push_back(item.key());
  return names;
}

static void require_prefixes_of(const std::vector<std::string>& own_names, const std::vector<std::string>& prefixes, const std::string& option) {
  std::vector<std::string> problems;
  for (const auto& prefix : prefixes) {
    if (std::any_of(own_names.begin(), own_names.end(), [&](const std::string& name) { return has_prefix(name, {prefix}); })) continue;
    const std::string near = nearest_word(prefix, parts_of(own_names));
    problems.push_back("'" + prefix + "' is the name of no parameter and of no part of the model" +
                       (near.empty() ? "; parts are such as encoder.sam_model, encoder.compressor, decoder.layers.0" : ", did you mean '" + near + "'?"));
  }
  if (!problems.empty()) fovea::detail::throw_problems(option, problems);
}

void require_prefixes(const model::OpticalModel& model, const std::vector<std::string>& prefixes, const std::string& option) {
  require_prefixes_of(own_names_of(model), prefixes, option);
}

// "encoder.compressor" of "encoder.compressor.net_2.weight": a part that people speak of.
static std::string part_of(const std::string& name) {
  const size_t first = name.find('.');
  if (first == std::string::npos) return name;
  const size_t second = name.find('.', first + 1);
  return second == std::string::npos ? name : name.substr(0, second);
}

static std::string counted_parts(const std::vector<std::string>& names) {
  std::vector<std::pair<std::string, int64_t>> parts;
  for (const auto& name : names) {
    const std::string part = part_of(name);
    if (parts.empty() || parts.back().first != part) parts.emplace_back(part, 0);
    ++parts.back().second;
  }
  std::string out;
  for (const auto& [part, count] : parts) out += (out.empty() ? "" : ", ") + part + " (" + std::to_string(count) + ")";
  return out;
}

std::string describe_init(const InitReport& report) {
  std::string out = std::to_string(report.num_loaded) + " tensors loaded";
  if (!report.fresh.empty()) out += "; fresh: " + counted_parts(report.fresh);
  if (!report.left_over.empty()) out += "; not taken: " + counted_parts(report.left_over);
  return out;
}

InitReport init_from(model::OpticalModel& model, const std::string& folder, const std::vector<std::string>& skip, const std::vector<std::string>& only,
                     bool check_alone) {
  torch::NoGradGuard no_grad;
  const weights::WeightStore store(folder);
  // The folder's own tree tells which part each stored tensor belongs to.
  const model::OpticalModel stored_model(read_model_config(folder), nn::Factory{at::kMeta, at::kFloat});
  std::map<std::string, std::string> own_of_stored;
  std::vector<std::string> known = own_names_of(model);
  for (const auto& name : own_names_of(stored_model)) own_of_stored[model::published_name(name)] = name, known.push_back(name);
  require_prefixes_of(known, skip, "trainer.init_skip");
  require_prefixes_of(known, only, "trainer.init_only");
  const auto wanted = [&](const std::string& own) { return !has_prefix(own, skip) && (only.empty() || has_prefix(own, only)); };

  const auto parameters = model->named_parameters();
  const auto stored_parameters = stored_model->named_parameters();
  InitReport report;
  weights::NamedTensors targets;
  std::set<std::string> taken;
  std::vector<std::string> problems;
  std::vector<std::string> unfit;
  const auto problem = [&](const std::string& own, const std::string& what) {
    if (problems.size() < 20) problems.push_back(own + " " + what);
    unfit.push_back(own);
  };
  for (const auto& item : parameters) {
    if (!wanted(item.key())) {
      report.fresh.push_back(item.key());
      continue;
    }
    const std::string name = model::published_name(item.key());
    if (!store.contains(name)) {
      problem(item.key(), "is not in the folder");
      continue;
    }
    const auto own = own_of_stored.find(name);
    const at::Tensor* stored = own != own_of_stored.end() ? stored_parameters.find(own->second) : nullptr;  // 4 bits are stored in another shape
    const std::vector<int64_t> shape = stored ? stored->sizes().vec() : store.entry(name).shape;
    if (shape != item.value().sizes().vec()) {
      problem(item.key(), "is " + weights::shape_to_string(shape) + " in the folder and " + weights::shape_to_string(item.value().sizes()) + " in the model");
      continue;
    }
    targets.emplace_back(name, item.value());
    taken.insert(name);
  }
  for (const auto& entry : store.entries()) {
    const size_t scale = entry.name.size() > 6 ? entry.name.rfind(".scale") : std::string::npos;
    if (taken.count(entry.name) || (scale != std::string::npos && scale + 6 == entry.name.size() && store.contains(entry.name.substr(0, scale)))) continue;
    const auto own = own_of_stored.find(entry.name);
    if (own != own_of_stored.end() && wanted(own->second) && !parameters.contains(own->second)) problem(own->second, "is in the folder and not in the model");
    report.left_over.push_back(own == own_of_stored.end() ? entry.name : own->second);
  }
  if (!problems.empty()) {
    // The whole part where nothing of it fits, else the layer.
    const std::set<std::string> all(known.begin(), known.end());
    std::set<std::string> would_do;
    for (const auto& name : unfit) {
      const auto of_part = [&](const std::string& other) { return part_of(other) == part_of(name); };
      would_do.insert(std::count_if(unfit.begin(), unfit.end(), of_part) == std::count_if(all.begin(), all.end(), of_part) ? part_of(name) : name.substr(0, name.rfind('.')));
    }
    std::string list;
    for (const auto& part : would_do) list += (list.empty() ? "" : ",") + part;
    problems.push_back("init_skip=" + list + " would leave these as they are made");
    std::string text = "[train] " + folder + " does not fit the model";
    for (const auto& p : problems) text += "; " + p;
    throw WeightsError(text);
  }
  if (targets.empty()) throw ConfigError("[train] init_skip and init_only leave nothing of " + folder + " to load");
  if (check_alone) return report;
  report.num_loaded = weights::load_weights(targets, store, {.ignore = {}, .allow_unexpected_prefix = {""}}).num_loaded;
  return report;
}

}  // namespace fovea::train

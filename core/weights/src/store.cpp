#include "fovea/weights/store.h"

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "fovea/base/file.h"

namespace fovea::weights {
namespace fs = std::filesystem;
namespace {

/// The index's weight_map: tensor name -> file name.
std::map<std::string, std::string> read_index(const std::string& path) {
  nlohmann::json index;
  try {
    index = nlohmann::json::parse(read_file(path));
  } catch (const nlohmann::json::exception& e) {
    throw WeightsError("[WeightStore] " + path + " is not JSON: " + e.what());
  }
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object())
    throw WeightsError("[WeightStore] " + path + " must hold an object \"weight_map\"");
  std::map<std::string, std::string> file_of_tensor;
  for (const auto& [name, file] : index["weight_map"].items()) {
    const std::string text = file.is_string() ? file.get<std::string>() : "";
    if (text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos ||
        text.find('\0') != std::string::npos)
      throw WeightsError("[WeightStore] " + path + ": tensor " + name + " must name a file of the same folder, got " +
                         file.dump());
    file_of_tensor[name] = text;
  }
  return file_of_tensor;
}

}  // namespace

WeightStore::WeightStore(const std::string& path) : path_(path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) throw IoError("[WeightStore] no file or folder " + path);
  std::set<std::string> paths;
  std::map<std::string, std::string> indexed;
  const std::string index_path = path + "/model.safetensors.index.json";
  if (!fs::is_directory(path, ec)) {
    paths.insert(path);
  } else if (fs::exists(index_path, ec)) {
    indexed = read_index(index_path);
    std::set<std::string> absent;
    for (const auto& [name, file] : indexed) {
      paths.insert(path + "/" + file);
      if (!fs::exists(path + "/" + file, ec)) absent.insert(file);
    }
    if (!absent.empty())
      throw WeightsError("[WeightStore] " + index_path + " names " + std::to_string(absent.size()) +
                         " files that are not there, the first " + *absent.begin());
  } else {
    for (fs::directory_iterator it(path, ec), end; !ec && it != end; it.increment(ec))
      if (it->path().extension() == ".safetensors") paths.insert(it->path().string());
    if (ec) throw IoError("[WeightStore] cannot list " + path + ": " + ec.message());
    if (paths.empty()) throw IoError("[WeightStore] no *.safetensors in " + path);
  }
  for (const auto& file_path : paths) {
    files_.emplace_back(file_path);
    for (const auto& entry : files_.back().entries()) {
      if (!file_of_.emplace(entry.name, files_.size() - 1).second)
        throw WeightsError("[WeightStore] tensor " + entry.name + " is in two files: " + this->entry(entry.name).file +
                           " and " + file_path);
      entries_.push_back(entry);
    }
  }
  for (const auto& [name, file] : indexed) {
    const auto it = file_of_.find(name);
    if (it == file_of_.end() || files_[it->second].path() != path + "/" + file)
      throw WeightsError("[WeightStore] " + index_path + ": tensor " + name + " must be in " + file + ", which lacks it");
  }
}

const SafetensorsFile& WeightStore::file_of(const std::string& name) const {
  const auto it = file_of_.find(name);
  if (it == file_of_.end()) throw WeightsError("[WeightStore] " + path_ + " holds no tensor " + name);
  return files_[it->second];
}
const TensorEntry& WeightStore::entry(const std::string& name) const { return file_of(name).entry(name); }
torch::Tensor WeightStore::tensor(const std::string& name) const { return file_of(name).tensor(name); }
void WeightStore::release(const std::string& name) const { file_of(name).release(name); }

int64_t WeightStore::num_bytes() const {
  int64_t sum = 0;
  for (const auto& entry : entries_) sum += entry.num_bytes;
  return sum;
}

}  // namespace fovea::weights

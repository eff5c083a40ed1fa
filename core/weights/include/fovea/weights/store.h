// Named tensors on disk, whether in one file or in shards.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "fovea/weights/safetensors.h"

namespace fovea::weights {

/// A safetensors file, or a folder: its model.safetensors.index.json with the shards that it names, else every
/// *.safetensors in it. Opening maps and checks all headers and reads no tensor. Immutable; threads may share it.
class WeightStore {
 public:
  /// Errors   IoError if nothing is there; WeightsError for a damaged file, an index that names absent shards or tensors,
  ///          or a tensor that two files hold.
  explicit WeightStore(const std::string& path);

  const std::string& path() const { return path_; }
  /// Every tensor of every file opened, by file and then by position.
  const std::vector<TensorEntry>& entries() const { return entries_; }
  bool contains(const std::string& name) const { return file_of_.count(name) != 0; }
  /// Errors   WeightsError if absent.
  const TensorEntry& entry(const std::string& name) const;
  /// As SafetensorsFile::tensor.
  torch::Tensor tensor(const std::string& name) const;
  /// As SafetensorsFile::release.
  void release(const std::string& name) const;
  int64_t num_bytes() const;

 private:
  const SafetensorsFile& file_of(const std::string& name) const;

  std::string path_;
  std::vector<SafetensorsFile> files_;
  std::vector<TensorEntry> entries_;
  std::unordered_map<std::string, size_t> file_of_;
};

}  // namespace fovea::weights

// One safetensors file, mapped into memory: 8 bytes of header length, a JSON header, the tensors' bytes.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <torch/types.h>

#include "fovea/base/error.h"

namespace fovea::weights {

/// What a header says of one tensor.
struct TensorEntry {
  std::string name;
  torch::ScalarType dtype = torch::kFloat32;
  std::vector<int64_t> shape;
  int64_t num_bytes = 0;
  std::string file;  ///< path of the file that holds it
};

/// "BF16", "F32", ... as the format spells them; empty if the format (as we support it) has no such type.
/// Supported: BF16 F16 F32 F64 I64 I32 I16 I8 U8 BOOL.
std::string safetensors_dtype_name(torch::ScalarType dtype);
/// "[2, 3]", as error messages show shapes.
std::string shape_to_string(at::IntArrayRef shape);

/// A mapped file. Immutable after construction, so threads may share it. Tensors made from it own a share of the mapping
/// and may outlive the object. The file must not be truncated while it is mapped (replacing it by rename is fine).
class SafetensorsFile {
 public:
  /// Maps the file and checks the whole header against it.
  /// Errors   IoError if it cannot be opened; WeightsError, naming file, tensor and value, for anything truncated,
  ///          malformed or inconsistent (lengths, JSON, duplicate names, dtypes, shapes, offsets with gaps or overlaps).
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return path_; }
  /// In the order of their bytes in the file.
  const std::vector<TensorEntry>& entries() const { return entries_; }
  /// The header's __metadata__.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return index_.count(name) != 0; }
  /// Errors   WeightsError if absent.
  const TensorEntry& entry(const std::string& name) const;
  /// CPU tensor on the mapping, without a copy (with one only if the file does not align it to its item size). Writing
  /// into it changes this process's view alone, never the file.
  /// Errors   WeightsError if absent.
  torch::Tensor tensor(const std::string& name) const;
  /// The tensor's bytes leave this process's memory until somebody touches them again; what was written into its tensors may be forgotten.
  /// Errors   WeightsError if absent.
  void release(const std::string& name) const;

 private:
  struct Mapping;
  void read_header();
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::shared_ptr<Mapping> mapping_;
  std::vector<TensorEntry> entries_;
  std::vector<int64_t> offsets_;  // into the mapping, one an entry
  std::unordered_map<std::string, size_t> index_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace fovea::weights

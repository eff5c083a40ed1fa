// From tensors to a folder of safetensors shards. The quantised forms are those of the note in load.h.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fovea/weights/load.h"

namespace fovea::weights {

enum class Quantize { kNone, kInt8, kInt6, kInt4 };

struct SaveOptions {
  /// Largest file, header included, in bytes; a tensor larger than that gets a file of its own.
  int64_t max_shard_bytes = 15 * 1024 * 1024 + 512 * 1024;
  /// kFloat32, kBFloat16 or kFloat16 for the floating tensors that are not quantised; nullopt keeps each one's own.
  std::optional<torch::ScalarType> dtype = std::nullopt;
  /// Applies to floating tensors of two dimensions and more. (A row must fill its bytes: 4 bits need an even size, 6 a multiple of 4; 8 are used otherwise.)
  Quantize quantize = Quantize::kNone;
  /// 4 and 6 bits: columns that share a scale, a power of two from 32 to 65536.
  int64_t group = 32;
  /// 4 and 6 bits: names or shell patterns of tensors that take 8 all the same.
  std::vector<std::string> eight_bit_names = {};
  /// 6 bits: names or shell patterns of tensors that take 4 all the same.
  std::vector<std::string> four_bit_names = {};
  /// Names, or shell patterns such as "decoder.norm*", of tensors that are not quantised.
  std::vector<std::string> keep_names = {};
  /// Goes into every file's __metadata__, beside format=pt.
  std::map<std::string, std::string> metadata = {};
};

/// Whether the name is one of the patterns or fits one.
bool matches_any(const std::string& name, const std::vector<std::string>& patterns);
/// What a tensor takes where `bits` (8, 6 or 4) are asked for: 8 if its name is among `eight`, 4 if 6 are asked for and it is among `four`.
int64_t named_bits(int64_t bits, const std::string& name, const std::vector<std::string>& eight, const std::vector<std::string>& four);

struct SavedFile {
  std::string name;  ///< within the folder
  int64_t num_bytes = 0;
};
struct SaveReport {
  std::vector<SavedFile> files;  ///< the weight files, then the index if there is one
  int64_t num_bytes = 0;         ///< all files together
  int64_t num_tensor_bytes = 0;  ///< without headers and index
};

/// Writes model.safetensors, or model-00001-of-0000N.safetensors with model.safetensors.index.json if one file would be
/// larger than max_shard_bytes. Files are written under temporary names and renamed when all are complete, the index last;
/// then files of an earlier save that are no longer part of the model are removed. Order and bytes depend on the arguments
/// alone. Tensors may be on any device; one shard at a time is held in memory.
/// Errors   WeightsError for an undefined tensor, a name twice, a dtype without a safetensors name, a value that
///          quantisation or float16 cannot hold (NaN, infinity, overflow); IoError if writing fails.
SaveReport save_weights(const std::string& folder, const NamedTensors& tensors, const SaveOptions& options = {});

struct QuantizationError {
  std::string name;
  int64_t bits = 0;               ///< 8, 6 or 4; 0 where it is not quantised
  std::string stored_dtype;       ///< "I8", "U8" (4 or 6 bits), "BF16", ...
  double relative_error = 0;      ///< |stored - original| / |original| (2-norms); 0 for a tensor of zeros
  int64_t num_bytes_original = 0;
  int64_t num_bytes_stored = 0;   ///< scales included
};
/// What save_weights with these options would do to each tensor. Writes nothing.
/// Errors   as save_weights, but for IoError.
std::vector<QuantizationError> quantization_report(const NamedTensors& tensors, const SaveOptions& options);

}  // namespace fovea::weights

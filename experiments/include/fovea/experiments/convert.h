// From one model folder to another: other arithmetic, 8, 6 or 4 bits, shards.
#pragma once
#include "fovea/base/config.h"

namespace fovea::experiments {

struct ConvertConfig {
  std::string model;                 ///< folder to read
  std::string out;                   ///< folder to write
  std::string adapters;              ///< folder of low-rank adapters that are merged in (train/adapters.h); empty: none
  std::string quantize = "none";     ///< matrices: none | int8 (a scale a row) | int6 | int4 (a scale each `group` columns)
  int64_t group = 32;                ///< int6, int4: columns that share a scale, a power of two from 32 on; 128 stores a weight in 4.125 bits
  std::vector<std::string> eight_bits = {"*conv_stem*"};  ///< int6, int4: shell patterns of tensors that take 8 bits: a stem in four loses small type
  std::vector<std::string> four_bits = {};  ///< int6: shell patterns of tensors that take 4 bits
  std::string dtype = "keep";        ///< all else: keep | float32 | bfloat16 | float16
  double max_shard_mib = 15.5;

  template <class V> void visit_fields(V& v) {
    v.field("model", model, "model folder to read");
    v.field("out", out, "model folder to write");
    v.field("adapters", adapters, "folder of low-rank adapters to merge in");
    v.field("quantize", quantize, "8, 6 or 4 bits for matrices", {.choices = {"none", "int8", "int6", "int4"}});
    v.field("group", group, "int6, int4: columns that share a scale, a power of two", {.min = 32, .max = 65536});
    v.field("eight_bits", eight_bits, "int6, int4: shell patterns of tensors that take 8 bits");
    v.field("four_bits", four_bits, "int6: shell patterns of tensors that take 4 bits");
    v.field("dtype", dtype, "type of what is not quantised", {.choices = {"keep", "float32", "bfloat16", "float16"}});
    v.field("max_shard_mib", max_shard_mib, "largest file in MiB", {.min = 0.01});
  }
};

/// Writes config.json, the tokenizer and the weights, and reads every tensor back. Returns {num_tensors, num_checked, stored: {FORM: {num_tensors, num_bytes_original,
/// num_bytes, relative_error}}, num_bytes, mean_relative_error, worst: [{name, relative_error}]}; FORM is int8, int6, int4, F32, BF16 or F16; errors are 2-norms over the
/// tensor's own, of a form their root mean square.
/// with adapters also {num_merged}. Errors: ConfigError, IoError, WeightsError.
Json convert_model(const ConvertConfig& config);

}  // namespace fovea::experiments

#include "fovea/experiments/convert.h"

#include <algorithm>
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/optical_model.h"

namespace fovea::experiments {

Json convert_model(const ConvertConfig& config) {
  validate_fields(config, "convert");
  if (config.model.empty() || config.out.empty()) throw ConfigError("[convert] model and out must name folders");
  std::error_code ec;
  if (std::filesystem::equivalent(config.model, config.out, ec)) throw ConfigError("[convert] out must be another folder than model, got " + config.out);
  auto reader = model::Reader::load(config.model, {.device = "cpu", .dtype = "float32"});
  weights::SaveOptions options;
  options.max_shard_bytes = int64_t(config.max_shard_mib * 1024 * 1024);
  if (config.quantize == "int8") options.quantize = weights::Quantize::kInt8;
  if (config.quantize == "int4") options.quantize = weights::Quantize::kInt4;
  if (config.dtype == "float32") options.dtype = at::kFloat;
  if (config.dtype == "bfloat16") options.dtype = at::kBFloat16;
  if (config.dtype == "float16") options.dtype = at::kHalf;
  auto errors = weights::quantization_report(model::published_tensors(reader.model()), options);
  const auto saved = model::save_model(config.out, reader.model(), options);
  write_file_atomic(config.out + "/" + reader.config().tokenizer, read_file(config.model + "/" + reader.config().tokenizer));
  std::sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) { return a.relative_error > b.relative_error; });
  double sum = 0;
  Json worst = Json::array();
  for (const auto& e : errors) {
    sum += e.relative_error;
    if (worst.size() < 5) worst.push_back({{"name", e.name}, {"relative_error", e.relative_error}});
  }
  return {{"num_tensors", errors.size()}, {"num_bytes", saved.num_bytes}, {"mean_relative_error", sum / double(std::max<size_t>(1, errors.size()))}, {"worst", worst}};
}

}  // namespace fovea::experiments

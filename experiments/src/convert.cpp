#include "fovea/experiments/convert.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/optical_model.h"
#include "fovea/train/adapters.h"
#include "fovea/weights/quantize.h"

namespace fovea::experiments {

Json convert_model(const ConvertConfig& config) {
  validate_fields(config, "convert");
  if (config.quantize == "int4" || config.quantize == "int6") weights::check_group(config.group, "[convert] group");
  if (config.model.empty() || config.out.empty()) throw ConfigError("[convert] model and out must name folders");
  std::error_code ec;
  if (std::filesystem::equivalent(config.model, config.out, ec)) throw ConfigError("[convert] out must be another folder than model, got " + config.out);
  auto reader = model::Reader::load(config.model, {.device = "cpu", .dtype = "float32"});
  int64_t num_merged = 0;
  if (!config.adapters.empty()) num_merged = train::merge_adapters(reader.model(), config.adapters);
  weights::SaveOptions options;
  options.max_shard_bytes = int64_t(config.max_shard_mib * 1024 * 1024);
  if (config.quantize == "int8") options.quantize = weights::Quantize::kInt8;
  if (config.quantize == "int6") options.quantize = weights::Quantize::kInt6;
  if (config.quantize == "int4") options.quantize = weights::Quantize::kInt4;
  options.group = config.group;
  options.eight_bit_names = config.eight_bits;
  options.four_bit_names = config.four_bits;
  if (config.dtype == "float32") options.dtype = at::kFloat;
  if (config.dtype == "bfloat16") options.dtype = at::kBFloat16;
  if (config.dtype == "float16") options.dtype = at::kHalf;
  auto errors = weights::quantization_report(model::published_tensors(reader.model()), options);
  const auto saved = model::save_model(config.out, reader.model(), options);
  write_file_atomic(config.out + "/" + reader.config().tokenizer, read_file(config.model + "/" + reader.config().tokenizer));
  // What was written is read back, tensor by tensor: it must err as much as was foretold, and no more.
  const weights::WeightStore written(config.out);
  std::map<std::string, double> foretold;
  for (const auto& e : errors) foretold[e.name] = e.relative_error;
  int64_t num_checked = 0;
  {
    torch::NoGradGuard no_grad;
    for (const auto& [name, tensor] : model::published_tensors(reader.model())) {
      const auto back = at::empty(tensor.sizes(), at::kFloat);
      weights::load_weights({{name, back}}, written, {.allow_unexpected_prefix = {""}});
      const double norm = tensor.to(at::kDouble).norm().item<double>(), gap = (back.to(at::kDouble) - tensor.to(at::kDouble)).norm().item<double>();
      const double error = norm > 0 ? gap / norm : gap;
      if (!(error <= foretold[name] * 1.001 + 1e-6))
        throw WeightsError("[convert] " + name + " was not written as it should be: relative error " + std::to_string(error) + " instead of " + std::to_string(foretold[name]));
      ++num_checked;
    }
  }
  Json stored = Json::object();
  const auto form_of = [](const weights::QuantizationError& e) { return e.bits > 0 ? "int" + std::to_string(e.bits) : e.stored_dtype; };
  for (const char* form : {"int8", "int6", "int4", "F32", "BF16", "F16"}) {
    int64_t num = 0, original = 0, bytes = 0;
    double squares = 0;
    for (const auto& e : errors)
      if (form_of(e) == form) ++num, original += e.num_bytes_original, bytes += e.num_bytes_stored, squares += e.relative_error * e.relative_error;
    if (num > 0)
      stored[form] = {{"num_tensors", num}, {"num_bytes_original", original}, {"num_bytes", bytes}, {"relative_error", std::sqrt(squares / double(num))}};
  }
  std::sort(errors.begin(), errors.end(), [](const auto& a, const auto& b) { return a.relative_error > b.relative_error; });
  double sum = 0;
  Json worst = Json::array();
  for (const auto& e : errors) {
    sum += e.relative_error;
    if (worst.size() < 5) worst.push_back({{"name", e.name}, {"relative_error", e.relative_error}});
  }
  return {{"num_tensors", errors.size()}, {"num_checked", num_checked}, {"num_merged", num_merged}, {"stored", std::move(stored)}, {"num_bytes", saved.num_bytes}, {"mean_relative_error", sum / double(std::max<size_t>(1, errors.size()))}, {"worst", worst}};
}

}  // namespace fovea::experiments

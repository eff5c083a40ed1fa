#include "fovea/weights/save.h"

#include <fnmatch.h>
#include <torch/torch.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "fovea/base/file.h"
#include "fovea/weights/quantize.h"

namespace fovea::weights {
namespace fs = std::filesystem;

bool matches_any(const std::string& name, const std::vector<std::string>& patterns) {
  for (const auto& pattern : patterns)
    if (name == pattern || ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return true;
  return false;
}

int64_t named_bits(int64_t bits, const std::string& name, const std::vector<std::string>& eight, const std::vector<std::string>& four) {
  if (matches_any(name, eight)) return 8;
  return bits == 6 && matches_any(name, four) ? 4 : bits;
}

namespace {

using Json = nlohmann::ordered_json;
constexpr const char* kIndexName = "model.safetensors.index.json";

/// One tensor as it will lie in a file.
struct Part {
  std::string name;
  torch::ScalarType dtype;
  std::vector<int64_t> shape;
  int64_t num_bytes() const {
    int64_t product = static_cast<int64_t>(c10::elementSize(dtype));
    for (int64_t size : shape) product *= size;
    return product;
  }
};

/// What becomes of one source tensor: one part, or values and scale.
struct Plan {
  std::string name;
  torch::Tensor source;
  int64_t bits;  ///< 0: not quantised
  int64_t group;
  std::vector<Part> parts;
};

[[noreturn]] void fail(const std::string& name, const std::string& what) {
  throw WeightsError("[save_weights] tensor " + name + " " + what);
}

int64_t bits_of(Quantize quantize) { return quantize == Quantize::kInt8 ? 8 : quantize == Quantize::kInt6 ? 6 : quantize == Quantize::kInt4 ? 4 : 0; }

Plan make_plan(const std::string& name, const torch::Tensor& source, const SaveOptions& options) {
  if (!source.defined()) fail(name, "must be defined");
  if (name.empty() || name == "__metadata__") fail("'" + name + "'", "must have another name");
  Plan plan{name, source, 0, options.group, {}};
  const bool floating = torch::isFloatingType(source.scalar_type());
  const auto shape = source.sizes().vec();
  if (floating && source.dim() >= 2 && !matches_any(name, options.keep_names)) plan.bits = bits_of(options.quantize);
  const int64_t rows = source.dim() ? source.size(0) : 0, columns = rows ? source.numel() / rows : 0;
  if (plan.bits > 0) plan.bits = stored_bits(named_bits(plan.bits, name, options.eight_bit_names, options.four_bit_names), columns);
  if (plan.bits == 8) {
    plan.parts = {{name, torch::kInt8, shape}, {name + ".scale", torch::kFloat32, {rows}}};
  } else if (plan.bits > 0) {
    plan.parts = {{name, torch::kUInt8, {rows, columns * plan.bits / 8}},
                  {name + ".scale", torch::kFloat16, {rows, num_scales(columns, options.group)}}};
  } else {
    plan.parts = {{name, floating ? options.dtype.value_or(source.scalar_type()) : source.scalar_type(), shape}};
  }
  for (const auto& part : plan.parts)
    if (safetensors_dtype_name(part.dtype).empty())
      fail(name, std::string("must have a type that safetensors knows, got ") + c10::toString(part.dtype));
  return plan;
}

std::vector<Plan> make_plans(const NamedTensors& tensors, const SaveOptions& options) {
  if (options.dtype && *options.dtype != torch::kFloat32 && *options.dtype != torch::kFloat16 &&
      *options.dtype != torch::kBFloat16)
    throw ConfigError(std::string("[save_weights] dtype must be float32, float16 or bfloat16, got ") +
                      c10::toString(*options.dtype));
  if (options.quantize == Quantize::kInt4 || options.quantize == Quantize::kInt6) check_group(options.group, "[save_weights] group");
  if (options.max_shard_bytes < 1)
    throw ConfigError("[save_weights] max_shard_bytes must be at least 1, got " + std::to_string(options.max_shard_bytes));
  std::vector<Plan> plans;
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) {
    plans.push_back(make_plan(name, tensor, options));
    for (const auto& part : plans.back().parts)
      if (!names.insert(part.name).second) fail(part.name, "must be given once, got it twice");
  }
  return plans;
}

/// The parts' tensors: contiguous, on the CPU.
std::vector<torch::Tensor> convert(const Plan& plan) {
  torch::NoGradGuard no_grad;
  const auto source = plan.source.detach().to(torch::kCPU);
  std::vector<torch::Tensor> out;
  if (plan.bits == 0) {
    out = {source.to(plan.parts[0].dtype).contiguous()};
    if (plan.parts[0].dtype == torch::kFloat16 && source.scalar_type() != torch::kFloat16 &&
        !torch::isfinite(out[0]).equal(torch::isfinite(source)))
      fail(plan.name, "must lie within float16's range to be stored so, got " +
                          std::to_string(source.abs().max().item<double>()));
    return out;
  }
  if (!torch::isfinite(source).all().item<bool>()) fail(plan.name, "must be finite to be quantised, got NaN or infinity");
  const auto quantized = plan.bits == 8 ? quantize_int8(source) : quantize_packed(source, plan.bits, plan.group);
  if (!torch::isfinite(quantized.scale).all().item<bool>())
    fail(plan.name, "must be small enough for its scale to be stored, got " + std::to_string(source.abs().max().item<double>()));
  return {quantized.values.contiguous(), quantized.scale.contiguous()};
}

std::string shard_name(size_t index, size_t count) {
  if (count == 1) return "model.safetensors";
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", index + 1, count);
  return name;
}

/// 8 bytes of length and the JSON, padded with spaces to a multiple of 8.
std::string make_header(const std::vector<const Part*>& parts, const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  Json notes = {{"format", "pt"}};
  for (const auto& [key, value] : metadata) notes[key] = value;
  header["__metadata__"] = notes;
  int64_t offset = 0;
  for (const Part* part : parts) {
    const int64_t end = offset + part->num_bytes();
    header[part->name] = {{"dtype", safetensors_dtype_name(part->dtype)}, {"shape", part->shape},
                          {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[size_t(i)] = static_cast<char>(uint64_t(text.size()) >> (8 * i) & 0xFF);
  return out + text;
}

/// Largest items first, so that every tensor is aligned to its item size; the order given otherwise.
std::vector<const Part*> file_order(const std::vector<const Plan*>& shard) {
  std::vector<const Part*> parts;
  for (const Plan* plan : shard)
    for (const auto& part : plan->parts) parts.push_back(&part);
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part* a, const Part* b) { return c10::elementSize(a->dtype) > c10::elementSize(b->dtype); });
  return parts;
}

int64_t write_shard(const std::string& path, const std::vector<const Plan*>& shard, const SaveOptions& options) {
  const auto parts = file_order(shard);
  std::map<const Part*, torch::Tensor> tensors;
  for (const Plan* plan : shard) {
    auto converted = convert(*plan);
    for (size_t i = 0; i < converted.size(); ++i) tensors[&plan->parts[i]] = std::move(converted[i]);
  }
  const std::string header = make_header(parts, options.metadata);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  int64_t size = static_cast<int64_t>(header.size());
  for (const Part* part : parts) {
    const auto& tensor = tensors.at(part);
    if (tensor.sizes() != at::IntArrayRef(part->shape) || tensor.scalar_type() != part->dtype)
      throw InternalError("[save_weights] " + part->name + " was planned otherwise; please report this");
    file.write(static_cast<const char*>(tensor.const_data_ptr()), static_cast<std::streamsize>(part->num_bytes()));
    size += part->num_bytes();
  }
  file.close();
  if (!file) throw IoError("[save_weights] cannot write " + path + ": " + std::strerror(errno));
  return size;
}

/// Bytes that a plan adds to a file at most, its lines of the header included.
int64_t estimate_bytes(const Plan& plan) {
  int64_t sum = 0;
  for (const auto& part : plan.parts)
    sum += part.num_bytes() + int64_t(Json(part.name).dump().size()) + 90 + 20 * int64_t(part.shape.size());
  return sum;
}

std::vector<std::vector<const Plan*>> make_shards(const std::vector<Plan>& plans, const SaveOptions& options) {
  const int64_t fixed = int64_t(make_header({}, options.metadata).size()) + 8;
  std::vector<std::vector<const Plan*>> shards(1);
  int64_t size = fixed;
  for (const auto& plan : plans) {
    const int64_t more = estimate_bytes(plan);
    if (!shards.back().empty() && size + more > options.max_shard_bytes) {
      shards.emplace_back();
      size = fixed;
    }
    shards.back().push_back(&plan);
    size += more;
  }
  return shards;
}

bool is_model_file(const std::string& name) {
  return name == kIndexName || name == "model.safetensors" ||
         ::fnmatch("model-[0-9][0-9][0-9][0-9][0-9]-of-[0-9][0-9][0-9][0-9][0-9].safetensors", name.c_str(), 0) == 0;
}

}  // namespace

SaveReport save_weights(const std::string& folder, const NamedTensors& tensors, const SaveOptions& options) {
  const auto plans = make_plans(tensors, options);
  make_writable_folder(folder);
  const auto shards = make_shards(plans, options);
  const std::string suffix = ".tmp" + std::to_string(::getpid());

  SaveReport report;
  Json weight_map = Json::object();
  struct Cleanup {  // leaves no temporary files behind when something throws
    std::vector<std::string> paths;
    ~Cleanup() {
      std::error_code ec;
      for (const auto& path : paths) fs::remove(path, ec);
    }
  } cleanup;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    cleanup.paths.push_back(folder + "/" + name + suffix);
    report.files.push_back({name, write_shard(cleanup.paths.back(), shards[i], options)});
    for (const Plan* plan : shards[i])
      for (const auto& part : plan->parts) {
        weight_map[part.name] = name;
        report.num_tensor_bytes += part.num_bytes();
      }
  }
  std::set<std::string> current;
  for (const auto& file : report.files) {
    std::error_code ec;
    fs::rename(folder + "/" + file.name + suffix, folder + "/" + file.name, ec);
    if (ec) throw IoError("[save_weights] cannot write " + folder + "/" + file.name + ": " + ec.message());
    current.insert(file.name);
  }
  if (shards.size() > 1) {
    const Json index = {{"metadata", {{"total_size", report.num_tensor_bytes}}}, {"weight_map", weight_map}};
    const std::string text = index.dump(2) + "\n";
    write_file_atomic(folder + "/" + kIndexName, text);
    report.files.push_back({kIndexName, int64_t(text.size())});
    current.insert(kIndexName);
  }
  // The index first: without it, and with the shards still there, a reader would take the shards for the model.
  std::vector<std::string> stale;
  for (const auto& item : fs::directory_iterator(folder)) {
    const std::string name = item.path().filename().string();
    if (is_model_file(name) && !current.count(name)) stale.push_back(name);
  }
  std::sort(stale.begin(), stale.end(), [](const std::string& a, const std::string& b) {
    return std::make_pair(a != kIndexName, a) < std::make_pair(b != kIndexName, b);
  });
  for (const auto& name : stale) {
    std::error_code ec;
    fs::remove(folder + "/" + name, ec);
    if (ec) throw IoError("[save_weights] cannot remove the old " + folder + "/" + name + ": " + ec.message());
  }
  for (const auto& file : report.files) report.num_bytes += file.num_bytes;
  return report;
}

std::vector<QuantizationError> quantization_report(const NamedTensors& tensors, const SaveOptions& options) {
  torch::NoGradGuard no_grad;
  std::vector<QuantizationError> report;
  for (const auto& plan : make_plans(tensors, options)) {
    const auto parts = convert(plan);
    QuantizationError row;
    row.name = plan.name;
    row.bits = plan.bits;
    row.stored_dtype = safetensors_dtype_name(plan.parts[0].dtype);
    row.num_bytes_original = int64_t(plan.source.nbytes());
    for (const auto& part : plan.parts) row.num_bytes_stored += part.num_bytes();
    const auto original = plan.source.detach().to(torch::kCPU).to(torch::kFloat64);
    torch::Tensor restored = parts[0];
    if (plan.bits == 8) restored = dequantize_int8(parts[0], parts[1]);
    else if (plan.bits > 0) restored = dequantize_packed(parts[0], parts[1], original.sizes());
    const double norm = original.norm().item<double>();
    const double gap = (restored.to(torch::kFloat64) - original).norm().item<double>();
    row.relative_error = norm > 0 ? gap / norm : 0.0;
    report.push_back(std::move(row));
  }
  return report;
}

}  // namespace fovea::weights

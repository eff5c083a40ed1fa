#include "fovea/weights/load.h"

#include <torch/torch.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "fovea/weights/quantize.h"

namespace fovea::weights {
namespace {

constexpr size_t kMaxNamesShown = 20;
constexpr std::string_view kAlwaysIgnored = "model.vision_model.embeddings.position_ids";

enum class Form { kPlain, kInt8, kPacked };

void append_problems(std::string& message, const char* kind, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  message.append("\n").append(std::to_string(lines.size())).append(" ").append(kind).append(":");
  for (size_t i = 0; i < lines.size() && i < kMaxNamesShown; ++i) message.append("\n  ").append(lines[i]);
  if (lines.size() > kMaxNamesShown)
    message.append("\n  and ").append(std::to_string(lines.size() - kMaxNamesShown)).append(" more");
}

std::string describe(const TensorEntry& entry) {
  return safetensors_dtype_name(entry.dtype) + " " + shape_to_string(entry.shape);
}

/// Empty if the stored tensor fits the target; else what does not fit.
std::string misfit(const torch::Tensor& target, const TensorEntry& stored, const TensorEntry* scale, Form form) {
  if (!target.defined()) return "target is an undefined tensor";
  const auto shape = target.sizes();
  std::string expected_dtype(c10::toString(target.scalar_type()));
  if (const auto name = safetensors_dtype_name(target.scalar_type()); !name.empty()) expected_dtype = name;
  const auto want = [&](const std::string& what) { return "must be " + what + ", got " + describe(stored); };
  if (form == Form::kPlain) {
    if (at::IntArrayRef(stored.shape) != shape) return want(expected_dtype + " " + shape_to_string(shape));
    const bool floating = torch::isFloatingType(stored.dtype) && torch::isFloatingType(target.scalar_type());
    if (!floating && stored.dtype != target.scalar_type())
      return want(expected_dtype + " " + shape_to_string(shape)) +
             (stored.dtype == torch::kInt8 || stored.dtype == torch::kUInt8 ? " without its .scale" : "");
    return "";
  }
  const bool scale_is_float = scale->dtype == torch::kFloat16 || scale->dtype == torch::kFloat32;
  if (target.dim() < 1) return "target of no dimension cannot be quantised, got " + describe(stored);
  std::vector<int64_t> scale_shape = {target.size(0)};
  if (form == Form::kInt8) {
    if (at::IntArrayRef(stored.shape) != shape) return want(shape_to_string(shape) + " in 8 bits");
  } else {
    const int64_t columns = target.size(0) == 0 ? 0 : target.numel() / target.size(0);
    const bool two = stored.shape.size() == 2 && stored.shape[0] == target.size(0);
    if (!two || packed_bits(columns, stored.shape[1]) == 0)
      return want(shape_to_string({target.size(0), columns / 2}) + " for " + shape_to_string(shape) + " in 4 bits or " + shape_to_string({target.size(0), 3 * columns / 4}) + " in 6");
    const bool fits = scale->shape.size() == 2 && group_of(columns, scale->shape[1]) != 0;
    scale_shape.push_back(fits ? scale->shape[1] : num_scales(columns));
  }
  if (!scale_is_float || scale->shape != scale_shape)
    return "scale must be F16 or F32 " + shape_to_string(scale_shape) + ", got " + describe(*scale);
  return "";
}

constexpr int64_t kPartBytes = int64_t(32) << 20;

/// Copies a stored tensor a part at a time and lets each part of the file go, or the file would stay in memory beside the copies.
void copy_in_parts(const torch::Tensor& target, const WeightStore& store, const std::string& name) {
  const auto stored = store.tensor(name);
  const int64_t rows = stored.dim() > 0 ? stored.size(0) : 1, bytes = int64_t(stored.nbytes());
  const int64_t part = bytes > kPartBytes ? std::max<int64_t>(1, rows * kPartBytes / bytes) : rows;
  for (int64_t first = 0; first < rows && stored.numel() > 0; first += part) {
    const int64_t count = std::min(part, rows - first);
    if (count == rows) target.copy_(stored);
    else target.narrow(0, first, count).copy_(stored.narrow(0, first, count));
    store.release(name);
  }
}

}  // namespace

LoadReport load_weights(const NamedTensors& targets, const WeightStore& store, const LoadOptions& options) {
  torch::NoGradGuard no_grad;
  std::set<std::string> ignored(options.ignore.begin(), options.ignore.end());
  ignored.emplace(kAlwaysIgnored);
  std::set<std::string> wanted;
  for (const auto& target : targets) wanted.insert(target.first);

  struct Job {
    const std::string* name;
    torch::Tensor target;
    Form form;
  };
  std::vector<Job> jobs;
  std::vector<std::string> missing, unexpected, unfit;
  std::set<std::string> used;
  for (const auto& [name, target] : targets) {
    if (ignored.count(name)) continue;
    if (!store.contains(name)) {
      missing.push_back(name);
      if (target.defined()) missing.back().append(" ").append(shape_to_string(target.sizes()));
      continue;
    }
    used.insert(name);
    const TensorEntry& stored = store.entry(name);
    const std::string scale_name = name + ".scale";
    Form form = Form::kPlain;
    const TensorEntry* scale = nullptr;
    if ((stored.dtype == torch::kInt8 || stored.dtype == torch::kUInt8) && target.defined() &&
        torch::isFloatingType(target.scalar_type()) && store.contains(scale_name) && !wanted.count(scale_name)) {
      form = stored.dtype == torch::kInt8 ? Form::kInt8 : Form::kPacked;
      scale = &store.entry(scale_name);
      used.insert(scale_name);
    }
    const std::string problem = misfit(target, stored, scale, form);
    if (!problem.empty()) unfit.push_back(name + " " + problem);
    jobs.push_back({&name, target, form});
  }
  LoadReport report;
  for (const auto& entry : store.entries()) {
    if (used.count(entry.name) || ignored.count(entry.name)) continue;
    bool allowed = false;
    for (const auto& prefix : options.allow_unexpected_prefix)
      allowed = allowed || entry.name.compare(0, prefix.size(), prefix) == 0;
    if (allowed) {
      report.left_over.push_back(entry.name);
    } else {
      unexpected.push_back(entry.name + " " + describe(entry));
    }
  }
  if (!missing.empty() || !unexpected.empty() || !unfit.empty()) {
    std::string message = "[load_weights] " + store.path() + " must hold the model's tensors, got " +
                          std::to_string(missing.size()) + " missing, " + std::to_string(unexpected.size()) +
                          " unexpected, " + std::to_string(unfit.size()) + " of another shape or type";
    append_problems(message, "missing", missing);
    append_problems(message, "unexpected", unexpected);
    append_problems(message, "of another shape or type", unfit);
    throw WeightsError(message);
  }

  for (const auto& [name, target, form] : jobs) {
    if (form == Form::kPlain) {
      copy_in_parts(target, store, *name);
    } else {
      const auto values = store.tensor(*name).to(target.device());
      const auto scale = store.tensor(*name + ".scale").to(target.device());
      target.copy_(form == Form::kInt8 ? dequantize_int8(values, scale) : dequantize_packed(values, scale, target.sizes()));
      store.release(*name + ".scale");
      store.release(*name);
      ++report.num_dequantized;
    }
    ++report.num_loaded;
  }
  return report;
}

}  // namespace fovea::weights

#include "fovea/model/vision_tokens.h"

#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/weights/quantize.h"
#include "fovea/weights/save.h"

namespace fovea::model {
namespace fs = std::filesystem;

void save_vision_tokens(const VisionTokens& tokens, const std::string& path, const std::string& kind) {
  const fs::path target(path), folder = target.parent_path() / (target.filename().string() + ".tmp");
  weights::SaveOptions options;
  options.max_shard_bytes = int64_t(1) << 40;
  options.metadata = {{"fovea", "vision_tokens"}, {"rows", std::to_string(tokens.rows)}, {"columns", std::to_string(tokens.columns)},
                      {"num_valid", std::to_string(tokens.num_valid)}, {"model", tokens.model},
                      {"mosaic_rows", std::to_string(tokens.mosaic_rows)}, {"mosaic_columns", std::to_string(tokens.mosaic_columns)}};
  weights::NamedTensors tensors = {{"sequence", tokens.sequence.contiguous()}};
  if (kind == "float32") options.dtype = at::kFloat;
  else if (kind == "float16") options.dtype = at::kHalf;
  else if (kind == "int8") options.quantize = weights::Quantize::kInt8;
  else if (kind == "int4") options.quantize = weights::Quantize::kInt4;
  else if (kind != "keep") throw ConfigError("[save_vision_tokens] kind must be keep, float32, float16, int8 or int4, got '" + kind + "'");
  if (kind == "int4" && tokens.sequence.size(1) % 2 != 0)
    throw ConfigError("[save_vision_tokens] int4 needs an even width, got " + std::to_string(tokens.sequence.size(1)));
  if (!tokens.removed.empty()) tensors.emplace_back("removed", at::tensor(tokens.removed, at::kLong));
  weights::save_weights(folder.string(), tensors, options);
  std::error_code ec;
  fs::rename(folder / "model.safetensors", target, ec);
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (ec) throw IoError("[save_vision_tokens] cannot write " + path + ": " + ec.message());
}

VisionTokens load_vision_tokens(const std::string& path) {
  const weights::SafetensorsFile file(path);
  const auto& metadata = file.metadata();
  if (!metadata.count("fovea") || metadata.at("fovea") != "vision_tokens" || !file.contains("sequence"))
    throw WeightsError("[load_vision_tokens] " + path + " holds no vision tokens");
  VisionTokens tokens;
  const auto stored = file.tensor("sequence");
  if (stored.scalar_type() == at::kChar || stored.scalar_type() == at::kByte) {
    const auto bad = [&] { return WeightsError("[load_vision_tokens] " + path + ": the scales do not fit the quantised sequence"); };
    if (!file.contains("sequence.scale") || stored.dim() != 2) throw bad();
    const auto scale = file.tensor("sequence.scale");
    const int64_t columns = stored.scalar_type() == at::kChar ? stored.size(1) : 2 * stored.size(1);
    const std::vector<int64_t> expected = stored.scalar_type() == at::kChar ? std::vector<int64_t>{stored.size(0)}
                                                                             : std::vector<int64_t>{stored.size(0), weights::num_scales(columns)};
    if (!scale.is_floating_point() || scale.sizes() != at::IntArrayRef(expected)) throw bad();
    tokens.sequence = stored.scalar_type() == at::kChar ? weights::dequantize_int8(stored, scale)
                                                        : weights::dequantize_packed(stored, scale, {stored.size(0), columns});
  } else if (stored.is_floating_point()) {
    tokens.sequence = stored.clone();
  } else {
    throw WeightsError("[load_vision_tokens] " + path + ": the sequence must hold floating or quantised numbers");
  }
  if (file.contains("removed")) {
    const auto removed = file.tensor("removed");
    if (removed.dim() != 1 || removed.scalar_type() != at::kLong) throw WeightsError("[load_vision_tokens] " + path + ": removed must be a list of 64-bit numbers");
    tokens.removed.assign(removed.const_data_ptr<int64_t>(), removed.const_data_ptr<int64_t>() + removed.numel());
  }
  try {
    tokens.rows = std::stoll(metadata.at("rows"));
    tokens.columns = std::stoll(metadata.at("columns"));
    tokens.num_valid = std::stoll(metadata.at("num_valid"));
    tokens.model = metadata.at("model");
    if (metadata.count("mosaic_rows")) {
      tokens.mosaic_rows = std::stoll(metadata.at("mosaic_rows"));
      tokens.mosaic_columns = std::stoll(metadata.at("mosaic_columns"));
    }
  } catch (const std::exception&) {
    throw WeightsError("[load_vision_tokens] " + path + " lacks rows, columns, num_valid or model in its metadata");
  }
  // A side of 2^20 tokens is beyond every page, and keeps the product below within 64 bits.
  const auto plausible = [](int64_t n, int64_t least) { return n >= least && n <= (int64_t(1) << 20); };
  if (tokens.sequence.dim() != 2 || !plausible(tokens.rows, 1) || !plausible(tokens.columns, 1) || !plausible(tokens.mosaic_rows, 0) ||
      !plausible(tokens.mosaic_columns, 0) ||
      tokens.sequence.size(0) != tokens.rows * (tokens.columns + 1) + 1 + (tokens.mosaic_rows > 0 ? tokens.mosaic_rows * (tokens.mosaic_columns + 1) : 0) - int64_t(tokens.removed.size()))
    throw WeightsError("[load_vision_tokens] " + path + ": " + c10::str(tokens.sequence.sizes()) + " is not the sequence of " +
                       std::to_string(tokens.rows) + " x " + std::to_string(tokens.columns) + " vision tokens" +
                       (tokens.mosaic_rows > 0 ? " and a mosaic of " + std::to_string(tokens.mosaic_rows) + " x " + std::to_string(tokens.mosaic_columns) : ""));
  for (size_t i = 0; i < tokens.removed.size(); ++i)
    if (tokens.removed[i] < (i > 0 ? tokens.removed[i - 1] + 1 : 0) || tokens.removed[i] >= tokens.num_grid_tokens())
      throw WeightsError("[load_vision_tokens] " + path + ": removed must hold rising numbers of tokens");
  return tokens;
}

}  // namespace fovea::model

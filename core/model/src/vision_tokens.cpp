#include "fovea/model/vision_tokens.h"

#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/weights/save.h"

namespace fovea::model {
namespace fs = std::filesystem;

void save_vision_tokens(const VisionTokens& tokens, const std::string& path) {
  const fs::path target(path), folder = target.parent_path() / (target.filename().string() + ".tmp");
  weights::SaveOptions options;
  options.max_shard_bytes = int64_t(1) << 40;
  options.metadata = {{"fovea", "vision_tokens"}, {"rows", std::to_string(tokens.rows)}, {"columns", std::to_string(tokens.columns)},
                      {"num_valid", std::to_string(tokens.num_valid)}, {"model", tokens.model},
                      {"mosaic_rows", std::to_string(tokens.mosaic_rows)}, {"mosaic_columns", std::to_string(tokens.mosaic_columns)}};
  weights::save_weights(folder.string(), {{"sequence", tokens.sequence.contiguous()}}, options);
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
  tokens.sequence = file.tensor("sequence").clone();
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
      tokens.sequence.size(0) != tokens.rows * (tokens.columns + 1) + 1 + (tokens.mosaic_rows > 0 ? tokens.mosaic_rows * (tokens.mosaic_columns + 1) : 0))
    throw WeightsError("[load_vision_tokens] " + path + ": " + c10::str(tokens.sequence.sizes()) + " is not the sequence of " +
                       std::to_string(tokens.rows) + " x " + std::to_string(tokens.columns) + " vision tokens" +
                       (tokens.mosaic_rows > 0 ? " and a mosaic of " + std::to_string(tokens.mosaic_rows) + " x " + std::to_string(tokens.mosaic_columns) : ""));
  return tokens;
}

}  // namespace fovea::model

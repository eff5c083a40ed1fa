// What a model is made of and what it needs: names, shapes, counts, tokens and memory of each mode, without reading its weights.
#pragma once
#include "fovea/base/config.h"

namespace fovea::experiments {

struct InfoConfig {
  std::string model;                    ///< folder (the published form, too) or preset; wins over preset
  std::string preset = "reader-tiny";
  bool tensors = true;                  ///< list every tensor
  std::string dtype = "auto";           ///< that memory is counted in: auto (bfloat16 for models that take a prompt, else float32)
  int64_t width_px = 1240;              ///< of the picture that modes with tiles are counted for (A4 at 150 dpi)
  int64_t height_px = 1754;
  int64_t max_new_tokens = 8192;        ///< text that the cache must hold

  template <class V> void visit_fields(V& v) {
    v.field("model", model, "model folder or preset (deepseek-ocr, reader-tiny, miniature), instead of --preset");
    v.field("preset", preset, "deepseek-ocr, reader-tiny or miniature");
    v.field("tensors", tensors, "list every tensor");
    v.field("dtype", dtype, "arithmetic that memory is counted in", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("width_px", width_px, "width of the picture that is counted for", {.min = 1, .max = 100000});
    v.field("height_px", height_px, "its height", {.min = 1, .max = 100000});
    v.field("max_new_tokens", max_new_tokens, "text tokens that the cache must hold", {.min = 1});
  }
};

/// {name, num_tensors, num_parameters, stride_px, config, tree: [{name, num_tensors, num_parameters}], weights: {dtype, num_bytes, num_bytes_int8, num_bytes_int6, num_bytes_int4,
///  num_bytes_stored (of a folder)}, modes: [{mode, num_tiles, num_vision_tokens, num_decoder_positions, cache_bytes, activation_bytes, total_bytes}], tensors:
/// [{name, shape}]}. Modules are built on the meta device.
/// cache_bytes       keys and values of the page, its prompt left out, and max_new_tokens of text (at most the decoder's positions)
/// activation_bytes  a floor: the widest layer of the windowed tower over the views that are encoded at once; what attention needs beyond depends on its kernel
/// Errors: ConfigError, IoError.
Json model_info(const InfoConfig& config);

/// model_info as a person reads it: the tree, counts, tokens and memory. No tensors.
std::string describe_info(const Json& info);

}  // namespace fovea::experiments

// What a model is made of: names, shapes and counts, without reading its weights.
#pragma once
#include "fovea/base/config.h"

namespace fovea::experiments {

struct InfoConfig {
  std::string model;                    ///< folder; wins over preset
  std::string preset = "reader-tiny";
  bool tensors = true;                  ///< list every tensor

  template <class V> void visit_fields(V& v) {
    v.field("model", model, "model folder, instead of a preset");
    v.field("preset", preset, "deepseek-ocr, reader-tiny or miniature");
    v.field("tensors", tensors, "list every tensor");
  }
};

/// {name, num_tensors, num_parameters, stride_px, config, tensors: [{name, shape}]}. Modules are built on the meta device.
/// Errors: ConfigError, IoError.
Json model_info(const InfoConfig& config);

}  // namespace fovea::experiments

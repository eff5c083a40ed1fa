// Any bytes as a config.json (ours or the published form) and as key=value overrides: a ConfigError, or a config that passes its own check or is refused by it.
#include <cstdint>
#include <string>

#include "fovea/base/error.h"
#include "fovea/model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (json.is_discarded()) return 0;
    model::ModelConfig config;
    if (model::is_published_config(json))
      config = model::published_config(json);
    else
      apply_json(config, json, "config.json");
    model::validate(config);
  } catch (const Error&) {
  }
  try {
    parse_toml(text, "fuzz.toml");
  } catch (const Error&) {
  }
  try {
    model::ModelConfig config;
    apply_overrides(config, {text}, "fuzz");
  } catch (const Error&) {
  }
  return 0;
}

// JSON files of others, with the place of what is wrong.
#pragma once
#include <string>

#include "fovea/base/config.h"

namespace fovea::metrics {

/// The parsed file. Errors: IoError; ConfigError "[PATH line L column C] ...".
Json read_json(const std::string& path, const std::string& text);
Json read_json(const std::string& path);
/// The member of a JSON object; where: "PATH: record 3". Errors: ConfigError naming the nearest key if it is missing or of another type.
const Json& member(const Json& object, const std::string& key, const std::string& where);
std::string text_member(const Json& object, const std::string& key, const std::string& where);

}  // namespace fovea::metrics

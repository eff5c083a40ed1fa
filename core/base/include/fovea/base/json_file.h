// JSON texts of others, with the place of what is wrong.
#pragma once
#include <functional>
#include <string>

#include "fovea/base/config.h"

namespace fovea {

/// name: of the text, for errors. Errors: ConfigError "[NAME line L column C] is no JSON: ...".
Json parse_json(const std::string& text, const std::string& name);
/// Errors: IoError, ConfigError.
Json read_json_file(const std::string& path);
/// JSON Lines, or a JSON list: calls take(record, "PATH line 3" or "PATH: record 3") for each. Blank lines are passed over. Errors: as parse_json.
void for_each_record(const std::string& text, const std::string& name, const std::function<void(const Json& record, const std::string& where)>& take);
/// The text of a member. Errors: ConfigError "[WHERE] must have 'key'", with the nearest key that is there.
std::string text_field(const Json& record, const std::string& key, const std::string& where);

}  // namespace fovea

#include "fovea/metrics/json_file.h"

#include <algorithm>

#include "fovea/base/file.h"

namespace fovea::metrics {

Json read_json(const std::string& path, const std::string& text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    const size_t byte = std::min<size_t>(e.byte > 0 ? e.byte - 1 : 0, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + long(byte), '\n');
    const size_t line_begin = byte == 0 ? 0 : text.rfind('\n', byte - 1) + 1;  // npos + 1 is 0
    std::string what = e.what();
    if (const size_t at = what.find(": ", what.find("parse error at")); at != std::string::npos) what = what.substr(at + 2);
    throw ConfigError("[" + path + " line " + std::to_string(line) + " column " + std::to_string(byte - line_begin + 1) + "] is no JSON: " + what);
  }
}

Json read_json(const std::string& path) { return read_json(path, read_file(path)); }

const Json& member(const Json& object, const std::string& key, const std::string& where) {
  if (!object.is_object()) throw ConfigError("[" + where + "] must be an object {...}, got " + std::string(object.type_name()));
  const auto found = object.find(key);
  if (found != object.end()) return *found;
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  const std::string near = nearest_word(key, keys);
  std::string has;
  for (const auto& name : keys) has += (has.empty() ? "" : ", ") + name;
  throw ConfigError("[" + where + "] must have '" + key + "'" + (near.empty() ? "; it has: " + has : ", it has '" + near + "'"));
}

std::string text_member(const Json& object, const std::string& key, const std::string& where) {
  const Json& value = member(object, key, where);
  if (!value.is_string()) throw ConfigError("[" + where + "] '" + key + "' must be text, got " + std::string(value.type_name()));
  return value.get<std::string>();
}

}  // namespace fovea::metrics

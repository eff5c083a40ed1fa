#include "fovea/base/json_file.h"

#include <algorithm>

#include "fovea/base/file.h"

namespace fovea {

Json parse_json(const std::string& text, const std::string& name) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& e) {
    const size_t at = std::min<size_t>(e.byte > 0 ? e.byte - 1 : 0, text.size());
    const auto line = 1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(at), '\n');
    const size_t begin = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    std::string what = e.what();
    if (const size_t colon = what.find(": ", what.find("parse error at")); colon != std::string::npos) what = what.substr(colon + 2);
    throw ConfigError("[" + name + " line " + std::to_string(line) + " column " + std::to_string(at - begin + 1) + "] is no JSON: " + what);
  }
}

Json read_json_file(const std::string& path) { return parse_json(read_file(path), path); }

void for_each_record(const std::string& text, const std::string& name, const std::function<void(const Json&, const std::string&)>& take) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin != std::string::npos && text[begin] == '[') {
    const Json list = parse_json(text, name);
    for (size_t i = 0; i < list.size(); ++i) take(list[i], name + ": record " + std::to_string(i));
    return;
  }
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json record;
    try {
      record = Json::parse(line);
    } catch (const Json::parse_error& e) {
      throw ConfigError("[" + name + " line " + std::to_string(number) + " column " + std::to_string(e.byte) + "] is no JSON");
    }
    take(record, name + " line " + std::to_string(number));
  }
}

std::string text_field(const Json& record, const std::string& key, const std::string& where) {
  if (!record.is_object()) throw ConfigError("[" + where + "] must be an object {...}, got " + std::string(record.type_name()));
  const auto found = record.find(key);
  if (found == record.end()) {
    std::vector<std::string> keys;
    std::string has;
    for (const auto& item : record.items()) {
      keys.push_back(item.key());
      has += (has.empty() ? "" : ", ") + item.key();
    }
    const std::string near = nearest_word(key, keys);
    throw ConfigError("[" + where + "] must have '" + key + "'" + (near.empty() ? "; it has: " + has : ", it has '" + near + "'"));
  }
  if (!found->is_string()) throw ConfigError("[" + where + "] '" + key + "' must be text, got " + std::string(found->type_name()));
  return found->get<std::string>();
}

}  // namespace fovea

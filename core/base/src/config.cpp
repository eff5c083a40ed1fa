#include "fovea/base/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

namespace fovea {
namespace detail {

void assign(bool& out, const Json& in) {
  if (!in.is_boolean()) throw ConfigError("must be true or false");
  out = in.get<bool>();
}
void assign(int64_t& out, const Json& in) {
  const bool whole_float = in.is_number_float() && in.get<double>() == std::floor(in.get<double>()) &&
                           std::fabs(in.get<double>()) < 9e15;
  if (!in.is_number_integer() && !whole_float) throw ConfigError("must be a whole number");
  out = in.get<int64_t>();
}
void assign(double& out, const Json& in) {
  if (!in.is_number()) throw ConfigError("must be a number");
  out = in.get<double>();
}
void assign(std::string& out, const Json& in) {
  if (!in.is_string()) throw ConfigError("must be a string");
  out = in.get<std::string>();
}
template <class T> void assign_list(std::vector<T>& out, const Json& in) {
  out.clear();
  if (!in.is_array()) {
    out.resize(1);
    assign(out[0], in);
    return;
  }
  for (const auto& item : in) {
    T value{};
    assign(value, item);
    out.push_back(std::move(value));
  }
}
void assign(std::vector<int64_t>& out, const Json& in) { assign_list(out, in); }
void assign(std::vector<double>& out, const Json& in) { assign_list(out, in); }
void assign(std::vector<std::string>& out, const Json& in) { assign_list(out, in); }

const char* type_name(const bool&) { return "bool"; }
const char* type_name(const int64_t&) { return "int"; }
const char* type_name(const double&) { return "float"; }
const char* type_name(const std::string&) { return "str"; }
const char* type_name(const std::vector<int64_t>&) { return "list[int]"; }
const char* type_name(const std::vector<double>&) { return "list[float]"; }
const char* type_name(const std::vector<std::string>&) { return "list[str]"; }

static std::string plain_number(double value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

void check_rule(const Json& value, const FieldRule& rule) {
  if (value.is_array()) {
    for (const auto& item : value) check_rule(item, rule);
    return;
  }
  if (value.is_number()) {
    const double number = value.get<double>();
    if (!std::isfinite(number)) throw ConfigError("must be finite");
    if (number < rule.min) throw ConfigError("must be at least " + plain_number(rule.min));
    if (number > rule.max) throw ConfigError("must be at most " + plain_number(rule.max));
  }
  if (value.is_string() && !rule.choices.empty() &&
      std::find(rule.choices.begin(), rule.choices.end(), value.get<std::string>()) == rule.choices.end()) {
    std::string list;
    for (const auto& choice : rule.choices) list += (list.empty() ? "" : ", ") + choice;
    const std::string near = nearest_word(value.get<std::string>(), rule.choices);
    throw ConfigError("must be one of " + list + (near.empty() ? "" : " (did you mean " + near + "?)"));
  }
}

Json rule_to_json(const FieldRule& rule) {
  Json out = Json::object();
  if (std::isfinite(rule.min)) out["min"] = rule.min;
  if (std::isfinite(rule.max)) out["max"] = rule.max;
  if (!rule.choices.empty()) out["choices"] = rule.choices;
  return out;
}

void throw_problems(std::string_view where, const std::vector<std::string>& problems) {
  std::string text = "[" + std::string(where) + "] ";
  for (size_t i = 0; i < problems.size(); ++i) text += (i ? "; " : "") + problems[i];
  throw ConfigError(text);
}

std::string unknown_key_problem(const std::string& path, const std::vector<std::string>& known) {
  std::string text = "unknown option '" + path + "'";
  const size_t dot = path.rfind('.');
  const std::string near = nearest_word(path, known);
  const std::string near_leaf = near.empty() && dot != std::string::npos ? nearest_word(path.substr(dot + 1), known) : near;
  if (!near_leaf.empty()) return text + ", did you mean '" + near_leaf + "'?";
  text += "; known:";
  for (const auto& name : known) text += " " + name;
  return text;
}

static Json parse_scalar(const std::string& type, const std::string& text) {
  if (type == "str") return text;
  if (type == "bool") {
    if (text == "true" || text == "1" || text == "yes") return true;
    if (text == "false" || text == "0" || text == "no") return false;
    throw ConfigError("must be true or false");
  }
  const char* end = text.data() + text.size();
  if (type == "int") {
    int64_t value = 0;
    const auto result = std::from_chars(text.data(), end, value);
    if (result.ec != std::errc() || result.ptr != end) throw ConfigError("must be a whole number");
    return value;
  }
  double value = 0;
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) throw ConfigError("must be a number");
  return value;
}

Json parse_value(const std::string& type, const std::string& text) {
  if (type.rfind("list[", 0) != 0) return parse_scalar(type, text);
  const std::string element = type.substr(5, type.size() - 6);
  Json out = Json::array();
  std::stringstream stream(text);
  std::string part;
  while (std::getline(stream, part, ',')) {
    const size_t first = part.find_first_not_of(' ');
    const size_t last = part.find_last_not_of(' ');
    if (first == std::string::npos) throw ConfigError("has an empty element");
    out.push_back(parse_scalar(element, part.substr(first, last - first + 1)));
  }
  return out;
}

}  // namespace detail

static Json toml_to_json(const toml::node& node) {
  if (const auto* table = node.as_table()) {
    Json out = Json::object();
    for (const auto& [key, value] : *table) out[std::string(key.str())] = toml_to_json(value);
    return out;
  }
  if (const auto* array = node.as_array()) {
    Json out = Json::array();
    for (const auto& value : *array) out.push_back(toml_to_json(value));
    return out;
  }
  if (const auto* v = node.as_boolean()) return v->get();
  if (const auto* v = node.as_integer()) return v->get();
  if (const auto* v = node.as_floating_point()) return v->get();
  if (const auto* v = node.as_string()) return v->get();
  throw ConfigError("dates and times are not options");
}

Json read_toml(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw IoError("[read_toml] cannot read " + path);
  std::stringstream text;
  text << file.rdbuf();
  return parse_toml(text.str(), path);
}

Json parse_toml(std::string_view text, const std::string& name) {
  try {
    return toml_to_json(toml::parse(text, name));
  } catch (const toml::parse_error& e) {
    std::ostringstream what;
    what << "[read_toml] " << name << ":" << e.source().begin.line << ":" << e.source().begin.column << ": "
         << e.description();
    throw ConfigError(what.str());
  }
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t best_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const auto& candidate : known) {
    const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
    std::vector<size_t> before, last, row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      before = std::exchange(last, row);
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const bool same = lower(word[i - 1]) == lower(candidate[j - 1]);
        row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
        if (i > 1 && j > 1 && lower(word[i - 1]) == lower(candidate[j - 2]) && lower(word[i - 2]) == lower(candidate[j - 1])) row[j] = std::min(row[j], before[j - 2] + 1);  // two letters exchanged
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace fovea

// Config structs are the contract: each is a plain aggregate that lists its fields once, in visit_fields, and everything
// else (JSON, TOML, key=value overrides, command-line options, Python attributes, help) is made from that list.
//
//   struct CurveConfig {
//     std::vector<int64_t> budget = {64, 100};
//     template <class V> void visit_fields(V& v) {
//       v.field("budget", budget, "vision tokens a page", {.min = 1});
//     }
//   };
//
// Field types: bool, int64_t, double, std::string, vectors of the last three, and nested config structs.
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <nlohmann/json.hpp>

#include "fovea/base/error.h"

namespace fovea {

using Json = nlohmann::ordered_json;

/// What may be said about a field besides its name, type, default and help. Bounds hold for each element of a vector.
struct FieldRule {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  ///< allowed strings; empty allows all
};

namespace detail {
struct AnyVisitor {
  template <class T> void field(const char*, T&, const char*, const FieldRule& = {}) {}
};
template <class T, class = void> struct IsConfig : std::false_type {};
template <class T>
struct IsConfig<T, std::void_t<decltype(std::declval<T&>().visit_fields(std::declval<AnyVisitor&>()))>> : std::true_type {};

void assign(bool& out, const Json& in);
void assign(int64_t& out, const Json& in);
void assign(double& out, const Json& in);
void assign(std::string& out, const Json& in);
void assign(std::vector<int64_t>& out, const Json& in);
void assign(std::vector<double>& out, const Json& in);
void assign(std::vector<std::string>& out, const Json& in);

const char* type_name(const bool&);
const char* type_name(const int64_t&);
const char* type_name(const double&);
const char* type_name(const std::string&);
const char* type_name(const std::vector<int64_t>&);
const char* type_name(const std::vector<double>&);
const char* type_name(const std::vector<std::string>&);

void check_rule(const Json& value, const FieldRule& rule);
Json rule_to_json(const FieldRule& rule);
[[noreturn]] void throw_problems(std::string_view where, const std::vector<std::string>& problems);
std::string unknown_key_problem(const std::string& path, const std::vector<std::string>& known);
/// Parses a command-line value for a field of the given type name: "64,100", "true", "1e-3", "text".
Json parse_value(const std::string& type, const std::string& text);

struct ToJson {
  Json out = Json::object();
  template <class T> void field(const char* name, T& value, const char*, const FieldRule& = {}) {
    if constexpr (IsConfig<T>::value) {
      ToJson nested;
      value.visit_fields(nested);
      out[name] = std::move(nested.out);
    } else {
      out[name] = value;
    }
  }
};

struct FromJson {
  const Json& in;
  std::string prefix;
  std::vector<std::string>& problems;
  std::vector<std::string> known = {};

  template <class T> void field(const char* name, T& value, const char*, const FieldRule& rule = {}) {
    known.push_back(name);
    auto it = in.find(name);
    if (it == in.end()) return;
    if constexpr (IsConfig<T>::value) {
      if (!it->is_object()) {
        problems.push_back(prefix + name + " must be a table, got " + it->dump());
        return;
      }
      FromJson nested{*it, prefix + name + ".", problems};
      value.visit_fields(nested);
      nested.finish();
    } else {
      try {
        T parsed{};
        assign(parsed, *it);
        check_rule(Json(parsed), rule);
        value = std::move(parsed);
      } catch (const Error& e) {
        problems.push_back(prefix + name + " " + e.what() + ", got " + it->dump());
      }
    }
  }
  void finish() {
    for (const auto& item : in.items()) {
      bool found = false;
      for (const auto& name : known) found = found || name == item.key();
      if (!found) problems.push_back(unknown_key_problem(prefix + item.key(), known));
    }
  }
};

struct Schema {
  std::string prefix;
  Json out = Json::array();
  template <class T> void field(const char* name, T& value, const char* help, const FieldRule& rule = {}) {
    if constexpr (IsConfig<T>::value) {
      Schema nested{prefix + name + "."};
      value.visit_fields(nested);
      for (auto& entry : nested.out) out.push_back(std::move(entry));
    } else {
      Json entry = {{"name", prefix + name}, {"type", type_name(value)}, {"default", value}, {"help", help}};
      entry.update(rule_to_json(rule));
      out.push_back(std::move(entry));
    }
  }
};

struct Validate {
  std::string prefix;
  std::vector<std::string>& problems;
  template <class T> void field(const char* name, T& value, const char*, const FieldRule& rule = {}) {
    if constexpr (IsConfig<T>::value) {
      Validate nested{prefix + name + ".", problems};
      value.visit_fields(nested);
    } else {
      try {
        check_rule(Json(value), rule);
      } catch (const Error& e) {
        problems.push_back(prefix + name + " " + e.what() + ", got " + Json(value).dump());
      }
    }
  }
};
}  // namespace detail

/// All fields, nested structs as nested objects, in declaration order.
template <class C> Json config_to_json(const C& config) {
  detail::ToJson visitor;
  const_cast<C&>(config).visit_fields(visitor);
  return std::move(visitor.out);
}

/// Sets the fields that `in` names. Unknown keys, wrong types and broken rules are one ConfigError that lists all of them.
template <class C> void apply_json(C& config, const Json& in, std::string_view where) {
  std::vector<std::string> problems;
  if (!in.is_object()) detail::throw_problems(where, {"must be a table of options, got " + in.dump()});
  C copy = config;
  detail::FromJson visitor{in, "", problems};
  copy.visit_fields(visitor);
  visitor.finish();
  if (!problems.empty()) detail::throw_problems(where, problems);
  config = std::move(copy);
}

/// One entry a leaf field: {name (dotted), type, default, help, min?, max?, choices?}. Types are those of type_name.
template <class C> Json config_schema() {
  C config;
  detail::Schema visitor;
  config.visit_fields(visitor);
  return std::move(visitor.out);
}

/// Checks every field against its rule; one ConfigError lists all problems.
template <class C> void validate_fields(const C& config, std::string_view where) {
  std::vector<std::string> problems;
  detail::Validate visitor{"", problems};
  const_cast<C&>(config).visit_fields(visitor);
  if (!problems.empty()) detail::throw_problems(where, problems);
}

/// Applies "key=value" texts (dotted keys for nested structs; lists are comma separated). Errors: ConfigError.
template <class C> void apply_overrides(C& config, const std::vector<std::string>& overrides, std::string_view where) {
  const Json schema = config_schema<C>();
  std::vector<std::string> known, problems;
  for (const auto& entry : schema) known.push_back(entry["name"]);
  Json in = Json::object();
  for (const auto& text : overrides) {
    const size_t eq = text.find('=');
    if (eq == std::string::npos) {
      problems.push_back("'" + text + "' is not of the form key=value");
      continue;
    }
    const std::string key = text.substr(0, eq);
    std::string type;
    for (const auto& entry : schema)
      if (entry["name"] == key) type = entry["type"];
    if (type.empty()) {
      problems.push_back(detail::unknown_key_problem(key, known));
      continue;
    }
    std::string pointer = "/" + key;
    for (char& c : pointer)
      if (c == '.') c = '/';
    try {
      in[Json::json_pointer(pointer)] = detail::parse_value(type, text.substr(eq + 1));
    } catch (const Error& e) {
      problems.push_back(key + " " + e.what() + ", got " + text.substr(eq + 1));
    }
  }
  if (!problems.empty()) detail::throw_problems(where, problems);
  apply_json(config, in, where);
}

/// Reads a TOML file as JSON. Errors: IoError, ConfigError with line and column.
Json read_toml(const std::string& path);
/// TOML text as JSON; name: of the text, for errors. Errors: ConfigError with line and column.
Json parse_toml(std::string_view text, const std::string& name);
/// The known word nearest to `word` by edit distance, for "did you mean"; empty if none is near.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known);

}  // namespace fovea

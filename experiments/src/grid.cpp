#include "fovea/experiments/grid.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "fovea/base/error.h"
#include "fovea/base/json_file.h"

namespace fovea::experiments {
namespace {

bool number(const std::string& text, double& out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  return !text.empty() && result.ec == std::errc() && result.ptr == end && std::isfinite(out);
}

// Decimals that the text has after its point: 0.25 has two.
int decimals(const std::string& text) {
  const size_t point = text.find('.');
  return point == std::string::npos ? 0 : int(text.size() - point - 1);
}

void add_range(const std::string& item, const std::string& text, std::vector<std::string>& values) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= item.size();) {
    const size_t end = std::min(item.find(':', begin), item.size());
    parts.push_back(item.substr(begin, end - begin));
    begin = end + 1;
  }
  double first = 0, last = 0, step = 1;
  const bool numbers = (parts.size() == 2 || parts.size() == 3) && number(parts[0], first) && number(parts[1], last) && (parts.size() == 2 || number(parts[2], step));
  if (!numbers) {  // a path or a family name may hold a colon
    values.push_back(item);
    return;
  }
  if (parts.size() == 2 && last < first) step = -1;
  if (step == 0 || (last - first) / step < 0)
    throw ConfigError("[sweep] '" + text + "': from " + parts[0] + " steps of " + (parts.size() == 3 ? parts[2] : "1") + " never arrive at " + parts[1]);
  const double count = std::floor((last - first) / step + 1e-9);
  if (count >= double(kMaxGridValues)) throw ConfigError("[sweep] '" + text + "' has more than " + std::to_string(kMaxGridValues) + " values");
  int places = 0;
  for (const auto& part : parts) places = std::max(places, decimals(part));
  for (int i = 0; i <= int(count); ++i) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*f", std::min(places, 12), first + i * step);
    values.push_back(buffer);
  }
}

// Values of an axis as it stands in a table: a list, or a text like that of the command line; tables nest keys.
void add_axes(const Json& value, const std::string& key, std::vector<GridAxis>& axes) {
  if (value.is_object()) {
    for (const auto& item : value.items()) add_axes(item.value(), key.empty() ? item.key() : key + "." + item.key(), axes);
    return;
  }
  if (key.empty()) throw ConfigError("[sweep] the table sweep must hold key = [values], got " + value.dump());
  GridAxis axis{key, {}};
  if (value.is_array()) {
    for (const auto& item : value) axis.values.push_back(item);
  } else if (value.is_string()) {
    for (auto& text : parse_axis_values(value.get<std::string>(), key + " = " + value.dump())) axis.values.emplace_back(std::move(text));
  } else {
    axis.values.push_back(value);
  }
  if (axis.values.empty()) throw ConfigError("[sweep] '" + key + "' must have at least one value");
  axes.push_back(std::move(axis));
}

}  // namespace

std::vector<std::string> parse_axis_values(const std::string& list, const std::string& text) {
  std::vector<std::string> values;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string item = list.substr(begin, end - begin);
    if (item.empty()) throw ConfigError("[sweep] '" + text + "' has an empty value");
    add_range(item, text, values);
    begin = end + 1;
  }
  if (values.size() > kMaxGridValues) throw ConfigError("[sweep] '" + text + "' has more than " + std::to_string(kMaxGridValues) + " values");
  return values;
}

Grid make_grid(const Json& table, const std::vector<std::string>& words) {
  if (!table.is_object()) throw ConfigError("[sweep] a grid must be a table of options, got " + table.dump());
  Grid grid;
  for (const auto& item : table.items()) {
    if (item.key() == "sweep")
      add_axes(item.value(), "", grid.axes);
    else
      grid.base[item.key()] = item.value();
  }
  std::vector<std::string> told;
  for (const auto& word : words) {
    const size_t eq = word.find('=');
    if (eq == std::string::npos || eq == 0) throw ConfigError("[sweep] '" + word + "' is not of the form key=a,b or key=first:last:step");
    GridAxis axis{word.substr(0, eq), {}};
    for (const auto& other : told)
      if (other == axis.key) throw ConfigError("[sweep] '" + axis.key + "' is named twice");
    told.push_back(axis.key);
    for (auto& text : parse_axis_values(word.substr(eq + 1), word)) axis.values.emplace_back(std::move(text));
    const auto same = std::find_if(grid.axes.begin(), grid.axes.end(), [&](const auto& other) { return other.key == axis.key; });
    if (same == grid.axes.end())
      grid.axes.push_back(std::move(axis));
    else
      *same = std::move(axis);
  }
  return grid;
}

Json read_table(const std::string& path) {
  if (path.size() > 5 && path.compare(path.size() - 5, 5, ".json") == 0) return read_json_file(path);
  return read_toml(path);
}

std::string cell_label(const std::vector<std::pair<std::string, Json>>& values) {
  std::string out;
  for (const auto& [key, value] : values) {
    std::string text;
    if (value.is_array())
      for (const auto& item : value) text += (text.empty() ? "" : ",") + (item.is_string() ? item.get<std::string>() : item.dump());
    else
      text = value.is_string() ? value.get<std::string>() : value.dump();
    out += (out.empty() ? "" : " ") + key + "=" + text;
  }
  return out;
}

namespace detail {

Json axis_value(const Json& schema, const std::string& key, const Json& value, std::string_view where) {
  std::vector<std::string> known;
  for (const auto& entry : schema) {
    known.push_back(entry["name"]);
    if (known.back() != key) continue;
    const std::string type = entry["type"];
    const bool is_list = type.rfind("list[", 0) == 0;
    if (is_list && value == "[]") return Json::array();
    if (value.is_string() && type != "str") {
      try {
        return fovea::detail::parse_value(type, value.get<std::string>());
      } catch (const Error& e) {
        throw ConfigError("[" + std::string(where) + "] " + key + " " + e.what() + ", got " + value.dump());
      }
    }
    if (is_list && !value.is_array()) return Json::array({value});
    return value;
  }
  throw ConfigError("[" + std::string(where) + "] " + fovea::detail::unknown_key_problem(key, known));
}

void set_dotted(Json& object, const std::string& key, const Json& value) {
  std::string pointer = "/" + key;
  std::replace(pointer.begin(), pointer.end(), '.', '/');
  object[Json::json_pointer(pointer)] = value;
}

void check_size(const Grid& grid, std::string_view where) {
  size_t count = 1;
  for (const auto& axis : grid.axes) {
    if (axis.values.empty() || count > kMaxGridCells / axis.values.size())
      throw ConfigError("[" + std::string(where) + "] the grid must have from 1 to " + std::to_string(kMaxGridCells) + " cells");
    count *= axis.values.size();
  }
}

void throw_same(const std::string& a, const std::string& b, std::string_view where) {
  throw ConfigError("[" + std::string(where) + "] two cells are the same: '" + a + "' and '" + b + "'");
}

}  // namespace detail
}  // namespace fovea::experiments

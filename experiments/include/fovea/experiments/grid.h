// Grids: a base config and axes over any of its fields become resolved configs, each keyed by a hash of what determines it.
#pragma once
#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/base/file.h"

namespace fovea::experiments {

/// One field (dotted where nested) and the values it takes.
struct GridAxis {
  std::string key;
  std::vector<Json> values;  ///< texts are parsed by the field's type; a single value of a list field is a list of one
};

struct Grid {
  Json base = Json::object();  ///< fields that are the same in all cells
  std::vector<GridAxis> axes;  ///< the last runs fastest
};

constexpr size_t kMaxGridValues = 10000, kMaxGridCells = 100000;

/// "a,b,c" is a list, "first:last:step" (step 1 if left out, downwards if last is below first) a range with both ends, also of decimals; lists
/// may hold ranges: "6,8:12:2". What is no range of numbers is a value with colons. `text`: the whole of it, for errors.
/// Errors: ConfigError (empty value, a step that never arrives, more than 10,000 values).
std::vector<std::string> parse_axis_values(const std::string& list, const std::string& text);

/// A table as from TOML, JSON or YAML, whose table "sweep" holds the axes (nested or dotted keys; lists, or texts as parse_axis_values takes them),
/// and words "key=LIST" that add axes or replace those of the same key. All other keys are the base.
/// Errors: ConfigError (form, empty axis, a word's key named twice). Keys are checked by expand_grid.
Grid make_grid(const Json& table, const std::vector<std::string>& words);

/// The table of a .toml or .json file. Errors: IoError, ConfigError with line and column.
Json read_table(const std::string& path);

template <class C> struct GridCell {
  std::vector<std::pair<std::string, Json>> values;  ///< of the axes, in their order
  C config;
  std::string hash;  ///< 16 hex digits
};

/// "budget=64 ratio=5"; empty without axes.
std::string cell_label(const std::vector<std::pair<std::string, Json>>& values);

namespace detail {
/// Type of each field by dotted name; values of an axis as that field takes them. Errors: ConfigError naming the nearest field.
Json axis_value(const Json& schema, const std::string& key, const Json& value, std::string_view where);
void set_dotted(Json& object, const std::string& key, const Json& value);
void check_size(const Grid& grid, std::string_view where);
[[noreturn]] void throw_same(const std::string& a, const std::string& b, std::string_view where);
}  // namespace detail

/// All combinations on top of `start`, in order, the last axis running fastest.
/// identity   what determines a cell's results, as JSON (its hash is the key); without it the whole resolved config
/// Errors: ConfigError (unknown key with the nearest one, a value that breaks its field's rule, two cells alike, more than 100,000).
template <class C>
std::vector<GridCell<C>> expand_grid(const Grid& grid, std::string_view where, const C& start = {}, const std::function<Json(const C&)>& identity = {}) {
  C base = start;
  apply_json(base, grid.base, where);
  detail::check_size(grid, where);
  const Json schema = config_schema<C>();
  std::vector<std::vector<Json>> values;
  size_t count = 1;
  for (const auto& axis : grid.axes) {
    values.emplace_back();
    for (const auto& value : axis.values) values.back().push_back(detail::axis_value(schema, axis.key, value, where));
    count *= axis.values.size();
  }
  std::vector<GridCell<C>> out;
  std::vector<std::pair<std::string, size_t>> hashes;
  for (size_t i = 0; i < count; ++i) {
    GridCell<C> cell;
    Json in = Json::object();
    std::vector<size_t> at(grid.axes.size());
    size_t rest = i;
    for (size_t a = grid.axes.size(); a-- > 0;) {
      at[a] = rest % values[a].size();
      rest /= values[a].size();
    }
    for (size_t a = 0; a < grid.axes.size(); ++a) {
      detail::set_dotted(in, grid.axes[a].key, values[a][at[a]]);
      cell.values.emplace_back(grid.axes[a].key, values[a][at[a]]);
    }
    cell.config = base;
    apply_json(cell.config, in, where);
    cell.hash = sha256_hex((identity ? identity(cell.config) : config_to_json(cell.config)).dump()).substr(0, 16);
    hashes.emplace_back(cell.hash, i);
    out.push_back(std::move(cell));
  }
  std::sort(hashes.begin(), hashes.end());
  for (size_t i = 1; i < hashes.size(); ++i)
    if (hashes[i].first == hashes[i - 1].first) detail::throw_same(cell_label(out[hashes[i - 1].second].values), cell_label(out[hashes[i].second].values), where);
  return out;
}

}  // namespace fovea::experiments

#include "fovea/experiments/sweep.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/grid.h"

namespace fovea::experiments {

namespace {

constexpr size_t kMaxCells = kMaxGridCells;

std::string long_name(const std::string& key) { return key == "size_px" ? "font_size_px" : key == "leading" ? "line_pitch_px" : key; }

}  // namespace

std::vector<SweepAxis> parse_sweep(const std::vector<std::string>& texts) {
  std::vector<std::string> known;
  for (const auto& entry : config_schema<render::StyleSheet>()) known.push_back(entry["name"]);
  std::vector<SweepAxis> axes;
  for (const auto& text : texts) {
    const size_t eq = text.find('=');
    if (eq == std::string::npos || eq == 0) throw ConfigError("[sweep] '" + text + "' is not of the form key=a,b or key=first:last:step");
    SweepAxis axis;
    axis.key = long_name(text.substr(0, eq));
    if (std::find(known.begin(), known.end(), axis.key) == known.end()) {
      const std::string near = nearest_word(axis.key, known);
      throw ConfigError("[sweep] '" + axis.key + "' is no field of a style" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
    }
    for (const auto& other : axes)
      if (other.key == axis.key) throw ConfigError("[sweep] '" + axis.key + "' is named twice");
    axis.values = parse_axis_values(text.substr(eq + 1), text);
    axes.push_back(std::move(axis));
  }
  return axes;
}

std::string SweepCell::label() const {
  std::string out;
  for (const auto& [key, value] : values) out += (out.empty() ? "" : " ") + key + "=" + value;
  return out;
}

std::string SweepCell::folder() const {
  const std::string text = label();
  std::string out;
  bool changed = false;
  for (char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '=' || c == '.' || c == '_' || c == '-' || c == '+';
    out += plain ? c : c == ' ' ? '_' : '-';
    changed = changed || !plain;
  }
  constexpr size_t kLongest = 120;  // of 255 that file systems allow
  if (out.size() > kLongest) out.resize(kLongest), changed = true;
  if (changed) out += "-" + sha256_hex(text).substr(0, 6);  // two values may look alike now
  return out;
}

std::vector<SweepCell> sweep_cells(const render::StyleSheet& base, const std::vector<SweepAxis>& axes) {
  size_t count = 1;
  for (const auto& axis : axes) {
    if (axis.values.empty() || count > kMaxCells / axis.values.size())
      throw ConfigError("[sweep] the grid must have from 1 to " + std::to_string(kMaxCells) + " cells");
    count *= axis.values.size();
  }
  std::vector<SweepCell> out;
  for (size_t i = 0; i < count; ++i) {
    SweepCell cell;
    cell.sheet = base;
    std::vector<std::string> overrides(axes.size());
    size_t rest = i;
    for (size_t a = axes.size(); a-- > 0;) {
      const std::string& value = axes[a].values[rest % axes[a].values.size()];
      rest /= axes[a].values.size();
      overrides[a] = axes[a].key + "=" + value;
      cell.values.insert(cell.values.begin(), {axes[a].key, value});
    }
    apply_overrides(cell.sheet, overrides, "sweep");
    out.push_back(std::move(cell));
  }
  return out;
}

}  // namespace fovea::experiments

#include "fovea/experiments/sweep.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::experiments {

namespace {

constexpr size_t kMaxValues = 10000, kMaxCells = 100000;

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
  if (count >= double(kMaxValues)) throw ConfigError("[sweep] '" + text + "' has more than " + std::to_string(kMaxValues) + " values");
  int places = 0;
  for (const auto& part : parts) places = std::max(places, decimals(part));
  for (int i = 0; i <= int(count); ++i) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*f", std::min(places, 12), first + i * step);
    values.push_back(buffer);
  }
}

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
    const std::string list = text.substr(eq + 1);
    for (size_t begin = 0; begin <= list.size();) {
      const size_t end = std::min(list.find(',', begin), list.size());
      const std::string item = list.substr(begin, end - begin);
      if (item.empty()) throw ConfigError("[sweep] '" + text + "' has an empty value");
      add_range(item, text, axis.values);
      begin = end + 1;
    }
    if (axis.values.size() > kMaxValues) throw ConfigError("[sweep] '" + text + "' has more than " + std::to_string(kMaxValues) + " values");
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

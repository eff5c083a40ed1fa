// Sweeps: "key=a,b" and "key=1:9:2" as a grid of styles.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "fovea/render/style_file.h"

namespace fovea::experiments {

/// One field and the values it takes, as texts.
struct SweepAxis {
  std::string key;
  std::vector<std::string> values;
};

/// "key=a,b,c" is a list, "key=first:last:step" (step 1 if left out) a range with both ends, also of decimals and downwards; lists may hold
/// ranges: "6,8:12:2". size_px stands for font_size_px, leading for line_pitch_px. Keys are fields of render::StyleSheet ("degrade.noise").
/// Errors: ConfigError naming the text (form, key that is not a field, empty, step that never arrives, the same key twice, more than
/// 10,000 values).
std::vector<SweepAxis> parse_sweep(const std::vector<std::string>& texts);

struct SweepCell {
  std::vector<std::pair<std::string, std::string>> values;  ///< key and value, one an axis
  render::StyleSheet sheet;
  std::string label() const;   ///< "font_size_px=6 leading=8"; empty without axes
  std::string folder() const;  ///< the same fit for a file name, unique among the cells of a sweep; empty without axes
};

/// All combinations, the last axis running fastest. Errors: ConfigError (a value that breaks its field's rule, more than 100,000 cells).
std::vector<SweepCell> sweep_cells(const render::StyleSheet& base, const std::vector<SweepAxis>& axes);

}  // namespace fovea::experiments

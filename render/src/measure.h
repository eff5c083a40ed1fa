// Measuring: how much of a text fits a page at a size, again and again, nothing drawn.
#pragma once
#include <memory>
#include <string_view>

#include "flow.h"
#include "fovea/render/style.h"

namespace fovea::render {

struct Measured {
  bool complete = true;
  size_t num_bytes_placed = 0;
  size_t num_lines = 0;
  double fill_ratio = 0;     ///< of the height, as in PageReport
  double line_width_px = 0;  ///< of all lines together; 0 on the plain path unless asked for
};

/// Reads and shapes the text once, as far as a page at the first size asked for needs it: ask for the smallest size first.
class Measurer {
 public:
  virtual ~Measurer() = default;
  virtual Measured at(double font_size_px) = 0;
};

struct Caches {
  FontCache fonts;
  FontStackCache stacks{fonts};
};

/// text, styled (may be null) and style (resolved) must outlive the measurer. Errors: as Renderer::render.
std::unique_ptr<Measurer> make_measurer(std::string_view text, const StyledText* styled, const Style& style, Caches& caches,
                                        double smallest_px);

}  // namespace fovea::render

// Where training pages come from. The trainer asks for pages of a size and density; who draws them is not its business.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/image.h"

namespace fovea::train {

struct PageRequest {
  int64_t side_px;
  int64_t num_chars;   ///< code points of text to put on the page, about
  uint64_t seed;       ///< everything else about the page follows from it
  int64_t num_continue_chars = 0;  ///< code points of text after the page that are wanted
};

/// A page with what its reader should say and where each piece of it stands.
struct TrainPage {
  Image image;                           ///< gray or RGB, side_px x side_px
  std::string text;                      ///< target, '\n' after each visual line
  std::vector<int16_t> x_px, y_px;       ///< one a byte of text: centre of the character's cell
  std::string continuation;              ///< the text after it, if asked for
  std::vector<uint32_t> glyph_char;      ///< code points that have ink, ...
  std::vector<int16_t> glyph_x_px, glyph_y_px;  ///< ... and the centre of their cells
  std::vector<uint8_t> glyph_channel;    ///< colour channel of each; empty: all in the first
};

/// Thread-safe and deterministic in the request.
class PageSource {
 public:
  virtual ~PageSource() = default;
  virtual TrainPage draw(const PageRequest& request) const = 0;
};

}  // namespace fovea::train

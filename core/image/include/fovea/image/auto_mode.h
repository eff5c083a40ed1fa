// The smallest mode that a picture can be read in, from the size of its letters and how many there are. No model is asked.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/image/views.h"

namespace fovea::image {

/// What the ink of a picture tells.
struct InkEstimate {
  double x_height_px = 0;    ///< of the usual letter (height of an x), 0 where there are no letters
  double ink_density = 0;    ///< share of the pixels that are ink
  double num_characters = 0; ///< estimated, spaces included
  double num_text_tokens = 0;///< estimated: num_characters / 4.4
  int64_t num_components = 0;///< connected pieces of ink of a letter's size
  bool light_on_dark = false;
};

/// Otsu's threshold parts ink from paper (whichever there is less of is ink); connected components of ink are taken for letters, or words where letters
/// touch. Lines, large pictures and specks are left out. Meant for evenly lit pages: a shadow over half the page counts as ink.
/// Pictures of more than 4096 px a side are looked at in a smaller form. Errors: ConfigError for a picture without pixels.
InkEstimate estimate_ink(const Image& image);

struct AutoModeConfig {
  std::vector<std::string> modes;          ///< rising; empty: by model
  double min_x_height_px = 5;
  double max_tokens_per_vision_token = 10;
  double min_mean_probability = 0.85;

  template <class V> void visit_fields(V& v) {
    v.field("modes", modes, "modes to choose from, rising; empty: those that the model was trained in");
    v.field("min_x_height_px", min_x_height_px, "letters must be as high as this in the encoder's view (height of an x)", {.min = 0});
    v.field("max_tokens_per_vision_token", max_tokens_per_vision_token, "most text tokens on one vision token", {.min = 0.01});
    v.field("min_mean_probability", min_mean_probability, "a reading less sure than this goes up to the next mode", {.min = 0, .max = 1});
  }
};

/// Why a mode was taken or not.
struct ModeFit {
  std::string mode;
  int64_t num_vision_tokens = 0;
  double x_height_px = 0;              ///< in the encoder's view (of Gundam: in its tiles)
  double tokens_per_vision_token = 0;  ///< estimated, on tokens that cover the page
  bool fits = false;
};

/// Every mode of `modes` with its verdict; a picture that the mode cannot show (ConfigError of fit_view) does not fit. A mode that would enlarge the picture
/// needs no higher letters than the picture has: more pixels would show nothing new.
std::vector<ModeFit> fit_modes(const InkEstimate& ink, int64_t width_px, int64_t height_px, const std::vector<std::string>& modes, const AutoModeConfig& config,
                               int64_t stride_px = 64);
/// Index of the mode to begin with: the first that fits, else the last that can show the picture. Errors: ConfigError where none can.
size_t first_mode(const std::vector<ModeFit>& fits);

}  // namespace fovea::image

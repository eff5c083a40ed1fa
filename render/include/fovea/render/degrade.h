// Degradations: what printing, paper, camera and compression do to a page, seeded, and the map moved along.
//
// Note "Order": the steps are applied in this order whatever order they are asked in, which is the way a page takes in the world:
//   ink bleed, ink fade, skew and perspective (one resampling), paper texture, shadow, occlusion, Gaussian blur, motion blur,
//   downscale and up, noise, JPEG.
//
// Note "Which steps move the map": bleed widens boxes by its radius, skew and perspective carry boxes, cells and lines along.
// What only spreads ink about its place (blurs, downscaling, noise, JPEG) leaves them: boxes enclose, within 1 px, the ink that a
// threshold at a third of the contrast keeps. What hides or cuts characters off is counted in the report.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/render/page.h"

namespace fovea::render {

/// Every step is off at its default.
struct Degradations {
  int64_t seed = 0;
  double probability = 1;         ///< that a step which is asked for happens on a page
  double vary = 0;                ///< 0: amounts as given; v: each is drawn from [(1 - v) amount, amount], and signs and directions are drawn
  double ink_bleed_px = 0;        ///< ink grows by this radius
  double ink_fade = 0;            ///< share of its contrast that ink loses, more in some places than in others
  double skew_degrees = 0;        ///< turn about the page's centre, clockwise
  double perspective = 0;         ///< corners move inwards by up to this share of the sides
  bool shrink_to_fit = true;      ///< what is turned is made just small enough to stay on the page; false: it may be cut off
  double paper_texture = 0;       ///< strength of fibres and stains
  double shadow = 0;              ///< share of the light that the darkest place lacks
  double occlusion = 0;           ///< share of the page's area that things lie on
  int64_t occlusion_patches = 3;  ///< how many things
  double gaussian_blur_px = 0;    ///< standard deviation
  double motion_blur_px = 0;      ///< length of the way
  double motion_blur_degrees = 0; ///< its direction; 0 is along the lines
  double downscale = 1;           ///< sides are scaled by this and back
  double noise = 0;               ///< standard deviation in gray levels
  double salt_pepper = 0;         ///< share of pixels that turn black or white
  int64_t jpeg_quality = 0;       ///< 1 to 100; 0 is no JPEG

  template <class V> void visit_fields(V& v) {
    v.field("seed", seed, "seed of all that is drawn at random", {.min = 0});
    v.field("probability", probability, "chance that a step that is asked for happens on a page", {.min = 0, .max = 1});
    v.field("vary", vary, "draw each amount from [(1 - vary) amount, amount], and signs and directions", {.min = 0, .max = 1});
    v.field("ink_bleed_px", ink_bleed_px, "radius that ink grows by, in pixels", {.min = 0, .max = 4});
    v.field("ink_fade", ink_fade, "share of its contrast that ink loses, unevenly", {.min = 0, .max = 1});
    v.field("skew_degrees", skew_degrees, "turn about the page's centre, clockwise", {.min = -45, .max = 45});
    v.field("perspective", perspective, "corners move inwards by up to this share of the sides", {.min = 0, .max = 0.4});
    v.field("shrink_to_fit", shrink_to_fit, "shrink what is turned so that no text leaves the page");
    v.field("paper_texture", paper_texture, "strength of paper fibres and stains", {.min = 0, .max = 1});
    v.field("shadow", shadow, "share of the light that the darkest place lacks", {.min = 0, .max = 1});
    v.field("occlusion", occlusion, "share of the page that things lie on", {.min = 0, .max = 0.9});
    v.field("occlusion_patches", occlusion_patches, "how many things lie on the page", {.min = 1, .max = 1000});
    v.field("gaussian_blur_px", gaussian_blur_px, "standard deviation of a Gaussian blur in pixels", {.min = 0, .max = 32});
    v.field("motion_blur_px", motion_blur_px, "length of a motion blur in pixels", {.min = 0, .max = 64});
    v.field("motion_blur_degrees", motion_blur_degrees, "direction of the motion; 0 is along the lines", {.min = -180, .max = 180});
    v.field("downscale", downscale, "scale the sides by this and back", {.min = 0.02, .max = 1});
    v.field("noise", noise, "standard deviation of noise in gray levels", {.min = 0, .max = 128});
    v.field("salt_pepper", salt_pepper, "share of pixels that turn black or white", {.min = 0, .max = 1});
    v.field("jpeg_quality", jpeg_quality, "JPEG quality, 1 to 100; 0 is no JPEG", {.min = 0, .max = 100});
  }
};

struct DegradeReport {
  std::vector<std::string> steps;         ///< what was done, in order, with the amounts drawn: "skew_degrees=1.25"
  std::array<double, 9> degraded_from_page = {1, 0, 0, 0, 1, 0, 0, 0, 1};  ///< homography, row-major: px of the given page to px of this one
  double occluded_share = 0;              ///< share of the area that was covered
  size_t num_chars_cut = 0;               ///< characters with ink of which a part left the page
  std::vector<uint32_t> occluded_chars;   ///< indices into Page::chars: at least half of their box is covered
};

/// Degrades the page's pixels (gray or RGB) in place and moves boxes, cells and lines with them. The size stays.
/// A line that is no longer level has the bounds of what it became; its baseline is that at its middle.
/// The bytes follow from page, config and index alone. Thread-safe. index: of the page in its batch, so that pages differ under one seed.
/// Errors   ConfigError (a rule of Degradations), RenderError (libjpeg).
DegradeReport degrade(Page& page, const Degradations& config, uint64_t index = 0);
/// The same of a picture without a map.
DegradeReport degrade(Image& image, const Degradations& config, uint64_t index = 0);

/// Does any step happen at all?
bool degrades(const Degradations& config);

}  // namespace fovea::render

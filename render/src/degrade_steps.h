// The single steps of render/degrade.h on pixels. Amounts are checked by the caller; 8-bit gray or RGB, size kept.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "fovea/base/image.h"
#include "homography.h"

namespace fovea::render {

/// The most frequent value of each channel: the paper. Channels that a gray picture lacks repeat the first.
std::array<uint8_t, 3> paper_of(const Image& image);

/// Smooth random field: lattice values every cell_px, blended in between. Rows of values 0 to 255.
class NoiseField {
 public:
  NoiseField(uint64_t seed, int cell_px, int width_px);
  /// out: width_px values.
  void row(int y, uint8_t* out);

 private:
  void lattice_row(int row, std::vector<int>& out) const;

  uint64_t seed_;
  int cell_px_, width_px_;
  int row_above_ = -2;                          // of the lattice: whose values above_ holds
  std::vector<int> above_, below_, blended_;
  std::vector<int> ease_;  // 0 to 256 over a cell
};

/// Paper must be light, ink dark (the caller inverts a dark page before and after).
void bleed_ink(Image& image, double radius_px, uint64_t seed);
void fade_ink(Image& image, double share, const std::array<uint8_t, 3>& paper, uint64_t seed);
void texture_paper(Image& image, double strength, uint64_t seed);

void cast_shadow(Image& image, double share, uint64_t seed);

struct Patch {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  bool ellipse = false;
  uint8_t gray = 0;
  bool covers(double x, double y) const;
};
/// Draws things over the page; returns them. covered: set to the share of the area.
std::vector<Patch> occlude(Image& image, double share, int num_patches, uint64_t seed, double& covered);

void blur_gaussian(Image& image, double sigma_px);
void blur_motion(Image& image, double length_px, double degrees);
/// Triangle filter, widened by the scale when shrinking; corners stay corners. width_px, height_px >= 1.
Image resize(const Image& image, int width_px, int height_px);
void add_noise(Image& image, double sigma, double salt_pepper, uint64_t seed);
/// Baseline JPEG and back: integer transform, chroma at half size for RGB. Errors: RenderError.
void through_jpeg(Image& image, int quality);

/// Bilinear; what lies outside is `outside`.
Image warp(const Image& image, const Homography& to_from_source, const std::array<uint8_t, 3>& outside);

}  // namespace fovea::render

// Plane projective maps as 3 x 3 matrices, row-major; points are px with (0, 0) the page's upper left corner.
#pragma once
#include <array>
#include <cmath>
#include <utility>

namespace fovea::render {

struct Homography {
  std::array<double, 9> m = {1, 0, 0, 0, 1, 0, 0, 0, 1};

  std::pair<double, double> operator()(double x, double y) const {
    const double w = m[6] * x + m[7] * y + m[8];
    return {(m[0] * x + m[1] * y + m[2]) / w, (m[3] * x + m[4] * y + m[5]) / w};
  }
  /// First `other`, then this.
  Homography operator*(const Homography& other) const {
    Homography out;
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (int k = 0; k < 3; ++k) sum += m[size_t(3 * r + k)] * other.m[size_t(3 * k + c)];
        out.m[size_t(3 * r + c)] = sum;
      }
    return out;
  }
  /// Up to scale, which a homography does not have. The matrix must be regular.
  Homography inverse() const {
    const auto& a = m;
    Homography out;
    out.m = {a[4] * a[8] - a[5] * a[7], a[2] * a[7] - a[1] * a[8], a[1] * a[5] - a[2] * a[4],
             a[5] * a[6] - a[3] * a[8], a[0] * a[8] - a[2] * a[6], a[2] * a[3] - a[0] * a[5],
             a[3] * a[7] - a[4] * a[6], a[1] * a[6] - a[0] * a[7], a[0] * a[4] - a[1] * a[3]};
    const double scale = out.m[8];
    for (double& value : out.m) value /= scale;
    return out;
  }

  static Homography shift(double dx, double dy) { return {{1, 0, dx, 0, 1, dy, 0, 0, 1}}; }
  static Homography scale(double sx, double sy) { return {{sx, 0, 0, 0, sy, 0, 0, 0, 1}}; }
  /// Clockwise as seen (y points down).
  static Homography turn(double degrees) {
    const double a = degrees * 3.14159265358979323846 / 180;
    return {{std::cos(a), -std::sin(a), 0, std::sin(a), std::cos(a), 0, 0, 0, 1}};
  }
  /// Unit square to the quadrilateral of (0,0), (1,0), (1,1), (0,1) in turn.
  /// Source: P. Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, section 2.2.3.
  static Homography square_to(const std::array<std::pair<double, double>, 4>& p) {
    const double dx1 = p[1].first - p[2].first, dx2 = p[3].first - p[2].first;
    const double dy1 = p[1].second - p[2].second, dy2 = p[3].second - p[2].second;
    const double sx = p[0].first - p[1].first + p[2].first - p[3].first;
    const double sy = p[0].second - p[1].second + p[2].second - p[3].second;
    const double det = dx1 * dy2 - dx2 * dy1;
    const double g = (sx * dy2 - dx2 * sy) / det, h = (dx1 * sy - sx * dy1) / det;
    return {{p[1].first - p[0].first + g * p[1].first, p[3].first - p[0].first + h * p[3].first, p[0].first,
             p[1].second - p[0].second + g * p[1].second, p[3].second - p[0].second + h * p[3].second, p[0].second, g, h, 1}};
  }
};

}  // namespace fovea::render

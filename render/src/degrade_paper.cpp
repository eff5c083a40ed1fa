// Steps of ink, paper and light.
#include <algorithm>
#include <cmath>

#include "degrade_steps.h"
#include "fovea/base/random.h"

namespace fovea::render {

std::array<uint8_t, 3> paper_of(const Image& image) {
  std::array<uint8_t, 3> out{255, 255, 255};
  const size_t channels = size_t(image.channels);
  for (size_t c = 0; c < channels; ++c) {
    // four tables: neighbours are mostly equal, and a counter cannot be raised twice at once
    std::array<std::array<uint32_t, 256>, 4> counts{};
    size_t n = 0;
    for (size_t i = c; i < image.pixels.size(); i += channels) ++counts[n++ & 3][image.pixels[i]];
    std::array<uint64_t, 256> count{};
    for (const auto& part : counts)
      for (size_t v = 0; v < 256; ++v) count[v] += part[v];
    out[c] = uint8_t(std::max_element(count.begin(), count.end()) - count.begin());
  }
  if (channels == 1) out[1] = out[2] = out[0];
  return out;
}

NoiseField::NoiseField(uint64_t seed, int cell_px, int width_px)
    : seed_(seed),
      cell_px_(std::max(1, cell_px)),
      width_px_(width_px),
      above_(size_t(width_px / cell_px_ + 2)),
      below_(above_.size()),
      blended_(above_.size()),
      ease_(size_t(cell_px_)) {
  for (int i = 0; i < cell_px_; ++i) {
    const int64_t t = 256 * int64_t(2 * i + 1) / (2 * cell_px_);  // of the pixel's centre
    ease_[size_t(i)] = int(t * t * (768 - 2 * t) / (256 * 256));  // 3 t^2 - 2 t^3
  }
}

void NoiseField::lattice_row(int row, std::vector<int>& out) const {
  for (size_t i = 0; i < out.size(); ++i) out[i] = int(mix64(seed_ + mix64(uint64_t(i) << 32 | uint32_t(row))) >> 56);
}

void NoiseField::row(int y, uint8_t* out) {
  const int above = y / cell_px_;
  if (above != row_above_) {
    if (above == row_above_ + 1 && row_above_ >= 0)
      above_.swap(below_);
    else
      lattice_row(above, above_);
    lattice_row(above + 1, below_);
    row_above_ = above;
  }
  const int blend = ease_[size_t(y % cell_px_)];
  for (size_t i = 0; i < blended_.size(); ++i) blended_[i] = above_[i] * (256 - blend) + below_[i] * blend;
  int x = 0;
  for (size_t cell = 0; x < width_px_; ++cell) {
    const int left = blended_[cell], step = blended_[cell + 1] - left;
    const int end = std::min(cell_px_, width_px_ - x);
    for (int i = 0; i < end; ++i) out[x + i] = uint8_t((left + ((step * ease_[size_t(i)]) >> 8)) >> 8);
    x += end;
  }
}

namespace {

// Every sample of a row by its value, column and channel; gray rows are one plain loop.
template <class Change> void each_sample(Image& image, int y, const Change& change) {
  uint8_t* row = image.row(y);
  if (image.channels == 1) {
    for (int x = 0; x < image.width_px; ++x) row[x] = uint8_t(change(row[x], x, 0));
    return;
  }
  for (int x = 0; x < image.width_px; ++x)
    for (int c = 0; c < 3; ++c, ++row) *row = uint8_t(change(*row, x, c));
}

// The darkest value in a disc of whole-pixel radius about every pixel.
Image eroded(const Image& from, int radius) {
  Image out = from;
  const int channels = from.channels, row_length = from.width_px * channels;
  for (int dy = -radius; dy <= radius; ++dy)
    for (int dx = -radius; dx <= radius; ++dx) {
      // the disc of radius r holds the pixels whose centres are nearer than r + 1/4: no single pixels at its ends
      if ((dx == 0 && dy == 0) || 16 * (dx * dx + dy * dy) > (4 * radius + 1) * (4 * radius + 1)) continue;
      const int shift = dx * channels;
      const int begin = std::max(0, -shift), end = std::min(row_length, row_length - shift);
      for (int y = std::max(0, -dy); y < std::min(from.height_px, from.height_px - dy); ++y) {
        const uint8_t* source = from.row(y + dy) + shift;
        uint8_t* target = out.row(y);
        for (int i = begin; i < end; ++i) target[i] = std::min(target[i], source[i]);
      }
    }
  return out;
}

}  // namespace

void bleed_ink(Image& image, double radius_px, uint64_t seed) {
  const int whole = int(radius_px);
  const int part = int(std::lround((radius_px - whole) * 256));
  const Image inner = whole ? eroded(image, whole) : image;
  const Image outer = part ? eroded(image, whole + 1) : inner;
  NoiseField fibres(seed, 3, image.width_px);
  std::vector<uint8_t> strength(size_t(image.width_px));
  for (int y = 0; y < image.height_px; ++y) {
    fibres.row(y, strength.data());
    uint8_t* target = image.row(y);
    const uint8_t *a = inner.row(y), *b = outer.row(y);
    for (int x = 0, i = 0; x < image.width_px; ++x) {
      const int soaked = 176 + strength[size_t(x)] * 80 / 255;  // of 256: the ring is never lighter than half the ink
      for (int c = 0; c < image.channels; ++c, ++i) {
        const int grown = (a[i] * (256 - part) + b[i] * part + 128) >> 8;
        target[i] = uint8_t(target[i] - (((target[i] - grown) * soaked) >> 8));
      }
    }
  }
}

void fade_ink(Image& image, double share, const std::array<uint8_t, 3>& paper, uint64_t seed) {
  const int amount = int(std::lround(share * 256));
  NoiseField worn(seed, std::max(8, image.width_px / 12), image.width_px), grain(seed + 1, 2, image.width_px);
  std::vector<uint8_t> coarse(size_t(image.width_px)), fine(size_t(image.width_px));
  std::vector<int> lost(size_t(image.width_px));
  for (int y = 0; y < image.height_px; ++y) {
    worn.row(y, coarse.data());
    grain.row(y, fine.data());
    for (int x = 0; x < image.width_px; ++x) {
      const int place = 160 + (coarse[size_t(x)] * 3 + fine[size_t(x)]) * 96 / 1020;  // of 256: from 5/8 of the amount to all of it
      lost[size_t(x)] = (amount * place) >> 8;
    }
    each_sample(image, y, [&](int value, int x, int c) { return value + (((paper[size_t(c)] - value) * lost[size_t(x)]) >> 8); });
  }
}

void texture_paper(Image& image, double strength, uint64_t seed) {
  // stains, mottling, fibres that lie along the sheet
  const int width = image.width_px;
  NoiseField stains(seed, std::max(16, width / 5), width), mottle(seed + 1, 7, width), grain(seed + 2, 2, width);
  std::vector<uint8_t> a(static_cast<size_t>(width)), b(static_cast<size_t>(width)), fibre(static_cast<size_t>(width));
  std::vector<int> kept(static_cast<size_t>(width));
  const int amount = int(std::lround(strength * 256));
  for (int y = 0; y < image.height_px; ++y) {
    stains.row(y, a.data());
    mottle.row(y, b.data());
    grain.row(y, fibre.data());
    for (int x = 0; x < width; ++x) {
      const int dark = (a[size_t(x)] * 3 + b[size_t(x)] * 2 + fibre[size_t(x)] * 3) >> 3;  // 0 to 255, mostly about 127
      kept[size_t(x)] = 65536 - amount * dark * 100 / 255;                                 // at strength 1 about 80 % of the light on average
    }
    each_sample(image, y, [&](int value, int x, int) { return (value * kept[size_t(x)] + 32768) >> 16; });
  }
}

void cast_shadow(Image& image, double share, uint64_t seed) {
  Rng rng(seed);
  const double angle = rng.uniform(0, 2 * 3.14159265358979323846);
  const double reach = 0.5 * (std::abs(std::cos(angle)) * image.width_px + std::abs(std::sin(angle)) * image.height_px);
  const double edge = rng.uniform(-0.5, 0.4) * reach;   // where it begins, from the centre
  const double soft = rng.uniform(0.08, 0.6) * reach;   // how wide its edge is
  // distance behind the edge in 1/1024 of its width
  const int64_t dx = std::llround(std::cos(angle) / soft * 1024 * 65536), dy = std::llround(std::sin(angle) / soft * 1024 * 65536);
  const int64_t origin = std::llround((-std::cos(angle) * image.width_px / 2 - std::sin(angle) * image.height_px / 2 - edge) / soft * 1024 * 65536);
  std::array<int, 1025> light;
  for (int64_t i = 0; i <= 1024; ++i) {
    const int64_t ease = i * i * (3 * 1024 - 2 * i) / (1024 * 1024);  // 0 to 1024
    light[size_t(i)] = int(65536 - std::llround(share * 64 * double(ease)));
  }
  for (int y = 0; y < image.height_px; ++y) {
    uint8_t* target = image.row(y);
    int64_t at = origin + dy * y;
    for (int x = 0, i = 0; x < image.width_px; ++x, at += dx) {
      const int kept = light[size_t(std::clamp<int64_t>(at >> 16, 0, 1024))];
      for (int c = 0; c < image.channels; ++c, ++i) target[i] = uint8_t((target[i] * kept + 32768) >> 16);
    }
  }
}

bool Patch::covers(double x, double y) const {
  if (x < x0 || x >= x1 || y < y0 || y >= y1) return false;
  if (!ellipse) return true;
  const double u = (2 * x - x0 - x1) / (x1 - x0), v = (2 * y - y0 - y1) / (y1 - y0);
  return u * u + v * v < 1;
}

std::vector<Patch> occlude(Image& image, double share, int num_patches, uint64_t seed, double& covered) {
  const double page_area = double(image.width_px) * image.height_px;
  std::vector<bool> hidden(size_t(image.width_px) * size_t(image.height_px), false);
  std::vector<Patch> patches;
  size_t count = 0;
  for (int n = 0; n < num_patches; ++n) {
    Rng rng(seed, uint64_t(n));
    Patch patch;
    patch.ellipse = rng.chance(0.5);
    // what is still to be covered is shared by the things that are still to come: overlaps are made good
    const double area = std::max(0.0, share * page_area - double(count)) / (num_patches - n) * (patch.ellipse ? 4 / 3.14159265358979323846 : 1);
    const double aspect = std::exp2(rng.uniform(-1.2, 1.2)) * image.width_px / image.height_px;
    double width = std::max(1.0, std::sqrt(area * aspect)), height = std::max(1.0, area / width);
    if (width > image.width_px) width = image.width_px, height = std::min<double>(image.height_px, area / width);
    if (height > image.height_px) height = image.height_px, width = std::min<double>(image.width_px, area / height);
    patch.x0 = rng.uniform() * (image.width_px - width), patch.x1 = patch.x0 + width;
    patch.y0 = rng.uniform() * (image.height_px - height), patch.y1 = patch.y0 + height;
    patch.gray = uint8_t(rng.chance(0.5) ? 20 + rng.below(80) : 170 + rng.below(70));
    const int first_y = std::max(0, int(patch.y0)), last_y = std::min(image.height_px, int(patch.y1) + 1);
    const int first_x = std::max(0, int(patch.x0)), last_x = std::min(image.width_px, int(patch.x1) + 1);
    for (int y = first_y; y < last_y; ++y)
      for (int x = first_x; x < last_x; ++x) {
        if (!patch.covers(x + 0.5, y + 0.5)) continue;
        auto seen = hidden[size_t(y) * size_t(image.width_px) + size_t(x)];
        if (!seen) ++count, seen = true;
        for (int c = 0; c < image.channels; ++c) image.row(y)[x * image.channels + c] = patch.gray;
      }
    patches.push_back(patch);
  }
  covered = double(count) / page_area;
  return patches;
}

}  // namespace fovea::render

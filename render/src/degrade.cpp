#include "fovea/render/degrade.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "degrade_steps.h"
#include "fovea/base/error.h"
#include "fovea/base/random.h"

namespace fovea::render {

namespace {

enum Step : uint64_t { kBleed = 1, kFade, kSkew, kPerspective, kTexture, kShadow, kOcclusion, kGaussian, kMotion, kDownscale, kNoise, kSaltPepper, kJpeg };

// The amount of each step on one page, each drawn from a stream of its own: asking for one step more changes no other.
struct Drawn {
  const Degradations& config;
  uint64_t index;
  DegradeReport& report;

  uint64_t seed(Step step) const { return Rng(uint64_t(config.seed), 0x100 + step, index).next(); }
  Rng rng(Step step) const { return Rng(uint64_t(config.seed), 0x200 + step, index); }

  /// 0 where the step does not happen.
  double amount(Step step, double full) const {
    Rng draw = rng(step);
    const bool happens = draw.chance(config.probability);  // uniform() < 1 always
    const double share = 1 - config.vary * draw.uniform();
    return happens ? full * share : 0;
  }
  double sign(Step step) const {
    Rng draw = rng(step);
    draw.next(), draw.next();
    return config.vary > 0 && draw.chance(0.5) ? -1 : 1;
  }
  void did(const char* name, double value) const {
    char text[64];
    std::snprintf(text, sizeof text, "%s=%.4g", name, value);
    report.steps.push_back(text);
  }
};

void invert(Image& image) {
  for (uint8_t& value : image.pixels) value = uint8_t(255 - value);
}

int16_t to_int16(double value) {
  return int16_t(std::clamp<double>(value, std::numeric_limits<int16_t>::min(), std::numeric_limits<int16_t>::max()));
}

struct Bounds {
  double x0 = 1e30, y0 = 1e30, x1 = -1e30, y1 = -1e30;
  void add(const std::pair<double, double>& p) {
    x0 = std::min(x0, p.first), x1 = std::max(x1, p.first);
    y0 = std::min(y0, p.second), y1 = std::max(y1, p.second);
  }
  bool empty() const { return x1 < x0; }
};

bool has_ink(const CharBox& box) { return box.x1_px > box.x0_px && box.y1_px > box.y0_px; }

void grow_boxes(Page& page, int by_px) {
  const auto grow = [&](auto& box) {
    if (box.x1_px <= box.x0_px || box.y1_px <= box.y0_px) return;
    box.x0_px = int16_t(std::max(0, box.x0_px - by_px)), box.y0_px = int16_t(std::max(0, box.y0_px - by_px));
    box.x1_px = int16_t(std::min(page.image.width_px, box.x1_px + by_px)), box.y1_px = int16_t(std::min(page.image.height_px, box.y1_px + by_px));
  };
  for (CharBox& box : page.chars) grow(box);
  for (Decoration& box : page.decorations) grow(box);
}

// Where the ink in a box goes: the outline of its dark pixels, row by row. The bounds of the turned box would be wider than those of
// the turned ink. `before` is the picture as it was drawn: ink that fades has a place, and ink that bled out of a neighbour is not
// taken for the character's own. grow_px: how far it bled. channel: where to look, -1 in all.
Bounds bounds_of_ink(const Image& before, const std::array<uint8_t, 3>& paper, int bx0, int by0, int bx1, int by1, int grow_px, int channel,
                     const Homography& to) {
  constexpr int kFaint = 8;  // gray levels: antialiasing at this or less is no ink
  const int channels = before.channels;
  const int x0 = std::clamp(bx0, 0, before.width_px), x1 = std::clamp(bx1, 0, before.width_px);
  const int y0 = std::clamp(by0, 0, before.height_px), y1 = std::clamp(by1, 0, before.height_px);
  const int first_channel = channel < 0 ? 0 : std::min(channel, channels - 1), end_channel = channel < 0 ? channels : first_channel + 1;
  const auto dark = [&](const uint8_t* pixel) {
    for (int c = first_channel; c < end_channel; ++c)
      if (std::abs(pixel[c] - paper[size_t(c)]) > kFaint) return true;
    return false;
  };
  Bounds out;
  for (int y = y0; y < y1; ++y) {
    const uint8_t* row = before.row(y);
    int first = x0, last = x1 - 1;
    while (first < x1 && !dark(row + first * channels)) ++first;
    if (first == x1) continue;
    while (!dark(row + last * channels)) --last;
    for (int x : {first - grow_px, last + 1 + grow_px})
      for (int edge : {y - grow_px, y + 1 + grow_px}) out.add(to(x, edge));
  }
  if (out.empty())
    for (int x : {bx0 - grow_px, bx1 + grow_px})
      for (int y : {by0 - grow_px, by1 + grow_px}) out.add(to(x, y));
  return out;
}

int16_t nearest_int16(double value) { return to_int16(std::floor(value + 0.5)); }

void move_map(Page& page, const Image& before, const std::array<uint8_t, 3>& paper, int grow_px, const Homography& to, DegradeReport& report) {
  constexpr double kSnap = 0.05;  // a bound this little inside a pixel leaves it unmarked
  const int width = page.image.width_px, height = page.image.height_px;
  bool multiplexed = false;
  for (const CharBox& box : page.chars) multiplexed = multiplexed || box.channel != 0;
  // Sets a box to where its ink goes; true if a part of it left the page.
  const auto move_ink = [&](auto& box, int channel) {
    const Bounds ink = bounds_of_ink(before, paper, box.x0_px, box.y0_px, box.x1_px, box.y1_px, grow_px, channel, to);
    const double x0 = std::floor(ink.x0 + kSnap), x1 = std::ceil(ink.x1 - kSnap), y0 = std::floor(ink.y0 + kSnap), y1 = std::ceil(ink.y1 - kSnap);
    box.x0_px = to_int16(std::clamp<double>(x0, 0, width)), box.x1_px = to_int16(std::clamp<double>(x1, 0, width));
    box.y0_px = to_int16(std::clamp<double>(y0, 0, height)), box.y1_px = to_int16(std::clamp<double>(y1, 0, height));
    if (box.x1_px <= box.x0_px || box.y1_px <= box.y0_px) box.x1_px = box.x0_px, box.y1_px = box.y0_px;  // all of it is gone
    return x0 < 0 || y0 < 0 || x1 > width || y1 > height;
  };
  struct Span {
    int begin = std::numeric_limits<int>::max(), end = std::numeric_limits<int>::min();
  };
  std::vector<Span> spans(page.lines.size());  // of the pens on each line, before
  for (size_t i = 0; i < spans.size(); ++i)
    if (page.lines[i].end_px > page.lines[i].start_px) spans[i] = {page.lines[i].start_px, page.lines[i].end_px};
  for (CharBox& box : page.chars) {
    const PageLine& line = page.lines.at(box.line);
    Span& span = spans[box.line];
    span.begin = std::min<int>(span.begin, box.cell_x0_px), span.end = std::max<int>(span.end, box.cell_x1_px);
    const double middle = 0.5 * (line.top_px + line.bottom_px);
    double cell_0 = 0, cell_1 = 0;
    if (line.vertical)
      cell_0 = to(middle, box.cell_x0_px).second, cell_1 = to(middle, box.cell_x1_px).second;
    else
      cell_0 = to(box.cell_x0_px, middle).first, cell_1 = to(box.cell_x1_px, middle).first;
    box.cell_x0_px = nearest_int16(std::min(cell_0, cell_1));
    box.cell_x1_px = nearest_int16(std::max(cell_0, cell_1));
    if (has_ink(box) && move_ink(box, multiplexed ? box.channel : -1)) ++report.num_chars_cut;
  }
  for (Decoration& box : page.decorations)
    if (box.x1_px > box.x0_px && box.y1_px > box.y0_px) move_ink(box, -1);
  for (size_t i = 0; i < page.lines.size(); ++i) {
    PageLine& line = page.lines[i];
    // along: the way of the pen, across: from line to line
    const bool has_pens = spans[i].begin <= spans[i].end;
    const double pen_begin = has_pens ? spans[i].begin : line.start_px, pen_end = has_pens ? spans[i].end : line.end_px;
    const auto point = [&](double along, double across) { return line.vertical ? to(across, along) : to(along, across); };
    const auto along_of = [&](const std::pair<double, double>& p) { return line.vertical ? p.second : p.first; };
    const auto across_of = [&](const std::pair<double, double>& p) { return line.vertical ? p.first : p.second; };
    double top = 1e30, bottom = -1e30, start = 1e30, end = -1e30;
    for (double along : {pen_begin, pen_end})
      for (double across : {double(line.top_px), double(line.bottom_px)}) {
        const auto p = point(along, across);
        top = std::min(top, across_of(p)), bottom = std::max(bottom, across_of(p));
        start = std::min(start, along_of(p)), end = std::max(end, along_of(p));
      }
    line.baseline_px = nearest_int16(across_of(point(0.5 * (pen_begin + pen_end), line.baseline_px)));
    line.top_px = to_int16(std::floor(top + kSnap)), line.bottom_px = to_int16(std::ceil(bottom - kSnap));
    line.start_px = nearest_int16(start), line.end_px = nearest_int16(end);
  }
}

// Turn and perspective about the middle, then as small as it takes to keep the corners of `keep` on the page.
Homography geometry(const Drawn& drawn, double skew, double perspective, int width, int height, const Bounds& keep) {
  const double cx = 0.5 * width, cy = 0.5 * height;
  Homography to = Homography::shift(cx, cy) * Homography::turn(skew) * Homography::shift(-cx, -cy);
  if (perspective > 0) {
    Rng rng = drawn.rng(kPerspective);
    rng.next(), rng.next(), rng.next();
    const auto inwards = [&](double side) { return perspective * side * rng.uniform(); };
    std::array<std::pair<double, double>, 4> corners = {{{0, 0}, {width, 0}, {width, height}, {0, height}}};
    for (size_t i = 0; i < 4; ++i) {
      corners[i].first += (i == 0 || i == 3 ? 1 : -1) * inwards(width);
      corners[i].second += (i < 2 ? 1 : -1) * inwards(height);
    }
    to = Homography::square_to(corners) * Homography::scale(1.0 / width, 1.0 / height) * to;
  }
  if (drawn.config.shrink_to_fit && !keep.empty()) {
    double scale = 1;
    for (double x : {keep.x0, keep.x1})
      for (double y : {keep.y0, keep.y1}) {
        const auto [px, py] = to(x, y);
        if (std::abs(px - cx) > cx) scale = std::min(scale, cx / std::abs(px - cx));
        if (std::abs(py - cy) > cy) scale = std::min(scale, cy / std::abs(py - cy));
      }
    to = Homography::shift(cx, cy) * Homography::scale(scale, scale) * Homography::shift(-cx, -cy) * to;
  }
  return to;
}

void count_occluded(const Page& page, const std::vector<Patch>& patches, DegradeReport& report) {
  for (size_t i = 0; i < page.chars.size(); ++i) {
    const CharBox& box = page.chars[i];
    if (!has_ink(box)) continue;
    bool touched = false;
    for (const Patch& p : patches) touched = touched || (box.x0_px < p.x1 && box.x1_px > p.x0 && box.y0_px < p.y1 && box.y1_px > p.y0);
    if (!touched) continue;
    int64_t hidden = 0;
    for (int y = box.y0_px; y < box.y1_px; ++y)
      for (int x = box.x0_px; x < box.x1_px; ++x) {
        bool covered = false;
        for (const Patch& p : patches) covered = covered || p.covers(x + 0.5, y + 0.5);
        hidden += covered;
      }
    if (2 * hidden >= int64_t(box.x1_px - box.x0_px) * (box.y1_px - box.y0_px)) report.occluded_chars.push_back(uint32_t(i));
  }
}

DegradeReport apply(Image& image, Page* page, const Degradations& config, uint64_t index) {
  validate_fields(config, "degrade");
  if ((image.channels != 1 && image.channels != 3) || image.width_px < 1 || image.height_px < 1 ||
      image.pixels.size() != size_t(image.width_px) * size_t(image.height_px) * size_t(image.channels))
    throw ShapeError("[degrade] needs a gray or RGB picture of at least 1 x 1 px, got " + std::to_string(image.width_px) + " x " +
                     std::to_string(image.height_px) + " px with " + std::to_string(image.channels) + " channels");
  DegradeReport report;
  const Drawn drawn{config, index, report};
  const double bleed = drawn.amount(kBleed, config.ink_bleed_px), fade = drawn.amount(kFade, config.ink_fade);
  const double skew = drawn.amount(kSkew, config.skew_degrees) * drawn.sign(kSkew);
  const double perspective = drawn.amount(kPerspective, config.perspective), texture = drawn.amount(kTexture, config.paper_texture);
  const bool turns = skew != 0 || perspective > 0;

  if (bleed > 0 || fade > 0 || turns || texture > 0) {
    auto paper = paper_of(image);
    const bool dark_page = paper[0] * 299 + paper[1] * 587 + paper[2] * 114 < 128 * 1000;
    if (dark_page) {
      invert(image);
      for (uint8_t& value : paper) value = uint8_t(255 - value);
    }
    const int grow_px = int(std::ceil(bleed));
    Image as_drawn;
    if (turns && page) as_drawn = image;
    if (bleed > 0) {
      bleed_ink(image, bleed, drawn.seed(kBleed));
      if (page && !turns) grow_boxes(*page, grow_px);
      drawn.did("ink_bleed_px", bleed);
    }
    if (fade > 0) {
      fade_ink(image, fade, paper, drawn.seed(kFade));
      drawn.did("ink_fade", fade);
    }
    if (turns) {
      Bounds keep;
      if (page) {
        for (const CharBox& box : page->chars)
          if (has_ink(box)) keep.add({box.x0_px - grow_px, box.y0_px - grow_px}), keep.add({box.x1_px + grow_px, box.y1_px + grow_px});
      } else {
        keep = {0, 0, double(image.width_px), double(image.height_px)};
      }
      const Homography to = geometry(drawn, skew, perspective, image.width_px, image.height_px, keep);
      Image warped = warp(image, to, paper);
      if (page) move_map(*page, as_drawn, paper, grow_px, to, report);
      image = std::move(warped);
      report.degraded_from_page = to.m;
      if (skew != 0) drawn.did("skew_degrees", skew);
      if (perspective > 0) drawn.did("perspective", perspective);
    }
    if (texture > 0) {
      texture_paper(image, texture, drawn.seed(kTexture));
      drawn.did("paper_texture", texture);
    }
    if (dark_page) invert(image);
  }
  if (const double shadow = drawn.amount(kShadow, config.shadow); shadow > 0) {
    cast_shadow(image, shadow, drawn.seed(kShadow));
    drawn.did("shadow", shadow);
  }
  if (const double share = drawn.amount(kOcclusion, config.occlusion); share > 0) {
    const auto patches = occlude(image, share, int(config.occlusion_patches), drawn.seed(kOcclusion), report.occluded_share);
    if (page) count_occluded(*page, patches, report);
    drawn.did("occlusion", share);
  }
  if (const double sigma = drawn.amount(kGaussian, config.gaussian_blur_px); sigma > 0.05) {
    blur_gaussian(image, sigma);
    drawn.did("gaussian_blur_px", sigma);
  }
  if (const double length = drawn.amount(kMotion, config.motion_blur_px); length > 0.05) {
    double degrees = config.motion_blur_degrees;
    if (config.vary > 0) {
      Rng rng = drawn.rng(kMotion);
      rng.next(), rng.next(), rng.next();
      degrees += rng.uniform(-90, 90) * config.vary;
    }
    blur_motion(image, length, degrees);
    drawn.did("motion_blur_px", length);
    drawn.did("motion_blur_degrees", degrees);
  }
  if (const double lost = drawn.amount(kDownscale, 1 - config.downscale); lost > 0) {
    const int width = image.width_px, height = image.height_px;
    const int small_width = std::max(1, int(std::lround(width * (1 - lost)))), small_height = std::max(1, int(std::lround(height * (1 - lost))));
    if (small_width != width || small_height != height) {
      image = resize(resize(image, small_width, small_height), width, height);
      drawn.did("downscale", 1 - lost);
    }
  }
  const double noise = drawn.amount(kNoise, config.noise), salt_pepper = drawn.amount(kSaltPepper, config.salt_pepper);
  if (noise > 0 || salt_pepper > 0) {
    add_noise(image, noise, salt_pepper, drawn.seed(kNoise));
    if (noise > 0) drawn.did("noise", noise);
    if (salt_pepper > 0) drawn.did("salt_pepper", salt_pepper);
  }
  if (config.jpeg_quality > 0) {
    const double lost = drawn.amount(kJpeg, double(101 - config.jpeg_quality));
    if (lost > 0) {
      const int quality = std::clamp(int(std::lround(101 - lost)), 1, 100);
      through_jpeg(image, quality);
      drawn.did("jpeg_quality", quality);
    }
  }
  return report;
}

}  // namespace

DegradeReport degrade(Page& page, const Degradations& config, uint64_t index) { return apply(page.image, &page, config, index); }
DegradeReport degrade(Image& image, const Degradations& config, uint64_t index) { return apply(image, nullptr, config, index); }

bool degrades(const Degradations& c) {
  return c.probability > 0 && (c.ink_bleed_px > 0 || c.ink_fade > 0 || c.skew_degrees != 0 || c.perspective > 0 || c.paper_texture > 0 || c.shadow > 0 ||
                               c.occlusion > 0 || c.gaussian_blur_px > 0 || c.motion_blur_px > 0 || c.downscale < 1 || c.noise > 0 ||
                               c.salt_pepper > 0 || c.jpeg_quality > 0);
}

}  // namespace fovea::render

// Degradations: what they do to pixels, that the map goes along, that the same seed gives the same bytes.
#include <algorithm>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/render/degrade.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

const char kText[] = "The suburb of Saffron Park lay on the sunset side of London, as red and ragged as a cloud of sunset. It was built of a bright brick "
                     "throughout; its sky-line was fantastic, and even its ground plan was wild.";

Page small_page(double size_px = 16, int side_px = 320, const char* font = "DejaVu Serif") {
  static const Renderer renderer;
  Style style;
  style.font = font;
  style.width_px = style.height_px = side_px;
  style.font_size_px = size_px;
  return renderer.render(kText, style);
}

Degradations only(void (*set)(Degradations&)) {
  Degradations config;
  config.seed = 7;
  set(config);
  return config;
}

const std::vector<std::pair<const char*, Degradations>>& steps() {
  static const std::vector<std::pair<const char*, Degradations>> list = {
      {"ink_bleed_px", only([](Degradations& d) { d.ink_bleed_px = 1.5; })},
      {"ink_fade", only([](Degradations& d) { d.ink_fade = 0.6; })},
      {"skew_degrees", only([](Degradations& d) { d.skew_degrees = 4; })},
      {"perspective", only([](Degradations& d) { d.perspective = 0.1; })},
      {"paper_texture", only([](Degradations& d) { d.paper_texture = 0.5; })},
      {"shadow", only([](Degradations& d) { d.shadow = 0.6; })},
      {"occlusion", only([](Degradations& d) { d.occlusion = 0.1; })},
      {"gaussian_blur_px", only([](Degradations& d) { d.gaussian_blur_px = 1; })},
      {"motion_blur_px", only([](Degradations& d) { d.motion_blur_px = 5, d.motion_blur_degrees = 30; })},
      {"downscale", only([](Degradations& d) { d.downscale = 0.5; })},
      {"noise", only([](Degradations& d) { d.noise = 20; })},
      {"salt_pepper", only([](Degradations& d) { d.salt_pepper = 0.02; })},
      {"jpeg_quality", only([](Degradations& d) { d.jpeg_quality = 30; })},
  };
  return list;
}

Degradations everything() {
  Degradations d;
  d.seed = 3;
  d.ink_bleed_px = 0.5, d.ink_fade = 0.3, d.skew_degrees = 3, d.perspective = 0.05, d.paper_texture = 0.4, d.shadow = 0.4, d.occlusion = 0.02;
  d.gaussian_blur_px = 0.6, d.motion_blur_px = 2, d.downscale = 0.8, d.noise = 6, d.salt_pepper = 0.001, d.jpeg_quality = 50;
  return d;
}

bool same_map(const Page& a, const Page& b) {
  if (a.chars.size() != b.chars.size()) return false;
  for (size_t i = 0; i < a.chars.size(); ++i)
    if (a.chars[i].x0_px != b.chars[i].x0_px || a.chars[i].y1_px != b.chars[i].y1_px || a.chars[i].cell_x0_px != b.chars[i].cell_x0_px) return false;
  return true;
}

TEST(Degrade, NothingAskedNothingDone) {
  const Page before = small_page();
  Page after = before;
  const DegradeReport report = degrade(after, {});
  EXPECT_EQ(after.image.pixels, before.image.pixels);
  EXPECT_TRUE(same_map(after, before));
  EXPECT_TRUE(report.steps.empty());
  EXPECT_FALSE(degrades({}));
}

TEST(Degrade, EachStepDoesSomethingAndSaysSo) {
  const Page before = small_page();
  for (const auto& [name, config] : steps()) {
    Page after = before;
    const DegradeReport report = degrade(after, config);
    EXPECT_NE(after.image.pixels, before.image.pixels) << name;
    ASSERT_FALSE(report.steps.empty()) << name;
    EXPECT_THAT(report.steps[0], StartsWith(std::string(name) + "=")) << name;
    EXPECT_TRUE(degrades(config)) << name;
    EXPECT_EQ(after.image.width_px, before.image.width_px) << name;
    const bool moves = std::string(name) == "skew_degrees" || std::string(name) == "perspective" || std::string(name) == "ink_bleed_px";
    EXPECT_EQ(same_map(after, before), !moves) << name;
  }
}

TEST(Degrade, OrderIsFixedAndAmountsAreAsGiven) {
  Page page = small_page();
  EXPECT_THAT(degrade(page, everything()).steps,
              ElementsAre("ink_bleed_px=0.5", "ink_fade=0.3", "skew_degrees=3", "perspective=0.05", "paper_texture=0.4", "shadow=0.4", "occlusion=0.02",
                          "gaussian_blur_px=0.6", "motion_blur_px=2", "motion_blur_degrees=0", "downscale=0.8", "noise=6", "salt_pepper=0.001",
                          "jpeg_quality=50"));
}

TEST(Degrade, SameSeedSameBytesOnAnyNumberOfThreads) {
  const Page before = small_page();
  Degradations config = everything();
  config.vary = 0.5;
  const auto run = [&](int num_threads) {
    std::vector<Page> pages(12, before);
    parallel_for(pages.size(), num_threads, [&](size_t i) { degrade(pages[i], config, i); });
    return pages;
  };
  const auto one = run(1), eight = run(8);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].image.pixels, eight[i].image.pixels) << i;
    EXPECT_TRUE(same_map(one[i], eight[i])) << i;
    for (size_t k = 0; k < i; ++k) EXPECT_NE(one[i].image.pixels, one[k].image.pixels) << i << " " << k;
  }
  config.seed = 4;
  EXPECT_NE(run(1)[0].image.pixels, one[0].image.pixels);
}

TEST(Degrade, VaryDrawsAmountsAndProbabilityLeavesOut) {
  Degradations config = everything();
  config.vary = 1;
  Page page = small_page();
  const auto full = degrade(page, config).steps;
  Degradations fewer = config;
  fewer.noise = 0, fewer.ink_bleed_px = 0, fewer.shadow = 0;
  page = small_page();
  for (const auto& step : degrade(page, fewer).steps) EXPECT_THAT(full, testing::Contains(step)) << "a step's amount depends on other steps";
  config.probability = 0.5;
  size_t count = 0;
  for (uint64_t i = 0; i < 40; ++i) {
    page = small_page();
    for (const auto& step : degrade(page, config, i).steps) count += step.rfind("noise=", 0) == 0;
  }
  EXPECT_GT(count, 8u);
  EXPECT_LT(count, 32u);
}

struct InkBounds {
  int x0 = 1 << 20, y0 = 1 << 20, x1 = -1, y1 = -1;
};

InkBounds ink_of(const Image& image, int darker_than) {
  InkBounds out;
  for (int y = 0; y < image.height_px; ++y)
    for (int x = 0; x < image.width_px; ++x)
      if (*std::min_element(image.row(y) + x * image.channels, image.row(y) + (x + 1) * image.channels) < darker_than)
        out.x0 = std::min(out.x0, x), out.x1 = std::max(out.x1, x + 1), out.y0 = std::min(out.y0, y), out.y1 = std::max(out.y1, y + 1);
  return out;
}

// Each glyph alone on the page, everything else as it is: its ink must be where its box says, from both sides.
void expect_boxes_on_ink(const Page& page, const Degradations& config, int darker_than, const char* what, size_t least_checked = 60) {
  Page moved = page;
  const DegradeReport report = degrade(moved, config);
  EXPECT_EQ(report.num_chars_cut, 0u) << what;
  size_t num_checked = 0;
  for (size_t i = 0; i < page.chars.size(); ++i) {
    const CharBox& from = page.chars[i];
    if (from.x1_px == from.x0_px) continue;
    bool alone = true;
    for (size_t k = 0; k < page.chars.size(); ++k) {
      const CharBox& other = page.chars[k];
      alone = alone && (k == i || other.x1_px <= from.x0_px || other.x0_px >= from.x1_px || other.y1_px <= from.y0_px || other.y0_px >= from.y1_px);
    }
    if (!alone) continue;
    Page single = page;
    const int channels = page.image.channels;
    single.image = Image::filled(page.image.width_px, page.image.height_px, channels, 255);
    for (int y = from.y0_px; y < from.y1_px; ++y)
      std::copy(page.image.row(y) + from.x0_px * channels, page.image.row(y) + from.x1_px * channels, single.image.row(y) + from.x0_px * channels);
    degrade(single, config);
    const InkBounds ink = ink_of(single.image, darker_than);
    const CharBox& box = moved.chars[i];
    EXPECT_LE(std::abs(ink.x0 - box.x0_px), 1) << what << " char " << i << " '" << page.text[from.byte_offset] << "'";
    EXPECT_LE(std::abs(ink.x1 - box.x1_px), 1) << what << " char " << i << " '" << page.text[from.byte_offset] << "'";
    EXPECT_LE(std::abs(ink.y0 - box.y0_px), 1) << what << " char " << i << " '" << page.text[from.byte_offset] << "'";
    EXPECT_LE(std::abs(ink.y1 - box.y1_px), 1) << what << " char " << i << " '" << page.text[from.byte_offset] << "'";
    ++num_checked;
  }
  EXPECT_GT(num_checked, least_checked) << what;
}

TEST(Degrade, BoxesGoWithTheInkOfVerticalAndColouredPages) {
  const Renderer renderer;
  Style style;
  style.font = "WenQuanYi Micro Hei";
  style.direction = "vertical";
  style.width_px = style.height_px = 240;
  style.font_size_px = 22;
  const Page vertical = renderer.render("天地玄黃宇宙洪荒日月盈昃辰宿列張寒來暑往秋收冬藏閏餘成歲律呂調陽雲騰致雨露結為霜", style);
  ASSERT_TRUE(vertical.lines[0].vertical);
  style = {};
  style.font = "DejaVu Serif";
  style.width_px = style.height_px = 240;
  style.font_size_px = 15;
  style.text_color = "#a02040";
  const Page coloured = renderer.render(kText, style);
  ASSERT_EQ(coloured.image.channels, 3);
  const Degradations config = only([](Degradations& d) { d.perspective = 0.15, d.skew_degrees = -8; });
  expect_boxes_on_ink(vertical, config, 244, "vertical", 25);
  expect_boxes_on_ink(coloured, config, 244, "coloured");
}

TEST(Degrade, BoxesGoWithTheInk) {
  const Page page = small_page(15, 240);
  const auto check = [&](const char* what, void (*set)(Degradations&), int darker_than = 244) { expect_boxes_on_ink(page, only(set), darker_than, what); };
  check("skew", [](Degradations& d) { d.skew_degrees = 5; });
  check("skew back", [](Degradations& d) { d.skew_degrees = -30; });
  check("perspective", [](Degradations& d) { d.perspective = 0.2; });
  check("both", [](Degradations& d) { d.perspective = 0.15, d.skew_degrees = -8; });
  check("bleed", [](Degradations& d) { d.ink_bleed_px = 1; });
  check("bleed by a part", [](Degradations& d) { d.ink_bleed_px = 1.5; });
  check("bleed, then turn", [](Degradations& d) { d.ink_bleed_px = 2, d.skew_degrees = 7; });
}

TEST(Degrade, BoxesHoldThroughWhatSpreadsInk) {
  // large type: strokes are wider than the blur; a third of the contrast counts as ink
  const Page page = small_page(40, 1000, "DejaVu Sans");
  const auto check = [&](const char* what, void (*set)(Degradations&)) { expect_boxes_on_ink(page, only(set), 170, what); };
  check("blur", [](Degradations& d) { d.gaussian_blur_px = 1; });
  check("motion", [](Degradations& d) { d.motion_blur_px = 2, d.motion_blur_degrees = 40; });
  check("downscale", [](Degradations& d) { d.downscale = 0.7; });
  check("jpeg", [](Degradations& d) { d.jpeg_quality = 60; });
}

TEST(Degrade, LinesAndCellsGoAlong) {
  Page page = small_page();
  const Page before = page;
  const DegradeReport report = degrade(page, only([](Degradations& d) { d.skew_degrees = 6, d.perspective = 0.05; }));
  const auto& m = report.degraded_from_page;
  for (size_t i = 0; i < page.chars.size(); ++i) {
    const CharBox &a = before.chars[i], &b = page.chars[i];
    EXPECT_LE(b.cell_x0_px, b.cell_x1_px);
    if (a.x1_px == a.x0_px) continue;
    const double x = 0.5 * (a.x0_px + a.x1_px), y = 0.5 * (a.y0_px + a.y1_px), w = m[6] * x + m[7] * y + m[8];
    const double to_x = (m[0] * x + m[1] * y + m[2]) / w, to_y = (m[3] * x + m[4] * y + m[5]) / w;
    EXPECT_NEAR(to_x, 0.5 * (b.x0_px + b.x1_px), 2);
    EXPECT_NEAR(to_y, 0.5 * (b.y0_px + b.y1_px), 2);
    EXPECT_GE(b.y0_px, page.lines[b.line].top_px - 1);
    EXPECT_LE(b.y1_px, page.lines[b.line].bottom_px + 1);
  }
}

TEST(Degrade, NothingIsLostUnlessAllowedAndThenCounted) {
  Page kept = small_page(), cut = small_page();
  EXPECT_EQ(degrade(kept, only([](Degradations& d) { d.skew_degrees = 20; })).num_chars_cut, 0u);
  const DegradeReport report = degrade(cut, only([](Degradations& d) { d.skew_degrees = 20, d.shrink_to_fit = false; }));
  EXPECT_GT(report.num_chars_cut, 3u);
  size_t gone = 0;
  for (const CharBox& box : cut.chars) {
    EXPECT_GE(box.x0_px, 0);
    EXPECT_LE(box.x1_px, cut.image.width_px);
    EXPECT_LE(box.y1_px, cut.image.height_px);
    gone += box.x1_px == box.x0_px;
  }
  EXPECT_GE(gone, 1u);
}

TEST(Degrade, OcclusionCoversItsShareAndNamesTheHidden) {
  for (double share : {0.02, 0.2, 0.6}) {
    Page page = small_page();
    const Page before = page;
    Degradations config;
    config.occlusion = share;
    config.occlusion_patches = 5;
    config.seed = 11;
    const DegradeReport report = degrade(page, config);
    EXPECT_NEAR(report.occluded_share, share, 0.3 * share);
    size_t next = 0;
    for (size_t i = 0; i < page.chars.size(); ++i) {
      const CharBox& box = page.chars[i];
      const bool named = next < report.occluded_chars.size() && report.occluded_chars[next] == i;
      next += named;
      size_t same = 0, all = 0;
      for (int y = box.y0_px; y < box.y1_px; ++y)
        for (int x = box.x0_px; x < box.x1_px; ++x, ++all) same += page.image.row(y)[x] == before.image.row(y)[x];
      if (named) {
        EXPECT_LE(2 * same, all + all / 8) << i;
      } else if (all) {
        EXPECT_GT(2 * same, all) << i;
      }
    }
    EXPECT_EQ(next, report.occluded_chars.size());
    EXPECT_GT(next, 0u);
  }
}

std::pair<double, double> centre_of_ink(const Image& image) {
  double sum = 0, sx = 0, sy = 0;
  for (int y = 0; y < image.height_px; ++y)
    for (int x = 0; x < image.width_px; ++x) {
      const double ink = 255 - image.row(y)[x];
      sum += ink, sx += ink * x, sy += ink * y;
    }
  return {sx / sum, sy / sum};
}

TEST(Degrade, WhatSpreadsInkDoesNotShiftIt) {
  const Page before = small_page(20, 400);
  const auto [x, y] = centre_of_ink(before.image);
  for (auto set : {+[](Degradations& d) { d.gaussian_blur_px = 2; }, +[](Degradations& d) { d.motion_blur_px = 6, d.motion_blur_degrees = 25; },
                   +[](Degradations& d) { d.downscale = 0.4; }, +[](Degradations& d) { d.downscale = 0.77; }}) {
    Image after = before.image;
    degrade(after, only(set));
    const auto [ax, ay] = centre_of_ink(after);
    EXPECT_NEAR(ax, x, 0.2);
    EXPECT_NEAR(ay, y, 0.2);
  }
}

TEST(Degrade, MotionBlursAlongItsWayOnly) {
  Image image = Image::filled(40, 40, 1, 255);
  for (int x = 0; x < 40; ++x) image.row(20)[x] = 0;
  Image across = image;
  degrade(image, only([](Degradations& d) { d.motion_blur_px = 8; }));
  EXPECT_EQ(image.row(20)[20], 0);
  EXPECT_EQ(image.row(19)[20], 255);
  degrade(across, only([](Degradations& d) { d.motion_blur_px = 8, d.motion_blur_degrees = 90; }));
  EXPECT_NEAR(across.row(20)[20], 255 - 255 / 8, 4);
  EXPECT_NEAR(across.row(17)[20], 255 - 255 / 8, 4);
  EXPECT_EQ(across.row(14)[20], 255);
}

double mean_gap(const Image& a, const Image& b) {
  double sum = 0;
  for (size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / double(a.pixels.size());
}

TEST(Degrade, WorseAmountsAreWorse) {
  const Page before = small_page();
  const auto gap = [&](auto set) {
    Degradations config;
    set(config);
    Image after = before.image;
    degrade(after, config);
    return mean_gap(after, before.image);
  };
  double last = -1;
  for (int64_t quality : {100, 90, 60, 30, 10, 2}) {
    const double now = gap([&](Degradations& d) { d.jpeg_quality = quality; });
    EXPECT_GT(now, last) << quality;
    last = now;
  }
  EXPECT_LT(gap([](Degradations& d) { d.jpeg_quality = 100; }), 1);
  last = 0;
  for (double sigma : {0.4, 0.8, 1.6, 3.2}) {
    const double now = gap([&](Degradations& d) { d.gaussian_blur_px = sigma; });
    EXPECT_GT(now, last);
    last = now;
  }
  last = 0;
  for (double scale : {0.9, 0.6, 0.4, 0.2}) {
    const double now = gap([&](Degradations& d) { d.downscale = scale; });
    EXPECT_GT(now, last);
    last = now;
  }
}

TEST(Degrade, NoiseHasTheSpreadAskedFor) {
  Image image = Image::filled(400, 400, 1, 128);
  degrade(image, only([](Degradations& d) { d.noise = 12; }));
  double sum = 0, squares = 0;
  for (uint8_t v : image.pixels) sum += v - 128, squares += (v - 128) * (v - 128);
  EXPECT_NEAR(sum / double(image.pixels.size()), 0, 0.15);
  EXPECT_NEAR(std::sqrt(squares / double(image.pixels.size())), 12, 0.15);
  Image grains = Image::filled(400, 400, 1, 128);
  degrade(grains, only([](Degradations& d) { d.salt_pepper = 0.1; }));
  const auto black = std::count(grains.pixels.begin(), grains.pixels.end(), 0), white = std::count(grains.pixels.begin(), grains.pixels.end(), 255);
  EXPECT_NEAR(double(black + white) / 160000, 0.1, 0.005);
  EXPECT_NEAR(double(black) / double(white), 1, 0.1);
}

TEST(Degrade, LightOnDarkIsTheMirrorOfDarkOnLight) {
  const Page page = small_page();
  Image light = page.image, dark = page.image;
  for (uint8_t& v : dark.pixels) v = uint8_t(255 - v);
  const Degradations config = only([](Degradations& d) { d.ink_bleed_px = 0.7, d.ink_fade = 0.3, d.skew_degrees = 2, d.paper_texture = 0.3; });
  degrade(light, config);
  degrade(dark, config);
  for (uint8_t& v : dark.pixels) v = uint8_t(255 - v);
  EXPECT_EQ(dark.pixels, light.pixels);
}

TEST(Degrade, GrayIsOneChannelOfColour) {
  const Page page = small_page();
  const Degradations config = only([](Degradations& d) {
    d.ink_bleed_px = 0.7, d.ink_fade = 0.3, d.skew_degrees = 2, d.perspective = 0.1, d.paper_texture = 0.3, d.shadow = 0.3, d.occlusion = 0.1;
    d.gaussian_blur_px = 0.7, d.motion_blur_px = 3, d.motion_blur_degrees = 10, d.downscale = 0.6;
  });
  Image gray = page.image, rgb = Image::filled(gray.width_px, gray.height_px, 3, 0);
  for (size_t i = 0; i < gray.pixels.size(); ++i) std::fill_n(rgb.pixels.begin() + ptrdiff_t(3 * i), 3, gray.pixels[i]);
  degrade(gray, config);
  degrade(rgb, config);
  for (size_t i = 0; i < gray.pixels.size(); ++i)
    for (size_t c = 0; c < 3; ++c) ASSERT_EQ(rgb.pixels[3 * i + c], gray.pixels[i]) << i;
  degrade(rgb, only([](Degradations& d) { d.jpeg_quality = 40, d.noise = 4; }));
}

TEST(Degrade, TinyPictures) {
  for (int width : {1, 2, 7})
    for (int height : {1, 3})
      for (int channels : {1, 3}) {
        Image image = Image::filled(width, height, channels, 200);
        Degradations config = everything();
        config.ink_bleed_px = 4, config.gaussian_blur_px = 20, config.motion_blur_px = 30, config.downscale = 0.02, config.occlusion = 0.9;
        degrade(image, config);
        EXPECT_EQ(image.pixels.size(), size_t(width * height * channels));
      }
}

TEST(Degrade, BadValuesAreRefused) {
  Page page = small_page();
  const auto message = [&](void (*set)(Degradations&)) {
    try {
      degrade(page, only(set));
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_THAT(message([](Degradations& d) { d.jpeg_quality = 101; }), HasSubstr("jpeg_quality must be at most 100, got 101"));
  EXPECT_THAT(message([](Degradations& d) { d.downscale = 0; }), HasSubstr("downscale must be at least 0.02"));
  EXPECT_THAT(message([](Degradations& d) { d.noise = -1, d.ink_fade = 2; }), testing::AllOf(HasSubstr("noise"), HasSubstr("ink_fade")));
  Image broken = Image::filled(4, 4, 1, 0);
  broken.pixels.resize(3);
  EXPECT_THROW(degrade(broken, {}), ShapeError);
}

}  // namespace
}  // namespace fovea::render

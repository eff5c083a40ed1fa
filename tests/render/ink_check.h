// Boxes against pixels, for pages of any layout.
#pragma once
#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "fovea/render/page.h"

namespace fovea::render {

/// Every pixel that is not paper lies in a character's box or a decoration's (a box may be `slack_px` short), and no box is empty of ink
/// on any of its four sides. paper: value of a page pixel (gray, or all three channels).
inline void expect_boxes_enclose_ink(const Page& page, int paper, const std::string& what, int slack_px = 0) {
  const Image& image = page.image;
  const int width = image.width_px, height = image.height_px, channels = image.channels;
  const auto ink = [&](int x, int y) {
    const uint8_t* at = image.row(y) + x * channels;
    for (int c = 0; c < channels; ++c)
      if (at[c] != paper) return true;
    return false;
  };
  std::vector<uint8_t> covered(size_t(width) * size_t(height), 0);
  const auto cover = [&](int x0, int y0, int x1, int y1) {
    for (int y = std::max(y0 - slack_px, 0); y < std::min(y1 + slack_px, height); ++y)
      for (int x = std::max(x0 - slack_px, 0); x < std::min(x1 + slack_px, width); ++x) covered[size_t(y) * size_t(width) + size_t(x)] = 1;
  };
  for (const Decoration& box : page.decorations) cover(box.x0_px, box.y0_px, box.x1_px, box.y1_px);
  size_t num_loose = 0, num_inked = 0;
  for (const CharBox& box : page.chars) {
    if (box.x0_px == box.x1_px) continue;
    ++num_inked;
    ASSERT_LT(box.x0_px, box.x1_px) << what;
    ASSERT_LT(box.y0_px, box.y1_px) << what;
    ASSERT_GE(box.x0_px, 0) << what;
    ASSERT_GE(box.y0_px, 0) << what;
    ASSERT_LE(box.x1_px, width) << what;
    ASSERT_LE(box.y1_px, height) << what;
    bool left = false, right = false, top = false, bottom = false;
    for (int y = box.y0_px; y < box.y1_px; ++y) left |= ink(box.x0_px, y), right |= ink(box.x1_px - 1, y);
    for (int x = box.x0_px; x < box.x1_px; ++x) top |= ink(x, box.y0_px), bottom |= ink(x, box.y1_px - 1);
    num_loose += !(left && right && top && bottom);
    cover(box.x0_px, box.y0_px, box.x1_px, box.y1_px);
  }
  size_t num_outside = 0;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) num_outside += ink(x, y) && !covered[size_t(y) * size_t(width) + size_t(x)];
  EXPECT_EQ(num_outside, 0u) << what << ": ink outside every box";
  EXPECT_EQ(num_loose, 0u) << what << ": boxes without ink at a side, of " << num_inked;
}

}  // namespace fovea::render

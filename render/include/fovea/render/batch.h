// Batches: many texts drawn at once into one block of memory.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "fovea/render/renderer.h"
#include "fovea/render/style_file.h"

namespace fovea::render {

/// Where the pages go: num_pages pictures of height_px x width_px x channels (1 gray, 3 RGB) bytes, one after the other.
struct BatchTarget {
  uint8_t* pixels = nullptr;
  int64_t num_pages = 0, height_px = 0, width_px = 0, channels = 1;
};

/// Draws texts[i] as page first_index + i into target, on num_threads threads (0: one a core). A page is drawn in its place, nothing is copied;
/// with degradations, which work on a copy, it is put there afterwards. Returns the pages without their pixels: maps and reports; chars,
/// lines and the like are left empty unless keep_maps. The same bytes on any number of threads.
/// Errors: as Renderer::render and degrade, the page named; ShapeError if the target has not one place a text or a page has another size.
std::vector<Page> render_batch(const Renderer& renderer, const std::vector<std::string_view>& texts, const StyleSheet& sheet, const BatchTarget& target,
                               int num_threads = 0, uint64_t first_index = 0, bool keep_maps = false);

/// Size and channels of the pages that a sheet gives, {height, width, channels}; crop is not known beforehand and must be "none".
/// Errors: ConfigError.
std::vector<int64_t> batch_shape(const StyleSheet& sheet);

}  // namespace fovea::render

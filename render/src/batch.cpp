#include "fovea/render/batch.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"

namespace fovea::render {

namespace {

std::string shape(int64_t height, int64_t width, int64_t channels) {
  return std::to_string(width) + " x " + std::to_string(height) + " px, " + (channels == 1 ? "gray" : std::to_string(channels) + " channels");
}

template <class E> [[noreturn]] void rethrow_named(const E& error, size_t index) { throw E("page " + std::to_string(index) + ": " + error.what()); }

}  // namespace

std::vector<Page> render_batch(const Renderer& renderer, const std::vector<std::string_view>& texts, const StyleSheet& sheet, const BatchTarget& target,
                               int num_threads, uint64_t first_index, bool keep_maps) {
  if (target.num_pages != int64_t(texts.size()))
    throw ShapeError("[render_batch] the target must have one place a text, got " + std::to_string(target.num_pages) + " places for " +
                     std::to_string(texts.size()) + " texts");
  if (num_threads < 0) throw ConfigError("[render_batch] num_threads must be at least 0, got " + std::to_string(num_threads));
  if (sheet.fit.size == "tokens") throw ConfigError("[render_batch] fit.size = \"tokens\" needs each text's tokens; fit the style beforehand");
  const size_t page_bytes = size_t(target.height_px) * size_t(target.width_px) * size_t(target.channels);
  std::vector<Page> pages(texts.size());
  const bool moves = degrades(sheet.degrade);
  const auto draw = [&](size_t i) {
    uint8_t* place = target.pixels + i * page_bytes;
    size_t text_bytes = 0;
    const Style style = fitted_style(renderer, texts[i], sheet, {}, text_bytes);
    Page page;
    {
      LendPixels lend(place, page_bytes);
      page = renderer.render(texts[i], style);
    }
    if (moves) degrade(page, sheet.degrade, first_index + i);
    const Image& image = page.image;
    if (image.height_px != target.height_px || image.width_px != target.width_px || image.channels != target.channels)
      throw ShapeError("[render_batch] the target's pages are " + shape(target.height_px, target.width_px, target.channels) + ", drawn were " +
                       shape(image.height_px, image.width_px, image.channels));
    if (image.pixels.data() != place) std::memcpy(place, image.pixels.data(), page_bytes);
    page.image.pixels = Pixels();
    page.page_index = int64_t(first_index + i);
    if (!keep_maps) {
      page.chars = {}, page.lines = {}, page.grapheme_begin = {}, page.decorations = {};
      page.text = {};
      page.draw_list.reset();
    }
    pages[i] = std::move(page);
  };
  const int threads = num_threads ? num_threads : int(std::max(1u, std::thread::hardware_concurrency()));
  parallel_for(texts.size(), threads, [&](size_t i) {
    try {
      draw(i);
    } catch (const ConfigError& e) {
      rethrow_named(e, i);
    } catch (const RenderError& e) {
      rethrow_named(e, i);
    } catch (const ShapeError& e) {
      rethrow_named(e, i);
    }
  });
  return pages;
}

std::vector<int64_t> batch_shape(const StyleSheet& sheet) {
  validate(sheet.style);
  const Style style = resolved(sheet.style);
  if (style.crop != "none") throw ConfigError("[render_batch] crop must be none, got " + style.crop + ": pages of one batch have one size");
  bool colour = style.pixels == "rgb" || style.antialias == "subpixel";
  if (style.pixels == "auto")
    for (const std::string* text : {&style.text_color, &style.page_color, &style.newline_marker_color}) {
      if (text->empty()) continue;
      const uint32_t rgb = parse_color(*text, "color");
      colour = colour || (rgb >> 16 & 255) != (rgb >> 8 & 255) || (rgb >> 8 & 255) != (rgb & 255);
    }
  return {style.height_px, style.width_px, style.pixels == "gray" ? 1 : colour ? 3 : 1};
}

}  // namespace fovea::render

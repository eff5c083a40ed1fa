// Glyph cache: coverage bitmaps of one font at one size, hinting and number of sub-pixel phases.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <ft2build.h>
#include FT_FREETYPE_H

namespace fovea::render {

/// Coverage of one glyph, trimmed to its ink. Rows are padded with zeros to a multiple of 8 px, for the blit.
struct Glyph {
  int left_px = 0;  ///< from the pen's whole pixel to the first column
  int top_px = 0;   ///< from the baseline up to the first row
  int width_px = 0, height_px = 0;
  int stride_px = 0;
  const uint8_t* coverage = nullptr;  ///< [height_px, stride_px], 0 to 255
};

/// Thread-safe: a glyph that is there is found without a lock; a missing one is drawn under the font's mutex.
class GlyphSet {
 public:
  /// `face` and `face_mutex` are the font's and must outlive the set. num_bytes counts what the font's sets hold together.
  GlyphSet(FT_Face face, std::mutex& face_mutex, std::atomic<size_t>& num_bytes, int64_t size_26_6, bool light, int num_phases);
  ~GlyphSet();
  GlyphSet(const GlyphSet&) = delete;
  GlyphSet& operator=(const GlyphSet&) = delete;

  /// The glyph moved right by phase / num_phases px. Errors: RenderError naming FreeType's.
  const Glyph& get(uint32_t glyph_id, int phase) {
    if (glyph_id < num_glyphs_) {
      const Block* block = blocks_[glyph_id / kGlyphsABlock].load(std::memory_order_acquire);
      if (block) {
        const Glyph* glyph = block->slots[slot(glyph_id, phase)].load(std::memory_order_acquire);
        if (glyph) return *glyph;
      }
    }
    return draw(glyph_id, phase);
  }
  int num_phases() const { return num_phases_; }

 private:
  static constexpr uint32_t kGlyphsABlock = 64;
  struct Block {
    explicit Block(size_t n) : slots(n) {}
    std::vector<std::atomic<const Glyph*>> slots;
  };
  size_t slot(uint32_t glyph_id, int phase) const { return size_t(glyph_id % kGlyphsABlock) * num_phases_ + phase; }
  const Glyph& draw(uint32_t glyph_id, int phase);
  Glyph rasterise(uint32_t glyph_id, int phase);

  FT_Face face_;
  std::mutex& face_mutex_;
  std::atomic<size_t>& num_bytes_;
  int64_t size_26_6_;
  bool light_;
  int num_phases_;
  uint32_t num_glyphs_;
  std::vector<std::atomic<Block*>> blocks_;
  std::deque<Glyph> glyphs_;
  std::deque<std::unique_ptr<uint8_t[]>> coverage_;
};

}  // namespace fovea::render

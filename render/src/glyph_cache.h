// Glyph cache: bitmaps of one font at one size, hinting, antialiasing and number of sub-pixel phases.
#pragma once
#include <atomic>
#include <compare>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <ft2build.h>
#include FT_FREETYPE_H

namespace fovea::render {

enum class Hinting : uint8_t { kNone, kLight, kFull };
enum class Antialias : uint8_t { kGray, kMono, kSubpixel };

/// How the glyphs of a set look. Two sets with equal options are one.
struct GlyphOptions {
  int64_t size_26_6 = 0;                    ///< em in 1/64 px
  int num_phases = 1;                       ///< places a pixel along the line (down it where rotated)
  int32_t horizontal_scale_16_16 = 0x10000;
  Hinting hinting = Hinting::kLight;        ///< none; light: vertically only, by FreeType's automatic hinter; full: the font's own
  Antialias antialias = Antialias::kGray;   ///< subpixel: three coverages a pixel, for red, green and blue stripes
  bool bold = false, italic = false;        ///< synthetic: emboldened by 1/24 em, slanted by 1/5
  bool rotated = false;                     ///< turned by 90 degrees clockwise about the pen
  bool colour = false;                      ///< colour glyphs stay coloured; false: they become coverage that is their gray on white

  auto operator<=>(const GlyphOptions&) const = default;
};

/// One glyph, trimmed to its ink. Rows are padded with zeros to a multiple of 8 px, for the blit.
struct Glyph {
  enum Format : uint8_t {
    kGray,    ///< 1 byte a pixel: coverage, 0 to 255
    kStripes,  ///< 3 bytes: coverage of the red, green and blue stripe
    kColour,  ///< 4 bytes: blue, green, red (multiplied by alpha), alpha
  };
  int left_px = 0;  ///< from the pen's whole pixel to the first column
  int top_px = 0;   ///< from the baseline up to the first row
  int width_px = 0, height_px = 0;
  int stride_px = 0;
  Format format = kGray;
  const uint8_t* coverage = nullptr;  ///< [height_px, stride_px, bytes a pixel]

  int bytes_a_pixel() const { return format == kGray ? 1 : format == kStripes ? 3 : 4; }
};

/// Thread-safe: a glyph that is there is found without a lock; a missing one is drawn under the font's mutex.
class GlyphSet {
 public:
  /// `face` and `face_mutex` are the font's and must outlive the set. num_bytes counts what the font's sets hold together.
  /// strike: index into the face's fixed sizes for a font of bitmaps, -1 for outlines (and for colour bitmaps, which are scaled).
  GlyphSet(FT_Face face, std::mutex& face_mutex, std::atomic<size_t>& num_bytes, const GlyphOptions& options, int strike);
  ~GlyphSet();
  GlyphSet(const GlyphSet&) = delete;
  GlyphSet& operator=(const GlyphSet&) = delete;

  /// The glyph moved right by phase / num_phases px. Errors: RenderError naming FreeType's, or the size that a damaged or hostile
  /// font asks for.
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
  int num_phases() const { return options_.num_phases; }
  const GlyphOptions& options() const { return options_; }

 private:
  static constexpr uint32_t kGlyphsABlock = 64;
  struct Block {
    explicit Block(size_t n) : slots(n) {}
    std::vector<std::atomic<const Glyph*>> slots;
  };
  size_t slot(uint32_t glyph_id, int phase) const { return size_t(glyph_id % kGlyphsABlock) * options_.num_phases + phase; }
  const Glyph& draw(uint32_t glyph_id, int phase);

  FT_Face face_;
  std::mutex& face_mutex_;
  std::atomic<size_t>& num_bytes_;
  const GlyphOptions options_;
  const int strike_;
  uint32_t num_glyphs_;
  std::vector<std::atomic<Block*>> blocks_;
  std::deque<Glyph> glyphs_;
  std::deque<std::unique_ptr<uint8_t[]>> coverage_;
};

}  // namespace fovea::render

#include "glyph_cache.h"

#include <algorithm>
#include <string>

#include "fovea/base/error.h"
#include "glyph_raster.h"

namespace fovea::render {
namespace {
constexpr size_t kMaxFontBytes = size_t(1) << 29;  // of glyph bitmaps; some 100 large glyphs at the largest size
}

GlyphSet::GlyphSet(FT_Face face, std::mutex& face_mutex, std::atomic<size_t>& num_bytes, const GlyphOptions& options, int strike)
    : face_(face),
      face_mutex_(face_mutex),
      num_bytes_(num_bytes),
      options_(options),
      strike_(strike),
      num_glyphs_(static_cast<uint32_t>(std::max<FT_Long>(face->num_glyphs, 1))),
      blocks_(num_glyphs_ / kGlyphsABlock + 1) {}

GlyphSet::~GlyphSet() {
  for (auto& block : blocks_) delete block.load(std::memory_order_relaxed);
}

const Glyph& GlyphSet::draw(uint32_t glyph_id, int phase) {
  if (glyph_id >= num_glyphs_) glyph_id = 0;  // a damaged character map; the glyph counts as .notdef
  std::lock_guard<std::mutex> lock(face_mutex_);
  auto& block_slot = blocks_[glyph_id / kGlyphsABlock];
  Block* block = block_slot.load(std::memory_order_relaxed);
  if (!block) {
    block = new Block(size_t(kGlyphsABlock) * options_.num_phases);
    block_slot.store(block, std::memory_order_release);
    num_bytes_ += block->slots.size() * sizeof(void*);
  }
  auto& glyph_slot = block->slots[slot(glyph_id, phase)];
  if (const Glyph* other = glyph_slot.load(std::memory_order_relaxed)) return *other;
  RasterGlyph raster = rasterise(face_, strike_, options_, glyph_id, phase);
  num_bytes_ += sizeof(Glyph) + raster.num_bytes;
  if (num_bytes_ > kMaxFontBytes)
    throw RenderError("[render] glyphs of font '" + std::string(face_->family_name ? face_->family_name : "?") + "' take more than " +
                      std::to_string(kMaxFontBytes >> 20) + " MiB; use a smaller font size");
  if (raster.bytes) coverage_.push_back(std::move(raster.bytes));
  glyphs_.push_back(raster.glyph);
  glyph_slot.store(&glyphs_.back(), std::memory_order_release);
  return glyphs_.back();
}

}  // namespace fovea::render

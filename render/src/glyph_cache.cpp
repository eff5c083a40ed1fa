#include "glyph_cache.h"

#include <algorithm>
#include <cstring>
#include <string>

#include FT_OUTLINE_H

#include "fovea/base/error.h"

namespace fovea::render {

GlyphSet::GlyphSet(FT_Face face, std::mutex& face_mutex, std::atomic<size_t>& num_bytes, int64_t size_26_6, bool light,
                   int num_phases)
    : face_(face),
      face_mutex_(face_mutex),
      num_bytes_(num_bytes),
      size_26_6_(size_26_6),
      light_(light),
      num_phases_(num_phases),
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
    block = new Block(size_t(kGlyphsABlock) * num_phases_);
    block_slot.store(block, std::memory_order_release);
    num_bytes_ += block->slots.size() * sizeof(void*);
  }
  auto& glyph_slot = block->slots[slot(glyph_id, phase)];
  if (const Glyph* other = glyph_slot.load(std::memory_order_relaxed)) return *other;
  glyphs_.push_back(rasterise(glyph_id, phase));
  num_bytes_ += sizeof(Glyph) + size_t(glyphs_.back().stride_px) * size_t(glyphs_.back().height_px);
  glyph_slot.store(&glyphs_.back(), std::memory_order_release);
  return glyphs_.back();
}

// FreeType errors of one file become RenderError here and in font.cpp.
static void check(FT_Error error, const char* what, FT_Face face, uint32_t glyph_id) {
  if (error == 0) return;
  throw RenderError(std::string("[render] FreeType cannot ") + what + " glyph " + std::to_string(glyph_id) + " of font '" +
                    (face->family_name ? face->family_name : "?") + "', error " + std::to_string(error) +
                    "; the font file may be damaged");
}

Glyph GlyphSet::rasterise(uint32_t glyph_id, int phase) {
  check(FT_Set_Char_Size(face_, size_26_6_, size_26_6_, 72, 72), "set the size of", face_, glyph_id);
  const FT_Int32 flags = FT_LOAD_NO_BITMAP | (light_ ? FT_LOAD_TARGET_LIGHT : FT_LOAD_NO_HINTING);
  check(FT_Load_Glyph(face_, glyph_id, flags), "load", face_, glyph_id);
  FT_GlyphSlot slot = face_->glyph;
  Glyph glyph;
  if (slot->format == FT_GLYPH_FORMAT_OUTLINE) {
    if (slot->outline.n_points == 0) return glyph;
    FT_Outline_Translate(&slot->outline, FT_Pos(phase) * 64 / num_phases_, 0);
  }
  check(FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL), "draw", face_, glyph_id);
  const FT_Bitmap& bitmap = slot->bitmap;
  if (bitmap.width == 0 || bitmap.rows == 0) return glyph;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_GRAY) check(FT_Err_Invalid_Glyph_Format, "draw in gray", face_, glyph_id);

  const int width = int(bitmap.width), height = int(bitmap.rows);
  int x0 = width, x1 = 0, y0 = height, y1 = 0;
  for (int y = 0; y < height; ++y) {
    const uint8_t* row = bitmap.buffer + ptrdiff_t(y) * bitmap.pitch;
    for (int x = 0; x < width; ++x) {
      if (!row[x]) continue;
      x0 = std::min(x0, x), x1 = std::max(x1, x + 1);
      y0 = std::min(y0, y), y1 = std::max(y1, y + 1);
    }
  }
  if (x0 >= x1) return glyph;
  glyph.left_px = slot->bitmap_left + x0;
  glyph.top_px = slot->bitmap_top - y0;
  glyph.width_px = x1 - x0;
  glyph.height_px = y1 - y0;
  glyph.stride_px = (glyph.width_px + 7) / 8 * 8;
  coverage_.push_back(std::make_unique<uint8_t[]>(size_t(glyph.stride_px) * size_t(glyph.height_px)));
  uint8_t* out = coverage_.back().get();
  glyph.coverage = out;
  for (int y = y0; y < y1; ++y, out += glyph.stride_px)
    std::memcpy(out, bitmap.buffer + ptrdiff_t(y) * bitmap.pitch + x0, size_t(glyph.width_px));
  return glyph;
}

}  // namespace fovea::render

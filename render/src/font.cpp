#include "font.h"

#include <algorithm>

#include <hb-ot.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::render {

namespace {
constexpr size_t kMaxGlyphBytes = size_t(48) << 20;  // a font; hundreds of sizes of Latin text stay below
constexpr size_t kMaxFonts = 64;
}  // namespace

Font::Font(const FaceLocation& location) : bytes_(read_file(location.path)) {
  const auto fail = [&](const std::string& why) {
    release();
    throw RenderError("[render] font file '" + location.path + "' " + why);
  };
  if (FT_Init_FreeType(&library_) != 0) fail("cannot be opened: FreeType does not start");
  const FT_Error error = FT_New_Memory_Face(library_, reinterpret_cast<const FT_Byte*>(bytes_.data()), FT_Long(bytes_.size()),
                                            location.index, &face_);
  if (error != 0) fail("is damaged or no font, FreeType error " + std::to_string(error));
  if (!FT_IS_SCALABLE(face_) || face_->units_per_EM == 0) fail("must have outlines, got bitmaps only");

  hb_blob_t* blob = hb_blob_create(bytes_.data(), unsigned(bytes_.size()), HB_MEMORY_MODE_READONLY, nullptr, nullptr);
  hb_face_t* hb_face = hb_face_create(blob, unsigned(location.index));
  hb_blob_destroy(blob);
  units_per_em_ = face_->units_per_EM;
  hb_face_set_upem(hb_face, unsigned(units_per_em_));
  hb_font_ = hb_font_create(hb_face);
  hb_face_destroy(hb_face);
  hb_ot_font_set_funcs(hb_font_);
  hb_font_set_scale(hb_font_, int(units_per_em_), int(units_per_em_));
  hb_font_make_immutable(hb_font_);

  family_ = !location.family.empty() ? location.family : face_->family_name ? face_->family_name : location.path;
  ascent_units_ = std::max<int64_t>(face_->ascender, 0);
  descent_units_ = std::max<int64_t>(-face_->descender, 0);
  if (ascent_units_ + descent_units_ == 0) {
    ascent_units_ = std::max<int64_t>(face_->bbox.yMax, 1);
    descent_units_ = std::max<int64_t>(-face_->bbox.yMin, 0);
  }
  hb_codepoint_t space = 0;
  space_units_ = units_per_em_ / 4;
  if (hb_font_get_nominal_glyph(hb_font_, U' ', &space))
    space_units_ = std::max<int64_t>(hb_font_get_glyph_h_advance(hb_font_, space), 0);
}

Font::~Font() { release(); }

void Font::release() {
  sets_.clear();
  if (hb_font_) hb_font_destroy(hb_font_);
  if (face_) FT_Done_Face(face_);
  if (library_) FT_Done_FreeType(library_);
  hb_font_ = nullptr, face_ = nullptr, library_ = nullptr;
}

std::shared_ptr<GlyphSet> Font::glyphs(int64_t size_26_6, bool light, int num_phases) {
  std::lock_guard<std::mutex> lock(sets_mutex_);
  if (num_glyph_bytes_ > kMaxGlyphBytes) {
    sets_.clear();
    num_glyph_bytes_ = 0;
  }
  auto& set = sets_[{size_26_6, light, num_phases}];
  if (!set) set = std::make_shared<GlyphSet>(face_, face_mutex_, num_glyph_bytes_, size_26_6, light, num_phases);
  return set;
}

std::shared_ptr<Font> FontCache::get(const std::string& name) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = fonts_.find(name);
  if (it != fonts_.end()) return it->second;
  auto font = std::make_shared<Font>(locate_face(name));
  if (fonts_.size() >= kMaxFonts) fonts_.clear();
  fonts_[name] = font;
  return font;
}

}  // namespace fovea::render

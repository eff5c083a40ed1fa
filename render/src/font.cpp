#include "font.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include FT_ADVANCES_H
#include FT_COLOR_H
#include FT_FONT_FORMATS_H
#include FT_MODULE_H
#include FT_OUTLINE_H
#include FT_TRUETYPE_TABLES_H
#include <hb-ot.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::render {

namespace {
constexpr size_t kMaxGlyphBytes = size_t(48) << 20;  // a font; hundreds of sizes of Latin text stay below
constexpr size_t kMaxFonts = 128;
constexpr FT_Long kMaxGlyphs = 0x110000;
constexpr FT_Pos kMaxStrike26_6 = 1024 * 64;

bool is_compressed(const std::string& bytes) { return bytes.starts_with("wOFF") || bytes.starts_with("wOF2"); }

// The tables of a compressed font as a plain file, which HarfBuzz can read; empty if that cannot be.
std::string unpacked(FT_Face face) {
  constexpr size_t kMaxBytes = size_t(256) << 20;
  FT_ULong num_tables = 0, tag = 0, size = 0;
  if (FT_Sfnt_Table_Info(face, 0, nullptr, &num_tables) != 0 || num_tables == 0 || num_tables > 4096) return "";
  std::string directory, body;
  const auto put = [&](FT_ULong v, int num_bytes) {
    while (num_bytes-- > 0) directory += char(v >> 8 * num_bytes & 0xFF);
  };
  directory = FT_Get_Font_Format(face) == std::string_view("CFF") ? std::string("OTTO") : std::string("\0\1\0\0", 4);
  put(num_tables, 2);
  put(0, 6);  // search fields, which nobody needs
  for (FT_ULong i = 0; i < num_tables; ++i) {
    if (FT_Sfnt_Table_Info(face, FT_UInt(i), &tag, &size) != 0 || body.size() + size > kMaxBytes) return "";
    const size_t begin = body.size();
    body.resize(begin + (size + 3) / 4 * 4);
    if (size > 0 && FT_Load_Sfnt_Table(face, tag, 0, reinterpret_cast<FT_Byte*>(body.data() + begin), &size) != 0) return "";
    put(tag, 4), put(0, 4), put(12 + 16 * num_tables + begin, 4), put(size, 4);
  }
  return directory + body;
}

int nearest_strike(FT_Face face, int64_t wanted_26_6) {
  int best = 0;
  for (int i = 1; wanted_26_6 > 0 && i < face->num_fixed_sizes; ++i) {
    const auto gap = [&](int strike) { return std::llabs(face->available_sizes[strike].y_ppem - wanted_26_6); };
    if (gap(i) < gap(best)) best = i;
  }
  return best;
}
}  // namespace

Font::Font(const FaceLocation& location, int64_t wanted_26_6) : location_(location), bytes_(read_font_file(location)) {
  open(wanted_26_6);
}

Font::Font(std::string bytes, const std::string& name, int face_index, int64_t wanted_26_6) : bytes_(std::move(bytes)) {
  location_.path = name;
  location_.index = face_index;
  open(wanted_26_6);
}

void Font::fail(const std::string& why) {
  release();
  throw RenderError("[render] font file '" + location_.path + "' " + why);
}

void Font::open(int64_t wanted_26_6) {
  // Not FT_Init_FreeType: its properties come from the environment, and glyphs would not be the same everywhere.
  if (FT_New_Library(memory_.get(), &library_) != 0) fail("cannot be opened: FreeType does not start");
  FT_Add_Default_Modules(library_);
  const FT_Error error = FT_New_Memory_Face(library_, reinterpret_cast<const FT_Byte*>(bytes_.data()), FT_Long(bytes_.size()),
                                            location_.index, &face_);
  if (error == FT_Err_Out_Of_Memory) fail("wants more memory than a font may take; it may be damaged");
  if (error != 0) fail("is damaged or no font, FreeType error " + std::to_string(error));
  if (is_compressed(bytes_)) {
    std::string plain = FT_IS_SFNT(face_) ? unpacked(face_) : "";
    FT_Done_Face(face_);
    face_ = nullptr;
    bytes_ = std::move(plain);
    location_.index = 0;
    if (FT_New_Memory_Face(library_, reinterpret_cast<const FT_Byte*>(bytes_.data()), FT_Long(bytes_.size()), 0, &face_) != 0)
      fail("is damaged: it cannot be unpacked");
  }
  if (face_->num_glyphs > kMaxGlyphs) fail("claims " + std::to_string(face_->num_glyphs) + " glyphs, more than Unicode has characters");
  const bool scalable = FT_IS_SCALABLE(face_);
  if (scalable && face_->units_per_EM == 0) fail("is damaged: its em has no units");
  if (!scalable && face_->num_fixed_sizes <= 0) fail("must have outlines or bitmaps, got neither");

  if (scalable) {
    units_per_em_ = face_->units_per_EM;
    ascent_units_ = std::max<int64_t>(face_->ascender, 0);
    descent_units_ = std::max<int64_t>(-face_->descender, 0);
  } else if (const auto* head = static_cast<const TT_Header*>(FT_Get_Sfnt_Table(face_, FT_SFNT_HEAD));
             FT_HAS_COLOR(face_) && head && head->Units_Per_EM > 0) {
    units_per_em_ = head->Units_Per_EM;  // colour bitmaps are scaled: font units are those of the tables
    if (const auto* hhea = static_cast<const TT_HoriHeader*>(FT_Get_Sfnt_Table(face_, FT_SFNT_HHEA))) {
      ascent_units_ = std::max<int64_t>(hhea->Ascender, 0);
      descent_units_ = std::max<int64_t>(-int64_t(hhea->Descender), 0);
    }
  } else {
    strike_ = nearest_strike(face_, wanted_26_6);
    const FT_Bitmap_Size& size = face_->available_sizes[strike_];
    if (size.y_ppem < 64 || size.y_ppem > kMaxStrike26_6)
      fail("is damaged: a bitmap font must have 1 to 1024 px, got " + std::to_string(double(size.y_ppem) / 64));
    if (FT_Select_Size(face_, strike_) != 0) fail("is damaged: its size cannot be set");
    units_per_em_ = size.y_ppem;
    const auto in_em = [&](FT_Pos v) { return std::clamp<int64_t>(v, 0, 8 * units_per_em_); };
    ascent_units_ = in_em(face_->size->metrics.ascender);
    descent_units_ = in_em(-face_->size->metrics.descender);
  }
  if (ascent_units_ + descent_units_ == 0) {
    ascent_units_ = std::max<int64_t>(scalable ? face_->bbox.yMax : units_per_em_, 1);
    descent_units_ = std::max<int64_t>(scalable ? -face_->bbox.yMin : 0, 0);
  }
  FT_Palette_Set_Foreground_Color(face_, FT_Color{0, 0, 0, 255});  // layers of colour glyphs that take the colour of the text
  if (!FT_IS_SFNT(face_) || strike_ >= 0) read_own_tables();
  make_shaping_font();

  if (location_.family.empty()) location_.family = face_->family_name ? face_->family_name : location_.path;
  hb_codepoint_t space = 0;
  space_units_ = units_per_em_ / 4;
  if (hb_font_get_nominal_glyph(hb_font_, U' ', &space))
    space_units_ = std::max<int64_t>(hb_font_get_glyph_h_advance(hb_font_, space), 0);
}

void Font::read_own_tables() {
  if (FT_Select_Charmap(face_, FT_ENCODING_UNICODE) != 0) fail("has no Unicode character map; take the ISO10646-1 file of the font");
  FT_UInt glyph = 0;
  for (FT_ULong c = FT_Get_First_Char(face_, &glyph); glyph != 0 && c < 0x110000; c = FT_Get_Next_Char(face_, c, &glyph)) {
    if (!own_.glyph_of_char.empty() && c <= own_.glyph_of_char.back().first) break;  // a damaged map must not lead in circles
    if (glyph < FT_UInt(face_->num_glyphs)) own_.glyph_of_char.emplace_back(uint32_t(c), glyph);
  }
  if (own_.glyph_of_char.empty()) fail("maps no character to a glyph");
  own_.advance_units.assign(size_t(face_->num_glyphs), 0);
  const auto read_advance = [&](FT_UInt id) {
    if (strike_ >= 0) {
      if (FT_Load_Glyph(face_, id, FT_LOAD_BITMAP_METRICS_ONLY) != 0) return;
      own_.advance_units[id] = int32_t(std::clamp<FT_Pos>(face_->glyph->metrics.horiAdvance, 0, 64 * units_per_em_));
    } else {
      FT_Fixed advance = 0;
      if (FT_Get_Advance(face_, id, FT_LOAD_NO_SCALE, &advance) == 0)
        own_.advance_units[id] = int32_t(std::clamp<FT_Fixed>(advance, 0, 64 * units_per_em_));
    }
  };
  read_advance(0);
  for (const auto& [c, id] : own_.glyph_of_char) read_advance(id);
}

hb_font_funcs_t* Font::own_functions() {
  static hb_font_funcs_t* const kFunctions = [] {
    hb_font_funcs_t* functions = hb_font_funcs_create();
    hb_font_funcs_set_nominal_glyph_func(
        functions,
        [](hb_font_t*, void* data, hb_codepoint_t c, hb_codepoint_t* glyph, void*) -> hb_bool_t {
          const auto& map = static_cast<const OwnTables*>(data)->glyph_of_char;
          const auto it = std::lower_bound(map.begin(), map.end(), std::pair<uint32_t, uint32_t>(c, 0));
          if (it == map.end() || it->first != c) return false;
          *glyph = it->second;
          return true;
        },
        nullptr, nullptr);
    hb_font_funcs_set_glyph_h_advance_func(
        functions,
        [](hb_font_t*, void* data, hb_codepoint_t glyph, void*) -> hb_position_t {
          const auto& advances = static_cast<const OwnTables*>(data)->advance_units;
          return glyph < advances.size() ? advances[glyph] : 0;
        },
        nullptr, nullptr);
    hb_font_funcs_make_immutable(functions);
    return functions;
  }();
  return kFunctions;
}

void Font::make_shaping_font() {
  hb_blob_t* blob = FT_IS_SFNT(face_) ? hb_blob_create(bytes_.data(), unsigned(bytes_.size()), HB_MEMORY_MODE_READONLY, nullptr, nullptr)
                                      : hb_blob_get_empty();
  hb_face_t* hb_face = hb_face_create(blob, unsigned(location_.index));
  hb_blob_destroy(blob);
  if (!FT_IS_SFNT(face_)) hb_face_set_glyph_count(hb_face, unsigned(face_->num_glyphs));
  hb_face_set_upem(hb_face, unsigned(units_per_em_));
  hb_font_ = hb_font_create(hb_face);
  hb_face_destroy(hb_face);
  if (own_.glyph_of_char.empty())
    hb_ot_font_set_funcs(hb_font_);
  else
    hb_font_set_funcs(hb_font_, own_functions(), &own_, nullptr);
  hb_font_set_scale(hb_font_, int(units_per_em_), int(units_per_em_));
  hb_font_make_immutable(hb_font_);
}

Font::~Font() { release(); }

void Font::release() {
  sets_.clear();
  if (hb_font_) hb_font_destroy(hb_font_);
  if (face_) FT_Done_Face(face_);
  if (library_) FT_Done_Library(library_);
  hb_font_ = nullptr, face_ = nullptr, library_ = nullptr;
}

int64_t Font::nearest_fixed_size_26_6(int64_t wanted_26_6) const {
  return strike_ < 0 ? 0 : face_->available_sizes[nearest_strike(face_, wanted_26_6)].y_ppem;
}

std::shared_ptr<GlyphSet> Font::glyphs(const GlyphOptions& wanted) {
  GlyphOptions options = wanted;
  if (strike_ >= 0) {
    options.size_26_6 = units_per_em_;
    options.hinting = Hinting::kNone;
    if (options.horizontal_scale_16_16 != 0x10000)
      throw RenderError("[render] horizontal_scale must be 1 for the bitmap font '" + family() + "', got " +
                        std::to_string(options.horizontal_scale_16_16 / 65536.0));
  }
  if (!has_colour()) options.colour = false;
  std::lock_guard<std::mutex> lock(sets_mutex_);
  if (num_glyph_bytes_ > kMaxGlyphBytes) {
    sets_.clear();
    num_glyph_bytes_ = 0;
  }
  auto& set = sets_[options];
  if (!set) set = std::make_shared<GlyphSet>(face_, face_mutex_, num_glyph_bytes_, options, strike_);
  return set;
}

void Font::outline(uint32_t glyph_id, bool bold, OutlineSink& sink) {
  if (!FT_IS_SCALABLE(face_)) return;
  std::lock_guard<std::mutex> lock(face_mutex_);
  FT_Set_Transform(face_, nullptr, nullptr);
  if (const FT_Error error = FT_Load_Glyph(face_, glyph_id, FT_LOAD_NO_SCALE | FT_LOAD_NO_BITMAP); error != 0)
    throw RenderError("[vector] FreeType cannot load glyph " + std::to_string(glyph_id) + " of font '" + family() + "', error " +
                      std::to_string(error) + "; the font file may be damaged");
  if (face_->glyph->format != FT_GLYPH_FORMAT_OUTLINE) return;
  if (bold) FT_Outline_Embolden(&face_->glyph->outline, FT_Pos(units_per_em_ / 24));
  struct Pen {
    OutlineSink& sink;
    FT_Vector at;
  } pen{sink, {0, 0}};
  FT_Outline_Funcs functions{};
  functions.move_to = [](const FT_Vector* to, void* user) {
    auto& own = *static_cast<Pen*>(user);
    own.at = *to;
    own.sink.move_to(double(to->x), double(to->y));
    return 0;
  };
  functions.line_to = [](const FT_Vector* to, void* user) {
    auto& own = *static_cast<Pen*>(user);
    own.at = *to;
    own.sink.line_to(double(to->x), double(to->y));
    return 0;
  };
  functions.conic_to = [](const FT_Vector* c, const FT_Vector* to, void* user) {  // a quadratic curve is a cubic one as well
    auto& own = *static_cast<Pen*>(user);
    const auto between = [](FT_Pos a, FT_Pos b) { return double(a) + (double(b) - double(a)) * 2 / 3; };
    own.sink.curve_to(between(own.at.x, c->x), between(own.at.y, c->y), between(to->x, c->x), between(to->y, c->y), double(to->x), double(to->y));
    own.at = *to;
    return 0;
  };
  functions.cubic_to = [](const FT_Vector* a, const FT_Vector* b, const FT_Vector* to, void* user) {
    auto& own = *static_cast<Pen*>(user);
    own.sink.curve_to(double(a->x), double(a->y), double(b->x), double(b->y), double(to->x), double(to->y));
    own.at = *to;
    return 0;
  };
  FT_Outline_Decompose(&face_->glyph->outline, &functions, &pen);
}

std::shared_ptr<Font> FontCache::get(const std::string& name, double size_px) { return find_or_open(name, size_px, nullptr); }

std::shared_ptr<Font> FontCache::get(const FaceLocation& location, double size_px) {
  return find_or_open(location.path + "\n" + std::to_string(location.index), size_px, &location);
}

std::shared_ptr<Font> FontCache::find_or_open(const std::string& key, double size_px, const FaceLocation* location) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto open = [&](int64_t fixed_26_6, const FaceLocation& at) {
    auto font = std::make_shared<Font>(at, fixed_26_6);
    if (fonts_.size() >= kMaxFonts) fonts_.clear();
    fonts_[{key, fixed_26_6}] = font;
    return font;
  };
  const auto first = fonts_.find({key, 0});
  const auto font = first != fonts_.end() ? first->second : open(0, location ? *location : locate_face(key));
  if (!font->is_fixed_size() || !(size_px > 0)) return font;
  const int64_t fixed_26_6 = font->nearest_fixed_size_26_6(std::llround(std::min(size_px, 4096.0) * 64));
  if (fixed_26_6 == font->units_per_em()) return font;
  const auto sized = fonts_.find({key, fixed_26_6});
  return sized != fonts_.end() ? sized->second : open(fixed_26_6, font->location());
}

}  // namespace fovea::render

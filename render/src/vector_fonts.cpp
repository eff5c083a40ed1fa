#include "vector_fonts.h"

#include <algorithm>
#include <cstring>

#include <cairo-ft.h>
#include <hb-subset.h>
#include FT_COLOR_H
#include FT_MODULE_H

#include "fovea/base/error.h"
#include "luma.h"

namespace fovea::render {
namespace {

using Blob = std::unique_ptr<hb_blob_t, decltype(&hb_blob_destroy)>;

// The font with its tables read and written anew by HarfBuzz: all glyphs under their numbers, no layout tables. Cairo trusts the files that
// it embeds, to the point of never coming back from a damaged one; what HarfBuzz writes is sound. Null for what it cannot write.
Blob rewritten(const Font& font) {
  Blob none(nullptr, hb_blob_destroy);
  hb_face_t* face = hb_font_get_face(font.shaping_font());
  const auto has = [&](hb_tag_t tag) { return hb_blob_get_length(Blob(hb_face_reference_table(face, tag), hb_blob_destroy).get()) > 0; };
  if (!has(HB_TAG('g', 'l', 'y', 'f')) && !has(HB_TAG('C', 'F', 'F', ' '))) return none;
  hb_subset_input_t* input = hb_subset_input_create_or_fail();
  if (!input) return none;
  hb_subset_input_set_flags(input, HB_SUBSET_FLAGS_RETAIN_GIDS | HB_SUBSET_FLAGS_DESUBROUTINIZE | HB_SUBSET_FLAGS_NOTDEF_OUTLINE |
                                       HB_SUBSET_FLAGS_NO_HINTING);
  hb_set_add_range(hb_subset_input_glyph_set(input), 0, std::max(hb_face_get_glyph_count(face), 1u) - 1);
  hb_set_add_range(hb_subset_input_unicode_set(input), 0, 0x10FFFF);
  hb_set_t* dropped = hb_subset_input_set(input, HB_SUBSET_SETS_DROP_TABLE_TAG);
  for (const char* tag : {"GSUB", "GPOS", "GDEF", "BASE", "JSTF", "MATH", "COLR", "CPAL", "CBDT", "CBLC", "sbix", "SVG ", "EBDT", "EBLC", "kern"})
    hb_set_add(dropped, hb_tag_from_string(tag, 4));
  hb_face_t* subset = hb_subset_or_fail(face, input);
  hb_subset_input_destroy(input);
  if (!subset) return none;
  Blob bytes(hb_face_reference_blob(subset), hb_blob_destroy);
  hb_face_destroy(subset);
  return hb_blob_get_length(bytes.get()) > 0 ? std::move(bytes) : std::move(none);
}

// A face for Cairo alone. Cairo frees it when it has forgotten the font, which may be after the document.
struct OwnFace {
  Blob bytes;
  FontMemory memory;
  FT_Library library = nullptr;
  FT_Face face = nullptr;  // null: it could not be opened

  explicit OwnFace(Blob from) : bytes(std::move(from)) {
    if (FT_New_Library(memory.get(), &library) != 0) throw RenderError("[vector] FreeType does not start");
    FT_Add_Default_Modules(library);
    unsigned size = 0;
    const char* data = hb_blob_get_data(bytes.get(), &size);
    if (FT_New_Memory_Face(library, reinterpret_cast<const FT_Byte*>(data), FT_Long(size), 0, &face) != 0) face = nullptr;
  }
  ~OwnFace() {
    if (face) FT_Done_Face(face);
    FT_Done_Library(library);
  }
  OwnFace(const OwnFace&) = delete;
  OwnFace& operator=(const OwnFace&) = delete;
};

const cairo_user_data_key_t kOwner{};

// Null if the font cannot be embedded as a font.
cairo_font_face_t* embedded_face(const FontUse& use) {
  Blob bytes = rewritten(*use.font);
  if (!bytes) return nullptr;
  auto owner = std::make_unique<OwnFace>(std::move(bytes));
  if (!owner->face || !FT_IS_SCALABLE(owner->face)) return nullptr;
  cairo_font_face_t* face = cairo_ft_font_face_create_for_ft_face(owner->face, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP);
  if (use.synthetic_bold) cairo_ft_font_face_set_synthesize(face, CAIRO_FT_SYNTHESIZE_BOLD);
  check_cairo(cairo_font_face_set_user_data(face, &kOwner, owner.get(), [](void* own) { delete static_cast<OwnFace*>(own); }), "vector");
  owner.release();
  return face;
}

// What the callbacks of fonts that we draw ourselves need.
struct DrawnFont {
  std::shared_ptr<Font> font;
  bool bold;
};

const DrawnFont& drawn_font(cairo_scaled_font_t* scaled) {
  return *static_cast<const DrawnFont*>(cairo_font_face_get_user_data(cairo_scaled_font_get_font_face(scaled), &kOwner));
}

double advance_em(Font& font, unsigned long glyph_id) {
  return double(hb_font_get_glyph_h_advance(font.shaping_font(), hb_codepoint_t(glyph_id))) / double(font.units_per_em());
}

// The em is 1, y points down. Exceptions must not pass through Cairo.
cairo_status_t draw_outline(cairo_scaled_font_t* scaled, unsigned long glyph_id, cairo_t* cr, cairo_text_extents_t* extents) {
  struct Sink : OutlineSink {
    cairo_t* cr;
    double scale;
    void move_to(double x, double y) override { cairo_close_path(cr), cairo_move_to(cr, x * scale, -y * scale); }
    void line_to(double x, double y) override { cairo_line_to(cr, x * scale, -y * scale); }
    void curve_to(double x1, double y1, double x2, double y2, double x3, double y3) override {
      cairo_curve_to(cr, x1 * scale, -y1 * scale, x2 * scale, -y2 * scale, x3 * scale, -y3 * scale);
    }
  };
  try {
    const DrawnFont& drawn = drawn_font(scaled);
    Sink sink;
    sink.cr = cr;
    sink.scale = 1 / double(drawn.font->units_per_em());
    extents->x_advance = advance_em(*drawn.font, glyph_id);
    drawn.font->outline(uint32_t(glyph_id), drawn.bold, sink);
    cairo_close_path(cr);
    cairo_fill(cr);
    return CAIRO_STATUS_SUCCESS;
  } catch (const std::exception&) {
    return CAIRO_STATUS_USER_FONT_ERROR;
  }
}

// A bitmap font's pixels.
cairo_status_t draw_squares(cairo_scaled_font_t* scaled, unsigned long glyph_id, cairo_t* cr, cairo_text_extents_t* extents) {
  try {
    const DrawnFont& drawn = drawn_font(scaled);
    GlyphOptions options;
    options.bold = drawn.bold;
    const auto set = drawn.font->glyphs(options);
    const Glyph& glyph = set->get(uint32_t(glyph_id), 0);
    const double px = 64.0 / double(drawn.font->units_per_em());
    extents->x_advance = advance_em(*drawn.font, glyph_id);
    for (int y = 0; y < glyph.height_px; ++y) {
      const uint8_t* row = glyph.coverage + ptrdiff_t(y) * glyph.stride_px;
      for (int x = 0; x < glyph.width_px;) {
        const int begin = x;
        while (x < glyph.width_px && row[x]) ++x;
        if (x > begin) cairo_rectangle(cr, (glyph.left_px + begin) * px, (y - glyph.top_px) * px, (x - begin) * px, px);
        ++x;
      }
    }
    cairo_fill(cr);
    return CAIRO_STATUS_SUCCESS;
  } catch (const std::exception&) {
    return CAIRO_STATUS_USER_FONT_ERROR;
  }
}

cairo_font_face_t* drawn_face(const FontUse& use) {
  cairo_font_face_t* face = cairo_user_font_face_create();
  cairo_user_font_face_set_render_glyph_func(face, use.font->is_fixed_size() ? draw_squares : draw_outline);
  auto owner = std::make_unique<DrawnFont>(DrawnFont{use.font, use.synthetic_bold});
  check_cairo(cairo_font_face_set_user_data(face, &kOwner, owner.get(), [](void* own) { delete static_cast<DrawnFont*>(own); }), "vector");
  owner.release();
  return face;
}

}  // namespace

void check_cairo(cairo_status_t status, const char* where) {
  if (status != CAIRO_STATUS_SUCCESS) throw RenderError(std::string("[") + where + "] Cairo: " + cairo_status_to_string(status));
}

VectorFonts::~VectorFonts() {
  for (auto& [key, face] : faces_) cairo_font_face_destroy(face);
  for (auto& [key, picture] : pictures_)
    if (picture.surface) cairo_surface_destroy(picture.surface);
  if (text_) cairo_font_face_destroy(text_);
}

cairo_font_face_t* VectorFonts::face(const FontUse& use) {
  cairo_font_face_t*& face = faces_[{use.font.get(), use.synthetic_bold}];
  if (!face && !use.font->is_fixed_size()) face = embedded_face(use);
  if (!face) face = drawn_face(use);
  check_cairo(cairo_font_face_status(face), "vector");
  return face;
}

cairo_font_face_t* VectorFonts::text_face() {
  if (!text_) {
    text_ = cairo_user_font_face_create();
    cairo_user_font_face_set_render_glyph_func(
        text_, [](cairo_scaled_font_t*, unsigned long glyph_id, cairo_t* cr, cairo_text_extents_t* extents) {
          extents->x_advance = 1;
          if (glyph_id == kSpeck) {
            cairo_rectangle(cr, 0.6, -0.4, 0.01, 0.01);
            cairo_fill(cr);
          }
          return CAIRO_STATUS_SUCCESS;
        });
  }
  check_cairo(cairo_font_face_status(text_), "vector");
  return text_;
}

const VectorFonts::Picture& VectorFonts::picture(const FontUse& use, uint32_t glyph_id, bool gray) {
  const auto [it, added] = pictures_.try_emplace({use.font.get(), glyph_id, gray});
  Picture& picture = it->second;
  if (!added || !use.font->has_colour()) return picture;
  constexpr int64_t kSize26_6 = 128 * 64;  // emoji strikes are some 110 to 160 px
  GlyphOptions options;
  options.size_26_6 = kSize26_6;
  options.hinting = Hinting::kNone;
  options.colour = true;
  const auto set = use.font->glyphs(options);
  const Glyph& glyph = set->get(glyph_id, 0);
  if (glyph.format != Glyph::kColour) return picture;
  picture.px_em = 64.0 / kSize26_6;
  picture.left_em = glyph.left_px * picture.px_em;
  picture.top_em = glyph.top_px * picture.px_em;
  picture.surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, glyph.width_px, glyph.height_px);
  check_cairo(cairo_surface_status(picture.surface), "vector");
  cairo_surface_flush(picture.surface);
  for (int y = 0; y < glyph.height_px; ++y) {
    const uint8_t* in = glyph.coverage + ptrdiff_t(y) * glyph.stride_px * 4;
    auto* out = reinterpret_cast<uint32_t*>(cairo_image_surface_get_data(picture.surface) +
                                            ptrdiff_t(y) * cairo_image_surface_get_stride(picture.surface));
    for (int x = 0; x < glyph.width_px; ++x, in += 4) {
      uint32_t blue = in[0], green = in[1], red = in[2];
      if (gray) blue = green = red = std::min<uint32_t>(luma(red, green, blue), in[3]);
      out[x] = uint32_t(in[3]) << 24 | red << 16 | green << 8 | blue;
    }
  }
  cairo_surface_mark_dirty(picture.surface);
  return picture;
}

}  // namespace fovea::render

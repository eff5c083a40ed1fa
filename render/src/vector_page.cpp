#include "vector_page.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "luma.h"

namespace fovea::render {
namespace {

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

std::string_view code_point_at(const std::string& text, size_t begin) {
  if (begin >= text.size())
    throw ShapeError("[vector] a character's byte_offset must be less than " + std::to_string(text.size()) + ", got " + std::to_string(begin));
  size_t end = begin;
  next_code_point(text, end);
  return std::string_view(text).substr(begin, end - begin);
}

// One stretch of text with the glyphs that draw it; none for spaces that need a glyph made up.
struct Cluster {
  uint32_t char_begin = 0, num_chars = 0;
  size_t glyph_begin = 0, glyph_end = 0;  // of the list
};

// Glyphs grouped by the characters they draw, and between them the characters without any, in source order.
std::vector<Cluster> clusters_of(const Page& page) {
  const auto& glyphs = page.draw_list->glyphs;
  std::vector<Cluster> drawn;
  std::vector<bool> has_glyph(page.chars.size(), false);
  for (size_t i = 0; i < glyphs.size(); ++i) {
    const PlacedGlyph& glyph = glyphs[i];
    if (size_t(glyph.char_begin) + glyph.num_chars > page.chars.size() || glyph.font_use >= page.draw_list->fonts.size())
      throw ShapeError("[vector] glyph " + std::to_string(i) + " of the draw list must belong to the page's " +
                       std::to_string(page.chars.size()) + " characters and " + std::to_string(page.draw_list->fonts.size()) +
                       " fonts, got characters from " + std::to_string(glyph.char_begin) + " and font " + std::to_string(glyph.font_use));
    const bool joins = !drawn.empty() && glyph.num_chars > 0 && drawn.back().char_begin == glyph.char_begin &&
                       drawn.back().num_chars == glyph.num_chars && glyphs[i - 1].font_use == glyph.font_use &&
                       glyphs[i - 1].rotated == glyph.rotated && glyphs[i - 1].rgb == glyph.rgb;
    if (joins)
      drawn.back().glyph_end = i + 1;
    else
      drawn.push_back({glyph.char_begin, glyph.num_chars, i, i + 1});
    std::fill_n(has_glyph.begin() + glyph.char_begin, glyph.num_chars, true);
  }
  // A character that two clusters draw (a base from one font, its mark from another) belongs to the first's text.
  std::vector<bool> told(page.chars.size(), false);
  for (Cluster& cluster : drawn) {
    if (cluster.num_chars && told[cluster.char_begin]) cluster.num_chars = 0;
    std::fill_n(told.begin() + cluster.char_begin, cluster.num_chars, true);
  }
  std::vector<Cluster> out;
  size_t next_char = 0;
  const auto add_silent = [&](size_t until) {
    for (; next_char < until; ++next_char)
      if (!has_glyph[next_char]) out.push_back({uint32_t(next_char), 1, 0, 0});
  };
  for (const Cluster& cluster : drawn) {
    if (cluster.num_chars) add_silent(cluster.char_begin);
    out.push_back(cluster);
    if (cluster.num_chars) next_char = std::max(next_char, size_t(cluster.char_begin) + cluster.num_chars);
  }
  add_silent(page.chars.size());
  return out;
}

class PagePainter {
 public:
  PagePainter(cairo_t* cr, const Page& page, VectorFonts& fonts, bool with_text)
      : cr_(cr), page_(page), list_(*page.draw_list), fonts_(fonts), with_text_(with_text), gray_(page.image.channels == 1) {}

  void paint() {
    set_colour(list_.page_rgb);
    cairo_rectangle(cr_, 0, 0, list_.width_px, list_.height_px);
    cairo_fill(cr_);
    for (const PlacedRect& rect : list_.rects) {
      // As the raster does: whole pixels, at least one.
      const double x0 = std::floor(rect.x0_px + 0.5), y0 = std::floor(rect.y0_px + 0.5);
      set_colour(rect.rgb);
      cairo_rectangle(cr_, x0, y0, std::max(std::floor(rect.x1_px + 0.5) - x0, 1.0), std::max(std::floor(rect.y1_px + 0.5) - y0, 1.0));
      cairo_fill(cr_);
    }
    for (const Cluster& cluster : clusters_of(page_)) {
      if (cluster.glyph_begin == cluster.glyph_end)
        add_space(cluster);
      else
        add(cluster);
    }
    flush();
    check_cairo(cairo_status(cr_), "vector");
  }

 private:
  // What glyphs that are shown together have in common.
  struct Look {
    uint32_t font_use = 0, rgb = 0;
    bool rotated = false, hidden = false;
    bool operator==(const Look&) const = default;
  };

  void set_colour(uint32_t rgb) {
    if (gray_) rgb = luma_of_rgb(rgb) * 0x010101;
    cairo_set_source_rgb(cr_, (rgb >> 16 & 0xFF) / 255.0, (rgb >> 8 & 0xFF) / 255.0, (rgb & 0xFF) / 255.0);
  }

  std::string text_of(const Cluster& cluster) const {
    std::string out;
    for (uint32_t i = cluster.char_begin; i < cluster.char_begin + cluster.num_chars; ++i) {
      const std::string_view c = code_point_at(page_.text, page_.chars[i].byte_offset);
      size_t pos = 0;
      if (!is_control(next_code_point(c, pos))) out += c;  // control characters have a glyph, but are no text
    }
    return out;
  }

  void add(const Cluster& cluster) {
    const PlacedGlyph& first = list_.glyphs[cluster.glyph_begin];
    const FontUse& use = list_.fonts[first.font_use];
    bool pictured = false;
    for (size_t i = cluster.glyph_begin; i < cluster.glyph_end; ++i)
      pictured |= fonts_.picture(use, list_.glyphs[i].glyph_id, gray_).surface != nullptr;
    if (pictured) {
      add_pictures(cluster);
      return;
    }
    begin({first.font_use, first.rgb, first.rotated, false});
    const double bold_px = use.synthetic_bold && !use.font->is_fixed_size() ? use.size_px / 48 : 0;  // Cairo's outlines grow up and right
    for (size_t i = cluster.glyph_begin; i < cluster.glyph_end; ++i) {
      const PlacedGlyph& glyph = list_.glyphs[i];
      const double dx = -bold_px, dy = bold_px;
      glyphs_.push_back({glyph.glyph_id, glyph.x_px + (glyph.rotated ? -dy : dx), glyph.y_px + (glyph.rotated ? dx : dy)});
    }
    add_text(cluster, cluster.glyph_end - cluster.glyph_begin);
  }

  // The text first, the pictures over it.
  void add_pictures(const Cluster& cluster) {
    const PlacedGlyph& first = list_.glyphs[cluster.glyph_begin];
    flush();
    if (with_text_ && cluster.num_chars) {
      begin({first.font_use, first.rgb, first.rotated, true});
      glyphs_.push_back({VectorFonts::kSpeck, first.x_px, first.y_px});
      add_text(cluster, 1);
      flush();
    }
    const FontUse& use = list_.fonts[first.font_use];
    for (size_t i = cluster.glyph_begin; i < cluster.glyph_end; ++i) {
      const PlacedGlyph& glyph = list_.glyphs[i];
      if (fonts_.picture(use, glyph.glyph_id, gray_).surface) {
        flush();
        show_picture(use, glyph);
      } else {  // a plain mark on a coloured base
        begin({first.font_use, first.rgb, first.rotated, false});
        glyphs_.push_back({glyph.glyph_id, glyph.x_px, glyph.y_px});
        clusters_.push_back({0, 1});
      }
    }
  }

  // A space that layout only left room for: an inkless glyph of its own keeps it in the text.
  void add_space(const Cluster& cluster) {
    const CharBox& box = page_.chars[cluster.char_begin];
    if (!with_text_ || box.cell_x0_px >= box.cell_x1_px || box.line >= page_.lines.size()) return;
    const PageLine& line = page_.lines[box.line];
    Look look = look_;
    if (glyphs_.empty()) {
      if (list_.glyphs.empty()) return;
      look.font_use = list_.glyphs.front().font_use;
    }
    const FontUse& use = list_.fonts[look.font_use];
    hb_codepoint_t space = 0;
    look.hidden = !hb_font_get_nominal_glyph(use.font->shaping_font(), U' ', &space);
    look.rotated = line.vertical;
    begin(look);
    glyphs_.push_back({look.hidden ? VectorFonts::kNothing : space, double(line.vertical ? line.baseline_px : box.cell_x0_px),
                       double(line.vertical ? box.cell_x0_px : line.baseline_px)});
    add_text(cluster, 1);
  }

  void add_text(const Cluster& cluster, size_t num_glyphs) {
    const std::string text = text_of(cluster);
    text_ += text;
    clusters_.push_back({int(text.size()), int(num_glyphs)});
  }

  void begin(const Look& look) {
    if (!glyphs_.empty() && look == look_) return;
    flush();
    look_ = look;
  }

  void flush() {
    if (glyphs_.empty()) return;
    const FontUse& use = list_.fonts[look_.font_use];
    set_colour(look_.rgb);
    cairo_set_font_face(cr_, look_.hidden ? fonts_.text_face() : fonts_.face(use));
    const double along = use.size_px * use.horizontal_scale;
    constexpr double kSlant = 0.2;
    const double slant = use.synthetic_italic && !use.font->is_fixed_size() ? -kSlant * along : 0;
    cairo_matrix_t matrix;
    if (look_.rotated)
      cairo_matrix_init(&matrix, 0, along, -use.size_px, slant, 0, 0);
    else
      cairo_matrix_init(&matrix, along, 0, slant, use.size_px, 0, 0);
    cairo_set_font_matrix(cr_, &matrix);
    if (with_text_)
      cairo_show_text_glyphs(cr_, text_.data(), int(text_.size()), glyphs_.data(), int(glyphs_.size()), clusters_.data(),
                             int(clusters_.size()), cairo_text_cluster_flags_t(0));
    else if (!look_.hidden)
      cairo_show_glyphs(cr_, glyphs_.data(), int(glyphs_.size()));
    check_cairo(cairo_status(cr_), "vector");
    glyphs_.clear(), clusters_.clear(), text_.clear();
  }

  void show_picture(const FontUse& use, const PlacedGlyph& glyph) {
    const VectorFonts::Picture& picture = fonts_.picture(use, glyph.glyph_id, gray_);
    if (!picture.surface) return;
    cairo_save(cr_);
    cairo_translate(cr_, glyph.x_px, glyph.y_px);
    if (glyph.rotated) cairo_rotate(cr_, std::acos(0.0));
    cairo_scale(cr_, use.size_px * use.horizontal_scale, use.size_px);
    cairo_translate(cr_, picture.left_em, -picture.top_em);
    cairo_scale(cr_, picture.px_em, picture.px_em);
    cairo_set_source_surface(cr_, picture.surface, 0, 0);
    cairo_paint(cr_);
    cairo_restore(cr_);
  }

  cairo_t* cr_;
  const Page& page_;
  const DrawList& list_;
  VectorFonts& fonts_;
  const bool with_text_, gray_;
  Look look_;
  std::vector<cairo_glyph_t> glyphs_;
  std::vector<cairo_text_cluster_t> clusters_;
  std::string text_;
};

std::string escaped(std::string_view c) {
  size_t pos = 0;
  const char32_t code = next_code_point(c, pos);
  if (code == U'&') return "&amp;";
  if (code == U'<') return "&lt;";
  if (code == U'>') return "&gt;";
  if (is_control(code) || code == 0xFFFE || code == 0xFFFF) return "\uFFFD";  // XML has no place for them
  return std::string(c);
}

}  // namespace

void draw_page(cairo_t* cr, const Page& page, VectorFonts& fonts, bool with_text) {
  if (!page.draw_list) throw ConfigError("[vector] the page must have its draw list, got none; render it with keep_draw_list=true");
  PagePainter(cr, page, fonts, with_text).paint();
}

std::string svg_text(const Page& page) {
  std::string out = "<g fill=\"#000\" fill-opacity=\"0\" stroke=\"none\" font-family=\"sans-serif\" xml:space=\"preserve\">\n";
  for (size_t i = 0; i < page.chars.size();) {
    const uint32_t index = page.chars[i].line;
    if (index >= page.lines.size())
      throw ShapeError("[vector] character " + std::to_string(i) + " must be on one of the page's " + std::to_string(page.lines.size()) +
                       " lines, got " + std::to_string(index));
    const PageLine& line = page.lines[index];
    std::string text, places;
    for (; i < page.chars.size() && page.chars[i].line == index; ++i) {
      const CharBox& box = page.chars[i];
      text += escaped(code_point_at(page.text, box.byte_offset));
      if (!places.empty()) places += ' ';
      places += std::to_string(box.cell_x0_px);
    }
    const std::string across = std::to_string(line.baseline_px);
    out += "<text x=\"";
    out += line.vertical ? across : places;
    out += "\" y=\"";
    out += line.vertical ? places : across;
    out += "\" font-size=\"";
    out += std::to_string(std::max(line.bottom_px - line.top_px, 1));
    out += "\">";
    out += text;
    out += "</text>\n";
  }
  return out + "</g>\n";
}

}  // namespace fovea::render

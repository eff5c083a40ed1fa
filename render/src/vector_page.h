// Vector page: draws a page's list with Cairo.
#pragma once
#include <cairo.h>

#include "fovea/render/page.h"
#include "vector_fonts.h"

namespace fovea::render {

/// Onto any Cairo surface, a pixel of the page as one unit of user space. with_text: glyphs carry their source text (PDF).
/// Errors: ConfigError (no draw list), ShapeError (it does not match the page), RenderError.
void draw_page(cairo_t* cr, const Page& page, VectorFonts& fonts, bool with_text);

/// The page's text as transparent SVG text elements, one or more a line.
std::string svg_text(const Page& page);

}  // namespace fovea::render

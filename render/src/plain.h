// Plain path: one gray font, left to right, one column. Nearly all pages; several times faster than the full layout and, where
// both can draw a page, equal to it byte for byte (a test compares them).
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "font.h"
#include "fovea/render/page.h"
#include "fovea/render/style.h"
#include "layout.h"
#include "segmenter.h"

namespace fovea::render {

/// Whether a (resolved) style asks for nothing but what the plain path does.
bool is_plain(const Style& style);
PlainRules plain_rules(const Style& style);

/// The page whose text begins at byte `begin`. Returns false, page unusable, where the text needs the full layout.
/// whole_page: the white space that the page broke at belongs to it. `end.byte_next` is where the next page begins.
/// Errors: RenderError (strict; FreeType).
bool render_plain(std::string_view text, size_t begin, const Style& style, Font& font, bool whole_page, Page& page, LayoutEnd& end);

}  // namespace fovea::render

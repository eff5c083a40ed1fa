// One text in the three colour channels of a page (render::Renderer::render_channels): each part has a page of its own, in one picture.
#pragma once
#include <array>
#include <string>

#include "fovea/render/renderer.h"

namespace fovea::experiments {

/// The text in three parts of about a third of its characters, cut at spaces; parts may be empty. What the spaces between them were is dropped.
std::array<std::string, 3> in_three_parts(const std::string& text);
/// The largest type, a multiple of step_px, in which each part fits a page of its own. Errors: as Renderer::fit_font_size.
double fit_three_parts(const render::Renderer& renderer, const std::array<std::string, 3>& parts, const render::Style& style, double min_px, double max_px, double step_px);
/// The text on one page: in gray, or its three parts each in a channel of its own. Errors: RenderError.
render::Page draw_text(const render::Renderer& renderer, const std::string& text, const render::Style& style, bool three_texts);

}  // namespace fovea::experiments

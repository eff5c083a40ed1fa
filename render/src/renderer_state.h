// What a Renderer holds, for its source files.
#pragma once
#include <string_view>

#include "fovea/render/renderer.h"
#include "measure.h"

namespace fovea::render {

struct Renderer::State : Caches {};

/// Errors: ConfigError (4 GiB or more, not UTF-8).
void check_text(std::string_view text, const char* where);
void check_styled(const StyledText& text, const char* where);

}  // namespace fovea::render

// Tables in LaTeX as HTML.
#pragma once
#include <string>
#include <string_view>

#include "fovea/metrics/omnidoc_text.h"

namespace fovea::metrics {

/// The LaTeX tables of a piece as HTML, in the normal form of that version; empty if there is none.
std::u32string normalized_latex_table(std::u32string_view latex, OmniDocVersion version);

}  // namespace fovea::metrics

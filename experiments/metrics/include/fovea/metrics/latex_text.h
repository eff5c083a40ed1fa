// LaTeX formulas as plain text.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace fovea::metrics {

/// The text of LaTeX: symbols as their characters, \frac{a}{b} as a/b, alphabets as mathematical letters, what is unknown left out, its group kept.
/// Text that cannot be parsed gives what the source gives: nothing from where a group is not closed. nullopt where the source raises.
/// Source  pylatexenc 3.0a30, LatexNodes2Text().latex_to_text with its default tables, for what formulas hold; document commands (\maketitle, \input,
///         verbatim) are not followed.
std::optional<std::u32string> latex_to_text(std::u32string_view latex);

}  // namespace fovea::metrics

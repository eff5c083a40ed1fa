// Steps that all versions of the official splitter share.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/metrics/omnidoc_text.h"

namespace fovea::metrics::splitting {

using View = std::u32string_view;
using Text = std::u32string;

struct Span {
  size_t begin, end;
};
void blank(Text& text, size_t begin, size_t end);
/// The span of an image link ![...](...) that begins at `at`.
std::optional<Span> image_at(View text, size_t at);
Text without_fences(View text);
Text with_short_runs(View text);
std::vector<Span> latex_tables(Text text);
std::vector<Span> html_tables(View text);

enum class FormulaKind { kPlain, kDouble, kInline };  ///< \[..\] alone, $$..$$, or $..$ and \(..\)
struct FormulaSpan {
  size_t begin, end;
  FormulaKind kind;
  Text content;  ///< on one line, marks rewritten to \[..\]
};
/// In order; what is not inline is blanked out of `text`.
std::vector<FormulaSpan> take_formulas(Text& text, OmniDocVersion version);
/// Tables of pipes as HTML: `text` becomes the converted text with the tables blanked.
std::vector<OmniDocPiece> take_pipe_tables(Text& text);
void take_code(Text& text, std::vector<OmniDocPiece>& out);
Text without_section_commands(View text);
/// Calls each(begin, end, lines) for what lies between blank lines, or between lines if there is only one such piece. Positions are sums of lengths
/// without the separators, as upstream.
void each_paragraph(View text, const std::function<void(int64_t, int64_t, const Text&)>& each);

}  // namespace fovea::metrics::splitting

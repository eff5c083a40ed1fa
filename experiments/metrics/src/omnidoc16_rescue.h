// Formulas that version 1.6 finds in what is not marked as one, and text that it finds in formulas. Source  src/core/preprocess/extract.py.
#pragma once
#include "omnidoc16.h"

namespace fovea::metrics::v16 {

/// _append_formula_rescue_candidate.
void add_rescue(std::vector<OmniDocPiece>& out, View text, int64_t begin, int64_t end, View fine_category);
/// _build_html_table_formula_rescue_items.
void add_cell_rescues(std::vector<OmniDocPiece>& out, View table, int64_t begin);
/// _append_display_formula_item: a display formula without its number and caption, and these as text; several arithmetic formulas in one as such.
void add_display(std::vector<OmniDocPiece>& out, const Text& formula, int64_t begin, int64_t end, View fine_category);
/// _should_drop_short_inline_formula_item.
bool is_mere_label(const OmniDocPiece& piece);

}  // namespace fovea::metrics::v16

// What version 1.6 of OmniDocBench (commit 9dc1dec) does otherwise than 1.5: normal forms, formulas in rows, formulas rescued from text.
// Its sources are src/core/preprocess/*.py and src/core/matching/*.py of opendatalab/OmniDocBench; names of functions are given with each.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/metrics/omnidoc_text.h"
#include "omnidoc_match.h"

namespace fovea::metrics::v16 {

using View = std::u32string_view;
using Text = std::u32string;

/// ' '.join(text.split()).
Text one_line(View text);
/// text without white space.
Text without_space(View text);
inline bool starts_with(View text, View mark) { return text.substr(0, mark.size()) == mark; }
inline bool ends_with(View text, View mark) { return text.size() >= mark.size() && text.substr(text.size() - mark.size()) == mark; }
bool contains_any(View text, std::initializer_list<View> marks);
/// Edits over the longer length; 0 for two empty texts, 1 for one.
double distance(View a, View b);

// data_preprocess.py, text_postprocess.py
Text replace_textcircle(View text);
/// safe_latex_to_text: the LaTeX as text, or `fallback` (the stripped source too) where it does not look like sound LaTeX.
Text safe_latex_to_text(View latex, View fallback);
bool likely_bad_latex(View latex, bool formula);
Text strip_formula_delimiters(View text);
Text strip_formula_tags(View text);
Text textblock2unicode(View text);
Text clean_string(View text);
Text normalized_formula(View text);
/// textblock_with_norm_formula: inline formulas as normalized_formula has them.
Text text_with_normal_formulas(View text);
/// normalize_table_cell_text.
Text normalized_cell(View text);

// extract.py
std::vector<OmniDocPiece> split_markdown(View markdown);

// match_quick.py: formulas that are several rows as one piece a row.
std::vector<TruthBlock> split_rows(std::vector<TruthBlock> blocks);
std::vector<OmniDocPiece> split_rows(std::vector<OmniDocPiece> pieces);
/// normalize_logic_brace_formula: cases that stand for a system of statements as a left brace with an array.
Text with_logic_braces(View formula);
/// Several formulas as one array of one column.
Text stacked(const std::vector<Text>& formulas);

/// sort_by_position_skip_inline.
void sort_inline_last(std::vector<OmniDocPiece>& pieces);
/// end2end_dataset.py _match_display_formula_candidates: the cheapest of several ways to pair the page's display formulas.
std::vector<MatchedSample> match_formulas(const std::vector<TruthBlock>& truth, const std::vector<OmniDocPiece>& candidates, const std::vector<MatchedSample>& current,
                                          const std::string& page);
/// _build_formula_candidate_pool.
std::vector<OmniDocPiece> formula_pool(const std::vector<OmniDocPiece>& pieces);
/// _adapt_cross_category_norm, and _maybe_apply_local_text_span_fallback over what the page's pieces offer.
void adapt_across_categories(std::vector<MatchedSample>& samples);
void rematch_text_locally(std::vector<MatchedSample>& samples, const std::vector<OmniDocPiece>& pieces);

}  // namespace fovea::metrics::v16

// OmniDocBench: a prediction's Markdown cut into text, formulas and tables, and the normal forms that are compared.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// Versions of the official program (opendatalab/OmniDocBench): 1.0 is commit 337cc26, 1.5 is 0f22218, 1.6 is 9dc1dec.
enum class OmniDocVersion { k1_0, k1_5, k1_6 };

/// A piece of a prediction. Positions are code points of the text at the time it was taken; they decide order, so their quirks are kept.
struct OmniDocPiece {
  std::u32string category;       ///< text_all, equation_isolated, html_table, latex_table; from 1.6 formula_rescue
  std::u32string fine_category;  ///< text_block, code, equation_inline, md2html_table, or empty
  std::u32string content;
  int64_t begin = 0, end = 0;
  std::u32string source = {};  ///< which formula of the prediction a row was cut from (1.6)
};
/// Source  utils/extract.py md_tex_filter, utils/table_utils.py convert_markdown_to_html. By position.
std::vector<OmniDocPiece> split_markdown(std::u32string_view markdown, OmniDocVersion version);

/// Source  utils/data_preprocess.py, functions of these names. 1.0 and 1.5 differ in formulas alone.
std::u32string clean_string(std::u32string_view text, OmniDocVersion version = OmniDocVersion::k1_5);
std::u32string textblock2unicode(std::u32string_view text, OmniDocVersion version = OmniDocVersion::k1_5);
std::u32string normalized_formula(std::u32string_view text, OmniDocVersion version);
/// clean_string(textblock2unicode(text)).
std::u32string normalized_text(std::u32string_view text, OmniDocVersion version = OmniDocVersion::k1_5);

}  // namespace fovea::metrics

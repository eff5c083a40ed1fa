// Tables as trees: normal form of their HTML, TEDS.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "fovea/metrics/omnidoc_text.h"

namespace fovea::metrics {

/// html.unescape: named and numbered character references.
std::u32string unescape_html(std::u32string_view text);
/// The table as OmniDocBench compares it: th as td, thead, tbody and spans unwrapped, math as its $alttext$, references decoded,
/// newlines out, NFKC, style, size, alignment and class out, blanks made one, wrapped in html, body and table. Version 1.6 also strips each text of a cell, brings signs to one form and takes simple formula
/// marks off. Empty if there is no table.
std::u32string normalized_html_table(std::u32string_view html, OmniDocVersion version = OmniDocVersion::k1_5);
/// Text of every td that holds text alone, for tables that no ground truth took.
std::vector<std::u32string> cell_texts(std::u32string_view html);

struct Teds {
  double content = 0;    ///< TEDS
  double structure = 0;  ///< TEDS of structure only
};
/// 1 - tree edit distance / max(number of elements below the table). Costs: insert and delete 1; elements of another tag, colspan or rowspan 1; cells the
/// normalised edit distance of their tokens (characters, and each tag inside as one). 0 if a side has no table or cannot be read.
/// Method  Zhang and Shasha 1989; exact, so equal to APTED.   Source  PubTabNet's TEDS as OmniDocBench calls it.
Teds teds(std::u32string_view prediction, std::u32string_view truth);

}  // namespace fovea::metrics

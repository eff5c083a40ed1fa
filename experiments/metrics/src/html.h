// A forgiving reader of table HTML.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fovea::metrics {

struct HtmlNode {
  std::u32string tag;   // empty: text
  std::u32string text;  // of a text node, references decoded; of a comment or declaration, as it stands
  bool verbatim = false;
  std::vector<std::pair<std::u32string, std::u32string>> attributes;
  std::vector<HtmlNode> children;

  const std::u32string* attribute(std::u32string_view name) const;
};

/// close_cells: td, th and tr end where the next one begins, as libxml2 reads HTML; false: they nest, as Python's html.parser with BeautifulSoup has it.
HtmlNode parse_html(std::u32string_view html, bool close_cells);

}  // namespace fovea::metrics

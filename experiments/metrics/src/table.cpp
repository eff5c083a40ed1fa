#include "fovea/metrics/table.h"

#include <algorithm>
#include <map>
#include <optional>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/unicode_text.h"
#include "html.h"
#include "omnidoc16.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

// The element written out again; what OmniDocBench's normal form drops is left out.
void write(const HtmlNode& node, Text& out) {
  if (node.tag.empty()) {
    out += node.text;
    return;
  }
  if (node.tag == U"math") {
    const Text* alt = node.attribute(U"alttext");
    out += U"$" + (alt ? *alt : Text()) + U"$";
    return;
  }
  const bool unwrapped = node.tag == U"thead" || node.tag == U"span";
  const Text tag = node.tag == U"th" ? U"td" : node.tag;
  if (!unwrapped) {
    out += U"<" + tag;
    for (const auto& [name, value] : node.attributes) out += U" " + name + U"=\"" + value + U"\"";
    static constexpr View kVoid[] = {U"br", U"col", U"img", U"hr", U"input", U"wbr", U"area", U"base", U"embed", U"link", U"meta", U"param", U"source", U"track"};
    if (node.children.empty() && std::find(std::begin(kVoid), std::end(kVoid), View(tag)) != std::end(kVoid)) {
      out += U"/>";
      return;
    }
    out += U">";
  }
  for (const auto& child : node.children) write(child, out);
  if (!unwrapped) out += U"</" + tag + U">";
}

// The tree as version 1.6 reads it a second time: texts that no tag parts any more are one, and each text of a cell is in normal form.
void renew(const HtmlNode& node, bool in_cell, HtmlNode& out) {
  const auto add_text = [&](Text text) {
    if (!out.children.empty() && out.children.back().tag.empty() && !out.children.back().verbatim) out.children.back().text += text;
    else if (!text.empty()) out.children.push_back({{}, std::move(text), false, {}, {}});
  };
  for (const auto& child : node.children) {
    if (child.tag.empty() && child.verbatim) {
      out.children.push_back(child);
    } else if (child.tag.empty()) {
      add_text(child.text);
    } else if (child.tag == U"math") {
      const Text* alt = child.attribute(U"alttext");
      add_text(U"$" + (alt ? *alt : Text()) + U"$");
    } else if (child.tag == U"thead" || child.tag == U"tbody" || child.tag == U"span") {
      renew(child, in_cell, out);
    } else {
      HtmlNode copy{child.tag == U"th" ? Text(U"td") : child.tag, {}, false, child.attributes, {}};
      renew(child, in_cell || copy.tag == U"td", copy);
      out.children.push_back(std::move(copy));
    }
  }
}
void normalize_cells(HtmlNode& node, bool in_cell) {
  for (auto& child : node.children) {
    if (child.tag.empty() && !child.verbatim && in_cell) child.text = v16::normalized_cell(child.text);
    normalize_cells(child, in_cell || child.tag == U"td");
  }
}

// re.sub('( NAME=".*?")', '', text)
Text without_attribute(const Text& text, View name) {
  const Text mark = U" " + Text(name) + U"=\"";
  Text out;
  for (size_t at = 0;;) {
    const size_t begin = text.find(mark, at), end = begin == Text::npos ? begin : text.find(U'"', begin + mark.size());
    if (end == Text::npos) return out + text.substr(at);
    out += text.substr(at, begin - at);
    at = end + 1;
  }
}

struct Tree {
  struct Node {
    Text tag;
    int64_t colspan = -1, rowspan = -1;
    size_t content = 0;  // index into contents; 0: none
    size_t leftmost = 0;
  };
  std::vector<Node> nodes;  // in postorder
  std::vector<size_t> key_roots;
  size_t num_descendants = 0;
};

// Distinct cell contents, as numbers for the tokens.
struct Contents {
  std::map<std::vector<Text>, size_t> index;
  std::vector<std::u32string> tokens = {{}};
  std::map<Text, char32_t> token_numbers;

  size_t add(const std::vector<Text>& content) {
    if (content.empty()) return 0;
    const auto [it, is_new] = index.try_emplace(content, tokens.size());
    if (is_new) {
      std::u32string numbers;
      for (const auto& token : content)
        numbers += token.size() == 1 ? token[0] : token_numbers.try_emplace(token, char32_t(0x110000 + token_numbers.size())).first->second;
      tokens.push_back(std::move(numbers));
    }
    return it->second;
  }
};

void tokenize(const HtmlNode& node, std::vector<Text>& out) {
  for (const auto& child : node.children) {
    if (child.verbatim) continue;
    if (child.tag.empty()) {
      for (char32_t c : child.text) out.emplace_back(1, c);
      continue;
    }
    out.push_back(U"<" + child.tag + U">");
    tokenize(child, out);
    out.push_back(U"</" + child.tag + U">");
  }
}

size_t count_elements(const HtmlNode& node) {
  size_t count = 0;
  for (const auto& child : node.children)
    if (!child.tag.empty()) count += 1 + count_elements(child);
  return count;
}

// Python's int() of an attribute; nullopt where it raises.
std::optional<int64_t> whole_number(const Text* text) {
  if (!text) return 1;
  const View digits = strip(*text);
  if (digits.empty() || digits.size() > 9) return std::nullopt;
  int64_t value = 0;
  for (size_t i = digits[0] == '-' || digits[0] == '+'; i < digits.size(); ++i) {
    if (digits[i] < '0' || digits[i] > '9') return std::nullopt;
    value = 10 * value + int64_t(digits[i] - '0');
  }
  return digits[0] == '-' ? -value : value;
}

bool add_nodes(const HtmlNode& node, Tree& tree, Contents& contents) {
  const size_t first = tree.nodes.size();
  Tree::Node out;
  out.tag = node.tag;
  if (node.tag == U"td") {
    const auto colspan = whole_number(node.attribute(U"colspan")), rowspan = whole_number(node.attribute(U"rowspan"));
    if (!colspan || !rowspan) return false;
    out.colspan = *colspan;
    out.rowspan = *rowspan;
    std::vector<Text> tokens;
    tokenize(node, tokens);
    out.content = contents.add(tokens);
  } else {
    for (const auto& child : node.children)
      if (!child.tag.empty() && !add_nodes(child, tree, contents)) return false;
  }
  out.leftmost = tree.nodes.size() > first ? tree.nodes[first].leftmost : first;
  tree.nodes.push_back(std::move(out));
  return true;
}

const HtmlNode* first_table(const HtmlNode& root) {
  for (const auto& child : root.children) {
    if (child.tag == U"table") return &child;
    if (child.tag == U"html" || child.tag == U"body")
      if (const HtmlNode* found = first_table(child)) return found;
  }
  return nullptr;
}

std::optional<Tree> tree_of(View html, Contents& contents) {
  const HtmlNode root = parse_html(html, /*close_cells=*/true);
  const HtmlNode* table = first_table(root);
  Tree tree;
  if (!table || !add_nodes(*table, tree, contents)) return std::nullopt;
  tree.num_descendants = count_elements(*table);
  std::vector<bool> seen(tree.nodes.size(), false);
  for (size_t i = tree.nodes.size(); i-- > 0;)
    if (!seen[tree.nodes[i].leftmost]) seen[tree.nodes[i].leftmost] = true, tree.key_roots.push_back(i);
  std::reverse(tree.key_roots.begin(), tree.key_roots.end());
  return tree;
}

template <class Rename> double tree_distance(const Tree& a, const Tree& b, Rename&& rename) {
  const size_t n = a.nodes.size(), m = b.nodes.size();
  std::vector<double> whole(n * m, 0), forest((n + 1) * (m + 1), 0);
  for (const size_t i : a.key_roots) {
    for (const size_t j : b.key_roots) {
      const size_t li = a.nodes[i].leftmost, lj = b.nodes[j].leftmost, width = j - lj + 2;
      const auto at = [&](size_t x, size_t y) -> double& { return forest[x * width + y]; };
      at(0, 0) = 0;
      for (size_t x = 1; x <= i - li + 1; ++x) at(x, 0) = at(x - 1, 0) + 1;
      for (size_t y = 1; y <= j - lj + 1; ++y) at(0, y) = at(0, y - 1) + 1;
      for (size_t x = 1; x <= i - li + 1; ++x) {
        const size_t p = li + x - 1;
        for (size_t y = 1; y <= j - lj + 1; ++y) {
          const size_t q = lj + y - 1;
          const double either = std::min(at(x - 1, y), at(x, y - 1)) + 1;
          if (a.nodes[p].leftmost == li && b.nodes[q].leftmost == lj) {
            at(x, y) = std::min(either, at(x - 1, y - 1) + rename(p, q));
            whole[p * m + q] = at(x, y);
          } else {
            at(x, y) = std::min(either, at(a.nodes[p].leftmost - li, b.nodes[q].leftmost - lj) + whole[p * m + q]);
          }
        }
      }
    }
  }
  return whole[n * m - 1];
}

}  // namespace

std::u32string normalized_html_table(std::u32string_view html, OmniDocVersion version) {
  if (!contains(replace_all(html, U" ", U""), U"<table")) return {};
  HtmlNode root = parse_html(html, /*close_cells=*/false);
  if (version == OmniDocVersion::k1_6) {
    HtmlNode renewed;
    renew(root, false, renewed);
    normalize_cells(renewed, false);
    root = std::move(renewed);
  }
  Text text;
  for (const auto& node : root.children) write(node, text);
  text = Text(strip(nfkc(replace_all(text, U"\n", U""))));
  const Text small = lower(text);
  size_t open = 0;
  while ((open = small.find(U"<table", open)) != Text::npos && open + 6 < small.size() && is_word(small[open + 6])) open += 6;
  const size_t begin = open == Text::npos ? open : text.find(U'>', open), end = small.rfind(U"</table>");
  Text inside;
  if (begin != Text::npos && end != Text::npos && end > begin) inside = text.substr(begin + 1, end - begin - 1);
  for (View name : {U"style", U"height", U"width", U"align", U"class"}) inside = without_attribute(inside, name);
  inside = replace_all(replace_all(inside, U"<tbody>", U""), U"</tbody>", U"");
  Text spaced;
  for (size_t i = 0; i < inside.size(); ++i)
    if (!is_space(inside[i])) spaced += inside[i];
    else if (spaced.empty() || i == 0 || !is_space(inside[i - 1])) spaced += U' ';
  Text out = U"<html><body><table border=\"1\" >" + spaced + U"</table></body></html>";
  for (View mark : {U"<sup>", U"</sup>", U"<sub>", U"</sub>", U"<span>", U"</span>", U"<div>", U"</div>", U"<p>", U"</p>", U"<spandata-span-identity=\"\">"})
    out = replace_all(out, mark, U"");
  for (size_t at; (at = out.find(U"<colgroup>")) != Text::npos;) {
    const size_t stop = out.find(U"</colgroup>", at);
    if (stop == Text::npos) break;
    out.erase(at, stop + 11 - at);
  }
  return out;
}

std::vector<std::u32string> cell_texts(std::u32string_view html) {
  std::vector<Text> out;
  // BeautifulSoup's `string`: the one text below an element that has one child all the way down
  const auto only_text = [](const HtmlNode& node) -> const HtmlNode* {
    const HtmlNode* at = &node;
    while (!at->tag.empty()) {
      if (at->children.size() != 1) return nullptr;
      at = &at->children[0];
    }
    return at;
  };
  const auto walk = [&](const auto& self, const HtmlNode& node) -> void {
    if (node.tag == U"td")
      if (const HtmlNode* text = only_text(node); text && !text->text.empty()) out.emplace_back(strip(replace_all(text->text, U"$\\cdot$", U"")));
    for (const auto& child : node.children) self(self, child);
  };
  walk(walk, parse_html(html, /*close_cells=*/false));
  return out;
}

Teds teds(std::u32string_view prediction, std::u32string_view truth) {
  Contents contents;
  const auto a = tree_of(prediction, contents), b = tree_of(truth, contents);
  if (!a || !b) return {};
  const double size = double(std::max(a->num_descendants, b->num_descendants));
  if (size == 0) return {};
  const auto differ = [&](size_t p, size_t q) {
    const auto &x = a->nodes[p], &y = b->nodes[q];
    return x.tag != y.tag || x.colspan != y.colspan || x.rowspan != y.rowspan;
  };
  std::vector<double> known(contents.tokens.size() * contents.tokens.size(), -1);
  const auto content_cost = [&](size_t p, size_t q) {
    if (differ(p, q)) return 1.0;
    const size_t x = a->nodes[p].content, y = b->nodes[q].content;
    if (x == y) return 0.0;
    double& cost = known[x * contents.tokens.size() + y];
    if (cost < 0) cost = normalized_edit_distance(contents.tokens[x], contents.tokens[y]);
    return cost;
  };
  Teds out;
  out.content = 1 - tree_distance(*a, *b, content_cost) / size;
  out.structure = 1 - tree_distance(*a, *b, [&](size_t p, size_t q) { return differ(p, q) ? 1.0 : 0.0; }) / size;
  return out;
}

}  // namespace fovea::metrics

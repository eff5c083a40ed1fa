#include <algorithm>

#include "fovea/metrics/table.h"
#include "fovea/metrics/unicode_text.h"
#include "html.h"
#include "latex_table.h"
#include "omnidoc16_rescue.h"
#include "omnidoc_split.h"
#include "pattern.h"

namespace fovea::metrics::v16 {
namespace {

// _looks_like_image_description_block
bool describes_image(View block) {
  const Text text = lower(one_line(block));
  if (text.size() < 24) return false;
  for (View begin : {U"the image ", U"the figure ", U"the diagram ", U"diagram:", U"[diagram:", U"[image:", U"qr code "})
    if (starts_with(text, begin)) return true;
  return false;
}

// _suppress_formula_delimiters_in_image_descriptions
Text without_marks_in_descriptions(View content) {
  static const Pattern blank_line(R"(\n\s*\n)"), round(R"(\\\((.*?)\\\))", true), dollar(R"(\$(.*?)\$)", true);
  Text out;
  size_t at = 0;
  const auto add = [&](size_t end) {
    Text block(content.substr(at, end - at));
    if (describes_image(block)) {
      block = round.replace(block, [&](const auto& match) { return Text(match.of(block, 1)); });
      block = dollar.replace(block, [&](const auto& match) { return Text(match.of(block, 1)); });
    }
    out += block;
  };
  for (const auto& match : blank_line.all(content)) {
    add(match.begin);
    out += content.substr(match.begin, match.end - match.begin);
    at = match.end;
  }
  add(content.size());
  return out;
}

// _normalize_html_text_fragment: the text of a piece that is a div.
Text text_of_fragment(const Text& text) {
  static const Pattern begins(R"(^<(div|dir)\b)", false, /*ignore_case=*/true);
  if (contains(lower(text), U"<table") || !begins.is_in(text)) return text;
  Text all;
  const auto walk = [&](const auto& self, const HtmlNode& node) -> void {
    for (const auto& child : node.children) {
      if (child.verbatim || child.tag == U"style" || child.tag == U"script") continue;
      if (child.tag.empty()) all += child.text;
      else if (child.tag == U"br") all += U'\n';
      else self(self, child);
      if (child.tag == U"div" || child.tag == U"dir" || child.tag == U"p" || child.tag == U"li") all += U'\n';
    }
  };
  walk(walk, parse_html(text, /*close_cells=*/false));
  Text out;
  for (View line : split(replace_all(all, U"\u00A0", U" "), U"\n"))
    if (const View bare = strip(line); !bare.empty()) out += (out.empty() ? U"" : U"\n") + Text(bare);
  return out.empty() ? text : out;
}

}  // namespace

std::vector<OmniDocPiece> split_markdown(View markdown) {
  using namespace splitting;
  std::vector<OmniDocPiece> out;
  Text text(markdown);
  for (size_t at = 0; at < text.size();) {
    const auto image = image_at(text, at);
    if (!image) {
      ++at;
      continue;
    }
    const size_t alt = text.find(U"](", at + 2);
    add_rescue(out, strip(View(text).substr(at + 2, alt - at - 2)), int64_t(at), int64_t(image->end), U"image_formula");
    blank(text, at, image->end);
    at = image->end;
  }
  text = with_short_runs(without_fences(text));
  for (View tag : {U"<html>", U"</html>", U"<body>", U"</body>"}) text = replace_all(text, tag, U"");
  text = without_marks_in_descriptions(text);
  for (const auto& [begin, end] : latex_tables(text)) {
    const Text latex = text.substr(begin, end - begin);
    Text html = normalized_latex_table(latex, OmniDocVersion::k1_6);
    if (html.empty()) out.push_back({U"latex_table", U"latex_table", latex, int64_t(begin), int64_t(end)});
    else out.push_back({U"html_table", U"latex2html_table", std::move(html), int64_t(begin), int64_t(end)});
    blank(text, begin, end);
  }
  for (const auto& [begin, end] : html_tables(text)) {
    out.push_back({U"html_table", {}, text.substr(begin, end - begin), int64_t(begin), int64_t(end)});
    const Text table = out.back().content;
    add_cell_rescues(out, table, int64_t(begin));
    blank(text, begin, end);
  }
  for (const auto& formula : take_formulas(text, OmniDocVersion::k1_6))
    add_display(out, formula.content, int64_t(formula.begin), int64_t(formula.end), formula.kind == FormulaKind::kInline ? View(U"equation_inline") : View());
  for (auto& table : take_pipe_tables(text)) {
    out.push_back(table);
    add_cell_rescues(out, table.content, table.begin);
  }
  take_code(text, out);
  each_paragraph(without_section_commands(text), [&](int64_t begin, int64_t end, const Text& kept) {
    Text piece = text_of_fragment(kept);
    out.push_back({U"text_all", U"text_block", piece, begin, end});
    add_rescue(out, piece, begin, end, U"text_formula");
  });
  std::stable_sort(out.begin(), out.end(), [](const OmniDocPiece& a, const OmniDocPiece& b) { return a.begin < b.begin; });
  std::erase_if(out, is_mere_label);
  return out;
}

}  // namespace fovea::metrics::v16

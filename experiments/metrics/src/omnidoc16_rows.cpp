// Formulas of several rows, taken apart. Source  src/core/matching/match_quick.py.
#include <algorithm>

#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"
#include "pattern.h"

namespace fovea::metrics::v16 {
namespace {

const Pattern& environment() {
  static const Pattern pattern(
      R"(^\\begin\{(array|aligned|align|align\*|alignedat|alignedat\*|split|gather|gather\*|gathered|multline|multline\*|flalign|flalign\*|eqnarray|eqnarray\*|cases)\}\s*((?:\{[^{}]*\}\s*)*))");
  return pattern;
}
const Pattern& nested_environment() {
  static const Pattern pattern(R"(\\begin\{(?:array|aligned|align\*?|alignedat\*?|split|gathered?|multline\*?|flalign\*?|eqnarray\*?|cases)\})");
  return pattern;
}
const Pattern& logic_marker() {
  static const Pattern pattern(
      R"(\\(?:Rightarrow|Leftrightarrow|Longrightarrow|Longleftrightarrow|longrightarrow|longleftrightarrow|implies|therefore|because|uparrow|downarrow|Updownarrow|forall|exists)\b|单调|否定)");
  return pattern;
}

Text right_stripped(View text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return Text(text);
}
View left_stripped(View text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  return text;
}

bool is_escaped(View text, size_t at) {
  size_t slashes = 0;
  while (at > slashes && text[at - slashes - 1] == '\\') ++slashes;
  return slashes % 2 == 1;
}

size_t end_of_environment(View text, const Text& name, size_t from) {
  const Text begin = U"\\begin{" + name + U"}", end = U"\\end{" + name + U"}";
  for (int depth = 1;;) {
    const size_t next_begin = text.find(begin, from), next_end = text.find(end, from);
    if (next_end == View::npos) return View::npos;
    if (next_begin < next_end) {
      ++depth;
      from = next_begin + begin.size();
      continue;
    }
    if (--depth == 0) return next_end;
    from = next_end + end.size();
  }
}

// Calls at_text for what stands outside environments, having taken \begin{..} and \end{..} as they are. at_text(i): new position, or i if it did nothing.
template <class AtText> Text walk(View line, AtText&& at_text) {
  Text current;
  int depth = 0;
  for (size_t i = 0; i < line.size();) {
    const bool begins = starts_with(line.substr(i), U"\\begin{"), ends = !begins && starts_with(line.substr(i), U"\\end{");
    if (begins || ends) {
      if (const size_t close = line.find(U'}', i + (begins ? 7 : 5)); close != View::npos) {
        current += line.substr(i, close + 1 - i);
        depth = begins ? depth + 1 : std::max(0, depth - 1);
        i = close + 1;
        continue;
      }
    }
    if (const size_t next = at_text(i, depth, current); next != i) {
      i = next;
      continue;
    }
    current += line[i++];
  }
  return current;
}

// _split_latex_rows
std::vector<Text> rows_of(View body) {
  std::vector<Text> out;
  int braces = 0;
  const auto add = [&](View row) {
    if (const View bare = strip(row); !bare.empty()) out.emplace_back(bare);
  };
  const Text tail = walk(body, [&](size_t i, int depth, Text& current) {
    if (depth == 0 && braces == 0 && starts_with(body.substr(i), U"\\\\")) {
      add(current);
      current.clear();
      i += 2;
      while (i < body.size() && is_space(body[i])) ++i;
      if (i < body.size() && body[i] == '*') ++i;
      if (i < body.size() && body[i] == '[')
        if (const size_t close = body.find(U']', i + 1); close != View::npos) i = close + 1;
      return i;
    }
    if (body[i] == '{' && !is_escaped(body, i)) ++braces;
    else if (body[i] == '}' && !is_escaped(body, i)) braces = std::max(0, braces - 1);
    return i;
  });
  add(tail);
  return out;
}

// _split_top_level_alignment_cells
std::vector<Text> cells_of(View row) {
  std::vector<Text> out;
  const Text tail = walk(row, [&](size_t i, int depth, Text& current) {
    if (row[i] != '&' || depth != 0 || is_escaped(row, i)) return i;
    out.emplace_back(strip(current));
    current.clear();
    return i + 1;
  });
  out.emplace_back(strip(tail));
  return out;
}

Text without_leading_alignment(View row) {
  row = left_stripped(row);
  while (starts_with(row, U"&")) row = left_stripped(row.substr(1));
  return Text(row);
}

bool has_statement(View row) { return logic_marker().is_in(without_leading_alignment(row)); }
bool has_words(View row) {
  static const Pattern words(R"(\\(?:text|mathrm|operatorname)\s*\{)");
  return words.is_in(without_leading_alignment(row));
}
bool is_case_like(View row) {
  static const Pattern lead(
      R"(^(?:\(?\d+\)?|\\(?:Rightarrow|Leftrightarrow|Longrightarrow|Longleftrightarrow|implies|therefore|uparrow|downarrow|Updownarrow|leftarrow|rightarrow)))");
  return lead.is_in(strip(strip_formula_tags(without_leading_alignment(row))));
}
bool any_of(const std::vector<Text>& rows, size_t from, bool (*what)(View)) {
  return std::any_of(rows.begin() + long(std::min(from, rows.size())), rows.end(), [&](const Text& row) { return what(row); });
}
bool is_aligned(View row) { return cells_of(row).size() > 1; }

bool cases_are_rows(View body, const std::vector<Text>& rows) {
  if (rows.size() <= 1 || any_of(rows, 0, is_aligned) || !logic_marker().is_in(body)) return false;
  return nested_environment().is_in(body) || any_of(rows, 1, has_statement) || any_of(rows, 1, has_words) || has_statement(rows[0]);
}

bool cases_are_logic(View body, const std::vector<Text>& rows, View after) {
  if (rows.size() <= 1 || any_of(rows, 0, is_aligned)) return false;
  after = left_stripped(after);
  return logic_marker().is_in(body) || logic_marker().is_in(after) || environment().is_in(after);
}

bool aligned_stays_whole(View body, const std::vector<Text>& rows, bool has_brace) {
  const bool nested = nested_environment().is_in(body);
  if (nested && any_of(rows, 1, is_case_like)) return true;
  if (!has_brace) return false;
  if (nested) return true;
  const auto has_left_side = [](const Text& row) {
    const auto cells = cells_of(row);
    return cells.size() > 1 && !strip(strip_formula_tags(cells[0])).empty();
  };
  return std::count_if(rows.begin(), rows.end(), has_left_side) >= 2 || any_of(rows, 1, has_words) || any_of(rows, 1, is_case_like);
}

Text array_columns(View spec) {
  static const Pattern decoration(R"(@\{[^}]*\}|!\{[^}]*\})");
  return decoration.remove(replace_all(without_space(spec), U"|", U""));
}

bool array_is_rows(View spec, View body, const std::vector<Text>& rows, bool has_brace) {
  const Text columns = array_columns(spec);
  if (columns.empty() || columns.find_first_not_of(U"lcr") != Text::npos) return false;
  if (columns.size() != 1 && !(columns.size() == 2 && columns.find_first_of(U"lr") != Text::npos)) return false;
  if (nested_environment().is_in(body) && any_of(rows, 1, is_case_like)) return false;
  return !(has_brace && columns.find_first_not_of(U"l") == Text::npos && rows.size() > 1);
}

Text without_trailing_spacing(View in) {
  static const Pattern token(R"((?:\\qquad|\\quad|\\,|\\;|\\!|\\>|\\:|~)\s*$)");
  Text text = right_stripped(in);
  while (true) {
    Text next = right_stripped(token.remove(text));
    if (next == text) return text;
    text = std::move(next);
  }
}

bool is_end_label(View in, View prefix) {
  const View label = strip(in);
  static const Pattern spacing(R"(\\qquad|\\quad|\\,|\\;|\\!|\\>|\\:|~)"), small("^[a-z]{1,3}$"), plain(R"(^[A-Za-z0-9.\-#]+$|^(?:\\[A-Za-z#]+)+$)");
  if (label.empty()) return false;
  if (!prefix.empty() && !is_space(prefix.back()) && !spacing.is_in(prefix.substr(prefix.size() > 10 ? prefix.size() - 10 : 0))) return false;
  return !small.is_in(label) && plain.is_in(label);
}

// _strip_multiline_end_labels
Text without_end_labels(View in) {
  static const Pattern label(R"(\\label\s*\{[^{}]*\})"), tag(R"(\\tag\*?\s*\{[^{}]*\})");
  Text working = label.remove(in);
  while (true) {
    const Text text = right_stripped(working);
    if (text.empty()) return {};
    if (const auto match = tag.search(text); match && match->end == text.size()) {
      working = without_trailing_spacing(right_stripped(View(text).substr(0, match->begin)));
      continue;
    }
    if (text.back() != ')' && text.back() != ']') return text;
    const size_t start = text.rfind(text.back() == ')' ? U'(' : U'[');
    if (start == Text::npos) return text;
    const View prefix = View(text).substr(0, start);
    if (!is_end_label(View(text).substr(start + 1, text.size() - start - 2), prefix)) return text;
    working = without_trailing_spacing(prefix);
  }
}

struct Rows {
  Text body, suffix;
  size_t body_begin = 0, suffix_end = 0;  // in the formula; 0: no suffix
  std::vector<Text> raw, content;
};

std::optional<Rows> environment_rows(View formula) {
  const Text stripped = strip_formula_delimiters(formula);
  static const Pattern prefix(R"(^(?:\\left\s*\\\{|\\left\.)\s*)"), closing(R"(\s*\\right(?:\.|\\\})\s*$)");
  View core = stripped;
  bool has_brace = false;
  if (const auto match = prefix.search(core)) core = left_stripped(core.substr(match->end)), has_brace = true;
  Text inner(core);
  if (const auto match = closing.search(inner)) inner = right_stripped(View(inner).substr(0, match->begin)), has_brace = true;
  const auto start = environment().search(inner);
  if (!start) return std::nullopt;
  const Text name(start->of(inner, 1));
  const size_t end = end_of_environment(inner, name, start->end);
  if (end == Text::npos) return std::nullopt;
  Rows out;
  out.body = inner.substr(start->end, end - start->end);
  const auto rows = rows_of(out.body);
  if (name == U"cases" && !cases_are_rows(out.body, rows)) return std::nullopt;
  if (starts_with(name, U"align") && aligned_stays_whole(out.body, rows, has_brace)) return std::nullopt;
  if (name == U"array") {
    const View extra = start->of(inner, 2);
    const size_t open = extra.find(U'{'), close = extra.find(U'}');
    if (open == View::npos || !array_is_rows(extra.substr(open + 1, close - open - 1), out.body, rows, has_brace)) return std::nullopt;
  }
  const Text end_mark = U"\\end{" + name + U"}";
  out.suffix = Text(strip(without_end_labels(View(inner).substr(end + end_mark.size()))));
  if (!out.suffix.empty() && rows_of(out.suffix).size() > 1) return std::nullopt;
  const size_t begin = formula.find(out.body);
  out.body_begin = begin == View::npos ? 0 : begin;
  if (!out.suffix.empty())
    if (const size_t mark = formula.find(end_mark, out.body_begin + out.body.size()); mark != View::npos)
      if (const size_t at = formula.find(out.suffix, mark + end_mark.size()); at != View::npos) out.suffix_end = at + out.suffix.size();
  return out;
}

std::optional<Rows> bare_rows(View formula) {
  Rows out;
  out.body = strip_formula_delimiters(formula);
  if (!contains(out.body, U"\\\\") || rows_of(out.body).size() <= 1) return std::nullopt;
  const size_t begin = formula.find(out.body);
  out.body_begin = begin == View::npos ? 0 : begin;
  return out;
}

// _split_multiline_formula_lines
std::optional<Rows> rows_of_formula(View formula) {
  auto out = environment_rows(formula);
  if (!out) out = bare_rows(formula);
  if (!out) return std::nullopt;
  for (const Text& row : rows_of(out->body)) {
    Text content(strip(strip_formula_tags(row)));
    if (!content.empty()) out->raw.push_back(content), out->content.push_back(std::move(content));
  }
  if (out->content.size() <= 1) return std::nullopt;
  if (const Text suffix(strip(strip_formula_tags(out->suffix))); !suffix.empty()) out->content.back() += U" " + suffix;
  return out;
}

}  // namespace

std::vector<TruthBlock> split_rows(std::vector<TruthBlock> blocks) {
  std::vector<TruthBlock> out;
  for (auto& block : blocks) {
    const auto rows = block.category == U"equation_isolated" && block.order.is_number() ? rows_of_formula(block.latex) : std::nullopt;
    if (!rows) {
      out.push_back(std::move(block));
      continue;
    }
    for (size_t k = 0; k < rows->content.size(); ++k) {
      TruthBlock row = block;
      row.latex = U"\\[" + rows->content[k] + U"\\]";
      row.order = block.order.get<double>() + double(k + 1) / 1000.0;
      out.push_back(std::move(row));
    }
  }
  return out;
}

std::vector<OmniDocPiece> split_rows(std::vector<OmniDocPiece> pieces) {
  std::vector<OmniDocPiece> out;
  for (auto& piece : pieces) {
    const auto rows = piece.category == U"equation_isolated" ? rows_of_formula(piece.content) : std::nullopt;
    if (!rows) {
      out.push_back(std::move(piece));
      continue;
    }
    size_t from = 0;
    for (size_t k = 0; k < rows->content.size(); ++k) {
      size_t at = rows->body.find(rows->raw[k], from);
      if (at == Text::npos) at = from;
      from = at + rows->raw[k].size();
      OmniDocPiece row = piece;
      row.content = U"\\[" + Text(strip(rows->content[k])) + U"\\]";
      row.begin = piece.begin + int64_t(rows->body_begin + at);
      row.end = row.begin + int64_t(rows->raw[k].size()) - 1;
      if (k + 1 == rows->content.size() && rows->suffix_end > 0) row.end = piece.begin + int64_t(rows->suffix_end) - 1;
      out.push_back(std::move(row));
    }
  }
  return out;
}

Text with_logic_braces(View formula) {
  Text out;
  for (size_t at = 0;;) {
    const size_t begin = formula.find(U"\\begin{", at);
    out += formula.substr(at, std::min(begin, formula.size()) - at);
    if (begin == View::npos) return out;
    const auto start = environment().search(formula.substr(begin));
    if (!start) {
      out += U"\\begin{";
      at = begin + 7;
      continue;
    }
    const Text name(start->of(formula.substr(begin), 1)), end_mark = U"\\end{" + name + U"}";
    const size_t body_begin = begin + start->end, end = end_of_environment(formula, name, body_begin);
    if (end == View::npos) return out + Text(formula.substr(begin));
    const Text body = with_logic_braces(formula.substr(body_begin, end - body_begin));
    at = end + end_mark.size();
    if (name == U"cases" && cases_are_logic(body, rows_of(body), formula.substr(at, 200)))
      out += U"\\left\\{ \\begin{array}{l} " + Text(strip(body)) + U" \\end{array} \\right.";
    else
      out += Text(formula.substr(begin, body_begin - begin)) + body + end_mark;
  }
}

Text stacked(const std::vector<Text>& formulas) {
  Text out = U"\\begin{array}{l} ";
  for (size_t k = 0; k < formulas.size(); ++k) out += (k > 0 ? U" \\\\ {" : U"{") + strip_formula_delimiters(formulas[k]) + U"}";
  return out + U" \\end{array}";
}

}  // namespace fovea::metrics::v16

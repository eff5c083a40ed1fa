#include "latex_table.h"

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "fovea/metrics/latex_text.h"
#include "fovea/metrics/table.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

bool is_latin(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// A group, optional argument or single token at `at`, which moves behind it.
View argument(View in, size_t& at) {
  while (at < in.size() && is_space(in[at])) ++at;
  if (at >= in.size()) return {};
  if (in[at] != '{') {
    const size_t begin = at++;
    if (in[begin] == '\\' && at < in.size()) {
      if (is_latin(in[at])) while (at < in.size() && is_latin(in[at])) ++at;
      else ++at;
    }
    return in.substr(begin, at - begin);
  }
  const size_t begin = ++at;
  for (int depth = 1; at < in.size(); ++at) {
    if (in[at] == '\\') ++at;
    else if (in[at] == '{') ++depth;
    else if (in[at] == '}' && --depth == 0) return in.substr(begin, at++ - begin);
  }
  at = in.size();
  return in.substr(std::min(begin, in.size()));
}
void skip_option(View in, size_t& at) {
  size_t next = at;
  while (next < in.size() && is_space(in[next])) ++next;
  if (next >= in.size() || in[next] != '[') return;
  const size_t end = in.find(U']', next);
  if (end != View::npos) at = end + 1;
}

// A formula as LaTeXML writes it for `alttext`: no blanks but after a command before a letter, scripts in braces.
Text alternative_text(View math) {
  Text out;
  for (size_t i = 0; i < math.size();) {
    const char32_t c = math[i];
    if (is_space(c)) {
      ++i;
    } else if (c == '\\') {
      size_t end = i + 1;
      if (end < math.size() && is_latin(math[end])) while (end < math.size() && is_latin(math[end])) ++end;
      else end = std::min(end + 1, math.size());
      out += math.substr(i, end - i);
      const bool word = is_latin(out.back());
      i = end;
      while (word && i < math.size() && is_space(math[i])) ++i;
      if (word && i < math.size() && is_latin(math[i])) out += U' ';
    } else if ((c == '^' || c == '_') && i + 1 < math.size()) {
      if (out.empty()) out += U"{}";
      out += c;
      ++i;
      out += U"{" + alternative_text(argument(math, i)) + U"}";
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

// Commands whose arguments say how, not what: their number.
int num_silent_arguments(View command) {
  static const std::map<View, int> table = {
      {U"vspace", 1}, {U"hspace", 1}, {U"rule", 2}, {U"color", 1}, {U"rowcolor", 1}, {U"columncolor", 1}, {U"cellcolor", 1}, {U"label", 1}, {U"setlength", 2},
      {U"renewcommand", 2}, {U"cline", 1}, {U"cmidrule", 1}, {U"arraystretch", 0}, {U"hline", 0}, {U"toprule", 0}, {U"midrule", 0}, {U"bottomrule", 0},
      {U"centering", 0}, {U"raggedright", 0}, {U"raggedleft", 0}, {U"noalign", 1}, {U"addlinespace", 0}, {U"specialrule", 3}, {U"hhline", 1}, {U"endhead", 0},
      {U"endfoot", 0}, {U"endfirsthead", 0}, {U"endlastfoot", 0}, {U"noindent", 0}, {U"arrayrulecolor", 1}};
  const auto found = table.find(command);
  return found == table.end() ? -1 : found->second;
}

struct Cell {
  Text html;
  int columns = 1, rows = 1;
};

class CellReader {
 public:
  Cell read(View source) {
    Cell cell;
    cell.html = Text(strip(text(source, cell)));
    return cell;
  }

 private:
  static int number(View digits) {
    int value = 0;
    for (char32_t c : strip(digits))
      if (c >= '0' && c <= '9' && value < 1000) value = 10 * value + int(c - '0');
    return std::max(1, value);
  }

  Text text(View in, Cell& cell) {
    Text out;
    for (size_t i = 0; i < in.size();) {
      const char32_t c = in[i];
      if (c == '\\') {
        command(in, i, cell, out);
      } else if (c == '$') {
        const View mark = in.substr(i, 2) == U"$$" ? View(U"$$") : View(U"$");
        size_t end = i + mark.size();
        while ((end = in.find(mark, end)) != View::npos && in[end - 1] == '\\') ++end;
        if (end == View::npos) end = in.size();
        out += U"$" + alternative_text(in.substr(i + mark.size(), end - i - mark.size())) + U"$";
        i = std::min(in.size(), end + mark.size());
      } else if (c == '%') {
        while (i < in.size() && in[i] != '\n') ++i;
      } else if (c == '{' || c == '}') {
        if (c == '{') out += text(argument(in, i), cell);
        else ++i;
      } else if (is_space(c)) {
        while (i < in.size() && is_space(in[i])) ++i;
        if (!out.empty() && out.back() != ' ') out += U' ';
      } else {
        static constexpr std::pair<View, View> kMarks[] = {{U"---", U"—"}, {U"--", U"–"}, {U"``", U"“"}, {U"''", U"”"}, {U"`", U"‘"}, {U"'", U"’"}, {U"~", U"\u00A0"},
                                                           {U"<", U"&lt;"}, {U">", U"&gt;"}, {U"&", U"&amp;"}};
        size_t length = 1;
        Text with(1, c);
        for (const auto& [mark, instead] : kMarks)
          if (in.substr(i, mark.size()) == mark) {
            length = mark.size();
            with = Text(instead);
            break;
          }
        out += with;
        i += length;
      }
    }
    return out;
  }

  void command(View in, size_t& i, Cell& cell, Text& out) {
    size_t end = i + 1;
    if (end < in.size() && is_latin(in[end])) while (end < in.size() && is_latin(in[end])) ++end;
    else end = std::min(end + 1, in.size());
    const View name = in.substr(i + 1, end - i - 1);
    i = end;
    if (name.empty()) return;
    if (!is_latin(name[0])) {
      if (name == U"(") {
        const size_t close = std::min(in.find(U"\\)", i), in.size());
        out += U"$" + alternative_text(in.substr(i, close - i)) + U"$";
        i = std::min(in.size(), close + 2);
      } else if (name == U"\\" || name == U" " || name == U"," || name == U";" || name == U":") {
        if (name == U"\\") skip_option(in, i);
        if (!out.empty() && out.back() != ' ') out += U' ';
      } else if (name == U"&") {
        out += U"&amp;";
      } else if (View(U"%$#_{}").find(name[0]) != View::npos) {
        out += name;
      } else {  // an accent on a letter
        const Text group = U"\\" + Text(name) + U"{" + Text(argument(in, i)) + U"}";
        out += latex_to_text(group).value_or(Text());
      }
      return;
    }
    if (i < in.size() && in[i] == '*') ++i;
    if (name == U"multicolumn") {
      cell.columns = number(argument(in, i));
      argument(in, i);
      out += text(argument(in, i), cell);
    } else if (name == U"multirow") {
      skip_option(in, i);
      cell.rows = number(argument(in, i));
      skip_option(in, i);
      argument(in, i);
      skip_option(in, i);
      out += text(argument(in, i), cell);
    } else if (name == U"textcolor" || name == U"colorbox" || name == U"parbox" || name == U"scalebox" || name == U"resizebox" || name == U"rotatebox" || name == U"href") {
      skip_option(in, i);
      argument(in, i);
      if (name == U"resizebox") argument(in, i);
      out += text(argument(in, i), cell);
    } else if (name == U"emph") {
      out += U"<em>" + text(argument(in, i), cell) + U"</em>";
    } else if (name == U"cite") {
      skip_option(in, i);
      out += U"<cite>[" + text(argument(in, i), cell) + U"]</cite>";
    } else if (name == U"newline") {
      out += U"<br/>";
    } else if (name == U"textcircled") {
      out += text(argument(in, i), cell) + U"\u20DD";
    } else if (name == U"begin" || name == U"end") {
      const View environment = argument(in, i);
      if (name == U"begin" && (environment == U"tabular" || environment == U"array")) skip_option(in, i), argument(in, i);
    } else if (const int silent = num_silent_arguments(name); silent >= 0) {
      skip_option(in, i);
      for (int k = 0; k < silent; ++k) {
        if (i < in.size() && in[i] == '(') i = std::min(in.size(), in.find(U')', i) == View::npos ? in.size() : in.find(U')', i) + 1);  // \cmidrule(lr){2-4}
        argument(in, i);
      }
    } else {
      while (i < in.size() && is_space(in[i])) ++i;
      if (i < in.size() && in[i] == '{') {  // a font or an unknown command: what it is about
        out += text(argument(in, i), cell);
      } else {
        const Text alone = U"\\" + Text(name);
        out += latex_to_text(alone).value_or(Text());
      }
    }
  }
};

// Pieces of a body at `separator` outside groups, formulas and inner environments.
std::vector<View> parts(View body, View separator) {
  std::vector<View> out;
  int depth = 0;
  bool in_math = false;
  size_t begin = 0;
  for (size_t i = 0; i < body.size();) {
    if (body.substr(i, 7) == U"\\begin{") ++depth;
    else if (body.substr(i, 5) == U"\\end{") depth = std::max(0, depth - 1);
    if (depth == 0 && !in_math && body.substr(i, separator.size()) == separator) {
      out.push_back(body.substr(begin, i - begin));
      i += separator.size();
      if (separator == U"\\\\") {
        if (i < body.size() && body[i] == '*') ++i;
        skip_option(body, i);
      }
      begin = i;
      continue;
    }
    if (body[i] == '\\') {
      // a group's own braces count below, \begin's come back down by themselves
      i += 2;
      continue;
    }
    if (body[i] == '$') in_math = !in_math;
    else if (body[i] == '{') ++depth;
    else if (body[i] == '}') depth = std::max(0, depth - 1);
    ++i;
  }
  out.push_back(body.substr(std::min(begin, body.size())));
  return out;
}

Text table_of(View body) {
  std::vector<std::vector<Cell>> rows;
  size_t width = 0;  // of the widest row: shorter ones are filled up, as LaTeXML does
  for (View row : parts(body, U"\\\\")) {
    std::vector<Cell> cells;
    size_t columns = 0;
    for (View source : parts(row, U"&")) {
      cells.push_back(CellReader().read(source));
      columns += size_t(cells.back().columns);
    }
    if (cells.size() == 1 && cells[0].html.empty()) continue;  // after the last \\, or a rule between rows
    width = std::max(width, columns);
    rows.push_back(std::move(cells));
  }
  Text out = U"<table>";
  std::vector<int> covered(width, 0);  // rows that a cell above still covers, by column
  for (auto& cells : rows) {
    size_t column = 0;
    for (const Cell& cell : cells) column += size_t(cell.columns);
    for (; column < width; ++column) cells.push_back({});
    out += U"<tr>";
    column = 0;
    for (const Cell& cell : cells) {
      if (covered[column] > 0 && cell.html.empty()) {
        for (int k = 0; k < cell.columns; ++k) covered[column + size_t(k)] = std::max(0, covered[column + size_t(k)] - 1);
      } else {
        out += U"<td";
        const auto span = [&](View name, int count) {
          if (count <= 1) return;
          out += U" " + Text(name) + U"=\"";
          for (char c : std::to_string(count)) out += char32_t(c);
          out += U"\"";
        };
        span(U"colspan", cell.columns);
        span(U"rowspan", cell.rows);
        out += U">" + cell.html + U"</td>";
        for (int k = 0; k < cell.columns; ++k) covered[column + size_t(k)] = cell.rows - 1;
      }
      column += size_t(cell.columns);
    }
    out += U"</tr>";
  }
  return out + U"</table>";
}

}  // namespace

std::u32string normalized_latex_table(std::u32string_view latex, OmniDocVersion version) {
  if (version == OmniDocVersion::k1_6 && v16::likely_bad_latex(latex, /*formula=*/false)) return {};
  Text html;
  for (size_t at = 0; (at = latex.find(U"\\begin{tabular", at)) != View::npos;) {
    size_t body = latex.find(U'}', at);
    if (body == View::npos) break;
    const Text name(latex.substr(at + 7, body - at - 7));
    ++body;
    skip_option(latex, body);
    if (name == U"tabular*" || name == U"tabularx") argument(latex, body);
    argument(latex, body);
    size_t end = body;
    for (int depth = 1; depth > 0;) {
      const size_t inner = latex.find(U"\\begin{" + name + U"}", end), close = latex.find(U"\\end{" + name + U"}", end);
      if (close == View::npos) return html.empty() ? Text() : normalized_html_table(html, version);
      depth += inner < close ? 1 : -1;
      end = std::min(inner, close) + 1;
    }
    html += table_of(latex.substr(body, end - 1 - body));
    at = end;
  }
  return html.empty() ? Text() : normalized_html_table(html, version);
}

}  // namespace fovea::metrics

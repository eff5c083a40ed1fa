#include "omnidoc_split.h"

#include <algorithm>
#include <array>
#include <optional>

#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"
#include "pipe_table.h"

namespace fovea::metrics {
namespace splitting {

constexpr size_t kNone = View::npos;

void blank(Text& text, size_t begin, size_t end) {
  for (size_t i = begin; i < std::min(end, text.size()); ++i) text[i] = U' ';
}

std::optional<Span> image_at(View text, size_t at) {
  if (text.substr(at, 2) != U"![") return std::nullopt;
  const size_t line = std::min(text.find(U'\n', at), text.size());
  const size_t middle = text.find(U"](", at + 2), end = middle == kNone ? kNone : text.find(U')', middle + 2);
  if (end == kNone || end >= line) return std::nullopt;
  return Span{at, end + 1};
}

Text without_fences(View text) {
  if (!contains(text, U"```")) return Text(text);
  Text out(text);
  for (View mark : {U"```markdown", U"```html", U"```latex"}) {
    Text kept;
    for (size_t at = 0; at < out.size();) {
      if ((at == 0 || out[at - 1] == '\n') && out.compare(at, mark.size(), mark) == 0) {
        at += mark.size();
        if (at < out.size() && out[at] == '\n') ++at;
        // what follows stands at a line's start only if the newline was there before
        while (at < out.size() && at > 0 && out[at - 1] == '\n' && out.compare(at, mark.size(), mark) == 0) {
          at += mark.size();
          if (at < out.size() && out[at] == '\n') ++at;
        }
        if (at < out.size()) kept += out[at++];
        continue;
      }
      kept += out[at++];
    }
    out = std::move(kept);
  }
  Text kept;
  for (size_t at = 0; at < out.size();) {
    if (out.compare(at, 3, U"```") == 0) {
      const auto line_ends = [&](size_t i) { return i >= out.size() || out[i] == '\n'; };
      if (at + 3 < out.size() && out[at + 3] == '\n' && line_ends(at + 4)) {
        at += 4;
        continue;
      }
      if (line_ends(at + 3)) {
        at += 3;
        continue;
      }
    }
    kept += out[at++];
  }
  return kept;
}

Text with_short_runs(View text) {
  Text out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at;
    while (end < text.size() && text[end] == text[at]) ++end;
    const char32_t c = text[at];
    const bool cut = (c == '_' || c == ' ') && end - at >= 4;
    out.append(cut ? 4 : end - at, c);
    at = end;
  }
  return out;
}

namespace {

// Outermost spans of nested marks. next_begin(from) finds a beginning. `step` is what the official program moves on by after either mark, `begin_step`
// what it skips when it starts anew after a beginning that has no end.
template <class NextBegin>
void nested_spans(View text, size_t offset, View end_mark, size_t step, size_t begin_step, NextBegin&& next_begin, std::vector<Span>& out) {
  std::vector<size_t> open;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = next_begin(text, at), end = text.find(end_mark, at);
    if (begin == kNone && end == kNone) break;
    if (begin != kNone && (end == kNone || begin < end)) {
      open.push_back(begin);
      at = begin + step;
    } else {
      if (!open.empty()) {
        const size_t start = open.back();
        open.pop_back();
        if (open.empty()) out.push_back({offset + start, offset + std::min(end + step, text.size())});
      }
      at = end + step;
    }
  }
  if (!open.empty() && open[0] + begin_step < text.size())
    nested_spans(text.substr(open[0] + begin_step), offset + open[0] + begin_step, end_mark, step, begin_step, next_begin, out);
}

}  // namespace

std::vector<Span> latex_tables(Text text) {
  std::vector<Span> out;
  for (size_t at = 0; (at = text.find(U"\\begin{table}", at)) != kNone;) {
    const size_t end = text.find(U"\\end{table}", at + 13);
    if (end == kNone) break;
    out.push_back({at, end + 11});
    blank(text, at, end + 11);
    at = end + 11;
  }
  nested_spans(text, 0, U"\\end{tabular}", /*step: the length of the pattern, not of what it finds*/ 14, 16,
               [](View in, size_t from) { return in.find(U"\\begin{tabular}", from); }, out);
  std::stable_sort(out.begin(), out.end(), [](const Span& a, const Span& b) { return a.begin < b.begin; });
  return out;
}

std::vector<Span> html_tables(View text) {
  std::vector<Span> out;
  nested_spans(text, 0, U"</table>", 8, 16, [](View in, size_t from) {
    const size_t begin = in.find(U"<table", from);
    return begin == kNone || in.find(U'>', begin) == kNone ? kNone : begin;
  }, out);
  return out;
}

namespace {

// A formula at `at`: its end and which mark (0 $$, 1 \[, 2 $, 3 \( ); across lines.
struct Formula {
  size_t end;
  int mark;
};
std::optional<Formula> formula_at(View text, size_t at, bool with_brackets) {
  const auto closed = [&](View open, View close, int mark) -> std::optional<Formula> {
    if (text.substr(at, open.size()) != open) return std::nullopt;
    const size_t end = text.find(close, at + open.size());
    return end == kNone ? std::nullopt : std::optional<Formula>({end + close.size(), mark});
  };
  if (const auto f = closed(U"$$", U"$$", 0)) return f;
  if (with_brackets)
    if (const auto f = closed(U"\\[", U"\\]", 1)) return f;
  if (const auto f = closed(U"$", U"$", 2)) return f;
  return closed(U"\\(", U"\\)", 3);
}

// Every $$..$$, $..$, \(..\) of a line as \[..\]; keep: marks whose content stays.
Text as_display(View line, bool keep_double) {
  Text out;
  for (size_t at = 0; at < line.size();) {
    const auto f = formula_at(line, at, /*with_brackets=*/false);
    if (!f) {
      out += line[at++];
      continue;
    }
    const size_t width = f->mark == 2 ? 1 : 2;
    const bool kept = (f->mark == 0) == keep_double;
    out += U"\\[" + (kept ? Text(line.substr(at + width, f->end - at - 2 * width)) : Text()) + U"\\]";
    at = f->end;
  }
  return out;
}

}  // namespace

std::vector<FormulaSpan> take_formulas(Text& text, OmniDocVersion version) {
  const Text source = text;
  std::vector<FormulaSpan> out;
  for (size_t at = 0; at < source.size();) {
    const auto f = formula_at(source, at, /*with_brackets=*/true);
    if (!f) {
      ++at;
      continue;
    }
    const View matched = View(source).substr(at, f->end - at);
    Text line;
    if (version == OmniDocVersion::k1_0) {
      for (char32_t c : matched)
        if (!is_space(c)) line += c;
    } else {
      line = replace_all(strip(matched), U"\n", U" ");
    }
    std::optional<Formula> inner;
    bool double_has_content = false;
    for (size_t i = 0; i < line.size() && !inner; ++i) {
      inner = formula_at(line, i, false);
      if (inner && inner->mark == 0) double_has_content = inner->end - i > 4;
    }
    if (!inner) out.push_back({at, f->end, FormulaKind::kPlain, line});
    else if (double_has_content) out.push_back({at, f->end, FormulaKind::kDouble, as_display(line, true)});
    else out.push_back({at, f->end, FormulaKind::kInline, as_display(line, false)});
    if (out.back().kind != FormulaKind::kInline) blank(text, at, f->end);
    at = f->end;
  }
  return out;
}

std::vector<OmniDocPiece> take_pipe_tables(Text& text) {
  std::vector<OmniDocPiece> out;
  if (pipe_rows(text + U"\n").size() < 2) return out;
  text = convert_pipe_tables(text);
  for (size_t at = 0; (at = text.find(U"<table", at)) != kNone;) {
    const size_t end = text.find(U"</table>", at);
    if (end == kNone) break;
    out.push_back({U"html_table", U"md2html_table", Text(strip(View(text).substr(at, end + 8 - at))), int64_t(at), int64_t(end + 8)});
    blank(text, at, end + 8);
    at = end + 8;
  }
  return out;
}

void take_code(Text& text, std::vector<OmniDocPiece>& out) {
  const Text source = text;
  for (size_t at = 0; (at = source.find(U"```", at)) != kNone;) {
    size_t word = at + 3;
    while (word < source.size() && is_word(source[word])) ++word;
    if (word == at + 3 || word >= source.size() || source[word] != '\n') {
      ++at;
      continue;
    }
    const size_t end = source.find(U"```", word + 1);
    if (end == kNone) {
      ++at;
      continue;
    }
    out.push_back({U"text_all", U"code", Text(strip(View(source).substr(word + 1, end - word - 1))), int64_t(at), int64_t(end + 3)});
    blank(text, at, end + 3);
    at = end + 3;
  }
}

namespace {

// \command{...}: the group's content in its place. trim: blanks around the brace and inside go too, and lines may break.
Text unwrapped(View text, View command, bool star, bool trim, bool space_before_brace) {
  if (!contains(text, command)) return Text(text);
  Text out;
  for (size_t at = 0; at < text.size();) {
    if (text.substr(at, command.size()) == command) {
      size_t brace = at + command.size();
      if (star && brace < text.size() && text[brace] == '*') ++brace;
      while (space_before_brace && brace < text.size() && is_space(text[brace])) ++brace;
      const size_t end = brace < text.size() && text[brace] == '{' ? text.find(U'}', brace) : kNone;
      if (end != kNone && (trim || text.find(U'\n', brace) > end)) {
        const View inside = text.substr(brace + 1, end - brace - 1);
        out += trim ? strip(inside) : inside;
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

}  // namespace

Text without_section_commands(View in) {
  Text text = unwrapped(in, U"\\title", false, false, false);
  text = unwrapped(text, U"\\title", false, true, true);
  text = unwrapped(text, U"\\text", false, true, true);
  text = unwrapped(text, U"\\section", true, false, false);
  return unwrapped(text, U"\\section", true, true, false);
}

void each_paragraph(View text, const std::function<void(int64_t, int64_t, const Text&)>& each) {
  auto pieces = split(text, U"\n\n");
  if (pieces.size() == 1) pieces = split(text, U"\n");
  int64_t position = 0;
  for (View piece : pieces) {
    const int64_t begin = position;
    position += int64_t(piece.size());
    Text kept;
    for (View line : split(strip(piece), U"\n"))
      if (const View bare = strip(line); !bare.empty()) kept += (kept.empty() ? U"" : U"\n") + Text(bare);
    if (!kept.empty()) each(begin, position, kept);
  }
}

}  // namespace splitting

std::vector<OmniDocPiece> split_markdown(std::u32string_view markdown, OmniDocVersion version) {
  using namespace splitting;
  if (version == OmniDocVersion::k1_6) return v16::split_markdown(markdown);
  Text text;
  for (size_t at = 0; at < markdown.size();) {
    if (const auto image = image_at(markdown, at)) at = image->end;
    else text += markdown[at++];
  }
  text = with_short_runs(without_fences(text));
  if (version != OmniDocVersion::k1_0)
    for (View tag : {U"<html>", U"</html>", U"<body>", U"</body>"}) text = replace_all(text, tag, U"");
  std::vector<OmniDocPiece> out;
  for (const auto& [begin, end] : latex_tables(text)) {
    out.push_back({U"latex_table", {}, text.substr(begin, end - begin), int64_t(begin), int64_t(end)});
    blank(text, begin, end);
  }
  for (const auto& [begin, end] : html_tables(text)) {
    out.push_back({U"html_table", {}, text.substr(begin, end - begin), int64_t(begin), int64_t(end)});
    blank(text, begin, end);
  }
  for (auto& formula : take_formulas(text, version))
    out.push_back({U"equation_isolated", formula.kind == FormulaKind::kInline ? Text(U"equation_inline") : Text(), std::move(formula.content), int64_t(formula.begin), int64_t(formula.end)});
  for (auto& table : take_pipe_tables(text)) out.push_back(std::move(table));
  take_code(text, out);
  each_paragraph(without_section_commands(text), [&](int64_t begin, int64_t end, const Text& kept) {
    if (v16::starts_with(kept, U"<table") && v16::ends_with(kept, U"</table>")) {
      out.push_back({U"html_table", {}, kept, begin, end});
    } else if (v16::starts_with(kept, U"$") && v16::ends_with(kept, U"$")) {
      if (!strip(replace_all(kept, U"$", U"")).empty()) out.push_back({U"equation_isolated", {}, kept, begin, end});
    } else {
      out.push_back({U"text_all", U"text_block", kept, begin, end});
    }
  });
  std::stable_sort(out.begin(), out.end(), [](const OmniDocPiece& a, const OmniDocPiece& b) { return a.begin < b.begin; });
  return out;
}

}  // namespace fovea::metrics

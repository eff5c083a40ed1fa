#include <algorithm>

#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/latex_text.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"
#include "pattern.h"

namespace fovea::metrics::v16 {
namespace {

bool is_latin(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

size_t count_of(View text, View mark) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(mark, at)) != View::npos; at += mark.size()) ++count;
  return count;
}

// Backslash and letters.
size_t num_commands(View text) {
  size_t count = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) count += text[i] == '\\' && is_latin(text[i + 1]);
  return count;
}

// Runs of at least `least` Latin letters.
size_t num_words(View text, size_t least) {
  size_t count = 0;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && is_latin(text[end])) ++end;
    count += end - i >= least;
    i = std::max(end, i + 1);
  }
  return count;
}

size_t num_of(View text, View characters) {
  return size_t(std::count_if(text.begin(), text.end(), [&](char32_t c) { return characters.find(c) != View::npos; }));
}

// looks_like_plaintext_formula_noise
bool is_prose(View stripped) {
  if (stripped.size() < 32) return false;
  static const Pattern signal(R"(\\[A-Za-z]+|[_^{}$]|\\[\[\]()]\]|&|%|#)");
  if (signal.count(stripped) > 2 || num_of(stripped, U"{}$^_") > 0) return false;
  if (contains_any(stripped, {U"\\frac", U"\\sqrt", U"\\left", U"\\right", U"\\begin", U"\\end", U"\\sum", U"\\int", U"\\alpha", U"\\beta"})) return false;
  return num_words(stripped, 3) >= 6 && num_of(stripped, U" ") >= 5;
}

// looks_like_weak_latex_input
bool is_weak(View stripped) {
  if (stripped.empty() || stripped == U"\\" || stripped == U"\\\\") return true;
  const size_t commands = num_commands(stripped), words = num_words(stripped, 3), signals = num_of(stripped, U"{}$^_=&%#");
  if (ends_with(stripped, U"\\") && !ends_with(stripped, U"\\\\") && commands == 0) return true;
  if (contains(stripped, U"\\") && commands == 0 && signals == 0) return true;
  if (words >= 2 && commands == 0 && signals <= 1) return true;
  return words >= 4 && commands <= 1 && signals <= 2;
}

bool braces_balanced(View line) {
  int depth = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && i + 1 < line.size() && View(U"{}[]()").find(line[i + 1]) != View::npos) ++i;
    else if (line[i] == '{') ++depth;
    else if (line[i] == '}' && --depth < 0) return false;
  }
  return depth == 0;
}

bool environments_balanced(View line) {
  static const Pattern mark(R"(\\(begin|end)\{([^{}]+)\})");
  std::vector<View> open;
  for (const auto& match : mark.all(line)) {
    const View name = match.of(line, 2);
    if (match.of(line, 1) == U"begin") {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name) return false;
      open.pop_back();
    }
  }
  return open.empty();
}

size_t num_command(View text, View command) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(command, at)) != View::npos; at += command.size())
    count += at + command.size() >= text.size() || !is_word(text[at + command.size()]);
  return count;
}

// \command{...} with its balanced group out; a group that is not closed loses the command alone, which ends the search.
Text without_command(Text text, View command) {
  const Text token = Text(command) + U"{";
  while (true) {
    const size_t start = text.find(token);
    if (start == Text::npos) return text;
    size_t at = start + token.size();
    int depth = 1;
    for (; at < text.size() && depth > 0; ++at) depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    if (depth > 0) return text.erase(start, command.size());
    text.erase(start, at - start);
  }
}

Text with_table_symbols(Text text) {
  static constexpr std::pair<View, View> kCommands[] = {
      {U"\\checkmark", U"√"}, {U"\\checked", U"√"}, {U"\\surd", U"√"}, {U"\\times", U"×"}, {U"\\xmark", U"×"}, {U"\\crossmark", U"×"}, {U"\\pm", U"±"}, {U"\\mp", U"∓"},
      {U"\\alpha", U"α"}, {U"\\beta", U"β"}, {U"\\gamma", U"γ"}, {U"\\gama", U"γ"}, {U"\\mu", U"μ"}, {U"\\lambda", U"λ"}, {U"\\theta", U"θ"}, {U"\\eta", U"η"},
      {U"\\pi", U"π"}, {U"\\rho", U"ρ"}, {U"\\sigma", U"σ"}, {U"\\omega", U"ω"}, {U"\\delta", U"δ"}, {U"\\Delta", U"Δ"}, {U"\\epsilon", U"ε"},
      {U"\\varepsilon", U"ε"}, {U"\\phi", U"φ"}, {U"\\varphi", U"φ"}, {U"\\tau", U"τ"}, {U"\\partial", U"∂"}, {U"\\varnothing", U"∅"}, {U"\\emptyset", U"∅"},
      {U"\\sim", U"～"},
      {U"✓", U"√"}, {U"✔", U"√"}, {U"☑", U"√"}, {U"✅", U"√"}, {U"\U0001F5F8", U"√"}, {U"✗", U"×"}, {U"✘", U"×"}, {U"✕", U"×"}, {U"✖", U"×"}, {U"☒", U"×"},
      {U"❌", U"×"}, {U"╳", U"×"}, {U"⨯", U"×"}, {U"Ø", U"∅"}, {U"∼", U"～"}, {U"〜", U"～"},
      {U"\\%", U"%"}, {U"\\#", U"#"}, {U"\\&", U"&"}, {U"\\_", U"_"}};
  for (const auto& [from, to] : kCommands)
    if (contains(text, from)) text = replace_all(text, from, to);
  return text;
}

Text without_table_math(View in) {
  static constexpr std::pair<View, View> kMarks[] = {{U"$$", U"$$"}, {U"\\[", U"\\]"}, {U"\\(", U"\\)"}, {U"$", U"$"}};
  Text text(strip(in));
  for (bool changed = true; changed && !text.empty();) {
    changed = false;
    for (const auto& [left, right] : kMarks) {
      if (!starts_with(text, left) || !ends_with(text, right) || text.size() < left.size() + right.size()) continue;
      const Text inner(strip(View(text).substr(left.size(), text.size() - left.size() - right.size())));
      if (inner.empty() || inner.size() > 128 || num_of(inner, U"<>$") > 0) continue;
      text = inner;
      changed = true;
      break;
    }
  }
  return text;
}

// Calls found(begin, end, content) for every $...$ and \(...\) of one line; what found returns takes its place, nullopt leaves it.
template <class Found> Text with_inline(View text, Found&& found) {
  Text out;
  for (size_t at = 0; at < text.size();) {
    const bool dollar = text[at] == '$', round = !dollar && text.substr(at, 2) == U"\\(";
    const View mark = dollar ? View(U"$") : View(U"\\)");
    const size_t begin = at + mark.size(), end = dollar || round ? text.find(mark, begin) : View::npos;
    if (end == View::npos || text.find(U'\n', begin) < end) {
      out += text[at++];
      continue;
    }
    const size_t after = end + mark.size();
    const std::optional<Text> instead = found(text.substr(begin, end - begin));
    out += instead ? *instead : Text(text.substr(at, after - at));
    at = after;
  }
  return out;
}

}  // namespace

Text one_line(View text) {
  Text out;
  bool pending = false;
  for (char32_t c : text) {
    if (is_space(c)) {
      pending = !out.empty();
      continue;
    }
    if (pending) out += U' ';
    pending = false;
    out += c;
  }
  return out;
}

Text without_space(View text) {
  Text out;
  for (char32_t c : text)
    if (!is_space(c)) out += c;
  return out;
}

bool contains_any(View text, std::initializer_list<View> marks) {
  return std::any_of(marks.begin(), marks.end(), [&](View mark) { return contains(text, mark); });
}

double distance(View a, View b) {
  if (a.empty() || b.empty()) return a.empty() && b.empty() ? 0 : 1;
  return normalized_edit_distance(a, b);
}

Text replace_textcircle(View text) {
  static const Pattern command(R"(\\textcircled\s*\{\s*([^{}]+?)\s*\})");
  Text out = contains(text, U"\\textcircled") ? command.replace(text, [&](const auto& match) { return Text(strip(match.of(text, 1))); }) : Text(text);
  Text plain;
  for (char32_t c : out) {
    if (c >= 0x2460 && c < 0x2474) {
      const uint32_t number = c - 0x2460 + 1;
      if (number >= 10) plain += U'0' + number / 10;
      plain += U'0' + number % 10;
    } else if (c >= 0x24D0 && c < 0x24EA) {
      plain += U'a' + (c - 0x24D0);
    } else if (c >= 0x24B6 && c < 0x24D0) {
      plain += U'A' + (c - 0x24B6);
    } else {
      plain += c;
    }
  }
  return plain;
}

bool likely_bad_latex(View latex, bool formula) {
  const View stripped = strip(latex);
  if (stripped.empty()) return false;
  if (stripped.size() > 8000 || !braces_balanced(stripped) || !environments_balanced(stripped)) return true;
  if (!formula) return false;
  if (num_command(stripped, U"\\left") != num_command(stripped, U"\\right")) return true;
  if (count_of(stripped, U"\\(") != count_of(stripped, U"\\)") || count_of(stripped, U"\\[") != count_of(stripped, U"\\]")) return true;
  size_t dollars = 0;
  for (size_t i = 0; i < stripped.size(); ++i) dollars += stripped[i] == '$' && (i == 0 || stripped[i - 1] != '\\');
  return dollars % 2 != 0;
}

Text safe_latex_to_text(View latex, View fallback) {
  const View stripped = strip(latex);
  if (stripped.empty()) return Text(fallback);
  if (num_of(stripped, U"\\{}$") == 0) return Text(stripped);
  if (is_prose(stripped) || is_weak(stripped) || likely_bad_latex(stripped, true)) return Text(fallback);
  return latex_to_text(stripped).value_or(Text(fallback));
}

Text strip_formula_delimiters(View in) {
  static constexpr std::pair<View, View> kMarks[] = {{U"$$", U"$$"}, {U"\\[", U"\\]"}, {U"\\(", U"\\)"}, {U"$", U"$"}};
  Text text(strip(strip(in), U"\n"));
  for (bool changed = true; changed && !text.empty();) {
    changed = false;
    for (const auto& [left, right] : kMarks) {
      if (!starts_with(text, left) || !ends_with(text, right) || text.size() < left.size() + right.size()) continue;
      text = Text(strip(View(text).substr(left.size(), text.size() - left.size() - right.size())));
      changed = true;
      break;
    }
  }
  return text;
}

Text strip_formula_tags(View in) {
  Text text(in);
  const View command = U"\\tag";
  for (size_t from = 0;;) {
    const size_t start = text.find(command, from);
    if (start == Text::npos) break;
    size_t at = start + command.size();
    if (at < text.size() && is_word(text[at]) && text[at] != '_' && !(text[at] >= '0' && text[at] <= '9')) {  // str.isalpha()
      from = at;
      continue;
    }
    const auto skip = [&] {
      while (at < text.size() && is_space(text[at])) ++at;
    };
    skip();
    if (at < text.size() && text[at] == '*') ++at, skip();
    if (at >= text.size() || text[at] != '{') {
      from = start + command.size();
      continue;
    }
    int depth = 1;
    for (++at; at < text.size() && depth > 0; ++at) depth += text[at] == '{' ? 1 : text[at] == '}' ? -1 : 0;
    text.erase(start, depth == 0 ? at - start : command.size());
    from = start;
  }
  return replace_all(replace_all(text, U"\\notag", U""), U"\\nonumber", U"");
}

Text textblock2unicode(View in) {
  const Text text = replace_textcircle(in);
  return with_inline(text, [](View content) -> std::optional<Text> {
    Text clean;
    for (size_t i = 0; i < content.size(); ++i) {
      if (content[i] == '\\' && i + 1 < content.size() && View(U"\\_&%^").find(content[i + 1]) != View::npos) ++i;
      else clean += content[i];
    }
    if (clean.find_first_of(U"\\^_") == Text::npos) return std::nullopt;
    if (clean.back() == '\\') clean += U' ';
    const View bare = strip(clean);
    if (!bare.empty()) {
      const bool complex = bare.size() > 128 || contains_any(bare, {U"\\begin{", U"\\end{", U"\\array", U"\\matrix", U"\\tabular", U"\\cases", U"\\align", U"\\\\", U"&"});
      if (complex || num_of(bare, U"{") != num_of(bare, U"}")) return std::nullopt;
    }
    return Text(strip(safe_latex_to_text(clean, clean)));
  });
}

Text clean_string(View text) { return metrics::clean_string(replace_textcircle(text), OmniDocVersion::k1_5); }

Text text_with_normal_formulas(View text) {
  return with_inline(text, [](View content) -> std::optional<Text> { return Text(strip(normalized_formula(content))); });
}

Text normalized_formula(View in) {
  Text text = strip_formula_tags(strip_formula_delimiters(replace_textcircle(in)));
  static const Pattern wrapped(R"(\\\[(.+?)(?<!\\)\\\]|\\\((.+?)(?<!\\)\\\))");
  if (const auto match = wrapped.search(text)) text = Text(strip(match->has(1) ? match->of(text, 1) : match->of(text, 2)));
  text = without_command(std::move(text), U"\\phantom");
  Text kept;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && View(U"!,;:").find(text[i + 1]) != View::npos) ++i;
    else kept += text[i];
  }
  text.clear();
  for (size_t i = 0; i < kept.size(); ++i)
    if (kept[i] != '&' || (i > 0 && kept[i - 1] == '\\')) text += kept[i];
  for (const auto& [from, to] : {std::pair<View, View>{U"\\mid", U"|"}, {U"\\vert", U"|"}, {U"\\{", U""}, {U"\\}", U""}, {U"~", U""}}) text = replace_all(text, from, to);
  static const Pattern spans(R"(\\hspace\{.*?\})"), begins(R"(\\begin\{.*?\})"), ends(R"(\\end\{.*?\})"), separations(R"(\\arraycolsep.*?\})"), columns(R"(\{[lcr| ]+\})");
  for (const Pattern* pattern : {&spans, &begins, &ends, &separations, &columns}) text = pattern->remove(text);
  text = Text(strip(text, U"."));
  static constexpr View kDeleted[] = {
      U"\\mathbf", U"\\mathrm", U"\\mathnormal", U"\\mathit", U"\\mathbb", U"\\mathcal", U"\\mathscr", U"\\mathfrak", U"\\mathsf", U"\\mathtt", U"\\textbf", U"\\text",
      U"\\boldmath", U"\\boldsymbol", U"\\operatorname", U"\\bm", U"\\symbfit", U"\\mathbfcal", U"\\symbf", U"\\scriptscriptstyle", U"\\notag", U"\\setlength",
      U"\\coloneqq", U"\\space", U"\\thickspace", U"\\thinspace", U"\\medspace", U"\\nobreakspace", U"\\negmedspace", U"\\quad", U"\\qquad", U"\\enspace",
      U"\\substackw", U" ", U"$$", U"\\left", U"\\right", U"\\displaystyle", U"\\text"};
  for (View mark : kDeleted)
    if (contains(text, mark)) text = replace_all(text, mark, U"");
  static const Pattern simple(R"(\{([A-Za-z0-9.+\-]+)\})"), opens(R"(\{\{+)"), closes(R"(\}\}+)"), group(R"(\{([^{}]{1,160})\})");
  for (Text before; text != before;) {
    before = text;
    text = simple.replace(text, [&](const auto& match) { return Text(match.of(text, 1)); });
    text = replace_all(text, U"{}", U"");
    text = opens.replace(text, [](const auto&) { return Text(U"{"); });
    text = closes.replace(text, [](const auto&) { return Text(U"}"); });
    text = group.replace(text, [&](const auto& match) {
      const View inside = match.of(text, 1);
      return Text(contains_any(inside, {U"=", U"+", U"-", U"\\\\", U"^", U"_", U"[", U"]", U"(", U")"}) ? inside : match.of(text, 0));
    });
  }
  return without_space(lower(text));
}

Text normalized_cell(View in) {
  Text text = replace_all(replace_all(nfkc(in), U"\u00A0", U" "), U"\u200B", U"");
  text = with_table_symbols(without_table_math(with_table_symbols(std::move(text))));
  const View bare = strip(text);
  if (bare == U"-" || bare == U"\u2013" || bare == U"\u2212" || bare == U"\uFF0D") return U"\u2014";
  Text out;
  for (size_t i = 0; i < text.size(); ++i)
    if (!is_space(text[i])) out += text[i];
    else if (i == 0 || !is_space(text[i - 1])) out += U' ';
  return Text(strip(out));
}

}  // namespace fovea::metrics::v16

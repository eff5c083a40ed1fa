#include "omnidoc16_rescue.h"

#include <algorithm>

#include "fovea/metrics/unicode_text.h"
#include "html.h"
#include "pattern.h"

namespace fovea::metrics::v16 {
namespace {

size_t num_latin(View text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }));
}

const Pattern& digit() {
  static const Pattern pattern(R"(\d)");
  return pattern;
}

// _strip_formula_wrappers_keep_content
Text without_wrappers(View in) {
  static const Pattern kPairs[] = {Pattern(R"(\$\$(.*?)\$\$)", true), Pattern(R"(\\\[(.*?)\\\])", true), Pattern(R"(\\\((.*?)\\\))", true), Pattern(R"(\$(.*?)\$)", true)};
  Text text(in);
  for (const Pattern& pair : kPairs) text = pair.replace(text, [&](const auto& match) { return U" " + Text(match.of(text, 1)) + U" "; });
  return text;
}

// _formula_like_text
bool like_formula(View in) {
  const Text text = one_line(in);
  if (text.empty() || text.size() > 220) return false;
  const Text bare = without_wrappers(text), compact = without_space(bare);
  if (compact.empty()) return false;
  static const Pattern token(R"(\\frac|\\sqrt|\\sum|\\int|\\prod|\\times|\\div|\\square|\\cdots|\\left|\\right|\\approx|\\xrightarrow|\\rightarrow|\\longrightarrow|[=<>≤≥≈÷×±∑∫√→^_□△…%/+\-])");
  static const Pattern inlines(R"(\$(.*?)\$|\\\((.*?)\\\))"), displays(R"(\$\$(.*?)\$\$|\\\[(.*?)\\\])", true), cjk("[\\u4e00-\\u9fff]"), word("[A-Za-z]{4,}");
  static const Pattern marks(R"(\\[A-Za-z]+|[=<>≤≥÷×±∑∫√\^_□△…%/()+\-])");
  const size_t operators = token.count(bare), digits = digit().count(bare), wrapped = inlines.count(text) + displays.count(text), ideographs = cjk.count(bare), words = word.count(bare);
  const Text residual = without_space(digit().remove(marks.remove(bare)));
  if (wrapped > 0 && residual.size() <= 18 && operators >= 1) return true;
  if (contains_any(bare, {U"□", U"\\square"}) && operators >= 1 && words <= 1 && compact.size() <= 80) return true;
  if (contains_any(bare, {U"\\xrightarrow", U"\\longrightarrow", U"→"}) && ideographs <= 24 && compact.size() <= 120) return true;
  if (operators >= 2 && digits >= 1 && words <= 2 && ideographs <= 12 && compact.size() <= 100) return true;
  return operators >= 3 && words == 0 && ideographs <= 18 && compact.size() <= 80;
}

// _sanitize_formula_candidate
Text as_formula(View in) {
  Text text = one_line(replace_all(in, U"\u3000", U" "));
  if (text.empty()) return {};
  text = without_wrappers(text);
  static constexpr std::pair<View, View> kMarks[] = {
      {U"……", U" \\cdots \\cdots "}, {U"…", U" \\cdots "}, {U"×", U" \\times "}, {U"÷", U" \\div "}, {U"≤", U" \\leq "}, {U"≥", U" \\geq "}, {U"≠", U" \\neq "},
      {U"≈", U" \\approx "}, {U"□", U" \\square "}, {U"△", U" \\triangle "}, {U"（", U"("}, {U"）", U")"}, {U"［", U"["}, {U"］", U"]"}, {U"｛", U"{"}, {U"｝", U"}"}};
  for (const auto& [from, to] : kMarks) text = replace_all(text, from, to);
  static const Pattern arrow(R"((.*?)\\xrightarrow\s*\{([^{}]+)\}(.*))");
  if (const auto match = arrow.search(text)) {
    const Text left(strip(match->of(text, 1)));
    Text label(strip(match->of(text, 2))), right(strip(match->of(text, 3)));
    if (!label.empty() && !contains(label, U"\\")) label = U"\\text{" + label + U"}";
    const View redox = U"氧化还原反应";
    if (ends_with(right, redox)) {
      right = Text(strip(View(right).substr(0, right.size() - redox.size())));
      text = Text(strip(left + U" \\underset{" + Text(redox) + U"}{\\xrightarrow{" + label + U"}} " + right));
    } else {
      text = Text(strip(left + U" \\xrightarrow{" + label + U"} " + right));
    }
  }
  Text escaped;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] == '%' || text[i] == '&') && (i == 0 || text[i - 1] != '\\')) escaped += U'\\';
    escaped += text[i];
  }
  text = one_line(escaped);
  if (text.empty() || starts_with(text, U"\\begin{") || starts_with(text, U"$$") || starts_with(text, U"\\[")) return text;
  return U"\\[ " + text + U" \\]";
}

bool has_fraction(View text) {
  static const Pattern fraction(R"(\d+\s*/\s*\d+)");
  return contains(text, U"\\frac") || fraction.is_in(text);
}

// _looks_like_table_formula_cell
bool is_formula_cell(View cell) {
  if (cell.empty() || cell.size() > 120 || !like_formula(cell)) return false;
  if (!contains_any(cell, {U"=", U"+", U"-", U"×", U"÷", U"/", U"≈", U"\\times", U"\\div", U"\\approx"})) return false;
  return digit().count(cell) >= 2 || has_fraction(cell);
}

// _looks_like_compound_arithmetic_formula
bool is_arithmetic(View in) {
  const Text text = one_line(in);
  static const Pattern other(R"(\\(mathbf|left|right|cdot|lambda|Gamma|varGamma|text|matrix|pmatrix|bmatrix))");
  if (text.empty() || text.size() > 160 || contains_any(text, {U"\\begin{", U"\\end{"}) || other.is_in(text)) return false;
  if (!contains_any(text, {U"=", U"\\approx", U"≈", U"\\neq", U"≠", U"\\leq", U"≤", U"\\geq", U"≥"})) return false;
  return digit().count(text) >= 2 || has_fraction(text);
}

struct Envelope {
  View left, right;
  Text inside;
  Text around(View text) const {
    const Text bare(strip(text));
    if (bare.empty()) return {};
    return left.empty() ? bare : Text(left) + U" " + bare + U" " + Text(right);
  }
};
Envelope envelope_of(View in) {
  const Text text = one_line(in);
  static constexpr std::pair<View, View> kMarks[] = {{U"\\[", U"\\]"}, {U"\\(", U"\\)"}, {U"$$", U"$$"}, {U"$", U"$"}};
  for (const auto& [left, right] : kMarks)
    if (starts_with(text, left) && ends_with(text, right) && text.size() >= left.size() + right.size())
      return {left, right, Text(strip(View(text).substr(left.size(), text.size() - left.size() - right.size())))};
  return {{}, {}, text};
}

// _latex_fragment_to_plain_text
Text plain_text(View in) {
  const View text = strip(in);
  return text.empty() ? Text() : one_line(replace_all(safe_latex_to_text(text, text), U"\u00A0", U" "));
}

// _looks_like_equation_caption
bool is_caption(View in) {
  const View raw = strip(in);
  const Text plain = plain_text(raw);
  if (raw.empty() || plain.empty()) return false;
  static const Pattern word("[A-Za-z]{2,}"), mathematics(R"(\\[A-Za-z]+|[=<>≤≥÷×±∑∫√_^{}])"), number("^[0-9IVXivx]+$");
  const size_t letters = num_latin(plain), marks = mathematics.count(raw);
  const View core = starts_with(plain, U"(") && ends_with(plain, U")") && plain.size() > 1 ? strip(View(plain).substr(1, plain.size() - 2)) : View(plain);
  if (number.is_in(replace_all(core, U" ", U""))) return false;
  if (letters >= 10 && word.count(plain) >= 2 && marks <= 6) return true;
  return letters >= 14 && digit().count(plain) == 0 && marks <= 3;
}

const Pattern& leading_number() {
  static const Pattern pattern(R"(^\s*((?:\\left\(\s*[0-9IVXivx]+\s*\\right\)|\(\s*[0-9IVXivx]+\s*\)))\s*(?:(?:\\qquad|\\quad|\\enspace|\\,|\\;|\\:)\s*)*)");
  return pattern;
}
struct Trailing {
  Pattern patterns[2] = {Pattern(R"(((?:\\qquad|\\quad|\\enspace|\\,|\\;|\\:)\s*)(\\text\s*\{[^{}]*\}\.?)\s*$)"),
                         Pattern(R"(((?:\\qquad|\\quad|\\enspace|\\,|\\;|\\:)\s*)(\([^)]*[A-Za-z][^)]*\)\.?)\s*$)")};
  // Where the caption's separator begins, and the caption.
  std::optional<std::pair<size_t, Text>> find(View text) const {
    for (const auto& pattern : patterns)
      if (const auto match = pattern.search(text); match && is_caption(match->of(text, 2))) return {{match->groups[1].first, Text(strip(match->of(text, 2)))}};
    return std::nullopt;
  }
};
const Trailing& trailing() {
  static const Trailing patterns;
  return patterns;
}

void add_margin_text(std::vector<OmniDocPiece>& out, View text, int64_t begin, int64_t end) {
  Text plain = plain_text(text);
  if (!plain.empty()) out.push_back({U"text_all", U"equation_caption", std::move(plain), begin, end});
}

}  // namespace

void add_rescue(std::vector<OmniDocPiece>& out, View text, int64_t begin, int64_t end, View fine_category) {
  if (!like_formula(text)) return;
  Text content = as_formula(text);
  if (content.empty()) return;
  const bool arrow = contains_any(content, {U"\\xrightarrow", U"\\longrightarrow"});
  out.push_back({arrow ? U"equation_isolated" : U"formula_rescue", Text(fine_category), std::move(content), begin, end});
}

void add_cell_rescues(std::vector<OmniDocPiece>& out, View table, int64_t begin) {
  int64_t cursor = std::max<int64_t>(begin, 0);
  const auto text_of = [](const auto& self, const HtmlNode& node, Text& text) -> void {
    for (const auto& child : node.children) {
      if (child.verbatim) continue;
      if (child.tag.empty()) text += (text.empty() ? U"" : U" ") + child.text;
      else self(self, child, text);
    }
  };
  const auto walk = [&](const auto& self, const HtmlNode& node) -> void {
    for (const auto& child : node.children) {
      if (child.tag == U"td" || child.tag == U"th") {
        Text text;
        text_of(text_of, child, text);
        text = one_line(text);
        if (is_formula_cell(text)) {
          if (Text content = as_formula(text); !content.empty()) {
            const int64_t end = cursor + std::max<int64_t>(int64_t(text.size()), 1);
            out.push_back({U"equation_isolated", U"table_formula_rescue", std::move(content), cursor, end});
            cursor = end + 1;
          }
        }
      }
      self(self, child);
    }
  };
  walk(walk, parse_html(table, /*close_cells=*/false));
}

void add_display(std::vector<OmniDocPiece>& out, const Text& formula, int64_t begin, int64_t end, View fine_category) {
  Text whole = formula;
  std::vector<OmniDocPiece> margin;
  const Envelope envelope = envelope_of(formula);
  if (!envelope.inside.empty() && (leading_number().is_in(envelope.inside) || trailing().find(envelope.inside))) {
    Text working = envelope.inside;
    if (const auto match = leading_number().search(working)) {
      const Text number(strip(match->of(working, 1)));
      add_margin_text(margin, number, begin, std::min(end, begin + std::max<int64_t>(int64_t(number.size()), 1)));
      working = Text(strip(View(working).substr(match->end)));
    }
    while (!working.empty()) {
      const auto caption = trailing().find(working);
      if (!caption) break;
      add_margin_text(margin, caption->second, std::max(begin, end - std::max<int64_t>(int64_t(caption->second.size()), 1)), end);
      working.resize(caption->first);
      while (!working.empty() && is_space(working.back())) working.pop_back();
    }
    static const Pattern spacing(R"((?:(?:\\qquad|\\quad|\\enspace|\\,|\\;|\\:)\s*)+$)");
    working = Text(strip(spacing.remove(working)));
    whole = working.empty() ? one_line(formula) : envelope.around(working);
    if (working.empty()) margin.clear();
  }
  const Envelope inner = envelope_of(whole);
  std::vector<Text> segments;
  if (contains(inner.inside, U"\\quad") || contains(inner.inside, U"\\qquad")) {
    static const Pattern space(R"(\s*(?:\\qquad|\\quad)\s*)");
    size_t at = 0;
    const auto add = [&](size_t stop) {
      if (const View segment = strip(View(inner.inside).substr(at, stop - at)); !segment.empty()) segments.emplace_back(segment);
    };
    for (const auto& match : space.all(inner.inside)) add(match.begin), at = match.end;
    add(inner.inside.size());
  }
  if (segments.size() > 1 && std::all_of(segments.begin(), segments.end(), [](const Text& s) { return is_arithmetic(s); })) {
    const int64_t num = int64_t(segments.size()), each = std::max<int64_t>(std::max(end - begin, num) / num, 1);
    for (int64_t k = 0; k < num; ++k)
      out.push_back({U"equation_isolated", Text(fine_category), inner.around(segments[size_t(k)]), begin + k * each, k == num - 1 ? end : std::min(end, begin + (k + 1) * each)});
  } else {
    out.push_back({U"equation_isolated", Text(fine_category), std::move(whole), begin, end});
  }
  for (auto& piece : margin) out.push_back(std::move(piece));
}

bool is_mere_label(const OmniDocPiece& piece) {
  if (piece.category != U"equation_isolated" || piece.fine_category != U"equation_inline") return false;
  const View raw = strip(piece.content);
  if (raw.empty()) return false;
  const Text core = without_wrappers(raw), compact = without_space(core);
  if (starts_with(compact, U"\\xrightarrow") || starts_with(compact, U"\\longrightarrow")) return true;
  if (compact.empty() || compact.size() > 24) return false;
  if (contains_any(core, {U"=", U"<", U">", U"≤", U"≥", U"≈", U"≠", U"^", U"+", U"-", U"/", U"\\cdot", U"\\frac", U"\\sqrt", U"\\sum", U"\\int", U"\\times", U"\\div", U"\\approx",
                          U"\\neq", U"\\leq", U"\\geq", U"\\xrightarrow", U"\\longrightarrow"}))
    return false;
  static const Pattern label("^(?:[A-Za-z0-9._,-]+|[ΓγλμνxyzuvwMNOabcABC0-9._,-]+)$");
  return label.is_in(compact);
}

}  // namespace fovea::metrics::v16

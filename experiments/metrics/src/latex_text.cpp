#include "fovea/metrics/latex_text.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

const std::unordered_map<View, View>& symbols() {
  static const std::unordered_map<View, View> table = {
#include "latex_symbols.inc"
  };
  return table;
}

const std::unordered_map<View, const char*>& arguments() {
  static const std::unordered_map<View, const char*> table = {
#include "latex_arguments.inc"
  };
  return table;
}

// Combining character that a command sets on its argument.
char32_t accent_of(View command) {
  static const std::unordered_map<View, char32_t> table = {
      {U"'", 0x301}, {U"`", 0x300}, {U"\"", 0x308}, {U"c", 0x327}, {U"^", 0x302}, {U"~", 0x303}, {U"H", 0x30B}, {U"k", 0x328}, {U"=", 0x304}, {U"b", 0x331},
      {U".", 0x307}, {U"d", 0x323}, {U"r", 0x30A}, {U"u", 0x306}, {U"v", 0x30C}, {U"vec", 0x20D7}, {U"dot", 0x307}, {U"hat", 0x302}, {U"check", 0x30C},
      {U"breve", 0x306}, {U"acute", 0x301}, {U"grave", 0x300}, {U"tilde", 0x303}, {U"bar", 0x305}, {U"ddot", 0x308}, {U"not", 0x338}};
  const auto found = table.find(command);
  return found == table.end() ? 0 : found->second;
}

// A mathematical alphabet: the first capital, the first small letter, and letters that Unicode has elsewhere.
struct Alphabet {
  char32_t capital, small;
  std::vector<std::pair<char32_t, char32_t>> elsewhere;
};

const Alphabet* alphabet_of(View command) {
  static const std::vector<std::pair<char32_t, char32_t>> kScript = {{'B', 0x212C}, {'E', 0x2130}, {'F', 0x2131}, {'H', 0x210B}, {'I', 0x2110}, {'L', 0x2112},
                                                                     {'M', 0x2133}, {'R', 0x211B}, {'e', 0x212F}, {'g', 0x210A}, {'o', 0x2134}};
  static const std::unordered_map<View, Alphabet> table = {
      {U"mathbf", {0x1D400, 0x1D41A, {}}},
      {U"mathit", {0x1D434, 0x1D44E, {{'h', 0x210E}}}},
      {U"mathsf", {0x1D5A0, 0x1D5BA, {}}},
      {U"mathtt", {0x1D670, 0x1D68A, {}}},
      {U"mathcal", {0x1D49C, 0x1D4B6, kScript}},
      {U"mathscr", {0x1D49C, 0x1D4B6, kScript}},
      {U"mathfrak", {0x1D504, 0x1D51E, {{'C', 0x212D}, {'H', 0x210C}, {'I', 0x2111}, {'R', 0x211C}, {'Z', 0x2128}}}},
      {U"mathbb", {0x1D538, 0x1D552, {{'C', 0x2102}, {'H', 0x210D}, {'N', 0x2115}, {'P', 0x2119}, {'Q', 0x211A}, {'R', 0x211D}, {'Z', 0x2124}}}}};
  const auto found = table.find(command);
  return found == table.end() ? nullptr : &found->second;
}

Text in_alphabet(View text, const Alphabet& alphabet) {
  Text out;
  for (char32_t c : text) {
    const auto other = std::find_if(alphabet.elsewhere.begin(), alphabet.elsewhere.end(), [c](const auto& pair) { return pair.first == c; });
    if (other != alphabet.elsewhere.end()) out += other->second;
    else if (c >= 'A' && c <= 'Z') out += alphabet.capital + c - 'A';
    else if (c >= 'a' && c <= 'z') out += alphabet.small + c - 'a';
    else out += c;
  }
  return out;
}

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

struct CannotParse : std::runtime_error { using runtime_error::runtime_error; };  // the source gives up on what encloses
struct Raises : std::runtime_error { using runtime_error::runtime_error; };       // the source raises

enum class Kind { kChars, kBareCommand, kOther, kColumn, kRow };
struct Node {
  Kind kind;
  Text text;
  Text space_after;  // of a bare command
};
using Nodes = std::vector<Node>;

class Parser {
 public:
  explicit Parser(View in) : in_(in) {}

  Text run() { return joined(nodes(U"", false), false); }

 private:
  // Nodes up to the closing mark, which is consumed; "" stands for the end of the text.
  Nodes nodes(View closing, bool math) {
    if (++depth_ > 200) throw CannotParse("too deep");
    Nodes out;
    const auto add_char = [&](char32_t c) {
      if (out.empty() || out.back().kind != Kind::kChars) out.push_back({Kind::kChars, {}, {}});
      out.back().text += c;
    };
    while (true) {
      if (!closing.empty() && starts(closing)) {
        at_ += closing.size();
        --depth_;
        return out;
      }
      if (at_ >= in_.size()) {
        if (!closing.empty()) throw CannotParse("not closed");
        --depth_;
        return out;
      }
      const char32_t c = in_[at_];
      if (c == '{') {
        ++at_;
        out.push_back({Kind::kOther, joined(nodes(U"}", math), math), {}});
      } else if (c == '}') {
        throw CannotParse("closed, never opened");
      } else if (c == '%') {
        while (at_ < in_.size() && in_[at_] != '\n') ++at_;
        Text space;
        while (at_ < in_.size() && is_space(in_[at_])) space += in_[at_++];
        out.push_back({Kind::kOther, space, {}});
      } else if (c == '$') {
        const View mark = starts(U"$$") ? View(U"$$") : View(U"$");
        at_ += mark.size();
        out.push_back({Kind::kOther, formula(nodes(mark, true), mark.size() == 2), {}});
      } else if (c == '\\') {
        command(out, math);
      } else if (c == '&') {
        ++at_;
        out.push_back({Kind::kColumn, U"   ", {}});
      } else if (const auto [length, text] = ligature(); length > 0) {
        at_ += length;
        out.push_back({Kind::kOther, Text(text), {}});
      } else {
        add_char(c);
        ++at_;
      }
    }
  }

  std::pair<size_t, View> ligature() const {
    static constexpr std::pair<View, View> kMarks[] = {{U"---", U"\u2014"}, {U"--", U"\u2013"}, {U"``", U"\u201C"}, {U"''", U"\u201D"},
                                                       {U"!`", U"\u00A1"},  {U"?`", U"\u00BF"}, {U"~", U"\u00A0"}};
    for (const auto& [mark, text] : kMarks)
      if (starts(mark)) return {mark.size(), text};
    return {0, U""};
  }

  void command(Nodes& out, bool math) {
    ++at_;
    if (at_ >= in_.size()) throw Raises("a backslash at the end");
    Text name;
    if (is_letter(in_[at_])) {
      while (at_ < in_.size() && is_letter(in_[at_])) name += in_[at_++];
    } else {
      name = in_[at_++];
    }
    if (name == U"(" || name == U"[") {
      const bool display = name == U"[";
      out.push_back({Kind::kOther, formula(nodes(display ? U"\\]" : U"\\)", true), display), {}});
      return;
    }
    if (name == U")" || name == U"]") throw CannotParse("closed, never opened");
    if (name == U"end") throw CannotParse("ended, never begun");
    if (name == U"begin") return environment(out, math);
    const bool alphabetic = is_letter(name[0]);
    Text space;
    if (alphabetic) while (at_ < in_.size() && is_space(in_[at_])) space += in_[at_++];

    const auto spec = arguments().find(name);
    if (spec == arguments().end()) {
      const auto symbol = symbols().find(name);
      out.push_back({Kind::kBareCommand, symbol == symbols().end() ? bare(name) : Text(symbol->second), space});
      return;
    }
    std::vector<Text> given;
    const size_t after_name = at_;
    bool any = false;
    for (const char* kind = spec->second; *kind; ++kind) {
      const size_t before = at_;
      if (name != U"\\") skip_space();
      if (*kind == '{') {
        given.push_back(argument(math));
        any = true;
      } else if (*kind == '[' && at_ < in_.size() && in_[at_] == '[') {
        ++at_;
        given.push_back(joined(nodes(U"]", math), math));
        any = true;
      } else if (*kind == '*' && at_ < in_.size() && in_[at_] == '*') {
        ++at_;
        given.push_back(U"*");
        any = true;
      } else {
        at_ = before;
        given.emplace_back();
      }
    }
    if (!any) at_ = after_name;
    out.push_back({name == U"\\" ? Kind::kRow : Kind::kOther, with_arguments(name, given), {}});
  }

  static Text bare(View name) {
    if (name == U"%") return U"%";
    return {};
  }

  static Text with_arguments(View name, const std::vector<Text>& given) {
    const auto arg = [&](size_t i) { return i < given.size() ? given[i] : Text(); };
    if (const char32_t accent = accent_of(name)) {
      Text out;
      for (char32_t c : strip(given[0])) out += nfc(Text{c == 0x131 ? U'i' : c == 0x237 ? U'j' : c, accent});
      return out;
    }
    if (const Alphabet* alphabet = alphabet_of(name)) return in_alphabet(arg(0), *alphabet);
    if (name == U"\\") return U"\n";
    if (name == U"frac" || name == U"nicefrac") return arg(0) + U"/" + arg(1);
    if (name == U"sqrt") return U"\u221A(" + arg(1) + U")";
    if (name == U"ket") return U"|" + arg(0) + U"\u27E9";
    if (name == U"bra") return U"\u27E8" + arg(0) + U"|";
    if (name == U"braket") return U"\u27E8" + arg(0) + U"|" + arg(1) + U"\u27E9";
    if (name == U"ketbra") return U"|" + arg(0) + U"\u27E9\u27E8" + arg(1) + U"|";
    if (name == U"footnote") return U"[" + arg(1) + U"]";
    if (name == U"url") return U"<" + arg(0) + U">";
    if (name == U"textcolor" || name == U"colorbox") return arg(2);
    if (name == U"fcolorbox") return arg(4);
    if (name == U"texorpdfstring") return arg(1);
    if (name == U"vspace") return U"\n";
    if (name == U"item") return U"\n  " + (arg(0).empty() ? Text(U"* ") : arg(0));
    if (name == U"chapter") return U"\n\nCHAPTER: " + upper(arg(2)) + U"\n";
    if (name == U"section") return U"\n\n\u00A7 " + upper(arg(2)) + U"\n";
    if (name == U"subsection") return U"\n\n \u00A7.\u00A7 " + arg(2) + U"\n";
    if (name == U"subsubsection") return U"\n\n  \u00A7.\u00A7.\u00A7 " + arg(2) + U"\n";
    static constexpr View kKept[] = {U"mathrm", U"emph", U"textrm", U"textit", U"textbf", U"textsc", U"textsl", U"text", U"ensuremath", U"overline", U"underline",
                                     U"widehat", U"widetilde", U"wideparen", U"overleftarrow", U"overrightarrow", U"overleftrightarrow", U"underleftarrow",
                                     U"underrightarrow", U"underleftrightarrow", U"overbrace", U"underbrace", U"overgroup", U"undergroup", U"overbracket",
                                     U"underbracket", U"overlinesegment", U"underlinesegment", U"overleftharpoon", U"overrightharpoon"};
    if (std::find(std::begin(kKept), std::end(kKept), name) != std::end(kKept)) return arg(0);
    const auto symbol = symbols().find(name);
    return symbol == symbols().end() ? Text() : Text(symbol->second);
  }

  // A group, a command without its arguments, or one character; empty where none can be had.
  Text argument(bool math) {
    if (at_ >= in_.size() || in_[at_] == '}') return {};
    if (in_[at_] == '{') {
      ++at_;
      const int depth = depth_;
      try {
        return joined(nodes(U"}", math), math);
      } catch (const CannotParse&) {
        depth_ = depth;
        at_ = in_.size();
        return {};
      }
    }
    if (in_[at_] == '\\') {
      size_t end = at_ + 1;
      if (end >= in_.size()) return {};
      if (is_letter(in_[end])) while (end < in_.size() && is_letter(in_[end])) ++end;
      else ++end;
      const View name = in_.substr(at_ + 1, end - at_ - 1);
      at_ = end;
      if (is_letter(name[0])) skip_space();
      const auto spec = arguments().find(name);
      if (spec != arguments().end()) return with_arguments(name, std::vector<Text>(std::char_traits<char>::length(spec->second)));
      const auto symbol = symbols().find(name);
      return symbol == symbols().end() ? bare(name) : Text(symbol->second);
    }
    return Text(1, in_[at_++]);
  }

  void environment(Nodes& out, bool math) {
    skip_space();
    const size_t end = at_ < in_.size() && in_[at_] == '{' ? in_.find(U'}', at_) : View::npos;
    if (end == View::npos) {
      out.push_back({Kind::kChars, U"\\begin", {}});
      at_ = in_.size();
      return;
    }
    const Text name(in_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    static constexpr View kFormulas[] = {U"equation", U"equation*", U"eqnarray", U"eqnarray*", U"align", U"align*", U"gather", U"gather*", U"multline", U"multline*",
                                         U"dmath", U"dmath*"};
    static constexpr View kMatrices[] = {U"array", U"pmatrix", U"bmatrix", U"smallmatrix", U"psmallmatrix", U"bsmallmatrix"};
    const bool is_formula = std::find(std::begin(kFormulas), std::end(kFormulas), name) != std::end(kFormulas);
    const bool is_matrix = std::find(std::begin(kMatrices), std::end(kMatrices), name) != std::end(kMatrices);
    const char* spec = name == U"array" || name == U"tabularx" ? "[{" : name == U"tabular" || name == U"alignat" || name == U"alignat*" ? "{" : "";
    for (; *spec; ++spec) {
      skip_space();
      if (*spec == '{') argument(math);
      else if (at_ < in_.size() && in_[at_] == '[') ++at_, nodes(U"]", math);
    }
    const Nodes body = nodes(U"\\end{" + name + U"}", math || is_formula);
    Text text;
    if (is_formula) text = formula(body, true);
    else if (is_matrix) text = matrix(body, math);
    else if (name == U"center" || name == U"flushleft" || name == U"flushright") text = U"\n" + joined(body, math) + U"\n";
    else text = joined(body, math);
    out.push_back({Kind::kOther, text, {}});
  }

  static Text formula(const Nodes& body, bool display) {
    const Text content(strip(joined(body, true)));
    return display ? U"\n    " + replace_all(content, U"\n", U"\n    ") + U"\n" : content;
  }

  static Text matrix(const Nodes& body, bool math) {
    std::vector<std::vector<Text>> rows(1);
    Nodes cell;
    const auto end_cell = [&] {
      if (!cell.empty()) rows.back().emplace_back(strip(joined(cell, math)));
      cell.clear();
    };
    for (const auto& node : body) {
      if (node.kind == Kind::kColumn) end_cell();
      else if (node.kind == Kind::kRow) end_cell(), rows.emplace_back();
      else cell.push_back(node);
    }
    end_cell();
    size_t width = 0;
    bool any = false;
    for (const auto& row : rows)
      for (const auto& text : row) width = std::max(width, text.size()), any = true;
    if (!any) throw Raises("a matrix without cells");
    Text out = U"[ ";
    for (size_t r = 0; r < rows.size(); ++r) {
      if (r > 0) out += U"; ";
      for (size_t k = 0; k < rows[r].size(); ++k) out += (k > 0 ? U" " : U"") + Text(width - rows[r][k].size(), U' ') + rows[r][k];
    }
    return out + U" ]";
  }

  // In formulas blanks alone between constructs vanish, and the blank after a bare command before characters stays; in text it is the other way round.
  static Text joined(const Nodes& list, bool math) {
    Text out;
    for (size_t i = 0; i < list.size(); ++i) {
      const Node& node = list[i];
      if (node.kind == Kind::kChars && math) {
        if (i > 0 && list[i - 1].kind == Kind::kBareCommand) out += list[i - 1].space_after;
        if (strip(node.text).empty()) continue;
      }
      out += node.text;
    }
    return out;
  }

  bool starts(View mark) const { return in_.substr(at_, mark.size()) == mark; }
  void skip_space() {
    while (at_ < in_.size() && is_space(in_[at_])) ++at_;
  }

  View in_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<std::u32string> latex_to_text(std::u32string_view latex) {
  try {
    return Parser(latex).run();
  } catch (const CannotParse&) {
    return std::u32string();
  } catch (const Raises&) {
    return std::nullopt;
  }
}

}  // namespace fovea::metrics

#include <algorithm>
#include <optional>
#include <utility>

#include "fovea/metrics/latex_text.h"
#include "fovea/metrics/omnidoc_text.h"
#include "fovea/metrics/unicode_text.h"
#include "omnidoc16.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

// Deletes every `begin`...`end` on one line, shortest.
Text without_spans(const Text& text, View begin, View end) {
  Text out;
  for (size_t at = 0;;) {
    const size_t from = text.find(begin, at);
    if (from == Text::npos) return out + text.substr(at);
    const size_t to = text.find(end, from + begin.size()), line = text.find(U'\n', from + begin.size());
    if (to == Text::npos || line < to) {
      out += text.substr(at, from + begin.size() - at);
      at = from + begin.size();
    } else {
      out += text.substr(at, from - at);
      at = to + end.size();
    }
  }
}

// What the first \[...\] of one line holds, nothing being escaped before the closing mark.
std::optional<Text> inside_display(const Text& text) {
  for (size_t from = text.find(U"\\["); from != Text::npos; from = text.find(U"\\[", from + 1)) {
    const size_t line = std::min(text.find(U'\n', from), text.size());
    for (size_t to = text.find(U"\\]", from + 3); to != Text::npos && to < line; to = text.find(U"\\]", to + 1))
      if (text[to - 1] != '\\') return text.substr(from + 2, to - from - 2);
  }
  return std::nullopt;
}

}  // namespace

std::u32string clean_string(std::u32string_view text, OmniDocVersion version) {
  if (version == OmniDocVersion::k1_6) return v16::clean_string(text);
  Text out(text);
  for (View mark : {U"\\t", U"\\n", U"\t", U"\n", U"/t", U"/n"})
    if (contains(out, mark)) out = replace_all(out, mark, U"");
  out.erase(std::remove_if(out.begin(), out.end(), [](char32_t c) { return !is_word(c) && !(c >= 0x4E00 && c <= 0x9FFF); }), out.end());
  return out;
}

std::u32string textblock2unicode(std::u32string_view text, OmniDocVersion version) {
  if (version == OmniDocVersion::k1_6) return v16::textblock2unicode(text);
  Text out;
  for (size_t at = 0; at < text.size();) {
    const bool dollar = text[at] == '$', round = text.substr(at, 2) == U"\\(";
    if (!dollar && !round) {
      out += text[at++];
      continue;
    }
    const View closing = dollar ? View(U"$") : View(U"\\)");
    const size_t begin = at + closing.size(), end = text.find(closing, begin), line = std::min(text.find(U'\n', begin), text.size());
    if (end == View::npos || line < end) {
      out += text[at++];
      continue;
    }
    const View whole = text.substr(at, end + closing.size() - at), content = text.substr(begin, end - begin);
    at = end + closing.size();
    Text clean;
    for (size_t i = 0; i < content.size(); ++i) {
      if (content[i] == '\\' && i + 1 < content.size() && View(U"\\_&%^").find(content[i + 1]) != View::npos) ++i;
      else clean += content[i];
    }
    if (clean.find_first_of(U"\\^_") == Text::npos) {
      out += whole;
      continue;
    }
    if (clean.back() == '\\') clean += U' ';
    const auto converted = latex_to_text(clean);
    out += converted ? Text(strip(*converted)) : Text(whole);
  }
  return out;
}

std::u32string normalized_formula(std::u32string_view text, OmniDocVersion version) {
  if (version == OmniDocVersion::k1_6) return v16::normalized_formula(text);
  Text out(text);
  if (version != OmniDocVersion::k1_0) out = Text(strip(strip(strip(text), U"$"), U"\n"));
  if (const auto inside = inside_display(out)) out = Text(strip(*inside));
  for (const auto& [begin, end] : {std::pair<View, View>{U"\\tag{", U"}"}, {U"\\hspace{", U"}"}, {U"\\begin{", U"}"}, {U"\\end{", U"}"}, {U"\\arraycolsep", U"}"}})
    out = without_spans(out, begin, end);
  out = Text(strip(out, U"."));
  static constexpr View kDeleted[] = {
      U"\\mathbf", U"\\mathrm", U"\\mathnormal", U"\\mathit", U"\\mathbb", U"\\mathcal", U"\\mathscr", U"\\mathfrak", U"\\mathsf", U"\\mathtt", U"\\textbf", U"\\text",
      U"\\boldmath", U"\\boldsymbol", U"\\operatorname", U"\\bm", U"\\symbfit", U"\\mathbfcal", U"\\symbf", U"\\scriptscriptstyle", U"\\notag", U"\\setlength",
      U"\\coloneqq", U"\\space", U"\\thickspace", U"\\thinspace", U"\\medspace", U"\\nobreakspace", U"\\negmedspace", U"\\quad", U"\\qquad", U"\\enspace",
      U"\\substackw", U" "};
  for (View mark : kDeleted)
    if (contains(out, mark)) out = replace_all(out, mark, U"");
  if (version != OmniDocVersion::k1_0)
    for (View mark : {U"$$", U"\\left", U"\\right", U"\\displaystyle", U"\\text"}) out = replace_all(out, mark, U"");
  return lower(out);
}

std::u32string normalized_text(std::u32string_view text, OmniDocVersion version) { return clean_string(textblock2unicode(text, version), version); }

}  // namespace fovea::metrics

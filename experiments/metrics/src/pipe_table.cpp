#include "pipe_table.h"

#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

std::vector<Text> cells_of(View row) {
  std::vector<Text> out;
  const auto parts = split(row, U"|");
  for (size_t i = 1; i + 1 < parts.size(); ++i) out.emplace_back(strip(parts[i]));
  return out;
}

Text table_of(View rows) {
  const auto lines = split(strip(rows), U"\n");
  Text out = U"<table>\n  <thead>\n    <tr>\n";
  for (const auto& cell : cells_of(strip(lines[0]))) out += U"      <th>" + cell + U"</th>\n";
  out += U"    </tr>\n  </thead>\n  <tbody>\n";
  for (size_t i = 2; i < lines.size(); ++i) {
    out += U"    <tr>\n";
    for (const auto& cell : cells_of(strip(lines[i]))) out += U"      <td>" + cell + U"</td>\n";
    out += U"    </tr>\n";
  }
  return out + U"  </tbody>\n</table>\n";
}

bool looks_like_rule(View line) { return contains(line, U":") || contains(line, U"---"); }

bool is_frame(View line) {
  for (View tag : {U"<table>", U"</table>", U"<thead>", U"</thead>", U"<tbody>", U"</tbody>"})
    if (contains(line, tag)) return true;
  return false;
}

// The tables of a block as one, lines of frames left out; tables of at most two lines vanish.
Text merged(Text block) {
  for (size_t at; (at = block.find(U"<!--")) != Text::npos;) {
    const size_t end = block.find(U"-->", at);
    if (end == Text::npos) break;
    block.erase(at, end + 3 - at);
  }
  Text lines_out;
  for (size_t at = 0; (at = block.find(U"<table>", at)) != Text::npos;) {
    const size_t end = block.find(U"</table>", at);
    if (end == Text::npos) break;
    std::vector<Text> kept;
    for (View line : split(View(block).substr(at, end + 8 - at), U"\n")) {
      Text text(line);
      if (contains(text, U"<th>")) text = replace_all(replace_all(text, U"<th>", U"<td>"), U"</th>", U"</td>");
      if (!is_frame(text)) kept.push_back(std::move(text));
    }
    if (kept.size() > 2)
      for (const auto& line : kept) lines_out += (lines_out.empty() ? U"" : U"\n") + line;
    at = end + 8;
  }
  return U"\n\n<table>\n" + lines_out + U"\n</table>\n\n";
}

Text with_merged_tables(View text) {
  std::vector<Text> out;
  bool in_table = false;
  Text block, last;
  for (View line : split(text, U"\n")) {
    if (contains(line, U"<table>")) {
      in_table = true;
      block += last;
    } else if (in_table) {
      if (!looks_like_rule(last) && !contains(last, U"</thead>")) block += U"\n" + last;
      if (contains(last, U"</table>")) {
        in_table = false;
        out.push_back(merged(block));
        block.clear();
      }
    } else {
      out.push_back(last);
    }
    last = Text(line);
  }
  if (!last.empty()) {
    if (in_table || contains(last, U"</table>")) out.push_back(merged(block + U"\n" + last));
    else out.push_back(last);
  }
  Text joined;
  for (size_t i = 0; i < out.size(); ++i) joined += (i > 0 ? U"\n" : U"") + out[i];
  return joined;
}

}  // namespace

std::vector<std::u32string_view> pipe_rows(std::u32string_view text) {
  std::vector<View> out;
  for (size_t at = 0; (at = text.find(U'|', at)) != View::npos;) {
    const size_t end = text.find(U"|\n", at + 1);
    if (end == View::npos) break;
    out.push_back(text.substr(at, end + 2 - at));
    at = end + 2;
  }
  return out;
}

std::u32string convert_pipe_tables(std::u32string_view text) {
  Text out = replace_all(text, U"\r", U"") + U"\n";
  const Text source = out;
  for (View row : pipe_rows(source))
    if (const size_t at = out.find(row); at != Text::npos) out.replace(at, row.size(), table_of(row));
  out = with_merged_tables(out);
  return replace_all(replace_all(out, U"<table>", U"<table border=\"1\" >"), U"<td>", U"<td colspan=\"1\" rowspan=\"1\">");
}

}  // namespace fovea::metrics

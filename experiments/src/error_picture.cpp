// The errors of a reading on its page.
#include <algorithm>

#include "fovea/experiments/page_plan.h"
#include "fovea/experiments/score.h"

namespace fovea::experiments {
namespace {

struct Marks {
  std::vector<size_t> lost, added;  // indices into Page::chars
};

// From the script over normalised texts back to the characters of the page.
Marks marks_of(const render::Page& page, const std::string& visual, const Score& score) {
  std::vector<int64_t> char_of_visual;  // code point of the visual text -> page.chars, -1 for line breaks
  size_t next = 0;
  for (size_t l = 0; l < page.lines.size(); ++l) {
    const auto& line = page.lines[l];
    while (next < page.chars.size() && page.chars[next].byte_offset < line.byte_begin) ++next;
    for (; next < page.chars.size() && page.chars[next].byte_offset < line.byte_end; ++next) char_of_visual.push_back(int64_t(next));
    if (l + 1 < page.lines.size()) char_of_visual.push_back(-1);
  }
  const auto source = normalized_to_source(visual);
  Marks out;
  const auto mark = [&](size_t normalized, std::vector<size_t>& into) {
    if (normalized >= source.size() || source[normalized] >= char_of_visual.size()) return;
    const int64_t at = char_of_visual[source[normalized]];
    if (at >= 0) into.push_back(size_t(at));
  };
  for (const auto& run : score.script) {
    if (run.kind == EditKind::kSubstitute || run.kind == EditKind::kDelete)
      for (uint32_t i = 0; i < run.length; ++i) mark(run.ref_begin + i, out.lost);
    if (run.kind == EditKind::kInsert) mark(std::min<size_t>(run.ref_begin, source.empty() ? 0 : source.size() - 1), out.added);
  }
  return out;
}

}  // namespace

Image error_picture(const render::Page& page, std::string_view hypothesis) {
  const std::string visual = render::visual_text(page);
  const Marks marks = marks_of(page, visual, score_text(visual, hypothesis));
  Image out = render::mark_chars(page, marks.lost, 230, 0, 0);
  if (marks.added.empty()) return out;
  const Image added = render::mark_chars(page, marks.added, 0, 90, 255), plain_page = render::mark_chars(page, {}, 0, 0, 0);
  for (size_t i = 0; i < out.pixels.size(); i += 3) {
    const auto same = [&](const Image& image) { return std::equal(&image.pixels[i], &image.pixels[i] + 3, &plain_page.pixels[i]); };
    if (same(added)) continue;
    const bool both = !same(out);
    for (size_t c = i; c < i + 3; ++c) out.pixels[c] = both ? uint8_t((out.pixels[c] + added.pixels[c]) / 2) : added.pixels[c];
  }
  return out;
}

}  // namespace fovea::experiments

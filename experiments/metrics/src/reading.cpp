#include "fovea/metrics/reading.h"

#include <algorithm>
#include <unordered_set>

#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

constexpr size_t kLoopWindow = 8000, kMaxPeriod = 200, kMinTurns = 4, kMinLoop = 40, kMinTail = 20, kGram = 5;

// The longest periodic end within the last kLoopWindow code points: {period, length}, {0, 0} if none is long enough.
std::pair<size_t, size_t> periodic_end(std::u32string_view text) {
  if (text.size() > kLoopWindow) text = text.substr(text.size() - kLoopWindow);
  std::pair<size_t, size_t> best{0, 0};
  for (size_t period = 1; period <= kMaxPeriod && period * kMinTurns <= text.size(); ++period) {
    size_t same = 0;
    while (same + period < text.size() && text[text.size() - 1 - same] == text[text.size() - 1 - same - period]) ++same;
    const size_t length = same + period;
    if (length >= std::max(kMinLoop, kMinTurns * period) && length > best.second) best = {period, length};
  }
  return best;
}

std::u32string compared(std::u32string_view text) {
  std::u32string out;
  for (char32_t c : lower(text))
    if (!is_space(c)) out += c;
  return out;
}

uint64_t gram_hash(std::u32string_view gram) {
  uint64_t hash = 14695981039346656037u;
  for (char32_t c : gram) hash = (hash ^ c) * 1099511628211u;
  return hash;
}

double share_not_on_page(std::u32string_view reference, std::u32string_view hypothesis) {
  const std::u32string r = compared(reference), h = compared(hypothesis);
  if (h.empty()) return 0;
  const size_t n = std::min({kGram, h.size(), std::max<size_t>(1, r.size())});
  std::unordered_set<uint64_t> on_page;
  on_page.reserve(2 * r.size());
  for (size_t i = 0; i + n <= r.size(); ++i) on_page.insert(gram_hash(std::u32string_view(r).substr(i, n)));
  size_t covered = 0, until = 0;
  for (size_t i = 0; i + n <= h.size(); ++i) {
    if (!on_page.count(gram_hash(std::u32string_view(h).substr(i, n)))) continue;
    covered += i + n - std::max(until, i);
    until = i + n;
  }
  return double(h.size() - covered) / double(h.size());
}

size_t unread_tail(size_t reference_size, const std::vector<EditRun>& script) {
  size_t matched = 0, seen = 0, best = 0;
  for (size_t k = script.size(); k-- > 0;) {
    const EditRun& run = script[k];
    if (run.kind == EditKind::kInsert) continue;
    seen += run.length;
    if (run.kind == EditKind::kMatch) matched += run.length;
    if (run.kind != EditKind::kMatch && 10 * matched < seen) best = seen;
  }
  return std::min(best, reference_size);
}

}  // namespace

ReadingFacts reading_facts(std::u32string_view reference, std::u32string_view hypothesis, const std::vector<EditRun>& script) {
  ReadingFacts out;
  out.empty = !reference.empty() && hypothesis.empty();
  const auto [period, length] = periodic_end(hypothesis);
  if (length > 0) {
    const auto on_page = periodic_end(reference);
    out.looped = on_page.second < length / 2;
    if (out.looped) out.loop_period = period, out.loop_length = length;
  }
  out.missing_tail = unread_tail(reference.size(), script);
  out.truncated = !out.empty && out.missing_tail >= kMinTail && 20 * out.missing_tail >= reference.size() && hypothesis.size() < reference.size();
  if (!out.truncated && !out.empty) out.missing_tail = 0;
  out.hallucination_rate = share_not_on_page(reference, hypothesis);
  return out;
}

}  // namespace fovea::metrics

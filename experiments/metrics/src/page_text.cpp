#include "fovea/metrics/page_text.h"

#include "fovea/base/utf8.h"
#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {

std::u32string code_points_of(std::string_view utf8) {
  if (find_invalid_utf8(utf8) != std::string_view::npos) return to_code_points(replace_invalid_utf8(utf8));
  return to_code_points(utf8);
}

std::u32string one_space(std::u32string_view text) {
  std::u32string out;
  bool gap = false;
  for (char32_t c : text) {
    if (is_space(c)) {
      gap = true;
      continue;
    }
    if (gap && !out.empty()) out += U' ';
    gap = false;
    out += c;
  }
  return out;
}

Json facts_to_json(const ReadingFacts& facts) {
  return {{"empty", facts.empty},
          {"looped", facts.looped},
          {"loop_period", facts.loop_period},
          {"loop_length", facts.loop_length},
          {"truncated", facts.truncated},
          {"missing_tail", facts.missing_tail},
          {"hallucination_rate", facts.hallucination_rate}};
}

Json reading_summary(const std::vector<ReadingFacts>& facts) {
  size_t empty = 0, looped = 0, truncated = 0;
  double invented = 0;
  for (const auto& page : facts) {
    empty += page.empty;
    looped += page.looped;
    truncated += page.truncated;
    invented += page.hallucination_rate;
  }
  const double n = double(facts.size());
  const auto share = [n](size_t count) { return n == 0 ? Json(nullptr) : Json(double(count) / n); };
  return {{"num_pages", facts.size()},
          {"num_empty", empty},
          {"num_looped", looped},
          {"num_truncated", truncated},
          {"empty_rate", share(empty)},
          {"loop_rate", share(looped)},
          {"truncation_rate", share(truncated)},
          {"hallucination_rate", facts.size() == empty ? Json(nullptr) : Json(invented / double(facts.size() - empty))}};
}

}  // namespace fovea::metrics

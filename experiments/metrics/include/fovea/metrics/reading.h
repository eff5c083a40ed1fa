// How a reading fails, apart from single errors: nothing read, a loop, a text that stops early, text that is not on the page.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "fovea/metrics/edit_distance.h"

namespace fovea::metrics {

struct ReadingFacts {
  bool empty = false;               ///< nothing but white space, of a page that holds text
  bool looped = false;              ///< ends in a unit said over and over that the page does not end in
  size_t loop_period = 0;           ///< code points of the unit
  size_t loop_length = 0;           ///< code points of all its turns
  bool truncated = false;           ///< stops before the page does
  size_t missing_tail = 0;          ///< code points of the page's end of which less than a tenth was read
  double hallucination_rate = 0;    ///< share of the reading's code points that lie in no five in a row that stand on the page
};

/// Facts of one page. Both texts with white space runs as one space (normalize_space) and `script` between them.
/// Loop          the last at least 40 code points repeat a unit of 1 to 200, at least 4 times, and the reference does not end so too.
/// Truncation    the longest end of the reference less than a tenth matched, if it is at least 20 code points and 5 % of the page.
/// Hallucination compared as lower case without white space, wherever on the page: order does not matter. A single wrong character counts as one,
///               so the rate is near the character error rate of substitutions and insertions unless whole stretches are invented.
ReadingFacts reading_facts(std::u32string_view reference, std::u32string_view hypothesis, const std::vector<EditRun>& script);

}  // namespace fovea::metrics

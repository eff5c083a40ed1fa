// Small pieces that the scorers share: texts as code points, facts of readings as JSON.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/metrics/reading.h"

namespace fovea::metrics {

/// Code points of UTF-8; malformed bytes become U+FFFD, for model output may stop inside a character.
std::u32string code_points_of(std::string_view utf8);
/// Runs of white space as one space, none at the ends.
std::u32string one_space(std::u32string_view text);
Json facts_to_json(const ReadingFacts& facts);
/// {num_pages, num_empty, num_looped, num_truncated, loop_rate, empty_rate, truncation_rate, hallucination_rate (mean over pages that are not empty)}.
Json reading_summary(const std::vector<ReadingFacts>& facts);

}  // namespace fovea::metrics

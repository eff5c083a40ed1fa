// `score` as a verb: what a metrics file says, as lines for a terminal.
#pragma once
#include <string>

#include "fovea/base/config.h"

namespace fovea::experiments {

/// A few lines: the numbers that are quoted, and every warning. result: of score_fox, score_omnidocbench or score_texts.
std::string describe_score(const Json& result);

}  // namespace fovea::experiments

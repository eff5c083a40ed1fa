// What read_verb.cpp needs of read_page.cpp beside the public part.
#pragma once
#include "fovea/base/error.h"
#include "fovea/experiments/read_verb.h"

namespace fovea::experiments {

/// A picture that the mode cannot show: the page's fault, where any other ConfigError is the whole run's.
class UnfitPicture : public ConfigError { using ConfigError::ConfigError; };

}  // namespace fovea::experiments

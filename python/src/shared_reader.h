// The Reader as Python holds it.
#pragma once
#include <mutex>

#include "fovea/model/optical_model.h"

namespace fovea::python {

// A Reader that several Python threads may call: one after the other.
struct SharedReader {
  model::Reader reader;
  std::mutex mutex;
};

}  // namespace fovea::python

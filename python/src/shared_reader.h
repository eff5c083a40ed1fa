// The Reader as Python holds it.
#pragma once
#include <exception>
#include <mutex>

#include "fovea/model/optical_model.h"

namespace fovea::python {

// A Reader that several Python threads may call: one after the other.
struct SharedReader {
  model::Reader reader;
  std::mutex mutex;
  std::exception_ptr callback_error = {};  // of a submitted page's callback; with the GIL held
};

}  // namespace fovea::python

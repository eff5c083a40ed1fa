// Names of edit kinds as Python sees them.
#pragma once
#include "fovea/metrics/edit_distance.h"

namespace fovea::python {

inline const char* edit_name(metrics::EditKind kind) {
  switch (kind) {
    case metrics::EditKind::kMatch: return "match";
    case metrics::EditKind::kSubstitute: return "substitute";
    case metrics::EditKind::kInsert: return "insert";
    default: return "delete";
  }
}

}  // namespace fovea::python

// Numbers in messages.
#pragma once
#include <cstdio>
#include <string>

namespace fovea::render {

inline std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace fovea::render

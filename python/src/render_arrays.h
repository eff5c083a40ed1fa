// Pixels as NumPy arrays, for the bindings of the renderer.
#pragma once
#include <pybind11/numpy.h>

#include "bindings.h"
#include "fovea/base/image.h"

namespace fovea::python {

/// uint8 [height, width] or [height, width, 3]; a view that keeps `owner` alive.
inline py::array pixels_of(const py::object& owner, Image& image) {
  if (image.pixels.empty()) return py::array(py::dtype::of<uint8_t>(), std::vector<ssize_t>{0, 0});  // a map without its picture
  const ssize_t h = image.height_px, w = image.width_px, c = image.channels;
  if (c == 1) return py::array(py::dtype::of<uint8_t>(), std::vector<ssize_t>{h, w}, std::vector<ssize_t>{w, 1}, image.pixels.data(), owner);
  return py::array(py::dtype::of<uint8_t>(), std::vector<ssize_t>{h, w, c}, std::vector<ssize_t>{w * c, c, 1}, image.pixels.data(), owner);
}

}  // namespace fovea::python

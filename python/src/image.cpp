#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/base/image.h"
#include "fovea/experiments/read_verb.h"
#include "fovea/image/read.h"
#include "fovea/image/resize.h"
#include "fovea/image/views.h"

namespace fovea::python {

void bind_image(py::module_& m) {
  using namespace image;
  m.def(
      "read_image", [](const std::string& path, int64_t max_pixels) { return read(path, {.max_pixels = max_pixels}); }, py::arg("path"),
      py::arg("max_pixels") = ReadLimits{}.max_pixels, py::call_guard<py::gil_scoped_release>(),
      "PNG, JPEG, WebP or TIFF, upright, gray or RGB as the model sees it. Errors: OSError.");
  m.def(
      "decode_image",
      [](const py::bytes& bytes, const std::string& name, int64_t max_pixels) {
        const std::string data = bytes;
        py::gil_scoped_release release;
        return decode(data, name, {.max_pixels = max_pixels});
      },
      py::arg("bytes"), py::arg("name") = "image", py::arg("max_pixels") = ReadLimits{}.max_pixels, "The same of a file in memory.");
  m.def("resize_bicubic", &resize_bicubic, py::arg("image"), py::arg("width_px"), py::arg("height_px"), py::call_guard<py::gil_scoped_release>(),
        "Pillow's antialiased bicubic filter, byte for byte.");
  m.def("mode_names", &mode_names);
  py::class_<TokenCounts>(m, "TokenCounts", "The counts of one picture in one mode.")
      .def_readonly("vision_tokens", &TokenCounts::vision_tokens)
      .def_readonly("decoder_positions", &TokenCounts::decoder_positions)
      .def_readonly("paper_valid_tokens", &TokenCounts::paper_valid_tokens)
      .def_readonly("reference_valid_tokens", &TokenCounts::reference_valid_tokens)
      .def("__repr__", [](const TokenCounts& c) {
        return "<fovea.TokenCounts " + std::to_string(c.vision_tokens) + " vision tokens, " + std::to_string(c.decoder_positions) + " decoder positions, " +
               std::to_string(c.paper_valid_tokens) + " valid>";
      });
  m.def(
      "count_tokens", [](int64_t width, int64_t height, const std::string& mode) { return count_tokens(width, height, mode_by_name(mode)); },
      py::arg("width_px"), py::arg("height_px"), py::arg("mode"), "Vision tokens, decoder positions and valid tokens of a picture of this size.");
  py::class_<Views>(m, "Views", "What the encoder sees of a picture.")
      .def_readonly("global_view", &Views::global)
      .def_readonly("tiles", &Views::tiles)
      .def_property_readonly("tile_grid", [](const Views& v) { return std::pair(v.grid.columns, v.grid.rows); }, "Columns, rows; (1, 1): no tiles.")
      .def_readonly("counts", &Views::counts);
  m.def(
      "make_views", [](const Image& picture, const std::string& mode) { return make_views(picture, mode_by_name(mode)); }, py::arg("image"), py::arg("mode"),
      py::call_guard<py::gil_scoped_release>(), "A picture in a mode: tiny, small, base, large, gundam, gundam-m, or a side in px.");

  bind_config<experiments::ReadConfig>(m);
  m.def(
      "run_read",
      [](const experiments::ReadConfig& config, const py::object& on_page) {
        PendingPythonError pending;
        experiments::ReadSummary summary;
        {
          py::gil_scoped_release release;
          summary = experiments::run_read(
              config,
              [&](size_t done, size_t total, const Json& page) {
                pending.run([&] {
                  if (!on_page.is_none()) on_page(done, total, to_python(page));
                });
              },
              [&] { return !pending.run([] {}); });
        }
        pending.rethrow();
        py::list pages;
        for (const Json& page : summary.pages) pages.append(to_python(page));
        return pages;
      },
      py::arg("config"), py::arg("on_page") = py::none(), "Image files in, their text out; a line a page, with `error` where one could not be read.");
}

}  // namespace fovea::python

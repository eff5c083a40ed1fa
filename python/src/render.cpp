#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/render/renderer.h"

namespace fovea::python {

namespace {

// A view of int16 members of CharBox and PageLine, which lie beside each other.
template <class T> py::array view_int16(const py::object& owner, std::vector<T>& items, int16_t T::*first, ssize_t count) {
  int16_t* data = items.empty() ? nullptr : &(items[0].*first);
  static int16_t none = 0;
  return py::array(py::dtype::of<int16_t>(), {ssize_t(items.size()), count}, {ssize_t(sizeof(T)), ssize_t(sizeof(int16_t))}, data ? data : &none, owner);
}

py::array pixels_of(const py::object& owner, Image& image) {
  const ssize_t h = image.height_px, w = image.width_px, c = image.channels;
  if (c == 1) return py::array(py::dtype::of<uint8_t>(), std::vector<ssize_t>{h, w}, std::vector<ssize_t>{w, 1}, image.pixels.data(), owner);
  return py::array(py::dtype::of<uint8_t>(), std::vector<ssize_t>{h, w, c}, std::vector<ssize_t>{w * c, c, 1}, image.pixels.data(), owner);
}

py::bytes png_of(const Image& image) {
  std::vector<uint8_t> bytes;
  {
    py::gil_scoped_release release;
    bytes = encode_png(image);
  }
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

void bind_render(py::module_& m) {
  using namespace render;
  bind_config<Style>(m);

  py::class_<PageReport>(m, "PageReport")
      .def_readonly("font_family", &PageReport::font_family)
      .def_readonly("font_size_px", &PageReport::font_size_px)
      .def_readonly("num_missing_glyphs", &PageReport::num_missing_glyphs)
      .def_readonly("missing_example", &PageReport::missing_example)
      .def_readonly("num_bytes_left_out", &PageReport::num_bytes_left_out)
      .def_readonly("fill_ratio", &PageReport::fill_ratio)
      .def("__repr__", [](const PageReport& r) {
        return "PageReport(font_family='" + r.font_family + "', font_size_px=" + py::str(py::float_(r.font_size_px)).cast<std::string>() +
               ", num_missing_glyphs=" + std::to_string(r.num_missing_glyphs) + ", num_bytes_left_out=" + std::to_string(r.num_bytes_left_out) + ")";
      });

  py::class_<Image>(m, "Image", "8-bit gray or RGB pixels; NumPy sees them without a copy.")
      .def_property_readonly("pixels", [](py::object self) { return pixels_of(self, self.cast<Image&>()); })
      .def("__array__",
           [](py::object self, const py::args&, const py::kwargs& kwargs) {
             return py::module_::import("numpy").attr("array")(pixels_of(self, self.cast<Image&>()), **kwargs);
           })
      .def("_repr_png_", [](const Image& image) { return png_of(image); })
      .def("__repr__", [](const Image& i) {
        return "<fovea.Image " + std::to_string(i.width_px) + " x " + std::to_string(i.height_px) + " px, " + std::to_string(i.channels) + " channels>";
      })
      .def("save", [](const Image& image, const std::string& path) { write_png(image, path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>());

  py::class_<Page>(m, "Page", "What the renderer makes: pixels, and for every character where its ink is. Arrays are views, not copies.")
      .def_property_readonly("pixels", [](py::object self) { return pixels_of(self, self.cast<Page&>().image); }, "uint8 [height, width], 255 white.")
      .def("__array__",
           [](py::object self, const py::args& args, const py::kwargs& kwargs) {
             py::dict options(kwargs);
             if (args.size() > 0) options["dtype"] = args[0];
             if (options.contains("copy") && options["copy"].is_none()) options["copy"] = false;
             if (!options.contains("copy")) options["copy"] = false;
             const bool converts = options.contains("dtype") && !options["dtype"].is_none() &&
                                   !py::dtype::from_args(options["dtype"]).is(py::dtype::of<uint8_t>());
             if (converts) options["copy"] = true;
             return py::module_::import("numpy").attr("array")(pixels_of(self, self.cast<Page&>().image), **options);
           })
      .def_property_readonly("text", [](const Page& page) { return page.text; }, "The source text that is on the page.")
      .def_property_readonly("visual_text", [](const Page& page) { return visual_text(page); }, "The text by visual lines.")
      .def_property_readonly("boxes", [](py::object self) { return view_int16(self, self.cast<Page&>().chars, &CharBox::x0_px, 4); },
                             "int16 [characters, 4]: x0, y0, x1, y1 of each character's ink in px; empty where there is none.")
      .def_property_readonly("cells", [](py::object self) { return view_int16(self, self.cast<Page&>().chars, &CharBox::cell_x0_px, 2); },
                             "int16 [characters, 2]: pen before and after each character in px.")
      .def_property_readonly("char_lines",
                             [](py::object self) {
                               auto& chars = self.cast<Page&>().chars;
                               static uint32_t none = 0;
                               return py::array(py::dtype::of<uint32_t>(), {ssize_t(chars.size())}, {ssize_t(sizeof(CharBox))}, chars.empty() ? &none : &chars[0].line, self);
                             },
                             "uint32 [characters]: line of each character.")
      .def_property_readonly("byte_offsets",
                             [](py::object self) {
                               auto& chars = self.cast<Page&>().chars;
                               static uint32_t none = 0;
                               return py::array(py::dtype::of<uint32_t>(), {ssize_t(chars.size())}, {ssize_t(sizeof(CharBox))},
                                                chars.empty() ? &none : &chars[0].byte_offset, self);
                             },
                             "uint32 [characters]: place of each character in the UTF-8 bytes of text.")
      .def_property_readonly("lines", [](py::object self) { return view_int16(self, self.cast<Page&>().lines, &PageLine::top_px, 3); },
                             "int16 [lines, 3]: top, baseline and bottom in px.")
      .def_property_readonly("report", [](const Page& page) { return page.report; })
      .def_property_readonly("shape", [](const Page& page) { return std::make_pair(page.image.height_px, page.image.width_px); })
      .def("mark",
           [](const Page& page, const std::vector<size_t>& chars, std::tuple<int, int, int> colour) {
             const auto [r, g, b] = colour;
             return mark_chars(page, chars, uint8_t(r), uint8_t(g), uint8_t(b));
           },
           py::arg("chars"), py::arg("colour") = std::make_tuple(230, 0, 0), "An RGB picture with the given characters (indices into boxes) coloured.")
      .def("save", [](const Page& page, const std::string& path) { write_png(page.image, path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("_repr_png_", [](const Page& page) { return png_of(page.image); })
      .def("__repr__", [](const Page& page) {
        return "<fovea.Page " + std::to_string(page.image.width_px) + " x " + std::to_string(page.image.height_px) + " px, " +
               std::to_string(page.chars.size()) + " characters, " + std::to_string(page.lines.size()) + " lines>";
      });

  py::class_<Renderer, std::shared_ptr<Renderer>>(m, "Renderer", "Draws pages; safe to share between threads.")
      .def(py::init<>())
      .def("render", [](const Renderer& r, const std::string& text, const Style& style) { return r.render(text, style); }, py::arg("text"), py::arg("style"),
           py::call_guard<py::gil_scoped_release>())
      .def("fit_font_size",
           [](const Renderer& r, const std::string& text, const Style& style, double low, double high, double step) {
             return r.fit_font_size(text, style, low, high, step);
           },
           py::arg("text"), py::arg("style"), py::arg("min_px") = 3.0, py::arg("max_px") = 64.0, py::arg("step_px") = 0.25,
           py::call_guard<py::gil_scoped_release>(), "The largest font size at which the whole text fits the page.");
  m.def("font_families", &font_families, "Family names that fontconfig knows.");
  m.def("font_file", &font_file, py::arg("family_or_path"), "The file that a family name or path stands for.");
}

}  // namespace fovea::python

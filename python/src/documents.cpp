// What documents are made of: grounded output, the estimate of ink, one page through a reader.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/experiments/convert.h"
#include "fovea/experiments/read_verb.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/image/auto_mode.h"
#include "fovea/image/crop.h"
#include "fovea/text/grounded.h"
#include "shared_reader.h"

namespace fovea::python {

void bind_documents(py::module_& m) {
  using namespace text;
  py::class_<GroundedBox>(m, "GroundedBox", "As written: 0 to 999 over the whole picture.")
      .def_readonly("x0", &GroundedBox::x0)
      .def_readonly("y0", &GroundedBox::y0)
      .def_readonly("x1", &GroundedBox::x1)
      .def_readonly("y1", &GroundedBox::y1)
      .def("to_pixels",
           [](const GroundedBox& b, int64_t width, int64_t height) {
             const PixelBox p = text::to_pixels(b, width, height);
             return std::array<int64_t, 4>{p.x0_px, p.y0_px, p.x1_px, p.y1_px};
           },
           py::arg("width_px"), py::arg("height_px"), "x0, y0, x1, y1 in px of the picture, half open, cut to it.")
      .def("__repr__", [](const GroundedBox& b) { return py::str("<fovea.GroundedBox {} {} {} {}>").format(b.x0, b.y0, b.x1, b.y1); });
  py::class_<GroundedItem>(m, "GroundedItem", "A label, its boxes, and the text that follows.")
      .def_readonly("label", &GroundedItem::label)
      .def_readonly("boxes", &GroundedItem::boxes)
      .def_readonly("content", &GroundedItem::content)
      .def_readonly("byte_begin", &GroundedItem::byte_begin)
      .def_readonly("byte_end", &GroundedItem::byte_end)
      .def("__repr__", [](const GroundedItem& i) { return py::str("<fovea.GroundedItem {!r}, {} boxes>").format(i.label, i.boxes.size()); });
  py::class_<GroundedText>(m, "GroundedText", "A reader's output taken apart.")
      .def_readonly("lead", &GroundedText::lead)
      .def_readonly("items", &GroundedText::items)
      .def_property_readonly("problems",
                             [](const GroundedText& t) {
                               std::vector<std::pair<size_t, std::string>> out;
                               for (const auto& p : t.problems) out.emplace_back(p.byte_offset, p.what);
                               return out;
                             },
                             "(byte offset, what is wrong) of everything that the output should not have held.")
      .def("markdown",
           [](const GroundedText& t, const std::string& link, bool collapse) {
             const size_t at = link.find("{}");
             return grounded_markdown(
                 t, [&](size_t i) { return at == std::string::npos ? link : link.substr(0, at) + std::to_string(i) + link.substr(at + 2); }, collapse);
           },
           py::arg("link") = "images/{}.jpg", py::arg("collapse") = true, "As Markdown; {} in link becomes the number of the picture.");
  m.def("parse_grounded", [](const std::string& output) { return parse_grounded(output); }, py::arg("output"), py::call_guard<py::gil_scoped_release>(),
        "Labels and boxes out of a reader's output. Nothing is evaluated; what is malformed is named in `problems` and the rest kept.");

  py::class_<image::InkEstimate>(m, "InkEstimate", "What the ink of a picture tells of its letters.")
      .def_readonly("x_height_px", &image::InkEstimate::x_height_px)
      .def_readonly("ink_density", &image::InkEstimate::ink_density)
      .def_readonly("num_characters", &image::InkEstimate::num_characters)
      .def_readonly("num_text_tokens", &image::InkEstimate::num_text_tokens)
      .def_readonly("num_components", &image::InkEstimate::num_components)
      .def_readonly("light_on_dark", &image::InkEstimate::light_on_dark);
  m.def("estimate_ink", &image::estimate_ink, py::arg("image"), py::call_guard<py::gil_scoped_release>(), "Height and number of a picture's letters, without a model.");
  m.def(
      "image_from_array",
      [](const py::array& any) {
        if (!any.dtype().is(py::dtype::of<uint8_t>())) throw ShapeError("[image_from_array] an array must be of uint8, got " + py::str(any.dtype()).cast<std::string>());
        const auto array = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>(any);
        const bool rgb = array.ndim() == 3 && array.shape(2) == 3;
        if ((array.ndim() != 2 && !rgb) || array.size() == 0 || array.shape(0) > (1 << 30) || array.shape(1) > (1 << 30))
          throw ShapeError("[image_from_array] an array must be [height, width] or [height, width, 3], got " + py::str(any.attr("shape")).cast<std::string>());
        Image image = Image::filled(int(array.shape(1)), int(array.shape(0)), rgb ? 3 : 1, 0);
        std::copy_n(array.data(), image.pixels.size(), image.pixels.data());
        return image;
      },
      py::arg("array"), "uint8 [height, width] or [height, width, 3] as an Image (copied).");
  m.def("crop", &image::crop, py::arg("image"), py::arg("x0_px"), py::arg("y0_px"), py::arg("x1_px"), py::arg("y1_px"), "A part of a picture, cut to it.");
  m.def(
      "read_page",
      [](SharedReader& self, const Image& picture, const experiments::ReadConfig& config, const py::object& on_text) {
        PendingPythonError pending;
        struct Stop {};
        experiments::PageReading out;
        std::function<void(const std::string&)> grown;
        if (!on_text.is_none())
          grown = [&](const std::string& text) {
            if (!pending.run([&] { on_text(text); })) throw Stop{};
          };
        {
          py::gil_scoped_release release;
          std::lock_guard<std::mutex> lock(self.mutex);
          try {
            out = experiments::read_page(
                self.reader, picture, config,
                [&](size_t) {
                  if (!pending.run([] {})) throw Stop{};
                },
                grown);
          } catch (const Stop&) {
          }
        }
        pending.rethrow();
        return std::pair(out.text, to_python(out.facts));
      },
      py::arg("reader"), py::arg("image"), py::arg("config"), py::arg("on_text") = py::none(),
      "One picture through a reader, in a mode or `auto`: its text with special tokens kept, and a dict of counts and attempts.");
  m.def(
      "read_pages",
      [](SharedReader& self, const std::vector<const Image*>& pictures, const experiments::ReadConfig& config, const py::object& on_done) {
        PendingPythonError pending;
        struct Stop {};
        const auto answer = [](const experiments::PageOutcome& outcome) -> py::object {
          if (!outcome.error) return py::make_tuple(outcome.reading.text, to_python(outcome.reading.facts));
          try {
            std::rethrow_exception(outcome.error);
          } catch (const std::exception& error) {
            return py::str(error.what());
          }
        };
        std::vector<experiments::PageOutcome> out;
        std::function<void(size_t, const experiments::PageOutcome&)> done;
        if (!on_done.is_none())
          done = [&](size_t i, const experiments::PageOutcome& outcome) {
            if (!pending.run([&] { on_done(i, answer(outcome)); })) throw Stop{};
          };
        {
          py::gil_scoped_release release;
          std::lock_guard<std::mutex> lock(self.mutex);
          try {
            out = experiments::read_pages(self.reader, pictures, config, done, [&](size_t) {
              if (!pending.run([] {})) throw Stop{};
            });
          } catch (const Stop&) {
          }
        }
        pending.rethrow();
        py::list answers;
        for (const auto& outcome : out) answers.append(answer(outcome));
        return answers;
      },
      py::arg("reader"), py::arg("images"), py::arg("config"), py::arg("on_done") = py::none(),
      "Pictures through a reader, their texts decoded together: for each (text, facts) as read_page, or what is wrong with it as a str. on_done(index, answer) is called as "
      "soon as each is read; what it raises ends the call.");
  m.def("check_read", [](const SharedReader& self, const experiments::ReadConfig& config) { experiments::check_read(self.reader.config(), config); }, py::arg("reader"),
        py::arg("config"), "ConfigError where the config is wrong whatever the picture: mode, prompt.");
  m.def("generate_config", [](const SharedReader& self, const experiments::ReadConfig& config) { return experiments::generate_config(self.reader.config(), config); },
        py::arg("reader"), py::arg("config"), "config.generate with the ban on repeated n-grams that the model is published with.");
  m.def("auto_modes", [](const SharedReader& self) { return experiments::auto_modes(self.reader.config()); }, py::arg("reader"),
        "The modes that `auto` chooses from with this reader.");
  bind_config<experiments::ConvertConfig>(m);
  m.def(
      "convert_model",
      [](const experiments::ConvertConfig& config) {
        Json out;
        {
          py::gil_scoped_release release;
          out = experiments::convert_model(config);
        }
        return to_python(out);
      },
      py::arg("config"), "A model folder in other arithmetic, read back and checked; the errors that it makes.");
  m.def("hash_of_model", &experiments::hash_of_model, py::arg("folder"), py::arg("tokenizer_file"), py::call_guard<py::gil_scoped_release>(),
        "SHA-256 over weights, config and tokenizer of a model folder.");
}

}  // namespace fovea::python

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <mutex>

#include "bindings.h"
#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/initialise.h"
#include "fovea/render/page.h"

namespace fovea::python {

namespace {

// A Reader that several Python threads may call: one after the other.
struct SharedReader {
  model::Reader reader;
  std::mutex mutex;
};

// Pages, pictures and uint8 arrays as images. Arrays are copied; the others are used where they are.
struct Pictures {
  std::vector<std::unique_ptr<Image>> owned;
  std::vector<const Image*> images;

  explicit Pictures(const py::sequence& pages) {
    for (const auto& item : pages) {
      if (py::isinstance<render::Page>(item)) {
        images.push_back(&item.cast<const render::Page&>().image);
        if (images.back()->pixels.empty()) throw ShapeError("[encode] a page needs its pixels; this is a map without its picture");
        continue;
      }
      if (py::isinstance<Image>(item)) {
        images.push_back(&item.cast<const Image&>());
        continue;
      }
      if (!py::isinstance<py::array>(item)) throw py::type_error("a page must be a fovea.Page or a uint8 array, got " + py::repr(py::type::of(item)).cast<std::string>());
      const auto any = py::reinterpret_borrow<py::array>(item);
      if (!any.dtype().is(py::dtype::of<uint8_t>())) throw ShapeError("[encode] an array must be of uint8, got " + py::str(any.dtype()).cast<std::string>());
      const auto array = py::array_t<uint8_t, py::array::c_style | py::array::forcecast>(any);
      const bool rgb = array.ndim() == 3 && array.shape(2) == 3;
      if (array.ndim() != 2 && !rgb) throw ShapeError("[encode] an array must be [height, width] or [height, width, 3], got " + py::str(any.attr("shape")).cast<std::string>());
      auto image = std::make_unique<Image>(Image::filled(int(array.shape(1)), int(array.shape(0)), rgb ? 3 : 1, 0));
      std::copy_n(array.data(), image->pixels.size(), image->pixels.data());
      images.push_back(image.get());
      owned.push_back(std::move(image));
    }
  }
};

}  // namespace

void bind_model(py::module_& m) {
  using namespace model;
  bind_config<ModelConfig>(m);
  bind_config<decoder::GenerateConfig>(m);
  m.def("preset", &presets::by_name, py::arg("name"), "ModelConfig of deepseek-ocr, reader-tiny or miniature.");
  m.def("preset_names", [] { return std::vector<std::string>{"deepseek-ocr", "reader-tiny", "miniature"}; });

  py::class_<VisionTokens>(m, "VisionTokens", "All that the decoder sees of a page.")
      .def(py::init([](const at::Tensor& tensor, int64_t rows, int64_t columns, const std::string& name) {
             if (tensor.dim() != 2 || rows < 1 || columns < 1 || tensor.size(0) != rows * (columns + 1) + 1)
               throw ShapeError("[VisionTokens] tensor must be [rows * (columns + 1) + 1, D], got " + c10::str(tensor.sizes()));
             return VisionTokens{tensor, rows, columns, rows * columns, name};
           }),
           py::arg("tensor"), py::arg("rows"), py::arg("columns"), py::arg("model"))
      .def_property_readonly("tensor", [](const VisionTokens& t) { return t.sequence; },
                             "[num_decoder_positions, D]: rows of vision tokens, a row separator after each, a view separator last.")
      .def_readonly("rows", &VisionTokens::rows)
      .def_readonly("columns", &VisionTokens::columns)
      .def_readonly("num_valid", &VisionTokens::num_valid)
      .def_readonly("model", &VisionTokens::model)
      .def_property_readonly("num_vision_tokens", &VisionTokens::num_vision_tokens)
      .def_property_readonly("num_decoder_positions", &VisionTokens::num_decoder_positions)
      .def("save", [](const VisionTokens& t, const std::string& path) { save_vision_tokens(t, path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def_static("load", &load_vision_tokens, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("__len__", &VisionTokens::num_vision_tokens)
      .def("__repr__", [](const VisionTokens& t) {
        return "<fovea.VisionTokens " + std::to_string(t.rows) + " x " + std::to_string(t.columns) + ", " + std::to_string(t.num_decoder_positions()) +
               " decoder positions, model " + t.model + ">";
      });

  py::class_<Reading>(m, "Reading", "Text read from one page.")
      .def_readonly("text", &Reading::text)
      .def_property_readonly("ids", [](const Reading& r) { return r.generated.ids; })
      .def_property_readonly("probabilities", [](const Reading& r) { return r.generated.probabilities; })
      .def_property_readonly("stop_reason", [](const Reading& r) { return decoder::stop_reason_name(r.generated.reason); })
      .def("__str__", [](const Reading& r) { return r.text; });

  py::class_<SharedReader, std::shared_ptr<SharedReader>>(m, "Reader", "A model with its tokenizer. Threads may share it; they take turns.")
      .def_static("load",
                  [](const std::string& folder, const std::string& device, const std::string& dtype) {
                    return std::shared_ptr<SharedReader>(new SharedReader{Reader::load(folder, {device, dtype}), {}});
                  },
                  py::arg("folder"), py::arg("device") = "cpu", py::arg("dtype") = "auto", py::call_guard<py::gil_scoped_release>())
      .def("encode",
           [](SharedReader& self, const py::sequence& pages) {
             const Pictures pictures(pages);
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             return self.reader.encode(pictures.images);
           },
           py::arg("pages"), "Pages, all of one size, to vision tokens.")
      .def("encode_views",
           [](SharedReader& self, const image::Views& views) {
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             return self.reader.encode(views);
           },
           py::arg("views"), "One picture in a mode (make_views), tiles included, to vision tokens.")
      .def("decode",
           [](SharedReader& self, const std::vector<const VisionTokens*>& tokens, const std::string& prompt, const py::kwargs& kwargs) {
             decoder::GenerateConfig config;
             apply_kwargs(config, kwargs);
             PendingPythonError pending;
             struct Stop {};
             std::vector<Reading> out;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               try {
                 out = self.reader.decode(tokens, config, {}, [&](size_t) {
                   if (!pending.run([] {})) throw Stop{};
                 }, prompt);
               } catch (const Stop&) {
               }
             }
             pending.rethrow();
             return out;
           },
           py::arg("tokens"), py::arg("prompt") = "",
           "Vision tokens, all of one layout, to Readings. Models that take a prompt get it: free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text "
           "with <image>. Keywords are the fields of GenerateConfig.")
      .def_property_readonly("config", [](const SharedReader& self) { return self.reader.config(); })
      .def_property_readonly("tokenizer", [](const SharedReader& self) { return self.reader.tokenizer(); })
      .def_property_readonly("stride_px", [](const SharedReader& self) { return self.reader.config().encoder.stride_px(); }, "Pixels a vision token's side.")
      .def("__repr__", [](const SharedReader& self) { return "<fovea.Reader " + self.reader.config().name + ">"; });

  m.def(
      "save_random_model",
      [](const std::string& folder, const ModelConfig& config, uint64_t seed) {
        OpticalModel network(config, nn::Factory{});
        nn::initialise(*network, seed);
        // Start values make every block the identity; a model that is to say something needs its outputs, too.
        torch::NoGradGuard no_grad;
        uint64_t index = 0;
        for (auto& parameter : network->parameters()) {
          ++index;
          if (parameter.dim() < 2 || parameter.count_nonzero().item<int64_t>() != 0) continue;
          auto values = at::empty(parameter.sizes());
          Rng rng(seed, 5, index);
          for (int64_t i = 0; i < values.numel(); ++i) values.data_ptr<float>()[i] = float(rng.uniform(-0.1, 0.1));
          parameter.copy_(values);
        }
        save_model(folder, network, {});
      },
      py::arg("folder"), py::arg("config"), py::arg("seed") = 0, py::call_guard<py::gil_scoped_release>(),
      "A model of random weights (config.json and safetensors, no tokenizer): for tests of everything but quality.");
}

}  // namespace fovea::python

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "shared_reader.h"
#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/model/optical_model.h"
#include "fovea/model/vision_token_ops.h"
#include "fovea/nn/initialise.h"
#include "fovea/render/page.h"

namespace fovea::python {

namespace {

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

// A Python callable that C++ may call from a thread without the GIL; what it raises is kept for the end of the step.
auto held(SharedReader& self, const py::object& callable) {
  std::shared_ptr<py::object> shared(new py::object(callable), [](py::object* object) {
    py::gil_scoped_acquire gil;
    delete object;
  });
  return [&self, shared](const auto& value) {
    py::gil_scoped_acquire gil;
    try {
      (*shared)(value);
    } catch (...) {
      if (!self.callback_error) self.callback_error = std::current_exception();
    }
  };
}

}  // namespace

void bind_model(py::module_& m) {
  using namespace model;
  bind_config<ModelConfig>(m);
  bind_config<decoder::GenerateConfig>(m);
  bind_config<decoder::EngineConfig>(m);
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
      .def_readonly("mosaic_rows", &VisionTokens::mosaic_rows)
      .def_readonly("mosaic_columns", &VisionTokens::mosaic_columns)
      .def_readonly("removed", &VisionTokens::removed, "Numbers of the tokens that drop() took out of the sequence.")
      .def_property_readonly("num_vision_tokens", &VisionTokens::num_vision_tokens)
      .def_property_readonly("num_decoder_positions", &VisionTokens::num_decoder_positions)
      .def("save", &save_vision_tokens, py::arg("path"), py::arg("kind") = "keep", py::call_guard<py::gil_scoped_release>(),
           "One safetensors file. kind: keep, float32, float16, int8 or int4 (see quantize).")
      .def_property_readonly("positions", &token_positions, "Row of `tensor` of every vision token, separators left out.")
      .def_property_readonly("norms", &token_norms, "Euclidean length of every vision token.")
      .def("pool", &pool, py::arg("factor"), py::call_guard<py::gil_scoped_release>(), "Means over factor x factor neighbours: n tokens become n / factor^2.")
      .def("drop", &drop, py::arg("which"), py::arg("how") = "remove", py::call_guard<py::gil_scoped_release>(),
           "Without the named tokens: remove (a shorter sequence), zero or mean.")
      .def("prune", &prune, py::arg("keep"), py::arg("by") = "norm", py::arg("how") = "remove", py::call_guard<py::gil_scoped_release>(),
           "Keeps so many tokens: of the largest norm, of the smallest (small-norm), or evenly spread (even).")
      .def("quantize", &quantize, py::arg("kind"), py::call_guard<py::gil_scoped_release>(), "In float32, float16, int8, int4 or binary: the tokens as they come back, error and bytes.")
      .def_static("load", &load_vision_tokens, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("__len__", &VisionTokens::num_vision_tokens)
      .def("__repr__", [](const VisionTokens& t) {
        return "<fovea.VisionTokens " + std::to_string(t.rows) + " x " + std::to_string(t.columns) + ", " + std::to_string(t.num_decoder_positions()) +
               " decoder positions, model " + t.model + ">";
      });

  py::class_<QuantizedTokens>(m, "QuantizedTokens", "Vision tokens after storing in fewer bits.")
      .def_readonly("tokens", &QuantizedTokens::tokens)
      .def_readonly("relative_error", &QuantizedTokens::relative_error)
      .def_readonly("largest_error", &QuantizedTokens::largest_error)
      .def_readonly("num_bytes", &QuantizedTokens::num_bytes)
      .def_readonly("num_bytes_original", &QuantizedTokens::num_bytes_original);
  m.def("average_tokens", &average, py::arg("pages"), py::call_guard<py::gil_scoped_release>(), "Mean of several pages' VisionTokens, all of one layout.");
  m.def("prompt_text", &prompt_text, py::arg("name_or_text"), "The text of a published prompt by its name; any other text as it is.");

  py::class_<Reading>(m, "Reading", "Text read from one page.")
      .def_readonly("text", &Reading::text)
      .def_property_readonly("ids", [](const Reading& r) { return r.generated.ids; })
      .def_property_readonly("probabilities", [](const Reading& r) { return r.generated.probabilities; })
      .def_property_readonly("entropies", [](const Reading& r) { return r.generated.entropies; }, "Of what each id was chosen from, in nats.")
      .def_property_readonly("loop_begin", [](const Reading& r) { return r.generated.loop_begin; }, "Where in ids the block of a loop stands.")
      .def_property_readonly("loop_period", [](const Reading& r) { return r.generated.loop_period; }, "Tokens of a loop's block, 0 without a loop.")
      .def_property_readonly("loop_repeats", [](const Reading& r) { return r.generated.loop_repeats; }, "How often the block had been written when the reading stopped.")
      .def_property_readonly("loops_left", [](const Reading& r) { return r.generated.loops_left; }, "Loops that were taken back and left by another token (loop_retries).")
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
           [](SharedReader& self, const std::vector<const VisionTokens*>& tokens, const std::string& prompt, const py::object& on_text, const py::object& on_done,
              const py::kwargs& kwargs) {
             decoder::GenerateConfig config;
             apply_kwargs(config, kwargs);
             PendingPythonError pending;
             struct Stop {};
             const auto call = [&](auto&& body) {
               if (!pending.run(body)) throw Stop{};
             };
             std::function<void(size_t, const std::string&)> grown;
             if (!on_text.is_none()) grown = [&](size_t i, const std::string& text) { call([&] { on_text(i, text); }); };
             std::function<void(size_t, const Reading&)> done;
             if (!on_done.is_none()) done = [&](size_t i, const Reading& reading) { call([&] { on_done(i, reading); }); };
             std::vector<Reading> out;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               try {
                 out = self.reader.decode(tokens, config, done, [&](size_t) { call([] {}); }, prompt, grown);
               } catch (const Stop&) {
               }
             }
             pending.rethrow();
             return out;
           },
           py::arg("tokens"), py::arg("prompt") = "", py::kw_only(), py::arg("on_text") = py::none(), py::arg("on_done") = py::none(),
           "Vision tokens, of any layouts, to Readings. Models that take a prompt get it: free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text "
           "with <image>. on_text(index, text so far) and on_done(index, Reading) are called on the way; what they raise ends the call. Keywords are the fields of "
           "GenerateConfig.")
      .def("submit",
           [](SharedReader& self, const VisionTokens& tokens, const std::string& prompt, const py::object& on_text, const py::object& on_done, const py::kwargs& kwargs) {
             decoder::GenerateConfig config;
             apply_kwargs(config, kwargs);
             std::function<void(const Reading&)> done;
             if (!on_done.is_none()) done = [call = held(self, on_done)](const Reading& reading) { call(reading); };
             std::function<void(const std::string&)> grown;
             if (!on_text.is_none()) grown = [call = held(self, on_text)](const std::string& text) { call(text); };
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             return self.reader.submit(tokens, config, prompt, std::move(done), std::move(grown));
           },
           py::arg("tokens"), py::arg("prompt") = "", py::kw_only(), py::arg("on_text") = py::none(), py::arg("on_done") = py::none(),
           "Queues a page that step() decodes together with all others in work, whenever they came; returns its number. on_text(text so far) and on_done(Reading) are "
           "called by step(). Keywords are the fields of GenerateConfig.")
      .def("cancel",
           [](SharedReader& self, int64_t page) {
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             return self.reader.cancel(page);
           },
           py::arg("page"), "Forgets a submitted page; returns whether it was still there.")
      .def("step",
           [](SharedReader& self) {
             size_t tokens = 0;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               tokens = self.reader.step();
             }
             if (PyErr_CheckSignals() != 0) throw py::error_already_set();
             if (self.callback_error) {
               auto error = std::exchange(self.callback_error, nullptr);
               std::rethrow_exception(error);
             }
             return tokens;
           },
           "Takes in pages that fit and decodes a step of all in work; returns the tokens written. The first exception of a callback is raised afterwards.")
      .def("idle",
           [](SharedReader& self) {
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             return self.reader.idle();
           },
           "Whether no page waits or is being decoded.")
      .def("occupancy",
           [](SharedReader& self) {
             decoder::Occupancy o;
             {
               py::gil_scoped_release release;
               std::lock_guard<std::mutex> lock(self.mutex);
               o = self.reader.occupancy();
             }
             py::dict out;
             out["running"] = o.running, out["waiting"] = o.waiting, out["blocks_total"] = o.blocks_total, out["blocks_free"] = o.blocks_free;
             out["block"] = o.block, out["cache_bytes"] = o.cache_bytes, out["evictions"] = o.evictions, out["path"] = o.path;
             return out;
           },
           "What is in work: running, waiting, blocks_total, blocks_free, block (positions of a page of the cache), cache_bytes, evictions, path.")
      .def("set_engine",
           [](SharedReader& self, const py::kwargs& kwargs) {
             decoder::EngineConfig config;
             apply_kwargs(config, kwargs);
             py::gil_scoped_release release;
             std::lock_guard<std::mutex> lock(self.mutex);
             self.reader.set_engine(config);
           },
           "How pages are decoded together: keywords are the fields of EngineConfig.")
      .def_property_readonly("config", [](const SharedReader& self) { return self.reader.config(); })
      .def_property_readonly("tokenizer", [](const SharedReader& self) { return self.reader.tokenizer(); })
      .def_property_readonly("stride_px", [](const SharedReader& self) { return self.reader.config().stride_px(); }, "Pixels a vision token's side.")
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

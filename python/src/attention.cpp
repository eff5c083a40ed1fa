#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/model/looking.h"
#include "shared_reader.h"

namespace fovea::python {

using namespace model;

void bind_attention(py::module_& m) {
  m.def(
      "look_back",
      [](SharedReader& self, const VisionTokens& tokens, const std::vector<int32_t>& ids, const std::vector<int64_t>& layers, const std::string& prompt) {
        Looking found;
        {
          py::gil_scoped_release release;
          std::lock_guard<std::mutex> lock(self.mutex);
          found = look_back(self.reader, tokens, ids, layers, prompt);
        }
        py::dict out;
        const auto array = [](const at::Tensor& t) {
          const auto whole = t.contiguous();
          return py::array_t<float>(std::vector<py::ssize_t>(whole.sizes().begin(), whole.sizes().end()), whole.data_ptr<float>());
        };
        out["attention"] = array(found.attention);
        out["separators"] = array(found.separators);
        out["text"] = array(found.text);
        out["layers"] = found.layers;
        out["token_bytes"] = found.token_bytes;
        return out;
      },
      py::arg("reader"), py::arg("tokens"), py::arg("ids"), py::arg("layers") = std::vector<int64_t>{}, py::arg("prompt") = "",
      "Attention over vision tokens [layers, heads, tokens, vision tokens] of each token of a finished text (Reading.ids), teacher forced; with what fell on "
      "separators and on text, and the byte at which each token ends.");
}

}  // namespace fovea::python

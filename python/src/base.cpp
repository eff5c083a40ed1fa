#include "bindings.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea::python {

py::object to_python(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null: return py::none();
    case Json::value_t::boolean: return py::bool_(value.get<bool>());
    case Json::value_t::number_integer: return py::int_(value.get<int64_t>());
    case Json::value_t::number_unsigned: return py::int_(value.get<uint64_t>());
    case Json::value_t::number_float: return py::float_(value.get<double>());
    case Json::value_t::string: return py::str(value.get<std::string>());
    case Json::value_t::array: {
      py::list out;
      for (const auto& item : value) out.append(to_python(item));
      return out;
    }
    default: {
      py::dict out;
      for (const auto& item : value.items()) out[py::str(item.key())] = to_python(item.value());
      return out;
    }
  }
}

Json to_json(const py::handle& value) {
  if (value.is_none()) return nullptr;
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value)) return value.cast<int64_t>();
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::dict>(value)) {
    Json out = Json::object();
    for (const auto& [key, item] : py::reinterpret_borrow<py::dict>(value)) out[py::str(key).cast<std::string>()] = to_json(item);
    return out;
  }
  if (py::isinstance<py::list>(value) || py::isinstance<py::tuple>(value)) {
    Json out = Json::array();
    for (const auto& item : value) out.push_back(to_json(item));
    return out;
  }
  if (py::hasattr(value, "to_dict")) return to_json(value.attr("to_dict")());
  if (py::hasattr(value, "__fspath__")) return py::str(value.attr("__fspath__")()).cast<std::string>();
  if (py::hasattr(value, "__index__")) return value.attr("__index__")().cast<int64_t>();  // NumPy's whole numbers
  if (py::hasattr(value, "__float__")) return value.attr("__float__")().cast<double>();
  throw py::type_error("an option must be a bool, number, text, list or dict, got " + py::repr(value).cast<std::string>());
}

namespace {

// Both bases: `except fovea.Error` and `except ValueError` catch the same object.
template <class E> void register_error(py::module_& m, const char* name, const py::object& base, PyObject* python_base) {
  py::register_exception<E>(m, name, py::make_tuple(base, py::reinterpret_borrow<py::object>(python_base)));
}

}  // namespace

void bind_base(py::module_& m) {
  // pybind11 tries the latest registration first: the common base comes first.
  auto base = py::register_exception<Error>(m, "Error", PyExc_Exception);
  register_error<ConfigError>(m, "ConfigError", base, PyExc_ValueError);
  register_error<ShapeError>(m, "ShapeError", base, PyExc_ValueError);
  register_error<WeightsError>(m, "WeightsError", base, PyExc_RuntimeError);
  register_error<RenderError>(m, "RenderError", base, PyExc_RuntimeError);
  register_error<IoError>(m, "IoError", base, PyExc_OSError);
  register_error<UnsupportedError>(m, "UnsupportedError", base, PyExc_NotImplementedError);
  register_error<InternalError>(m, "InternalError", base, PyExc_RuntimeError);
  m.def("read_toml", [](const std::string& path) { return to_python(read_toml(path)); }, py::arg("path"));
}

}  // namespace fovea::python

// One bind_<folder> a folder of the C++ tree, and what they share.
#pragma once
#include <torch/csrc/utils/pybind.h>

#include <cxxabi.h>

#include <string>
#include <vector>

#include "fovea/base/config.h"

namespace fovea::python {
namespace py = pybind11;

void bind_base(py::module_& m);
void bind_text(py::module_& m);
void bind_render(py::module_& m);
void bind_image(py::module_& m);
void bind_render_tools(py::module_& m);
void bind_model(py::module_& m);
void bind_documents(py::module_& m);
void bind_experiments(py::module_& m);
void bind_metrics(py::module_& m);
void bind_law(py::module_& m);
void bind_ablate(py::module_& m);
void bind_tasks(py::module_& m);
void bind_attention(py::module_& m);

py::object to_python(const Json& value);
/// dict, list, tuple, str, bool, int, float, None, os.PathLike (as its text). Errors: TypeError.
Json to_json(const py::handle& value);

/// The class of a config struct: attributes and keyword arguments are the fields of visit_fields, nested structs included.
template <class C> void bind_config(py::module_& m);

namespace detail {

template <class T> std::string class_name() {
  int status = 0;
  char* text = abi::__cxa_demangle(typeid(T).name(), nullptr, nullptr, &status);
  std::string name = text;
  std::free(text);
  return name.substr(name.rfind(':') + 1);
}

// Fields are reached by their place in the struct, which visit_fields tells.
template <class C> struct FieldBinder {
  py::module_& m;
  py::class_<C>& cls;
  const C& instance;

  template <class T> void field(const char* name, T& value, const char* help, const FieldRule& = {}) {
    const ptrdiff_t offset = reinterpret_cast<const char*>(&value) - reinterpret_cast<const char*>(&instance);
    const auto at = [offset](C& config) -> T& { return *reinterpret_cast<T*>(reinterpret_cast<char*>(&config) + offset); };
    const std::string field_name = name;
    if constexpr (fovea::detail::IsConfig<T>::value) {
      if (!py::detail::get_type_info(typeid(T), false)) bind_config<T>(m);
      cls.def_property(
          name, py::cpp_function([at](C& config) -> T& { return at(config); }, py::return_value_policy::reference_internal),
          py::cpp_function([at](C& config, const T& value) { at(config) = value; }), help);
    } else {
      cls.def_property(
          name, py::cpp_function([at](C& config) { return to_python(Json(at(config))); }),
          py::cpp_function([field_name](C& config, const py::object& value) {
            apply_json(config, Json{{field_name, to_json(value)}}, class_name<C>());
          }),
          help);
    }
  }
};

}  // namespace detail

/// Keyword arguments (nested: dicts or config objects) onto a struct.
template <class C> void apply_kwargs(C& config, const py::kwargs& kwargs) { apply_json(config, to_json(kwargs), detail::class_name<C>()); }

template <class C> void bind_config(py::module_& m) {
  py::class_<C> cls(m, detail::class_name<C>().c_str());
  cls.def(py::init([](const py::kwargs& kwargs) {
    C config;
    apply_kwargs(config, kwargs);
    return config;
  }));
  C instance;
  detail::FieldBinder<C> binder{m, cls, instance};
  instance.visit_fields(binder);
  cls.def("to_dict", [](const C& config) { return to_python(config_to_json(config)); }, "All fields, nested ones as dicts.");
  cls.def(
      "update", [](C& config, const py::dict& fields) { apply_json(config, to_json(fields), detail::class_name<C>()); }, py::arg("fields"),
      "Sets the fields that the dict names; unknown names are one ConfigError.");
  cls.def(
      "override", [](C& config, const std::vector<std::string>& texts) { apply_overrides(config, texts, detail::class_name<C>()); },
      py::arg("texts"), "Applies key=value texts, dotted keys for nested fields.");
  cls.def_static("schema", [] { return to_python(config_schema<C>()); }, "name, type, default, help and rules of every field, nested ones dotted.");
  cls.def("__eq__", [](const C& a, const C& b) { return config_to_json(a) == config_to_json(b); });
  cls.def("__copy__", [](const C& config) { return config; });
  cls.def("__deepcopy__", [](const C& config, const py::dict&) { return config; }, py::arg("memo"));
  cls.def("__repr__", [](const C& config) {
    const py::dict fields = to_python(config_to_json(config));
    std::string text = detail::class_name<C>() + "(";
    bool first = true;
    for (const auto& item : fields) {
      text += std::string(first ? "" : ", ") + std::string(py::str(item.first)) + "=" + std::string(py::repr(item.second));
      first = false;
    }
    return text + ")";
  });
}

/// What Python asked for while C++ ran without the GIL: an exception of a callback, or Ctrl-C, is kept and rethrown at the end.
class PendingPythonError {
 public:
  /// Calls body with the GIL. False if it, or an earlier one, raised.
  template <class Body> bool run(Body&& body) {
    if (error_) return false;
    py::gil_scoped_acquire gil;
    try {
      body();
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    } catch (...) {
      error_ = std::current_exception();
    }
    return !error_;
  }
  bool raised() const { return bool(error_); }
  void rethrow() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

}  // namespace fovea::python

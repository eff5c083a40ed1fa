#include "bindings.h"

PYBIND11_MODULE(_C, m) {
  m.doc() = "Bindings of Fovea's C++ libraries, a function a folder; the package `fovea` is the way in.";
  m.attr("__version__") = FOVEA_VERSION;
  fovea::python::bind_base(m);
  fovea::python::bind_text(m);
  fovea::python::bind_render(m);
  fovea::python::bind_render_tools(m);
  fovea::python::bind_model(m);
  fovea::python::bind_image(m);  // its configs hold the model's
  fovea::python::bind_documents(m);
  fovea::python::bind_experiments(m);
  fovea::python::bind_metrics(m);
  fovea::python::bind_ablate(m);
  fovea::python::bind_tasks(m);
  fovea::python::bind_law(m);
  fovea::python::bind_attention(m);
}

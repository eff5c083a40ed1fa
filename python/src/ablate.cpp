#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/experiments/ablate.h"

namespace fovea::python {

using namespace experiments;

void bind_ablate(py::module_& m) {
  bind_config<AblateConfig>(m);
  bind_config<AblateCellConfig>(m);
  m.def("plan_ablation", [](const AblateConfig& config) { return to_python(describe_plan(plan_ablation(config))); }, py::arg("config"),
        "The cells of a grid, nothing run: name, group, seed, parameters, gigaflops_page, status, folder.");
  m.def(
      "run_ablation",
      [](const AblateConfig& config, const std::vector<std::string>& command, const py::object& on_progress) {
        PendingPythonError pending;
        AblateCallbacks callbacks;
        callbacks.command = command;
        if (!on_progress.is_none())
          callbacks.on_progress = [&](size_t done, size_t total, const Json& running) { pending.run([&] { on_progress(done, total, to_python(running)); }); };
        callbacks.should_stop = [&] { return !pending.run([] {}); };
        AblateSummary summary;
        {
          py::gil_scoped_release release;
          summary = run_ablation(config, callbacks);
        }
        pending.rethrow();
        return to_python(Json{{"rows", summary.rows}, {"num_complete", summary.num_complete}, {"num_failed", summary.num_failed}, {"num_busy", summary.num_busy}});
      },
      py::arg("config"), py::arg("command"), py::arg("on_progress") = py::none(),
      "Runs the unfinished cells, each as a process that `command` starts. on_progress(done, total, running cells).");
  m.def("freeze_ablation", [](const AblateConfig& config) { return to_python(freeze_ablation(config)); }, py::arg("config"),
        "Writes cell.json of every chosen cell; {cells: [{name, folder, status}]}. For those who start the cells themselves.");
  m.def(
      "collect_ablation",
      [](const AblateConfig& config) {
        const auto summary = collect_ablation(config);
        return to_python(Json{{"rows", summary.rows}, {"num_complete", summary.num_complete}, {"num_failed", summary.num_failed}, {"num_busy", summary.num_busy}});
      },
      py::arg("config"), "table.csv and manifest.json of what is in the folder now; nothing is run.");
  m.def(
      "run_ablate_cell",
      [](const AblateCellConfig& config, const py::object& on_line) {
        PendingPythonError pending;
        Json result;
        {
          py::gil_scoped_release release;
          result = run_ablate_cell(config, [&](const std::string& line) { if (!on_line.is_none()) pending.run([&] { on_line(line); }); }, [&] { return !pending.run([] {}); });
        }
        pending.rethrow();
        return to_python(result);
      },
      py::arg("config"), py::arg("on_line") = py::none(), "Trains and measures one cell in its folder; its result.json.");
  m.def("plan_training", [](const TrainConfig& config) { return to_python(plan_training(config)); }, py::arg("config"),
        "What a training would take: parameters, operations, memory, length. Counted, nothing is run.");
  m.def("describe_training_plan", [](const py::dict& plan) { return describe_training_plan(to_json(plan)); }, py::arg("plan"));
}

}  // namespace fovea::python

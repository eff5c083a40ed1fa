#include <pybind11/stl.h>

#include "bindings.h"
#include "edit_name.h"
#include "fovea/experiments/curve.h"
#include "fovea/experiments/info.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/train_verb.h"

namespace fovea::python {

using namespace experiments;

void bind_experiments(py::module_& m) {
  bind_config<CurveConfig>(m);
  bind_config<TrainConfig>(m);
  bind_config<InfoConfig>(m);

  py::class_<Score>(m, "Score", "How much of a text survived.")
      .def_readonly("precision", &Score::precision, "Set-of-words precision, the paper's.")
      .def_readonly("recall", &Score::recall)
      .def_readonly("f1", &Score::f1)
      .def_readonly("char_edit_distance", &Score::char_edit_distance, "Edits over the longer length, white space normalised.")
      .def_readonly("num_edits", &Score::num_edits)
      .def_readonly("num_ref_chars", &Score::num_ref_chars)
      .def_readonly("num_hyp_chars", &Score::num_hyp_chars)
      .def_property_readonly("script",
                             [](const Score& score) {
                               py::list out;
                               for (const auto& run : score.script) out.append(py::make_tuple(edit_name(run.kind), run.ref_begin, run.hyp_begin, run.length));
                               return out;
                             },
                             "Runs (kind, ref_begin, hyp_begin, length) over the normalised texts; kinds match, substitute, insert, delete.")
      .def("to_dict",
           [](const Score& s) {
             py::dict out;
             out["precision"] = s.precision;
             out["recall"] = s.recall;
             out["f1"] = s.f1;
             out["char_edit_distance"] = s.char_edit_distance;
             return out;
           })
      .def("__repr__", [](const Score& s) {
        return "Score(precision=" + std::to_string(s.precision) + ", recall=" + std::to_string(s.recall) + ", f1=" + std::to_string(s.f1) +
               ", char_edit_distance=" + std::to_string(s.char_edit_distance) + ")";
      });
  m.def("score_text", [](const std::string& reference, const std::string& hypothesis) { return score_text(reference, hypothesis); }, py::arg("reference"),
        py::arg("hypothesis"), py::call_guard<py::gil_scoped_release>());
  m.def("normalize_space", [](const std::string& text) { return normalize_space(text); }, py::arg("text"));

  m.def("error_picture", [](const render::Page& page, const std::string& hypothesis) { return error_picture(page, hypothesis); }, py::arg("page"),
        py::arg("hypothesis"), py::call_guard<py::gil_scoped_release>(),
        "The page with its reading's errors: substituted and lost characters red, the place before which something was added blue.");
  m.def("summary_columns", &summary_columns);
  m.def(
      "run_curve",
      [](const CurveConfig& config, const py::object& on_progress, const py::object& on_page, const std::vector<std::string>& command,
         const std::string& git_revision) {
        PendingPythonError pending;
        CurveCallbacks callbacks;
        callbacks.command = command;
        callbacks.git_revision = git_revision;
        if (!on_progress.is_none())
          callbacks.on_progress = [&](const CurveProgress& p) {
            pending.run([&] { on_progress(p.pages_done, p.pages_total, p.share_done, p.seconds_left); });
          };
        if (!on_page.is_none()) callbacks.on_page = [&](const Json& line) { pending.run([&] { on_page(to_python(line)); }); };
        callbacks.should_stop = [&] { return !pending.run([] {}); };
        CurveSummary summary;
        {
          py::gil_scoped_release release;
          summary = run_curve(config, callbacks);
        }
        pending.rethrow();
        return to_python(summary.rows);
      },
      py::arg("config"), py::arg("on_progress") = py::none(), py::arg("on_page") = py::none(), py::arg("command") = std::vector<std::string>{},
      py::arg("git_revision") = "",
      "The curve into config.out; rows of summary.csv. on_progress(pages_done, pages_total, share_done, seconds_left), on_page(result line).");
  m.def(
      "run_train",
      [](const TrainConfig& config, const py::object& on_log) {
        PendingPythonError pending;
        train::TrainResult result;
        {
          py::gil_scoped_release release;
          result = run_train(
              config,
              [&](const Json& line) {
                if (!on_log.is_none()) pending.run([&] { on_log(to_python(line)); });
              },
              [&] { return !pending.run([] {}); });
        }
        pending.rethrow();
        return to_python(Json{{"num_steps", result.num_steps}, {"last_log", result.last_log}});
      },
      py::arg("config"), py::arg("on_log") = py::none(), "Trains into config.trainer.out. on_log(line of log.jsonl).");
  m.def("describe_log", [](const py::dict& line) { return describe_log(to_json(line)); }, py::arg("line"));
  m.def("describe_seconds", &describe_seconds, py::arg("seconds"));
  m.def("describe_info", [](const py::dict& info) { return describe_info(to_json(info)); }, py::arg("info"), "model_info as a person reads it.");
  m.def("model_info", [](const InfoConfig& config) { return to_python(model_info(config)); }, py::arg("config"));
  m.def("library_versions", [] { return to_python(library_versions()); });
}

}  // namespace fovea::python

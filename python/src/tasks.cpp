#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/records.h"
#include "fovea/experiments/grid.h"
#include "fovea/experiments/language_model.h"
#include "fovea/experiments/model_reader.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/sweep_verb.h"
#include "fovea/experiments/task.h"

namespace fovea::python {

using namespace experiments;

namespace {

py::array_t<uint8_t> array_of(const Image& image) {
  std::vector<py::ssize_t> shape = {image.height_px, image.width_px};
  if (image.channels > 1) shape.push_back(image.channels);
  py::array_t<uint8_t> out(shape);
  if (!image.pixels.empty()) std::memcpy(out.mutable_data(), image.pixels.data(), image.pixels.size());
  return out;
}

py::dict to_dict(const ReadRequest& request) {
  py::dict out;
  py::list pages;
  for (const auto& page : request.pages) pages.append(array_of(page));
  out["sample"] = request.sample;
  out["pages"] = pages;
  out["text"] = py::none();
  out["prompt"] = request.prompt;
  out["max_tokens"] = request.max_tokens;
  out["mode"] = request.mode;
  out["budget"] = request.budget;
  return out;
}

ReadAnswer to_answer(const py::handle& object, const std::string& sample) {
  if (!py::isinstance<py::dict>(object)) throw py::type_error("a reader's answer to " + sample + " must be a dict with 'text' or 'error', got " + std::string(py::str(py::type::of(object))));
  const auto dict = py::reinterpret_borrow<py::dict>(object);
  static const std::vector<std::string> known = {"text", "error", "vision_tokens", "positions", "num_tokens", "stop_reason", "mean_probability", "seconds", "sample"};
  for (const auto& item : dict) {
    const std::string key = py::str(item.first);
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string near = nearest_word(key, known);
    throw ConfigError("[reader] unknown key '" + key + "' in the answer to " + sample + (near.empty() ? "" : ", did you mean '" + near + "'?"));
  }
  const auto has = [&](const char* key) { return dict.contains(key) && !dict[key].is_none(); };
  ReadAnswer out;
  if (has("error")) out.error = py::str(dict["error"]);
  if (has("text")) out.text = py::cast<std::string>(dict["text"]);
  if (!has("text") && !has("error")) throw ConfigError("[reader] the answer to " + sample + " must have 'text' or 'error'");
  if (has("vision_tokens")) out.num_vision_tokens = py::cast<int64_t>(dict["vision_tokens"]);
  if (has("positions")) out.num_decoder_positions = py::cast<int64_t>(dict["positions"]);
  if (has("num_tokens")) out.num_tokens = py::cast<int64_t>(dict["num_tokens"]);
  if (has("stop_reason")) out.stop_reason = py::cast<std::string>(dict["stop_reason"]);
  if (has("mean_probability")) out.mean_probability = py::cast<double>(dict["mean_probability"]);
  if (has("seconds")) out.seconds_decode = py::cast<double>(dict["seconds"]);
  return out;
}

Json cells_json(const std::vector<GridCell<EvalConfig>>& cells) {
  Json out = Json::array();
  for (const auto& cell : cells) out.push_back({{"hash", cell.hash}, {"label", cell_label(cell.values)}, {"config", config_to_json(cell.config)}});
  return out;
}

}  // namespace

void bind_tasks(py::module_& m) {
  bind_config<EvalConfig>(m);
  bind_config<SweepConfig>(m);
  m.def("task_names", [] {
    py::dict out;
    for (const auto& name : task_names()) {
      const auto task = make_task(name);
      out[py::str(name)] = task->about() + " (version " + task->version() + ")";
    }
    return out;
  }, "Name and description of every task.");
  m.def("control_names", &control_names);
  m.def(
      "run_eval",
      [](const EvalConfig& config, const py::object& reader, const py::object& on_progress, const py::object& on_sample, const std::vector<std::string>& command,
         const std::string& git_revision) {
        PendingPythonError pending;
        EvalCallbacks callbacks;
        callbacks.command = command;
        callbacks.git_revision = git_revision;
        if (!on_progress.is_none())
          callbacks.on_progress = [&](const EvalProgress& p) { pending.run([&] { on_progress(p.samples_done, p.samples_total, p.share_done, p.seconds_left); }); };
        if (!on_sample.is_none()) callbacks.on_sample = [&](const Json& line) { pending.run([&] { on_sample(to_python(line)); }); };
        callbacks.should_stop = [&] { return !pending.run([] {}); };
        EvalSummary summary;
        std::string name;
        bool takes_prompts = true;
        if (!reader.is_none()) {
          name = py::hasattr(reader, "name") ? std::string(py::str(reader.attr("name"))) : py::hasattr(reader, "__qualname__") ? std::string(py::str(reader.attr("__qualname__"))) : std::string(py::str(py::type::of(reader).attr("__name__")));
          if (py::hasattr(reader, "takes_prompts")) takes_prompts = py::cast<bool>(reader.attr("takes_prompts"));
        }
        const auto call = [&](const std::vector<ReadRequest>& requests) {
          std::vector<ReadAnswer> answers;
          const bool good = pending.run([&] {
            py::list list;
            for (const auto& request : requests) list.append(to_dict(request));
            const py::object result = reader(list);
            for (const auto& item : result) answers.push_back(to_answer(item, answers.size() < requests.size() ? requests[answers.size()].sample : "no request"));
          });
          if (!good) {  // the run stops and what Python raised is raised there
            answers.assign(requests.size(), {});
            for (auto& answer : answers) answer.error = "[reader] stopped";
          }
          return answers;
        };
        {
          py::gil_scoped_release release;
          callbacks.versions = experiments::library_versions();
          callbacks.hardware = hardware();
          EvalConfig resolved = config;
          std::unique_ptr<PageReader> pages;
          if (name.empty()) {
            pages = make_reader(resolved);
          } else {
            resolved.reader = "callback";
            pages = make_callback_reader(call, name, takes_prompts);
          }
          summary = run_eval(resolved, *pages, callbacks);
        }
        pending.rethrow();
        return to_python(Json{{"rows", summary.rows},
                              {"columns", summary.columns},
                              {"files", summary.files},
                              {"notes", summary.notes},
                              {"num_samples", summary.num_samples},
                              {"num_resumed", summary.num_resumed},
                              {"num_errors", summary.num_errors}});
      },
      py::arg("config"), py::arg("reader") = py::none(), py::arg("on_progress") = py::none(), py::arg("on_sample") = py::none(),
      py::arg("command") = std::vector<std::string>{}, py::arg("git_revision") = "",
      "A task into config.out. reader: a function of a list of request dicts to a list of answer dicts, in place of config.reader.");
  m.def("estimate_eval", [](const EvalConfig& config) {
    const auto e = estimate_eval(config);
    return to_python(Json{{"num_samples", e.num_samples}, {"num_vision_tokens", e.num_vision_tokens}, {"num_text_tokens", e.num_text_tokens}});
  }, py::arg("config"));
  m.def("read_table", [](const std::string& path) { return to_python(read_table(path)); }, py::arg("path"), "A .toml or .json file as a dict.");
  m.def(
      "sweep_cells_of", [](const py::dict& table, const std::vector<std::string>& words) { return to_python(cells_json(eval_cells(make_grid(to_json(table), words)))); },
      py::arg("table"), py::arg("words") = std::vector<std::string>{}, "The grid as a list of {hash, label, config}.");
  m.def(
      "freeze_sweep",
      [](const std::string& out, const py::dict& table, const std::vector<std::string>& words) { return to_python(freeze_sweep(out, make_grid(to_json(table), words))); }, py::arg("out"),
      py::arg("table"), py::arg("words") = std::vector<std::string>{}, "Writes out/sweep.json and a config.json a cell; returns sweep.json.");
  m.def("collect_sweep", [](const std::string& out, bool mark_mixed) { return to_python(collect_sweep(out, mark_mixed)); }, py::arg("out"), py::arg("mark_mixed") = false,
        "Writes out/summary.csv from the cells that are complete; returns {rows, columns, num_cells, num_complete, notes}.");
  m.def(
      "run_sweep",
      [](const SweepConfig& config, const py::object& on_cell, const py::object& on_progress, const std::vector<std::string>& command, const std::string& git_revision) {
        PendingPythonError pending;
        SweepCallbacks callbacks;
        callbacks.command = command;
        callbacks.git_revision = git_revision;
        if (!on_cell.is_none()) callbacks.on_cell = [&](const Json& cell) { pending.run([&] { on_cell(to_python(cell)); }); };
        if (!on_progress.is_none())
          callbacks.on_progress = [&](size_t done, size_t total, double share) { pending.run([&] { on_progress(done, total, share, -1.0); }); };
        callbacks.should_stop = [&] { return !pending.run([] {}); };
        Json result;
        {
          py::gil_scoped_release release;
          callbacks.versions = experiments::library_versions();
          callbacks.hardware = hardware();
          callbacks.make_reader = make_reader;
          result = run_sweep(config, callbacks);
        }
        pending.rethrow();
        return to_python(result);
      },
      py::arg("config"), py::arg("on_cell") = py::none(), py::arg("on_progress") = py::none(), py::arg("command") = std::vector<std::string>{}, py::arg("git_revision") = "",
      "Runs the cells of a sweep, or of a shard of it, here.");
  m.def("read_fox", [](const std::string& path) {
    py::list out;
    for (const auto& r : datasets::read_fox(path)) {
      py::dict d;
      d["image"] = r.image;
      d["question"] = r.question;
      d["text"] = r.text;
      out.append(d);
    }
    return out;
  }, py::arg("path"), "Records of one of Fox's page OCR files, checked.");
  m.def("read_omnidocbench", [](const std::string& path) {
    py::list out;
    for (const auto& p : datasets::read_omnidocbench(path)) {
      py::dict d;
      d["image"] = p.image;
      d["language"] = p.language;
      d["data_source"] = p.data_source;
      d["layout"] = p.layout;
      d["text"] = p.text;
      out.append(d);
    }
    return out;
  }, py::arg("path"), "Pages of an OmniDocBench annotation, checked: what their blocks say in reading order.");
  m.def("read_question_pairs", [](const std::string& path) {
    py::list out;
    for (const auto& p : datasets::read_question_pairs(path)) {
      py::dict d;
      d["id"] = p.id;
      d["context"] = p.context;
      d["question"] = p.question;
      d["answers"] = p.answers;
      out.append(d);
    }
    return out;
  }, py::arg("path"));
  m.def("read_text", &datasets::read_text, py::arg("path"), "A UTF-8 text file, cleaned as the tasks read it.");
  m.def("image_file", &datasets::image_file, py::arg("name"), py::arg("given"), py::arg("beside"), py::arg("folders"));

  py::class_<LanguageModel>(m, "LanguageModel", "An n-gram model of characters: what knowing the language alone is worth.")
      .def(py::init<int>(), py::arg("order") = 6)
      .def("train", [](LanguageModel& model, const std::string& text, size_t max_chars) { return model.train(text, max_chars); }, py::arg("text"), py::arg("max_chars") = 8'000'000,
           "Returns the code points taken.")
      .def("probability", [](const LanguageModel& model, const std::string& history, const std::string& next) {
        const auto c = to_code_points(next);
        if (c.size() != 1) throw ConfigError("[language model] next must be one character, got " + std::to_string(c.size()));
        return model.probability(to_code_points(history), c[0]);
      }, py::arg("history"), py::arg("next"))
      .def("follow", [](const LanguageModel& model, const std::string& text) {
        const auto f = model.follow(text);
        return to_python(Json{{"bits", f.bits}, {"num_chars", f.num_tokens}, {"num_chars_right", f.num_right}, {"num_words", f.num_words}, {"num_words_right", f.num_words_right}});
      }, py::arg("text"), "Bits and what was foreseen right, with the true text so far.");
}

}  // namespace fovea::python

#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/ablate.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/model/cost.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

constexpr double kLeastAccuracy = 0.9, kAtRatio = 5;  // shuffled words below this: undertrained

// Characters of shuffled words that are lost at the ratio nearest kAtRatio; prose where no curve of shuffled words is asked for; -1 without either.
double distance_at_5(const Json& rows) {
  double best_gap = 1e9, distance = -1;
  for (const char* kind : {"shuffled-words", "prose"}) {
    for (const Json& row : rows)
      if (row["text_kind"] == kind) {
        const double gap = std::abs(std::log(row["ratio_asked"].get<double>() / kAtRatio));
        if (gap < best_gap) best_gap = gap, distance = row["char_edit_distance"].get<double>();
      }
    if (distance >= 0) return distance;
  }
  return distance;
}

}  // namespace

Json run_ablate_cell(const AblateCellConfig& config, const std::function<void(const std::string&)>& on_line, const std::function<bool()>& should_stop) {
  const std::string path = config.cell + "/cell.json";
  AblateCell cell;
  try {
    apply_json(cell, Json::parse(read_file(path)), path);
  } catch (const Json::exception& e) {
    throw ConfigError("[ablate-cell] " + path + " is not JSON: " + e.what());
  }
  const auto say = [&](const std::string& line) { if (on_line) on_line(line); };
  auto& trainer = cell.train.trainer;
  trainer.out = config.cell + "/train";
  trainer.device = config.device;
  const auto model = train::model_of(trainer);
  const int64_t parameters = model::count_parameters(model).total;
  Json result = {{"name", cell.name}, {"group", cell.group}, {"seed", trainer.seed}, {"device", config.device}, {"hardware", hardware()}, {"versions", library_versions()},
                 {"parameters", parameters}};
  const std::string done = trainer.out + "/done";
  Json last = Json::object();
  if (fs::exists(done)) {
    last = Json::parse(read_file(done));
  } else {
    try {
      const auto trained = run_train(cell.train, [&](const Json& line) { say(describe_log(line)); }, should_stop);
      last = trained.last_log;
      if (should_stop && should_stop()) return {};
      last["num_steps"] = trained.num_steps;
      write_file_atomic(done, last.dump() + "\n");
    } catch (const train::DivergenceError& e) {
      result["status"] = "diverged";
      result["error"] = e.what();
      result["rows"] = Json::array();
      write_file_atomic(config.cell + "/result.json", result.dump(2) + "\n");
      say(e.what());
      return result;
    }
  }
  result["train"] = last;
  Json rows = Json::array();
  for (const auto& kind : cell.eval_text_kind) {
    CurveConfig curve = cell.eval;
    curve.model = trainer.out + "/model";
    curve.device = config.device;
    curve.text_kind = kind;
    curve.out = config.cell + "/eval-" + kind;
    CurveCallbacks callbacks;
    callbacks.should_stop = should_stop;
    callbacks.command = {"ablate-cell", "cell=" + config.cell};
    const auto summary = run_curve(curve, callbacks);
    if (summary.stopped) return {};
    for (Json row : summary.rows) {
      row["text_kind"] = kind;
      rows.push_back(row);
      say(fmt::format("{} {} {}x precision {:.3f} distance {:.4f}", kind, row["font"].get<std::string>(), row["ratio_asked"].get<double>(), row["precision"].get<double>(), row["char_edit_distance"].get<double>()));
    }
  }
  const double distance = distance_at_5(rows);
  for (Json& row : rows) {
    row["name"] = cell.name;
    row["group"] = cell.group;
    row["seed"] = trainer.seed;
    row["undertrained"] = distance > 1 - kLeastAccuracy ? 1 : 0;
    row["status"] = "complete";
    row["train_seconds"] = last.value("elapsed_s", 0.0);
    row["train_petaflops"] = last.value("petaflops", 0.0);
    row["train_steps"] = last.value("num_steps", int64_t(0));
    row["train_text_tokens"] = last.value("text_tokens", int64_t(0));
    row["parameters"] = parameters;
    row["cell"] = fs::path(config.cell).filename().string();
  }
  result["status"] = "complete";
  result["undertrained"] = distance > 1 - kLeastAccuracy;
  result["rows"] = rows;
  write_file_atomic(config.cell + "/result.json", result.dump(2) + "\n");
  return result;
}

}  // namespace fovea::experiments

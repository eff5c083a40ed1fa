#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/ablate.h"
#include "fovea/experiments/eval.h"
#include "fovea/experiments/model_reader.h"
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
      if (row["text_kind"] == kind && row["token_form"] == rows[0]["token_form"]) {
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
  // One process at a time; the lock ends with it.
  const int lock = ::open((config.cell + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0) throw IoError("[ablate-cell] cannot make " + config.cell + "/lock");
  struct Unlock {
    int fd;
    ~Unlock() { ::close(fd); }
  } unlock{lock};
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) throw ConfigError("[ablate-cell] busy: another process trains " + config.cell);
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
  for (const auto& form : cell.eval_token_form) {
    for (const auto& kind : cell.eval_text_kind) {
      CurveConfig curve = cell.eval;
      curve.token_form = form;
      curve.model = trainer.out + "/model";
      curve.device = config.device;
      curve.text_kind = kind;
      curve.out = config.cell + "/eval-" + kind + (form == "keep" ? "" : "-" + form);
      CurveCallbacks callbacks;
      callbacks.should_stop = should_stop;
      callbacks.command = {"ablate-cell", "cell=" + config.cell};
      const auto summary = run_curve(curve, callbacks);
      if (summary.stopped) return {};
      for (Json row : summary.rows) {
        row["text_kind"] = kind;
        rows.push_back(row);
        say(fmt::format("{}{} {} {}x precision {:.3f} distance {:.4f}", kind, form == "keep" ? "" : " " + form, row["font"].get<std::string>(), row["ratio_asked"].get<double>(), row["precision"].get<double>(), row["char_edit_distance"].get<double>()));
      }
    }
  }
  if (cell.perplexity_pages > 0) {
    EvalConfig follow;
    follow.task = "perplexity";
    follow.model = trainer.out + "/model";
    follow.device = config.device;
    follow.data = cell.eval.text;
    follow.budget = cell.eval.budget;
    follow.ratio = cell.eval.ratio;
    follow.font = cell.eval.font;
    follow.style = cell.eval.style;
    follow.channels = cell.eval.channels;
    follow.samples = cell.perplexity_pages;
    follow.tokenizer = cell.eval.tokenizer;
    follow.seed = cell.eval.seed;
    follow.save_pages = false;
    follow.out = config.cell + "/eval-perplexity";
    EvalCallbacks callbacks;
    callbacks.should_stop = should_stop;
    callbacks.command = {"ablate-cell", "cell=" + config.cell};
    const auto seen = run_eval(follow, callbacks);
    if (seen.stopped) return {};
    for (Json& row : rows)
      for (const Json& found : seen.rows) {
        if (row["text_kind"] != "prose" || row["token_form"] != cell.eval_token_form[0] || row["budget"] != found["budget"] || row["ratio_asked"] != found["ratio_asked"] || row["font"] != found["font"]) continue;
        for (const char* given : {"page", "page_and_text", "text", "nothing"}) row[std::string("bits_per_char_") + given] = found[std::string("bits_per_char_") + given];
        say(fmt::format("goes on after {}x: bits a character {:.3f} with the page, {:.3f} with its text", row["ratio_asked"].get<double>(), row["bits_per_char_page"].get<double>(), row["bits_per_char_text"].get<double>()));
      }
  }
  const int64_t side = *std::max_element(trainer.curriculum.sides_px.begin(), trainer.curriculum.sides_px.end()), grid = side / model.stride_px();
  const double gigaflops = model::page_flops(model, side, 10 * grid * grid).total() / 1e9;
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
    row["train_reader_accuracy"] = last.value("reader_accuracy", 0.0);
    if (last.contains("valid_loss")) row["valid_loss"] = last["valid_loss"];
    row["parameters"] = parameters;
    row["gigaflops_page"] = gigaflops;
    row["side_px"] = side;
    row["device"] = config.device;
    row["cell"] = fs::path(config.cell).filename().string();
  }
  result["status"] = "complete";
  result["undertrained"] = distance > 1 - kLeastAccuracy;
  result["rows"] = rows;
  write_file_atomic(config.cell + "/result.json", result.dump(2) + "\n");
  return result;
}

}  // namespace fovea::experiments

#include "fovea/experiments/ablate.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/datasets/text.h"
#include "fovea/experiments/grid.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/model/cost.h"

extern char** environ;

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

// What decides a cell's result: not where it is written and not how fast it is computed.
Json cell_identity(const AblateCell& cell) {
  Json json = config_to_json(cell);
  for (const char* name : {"out", "device", "workers", "prefetch_steps", "log_every", "checkpoint_every_s"}) json["train"]["trainer"].erase(name);
  for (const char* name : {"out", "device", "batch", "num_threads", "model", "text_kind", "token_form", "tokenizer"}) json["eval"].erase(name);
  return json;
}

std::string file_name_of(const std::string& name) {
  std::string out;
  for (char c : name) out += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ? c : '_';
  return out;
}

std::pair<size_t, size_t> parse_shard(const std::string& text) {
  size_t i = 0, n = 0;
  char slash = 0;
  std::istringstream in(text);
  if (!(in >> i >> slash >> n) || slash != '/' || i < 1 || i > n || !in.eof()) throw ConfigError("[ablate] shard must be i/n with 1 <= i <= n, got '" + text + "'");
  return {i, n};
}

// The cells and what was set for all of them, wherever config.grid has them: a TOML or JSON file, the manifest of an ablation, or a folder with either.
struct Source {
  Json table;
  std::vector<std::string> set;
  std::string stem;  // names the only cell of a grid without [[cell]]
};

std::string key_of(const std::string& word) { return word.substr(0, word.find('=')); }

Source source_of(const AblateConfig& config) {
  if (config.grid.empty()) throw ConfigError("[ablate] grid must name a TOML file, or the folder of an ablation");
  std::string path = config.grid;
  if (fs::is_directory(path)) {
    const std::string grid = path + "/grid.toml", manifest = path + "/manifest.json";
    if (!fs::exists(grid) && !fs::exists(manifest)) throw ConfigError("[ablate] " + path + " has neither grid.toml nor manifest.json: it is no folder of an ablation");
    path = fs::exists(grid) ? grid : manifest;
  }
  Source out{read_table(path), {}, fs::path(path).stem().string()};
  if (out.table.contains("verb")) {
    const Json manifest = out.table;
    const std::string beside = (fs::path(path).parent_path() / "grid.toml").string();
    if (manifest["verb"] != "ablate") throw ConfigError("[ablate] " + path + " is the manifest of " + manifest["verb"].dump() + ", not of an ablation");
    if (!manifest.contains("grid") && !fs::exists(beside)) throw ConfigError("[ablate] " + path + " holds no grid, and there is no grid.toml beside it");
    out.table = manifest.contains("grid") ? manifest["grid"] : read_table(beside);
    if (const auto old = manifest.find("config"); old != manifest.end() && old->is_object()) {
      out.set = old->value("set", out.set);
      out.stem = fs::path(old->value("grid", std::string(path))).stem().string();
    }
  }
  for (const auto& word : config.set) std::erase_if(out.set, [&](const std::string& old) { return key_of(old) == key_of(word); });
  out.set.insert(out.set.end(), config.set.begin(), config.set.end());
  return out;
}

void require_texts(const std::vector<std::string>& paths, const std::string& option) {
  for (const auto& path : paths)
    if (!fs::exists(path))
      throw IoError(option + ": " + path + " is not there; set " + option + "=FILE" + (option == "train.pages.text" ? " and train.pages.text_sha256=[] (no hash)" : "") + " for a text of your own");
}

constexpr const char* kBusy = "[ablate-cell] busy";  // how ablate_cell.cpp's error begins

// Everything of a cell that can be wrong before it starts.
void check_cell(const AblateCell& cell) {
  validate_fields(cell, "cell");
  train::check_start(cell.train.trainer);
  const auto model = train::model_of(cell.train.trainer);
  for (int64_t side : cell.train.trainer.curriculum.sides_px) model::page_flops(model, side, 1);
  for (int64_t budget : cell.eval.budget)
    if (const int64_t side = std::llround(std::sqrt(double(budget))); side * side != budget) throw ConfigError("eval.budget must be squares, got " + std::to_string(budget));
  for (const auto& kind : cell.eval_text_kind) datasets::parse_text_kind(kind);
  if (cell.eval_text_kind.empty() || cell.eval_token_form.empty()) throw ConfigError("eval_text_kind and eval_token_form must each name at least one");
  require_texts(cell.train.pages.text, "train.pages.text");
  require_texts(cell.eval.text, "eval.text");
}

struct Running {
  pid_t pid = 0;
  size_t cell = 0;
  std::string device;
};

pid_t start(const std::vector<std::string>& command, const std::string& folder, const std::string& device) {
  // A process of a GPU sees that GPU alone.
  std::string of_child = device;
  std::vector<std::string> environment;
  for (char** e = environ; *e; ++e) environment.emplace_back(*e);
  if (device.rfind("cuda:", 0) == 0) {
    std::erase_if(environment, [](const std::string& e) { return e.rfind("CUDA_VISIBLE_DEVICES=", 0) == 0; });
    environment.push_back("CUDA_VISIBLE_DEVICES=" + device.substr(5));
    of_child = "cuda";
  }
  std::vector<std::string> words = command;
  words.insert(words.end(), {"ablate-cell", "cell=" + folder, "device=" + of_child});
  std::vector<char*> argv, envp;
  for (auto& w : words) argv.push_back(w.data());
  for (auto& e : environment) envp.push_back(e.data());
  argv.push_back(nullptr), envp.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string log = folder + "/log.txt";
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw IoError(fmt::format("[ablate] cannot start {}: {}", words[0], std::strerror(error)));
  return pid;
}

std::string last_line(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return {};
  const std::streamoff size = in.tellg(), from = std::max<std::streamoff>(0, size - 8192);
  in.seekg(from);
  std::string tail(size_t(size - from), '\0');
  in.read(tail.data(), std::streamsize(tail.size()));
  while (!tail.empty() && tail.back() == '\n') tail.pop_back();
  return tail.substr(tail.rfind('\n') == std::string::npos ? 0 : tail.rfind('\n') + 1);
}

Json progress_of(const AblateCell& cell, const std::string& folder) {
  Json out = {{"name", cell.name}, {"phase", "train"}, {"progress", 0.0}};
  const Json line = Json::parse(last_line(folder + "/train/log.jsonl"), nullptr, false);
  if (line.is_object()) out["progress"] = std::min(1.0, line.value("progress", 0.0));
  if (fs::exists(folder + "/train/done")) out["phase"] = "curves";
  return out;
}

Json read_result(const std::string& folder) {
  const std::string path = folder + "/result.json";
  if (!fs::exists(path)) return {};
  Json out = Json::parse(read_file(path), nullptr, false);
  return out.is_object() ? out : Json{};
}

}  // namespace

const std::vector<std::string>& ablate_columns() {
  static const std::vector<std::string> columns = {
      "name", "group", "seed", "text_kind", "token_form", "budget", "ratio_asked", "ratio_measured", "font", "font_size_px", "precision", "precision_low", "precision_high", "recall",
      "char_edit_distance", "char_edit_distance_low", "char_edit_distance_high", "token_bits_per_char", "bits_per_char_page", "bits_per_char_page_and_text", "bits_per_char_text", "bits_per_char_nothing",
      "loop_rate", "num_pages", "undertrained", "status", "train_seconds", "train_petaflops",
      "train_steps", "train_text_tokens", "train_reader_accuracy", "valid_loss", "parameters", "gigaflops_page", "side_px", "device", "cell"};
  return columns;
}

AblatePlan plan_ablation(const AblateConfig& config) {
  validate_fields(config, "ablate");
  const Source source = source_of(config);
  Json table = source.table;
  Json named = Json::array();
  if (table.contains("cell")) {
    named = table["cell"];
    table.erase("cell");
    if (!named.is_array() || named.empty()) throw ConfigError("[ablate] " + config.grid + ": [[cell]] must be tables with name, group and set");
  } else {
    named.push_back({{"name", source.stem}});
  }
  AblatePlan plan;
  std::set<std::string> names;
  for (const Json& entry : named) {
    std::string name = entry.is_object() && entry.contains("name") && entry["name"].is_string() ? entry["name"].get<std::string>() : "";
    if (name.empty()) throw ConfigError("[ablate] " + config.grid + ": each [[cell]] needs a name");
    if (!names.insert(name).second) throw ConfigError("[ablate] " + config.grid + ": two cells are called '" + name + "'");
    const std::string where = config.grid + ", cell '" + name + "'";
    for (const auto& item : entry.items())
      if (item.key() != "name" && item.key() != "group" && item.key() != "set" && item.key() != "model")
        throw ConfigError("[ablate] " + where + ": " + item.key() + " is none of name, group, model, set");
    AblateCell base;
    base.name = name;
    base.group = entry.value("group", "");
    try {
      const auto strings = [&](const char* key) { return entry.contains(key) ? entry.at(key).get<std::vector<std::string>>() : std::vector<std::string>{}; };
      // The file's table, then the cell's own values, then those of the command line.
      Json own = table;
      const Json axes = own.contains("sweep") ? own["sweep"] : Json();
      own.erase("sweep");
      apply_json(base, own, where);
      apply_overrides(base, strings("set"), where);
      const auto more = strings("model");
      base.train.trainer.model.insert(base.train.trainer.model.end(), more.begin(), more.end());
      Json grid_table = Json::object();
      if (!axes.is_null()) grid_table["sweep"] = axes;
      const Grid grid = make_grid(grid_table, source.set);
      for (auto& cell : expand_grid<AblateCell>(grid, where, base, cell_identity)) {
        std::string suffix;
        for (const auto& [key, value] : cell.values)
          if (std::count_if(grid.axes.begin(), grid.axes.end(), [&](const GridAxis& axis) { return axis.key == key && axis.values.size() > 1; }) && key != "train.trainer.seed")
            suffix += " " + key.substr(key.rfind('.') + 1) + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
        cell.config.name = name + suffix;
        check_cell(cell.config);
        const std::string hash = sha256_hex(cell_identity(cell.config).dump()).substr(0, 12);
        const std::string folder = config.out + "/cells/" + file_name_of(cell.config.name) + "-" + hash;
        plan.hashes.push_back(hash);
        plan.folders.push_back(folder);
        cell.config.train.trainer.out = folder + "/train";
        plan.cells.push_back(std::move(cell.config));
      }
    } catch (const Error& e) {
      throw ConfigError("[ablate] " + where + ": " + e.what());
    } catch (const Json::exception&) {
      throw ConfigError("[ablate] " + where + ": set and model must be lists of key=value texts");
    }
  }
  for (const auto& name : config.only)
    if (std::none_of(plan.cells.begin(), plan.cells.end(), [&](const AblateCell& c) { return c.name == name; })) {
      std::vector<std::string> known;
      for (const auto& cell : plan.cells) known.push_back(cell.name);
      const std::string near = nearest_word(name, known);
      throw ConfigError("[ablate] only: there is no cell '" + name + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
    }
  const auto [first, step] = parse_shard(config.shard);
  for (size_t i = 0, number = 0; i < plan.cells.size(); ++i) {
    const bool named = config.only.empty() || std::find(config.only.begin(), config.only.end(), plan.cells[i].name) != config.only.end();
    plan.chosen.push_back(named && number % step == first - 1);
    number += named;
  }
  return plan;
}

Json describe_plan(const AblatePlan& plan) {
  Json out = Json::array();
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    if (!plan.chosen[i]) continue;
    const auto& cell = plan.cells[i];
    const auto model = train::model_of(cell.train.trainer);
    const auto& curriculum = cell.train.trainer.curriculum;
    const int64_t side = *std::max_element(curriculum.sides_px.begin(), curriculum.sides_px.end()), grid = side / model.stride_px();
    const auto parameters = model::count_parameters(model);
    const auto flops = model::page_flops(model, side, int64_t(10 * double(grid * grid)));
    const Json result = read_result(plan.folders[i]);
    out.push_back({{"name", cell.name},
                   {"group", cell.group},
                   {"seed", cell.train.trainer.seed},
                   {"parameters", parameters.total},
                   {"parameters_compressor", parameters.compressor},
                   {"side_px", side},
                   {"vision_tokens", grid * grid},
                   {"gigaflops_page", flops.total() / 1e9},
                   {"gigaflops_front", flops.front / 1e9},
                   {"gigaflops_compressor", flops.compressor / 1e9},
                   {"gigaflops_decoder", flops.decoder / 1e9},
                   {"time_limit_s", cell.train.trainer.time_limit_s},
                   {"petaflop_limit", cell.train.trainer.petaflop_limit},
                   {"status", result.is_object() ? result.value("status", "unfinished") : "unfinished"},
                   {"folder", plan.folders[i]}});
  }
  return out;
}

namespace {

void write_cells(const AblateConfig& config, const AblatePlan& plan) {
  make_writable_folder(config.out);
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    if (!plan.chosen[i]) continue;
    make_writable_folder(plan.folders[i]);
    write_file_atomic(plan.folders[i] + "/cell.json", config_to_json(plan.cells[i]).dump(2) + "\n");
  }
}

// Table and manifest of all cells of the grid, whoever ran them.
AblateSummary collect(const AblateConfig& config, const AblatePlan& plan, const std::string& started) {
  AblateSummary summary;
  Json cells = Json::array();
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    const Json result = read_result(plan.folders[i]);
    const std::string failure = plan.folders[i] + "/failed.json";
    std::string error, status = result.is_object() ? result.value("status", "") : "unfinished";
    if (result.is_object()) {
      error = result.value("error", "");
    } else if (fs::exists(failure)) {
      const Json told = Json::parse(read_file(failure), nullptr, false);
      status = "failed";
      error = told.is_object() ? told.value("error", "") : "";
    }
    cells.push_back({{"name", plan.cells[i].name}, {"seed", plan.cells[i].train.trainer.seed}, {"folder", plan.folders[i]}, {"status", status}, {"error", error}});
    summary.num_failed += status == "failed";
    summary.num_complete += status == "complete";
    if (result.is_object())
      for (const Json& row : result["rows"]) summary.rows.push_back(row);
  }
  const Source source = source_of(config);
  AblateConfig whole = config;  // with what an earlier manifest had set
  whole.set = source.set;
  make_writable_folder(config.out);
  write_file_atomic(config.out + "/table.csv", to_csv(ablate_columns(), summary.rows));
  write_file_atomic(config.out + "/manifest.json", Json{{"verb", "ablate"}, {"config", config_to_json(whole)}, {"grid", source.table}, {"versions", library_versions()},
                                                        {"hardware", hardware()}, {"started", started}, {"ended", now_utc()}, {"cells", cells}}.dump(2) + "\n");
  return summary;
}

}  // namespace

Json freeze_ablation(const AblateConfig& config) {
  const AblatePlan plan = plan_ablation(config);
  write_cells(config, plan);
  Json cells = Json::array();
  for (size_t i = 0; i < plan.cells.size(); ++i) {
    if (!plan.chosen[i]) continue;
    const Json result = read_result(plan.folders[i]);
    cells.push_back({{"name", plan.cells[i].name}, {"folder", plan.folders[i]}, {"status", result.is_object() ? result.value("status", "unfinished") : "unfinished"}});
  }
  return {{"cells", cells}};
}

AblateSummary collect_ablation(const AblateConfig& config) { return collect(config, plan_ablation(config), now_utc()); }

AblateSummary run_ablation(const AblateConfig& config, const AblateCallbacks& callbacks) {
  if (config.devices.empty()) throw ConfigError("[ablate] devices must name at least one");
  for (size_t i = 0; i < config.devices.size(); ++i)
    if (config.devices[i] != "cpu" && std::count(config.devices.begin(), config.devices.end(), config.devices[i]) > 1)
      throw ConfigError("[ablate] devices names " + config.devices[i] + " twice: two cells on one GPU slow each other down and are no longer trained at equal cost");
  const AblatePlan plan = plan_ablation(config);
  const std::string started = now_utc();
  write_cells(config, plan);
  size_t num_busy = 0;
  bool stopped = false;
  std::vector<size_t> waiting;
  size_t total = 0;
  for (size_t i = plan.cells.size(); i-- > 0;) {
    total += plan.chosen[i];
    if (!plan.chosen[i] || !read_result(plan.folders[i]).is_null()) continue;
    fs::remove(plan.folders[i] + "/failed.json");
    waiting.push_back(i);
  }
  size_t done = total - waiting.size();
  std::vector<Running> running;
  std::vector<std::string> idle(config.devices.rbegin(), config.devices.rend());
  while (!waiting.empty() || !running.empty()) {
    const bool stop = callbacks.should_stop && callbacks.should_stop();
    if (stop && !stopped) {
      for (const auto& r : running) kill(r.pid, SIGTERM);  // they save and leave
      stopped = true;
      waiting.clear();
    }
    while (!waiting.empty() && !idle.empty() && !stopped) {
      Running r;
      r.cell = waiting.back(), waiting.pop_back();
      if (!read_result(plan.folders[r.cell]).is_null()) {  // by another process in the meantime
        ++done;
        continue;
      }
      r.device = idle.back(), idle.pop_back();
      r.pid = start(callbacks.command, plan.folders[r.cell], r.device);
      running.push_back(r);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    for (size_t i = 0; i < running.size();) {
      int status = 0;
      if (waitpid(running[i].pid, &status, WNOHANG) != running[i].pid) {
        ++i;
        continue;
      }
      const auto r = running[i];
      running.erase(running.begin() + std::ptrdiff_t(i));
      idle.push_back(r.device);
      const std::string& folder = plan.folders[r.cell];
      if (read_result(folder).is_null() && !stopped) {
        const std::string why = WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status)) : last_line(folder + "/log.txt");
        if (why.find(kBusy) != std::string::npos) ++num_busy;
        else write_file_atomic(folder + "/failed.json", Json{{"error", why}, {"device", r.device}, {"ended", now_utc()}}.dump(2) + "\n");
      }
      ++done;
    }
    if (callbacks.on_progress) {
      Json now = Json::array();
      for (const auto& r : running) now.push_back(progress_of(plan.cells[r.cell], plan.folders[r.cell]));
      callbacks.on_progress(done, total, now);
    }
  }
  AblateSummary summary = collect(config, plan, started);
  summary.num_busy = num_busy;
  summary.stopped = stopped;
  return summary;
}

}  // namespace fovea::experiments

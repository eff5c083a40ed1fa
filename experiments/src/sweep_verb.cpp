#include "fovea/experiments/sweep_verb.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/json_file.h"
#include "fovea/experiments/run_folder.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

std::string cell_folder(const std::string& out, const std::string& hash) { return out + "/cells/" + hash; }

// complete | incomplete | stopped | failed | running | new
std::string status_of(const std::string& out, const std::string& hash) {
  const std::string path = cell_folder(out, hash) + "/run/manifest.json";
  if (!fs::exists(path)) return "new";
  const Json manifest = Json::parse(read_file(path), nullptr, false);
  return manifest.is_object() ? manifest.value("status", "new") : "new";
}

Json read_sweep(const std::string& out) {
  const std::string path = out + "/sweep.json";
  if (!fs::exists(path)) throw ConfigError("[sweep] " + out + " holds no sweep yet: name a grid file or axes (key=a,b)");
  Json sweep = read_json_file(path);
  if (!sweep.is_object() || !sweep.contains("cells") || !sweep["cells"].is_array()) throw ConfigError("[sweep] " + path + " is no sweep");
  if (sweep.value("format", int64_t(1)) > kRunFormat)
    throw ConfigError("[sweep] " + path + " was written by a newer Fovea (format " + sweep["format"].dump() + ", this one knows up to " + std::to_string(kRunFormat) + ")");
  return sweep;
}

std::pair<size_t, size_t> parse_shard(const std::string& text) {
  if (text.empty()) return {0, 1};
  const size_t slash = text.find('/');
  const auto number = [&](const std::string& part) { return !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos ? std::stol(part) : -1L; };
  const long i = slash == std::string::npos ? -1 : number(text.substr(0, slash)), n = slash == std::string::npos ? -1 : number(text.substr(slash + 1));
  if (i < 0 || n < 1 || i >= n) throw ConfigError("[sweep] shard must be i/n with i from 0 to n - 1, got '" + text + "'");
  return {size_t(i), size_t(n)};
}

// Rows of a CSV file as to_csv writes it: texts by column.
std::vector<std::map<std::string, std::string>> read_csv(const std::string& path, std::vector<std::string>& columns) {
  const std::string text = read_file(path);
  std::vector<std::vector<std::string>> lines(1, std::vector<std::string>(1));
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '"' && i + 1 < text.size() && text[i + 1] == '"')
      lines.back().back() += text[++i];
    else if (c == '"')
      quoted = !quoted;
    else if (!quoted && c == ',')
      lines.back().emplace_back();
    else if (!quoted && c == '\n')
      lines.emplace_back(1);
    else
      lines.back().back() += c;
  }
  lines.pop_back();  // after the last newline
  std::vector<std::map<std::string, std::string>> out;
  if (lines.empty()) return out;
  columns = lines[0];
  for (size_t l = 1; l < lines.size(); ++l) {
    std::map<std::string, std::string> row;
    for (size_t c = 0; c < columns.size() && c < lines[l].size(); ++c) row[columns[c]] = lines[l][c];
    out.push_back(std::move(row));
  }
  return out;
}

EvalConfig config_of(const std::string& path) {
  EvalConfig config;
  apply_json(config, read_json_file(path), path);
  return config;
}

// What a reader is made of: cells that agree in it share one.
std::string reader_key(const EvalConfig& config) {
  const Json all = config_to_json(config);
  Json key;
  for (const char* name : {"reader", "model", "device", "dtype", "predictions", "strangers", "oracle", "temperature", "ngram_size", "ngram_window", "seed", "num_threads"}) key[name] = all[name];
  return key.dump();
}

double seconds_per_token(const SweepConfig& config, const Json& sweep) {
  if (config.seconds_per_token > 0) return config.seconds_per_token;
  double seconds = 0, tokens = 0;
  for (const auto& cell : sweep["cells"]) {
    const std::string folder = cell_folder(config.out, cell["hash"].get<std::string>());
    if (status_of(config.out, cell["hash"].get<std::string>()) != "complete") continue;
    const Json manifest = read_json_file(folder + "/run/manifest.json");
    const auto estimate = estimate_eval(config_of(folder + "/config.json"));
    seconds += manifest.value("seconds", 0.0) + manifest.value("seconds_before", 0.0);
    tokens += double(estimate.num_text_tokens);
  }
  return tokens > 0 ? seconds / tokens : 0;
}

Json dry_run(const SweepConfig& config, const Json& sweep, const std::vector<GridCell<EvalConfig>>& cells) {
  Json list = Json::array();
  int64_t samples = 0, vision = 0, text = 0, left_text = 0, left_vision = 0;
  size_t complete = 0;
  for (const auto& cell : cells) {
    const auto estimate = estimate_eval(cell.config);
    const std::string status = status_of(config.out, cell.hash);
    complete += status == "complete";
    samples += estimate.num_samples;
    vision += estimate.num_vision_tokens;
    text += estimate.num_text_tokens;
    if (status != "complete") left_text += estimate.num_text_tokens, left_vision += estimate.num_vision_tokens;
    list.push_back({{"hash", cell.hash}, {"label", cell_label(cell.values)}, {"status", status}, {"num_samples", estimate.num_samples}, {"num_vision_tokens", estimate.num_vision_tokens}, {"num_text_tokens", estimate.num_text_tokens}});
  }
  const double per_token = seconds_per_token(config, sweep);
  Json estimate = {{"num_samples", samples}, {"num_vision_tokens", vision}, {"num_text_tokens", text}};
  estimate["seconds_left"] = per_token > 0 ? Json(per_token * double(left_text)) : Json();
  estimate["price_left"] = config.price_in > 0 || config.price_out > 0 ? Json((config.price_in * double(left_vision) + config.price_out * double(left_text)) / 1e6) : Json();
  return {{"num_cells", cells.size()}, {"num_complete", complete}, {"cells", list}, {"estimate", estimate}};
}

}  // namespace

std::vector<GridCell<EvalConfig>> eval_cells(const Grid& grid) {
  for (const auto& axis : grid.axes)
    if (axis.key == "out") throw ConfigError("[sweep] out is no axis: every cell has a folder of its own");
  return expand_grid<EvalConfig>(grid, "sweep", {}, eval_cell_identity);
}

Json freeze_sweep(const std::string& out, const Grid& grid) {
  const auto cells = eval_cells(grid);
  for (const auto& cell : cells) estimate_eval(cell.config);  // what is wrong with a cell is said before anything is written
  Json sweep = {{"format", kRunFormat}, {"base", grid.base}, {"axes", Json::array()}, {"cells", Json::array()}};
  for (const auto& axis : grid.axes) sweep["axes"].push_back({{"key", axis.key}, {"values", axis.values}});
  if (fs::exists(out + "/sweep.json")) read_sweep(out);  // not over one of a newer version
  make_writable_folder(out);
  for (const auto& cell : cells) {
    Json values = Json::object();
    for (const auto& [key, value] : cell.values) values[key] = value;
    sweep["cells"].push_back({{"hash", cell.hash}, {"label", cell_label(cell.values)}, {"values", values}});
    EvalConfig config = cell.config;
    config.out = cell_folder(out, cell.hash) + "/run";
    make_writable_folder(cell_folder(out, cell.hash));
    const std::string path = cell_folder(out, cell.hash) + "/config.json", text = config_to_json(config).dump(2) + "\n";
    if (!fs::exists(path) || read_file(path) != text) write_file_atomic(path, text);
  }
  write_file_atomic(out + "/sweep.json", sweep.dump(2) + "\n");
  return sweep;
}

Json collect_sweep(const std::string& out, bool mark_mixed) {
  const Json sweep = read_sweep(out);
  std::vector<std::string> columns = {"cell"}, axes;
  std::vector<std::map<std::string, std::string>> rows;
  std::vector<std::string> in_summary;
  std::map<std::string, std::set<std::string>> versions;
  Json notes = Json::array();
  size_t complete = 0;
  const auto add_column = [](std::vector<std::string>& list, const std::string& name) {
    if (std::find(list.begin(), list.end(), name) == list.end()) list.push_back(name);
  };
  for (const auto& cell : sweep["cells"]) {
    const std::string hash = cell["hash"].get<std::string>(), file = cell_folder(out, hash) + "/run/summary.csv";
    const std::string status = status_of(out, hash);
    if ((status != "complete" && status != "incomplete") || !fs::exists(file)) continue;
    if (status == "incomplete") notes.push_back("cell " + hash + " (" + cell["label"].get<std::string>() + ") is without samples that could not be read");
    complete += status == "complete";
    std::vector<std::string> here;
    for (auto& row : read_csv(file, here)) {
      row["cell"] = hash;
      for (const auto& item : cell["values"].items()) {
        std::string text;
        if (item.value().is_array())
          for (const auto& part : item.value()) text += (text.empty() ? "" : ",") + (part.is_string() ? part.get<std::string>() : part.dump());
        else
          text = item.value().is_string() ? item.value().get<std::string>() : item.value().dump();
        row.emplace(item.key(), text);  // a column of the table already says budget, say
        add_column(axes, item.key());
      }
      versions[row["task"]].insert(row["task_version"]);
      rows.push_back(std::move(row));
    }
    for (const auto& name : here) add_column(in_summary, name);
  }
  for (const auto& name : axes)
    if (std::find(in_summary.begin(), in_summary.end(), name) == in_summary.end()) columns.push_back(name);
  columns.insert(columns.end(), in_summary.begin(), in_summary.end());
  for (const auto& [task, found] : versions) {
    if (found.size() < 2) continue;
    std::string list;
    for (const auto& version : found) list += (list.empty() ? "" : " and ") + version;
    const std::string what = "cells of the task " + task + " are of versions " + list + ", whose numbers must not be compared";
    if (!mark_mixed) throw ConfigError("[sweep] " + what + "; remove the older cells, or mark_mixed=true marks them");
    notes.push_back(what + "; marked");
    add_column(columns, "mixed_versions");
    for (auto& row : rows)
      if (row["task"] == task) row["mixed_versions"] = "true";
  }
  Json table = Json::array();
  for (const auto& row : rows) {
    Json line = Json::object();
    for (const auto& [name, value] : row) line[name] = value;
    table.push_back(std::move(line));
  }
  if (!rows.empty()) write_file_atomic(out + "/summary.csv", to_csv(columns, table));
  return {{"rows", table}, {"columns", columns}, {"num_cells", sweep["cells"].size()}, {"num_complete", complete}, {"notes", notes}};
}

Json run_sweep(const SweepConfig& config, const SweepCallbacks& callbacks) {
  validate_fields(config, "sweep");
  const auto [shard, num_shards] = parse_shard(config.shard);
  const bool named = !config.grid.empty() || !config.axes.empty();
  Json sweep;
  if (config.dry_run) {
    std::vector<GridCell<EvalConfig>> cells;
    if (named) {
      cells = eval_cells(make_grid(config.grid.empty() ? Json::object() : read_table(config.grid), config.axes));
      sweep = {{"cells", Json::array()}};
      for (const auto& cell : cells) sweep["cells"].push_back({{"hash", cell.hash}});
    } else {
      sweep = read_sweep(config.out);
      for (const auto& entry : sweep["cells"]) {
        GridCell<EvalConfig> cell;
        cell.hash = entry["hash"].get<std::string>();
        cell.config = config_of(cell_folder(config.out, cell.hash) + "/config.json");
        for (const auto& item : entry["values"].items()) cell.values.emplace_back(item.key(), item.value());
        cells.push_back(std::move(cell));
      }
    }
    return dry_run(config, sweep, cells);
  }
  sweep = named ? freeze_sweep(config.out, make_grid(config.grid.empty() ? Json::object() : read_table(config.grid), config.axes)) : read_sweep(config.out);

  std::vector<Json> mine;
  for (size_t i = 0; i < sweep["cells"].size(); ++i)
    if (i % num_shards == shard) mine.push_back(sweep["cells"][i]);
  Json failed = Json::array(), notes = Json::array();
  std::vector<std::string> busy;
  size_t done_here = 0, ended = 0;
  bool stopped = false;
  std::unique_ptr<PageReader> reader;
  std::string reader_is;
  const auto tell = [&](const Json& cell, const std::string& status, const std::string& error = {}) {
    ++ended;
    Json out = {{"hash", cell["hash"]}, {"label", cell["label"]}, {"status", status}};
    if (!error.empty()) out["error"] = error;
    if (callbacks.on_cell) callbacks.on_cell(out);
    if (callbacks.on_progress) callbacks.on_progress(ended, mine.size(), double(ended) / double(std::max<size_t>(1, mine.size())));
  };
  for (const auto& cell : mine) {
    if (callbacks.should_stop && callbacks.should_stop()) stopped = true;
    if (stopped) break;
    const std::string hash = cell["hash"].get<std::string>(), folder = cell_folder(config.out, hash);
    if (status_of(config.out, hash) == "complete") {
      tell(cell, "complete");
      continue;
    }
    if (run_folder_is_taken(folder + "/run")) {
      busy.push_back(hash);
      tell(cell, "busy");
      continue;
    }
    try {
      EvalConfig eval = config_of(folder + "/config.json");
      eval.out = folder + "/run";  // the folder may have been moved
      if (const std::string key = reader_key(eval); !reader || key != reader_is || eval.reader == "predictions") {
        reader.reset();
        reader = callbacks.make_reader ? callbacks.make_reader(eval) : make_light_reader(eval);
        reader_is = key;
      }
      EvalCallbacks inner;
      inner.should_stop = callbacks.should_stop;
      inner.command = callbacks.command;
      inner.git_revision = callbacks.git_revision;
      inner.versions = callbacks.versions;
      inner.hardware = callbacks.hardware;
      if (callbacks.on_progress)
        inner.on_progress = [&](const EvalProgress& p) { callbacks.on_progress(ended, mine.size(), (double(ended) + p.share_done) / double(mine.size())); };
      const auto summary = run_eval(eval, *reader, inner);
      stopped = summary.stopped;
      if (stopped) break;
      ++done_here;
      if (summary.num_errors > 0) failed.push_back({{"hash", hash}, {"label", cell["label"]}, {"error", std::to_string(summary.num_errors) + " samples could not be read, see " + folder + "/run/errors.jsonl"}});
      tell(cell, summary.num_errors > 0 ? "incomplete" : "complete");
    } catch (const BusyError&) {  // somebody was quicker
      busy.push_back(hash);
      tell(cell, "busy");
    } catch (const Error& e) {
      failed.push_back({{"hash", hash}, {"label", cell["label"]}, {"error", e.what()}});
      tell(cell, "failed", e.what());
    }
  }
  const Json collected = collect_sweep(config.out, config.mark_mixed);
  for (const auto& note : collected["notes"]) notes.push_back(note);
  Json files = Json::array();
  if (fs::exists(config.out + "/summary.csv")) files.push_back(config.out + "/summary.csv");
  return {{"num_cells", sweep["cells"].size()}, {"num_in_shard", mine.size()}, {"num_complete", collected["num_complete"]}, {"num_done_here", done_here}, {"failed", failed},
          {"busy", busy}, {"stopped", stopped}, {"files", files}, {"notes", notes}};
}

}  // namespace fovea::experiments

// Ablations: models that differ in one choice, trained for the same time on the same text and measured by the curve, in one table.
#pragma once
#include <functional>

#include "fovea/experiments/curve.h"
#include "fovea/experiments/train_verb.h"

namespace fovea::experiments {

/// One cell of the grid: a training and its curves.
struct AblateCell {
  std::string name;                 ///< of the cell, as tables and figures call it
  std::string group;                ///< cells that a figure draws together
  TrainConfig train;
  CurveConfig eval;                 ///< model, out, device and text_kind are the cell's own
  std::vector<std::string> eval_text_kind = {"prose", "shuffled-words"};
  std::vector<std::string> eval_token_form = {"keep"};  ///< and for each way of storing vision tokens (CurveConfig::token_form); the first decides on `undertrained`
  int64_t perplexity_pages = 0;     ///< pages of prose after which the text is foreseen (task perplexity), a budget and ratio; for models trained to go on

  template <class V> void visit_fields(V& v) {
    v.field("name", name, "name of the cell");
    v.field("group", group, "cells that a figure draws together");
    v.field("train", train, "the training");
    v.field("eval", eval, "the curves of the trained model");
    v.field("eval_text_kind", eval_text_kind, "one curve for each of these kinds of text");
    v.field("eval_token_form", eval_token_form, "one curve for each of these forms of stored vision tokens", {.choices = {"keep", "float32", "float16", "int8", "int4", "binary"}});
    v.field("perplexity_pages", perplexity_pages, "pages of prose after which the text is foreseen, 0 none", {.min = 0});
  }
};

struct AblateConfig {
  std::string grid;                          ///< TOML, see experiments/README.md
  std::vector<std::string> set;              ///< "train.trainer.time_limit_s=60" for all cells, over the file; lists are axes
  std::string out = "runs/ablate";
  std::vector<std::string> devices = {"cpu"};  ///< one cell at a time on each: cpu, cuda:0, cuda:1; cpu may be named several times
  std::vector<std::string> only;             ///< names of the cells to run; empty: all
  std::string shard = "1/1";                 ///< i/n: every n-th cell from the i-th, for Slurm arrays
  bool dry_run = false;                      ///< the plan alone

  template <class V> void visit_fields(V& v) {
    v.field("grid", grid, "TOML file of the cells");
    v.field("set", set, "key=value for all cells, such as train.trainer.time_limit_s=60; a list is an axis");
    v.field("out", out, "folder; finished cells in it are kept, unfinished ones gone on with");
    v.field("devices", devices, "one cell at a time on each, cpu or cuda:N; cpu named twice takes two");
    v.field("only", only, "names of the cells to run, all if empty");
    v.field("shard", shard, "i/n: every n-th cell from the i-th");
    v.field("dry_run", dry_run, "show the cells, their parameters and operations, and run nothing");
  }
};

/// A cell of a plan. JSON: {name, group, hash, folder, seed, parameters, ..., status}.
struct AblatePlan {
  std::vector<AblateCell> cells;
  std::vector<bool> chosen;          ///< whether `only` and `shard` take it
  std::vector<std::string> hashes;   ///< of what decides a cell's result, 16 hex digits
  std::vector<std::string> folders;  ///< OUT/cells/NAME-HASH
};

/// Reads the grid and resolves every cell, those that `only` and `shard` leave out among them. Nothing is written.
/// Errors: ConfigError naming the cell and the reason (unknown names, sums that cannot be), IoError.
AblatePlan plan_ablation(const AblateConfig& config);

/// One row a chosen cell: name, group, seed, parameters, gigaflops a page at the largest page size, time_limit_s, petaflop_limit, folder, status.
Json describe_plan(const AblatePlan& plan);

struct AblateCallbacks {
  /// cells done, cells in all, and one entry a running cell: {name, phase, progress}
  std::function<void(size_t, size_t, const Json&)> on_progress = {};
  std::function<bool()> should_stop = {};
  std::vector<std::string> command;  ///< starts a cell: these words, then "ablate-cell" and "cell=FOLDER device=..."
};

struct AblateSummary {
  Json rows = Json::array();  ///< of table.csv
  size_t num_complete = 0, num_failed = 0;  ///< of all cells of the grid
  size_t num_busy = 0;                      ///< chosen cells that another process holds
  bool stopped = false;
};

/// Runs the chosen cells that are not finished, each a process of its own; a cell that fails is recorded and the others go on.
///   cells/NAME-HASH/   cell.json, train/ (as the trainer), eval-KIND/ (as the curve), eval-perplexity/, result.json, log.txt; failed.json if it failed
///   table.csv          a row for each finished cell of the grid, kind of text and ratio (columns: ablate_columns), whichever process ran it
///   manifest.json      config, versions, hardware, times, status of every cell
/// A cell is held by a lock that ends with its process: several processes may work on one folder.
/// A cell whose shuffled words lose more than 10 % of characters at the ratio nearest 5 is marked undertrained.
AblateSummary run_ablation(const AblateConfig& config, const AblateCallbacks& callbacks);

/// Writes cell.json of every chosen cell and returns {cells: [{name, folder, status}]}: for those who start the cells themselves.
Json freeze_ablation(const AblateConfig& config);
/// table.csv and manifest.json of what is in the folder now; nothing is run.
AblateSummary collect_ablation(const AblateConfig& config);

const std::vector<std::string>& ablate_columns();

struct AblateCellConfig {
  std::string cell;            ///< folder with cell.json
  std::string device = "cpu";

  template <class V> void visit_fields(V& v) {
    v.field("cell", cell, "folder of the cell, with its cell.json");
    v.field("device", device, "cpu, cuda or cuda:N");
  }
};

/// Trains and measures one cell in its folder, going on where it stopped. Returns result.json. A training that diverges is a result, too.
/// Errors: ConfigError "busy ..." if another process holds the cell.
Json run_ablate_cell(const AblateCellConfig& config, const std::function<void(const std::string&)>& on_line = {}, const std::function<bool()>& should_stop = {});

}  // namespace fovea::experiments

// Sweeps of tasks: a grid frozen to one stand-alone config a cell, in a folder named by the hash of what determines it.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fovea/experiments/eval.h"
#include "fovea/experiments/grid.h"

namespace fovea::experiments {

struct SweepConfig {
  std::string grid;               ///< TOML or JSON; empty: that of the folder
  std::vector<std::string> axes;  ///< "key=a,b", "key=1:9:2"
  std::string out = "runs/sweep";
  std::string shard;
  bool dry_run = false;
  bool mark_mixed = false;
  double seconds_per_token = 0;
  double price_in = 0, price_out = 0;

  template <class V> void visit_fields(V& v) {
    v.field("grid", grid, "TOML or JSON: options of eval, and axes under [sweep]; empty: the grid that the folder holds");
    v.field("axes", axes, "axes: key=a,b or key=first:last:step, over any option of eval");
    v.field("out", out, "folder of the sweep; cells that are done in it are not done again");
    v.field("shard", shard, "i/n: every n-th cell from the i-th on (i from 0), for Slurm arrays");
    v.field("dry_run", dry_run, "tell the grid, its tokens and its cost, and read nothing");
    v.field("mark_mixed", mark_mixed, "put cells of different versions of a task into one table, marked; false refuses");
    v.field("seconds_per_token", seconds_per_token, "of text, for the estimate; 0: as measured in cells that are done", {.min = 0});
    v.field("price_in", price_in, "price of a million vision tokens, for the estimate", {.min = 0});
    v.field("price_out", price_out, "price of a million tokens written, for the estimate", {.min = 0});
  }
};

struct SweepCallbacks {
  std::function<std::unique_ptr<PageReader>(const EvalConfig&)> make_reader;  ///< empty: make_light_reader
  std::function<void(const Json& cell)> on_cell = {};                         ///< {hash, label, status, error?, rows?} of each cell as it ends
  std::function<void(size_t done, size_t total, double share)> on_progress = {};
  std::function<bool()> should_stop = {};
  std::vector<std::string> command = {};
  std::string git_revision = {};
  Json versions = Json::object(), hardware = Json::object();
};

/// The cells of a grid over EvalConfig, keyed by eval_cell_identity. Errors: ConfigError, IoError.
std::vector<GridCell<EvalConfig>> eval_cells(const Grid& grid);

/// Writes out/cells/HASH/config.json (the resolved config, whose out is out/cells/HASH/run: `fovea-run eval` takes it) and out/sweep.json
/// {format, base, axes, cells: [{hash, label, values}]}. Returns the latter. Errors: ConfigError, IoError.
Json freeze_sweep(const std::string& out, const Grid& grid);

/// Runs this shard's cells one after the other. A cell that fails is told of and the others go on; one that another process works on is left to it.
/// Returns {num_cells, num_complete, num_done_here, failed: [{hash, label, error}], busy: [hash], stopped, estimate, files, notes}.
/// dry_run: {num_cells, cells: [{hash, label, status, num_samples, ...}], estimate: {...}} and nothing is written.
/// Errors: ConfigError (shard, grid; a folder of a newer version), IoError.
Json run_sweep(const SweepConfig& config, const SweepCallbacks& callbacks);

/// out/summary.csv: the rows of all complete cells with their cell and the axes' values. {rows, columns, num_cells, num_complete, notes}.
/// Errors: ConfigError where cells are of different versions of a task, unless mark_mixed (then a column mixed_versions says so).
Json collect_sweep(const std::string& out, bool mark_mixed);

}  // namespace fovea::experiments

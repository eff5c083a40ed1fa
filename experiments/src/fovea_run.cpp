// fovea-run VERB [CONFIG.toml] [key=value ...]: the verbs without Python, for bare GPU machines, Slurm and torchrun --no-python.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "fovea/base/error.h"
#include "fovea/experiments/ablate.h"
#include "fovea/experiments/convert.h"
#include "fovea/experiments/curve.h"
#include "fovea/experiments/info.h"
#include "fovea/experiments/model_reader.h"
#include "fovea/experiments/map_verb.h"
#include "fovea/experiments/render_verb.h"
#include "fovea/experiments/read_verb.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score_verb.h"
#include "fovea/experiments/sweep_verb.h"
#include "fovea/experiments/train_verb.h"
#include "fovea/metrics/fox.h"
#include "fovea/metrics/omnidocbench.h"
#include "fovea/metrics/text_score.h"

namespace {

using fovea::Json;
namespace ex = fovea::experiments;

volatile std::sig_atomic_t stop_requested = 0;
void request_stop(int) {
  if (stop_requested) _exit(130);  // a second time: at once
  stop_requested = 1;
}
bool should_stop() { return stop_requested != 0; }

const std::map<std::string, std::string>& python_only_options() {
  static const std::map<std::string, std::string> options = {
      {"figure", "figures are drawn by the Python command `fovea curve`"},
      {"pdf", "PDF is read by the Python package"},
      {"format", "documents (HTML, PDF, several pages in one file) are made by the Python command `fovea read`"},
      {"pages", "PDF is read by the Python package"},
      {"dpi", "PDF is read by the Python package"},
      {"reader", "readers behind HTTP are asked by the Python package"},
      {"parquet", "Parquet is written by the Python package"},
      {"ray", "Ray is driven by the Python package"},
  };
  return options;
}

const char kUsage[] =
    "fovea-run VERB [CONFIG.toml] [key=value ...]\n\n"
    "  curve    text in, compression curve out: summary.csv, results.jsonl, pages\n"
    "  eval     one task and one reader into a run folder; takes a sweep's cells/HASH/config.json, too\n"
    "  sweep    a grid of tasks: GRID.toml key=a,b key=1:9:2 out=DIR shard=i/n\n"
    "  render   texts and a style in, a folder of pages out, over a grid of styles\n"
    "  map      where characters of drawn pages fall on vision tokens\n"
    "  read     image files in, their text out\n"
    "  score    fox | omnidocbench | text: predictions scored as the official programs do\n"
    "  train    train a reader; --plan shows what it would take\n"
    "  ablate   cells that differ in one choice, trained alike and measured in one table\n"
    "  convert  a model folder in other arithmetic: 8 or 4 bits, shards\n"
    "  info     names, shapes and parameter count of a preset or model folder\n"
    "  version  versions of Fovea and its libraries\n\n"
    "fovea-run VERB --help lists the options of a verb.\n";

std::string show_default(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const auto& item : value) out += (out.empty() ? "" : ",") + show_default(item);
  return out;
}

template <class C> void print_help(const std::string& verb) {
  std::printf("fovea-run %s [CONFIG.toml] [key=value ...]\n\n", verb.c_str());
  const Json schema = fovea::config_schema<C>();
  for (const Json& entry : schema) {
    std::string rule;
    if (entry.contains("choices")) rule = " (" + show_default(entry["choices"]) + ")";
    std::printf("  %-34s %-12s %s%s\n", (entry["name"].get<std::string>() + "=" + show_default(entry["default"])).c_str(),
                entry["type"].get<std::string>().c_str(), entry["help"].get<std::string>().c_str(), rule.c_str());
  }
}

/// TOML files first, then key=value, as they stand. Errors: ConfigError, UnsupportedError for what only Python can do.
template <class C> C read_config(const std::string& verb, const std::vector<std::string>& words) {
  C config;
  std::vector<std::string> overrides;
  const Json schema = fovea::config_schema<C>();
  const auto refuse = [&](const std::string& key) {
    for (const Json& entry : schema)
      if (const auto name = entry["name"].get<std::string>(); name == key || name.rfind(key + ".", 0) == 0) return;
    const auto found = python_only_options().find(key);
    if (found != python_only_options().end())
      throw fovea::UnsupportedError(fmt::format("[fovea-run {}] option '{}' is not known here: {}", verb, key, found->second));
  };
  for (const auto& word : words) {
    const size_t eq = word.find('=');
    if (eq != std::string::npos) {
      refuse(word.substr(0, eq));
      overrides.push_back(word);
    } else if (word.size() > 5 && (word.compare(word.size() - 5, 5, ".toml") == 0 || word.compare(word.size() - 5, 5, ".json") == 0)) {
      const Json in = ex::read_table(word);
      for (const auto& item : in.items()) refuse(item.key());
      fovea::apply_json(config, in, word);
    } else {
      throw fovea::ConfigError(fmt::format("[fovea-run {}] expects CONFIG.toml and key=value, got '{}'", verb, word));
    }
  }
  fovea::apply_overrides(config, overrides, "fovea-run " + verb);
  return config;
}

/// One line that is rewritten on a terminal, a line every ten seconds elsewhere.
class ProgressLine {
 public:
  void show(const std::string& text, bool last) {
    const double now = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    if (is_terminal_) {
      std::fprintf(stderr, "\r\033[K%s%s", text.c_str(), last ? "\n" : "");
      std::fflush(stderr);
    } else if (last || now - last_s_ >= 10) {
      std::fprintf(stderr, "%s\n", text.c_str());
      last_s_ = now;
    }
    open_ = is_terminal_ && !last;
  }
  ~ProgressLine() {
    if (open_) std::fprintf(stderr, "\n");
  }

 private:
  bool is_terminal_ = isatty(2), open_ = false;
  double last_s_ = -1e9;
};

int run_curve(const std::vector<std::string>& words, const std::vector<std::string>& command) {
  const auto config = read_config<ex::CurveConfig>("curve", words);
  ex::CurveCallbacks callbacks;
  ProgressLine line;
  callbacks.on_progress = [&](const ex::CurveProgress& p) {
    std::string text = fmt::format("{}/{} pages  {:5.1f} %", p.pages_done, p.pages_total, 100 * p.share_done);
    if (p.seconds_left >= 0) text += "  " + ex::describe_seconds(p.seconds_left) + " left";
    line.show(text, p.pages_done == p.pages_total);
  };
  callbacks.should_stop = should_stop;
  callbacks.command = command;
  if (const char* revision = std::getenv("FOVEA_GIT_REVISION")) callbacks.git_revision = revision;
  const auto summary = ex::run_curve(config, callbacks);
  if (summary.stopped) {
    std::fprintf(stderr, "\nstopped after %zu pages; the same command goes on from here\n", summary.num_pages);
    return 130;
  }
  std::printf("%6s %7s %9s  %-22s %8s %10s %8s %8s %8s\n", "budget", "ratio", "measured", "font", "size px", "precision", "recall", "edits", "loops");
  for (const auto& row : summary.rows)
    std::printf("%6lld %7g %9.2f  %-22s %8.2f %9.1f%% %7.1f%% %8.4f %8.2f\n", static_cast<long long>(row["budget"].get<int64_t>()),
                row["ratio_asked"].get<double>(), row["ratio_measured"].get<double>(), row["font"].get<std::string>().c_str(),
                row["font_size_px"].get<double>(), 100 * row["precision"].get<double>(), 100 * row["recall"].get<double>(),
                row["char_edit_distance"].get<double>(), row["loop_rate"].get<double>());
  std::printf("\n%s/summary.csv\n", config.out.c_str());
  return 0;
}

std::string cell_text(const Json& value) { return value.is_null() ? "-" : value.is_string() ? value.get<std::string>() : value.is_number_float() ? fmt::format("{:.4g}", value.get<double>()) : value.dump(); }

int run_eval(const std::vector<std::string>& words, const std::vector<std::string>& command) {
  const auto config = read_config<ex::EvalConfig>("eval", words);
  ex::EvalCallbacks callbacks;
  ProgressLine line;
  callbacks.on_progress = [&](const ex::EvalProgress& p) {
    std::string text = fmt::format("{}/{} samples  {:5.1f} %", p.samples_done, p.samples_total, 100 * p.share_done);
    if (p.seconds_left >= 0) text += "  " + ex::describe_seconds(p.seconds_left) + " left";
    line.show(text, p.samples_done == p.samples_total);
  };
  callbacks.should_stop = should_stop;
  callbacks.command = command;
  if (const char* revision = std::getenv("FOVEA_GIT_REVISION")) callbacks.git_revision = revision;
  const auto summary = ex::run_eval(config, callbacks);
  if (summary.stopped) {
    std::fprintf(stderr, "\nstopped after %zu samples; the same command goes on from here\n", summary.num_samples);
    return 130;
  }
  for (const auto& note : summary.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
  for (const auto& row : summary.rows) {
    std::string text;
    for (const auto& column : summary.columns)
      if (row.contains(column) && !column.ends_with("_low") && !column.ends_with("_high") && column != "task" && column != "task_version")
        text += (text.empty() ? "" : "  ") + column + "=" + cell_text(row[column]);
    std::printf("%s\n", text.c_str());
  }
  for (const auto& file : summary.files) std::printf("%s\n", file.c_str());
  if (summary.num_errors > 0) std::fprintf(stderr, "%zu samples could not be read, see %s/errors.jsonl; the same command tries them again\n", summary.num_errors, config.out.c_str());
  return summary.num_errors > 0 ? 1 : 0;
}

int run_sweep(const std::vector<std::string>& words, const std::vector<std::string>& command) {
  // What is no option of the sweep itself is an axis.
  std::vector<std::string> own;
  ex::SweepConfig config;
  std::vector<std::string> axes;
  const Json schema = fovea::config_schema<ex::SweepConfig>();
  for (const auto& word : words) {
    const std::string key = word.substr(0, word.find('='));
    bool known = false;
    for (const Json& entry : schema) known = known || entry["name"] == key;
    if (word.find('=') == std::string::npos)
      own.push_back("grid=" + word);
    else
      (known ? own : axes).push_back(word);
  }
  fovea::apply_overrides(config, own, "fovea-run sweep");
  config.axes.insert(config.axes.end(), axes.begin(), axes.end());
  ex::SweepCallbacks callbacks;
  ProgressLine line;
  callbacks.make_reader = ex::make_reader;
  callbacks.on_cell = [](const Json& cell) {
    if (cell.contains("error")) std::fprintf(stderr, "%s (%s): %s\n", cell["hash"].get<std::string>().c_str(), cell["label"].get<std::string>().c_str(), cell["error"].get<std::string>().c_str());
  };
  callbacks.on_progress = [&](size_t done, size_t total, double share) { line.show(fmt::format("{}/{} cells  {:5.1f} %", done, total, 100 * share), done == total); };
  callbacks.should_stop = should_stop;
  callbacks.command = command;
  callbacks.versions = ex::library_versions();
  callbacks.hardware = ex::hardware();
  if (const char* revision = std::getenv("FOVEA_GIT_REVISION")) callbacks.git_revision = revision;
  const Json result = ex::run_sweep(config, callbacks);
  if (config.dry_run) {
    for (const Json& cell : result["cells"])
      std::printf("%s  %-9s %6lld samples %9lld vision %10lld text tokens  %s\n", cell["hash"].get<std::string>().c_str(), cell["status"].get<std::string>().c_str(),
                  static_cast<long long>(cell["num_samples"].get<int64_t>()), static_cast<long long>(cell["num_vision_tokens"].get<int64_t>()),
                  static_cast<long long>(cell["num_text_tokens"].get<int64_t>()), cell["label"].get<std::string>().c_str());
    const Json& e = result["estimate"];
    std::printf("%s cells, %s complete; %s samples, %s vision tokens, %s text tokens; time left: %s\n", result["num_cells"].dump().c_str(), result["num_complete"].dump().c_str(),
                e["num_samples"].dump().c_str(), e["num_vision_tokens"].dump().c_str(), e["num_text_tokens"].dump().c_str(),
                e["seconds_left"].is_null() ? "unknown until a cell is done (or give seconds_per_token)" : ex::describe_seconds(e["seconds_left"].get<double>()).c_str());
    return 0;
  }
  for (const Json& note : result["notes"]) std::fprintf(stderr, "note: %s\n", note.get<std::string>().c_str());
  std::printf("%s of %s cells complete, %zu failed, %zu in another process\n", result["num_complete"].dump().c_str(), result["num_cells"].dump().c_str(), result["failed"].size(), result["busy"].size());
  for (const Json& file : result["files"]) std::printf("%s\n", file.get<std::string>().c_str());
  if (result["stopped"].get<bool>()) {
    std::fprintf(stderr, "stopped; the same command goes on from here\n");
    return 130;
  }
  return result["failed"].empty() ? 0 : 1;
}

int run_render(const std::vector<std::string>& words, const std::vector<std::string>& command) {
  const auto config = read_config<ex::RenderConfig>("render", words);
  ex::RenderCallbacks callbacks;
  ProgressLine line;
  callbacks.on_progress = [&](size_t done, size_t total) { line.show(fmt::format("{}/{} cells", done, total), done == total); };
  callbacks.should_stop = should_stop;
  callbacks.command = command;
  if (const char* revision = std::getenv("FOVEA_GIT_REVISION")) callbacks.git_revision = revision;
  const auto summary = ex::run_render(config, callbacks);
  if (summary.stopped) {
    std::fprintf(stderr, "\nstopped after %zu cells; the same command goes on from here\n", summary.num_done);
    return 130;
  }
  for (const Json& result : summary.results)
    for (const char* what : {"num_missing_glyphs", "num_bytes_left_out"})
      if (result[what] != 0) std::fprintf(stderr, "note: %s %s: %s=%s\n", result["text"].get<std::string>().c_str(), result["cell"].get<std::string>().c_str(), what, result[what].dump().c_str());
  std::printf("%zu pages in %s\n", summary.num_pages, config.out.c_str());
  for (const auto& file : summary.files) std::printf("%s\n", file.c_str());
  return 0;
}

int run_map(const std::vector<std::string>& words) {
  for (const Json& line : ex::run_map(read_config<ex::MapConfig>("map", words))) {
    std::printf("%s: %lld vision tokens\n", line["map"].get<std::string>().c_str(), static_cast<long long>(line["num_vision_tokens"].get<int64_t>()));
    for (const Json& file : line["files"]) std::printf("  %s\n", file.get<std::string>().c_str());
  }
  return 0;
}

int run_read(const std::vector<std::string>& words) {
  ProgressLine line;
  const auto summary = ex::run_read(
      read_config<ex::ReadConfig>("read", words),
      [&](size_t done, size_t total, const Json& page) {
        if (page.contains("error")) std::fprintf(stderr, "%s\n", page["error"].get<std::string>().c_str());
        line.show(fmt::format("{}/{} pages", done, total), done == total);
      },
      should_stop);
  for (const Json& page : summary.pages)
    if (page.contains("text_file")) std::printf("%s\n", page["text_file"].get<std::string>().c_str());
  if (summary.stopped) {
    std::fprintf(stderr, "stopped after %zu pages; the same command goes on from here\n", summary.pages.size());
    return 130;
  }
  return summary.num_failed > 0 ? 1 : 0;
}

int run_train(std::vector<std::string> words) {
  const bool plan = std::erase(words, "--plan") > 0;
  const auto config = read_config<ex::TrainConfig>("train", words);
  if (plan) return std::fputs(ex::describe_training_plan(ex::plan_training(config)).c_str(), stdout), 0;
  const auto result = ex::run_train(
      config, [](const Json& line) { std::fprintf(stderr, "%s\n", ex::describe_log(line).c_str()); }, should_stop);
  if (should_stop()) {
    std::fprintf(stderr, "stopped at step %lld; the same command goes on from here\n", static_cast<long long>(result.num_steps));
    return 130;
  }
  std::printf("%s/model\n", config.trainer.out.c_str());
  return 0;
}

int run_ablate(const std::vector<std::string>& words) {
  const auto config = read_config<ex::AblateConfig>("ablate", words);
  const auto plan = ex::plan_ablation(config);
  std::printf("%-32s %4s %9s %6s %7s %12s  %s\n", "cell", "seed", "params M", "px", "tokens", "GFLOP/page", "status");
  for (const Json& row : ex::describe_plan(plan))
    std::printf("%-32s %4lld %9.1f %6lld %7lld %12.2f  %s\n", row["name"].get<std::string>().c_str(), static_cast<long long>(row["seed"].get<int64_t>()), row["parameters"].get<double>() / 1e6,
                static_cast<long long>(row["side_px"].get<int64_t>()), static_cast<long long>(row["vision_tokens"].get<int64_t>()), row["gigaflops_page"].get<double>(),
                row["status"].get<std::string>().c_str());
  std::fflush(stdout);
  if (config.dry_run) return 0;
  ex::AblateCallbacks callbacks;
  ProgressLine line;
  callbacks.on_progress = [&](size_t done, size_t total, const Json& running) {
    std::string text = fmt::format("{}/{} cells", done, total);
    for (const Json& cell : running) text += fmt::format("  {} {} {:.0f} %", cell["name"].get<std::string>(), cell["phase"].get<std::string>(), 100 * cell["progress"].get<double>());
    line.show(text, done == total);
  };
  callbacks.should_stop = should_stop;
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
  callbacks.command = {length > 0 ? std::string(self, size_t(length)) : "fovea-run"};
  const auto summary = ex::run_ablation(config, callbacks);
  std::printf("%zu cells complete, %zu failed\n%s/table.csv\n", summary.num_complete, summary.num_failed, config.out.c_str());
  if (summary.stopped) return 130;
  return summary.num_failed > 0 ? 1 : 0;
}

int run_ablate_cell(const std::vector<std::string>& words) {
  const auto result = ex::run_ablate_cell(read_config<ex::AblateCellConfig>("ablate-cell", words), [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }, should_stop);
  return result.is_null() ? 130 : 0;
}

int run_info(const std::vector<std::string>& words) {
  const auto info = ex::model_info(read_config<ex::InfoConfig>("info", words));
  if (info.contains("tensors"))
    for (const auto& tensor : info["tensors"]) std::printf("%s %s\n", tensor["name"].get<std::string>().c_str(), tensor["shape"].dump().c_str());
  std::fputs(ex::describe_info(info).c_str(), stdout);
  return 0;
}

int run_convert(const std::vector<std::string>& words) {
  const auto config = read_config<ex::ConvertConfig>("convert", words);
  const auto report = ex::convert_model(config);
  std::printf("%s: %lld tensors, %lld bytes, mean relative error %.5f; worst:\n", config.out.c_str(), static_cast<long long>(report["num_tensors"].get<int64_t>()),
              static_cast<long long>(report["num_bytes"].get<int64_t>()), report["mean_relative_error"].get<double>());
  for (const auto& tensor : report["worst"]) std::printf("  %.5f  %s\n", tensor["relative_error"].get<double>(), tensor["name"].get<std::string>().c_str());
  return 0;
}

template <class C> int run_scorer(const std::string& name, const std::vector<std::string>& words, Json (*score)(const C&)) {
  for (const auto& word : words)
    if (word == "--help" || word == "-h") return print_help<C>(name), 0;
  std::fputs(ex::describe_score(score(read_config<C>(name, words))).c_str(), stdout);
  return 0;
}

int run_score(std::vector<std::string> words) {
  const std::string what = words.empty() ? "" : words[0];
  if (!words.empty()) words.erase(words.begin());
  if (what == "fox") return run_scorer<fovea::metrics::FoxConfig>("score fox", words, fovea::metrics::score_fox);
  if (what == "omnidocbench") return run_scorer<fovea::metrics::OmniDocBenchConfig>("score omnidocbench", words, fovea::metrics::score_omnidocbench);
  if (what == "text") return run_scorer<fovea::metrics::TextScoreConfig>("score text", words, fovea::metrics::score_texts);
  if (what == "--help" || what == "-h") return std::puts("fovea-run score fox|omnidocbench|text [CONFIG.toml] [key=value ...]; each with --help"), 0;
  const std::string near = fovea::nearest_word(what, {"fox", "omnidocbench", "text"});
  throw fovea::ConfigError("[fovea-run score] needs fox, omnidocbench or text, got '" + what + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
}

int run(const std::vector<std::string>& command) {
  if (command.size() < 2 || command[1] == "--help" || command[1] == "-h" || command[1] == "help") {
    std::fputs(kUsage, command.size() < 2 ? stderr : stdout);
    return command.size() < 2 ? 2 : 0;
  }
  const std::string verb = command[1];
  const std::vector<std::string> words(command.begin() + 2, command.end());
  bool help = false;
  for (const auto& word : words) help = help || word == "--help" || word == "-h";
  if (verb == "curve") return help ? (print_help<ex::CurveConfig>(verb), 0) : run_curve(words, command);
  if (verb == "eval") return help ? (print_help<ex::EvalConfig>(verb), 0) : run_eval(words, command);
  if (verb == "sweep") return help ? (print_help<ex::SweepConfig>(verb), 0) : run_sweep(words, command);
  if (verb == "render") return help ? (print_help<ex::RenderConfig>(verb), 0) : run_render(words, command);
  if (verb == "map") return help ? (print_help<ex::MapConfig>(verb), 0) : run_map(words);
  if (verb == "read") return help ? (print_help<ex::ReadConfig>(verb), 0) : run_read(words);
  if (verb == "score") return run_score(words);
  if (verb == "train") return help ? (print_help<ex::TrainConfig>(verb), 0) : run_train(words);
  if (verb == "ablate") return help ? (print_help<ex::AblateConfig>(verb), 0) : run_ablate(words);
  if (verb == "ablate-cell") return help ? (print_help<ex::AblateCellConfig>(verb), 0) : run_ablate_cell(words);
  if (verb == "convert") return help ? (print_help<ex::ConvertConfig>(verb), 0) : run_convert(words);
  if (verb == "info") return help ? (print_help<ex::InfoConfig>(verb), 0) : run_info(words);
  if (verb == "version" || verb == "--version") {
    const Json versions = ex::library_versions();
    for (const auto& item : versions.items()) std::printf("%-10s %s\n", item.key().c_str(), item.value().get<std::string>().c_str());
    return 0;
  }
  const std::string near = fovea::nearest_word(verb, {"curve", "eval", "sweep", "render", "map", "read", "score", "train", "convert", "info", "version"});
  throw fovea::ConfigError("[fovea-run] unknown verb '" + verb + "'" + (near.empty() ? "; known: curve eval sweep render map read score train convert info version" : ", did you mean '" + near + "'?"));
}

/// One line: what LibTorch says goes over several.
std::string one_line(std::string text) {
  if (const size_t end = text.find("\nException raised from"); end != std::string::npos) text.resize(end);
  std::string out;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    line.erase(0, line.find_first_not_of(' '));
    if (!line.empty()) out += (out.empty() ? "" : "; ") + line;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = request_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    return run(std::vector<std::string>(argv, argv + argc));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%serror: %s\n", isatty(2) ? "\r\033[K" : "", one_line(e.what()).c_str());
    return 2;
  }
}

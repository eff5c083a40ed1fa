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
#include "fovea/experiments/convert.h"
#include "fovea/experiments/curve.h"
#include "fovea/experiments/info.h"
#include "fovea/experiments/map_verb.h"
#include "fovea/experiments/render_verb.h"
#include "fovea/experiments/read_verb.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score_verb.h"
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
      {"parquet", "Parquet is written by the Python package"},
      {"ray", "Ray is driven by the Python package"},
  };
  return options;
}

const char kUsage[] =
    "fovea-run VERB [CONFIG.toml] [key=value ...]\n\n"
    "  curve    text in, compression curve out: summary.csv, results.jsonl, pages\n"
    "  render   texts and a style in, a folder of pages out, over a grid of styles\n"
    "  map      where characters of drawn pages fall on vision tokens\n"
    "  read     image files in, their text out\n"
    "  score    fox | omnidocbench | text: predictions scored as the official programs do\n"
    "  train    train a reader\n"
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
      if (entry["name"] == key) return;
    const auto found = python_only_options().find(key);
    if (found != python_only_options().end())
      throw fovea::UnsupportedError(fmt::format("[fovea-run {}] option '{}' is not known here: {}", verb, key, found->second));
  };
  for (const auto& word : words) {
    const size_t eq = word.find('=');
    if (eq != std::string::npos) {
      refuse(word.substr(0, eq));
      overrides.push_back(word);
    } else if (word.size() > 5 && word.compare(word.size() - 5, 5, ".toml") == 0) {
      const Json in = fovea::read_toml(word);
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

int run_train(const std::vector<std::string>& words) {
  const auto config = read_config<ex::TrainConfig>("train", words);
  const auto result = ex::run_train(
      config, [](const Json& line) { std::fprintf(stderr, "%s\n", ex::describe_log(line).c_str()); }, should_stop);
  if (should_stop()) {
    std::fprintf(stderr, "stopped at step %lld; the same command goes on from here\n", static_cast<long long>(result.num_steps));
    return 130;
  }
  std::printf("%s/model\n", config.trainer.out.c_str());
  return 0;
}

int run_info(const std::vector<std::string>& words) {
  const auto info = ex::model_info(read_config<ex::InfoConfig>("info", words));
  if (info.contains("tensors"))
    for (const auto& tensor : info["tensors"]) std::printf("%s %s\n", tensor["name"].get<std::string>().c_str(), tensor["shape"].dump().c_str());
  std::printf("%s: %lld tensors, %lld parameters, %lld px a vision token\n", info["name"].get<std::string>().c_str(),
              static_cast<long long>(info["num_tensors"].get<int64_t>()), static_cast<long long>(info["num_parameters"].get<int64_t>()),
              static_cast<long long>(info["stride_px"].get<int64_t>()));
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
  if (verb == "render") return help ? (print_help<ex::RenderConfig>(verb), 0) : run_render(words, command);
  if (verb == "map") return help ? (print_help<ex::MapConfig>(verb), 0) : run_map(words);
  if (verb == "read") return help ? (print_help<ex::ReadConfig>(verb), 0) : run_read(words);
  if (verb == "score") return run_score(words);
  if (verb == "train") return help ? (print_help<ex::TrainConfig>(verb), 0) : run_train(words);
  if (verb == "convert") return help ? (print_help<ex::ConvertConfig>(verb), 0) : run_convert(words);
  if (verb == "info") return help ? (print_help<ex::InfoConfig>(verb), 0) : run_info(words);
  if (verb == "version" || verb == "--version") {
    const Json versions = ex::library_versions();
    for (const auto& item : versions.items()) std::printf("%-10s %s\n", item.key().c_str(), item.value().get<std::string>().c_str());
    return 0;
  }
  const std::string near = fovea::nearest_word(verb, {"curve", "render", "map", "read", "score", "train", "convert", "info", "version"});
  throw fovea::ConfigError("[fovea-run] unknown verb '" + verb + "'" + (near.empty() ? "; known: curve render map read score train convert info version" : ", did you mean '" + near + "'?"));
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

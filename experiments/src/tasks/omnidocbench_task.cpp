// omnidocbench: its pages to Markdown, from the user's own copy of the benchmark, scored by its rules.
// Source: opendatalab/OmniDocBench (annotation file); the post-processing is that of deepseek-ai/DeepSeek-OCR's batch script for this benchmark.
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/datasets/records.h"
#include "fovea/experiments/task.h"
#include "fovea/metrics/omnidocbench.h"

namespace fovea::experiments {
namespace {
namespace fs = std::filesystem;

void remove_between(std::string& text, const std::string& open, const std::string& close) {
  for (size_t at; (at = text.find(open)) != std::string::npos;) {
    const size_t end = text.find(close, at);
    if (end == std::string::npos) break;
    text.erase(at, end + close.size() - at);
  }
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) text.replace(at, what.size(), with);
}

class OmniDocBenchTask final : public Task {
 public:
  std::string name() const override { return "omnidocbench"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "OmniDocBench's pages to Markdown, from the user's copy"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    if (config.data.size() != 1) throw ConfigError("[eval] data must name one OmniDocBench.json");
    const auto views = views_of(config, context);
    context.depends_on(config.data[0]);
    std::vector<Sample> out;
    size_t taken = 0;
    for (const auto& page : datasets::read_omnidocbench(config.data[0])) {
      if (config.samples > 0 && taken++ >= size_t(config.samples)) continue;
      for (const auto& view : views) {
        Sample sample;
        sample.id = page.image + (views.size() > 1 ? "@" + view.mode : "");
        sample.reference = page.text;
        sample.prompt = "markdown";
        sample.mode = view.mode;
        sample.budget = view.budget;
        const std::string beside = fs::path(config.data[0]).parent_path().string();
        sample.image_file = datasets::image_file(page.image, config.images, beside, {"images", "../images"});
        sample.facts = {{"image_name", page.image}, {"language", page.language}, {"data_source", page.data_source}, {"layout", page.layout}};
        out.push_back(std::move(sample));
      }
    }
    if (config.samples > 0 && taken > size_t(config.samples)) context.notes.push_back("the first " + std::to_string(config.samples) + " of " + std::to_string(taken) + " were taken, as asked");
    return out;
  }
  std::string clean(const Sample&, const std::string& raw) const override {
    std::string text = raw;
    // A label after \quad at the end of a display formula is the formula's number.
    for (size_t at = 0; (at = text.find("\\[", at)) != std::string::npos;) {
      const size_t end = text.find("\\]", at);
      if (end == std::string::npos) break;
      const size_t quad = text.find("\\quad", at);
      if (quad < end) {
        size_t open = quad + 5;
        while (open < end && text[open] == ' ') ++open;
        const size_t close = text.find(')', open);
        if (open < end && text[open] == '(' && close < end) {
          text.erase(quad, close + 1 - quad);
          at = quad;
          continue;
        }
      }
      at = end;
    }
    remove_between(text, "<|ref|>", "<|/ref|>");
    remove_between(text, "<|det|>", "<|/det|>");
    replace_all(text, "\n\n\n\n", "\n\n");
    replace_all(text, "\n\n\n", "\n\n");
    replace_all(text, "<center>", "");
    replace_all(text, "</center>", "");
    return text;
  }
  std::vector<std::string> group_by() const override { return {"mode", "budget", "language"}; }
  std::vector<std::string> finish(const EvalConfig& config, const std::string& folder, const std::vector<Sample>& samples, const std::map<std::string, std::string>& texts) const override {
    std::vector<std::string> modes, files;
    for (const auto& sample : samples)
      if (std::find(modes.begin(), modes.end(), sample.mode) == modes.end()) modes.push_back(sample.mode);
    for (const auto& mode : modes) {
      const std::string end = modes.size() > 1 ? "-" + mode : "";
      const std::string predictions = folder + "/predictions" + end;
      make_writable_folder(predictions);
      for (const auto& sample : samples) {
        const auto text = texts.find(sample.id);
        if (sample.mode != mode || text == texts.end()) continue;
        write_file_atomic(predictions + "/" + fs::path(sample.facts["image_name"].get<std::string>()).stem().string() + ".md", text->second);
      }
      files.push_back(predictions);
      metrics::OmniDocBenchConfig scorer;
      scorer.ground_truth = config.data[0];
      scorer.predictions = predictions;
      scorer.out = folder + "/metrics" + end + ".json";
      scorer.version = config.version;
      if (config.samples > 0) scorer.missing = "skip";  // pages that were not asked for; 1.6 would score them as empty
      metrics::score_omnidocbench(scorer);
      files.push_back(scorer.out);
    }
    return files;
  }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    for (const auto& path : config.data) out.num_samples += int64_t(datasets::read_omnidocbench(path).size());
    if (config.samples > 0) out.num_samples = std::min(out.num_samples, config.samples);
    const int64_t pages = out.num_samples;
    out.num_samples *= int64_t(config.mode.empty() ? config.budget.size() : config.mode.size());
    if (config.mode.empty())
      for (int64_t budget : config.budget) out.num_vision_tokens += pages * budget;
    return out;
  }
};

}  // namespace

std::unique_ptr<Task> make_omnidocbench_task() { return std::make_unique<OmniDocBenchTask>(); }

}  // namespace fovea::experiments

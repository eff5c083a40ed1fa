// fox: the page OCR pages of Fox, from the user's own copy of the benchmark.
// Source: ucaslcl/Fox 82f720c (files, records); arXiv 2510.18234, table 2 (prompt, bins of text tokens).
#include <filesystem>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/records.h"
#include "fovea/experiments/task.h"
#include "fovea/metrics/fox.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/words.h"

namespace fovea::experiments {
namespace {
namespace fs = std::filesystem;

class FoxTask final : public Task {
 public:
  std::string name() const override { return "fox"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "Fox's page OCR, from the user's copy"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    if (config.data.empty()) throw ConfigError("[eval] data must name Fox's en_page_ocr.json or cn_page_ocr.json, or its folder focus_benchmark_test");
    const auto views = views_of(config, context);
    std::vector<Sample> out;
    const std::string jieba = metrics::Jieba::find(config.jieba);
    size_t taken = 0;
    for (const auto& path : datasets::fox_page_files(config.data)) {
      context.depends_on(path);
      for (const auto& record : datasets::read_fox(path)) {
        if (config.samples > 0 && taken++ >= size_t(config.samples)) continue;
        if (jieba.empty() && metrics::has_chinese(to_code_points(record.text)))  // said before anything is read
          throw ConfigError("[eval] " + path + " has Chinese pages, whose words Fox counts by jieba: install python3-jieba or give jieba=FOLDER");
        const size_t tokens = context.tokenizer().count_tokens(record.text);
        const size_t bin = tokens / 100 * 100;
        for (const auto& view : views) {
          Sample sample;
          sample.id = record.image + (views.size() > 1 ? "@" + view.mode : "");
          sample.reference = record.text;
          sample.prompt = "free-ocr";
          sample.mode = view.mode;
          sample.budget = view.budget;
          sample.image_file = datasets::image_file(record.image, config.images, fs::path(path).parent_path().string(), {record.image.rfind("cn_", 0) == 0 ? "cn_pdf_png" : "en_pdf_png"});
          sample.num_text_tokens = tokens;
          sample.facts = {{"image_name", record.image}, {"question", record.question}, {"tokens_bin", std::to_string(bin) + "-" + std::to_string(bin + 100)}};
          out.push_back(std::move(sample));
        }
      }
    }
    if (config.samples > 0 && taken > size_t(config.samples)) context.notes.push_back("the first " + std::to_string(config.samples) + " of " + std::to_string(taken) + " were taken, as asked");
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig& config) const override {
    const std::u32string ref = to_code_points(sample.reference), hyp = metrics::code_points_of(text);
    std::shared_ptr<const metrics::Jieba> jieba;
    if (metrics::has_chinese(ref) || metrics::has_chinese(hyp)) jieba = metrics::Jieba::shared(metrics::Jieba::find(config.jieba));
    const auto wordnet = metrics::WordNet::shared(metrics::WordNet::find(config.wordnet));
    const auto scores = metrics::fox_scores(ref, hyp, jieba.get(), wordnet.get());
    const auto value = [](const std::optional<double>& v) { return v ? Json(*v) : Json(0.0); };  // as the policy `zero` of score fox
    return {{"fox_bleu", value(scores.bleu)},           {"fox_meteor", value(scores.meteor)}, {"fox_f_measure", value(scores.f_measure)},
            {"fox_precision", value(scores.precision)}, {"fox_recall", value(scores.recall)}, {"fox_edit_dist", hyp.empty() && ref.empty() ? Json(0.0) : value(scores.edit_dist)}};
  }
  std::vector<std::string> group_by() const override { return {"mode", "budget", "tokens_bin"}; }
  std::vector<std::string> finish(const EvalConfig& config, const std::string& folder, const std::vector<Sample>& samples, const std::map<std::string, std::string>& texts) const override {
    // A results file in Fox's own form for every view, and what its scorer says of it.
    std::vector<std::string> modes, files;
    for (const auto& sample : samples)
      if (std::find(modes.begin(), modes.end(), sample.mode) == modes.end()) modes.push_back(sample.mode);
    for (const auto& mode : modes) {
      Json records = Json::array();
      for (const auto& sample : samples) {
        const auto text = texts.find(sample.id);
        if (sample.mode != mode || text == texts.end()) continue;
        records.push_back({{"image", sample.facts["image_name"]}, {"question", sample.facts["question"]}, {"label", sample.reference}, {"answer", text->second}});
      }
      const std::string end = modes.size() > 1 ? "-" + mode : "";
      metrics::FoxConfig scorer;
      scorer.results = folder + "/fox_results" + end + ".json";
      scorer.out = folder + "/metrics" + end + ".json";
      scorer.jieba = config.jieba;
      scorer.wordnet = config.wordnet;
      write_file_atomic(scorer.results, records.dump(1) + "\n");
      metrics::score_fox(scorer);
      files.push_back(scorer.results);
      files.push_back(scorer.out);
    }
    return files;
  }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    for (const auto& path : datasets::fox_page_files(config.data)) out.num_samples += int64_t(datasets::read_fox(path).size());
    if (config.samples > 0) out.num_samples = std::min(out.num_samples, config.samples);
    const int64_t pages = out.num_samples;
    out.num_samples *= int64_t(config.mode.empty() ? config.budget.size() : config.mode.size());
    if (config.mode.empty())
      for (int64_t budget : config.budget) out.num_vision_tokens += pages * budget;
    return out;
  }
};

}  // namespace

std::unique_ptr<Task> make_fox_task() { return std::make_unique<FoxTask>(); }

}  // namespace fovea::experiments

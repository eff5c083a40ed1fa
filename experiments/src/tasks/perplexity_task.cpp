// perplexity: how well the reader foresees the text that goes on after a compressed page.
// The number means something for models trained to go on writing after compressed context. A reader that was trained only to read back expects the
// page's own text, or its end, and not a continuation: there it is a check that the machinery works, and no measure of what the page is worth.
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

constexpr size_t kContinuationTokens = 128;

class PerplexityTask final : public Task {
 public:
  std::string name() const override { return "perplexity"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "bits a character of the text that follows a compressed page"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    std::vector<Sample> out;
    for (const auto& kind : kinds_of(config)) {
      if (kind == "blank-page") continue;  // every line holds the blank page
      for (int64_t budget : config.budget)
        for (double ratio : config.ratio)
          for (const auto& font : config.font) {
            context.depends_on(render::font_file(font));
            const auto wanted = size_t(std::max<int64_t>(1, std::llround(ratio * double(budget))));
            const auto passages = passages_of(kind, wanted + kContinuationTokens, config, context);
            for (size_t index = 0; index < passages.size(); ++index) {
              char label[64];
              std::snprintf(label, sizeof label, "%lld-%g-", static_cast<long long>(budget), ratio);
              Sample sample;
              sample.id = kind + "-" + label + font + "-" + std::to_string(index);
              sample.kind = kind;
              const std::string_view page = prefix_of(passages[index], wanted), both = prefix_of(passages[index], wanted + kContinuationTokens);
              if (both.size() <= page.size()) throw ConfigError("[eval] " + passages[index].source + " is too short: nothing goes on after a page of " + std::to_string(wanted) + " text tokens");
              set_drawn_page(sample, std::string(page), budget, font, config, context);
              sample.reference = sample.page_text;
              sample.continuation = std::string(both.substr(page.size()));
              sample.facts.update({{"ratio_asked", ratio}, {"text", passages[index].source}, {"passage", index}});
              out.push_back(std::move(sample));
            }
          }
    }
    return out;
  }
  bool follows() const override { return true; }
  std::vector<std::string> group_by() const override { return {"budget", "ratio_asked", "font"}; }
  EvalEstimate estimate(const EvalConfig& config) const override { return estimate_drawn_pages(config); }
};

}  // namespace

std::unique_ptr<Task> make_perplexity_task() { return std::make_unique<PerplexityTask>(); }

}  // namespace fovea::experiments

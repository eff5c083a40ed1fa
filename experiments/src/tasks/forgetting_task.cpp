// forgetting: the same drawn page shown smaller and smaller, as older pages of a memory would be (arXiv 2510.18234, figure 13).
#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

class ForgettingTask final : public Task {
 public:
  std::string name() const override { return "forgetting"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "one page through smaller and smaller sizes"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    // The page is drawn once, for the largest view, at the first ratio (text tokens / tokens of the largest view).
    if (config.ratio.size() != 1) throw ConfigError("[eval] forgetting takes one ratio, that of the largest view; got " + std::to_string(config.ratio.size()));
    auto views = views_of(config, context);
    if (std::any_of(views.begin(), views.end(), [](const View& view) { return view.budget == 0; })) throw ConfigError("[eval] forgetting takes modes of one view (tiny small base large), or budgets");
    std::stable_sort(views.begin(), views.end(), [](const View& a, const View& b) { return a.budget > b.budget; });
    EvalConfig largest = config;
    largest.budget = {views[0].budget};
    std::vector<Sample> out;
    for (const Sample& drawn : drawn_pages(largest, context))
      for (size_t age = 0; age < views.size(); ++age) {
        Sample sample = drawn;
        sample.budget = views[age].budget;
        sample.id += "@" + (config.mode.empty() ? std::to_string(views[age].budget) : views[age].mode);
        if (config.mode.empty())
          sample.shown_side_px = side_of_budget(views[age].budget, context.stride_px());
        else
          sample.mode = views[age].mode;
        sample.facts["age"] = age;
        sample.facts["shown_side_px"] = side_of_budget(views[age].budget, context.stride_px());
        out.push_back(std::move(sample));
      }
    return out;
  }
  std::vector<std::string> group_by() const override { return {"age", "budget", "mode", "font"}; }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    const int64_t each = num_drawn(config) * int64_t(config.font.size()) * int64_t(kinds_of(config).size());
    const int64_t largest = config.budget.empty() ? 0 : *std::max_element(config.budget.begin(), config.budget.end());
    const int64_t views = int64_t(config.mode.empty() ? config.budget.size() : config.mode.size());
    out.num_samples = each * views;
    if (config.mode.empty())
      for (int64_t budget : config.budget) out.num_vision_tokens += each * budget;
    out.num_text_tokens = config.ratio.empty() ? 0 : each * views * std::llround(config.ratio[0] * double(largest));
    return out;
  }
};

}  // namespace

std::unique_ptr<Task> make_forgetting_task() { return std::make_unique<ForgettingTask>(); }

}  // namespace fovea::experiments

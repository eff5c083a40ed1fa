// curve: pages of a given ratio of text tokens to vision tokens, read back. The verb `curve` is the same measurement with its own figures.
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

class CurveTask final : public Task {
 public:
  std::string name() const override { return "curve"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "pages of a given compression ratio, read back"; }
  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override { return drawn_pages(config, context); }
  std::vector<std::string> group_by() const override { return {"budget", "ratio_asked", "font"}; }
  EvalEstimate estimate(const EvalConfig& config) const override { return estimate_drawn_pages(config); }
};

}  // namespace

std::unique_ptr<Task> make_curve_task() { return std::make_unique<CurveTask>(); }

}  // namespace fovea::experiments

// charts and geometry: pages with one generated chart or a few segments each; the chart is scored as a table (TEDS), the segments by their ends.
#include <memory>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/figure_drawing.h"
#include "fovea/experiments/table_drawing.h"
#include "fovea/experiments/task.h"
#include "fovea/metrics/table.h"

namespace fovea::experiments {
namespace {

class FiguresTask final : public Task {
 public:
  explicit FiguresTask(bool charts) : charts_(charts) {}
  std::string name() const override { return charts_ ? "charts" : "geometry"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return charts_ ? "generated charts read to an HTML table: TEDS" : "segments read as their ends: F1 within two steps of a grid of 100"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    if (!config.controls.empty()) throw ConfigError("[eval] controls go with tasks of running text");
    const auto words = std::make_shared<std::vector<std::string>>();
    for (const auto& path : config.data)
      for (auto& word : words_for_tables(context.text_of(path))) words->push_back(std::move(word));
    if (charts_ && words->empty()) throw ConfigError("[eval] data must name at least one UTF-8 text file, whose words label the charts");
    std::vector<Sample> out;
    for (int64_t budget : config.budget)
      for (size_t f = 0; f < (charts_ ? config.font.size() : 1); ++f) {
        const std::string font = charts_ ? config.font[f] : "";
        if (charts_) context.depends_on(render::font_file(font));
        const int64_t side = side_of_budget(budget, context.stride_px());
        for (int64_t index = 0; index < num_drawn(config); ++index) {
          Sample sample;
          sample.id = name() + "-" + std::to_string(budget) + (charts_ ? "-" + font : "") + "-" + std::to_string(index);
          sample.kind = name();
          sample.budget = budget;
          const uint64_t seed = mix64(stream_of(name(), sample.id) + uint64_t(config.seed));
          const auto draw = [charts = charts_, words, font, side, seed](const render::Renderer& renderer) {
            return charts ? draw_chart(FigureConfig{}, *words, font, side, seed, renderer) : draw_segments(FigureConfig{}, side, seed);
          };
          sample.reference = draw(context.renderer()).text;
          sample.draw = [draw](const render::Renderer& renderer) { return draw(renderer).image; };
          if (charts_) sample.facts["font"] = font;
          out.push_back(std::move(sample));
        }
      }
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig&) const override {
    if (!charts_) return {{"segments_f1", segments_f1(text, sample.reference)}, {"exact", text == sample.reference ? 1.0 : 0.0}};
    const auto table = [](const std::string& html) { return metrics::normalized_html_table(to_code_points(replace_invalid_utf8(html))); };
    const auto result = metrics::teds(table(text), table(sample.reference));
    return {{"teds", result.content}, {"teds_structure", result.structure}, {"exact", text == sample.reference ? 1.0 : 0.0}};
  }
  std::vector<std::string> group_by() const override { return charts_ ? std::vector<std::string>{"budget", "font"} : std::vector<std::string>{"budget"}; }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    for (int64_t budget : config.budget) {
      const int64_t count = num_drawn(config) * (charts_ ? int64_t(config.font.size()) : 1);
      out.num_samples += count;
      out.num_vision_tokens += budget * count;
    }
    out.num_text_tokens = 80 * out.num_samples;
    return out;
  }

 private:
  bool charts_;
};

}  // namespace

std::unique_ptr<Task> make_charts_task() { return std::make_unique<FiguresTask>(true); }
std::unique_ptr<Task> make_geometry_task() { return std::make_unique<FiguresTask>(false); }

}  // namespace fovea::experiments

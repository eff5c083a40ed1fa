// tables: pages with one generated table each, read to HTML and scored by TEDS.
#include <algorithm>
#include <memory>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/table_drawing.h"
#include "fovea/experiments/task.h"
#include "fovea/metrics/table.h"

namespace fovea::experiments {
namespace {

class TablesTask final : public Task {
 public:
  std::string name() const override { return "tables"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "generated tables read to HTML: TEDS"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    if (config.data.empty()) throw ConfigError("[eval] data must name at least one UTF-8 text file, whose words fill the cells");
    if (!config.controls.empty()) throw ConfigError("[eval] controls go with tasks of running text");
    const auto words = std::make_shared<std::vector<std::string>>();
    for (const auto& path : config.data)
      for (auto& word : words_for_tables(context.text_of(path))) words->push_back(std::move(word));
    std::vector<Sample> out;
    for (int64_t budget : config.budget)
      for (const auto& font : config.font) {
        context.depends_on(render::font_file(font));
        const int64_t side = side_of_budget(budget, context.stride_px());
        TableConfig table;
        table.fonts = {font};
        for (int64_t index = 0; index < num_drawn(config); ++index) {
          Sample sample;
          sample.id = "table-" + std::to_string(budget) + "-" + font + "-" + std::to_string(index);
          sample.kind = "table";
          sample.budget = budget;
          const uint64_t seed = mix64(stream_of("tables", sample.id) + uint64_t(config.seed));
          const auto drawn = draw_table(table, *words, side, seed, context.renderer());
          sample.reference = drawn.html;
          sample.draw = [table, words, side, seed](const render::Renderer& renderer) { return draw_table(table, *words, side, seed, renderer).image; };
          int64_t columns = 0, joined = 0;
          for (const auto& cell : drawn.cells) columns = std::max(columns, cell.column + cell.columns), joined += cell.columns * cell.rows > 1;
          sample.facts.update({{"font", font}, {"font_size_px", drawn.font_size_px}, {"num_cells", drawn.cells.size()}, {"num_columns", columns}, {"num_joined", joined}});
          out.push_back(std::move(sample));
        }
      }
    return out;
  }
  /// Line breaks are those of a reader of lines; HTML has none here.
  std::string clean(const Sample&, const std::string& text) const override {
    std::string out;
    for (char c : text) out += c == '\n' ? ' ' : c;
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig&) const override {
    const auto result = metrics::teds(metrics::normalized_html_table(to_code_points(replace_invalid_utf8(text))), metrics::normalized_html_table(to_code_points(sample.reference)));
    return {{"teds", result.content}, {"teds_structure", result.structure}, {"exact", text == sample.reference ? 1.0 : 0.0}};
  }
  std::vector<std::string> group_by() const override { return {"budget", "font"}; }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    for (int64_t budget : config.budget) {
      out.num_samples += num_drawn(config) * int64_t(config.font.size());
      out.num_vision_tokens += budget * num_drawn(config) * int64_t(config.font.size());
    }
    out.num_text_tokens = 150 * out.num_samples;
    return out;
  }
};

}  // namespace

std::unique_ptr<Task> make_tables_task() { return std::make_unique<TablesTask>(); }

}  // namespace fovea::experiments

// needle: a sentence with a number hidden in running text; is the number there in what was read, or in the answer?
#include <array>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

constexpr std::array<const char*, 12> kTowns = {"Tallinn", "Coimbra", "Bergen", "Dakar", "Quito", "Nagoya", "Dunedin", "Lviv", "Izmir", "Halifax", "Cusco", "Ghent"};

class NeedleTask final : public Task {
 public:
  std::string name() const override { return "needle"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "a number hidden in running text, found or not"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    std::vector<Sample> out;
    for (const auto& kind : kinds_of(config))
      for (int64_t budget : config.budget)
        for (double ratio : config.ratio)
          for (const auto& font : config.font) {
            context.depends_on(render::font_file(font));
            const auto wanted = size_t(std::max<int64_t>(1, std::llround(ratio * double(budget))));
            const auto passages = passages_of(kind, wanted, config, context);
            for (size_t index = 0; index < passages.size(); ++index) {
              char label[64];
              std::snprintf(label, sizeof label, "%lld-%g-", static_cast<long long>(budget), ratio);
              Sample sample;
              sample.id = kind + "-" + label + font + "-" + std::to_string(index);
              sample.kind = kind;
              sample.blank = kind == "blank-page";
              // The same needle at the same depth in every budget, ratio and font: what differs is the page.
              Rng rng(uint64_t(config.seed), stream_of("needle", kind), index);
              const std::string town = kTowns[rng.below(kTowns.size())];
              const std::string code = std::to_string(100000 + rng.below(900000));
              const std::string needle = "The number of the archive in " + town + " is " + code + ".";
              const size_t needle_tokens = context.tokenizer().count_tokens(" " + needle);
              if (wanted <= needle_tokens + 8)
                throw ConfigError("[eval] budget " + std::to_string(budget) + " at this ratio holds " + std::to_string(wanted) + " text tokens, which leaves no room around a needle of " +
                                  std::to_string(needle_tokens) + "; ask for a higher ratio");
              const double depth = passages.size() == 1 ? 0.5 : double(index) / double(passages.size() - 1);
              const size_t filler = wanted - needle_tokens;
              const std::string_view all = prefix_of(passages[index], filler);
              const std::string_view before = depth == 0 ? std::string_view() : prefix_of(passages[index], size_t(depth * double(filler)));
              const size_t at = std::min(before.size(), all.size());
              std::string text(all.substr(0, at));
              if (!text.empty() && text.back() != ' ') text += ' ';
              text += needle;
              std::string_view rest = all.substr(at);
              while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
              if (!rest.empty()) text += " " + std::string(rest);
              set_drawn_page(sample, text, budget, font, config, context);
              const bool asks = context.asks();
              sample.reference = asks ? code : text;
              if (asks) sample.prompt = "<image>\nWhat is the number of the archive in " + town + "? Answer with the number alone.";
              sample.facts.update({{"ratio_asked", ratio}, {"depth", std::round(depth * 1000) / 1000}, {"needle", code}, {"asked", asks}, {"text", passages[index].source}, {"passage", index}});
              out.push_back(std::move(sample));
            }
          }
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig&) const override {
    const std::string needle = sample.facts["needle"].get<std::string>();
    bool found = false;  // as a number of its own: 1234567 does not hold 123456
    const auto is_digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
    for (size_t at = text.find(needle); at != std::string::npos && !found; at = text.find(needle, at + 1)) found = !is_digit(at + needle.size()) && (at == 0 || !is_digit(at - 1));
    return {{"found", found ? 1.0 : 0.0}};
  }
  std::vector<std::string> group_by() const override { return {"budget", "ratio_asked", "font"}; }
  bool scores_text(const Sample& sample) const override { return sample.reference == sample.page_text; }
  EvalEstimate estimate(const EvalConfig& config) const override { return estimate_drawn_pages(config); }
};

}  // namespace

std::unique_ptr<Task> make_needle_task() { return std::make_unique<NeedleTask>(); }

}  // namespace fovea::experiments

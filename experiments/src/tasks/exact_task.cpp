// exact: strings in which no character can be guessed from the others; each is right only as a whole.
#include <array>
#include <cmath>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

const std::vector<std::string> kKinds = {"hex", "digits", "code", "urls"};

std::string letters(Rng& rng, std::string_view set, uint64_t count) {
  std::string out;
  for (; count > 0; --count) out += set[rng.below(set.size())];
  return out;
}

constexpr std::string_view kHex = "0123456789abcdef", kDigits = "0123456789", kLower = "abcdefghijklmnopqrstuvwxyz", kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_",
                           kPath = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

// One line without spaces.
std::string line_of(const std::string& kind, Rng& rng) {
  if (kind == "hex") return letters(rng, kHex, 16 + rng.below(17));
  if (kind == "digits") return letters(rng, kDigits, 8 + rng.below(13));
  if (kind == "urls") {
    static constexpr std::array<const char*, 6> ends = {"com", "org", "net", "io", "de", "info"};
    std::string out = "https://" + letters(rng, kLower, 4 + rng.below(8)) + "." + ends[rng.below(ends.size())];
    for (uint64_t n = 1 + rng.below(3); n > 0; --n) out += "/" + letters(rng, kPath, 3 + rng.below(9));
    if (rng.chance(0.5)) out += "?" + letters(rng, kLower, 1 + rng.below(4)) + "=" + letters(rng, kPath, 4 + rng.below(8));
    return out;
  }
  // code: an assignment of random names, numbers, operators and brackets
  static constexpr std::array<const char*, 10> operators = {"+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^"};
  const auto name = [&] { return letters(rng, kName, 2 + rng.below(6)); };
  std::string out = name();
  if (rng.chance(0.5)) out += "[" + letters(rng, kDigits, 1 + rng.below(3)) + "]";
  out += "=" + name() + "(" + name() + "," + std::to_string(rng.below(1000)) + ")";
  out += operators[rng.below(operators.size())];
  return out + "0x" + letters(rng, kHex, 2 + rng.below(5)) + ";";
}

class ExactTask final : public Task {
 public:
  std::string name() const override { return "exact"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "hex, digits, code and URLs: strings that are right only as a whole"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    std::vector<Sample> out;
    for (const auto& kind : kinds(config))
      for (int64_t budget : config.budget)
        for (double ratio : config.ratio)
          for (const auto& font : config.font) {
            context.depends_on(render::font_file(font));
            for (int64_t index = 0; index < num_drawn(config); ++index) {
              char label[64];
              std::snprintf(label, sizeof label, "%lld-%g-", static_cast<long long>(budget), ratio);
              Sample sample;
              sample.id = kind + "-" + label + font + "-" + std::to_string(index);
              sample.kind = kind;
              // Pages of other ratios begin with the same lines.
              Rng rng(uint64_t(config.seed), stream_of("exact", kind), uint64_t(index));
              const auto wanted = size_t(std::max<int64_t>(1, std::llround(ratio * double(budget))));
              std::string text = line_of(kind, rng);
              for (;;) {
                const std::string longer = text + "\n" + line_of(kind, rng);
                if (context.tokenizer().count_tokens(longer) > wanted) break;
                text = longer;
              }
              set_drawn_page(sample, text, budget, font, config, context);
              sample.reference = text;
              sample.facts["ratio_asked"] = ratio;
              sample.facts["passage"] = index;
              out.push_back(std::move(sample));
            }
          }
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig&) const override {
    // A string counts as often as it stands on the page, wherever it was read. Strings hold no spaces; a reader may break lines where the page does.
    std::map<std::string, int> read;
    std::istringstream words(text);
    for (std::string word; words >> word;) ++read[word];
    double right = 0, count = 0;
    std::istringstream strings(sample.reference);
    for (std::string word; strings >> word; ++count)
      if (read[word]-- > 0) ++right;
    return {{"strings_right", count == 0 ? 1.0 : right / count}, {"num_strings", count}};
  }
  std::vector<std::string> group_by() const override { return {"budget", "ratio_asked", "font"}; }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalConfig prose = config;
    prose.kind = {};
    prose.controls = {};
    EvalEstimate out = estimate_drawn_pages(prose);
    const auto times = int64_t(kinds(config).size());
    return {out.num_samples * times, out.num_vision_tokens * times, out.num_text_tokens * times};
  }

 private:
  static std::vector<std::string> kinds(const EvalConfig& config) {
    if (!config.controls.empty()) throw ConfigError("[eval] controls go with tasks of running text; the strings of exact cannot be guessed");
    if (config.kind.empty()) return kKinds;
    for (const auto& kind : config.kind)
      if (std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
        const std::string near = nearest_word(kind, kKinds);
        throw ConfigError("[eval] kind of exact must be hex, digits, code or urls, got '" + kind + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?"));
      }
    return config.kind;
  }
};

}  // namespace

std::unique_ptr<Task> make_exact_task() { return std::make_unique<ExactTask>(); }

}  // namespace fovea::experiments

// qa: questions about a text that stands on a page, from pairs that the user supplies.
#include <algorithm>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/records.h"
#include "fovea/experiments/task.h"

namespace fovea::experiments {
namespace {

// Lower case, no punctuation, no English articles, single spaces. Source: evaluate-v1.1.py of SQuAD (Rajpurkar et al. 2016), normalize_answer.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  const auto flush = [&] {
    if (!word.empty() && word != "a" && word != "an" && word != "the") out.push_back(word);
    word.clear();
  };
  for (char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= ' ')
      flush();
    else if (u >= 0x80 || std::isalnum(u))
      word += (u >= 'A' && u <= 'Z') ? char(c + 32) : c;
  }
  flush();
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out = " ";
  for (const auto& word : words) out += word + " ";
  return out;
}

double token_f1(const std::vector<std::string>& truth, const std::vector<std::string>& said) {
  std::map<std::string, int> left;
  for (const auto& word : truth) ++left[word];
  double same = 0;
  for (const auto& word : said)
    if (left[word]-- > 0) ++same;
  if (truth.empty() || said.empty()) return truth.empty() == said.empty() ? 1 : 0;
  return same == 0 ? 0 : 2 * same / double(truth.size() + said.size());
}

class QaTask final : public Task {
 public:
  std::string name() const override { return "qa"; }
  std::string version() const override { return "1"; }
  std::string about() const override { return "questions about a text on a page, from supplied pairs"; }

  std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const override {
    std::vector<Sample> out;
    size_t num_taken = 0, num_too_long = 0;
    std::string too_long;
    if (config.data.empty()) throw ConfigError("[eval] data must name JSON Lines of {context, question, answers} for qa");
    for (const auto& font : config.font) context.depends_on(render::font_file(font));
    for (const auto& path : config.data) {
      context.depends_on(path);
      for (const auto& pair : datasets::read_question_pairs(path)) {
        if (config.samples > 0 && num_taken++ >= size_t(config.samples)) continue;
        for (int64_t budget : config.budget)
          for (const auto& font : config.font) {
            Sample sample;
            sample.id = pair.id + (config.budget.size() > 1 ? "@" + std::to_string(budget) : "") + (config.font.size() > 1 ? "@" + font : "");
            try {
              set_drawn_page(sample, pair.context, budget, font, config, context);
            } catch (const ConfigError& e) {
              ++num_too_long;
              if (too_long.empty()) too_long = e.what();
              continue;
            }
            const bool asks = context.asks();
            sample.reference = asks ? pair.answers.front() : pair.context;
            if (asks) sample.prompt = "<image>\n" + pair.question;
            sample.facts.update({{"question", pair.question}, {"answers", pair.answers}, {"asked", asks}});
            out.push_back(std::move(sample));
          }
      }
    }
    if (num_too_long > 0) {
      const std::string what = std::to_string(num_too_long) + " contexts do not fit on their page (" + too_long + ")";
      if (out.empty()) throw ConfigError(what);
      context.notes.push_back(what + "; left out");
    }
    if (config.samples > 0 && num_taken > size_t(config.samples)) context.notes.push_back("the first " + std::to_string(config.samples) + " of " + std::to_string(num_taken) + " were taken, as asked");
    return out;
  }
  Json score(const Sample& sample, const std::string& text, const EvalConfig&) const override {
    const auto said = words_of(text);
    const std::string all = joined(said);
    double exact = 0, f1 = 0, contains = 0;
    for (const auto& answer : sample.facts["answers"]) {
      const auto truth = words_of(answer.get<std::string>());
      exact = std::max(exact, truth == said ? 1.0 : 0.0);
      f1 = std::max(f1, token_f1(truth, said));
      if (!truth.empty() && all.find(joined(truth)) != std::string::npos) contains = 1;
    }
    // Of a page that was only read, whether the answer survived can be said, and no more.
    if (!sample.facts["asked"].get<bool>()) return {{"answer_contained", contains}};
    return {{"answer_contained", contains}, {"answer_exact", exact}, {"answer_f1", f1}};
  }
  std::vector<std::string> group_by() const override { return {"budget", "font"}; }
  bool scores_text(const Sample& sample) const override { return sample.reference == sample.page_text; }
  EvalEstimate estimate(const EvalConfig& config) const override {
    EvalEstimate out;
    for (const auto& path : config.data) {
      int64_t count = int64_t(datasets::read_question_pairs(path).size());
      out.num_samples += count;
    }
    if (config.samples > 0) out.num_samples = std::min(out.num_samples, config.samples);
    const int64_t pairs = out.num_samples;
    out.num_samples *= int64_t(config.budget.size() * config.font.size());
    for (int64_t budget : config.budget) out.num_vision_tokens += pairs * budget * int64_t(config.font.size());
    return out;
  }
};

}  // namespace

std::unique_ptr<Task> make_qa_task() { return std::make_unique<QaTask>(); }

}  // namespace fovea::experiments

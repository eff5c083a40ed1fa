#include "fovea/metrics/fox.h"

#include <algorithm>
#include <set>
#include <thread>

#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/json_file.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/reading.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

constexpr const char* kNames[] = {"bleu", "meteor", "f_measure", "precision", "recall", "edit_dist"};
using Values = std::array<std::optional<double>, std::size(kNames)>;

struct PageTokens {
  Tokens label, answer;
  bool by_jieba = false;
};

PageTokens tokens_of(std::u32string_view label, std::u32string_view answer, const Jieba* jieba) {
  PageTokens out;
  out.by_jieba = has_chinese(label) || has_chinese(answer);
  if (out.by_jieba && !jieba) throw ConfigError("[fox] Chinese text needs jieba: install python3-jieba or give jieba=FOLDER");
  out.label = out.by_jieba ? jieba->cut(label) : split_words(label);
  out.answer = out.by_jieba ? jieba->cut(answer) : split_words(answer);
  return out;
}

FoxScores scores_of(const Tokens& reference, const Tokens& hypothesis, std::optional<double> edit_dist, const WordNet* wordnet) {
  FoxScores out;
  out.bleu = bleu(reference, hypothesis);
  out.meteor = meteor(reference, hypothesis, wordnet);
  const SetOverlap overlap = set_overlap(reference, hypothesis);
  out.f_measure = overlap.f;
  out.precision = overlap.precision;
  out.recall = overlap.recall;
  out.edit_dist = edit_dist;
  return out;
}

Values values_of(const FoxScores& s) { return {s.bleu, s.meteor, s.f_measure, s.precision, s.recall, s.edit_dist}; }

std::optional<double> raw_distance(std::u32string_view a, std::u32string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  return longer == 0 ? std::nullopt : std::optional<double>(double(edit_distance(a, b)) / double(longer));
}

struct PageResult {
  Json page;
  Values natural, as_called;
  ReadingFacts facts;
  bool exact = false, undefined = false;
};

// What stands for an undefined number: 0 where one side is empty; two empty texts are a perfect reading.
void fill_undefined(Values& values, bool both_empty) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (both_empty) values[i] = i + 1 == values.size() ? 0 : 1;
    else if (!values[i]) values[i] = 0;
  }
}

Json to_json(const Values& values) {
  Json out = Json::object();
  for (size_t i = 0; i < values.size(); ++i) out[kNames[i]] = values[i] ? Json(*values[i]) : Json(nullptr);
  return out;
}

}  // namespace

FoxScores fox_scores(std::u32string_view reference, std::u32string_view hypothesis, const Jieba* jieba, const WordNet* wordnet) {
  const PageTokens tokens = tokens_of(reference, hypothesis, jieba);
  return scores_of(tokens.label, tokens.answer, raw_distance(reference, hypothesis), wordnet);
}

Json score_fox(const FoxConfig& config) {
  validate_fields(config, "score fox");
  if (config.results.empty()) throw ConfigError("[score fox] results must name Fox's results file");
  const Json records = read_json(config.results);
  if (!records.is_array()) throw ConfigError("[" + config.results + "] must be a list of {image, question, label, answer}, got " + records.type_name());
  if (records.empty()) throw ConfigError("[" + config.results + "] holds no record");

  struct Record {
    std::string image, question;
    std::u32string label, answer;
  };
  std::vector<Record> pages;
  std::set<std::pair<std::string, std::string>> seen;
  bool chinese = false;
  Json warnings = Json::array();
  for (size_t i = 0; i < records.size(); ++i) {
    const std::string where = config.results + ": record " + std::to_string(i);
    const Json& record = records[i];
    if (!record.is_object()) throw ConfigError("[" + where + "] must be {image, question, label, answer}, got " + record.type_name());
    Record page;
    if (const auto image = record.find("image"); image != record.end()) page.image = image->is_string() ? image->get<std::string>() : image->dump();
    if (const auto question = record.find("question"); question != record.end() && question->is_string()) page.question = question->get<std::string>();
    page.label = code_points_of(text_member(record, "label", where));
    page.answer = code_points_of(text_member(record, "answer", where));
    if (!page.image.empty() && !seen.insert({page.image, page.question}).second) {
      const std::string what = "image '" + page.image + "' with the same question a second time";
      if (config.duplicates == "refuse") throw ConfigError("[" + where + "] " + what + "; remove one, or count both with duplicates=count");
      warnings.push_back("record " + std::to_string(i) + ": " + what);
    }
    chinese = chinese || has_chinese(page.label) || has_chinese(page.answer);
    pages.push_back(std::move(page));
  }
  const auto jieba = chinese ? Jieba::shared(Jieba::find(config.jieba)) : nullptr;
  const auto wordnet = config.synonyms ? WordNet::shared(WordNet::find(config.wordnet)) : nullptr;
  if (config.synonyms && !wordnet) warnings.push_back("WordNet was not found: METEOR is of equal words and stems only; install wordnet-base or give wordnet=FOLDER");

  std::vector<PageResult> results(pages.size());
  const int threads = config.threads > 0 ? int(config.threads) : int(std::max(1u, std::thread::hardware_concurrency()));
  parallel_for(pages.size(), threads, [&](size_t i) {
    const Record& record = pages[i];
    PageResult& out = results[i];
    const PageTokens tokens = tokens_of(record.label, record.answer, jieba.get());
    const auto distance = raw_distance(record.label, record.answer);
    out.natural = values_of(scores_of(tokens.label, tokens.answer, distance, wordnet.get()));
    out.as_called = values_of(scores_of(tokens.answer, tokens.label, distance, wordnet.get()));
    Json undefined = Json::array();
    for (size_t k = 0; k < out.natural.size(); ++k)
      if (!out.natural[k]) undefined.push_back(kNames[k]);
    out.undefined = !undefined.empty();
    fill_undefined(out.natural, tokens.label.empty() && tokens.answer.empty());
    fill_undefined(out.as_called, tokens.label.empty() && tokens.answer.empty());
    out.exact = record.label == record.answer;
    const std::u32string ref = one_space(record.label), hyp = one_space(record.answer);
    std::vector<EditRun> script;
    edit_script(ref, hyp, script);
    out.facts = reading_facts(ref, hyp, script);
    out.page = {{"image", record.image},
                {"tokens_by", tokens.by_jieba ? "jieba" : "white space"},
                {"num_label_tokens", tokens.label.size()},
                {"num_answer_tokens", tokens.answer.size()},
                {"num_label_chars", record.label.size()},
                {"num_answer_chars", record.answer.size()},
                {"exact", out.exact},
                {"natural", to_json(out.natural)},
                {"as_called", to_json(out.as_called)},
                {"undefined", undefined},
                {"reading", facts_to_json(out.facts)}};
  });

  Values natural, as_called;
  natural.fill(0.0);
  as_called.fill(0.0);
  size_t counted = 0, exact = 0, num_undefined = 0;
  std::vector<ReadingFacts> facts;
  for (const auto& result : results) {
    exact += result.exact;
    num_undefined += result.undefined;
    facts.push_back(result.facts);
    if (result.undefined && config.empty == "skip") continue;
    ++counted;
    for (size_t k = 0; k < natural.size(); ++k) *natural[k] += *result.natural[k], *as_called[k] += *result.as_called[k];
  }
  for (size_t k = 0; k < natural.size(); ++k) {
    natural[k] = counted ? std::optional<double>(*natural[k] / double(counted)) : std::nullopt;
    as_called[k] = counted ? std::optional<double>(*as_called[k] / double(counted)) : std::nullopt;
  }
  Json out = {{"schema", "fovea.score.fox"},
              {"schema_version", 1},
              {"results", config.results},
              {"num_records", pages.size()},
              {"num_counted", counted},
              {"num_undefined", num_undefined},
              {"empty", config.empty},
              {"meteor_synonyms", wordnet ? "WordNet 3.0" : "none"},
              {"natural", to_json(natural)},
              {"as_called", to_json(as_called)},
              {"exact_match", double(exact) / double(pages.size())},
              {"reading", reading_summary(facts)},
              {"warnings", warnings},
              {"pages", Json::array()}};
  for (auto& result : results) out["pages"].push_back(std::move(result.page));
  if (!config.out.empty()) write_file_atomic(config.out, out.dump(1) + "\n");
  return out;
}

}  // namespace fovea::metrics

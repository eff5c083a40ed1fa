#include "eval_lines.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/score.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/reading.h"

namespace fovea::experiments {
namespace {

const std::vector<std::string> kMetricNames = {"cer", "wer", "chrf", "rouge_l", "bleu", "meteor", "exact_match", "word_edit_distance"};
// Aligning takes time by the product of both lengths: 250,000 characters each take seconds, ten million would take hours.
constexpr double kMostPairs = 2e11;

double rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::round(value * scale) / scale;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return values.empty() ? 0 : sum / double(values.size());
}

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

// Share of the words read (each time it was read) that do not stand on the page as such.
double share_not_on_page(std::u32string_view reference, std::u32string_view hypothesis) {
  const auto on_page = metrics::split_words(reference), read = metrics::split_words(hypothesis);
  const std::set<std::u32string> known(on_page.begin(), on_page.end());
  const auto strangers = std::count_if(read.begin(), read.end(), [&](const auto& word) { return !known.count(word); });
  return read.empty() ? 0 : double(strangers) / double(read.size());
}

const std::vector<std::string> kTextScores = {"precision", "recall", "f1", "char_edit_distance"};
const std::vector<std::string> kRates = {"loop_rate", "empty_rate", "truncation_rate", "length_stop_rate"};

}  // namespace

Metrics::Metrics(const EvalConfig& config) : names_(config.metrics) {
  for (const auto& name : names_) {
    if (std::find(kMetricNames.begin(), kMetricNames.end(), name) != kMetricNames.end()) continue;
    const std::string near = nearest_word(name, kMetricNames);
    std::string all;
    for (const auto& known : kMetricNames) all += (all.empty() ? "" : " ") + known;
    throw ConfigError("[eval] unknown metric '" + name + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") + "; known: " + all +
                      " (precision, recall, f1 and char_edit_distance are always there)");
  }
  jieba_ = metrics::Jieba::find(config.jieba);
  if (std::find(names_.begin(), names_.end(), "meteor") != names_.end()) wordnet_ = metrics::WordNet::shared(metrics::WordNet::find(config.wordnet));
}

Json Metrics::of(std::u32string_view reference, std::u32string_view hypothesis) const {
  Json out = Json::object();
  if (names_.empty()) return out;
  const bool by_jieba = !jieba_.empty() && (metrics::has_chinese(reference) || metrics::has_chinese(hypothesis));
  const auto words_of = [&](std::u32string_view text) { return by_jieba ? metrics::Jieba::shared(jieba_)->cut(text) : metrics::split_words(text); };
  const auto ref = words_of(reference), hyp = words_of(hypothesis);
  const bool both_empty = ref.empty() && hyp.empty(), one_empty = ref.empty() != hyp.empty();
  const auto similarity = [&](auto&& value) { return both_empty ? Json(1.0) : one_empty ? Json(0.0) : Json(value()); };
  for (const auto& name : names_) {
    if (name == "cer") out[name] = or_null(metrics::character_error_rate(reference, hypothesis));
    if (name == "wer") out[name] = or_null(metrics::error_rate(ref, hyp));
    if (name == "chrf") out[name] = similarity([&] { return metrics::chrf(reference, hypothesis); });
    if (name == "rouge_l") out[name] = similarity([&] { return metrics::rouge_l(ref, hyp).f; });
    if (name == "bleu") out[name] = similarity([&] { return metrics::bleu(ref, hyp); });
    if (name == "meteor") out[name] = similarity([&] { return metrics::meteor(ref, hyp, wordnet_.get()); });
    if (name == "exact_match") out[name] = reference == hypothesis ? 1.0 : 0.0;
    if (name == "word_edit_distance") {
      const auto units = metrics::number_units(ref, hyp);
      out[name] = both_empty ? 0.0 : double(metrics::edit_distance(units.reference, units.hypothesis)) / double(std::max(ref.size(), hyp.size()));
    }
  }
  return out;
}

Json result_line(const Task& task, const Sample& sample, const std::string& key, const std::string& page, const ReadAnswer& answer, const std::string& reference, const Metrics& metrics,
                 const EvalConfig& config) {
  Json line = {{"key", key},           {"task", task.name()}, {"task_version", task.version()}, {"sample", sample.id}, {"page", page}, {"kind", sample.kind},
               {"text_kind", sample.kind}};
  const int64_t tokens = answer.num_vision_tokens > 0 ? answer.num_vision_tokens : sample.budget;
  line["budget"] = tokens > 0 ? Json(tokens) : Json();
  line["mode"] = sample.mode;
  for (const auto& item : sample.facts.items()) line[item.key()] = item.value();
  if (sample.num_text_tokens > 0) {
    line["num_text_tokens"] = sample.num_text_tokens;
    if (tokens > 0) line["ratio_measured"] = double(sample.num_text_tokens) / double(tokens);
    if (answer.num_decoder_positions > 0) line["ratio_decoder_positions"] = double(sample.num_text_tokens) / double(answer.num_decoder_positions);
  }
  if (!sample.image_file.empty()) line["image"] = sample.image_file;
  if (!config.predict_only) {
    if (double(reference.size()) * double(answer.text.size()) > kMostPairs)
      throw ConfigError("[eval] sample " + sample.id + ": a reading of " + std::to_string(answer.text.size()) + " bytes of a text of " + std::to_string(reference.size()) +
                        " is too long to be aligned (the product of both must be below 2e11)");
    const std::u32string ref = to_code_points(normalize_space(reference)), hyp = to_code_points(normalize_space(answer.text));
    const Score score = score_text(reference, answer.text);
    const auto facts = metrics::reading_facts(ref, hyp, score.script);
    const bool scores_text = task.scores_text(sample);
    if (scores_text) {
      line["num_chars"] = score.num_ref_chars;
      line["precision"] = score.precision;
      line["recall"] = score.recall;
      line["f1"] = score.f1;
      line["char_edit_distance"] = score.char_edit_distance;
      line["num_edits"] = score.num_edits;
    }
    line["empty"] = facts.empty;
    line["looped"] = answer.stop_reason == "loop" || facts.looped;
    if (scores_text) {
      line["truncated"] = facts.truncated;
      line["hallucination_rate"] = facts.hallucination_rate;
      line["words_not_on_page"] = share_not_on_page(ref, hyp);
    }
    Json values = scores_text ? metrics.of(ref, hyp) : Json::object();
    values.update(task.score(sample, answer.text, config));
    line["metrics"] = values;
  }
  line["stop_reason"] = answer.stop_reason;
  line["num_generated_tokens"] = answer.num_tokens;
  line["num_decoder_positions"] = answer.num_decoder_positions > 0 ? Json(answer.num_decoder_positions) : Json();
  line["mean_probability"] = answer.mean_probability >= 0 ? Json(rounded(answer.mean_probability, 6)) : Json();
  line["seconds_encode"] = rounded(answer.seconds_encode, 6);
  line["seconds_decode"] = rounded(answer.seconds_decode, 6);
  return line;
}

Json followed_line(const Task& task, const Sample& sample, const std::string& key, const std::string& page, const std::vector<Foresight>& seen) {
  Json line = {{"key", key}, {"task", task.name()}, {"task_version", task.version()}, {"sample", sample.id}, {"page", page}, {"kind", sample.kind}, {"text_kind", sample.kind}};
  line["budget"] = sample.budget;
  line["mode"] = sample.mode;
  for (const auto& item : sample.facts.items()) line[item.key()] = item.value();
  line["num_text_tokens"] = sample.num_text_tokens;
  if (sample.budget > 0) line["ratio_measured"] = double(sample.num_text_tokens) / double(sample.budget);
  const double chars = std::max<double>(1, double(to_code_points(sample.continuation).size()));
  line["num_chars"] = int64_t(chars);
  static const char* const names[] = {"page_and_text", "text", "page", "nothing"};
  Json values = Json::object();
  for (size_t i = 0; i < seen.size() && i < 4; ++i) {
    values[std::string("bits_per_char_") + names[i]] = seen[i].bits / chars;
    values[std::string("perplexity_") + names[i]] = std::exp2(seen[i].bits / std::max<double>(1, double(seen[i].num_tokens)));
    values[std::string("tokens_right_") + names[i]] = double(seen[i].num_right) / std::max<double>(1, double(seen[i].num_tokens));
  }
  line["metrics"] = values;
  return line;
}

std::tuple<std::vector<std::string>, Json> summarise_lines(const Task& task, const std::vector<Json>& lines, size_t num_errors) {
  std::vector<std::string> columns = {"task", "task_version", "kind"};
  for (const auto& name : task.group_by()) columns.push_back(name);
  for (const char* name : {"num_samples", "num_text_tokens", "ratio_measured", "ratio_decoder_positions"}) columns.emplace_back(name);
  if (std::any_of(lines.begin(), lines.end(), [](const Json& line) { return line.contains("font_size_px"); })) columns.emplace_back("font_size_px");
  std::vector<std::string> metrics = std::any_of(lines.begin(), lines.end(), [](const Json& line) { return line.contains("precision"); }) ? kTextScores : std::vector<std::string>();
  for (const auto& line : lines)
    for (const auto& item : line["metrics"].items())
      if (std::find(metrics.begin(), metrics.end(), item.key()) == metrics.end()) metrics.push_back(item.key());
  for (const auto& name : metrics)
    for (const char* end : {"", "_low", "_high"}) columns.push_back(name + end);
  if (!task.follows()) {
    for (const auto& name : kRates) columns.push_back(name);
    for (const char* name : {"hallucination_rate", "words_not_on_page", "num_generated_tokens", "seconds"}) columns.emplace_back(name);
  }
  columns.emplace_back("num_errors");

  std::vector<std::string> groups;  // in order of first appearance
  std::map<std::string, std::vector<const Json*>> of_group;
  for (const auto& line : lines) {
    Json id = Json::array({line.value("kind", "")});
    for (const auto& name : task.group_by()) id.push_back(line.value(name, Json()));
    const std::string text = id.dump();
    if (!of_group.count(text)) groups.push_back(text);
    of_group[text].push_back(&line);
  }
  Json rows = Json::array();
  for (const auto& group : groups) {
    const auto& members = of_group[group];
    const auto values_of = [&](const std::string& name) {
      std::vector<double> out;
      for (const Json* line : members) {
        const Json* value = nullptr;
        if (line->contains(name)) value = &line->at(name);
        if (line->contains("metrics") && line->at("metrics").contains(name)) value = &line->at("metrics").at(name);
        if (value && value->is_number()) out.push_back(value->get<double>());
        if (value && value->is_boolean()) out.push_back(value->get<bool>() ? 1 : 0);
      }
      return out;
    };
    Json row = {{"task", task.name()}, {"task_version", task.version()}, {"kind", members[0]->at("kind")}};
    for (const auto& name : task.group_by()) row[name] = members[0]->value(name, Json());
    row["num_samples"] = members.size();
    const auto set_mean = [&](const std::string& column, const std::string& field, int decimals) {
      const auto values = values_of(field);
      if (!values.empty()) row[column] = rounded(mean(values), decimals);
    };
    if (const auto tokens = values_of("num_text_tokens"); !tokens.empty()) row["num_text_tokens"] = int64_t(std::llround(mean(tokens) * double(tokens.size())));
    for (const char* name : {"ratio_measured", "ratio_decoder_positions", "font_size_px"}) set_mean(name, name, 6);
    for (const auto& name : metrics) {
      const auto values = values_of(name);
      if (values.empty()) continue;
      const Interval interval = bootstrap_mean(values);
      row[name] = rounded(mean(values), 9);
      row[name + "_low"] = rounded(interval.low, 9);
      row[name + "_high"] = rounded(interval.high, 9);
    }
    if (!task.follows()) {
      set_mean("loop_rate", "looped", 9);
      set_mean("empty_rate", "empty", 9);
      set_mean("truncation_rate", "truncated", 9);
      double at_length = 0;
      for (const Json* line : members) at_length += line->value("stop_reason", "") == "length";
      row["length_stop_rate"] = rounded(at_length / double(members.size()), 9);
      set_mean("hallucination_rate", "hallucination_rate", 9);
      set_mean("words_not_on_page", "words_not_on_page", 9);
      set_mean("num_generated_tokens", "num_generated_tokens", 3);
      const auto encode = values_of("seconds_encode"), decode = values_of("seconds_decode");
      row["seconds"] = rounded(mean(encode) + mean(decode), 6);
    }
    row["num_errors"] = num_errors;  // of the whole run: a page that was not read has no line
    rows.push_back(std::move(row));
  }
  return {columns, rows};
}

}  // namespace fovea::experiments

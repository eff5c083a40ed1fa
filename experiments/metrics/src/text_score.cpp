#include "fovea/metrics/text_score.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <thread>

#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/edit_distance.h"
#include "fovea/metrics/meteor.h"
#include "fovea/metrics/overlap.h"
#include "fovea/metrics/page_text.h"
#include "fovea/metrics/reading.h"
#include "fovea/metrics/words.h"

namespace fovea::metrics {
namespace {

namespace fs = std::filesystem;

const std::vector<std::pair<std::string, std::string>>& metric_list() {
  static const std::vector<std::pair<std::string, std::string>> list = {
      {"precision", "share of the distinct words read that stand on the page"},
      {"recall", "share of the page's distinct words that were read"},
      {"f1", "harmonic mean of the two"},
      {"edit_distance", "character edits over the longer text's length"},
      {"cer", "character edits over the reference's length"},
      {"wer", "word edits over the reference's number of words"},
      {"bleu", "sentence BLEU-4 without smoothing, reference and hypothesis as they are called here"},
      {"meteor", "METEOR with stems, and synonyms where WordNet is installed"},
      {"rouge_l", "F1 of the longest common subsequence of words"},
      {"chrf", "chrF2: F2 of character n-grams up to 6"},
      {"exact_match", "1 if the texts are the same"}};
  return list;
}

struct Pair {
  std::string name, reference_path, hypothesis_path;
};

struct Result {
  std::map<std::string, std::optional<double>> values;
  size_t char_edits = 0, num_ref_chars = 0, longer = 0, word_edits = 0, num_ref_words = 0;
  ReadingFacts facts;
};

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> out;
  for (const auto& file : fs::directory_iterator(folder))
    if (file.is_regular_file() && file.path().filename().string()[0] != '.') out.push_back(file.path().string());
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Pair> pairs_of(const TextScoreConfig& config, Json& warnings) {
  if (config.reference.empty() || config.hypothesis.empty()) throw ConfigError("[score text] reference and hypothesis must name two files or two folders");
  for (const auto& path : {config.reference, config.hypothesis})
    if (!fs::exists(path)) throw IoError("[score text] '" + path + "' does not exist");
  const bool folders = fs::is_directory(config.reference);
  if (folders != fs::is_directory(config.hypothesis)) throw ConfigError("[score text] reference and hypothesis must both be files or both be folders");
  if (!folders) return {{fs::path(config.reference).filename().string(), config.reference, config.hypothesis}};
  std::map<std::string, std::string> by_name, by_stem;
  for (const auto& path : files_of(config.hypothesis)) {
    by_name[fs::path(path).filename().string()] = path;
    const std::string stem = fs::path(path).stem().string();
    if (!by_stem.emplace(stem, path).second) warnings.push_back("two hypotheses are called " + stem + "; " + fs::path(path).filename().string() + " is read only for a reference of its full name");
  }
  std::vector<Pair> out;
  std::map<std::string, bool> used;
  size_t missing = 0;
  for (const auto& path : files_of(config.reference)) {
    const std::string name = fs::path(path).filename().string();
    const auto full = by_name.find(name);
    const auto stem = by_stem.find(fs::path(path).stem().string());
    const std::string partner = full != by_name.end() ? full->second : stem != by_stem.end() ? stem->second : "";
    if (partner.empty()) {
      ++missing;
      if (config.missing == "refuse") throw ConfigError("[score text] " + name + " has no partner in " + config.hypothesis);
      if (config.missing == "skip") continue;
    }
    used[partner] = true;
    out.push_back({name, path, partner});
  }
  if (out.empty()) throw ConfigError("[score text] " + config.reference + " holds no file that can be scored");
  if (missing == files_of(config.reference).size()) throw ConfigError("[score text] no file of " + config.hypothesis + " is called as one of " + config.reference);
  if (missing > 0) warnings.push_back(std::to_string(missing) + " references have no hypothesis: " + (config.missing == "skip" ? "left out" : "scored as empty"));
  size_t strangers = 0;
  for (const auto& [name, path] : by_name) strangers += !used.count(path);
  if (strangers > 0) warnings.push_back(std::to_string(strangers) + " hypotheses have no reference and were not read");
  return out;
}

}  // namespace

Json text_metric_names() {
  Json out = Json::object();
  for (const auto& [name, what] : metric_list()) out[name] = what;
  return out;
}

Json score_texts(const TextScoreConfig& config) {
  validate_fields(config, "score text");
  std::vector<std::string> known, wanted = config.metrics;
  for (const auto& [name, what] : metric_list()) known.push_back(name);
  if (wanted.empty()) wanted = known;
  for (const auto& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest_word(name, known);
    std::string all;
    for (const auto& k : known) all += (all.empty() ? "" : " ") + k;
    throw ConfigError("[score text] unknown metric '" + name + "'" + (near.empty() ? "" : ", did you mean '" + near + "'?") + "; known: " + all);
  }
  const auto wants = [&](const char* name) { return std::find(wanted.begin(), wanted.end(), name) != wanted.end(); };
  Json warnings = Json::array();
  const auto pairs = pairs_of(config, warnings);
  const auto wordnet = wants("meteor") ? WordNet::shared(WordNet::find(config.wordnet)) : nullptr;
  if (wants("meteor") && !wordnet) warnings.push_back("WordNet was not found: METEOR is of equal words and stems only; install wordnet-base or give wordnet=FOLDER");
  const std::string jieba_folder = config.words == "white_space" ? "" : Jieba::find(config.jieba);

  std::vector<Result> results(pairs.size());
  const int threads = config.threads > 0 ? int(config.threads) : int(std::max(1u, std::thread::hardware_concurrency()));
  parallel_for(pairs.size(), threads, [&](size_t i) {
    const std::string reference_bytes = read_file(pairs[i].reference_path);
    require_utf8(reference_bytes, pairs[i].reference_path);
    std::u32string ref = to_code_points(reference_bytes);
    std::u32string hyp = pairs[i].hypothesis_path.empty() ? std::u32string() : code_points_of(read_file(pairs[i].hypothesis_path));
    Result& out = results[i];
    const bool exact = ref == hyp;
    if (const size_t shorter = std::min(ref.size(), hyp.size()); !exact && shorter > size_t(config.max_characters))
      throw ConfigError("[score text] " + pairs[i].reference_path + " and what was read of it both have more than max_characters=" + std::to_string(config.max_characters) + " characters (" +
                        std::to_string(shorter) + "), and their edits would take long; cut them into pages, or give a greater max_characters");
    const std::u32string ref_spaced = one_space(ref), hyp_spaced = one_space(hyp);
    if (config.white_space == "one_space") ref = ref_spaced, hyp = hyp_spaced;
    const bool by_jieba = config.words == "jieba" || (config.words == "auto" && (has_chinese(ref) || has_chinese(hyp)));
    const auto words_of = [&](std::u32string_view text) { return by_jieba ? Jieba::shared(jieba_folder)->cut(text) : split_words(text); };
    const Tokens ref_words = words_of(ref), hyp_words = words_of(hyp);
    const bool both_empty = ref_words.empty() && hyp_words.empty();
    const auto set = [&](const char* name, auto&& value) {
      if (wants(name)) out.values[name] = value();
    };
    const SetOverlap overlap = set_overlap(ref_words, hyp_words);
    const double none = both_empty ? 1 : 0;
    set("precision", [&] { return overlap.precision.value_or(none); });
    set("recall", [&] { return overlap.recall.value_or(none); });
    set("f1", [&] { return overlap.f.value_or(none); });
    std::vector<EditRun> script;
    const size_t spaced_edits = edit_script(ref_spaced, hyp_spaced, script);
    out.facts = reading_facts(ref_spaced, hyp_spaced, script);
    if (config.unit == "graphemes") {
      const NumberedUnits units = number_units(graphemes(ref), graphemes(hyp));
      out.char_edits = edit_distance(units.reference, units.hypothesis);
      out.num_ref_chars = units.reference.size();
      out.longer = std::max(units.reference.size(), units.hypothesis.size());
    } else {
      out.char_edits = config.white_space == "one_space" ? spaced_edits : edit_distance(ref, hyp);
      out.num_ref_chars = ref.size();
      out.longer = std::max(ref.size(), hyp.size());
    }
    const auto rate = [](size_t edits, size_t length) -> std::optional<double> {
      return length > 0 ? std::optional<double>(double(edits) / double(length)) : edits == 0 ? std::optional<double>(0) : std::nullopt;
    };
    set("edit_distance", [&] { return out.longer == 0 ? 0.0 : double(out.char_edits) / double(out.longer); });
    set("cer", [&] { return rate(out.char_edits, out.num_ref_chars); });
    if (wants("wer")) {
      const NumberedUnits units = number_units(ref_words, hyp_words);
      out.word_edits = edit_distance(units.reference, units.hypothesis);
      out.num_ref_words = ref_words.size();
      out.values["wer"] = rate(out.word_edits, out.num_ref_words);
    }
    set("bleu", [&] { return both_empty ? 1.0 : bleu(ref_words, hyp_words); });
    set("meteor", [&] { return both_empty ? 1.0 : meteor(ref_words, hyp_words, wordnet.get()); });
    set("rouge_l", [&] { return rouge_l(ref_words, hyp_words).f; });
    set("chrf", [&] { return chrf(ref, hyp); });
    set("exact_match", [&] { return exact ? 1.0 : 0.0; });
  });

  Json mean = Json::object(), texts = Json::array();
  for (const auto& name : wanted) {
    double sum = 0;
    size_t count = 0;
    for (const auto& result : results)
      if (const auto& value = result.values.at(name)) sum += *value, ++count;
    mean[name] = count ? Json(sum / double(count)) : Json(nullptr);
  }
  size_t char_edits = 0, ref_chars = 0, longer = 0, word_edits = 0, ref_words = 0;
  std::vector<ReadingFacts> facts;
  for (size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    char_edits += r.char_edits;
    ref_chars += r.num_ref_chars;
    longer += r.longer;
    word_edits += r.word_edits;
    ref_words += r.num_ref_words;
    facts.push_back(r.facts);
    Json one = {{"name", pairs[i].name}, {"num_edits", r.char_edits}, {"num_ref_chars", r.num_ref_chars}};
    for (const auto& name : wanted) one[name] = r.values.at(name) ? Json(*r.values.at(name)) : Json(nullptr);
    one["reading"] = facts_to_json(r.facts);
    texts.push_back(std::move(one));
  }
  const auto share = [](size_t edits, size_t length) { return length ? Json(double(edits) / double(length)) : Json(nullptr); };
  Json total = {{"num_edits", char_edits}, {"edit_distance", share(char_edits, longer)}, {"cer", share(char_edits, ref_chars)}};
  if (wants("wer")) total["wer"] = share(word_edits, ref_words);
  Json out = {{"schema", "fovea.score.text"},
              {"schema_version", 1},
              {"reference", config.reference},
              {"hypothesis", config.hypothesis},
              {"unit", config.unit},
              {"words", config.words},
              {"white_space", config.white_space},
              {"meteor_synonyms", wordnet ? "WordNet 3.0" : "none"},
              {"num_texts", pairs.size()},
              {"mean", mean},
              {"total", total},
              {"reading", reading_summary(facts)},
              {"warnings", warnings},
              {"texts", texts}};
  if (!config.out.empty()) write_file_atomic(config.out, out.dump(1) + "\n");
  return out;
}

}  // namespace fovea::metrics

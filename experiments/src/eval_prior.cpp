#include "eval_prior.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/experiments/score.h"
#include "fovea/experiments/three_texts.h"
#include "fovea/image/resize.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

Prior::Prior(const EvalConfig& config, TaskContext& context, const Task& task) : wanted_(config.prior && !config.predict_only) {
  if (!wanted_) return;
  if (task.follows()) throw ConfigError("[eval] prior does not go with the task " + task.name() + ", whose lines hold the blank page already");
  std::vector<std::string> files = config.prior_text;
  if (files.empty()) {
    const char* from_environment = std::getenv("FOVEA_SAMPLES");
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(from_environment ? from_environment : "datasets/samples", ec)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".txt" || name.rfind("en_", 0) != 0) continue;
      const std::string hash = sha256_hex_of_file(entry.path().string());
      const bool tested = std::any_of(context.hashes().begin(), context.hashes().end(), [&](const auto& item) { return item.second == hash; });
      if (!tested) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    if (files.empty()) throw ConfigError("[eval] prior needs a text that is not tested to learn from: name files with prior_text=... (the samples that ship were not found, or are all tested)");
  }
  model_.emplace();
  for (const auto& file : files) model_->train(context.text_of(file));
  std::string list;
  for (const auto& file : files) list += (list.empty() ? "" : ", ") + file;
  context.notes.push_back("the language model without a page learned " + std::to_string(model_->num_chars()) + " characters of " + list);
}

void Prior::run(const std::vector<Sample>& samples, const std::vector<std::string>& keys, PageReader& reader, const std::string& folder, const std::function<void()>& check_stop,
                TaskContext& context) {
  if (!wanted_) return;
  const std::string path = folder + "/prior.jsonl";
  std::map<std::string, Json> done;
  std::string kept;
  if (fs::exists(path)) {
    std::istringstream lines(read_file(path));
    for (std::string line; std::getline(lines, line);) {
      Json parsed = Json::parse(line, nullptr, false);
      if (parsed.is_object() && parsed.contains("key") && done.emplace(parsed["key"].get<std::string>(), parsed).second) kept += line + "\n";
    }
  }
  bool follows = true;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& sample = samples[i];
    if (done.count(keys[i]) || sample.blank || sample.reference.empty()) continue;
    const std::string text = normalize_space(sample.reference);
    const double chars = std::max<double>(1, double(to_code_points(text).size()));
    const Foresight language = model_->follow(text);
    Json line = {{"key", keys[i]},
                 {"sample", sample.id},
                 {"kind", sample.kind},
                 {"num_chars", int64_t(chars)},
                 {"language_model_bits_per_char", language.bits / chars},
                 {"language_model_words_right", double(language.num_words_right) / std::max<double>(1, double(language.num_words))}};
    if (follows && sample.page_text == sample.reference && !sample.page_text.empty()) {
      try {
        const auto page = draw_text(context.renderer(), sample.page_text, sample.style, sample.three_texts);
        const std::string visual = render::visual_text(page);
        Image shown = page.image;
        if (sample.shown_side_px > 0 && sample.shown_side_px != shown.width_px) shown = image::resize_bicubic(shown, int(sample.shown_side_px), int(sample.shown_side_px));
        const Image blank = Image::filled(shown.width_px, shown.height_px, shown.channels, 255);
        const auto seen = reader.follow({{shown, sample.mode, sample.prompt, "", visual}, {blank, sample.mode, sample.prompt, "", visual}});
        for (size_t s = 0; s < 2; ++s) {
          const std::string name = s == 0 ? "page" : "blank_page";
          line[name + "_bits_per_char"] = seen[s].bits / chars;
          line[name + "_words_right"] = double(seen[s].num_words_right) / std::max<double>(1, double(seen[s].num_words));
          line[name + "_tokens_right"] = double(seen[s].num_right) / std::max<double>(1, double(seen[s].num_tokens));
        }
      } catch (const UnsupportedError& e) {
        follows = false;
        context.notes.push_back(std::string("no blank-page baseline: ") + e.what());
      }
    }
    kept += line.dump() + "\n";
    write_file_atomic(path, kept);
    done[keys[i]] = std::move(line);
    check_stop();
  }
  const std::vector<std::string> names = {"page_bits_per_char",       "blank_page_bits_per_char",    "language_model_bits_per_char", "page_words_right",
                                          "blank_page_words_right",   "language_model_words_right",  "page_tokens_right",            "blank_page_tokens_right"};
  std::vector<std::string> columns = {"kind", "num_samples", "num_chars"}, kinds;
  columns.insert(columns.end(), names.begin(), names.end());
  for (const auto& sample : samples)
    if (std::find(kinds.begin(), kinds.end(), sample.kind) == kinds.end()) kinds.push_back(sample.kind);
  Json rows = Json::array();
  for (const auto& kind : kinds) {
    Json row = {{"kind", kind}};
    size_t count = 0;
    int64_t chars = 0;
    std::map<std::string, std::pair<double, size_t>> sums;
    for (size_t i = 0; i < samples.size(); ++i) {
      const auto it = done.find(keys[i]);
      if (samples[i].kind != kind || it == done.end()) continue;
      ++count;
      chars += it->second["num_chars"].get<int64_t>();
      for (const auto& name : names)
        if (it->second.contains(name)) sums[name].first += it->second[name].get<double>(), ++sums[name].second;
    }
    if (count == 0) continue;
    row["num_samples"] = count;
    row["num_chars"] = chars;
    for (const auto& [name, sum] : sums) row[name] = std::round(1e9 * sum.first / double(sum.second)) / 1e9;
    rows.push_back(std::move(row));
  }
  write_file_atomic(folder + "/prior.csv", to_csv(columns, rows));
  files = {folder + "/prior.csv"};
}

}  // namespace fovea::experiments

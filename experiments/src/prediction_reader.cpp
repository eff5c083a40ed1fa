// Predictions that somebody saved, as a reader.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/json_file.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/page_reader.h"

namespace fovea::experiments {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kIdKeys = {"sample", "id", "image", "image_path", "page", "file"};
const std::vector<std::string> kTextKeys = {"text", "answer", "prediction", "predict", "hypothesis", "output"};

std::string listed(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::string first_few(const std::vector<std::string>& names) {
  std::string out;
  for (size_t i = 0; i < names.size() && i < 3; ++i) out += (i ? ", " : "") + names[i];
  return out + (names.size() > 3 ? " and " + std::to_string(names.size() - 3) + " more" : "");
}

// Names that a sample may go by: as it is, its file name, that without an ending (also without .pdf or .jpg before .md).
std::vector<std::string> names_of(const std::string& id) {
  std::vector<std::string> out = {id};
  const std::string file = fs::path(id).filename().string();
  out.push_back(file);
  static const std::set<std::string> endings = {".md", ".mmd", ".txt", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".pdf", ".json"};
  for (fs::path stem = file; endings.count(stem.extension().string()); ) {
    stem = stem.stem();
    out.push_back(stem.string());
  }
  return out;
}

class PredictionReader final : public PageReader {
 public:
  PredictionReader(const std::string& path, const std::string& strangers) : path_(path), strangers_(strangers) {
    if (path.empty()) throw ConfigError("[predictions] predictions must name a file (Fox's results, JSON Lines) or a folder of .md or .txt files");
    std::error_code ec;
    if (fs::is_directory(path, ec))
      read_folder();
    else
      read_lines(read_file(path));
    if (texts_.empty()) throw ConfigError("[predictions] " + path + " holds no prediction");
    std::string all;
    for (const auto& [id, text] : texts_) all += sha256_hex(id) + sha256_hex(text);
    hash_ = sha256_hex(all);
  }

  void check_samples(const std::vector<std::string>& ids) override {
    std::set<std::string> used;
    std::vector<std::string> missing;
    for (const auto& id : ids) {
      const std::string* found = find(id);
      if (found)
        used.insert(*found);
      else
        missing.push_back(id);
    }
    if (used.empty())
      throw ConfigError("[predictions] " + path_ + " has none of the " + std::to_string(ids.size()) + " samples (" + first_few(ids) + "); it has " +
                        first_few(all_ids()) + ": are these predictions of other pages?");
    std::vector<std::string> strangers;
    for (const auto& [id, text] : texts_)
      if (!used.count(id)) strangers.push_back(id);
    if (!strangers.empty() && strangers_ == "refuse")
      throw ConfigError("[predictions] " + path_ + " has predictions of pages that are no sample: " + first_few(strangers) + "; strangers=ignore leaves them out");
  }

  void read(const std::vector<ReadRequest>& requests, const OnAnswer& on_answer, const std::function<void(size_t)>& on_step) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      ReadAnswer answer;
      answer.num_vision_tokens = requests[i].budget;
      if (const std::string* id = find(requests[i].sample))
        answer.text = texts_.at(*id);
      else
        answer.error = "[predictions] " + path_ + " has no prediction for " + requests[i].sample;
      on_answer(i, std::move(answer));
      if (on_step) on_step(0);
    }
  }
  Json identity() const override { return {{"predictions", hash_}}; }
  std::string name() const override { return "predictions " + fs::path(path_).filename().string(); }
  bool needs_pages() const override { return false; }
  bool takes_prompts() const override { return true; }

 private:
  std::vector<std::string> all_ids() const {
    std::vector<std::string> out;
    for (const auto& [id, text] : texts_) out.push_back(id);
    return out;
  }
  // The key of the sample's prediction, null if there is none.
  const std::string* find(const std::string& id) const {
    for (const auto& name : names_of(id)) {
      if (const auto it = texts_.find(name); it != texts_.end()) return &it->first;
      if (const auto it = by_name_.find(name); it != by_name_.end() && !it->second.empty()) return &texts_.find(it->second)->first;
    }
    return nullptr;
  }
  void add(const std::string& id, std::string text, const std::string& where) {
    if (!texts_.emplace(id, replace_invalid_utf8(text)).second) throw ConfigError("[" + where + "] " + id + " has a prediction already");
    for (const auto& name : names_of(id)) {
      const auto [it, fresh] = by_name_.emplace(name, id);
      if (!fresh && it->second != id) it->second.clear();  // two pages of that name: found by their full ids only
    }
  }
  void read_folder() {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(path_)) {
      const std::string ending = entry.path().extension().string();
      if (entry.is_regular_file() && (ending == ".md" || ending == ".mmd" || ending == ".txt")) files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    std::map<std::string, std::string> stems;
    for (const auto& file : files) {
      const std::string stem = fs::path(file).stem().string(), name = fs::path(file).filename().string();
      const auto [it, fresh] = stems.emplace(stem, name);
      if (!fresh) throw ConfigError("[predictions] " + path_ + " has two predictions of " + stem + ": " + it->second + " and " + name);
      std::string text = read_file(file);
      if (!text.empty() && text.back() == '\n') text.pop_back();
      add(stem, std::move(text), path_);
    }
  }
  void add_record(const Json& record, const std::string& where) {
    if (!record.is_object()) throw ConfigError("[" + where + "] must be an object {...}, got " + std::string(record.type_name()));
    const auto key_of = [&](const std::vector<std::string>& keys, const char* what) -> const Json& {
      for (const auto& key : keys)
        if (const auto it = record.find(key); it != record.end() && (it->is_string() || it->is_number_integer())) return *it;
      throw ConfigError("[" + where + "] must have " + what + ": one of " + listed(keys));
    };
    const Json& id = key_of(kIdKeys, "the page's name");
    const Json& text = key_of(kTextKeys, "the text that was read");
    add(id.is_string() ? id.get<std::string>() : id.dump(), text.is_string() ? text.get<std::string>() : text.dump(), where);
  }
  void read_lines(const std::string& bytes) {
    for_each_record(bytes, path_, [&](const Json& record, const std::string& where) { add_record(record, where); });
  }

  std::string path_, strangers_, hash_;
  std::map<std::string, std::string> texts_;    // by id
  std::map<std::string, std::string> by_name_;  // other names -> id; empty where two share one
};

}  // namespace

std::unique_ptr<PageReader> make_prediction_reader(const std::string& path, const std::string& strangers) {
  return std::make_unique<PredictionReader>(path, strangers);
}

}  // namespace fovea::experiments

#include "fovea/datasets/records.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/json_file.h"

namespace fovea::datasets {
namespace fs = std::filesystem;

std::vector<FoxRecord> read_fox(const std::string& path) {
  const Json list = read_json_file(path);
  if (!list.is_array() || list.empty()) throw ConfigError("[" + path + "] must be a list of Fox's records");
  std::vector<FoxRecord> out;
  std::set<std::string> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = path + ": record " + std::to_string(i);
    FoxRecord record;
    record.image = text_field(list[i], "image", where);
    const auto talk = list[i].find("conversations");
    if (talk == list[i].end() || !talk->is_array() || talk->size() < 2) throw ConfigError("[" + where + "] must have 'conversations' of two entries, a prompt and a text");
    record.question = text_field((*talk)[0], "value", where + " conversations[0]");
    record.text = text_field((*talk)[1], "value", where + " conversations[1]");
    if (!seen.insert(record.image).second) throw ConfigError("[" + where + "] " + record.image + " has a record already");
    out.push_back(std::move(record));
  }
  return out;
}

std::vector<std::string> fox_page_files(const std::vector<std::string>& paths) {
  std::vector<std::string> out;
  for (const auto& path : paths) {
    std::error_code ec;
    if (!fs::is_directory(path, ec)) {
      out.push_back(path);
      continue;
    }
    const size_t before = out.size();
    for (const char* name : {"en_page_ocr.json", "cn_page_ocr.json"})
      if (fs::is_regular_file(path + "/" + name, ec)) out.push_back(path + "/" + name);
    if (out.size() == before) throw IoError("[fox] folder " + path + " has neither en_page_ocr.json nor cn_page_ocr.json");
  }
  return out;
}

std::vector<OmniDocPage> read_omnidocbench(const std::string& path) {
  const Json list = read_json_file(path);
  if (!list.is_array() || list.empty()) throw ConfigError("[" + path + "] must be a list of pages");
  std::vector<OmniDocPage> out;
  std::set<std::string> seen;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string where = path + ": page " + std::to_string(i);
    if (!list[i].is_object() || !list[i].contains("page_info")) throw ConfigError("[" + where + "] must have 'page_info'");
    const Json& info = list[i]["page_info"];
    OmniDocPage page;
    page.image = text_field(info, "image_path", where + " page_info");
    if (!seen.insert(page.image).second) throw ConfigError("[" + where + "] " + page.image + " is a page already");
    const Json attributes = info.value("page_attribute", Json::object());
    const auto attribute = [&](const char* key) { return attributes.is_object() && attributes.contains(key) && attributes[key].is_string() ? attributes[key].get<std::string>() : ""; };
    page.language = attribute("language");
    page.data_source = attribute("data_source");
    page.layout = attribute("layout");
    const auto blocks = list[i].find("layout_dets");
    if (blocks == list[i].end() || !blocks->is_array()) throw ConfigError("[" + where + "] must have 'layout_dets', a list of blocks");
    std::vector<std::pair<double, std::string>> texts;
    for (const Json& block : *blocks) {
      if (!block.is_object() || !block.contains("order") || !block["order"].is_number()) continue;
      if (block.value("ignore", Json(false)) == true) continue;
      for (const char* key : {"html", "text", "latex"})
        if (block.contains(key) && block[key].is_string()) {
          texts.emplace_back(block["order"].get<double>(), block[key].get<std::string>());
          break;
        }
    }
    std::stable_sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [order, text] : texts) page.text += (page.text.empty() ? "" : "\n\n") + text;
    out.push_back(std::move(page));
  }
  return out;
}

std::vector<QuestionPair> read_question_pairs(const std::string& path) {
  std::vector<QuestionPair> out;
  std::set<std::string> seen;
  for_each_record(read_file(path), path, [&](const Json& record, const std::string& where) {
    QuestionPair pair;
    pair.context = text_field(record, "context", where);
    pair.question = text_field(record, "question", where);
    pair.id = std::to_string(out.size());
    if (record.contains("id")) pair.id = record["id"].is_string() ? record["id"].get<std::string>() : record["id"].dump();
    Json answers = record.value("answers", Json());
    if (answers.is_object() && answers.contains("text")) answers = Json(answers["text"]);
    if (answers.is_null() && record.contains("answer")) answers = Json::array({record["answer"]});
    if (answers.is_string()) answers = Json::array({answers});
    if (!answers.is_array() || answers.empty()) throw ConfigError("[" + where + "] must have 'answers', a list of at least one text, or 'answer'");
    for (const Json& answer : answers) {
      if (!answer.is_string()) throw ConfigError("[" + where + "] an answer must be text, got " + answer.dump());
      pair.answers.push_back(answer.get<std::string>());
    }
    if (!seen.insert(pair.id).second) throw ConfigError("[" + where + "] the id '" + pair.id + "' is there already");
    out.push_back(std::move(pair));
  });
  if (out.empty()) throw ConfigError("[" + path + "] holds no question");
  return out;
}

std::string image_file(const std::string& name, const std::string& given, const std::string& beside, const std::vector<std::string>& folders) {
  if (!given.empty()) return given + "/" + name;
  const std::string base = beside.empty() ? "." : beside;
  std::error_code ec;
  for (const auto& folder : folders)
    if (fs::is_regular_file(base + "/" + folder + "/" + name, ec)) return base + "/" + folder + "/" + name;
  if (fs::is_regular_file(base + "/" + name, ec)) return base + "/" + name;
  return base + "/" + (folders.empty() ? "" : folders.front() + "/") + name;
}

}  // namespace fovea::datasets

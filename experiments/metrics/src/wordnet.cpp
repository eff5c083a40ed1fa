#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/metrics/meteor.h"

namespace fovea::metrics {
namespace {

constexpr const char* kPartNames[] = {"noun", "verb", "adj", "adv"};

// Endings and what they become, of nouns, verbs, adjectives, adverbs. Source: WordNet 3.0, morphy(7WN).
const std::vector<std::pair<std::string, std::string>>& endings(int part) {
  static const std::vector<std::pair<std::string, std::string>> kEndings[] = {
      {{"s", ""}, {"ses", "s"}, {"ves", "f"}, {"xes", "x"}, {"zes", "z"}, {"ches", "ch"}, {"shes", "sh"}, {"men", "man"}, {"ies", "y"}},
      {{"s", ""}, {"ies", "y"}, {"es", "e"}, {"es", ""}, {"ed", "e"}, {"ed", ""}, {"ing", "e"}, {"ing", ""}},
      {{"er", ""}, {"est", ""}, {"er", "e"}, {"est", "e"}},
      {}};
  return kEndings[part];
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < line.size();) {
    const size_t begin = line.find_first_not_of(' ', at);
    if (begin == line.npos) break;
    const size_t end = std::min(line.find(' ', begin), line.size());
    out.push_back(line.substr(begin, end - begin));
    at = end;
  }
  return out;
}

template <class Take> void for_each_line(const std::string& path, Take&& take) {
  const std::string text = read_file(path);
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++number;
    if (line.empty() || line[0] == ' ') continue;  // the licence
    if (!take(fields_of(line))) throw ConfigError("[wordnet] " + path + " line " + std::to_string(number) + " is no entry of WordNet 3.0");
  }
}

}  // namespace

WordNet::WordNet(const std::string& folder) : parts_(std::size(kPartNames)) {
  for (size_t p = 0; p < parts_.size(); ++p) {
    Part& part = parts_[p];
    // lemma pos synsets pointers [pointer...] senses ranked offset...
    for_each_line(folder + "/index." + kPartNames[p], [&](const std::vector<std::string_view>& f) {
      if (f.size() < 6) return false;
      const auto num_synsets = std::strtoul(std::string(f[2]).c_str(), nullptr, 10);
      if (num_synsets == 0 || f.size() < num_synsets + 6) return false;
      auto& offsets = part.synsets[std::string(f[0])];
      for (size_t i = f.size() - num_synsets; i < f.size(); ++i) offsets.push_back(uint32_t(std::strtoul(std::string(f[i]).c_str(), nullptr, 10)));
      return true;
    });
    for_each_line(folder + "/" + kPartNames[p] + ".exc", [&](const std::vector<std::string_view>& f) {
      auto& bases = part.exceptions[std::string(f[0])];
      bases.assign(f.begin() + 1, f.end());
      return true;
    });
    part.data = read_file(folder + "/data." + kPartNames[p]);
  }
}

std::vector<std::string> WordNet::base_forms(const std::string& word, int part) const {
  const Part& here = parts_[size_t(part)];
  const auto known = [&](const std::vector<std::string>& forms) {
    std::vector<std::string> out;
    for (const auto& form : forms)
      if (here.synsets.count(form) && std::find(out.begin(), out.end(), form) == out.end()) out.push_back(form);
    return out;
  };
  const auto shortened = [&](const std::vector<std::string>& forms) {
    std::vector<std::string> out;
    for (const auto& form : forms)
      for (const auto& [ending, become] : endings(part))
        if (form.size() >= ending.size() && form.compare(form.size() - ending.size(), ending.size(), ending) == 0)
          out.push_back(form.substr(0, form.size() - ending.size()) + become);
    return out;
  };
  if (const auto found = here.exceptions.find(word); found != here.exceptions.end()) {
    std::vector<std::string> forms = {word};
    forms.insert(forms.end(), found->second.begin(), found->second.end());
    return known(forms);
  }
  std::vector<std::string> forms = shortened({word}), first = {word};
  first.insert(first.end(), forms.begin(), forms.end());
  auto out = known(first);
  while (out.empty() && !forms.empty()) out = known(forms = shortened(forms));
  return out;
}

std::unordered_set<std::string> WordNet::synonyms(const std::string& word) const {
  std::unordered_set<std::string> out;
  for (int p = 0; p < int(parts_.size()); ++p) {
    for (const auto& form : base_forms(word, p)) {
      for (const uint32_t offset : parts_[size_t(p)].synsets.at(form)) {
        // offset file type count(hex) word id word id ...
        const std::string& data = parts_[size_t(p)].data;
        if (offset >= data.size()) throw ConfigError(std::string("[wordnet] data.") + kPartNames[p] + " is shorter than index." + kPartNames[p] + " says");
        const auto f = fields_of(std::string_view(data).substr(offset, std::min(data.find('\n', offset), data.size()) - offset));
        const size_t count = f.size() > 4 ? std::strtoul(std::string(f[3]).c_str(), nullptr, 16) : 0;
        for (size_t i = 0; i < count && 4 + 2 * i < f.size(); ++i) {
          const std::string_view lemma = f[4 + 2 * i].substr(0, f[4 + 2 * i].find('('));  // a mark of syntax may follow
          if (lemma.find('_') == lemma.npos) out.emplace(lemma);
        }
      }
    }
  }
  return out;
}

std::string WordNet::find(const std::string& asked) {
  if (!asked.empty()) return asked;
  if (const char* set = std::getenv("FOVEA_WORDNET"); set && *set) return set;
  return std::filesystem::exists("/usr/share/wordnet/index.noun") ? "/usr/share/wordnet" : "";
}

std::shared_ptr<const WordNet> WordNet::shared(const std::string& folder) {
  if (folder.empty()) return nullptr;
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const WordNet>> kept;
  std::lock_guard<std::mutex> lock(mutex);
  if (const auto found = kept.find(folder); found != kept.end()) return found->second;
  return kept[folder] = std::make_shared<const WordNet>(folder);
}

}  // namespace fovea::metrics

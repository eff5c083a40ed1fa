#include "hyphenator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>

#include <hyphen.h>
#include <unicode/ucnv.h>

#include "fovea/base/utf8.h"
#include "unicode.h"

namespace fovea::render {

// Dictionaries are in UTF-8 or in an encoding of one byte a letter.
struct Hyphenator::Dictionary {
  HyphenDict* dict = nullptr;
  std::map<char32_t, char> byte_of;
  ~Dictionary() {
    if (dict) hnj_hyphen_free(dict);
  }
};

Hyphenator::Hyphenator(const std::string& path) : dictionary_(std::make_unique<Dictionary>()) {
  dictionary_->dict = hnj_hyphen_load(path.c_str());
  if (!dictionary_->dict || dictionary_->dict->utf8) return;
  UErrorCode error = U_ZERO_ERROR;
  UConverter* converter = ucnv_open(dictionary_->dict->cset, &error);
  for (int byte = 0x80; U_SUCCESS(error) && byte < 0x100; ++byte) {
    const char in = char(byte);
    UChar out[4];
    UErrorCode status = U_ZERO_ERROR;
    const int32_t n = ucnv_toUChars(converter, out, 4, &in, 1, &status);
    if (U_SUCCESS(status) && n == 1 && out[0] != 0xFFFD) dictionary_->byte_of.emplace(out[0], in);
  }
  if (converter) ucnv_close(converter);
}
Hyphenator::~Hyphenator() = default;

std::vector<size_t> Hyphenator::divide(std::string_view word) const {
  constexpr size_t kMaxBytes = 400;
  std::vector<size_t> out;
  HyphenDict* dict = dictionary_->dict;
  if (!dict || word.size() > kMaxBytes) return out;
  std::string low;
  std::vector<size_t> begins;  // of each letter in `word`
  for (size_t pos = 0; pos < word.size();) {
    begins.push_back(pos);
    const char32_t c = lower_case(next_code_point(word, pos));
    if (c < 0x80) {
      low += char(c);
    } else if (dict->utf8) {
      append_utf8(low, c);
    } else {
      const auto it = dictionary_->byte_of.find(c);
      if (it == dictionary_->byte_of.end()) return out;
      low += it->second;
    }
  }
  if (begins.size() < 4) return out;
  std::vector<char> hyphens(low.size() + 5, 0);
  char** replaced = nullptr;
  int *place = nullptr, *cut = nullptr;
  const int failed = hnj_hyphen_hyphenate2(dict, low.c_str(), int(low.size()), hyphens.data(), nullptr, &replaced, &place, &cut);
  if (!failed)
    for (size_t letter = 0; letter + 1 < begins.size(); ++letter)
      if ((hyphens[letter] & 1) && !(replaced && replaced[letter])) out.push_back(begins[letter + 1]);
  if (replaced) {
    for (size_t i = 0; i < low.size(); ++i) std::free(replaced[i]);
    std::free(replaced);
  }
  std::free(place);
  std::free(cut);
  return out;
}

std::shared_ptr<const Hyphenator> Hyphenator::find(const std::string& language) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Hyphenator>> known;
  std::string tag = language.empty() ? "en" : language.substr(0, 32);
  std::replace(tag.begin(), tag.end(), '-', '_');
  std::lock_guard<std::mutex> lock(mutex);
  const auto it = known.find(tag);
  if (it != known.end()) return it->second;
  std::string path;
  const std::string family = tag.substr(0, tag.find('_'));
  for (const char* folder : {"/usr/local/share/hyphen", "/usr/share/hyphen"}) {
    std::vector<std::string> names = {"hyph_" + tag + ".dic"};
    std::vector<std::string> of_language;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("hyph_" + family + "_") && name.ends_with(".dic")) of_language.push_back(name);
    }
    if (family == "en") names.push_back("hyph_en_US.dic");  // the patterns' own default
    std::sort(of_language.begin(), of_language.end());
    names.insert(names.end(), of_language.begin(), of_language.end());
    for (const auto& name : names)
      if (path.empty() && std::filesystem::exists(std::string(folder) + "/" + name, ignored)) path = std::string(folder) + "/" + name;
  }
  std::shared_ptr<const Hyphenator> found;
  if (!path.empty()) found = std::make_shared<Hyphenator>(path);
  if (known.size() > 256) known.clear();
  return known[tag] = found;
}

}  // namespace fovea::render

// Hyphenator: libhyphen's patterns for a language.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::render {

/// One hyphenation dictionary. Thread-safe.
class Hyphenator {
 public:
  explicit Hyphenator(const std::string& path);
  ~Hyphenator();
  /// The bytes of a word (letters only, UTF-8) before which it may be divided with a hyphen and no other change, rising.
  std::vector<size_t> divide(std::string_view word) const;

  /// The dictionary for a BCP 47 tag ("en", "pt-BR"), by the region, else any of the language; null where none is installed. Opened
  /// once a process. Looked for: hyph_LL_RR.dic in /usr/local/share/hyphen and /usr/share/hyphen.
  static std::shared_ptr<const Hyphenator> find(const std::string& language);

 private:
  struct Dictionary;
  std::unique_ptr<Dictionary> dictionary_;
};

}  // namespace fovea::render

// What a text is counted in: words, segmented Chinese, code points, grapheme clusters.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// Python's str.split(): runs of what is not Unicode white space.
std::vector<std::u32string> split_words(std::u32string_view text);
/// Grapheme clusters (UAX 29, ICU, root locale).
std::vector<std::u32string> graphemes(std::u32string_view text);
/// One unit a code point.
std::vector<std::u32string> characters(std::u32string_view text);
/// Whether some character is in U+4E00..U+9FA5: the test by which Fox and GOT choose jieba.
bool has_chinese(std::u32string_view text);

/// Chinese word segmentation: jieba's precise mode with its hidden Markov model (`jieba.lcut(text)`), exact.
/// Method  paths through the dictionary's words (maximal sum of log frequencies, from the right), then Viterbi over B M E S for runs
///         of single characters that the dictionary does not know together.
/// Source  jieba 0.42.1 (Sun Junyi). Dictionary and model are read from an installed jieba, none is shipped here.
class Jieba {
 public:
  /// folder: of the Python package (dict.txt, finalseg/prob_{start,trans,emit}.py). Errors: IoError, ConfigError naming file and place.
  explicit Jieba(const std::string& folder);
  ~Jieba();
  std::vector<std::u32string> cut(std::u32string_view text) const;
  /// The folder asked for, else FOVEA_JIEBA, else where Debian's python3-jieba puts it; empty if none has dict.txt.
  static std::string find(const std::string& asked = "");
  /// The one of a folder, read once in a process. Errors: as the constructor; ConfigError saying what to install if the folder is empty.
  static std::shared_ptr<const Jieba> shared(const std::string& folder);

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

}  // namespace fovea::metrics

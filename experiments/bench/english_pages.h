// Pages of English for benchmarks: words of the sample texts in their order. The Python script beside this file makes the same.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/base/file.h"

namespace fovea {

/// `num_pages` distinct texts of `num_words` words each, joined by single spaces: windows of both English samples that begin at
/// equal distances.
inline std::vector<std::string> english_pages(size_t num_pages, size_t num_words) {
  const std::string folder = std::string(FOVEA_SOURCE_DIR) + "/datasets/samples/";
  const std::string text =
      read_file(folder + "en_the_man_who_was_thursday.txt") + "\n" + read_file(folder + "en_state_of_the_union_1953.txt");
  constexpr std::string_view kSpaces = " \t\r\n";
  std::vector<std::string> words;
  for (size_t begin = text.find_first_not_of(kSpaces); begin != std::string::npos;) {
    const size_t end = std::min(text.find_first_of(kSpaces, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpaces, end);
  }
  const size_t room = words.size() - num_words;
  if (words.size() <= num_words || room / num_pages == 0)
    throw ConfigError("[english_pages] the samples' " + std::to_string(words.size()) + " words are too few");
  std::vector<std::string> pages;
  for (size_t i = 0; i < num_pages; ++i) {
    std::string page;
    for (size_t n = 0; n < num_words; ++n) page += (n ? " " : "") + words[i * (room / num_pages) + n];
    pages.push_back(std::move(page));
  }
  return pages;
}

}  // namespace fovea

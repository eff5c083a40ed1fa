// Segmenter: source text to the pieces that layout places: newlines, runs of spaces, shaped words.
#pragma once
#include <cstdint>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "font.h"
#include "word_cache.h"

namespace fovea::render {

struct Segment {
  enum Kind { kNewline, kSpaces, kWord } kind = kWord;
  bool breakable = false;  ///< part of an overlong word: lines may break between any two clusters
  size_t byte_begin = 0, byte_end = 0;
  const ShapedWord* word = nullptr;
};

/// Walks a text lazily, so that a long text costs only what fits the page. Words come from the font's cache or are shaped.
/// Lines may break at spaces and around ideographs and kana (not before closing or after opening punctuation, nor before
/// combining marks). A word of more than 256 bytes comes in pieces that are marked breakable.
class Segmenter {
 public:
  /// `text` must be valid UTF-8 and outlive the segmenter; `font` must outlive it and every word it gave.
  Segmenter(std::string_view text, Font& font);
  bool next(Segment& segment);

 private:
  struct Ahead {
    Segment segment;
    uint64_t hash = 0;
  };
  static constexpr size_t kNumAhead = 8;  // words are looked up a little early, to have them in the processor's cache

  bool scan(Ahead& ahead);
  size_t find_word_end(size_t begin);
  const ShapedWord* shaped(std::string_view word, uint64_t hash);

  std::string_view text_;
  Font& font_;
  std::shared_ptr<WordTable> table_;  // keeps the words alive
  std::vector<ShapedWord::Pointer> own_words_;  // too long for the table, or the table is full
  std::array<Ahead, kNumAhead> ahead_;
  size_t num_scanned_ = 0, num_given_ = 0;
  size_t pos_ = 0;  // up to where the text is scanned
  bool inside_long_word_ = false, breakable_ = false;
};

}  // namespace fovea::render

// Segmenter: source text to the pieces that layout places: newlines, runs of spaces, shaped words.
#pragma once
#include <cstdint>
#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "font.h"
#include "shaper.h"
#include "word_cache.h"

namespace fovea::render {

struct Segment {
  enum Kind { kNewline, kSpaces, kWord } kind = kWord;
  bool breakable = false;  ///< part of an overlong word: lines may break between any two clusters
  size_t byte_begin = 0, byte_end = 0;
  const ShapedWord* word = nullptr;
};

/// What of a text the plain path leaves to the full layout.
struct PlainRules {
  bool tabs = true;      ///< tabs are stops, CR LF is a newline: not for the plain path
  bool fallback = true;  ///< characters that the font lacks come from other fonts
  uint16_t language = 0;
};

/// Walks a text lazily, so that a long text costs only what fits the page. Words come from the font's cache or are shaped.
/// Lines may break at spaces and around ideographs and kana (not before closing or after opening punctuation, nor before
/// combining marks). A word of more than 256 bytes comes in pieces that are marked breakable.
class Segmenter {
 public:
  /// `text` must be valid UTF-8 and outlive the segmenter; `font` must outlive it and every word it gave.
  Segmenter(std::string_view text, Font& font, const PlainRules& rules = {}, size_t begin = 0);
  /// False at the end, or before a word that the plain path cannot draw.
  bool next(Segment& segment);
  bool needs_full_layout() const { return needs_full_layout_; }
  /// Whether a character that joins the one before it was met so far.
  bool has_marks() const { return has_marks_; }
  /// Words that are not in the font's table; keep them as long as segments are used.
  std::vector<ShapedWord::Pointer> take_words() { return std::move(own_words_); }

 private:
  struct Ahead {
    Segment segment;
    uint64_t hash = 0;
    bool plain = true;
  };
  static constexpr size_t kNumAhead = 8;  // words are looked up a little early, to have them in the processor's cache

  bool scan(Ahead& ahead);
  size_t find_word_end(size_t begin);
  const ShapedWord* shaped(std::string_view word, uint64_t hash);

  std::string_view text_;
  Font& font_;
  PlainRules rules_;
  ShapeOptions options_;
  std::shared_ptr<WordTable> table_;  // keeps the words alive
  std::vector<ShapedWord::Pointer> own_words_;  // too long for the table, or the table is full
  std::array<Ahead, kNumAhead> ahead_;
  size_t num_scanned_ = 0, num_given_ = 0;
  size_t pos_ = 0;  // up to where the text is scanned
  bool inside_long_word_ = false, breakable_ = false, plain_ = true, needs_full_layout_ = false, has_marks_ = false;
};

}  // namespace fovea::render

// Analyzer: text of any script to the pieces that lines are made of. Knows fonts and languages, no sizes and no page.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "font_stack.h"
#include "fovea/render/style.h"
#include "fovea/render/styled_text.h"
#include "shaper.h"
#include "word_cache.h"

namespace fovea::render {

/// One combination of type and colour, of the style or of spans above it.
struct Look {
  std::shared_ptr<FontStack> stack;
  double size_px = 0;     ///< em; 0: font_scale times the base size
  double font_scale = 1;
  uint32_t rgb = 0;
  bool has_background = false;
  uint32_t background_rgb = 0;
  bool underline = false, strike = false;
  uint32_t use = 0;       ///< of the stack's own font
};

/// A face of a look: what pieces are drawn with.
struct Use {
  uint32_t look = 0;
  int face = 0;  ///< of the look's stack
  std::shared_ptr<Font> font;
  std::shared_ptr<WordTable> words;
};

/// The smallest unit of layout: a word or a part of one in one font, script and direction; spaces; a tab; something invisible.
struct Piece {
  enum Kind : uint8_t {
    kWord,
    kSpaces,  ///< U+0020 (or a newline that stands for one), each byte one space
    kTab,
    kSilent,  ///< characters without width or ink: the CR of CR LF, line separators, newlines that are dropped
  };
  Kind kind = kWord;
  uint8_t level = 0;            ///< bidi
  bool break_before = false;    ///< a line may break before it
  bool soft_hyphen = false;     ///< ends in U+00AD: a hyphen is drawn if the line breaks after it
  bool anywhere = false;        ///< part of an overlong word: lines may break between any two clusters
  bool hard_after = false;      ///< the line ends after it: line separators
  bool down = false;            ///< upright in a vertical line
  bool marker = false;          ///< drawn in place of a newline
  bool letters = false;         ///< may be hyphenated
  uint32_t use = 0;
  const ShapedWord* word = nullptr;
  size_t byte_begin = 0, byte_end = 0;  ///< in the text
};

/// A paragraph (text up to a newline) or a part of a very long one.
struct Chunk {
  bool begins_paragraph = true, ends_paragraph = true;
  bool has_newline = false;          ///< ends at a newline, which is byte byte_end - 1
  int base_level = 0;                ///< 1: reads to the left
  const ParagraphStyle* paragraph = nullptr;
  size_t byte_begin = 0, byte_end = 0;
  std::vector<Piece> pieces;
  std::vector<ShapedWord::Pointer> own_words;  // too long for the font's table, or shaped with their neighbours
  std::vector<std::shared_ptr<WordTable>> tables;  // keep cached words alive
};

/// Walks a text chunk by chunk, so that a long text costs only what is drawn.
class Analyzer {
 public:
  /// `text` (valid UTF-8), `styled` (may be null, else text is its text) and `style` (resolved) must outlive the analyzer.
  /// Errors: ConfigError (fonts, colours, spans).
  Analyzer(std::string_view text, const StyledText* styled, const Style& style, FontCache& fonts, FontStackCache& stacks);

  /// The next chunk; null at the end.
  std::shared_ptr<Chunk> next();
  /// Goes on from a place inside the text; only for texts without spans.
  void seek(size_t byte);
  size_t pos() const { return pos_; }

  const Look& look(uint32_t index) const { return looks_[index]; }
  const Use& use(uint32_t index) const { return uses_[index]; }
  bool lengths_in_em() const { return styled_ && styled_->lengths_in_em; }
  /// The word "-" (or U+2010) in a piece's look and direction; its use goes to `use`.
  const ShapedWord* hyphen(const Piece& piece, uint32_t& use);
  /// A word that is not of the text, in the look of `use` (list markers, newline markers).
  const ShapedWord* extra_word(const std::string& text, uint32_t look, uint32_t& use, const ShapeOptions& options);

 private:
  struct SpanRange {
    size_t end;
    uint32_t look;
  };
  struct Scan;
  uint32_t add_look(const TextSpan& merged);
  void flatten_spans();
  uint32_t use_of(uint32_t look, int face);
  void analyse(Chunk& chunk, size_t begin, size_t end);
  const ShapedWord* shaped(Chunk& chunk, uint32_t use, std::string_view word, const ShapeOptions& options, std::string_view before,
                           std::string_view after);
  bool is_upright(char32_t c, uint32_t use);
  size_t find_chunk_end(size_t begin, bool& whole) const;

  std::string_view text_;
  const StyledText* styled_;
  const Style& style_;
  FontCache& fonts_;
  FontStackCache& stacks_;
  std::deque<Look> looks_;
  std::vector<std::string> look_keys_;
  std::deque<Use> uses_;
  std::vector<SpanRange> ranges_;  // sorted; empty: look 0 everywhere
  size_t range_at_ = 0;
  size_t pos_ = 0;
  bool in_paragraph_ = false;       // the last chunk did not end its paragraph (of bidi)
  bool in_layout_paragraph_ = false;  // ... of layout: newlines may not end it
  int base_level_ = 0;
  const ParagraphStyle* paragraph_ = nullptr;
  char32_t before_ = 0;             // the character before pos_ in this paragraph
  bool inside_long_word_ = false;
  uint16_t language_ = 0;
  bool vertical_ = false, icu_breaks_ = false, tabs_ = true;
  std::string newline_;  // the style's policy; markup has its own
  std::string marker_;
  uint32_t marker_look_ = 0;
  std::vector<ShapedWord::Pointer> extra_words_;
  std::vector<std::shared_ptr<WordTable>> extra_tables_;
  std::map<std::pair<const Font*, char32_t>, bool> upright_;  // of characters whose font decides
  // scratch
  std::vector<char32_t> chars_;
  std::vector<uint32_t> at_;
  std::vector<uint8_t> begins_, breaks_, levels_, icu_;
  std::vector<uint32_t> use_of_char_;
  std::vector<hb_script_t> scripts_;
};

}  // namespace fovea::render

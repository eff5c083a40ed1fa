#include "segmenter.h"

#include "fovea/base/utf8.h"
#include "missing.h"
#include "shaper.h"
#include "unicode.h"

namespace fovea::render {
namespace {

constexpr size_t kMaxWordBytes = 256;
constexpr size_t kMaxCachedBytes = 48;

}  // namespace

Segmenter::Segmenter(std::string_view text, Font& font, const PlainRules& rules, size_t begin)
    : text_(text), font_(font), rules_(rules), table_(font.words()), pos_(begin) {
  options_.language = rules.language;
}

size_t Segmenter::find_word_end(size_t begin) {
  char32_t before = 0;
  size_t last_cut = begin;  // the last place where a piece of an overlong word may end
  size_t pos = begin;
  bool seen_wide = false;
  plain_ = true;
  while (pos < text_.size()) {
    const unsigned char byte = static_cast<unsigned char>(text_[pos]);
    if (byte == ' ' || byte == '\n') break;
    size_t after_pos = pos;
    const char32_t c = next_code_point(text_, after_pos);
    if (after_pos - begin > kMaxWordBytes) {
      breakable_ = inside_long_word_ = true;
      return last_cut > begin ? last_cut : pos;
    }
    if (byte >= 0x80) {
      seen_wide = true;
      if (!is_simple(c)) {
        plain_ = false;
        return after_pos;
      }
      if (pos > begin && may_break_ideographs(before, c)) break;
      if (is_joined(c))
        has_marks_ = true;
      else
        last_cut = pos;
    } else {
      if (byte < ' ' && rules_.tabs && (byte == '\t' || (byte == '\r' && after_pos < text_.size() && text_[after_pos] == '\n'))) {
        plain_ = false;
        return after_pos;
      }
      if (seen_wide && pos > begin && may_break_ideographs(before, c)) break;
      last_cut = pos;
    }
    before = c;
    pos = after_pos;
  }
  breakable_ = inside_long_word_;
  inside_long_word_ = false;
  return pos;
}

const ShapedWord* Segmenter::shaped(std::string_view text, uint64_t hash) {
  const bool cached = text.size() <= kMaxCachedBytes;
  if (cached)
    if (const ShapedWord* word = table_->find(text, hash, options_.variant())) return word;
  ShapedWord::Pointer word = shape_word(font_.shaping_font(), text, hash, options_);
  if (cached)
    if (const ShapedWord* kept = table_->insert(word)) return kept;
  own_words_.push_back(std::move(word));
  return own_words_.back().get();
}

bool Segmenter::scan(Ahead& ahead) {
  if (pos_ >= text_.size()) return false;
  Segment& segment = ahead.segment;
  segment = Segment{};
  ahead.plain = true;
  segment.byte_begin = pos_;
  if (text_[pos_] == '\n') {
    segment.kind = Segment::kNewline;
    ++pos_;
  } else if (text_[pos_] == ' ') {
    segment.kind = Segment::kSpaces;
    while (pos_ < text_.size() && text_[pos_] == ' ') ++pos_;
  } else {
    const size_t end = find_word_end(pos_);
    segment.breakable = breakable_;
    ahead.plain = plain_;
    ahead.hash = hash_bytes(text_.substr(pos_, end - pos_));
    table_->prefetch_slot(ahead.hash);
    pos_ = end;
  }
  segment.byte_end = pos_;
  return true;
}

bool Segmenter::next(Segment& segment) {
  while (num_scanned_ < num_given_ + kNumAhead && scan(ahead_[num_scanned_ % kNumAhead])) ++num_scanned_;
  if (num_given_ == num_scanned_) return false;
  const Ahead& given = ahead_[num_given_++ % kNumAhead];
  // Words alternate with spaces: the word after next, whose slot was asked for two words ago.
  if (num_given_ + 3 < num_scanned_) {
    const Ahead& later = ahead_[(num_given_ + 3) % kNumAhead];
    if (later.segment.kind == Segment::kWord) table_->prefetch_word(later.hash);
  }
  if (!given.plain) {
    needs_full_layout_ = true;
    return false;
  }
  segment = given.segment;
  if (segment.kind == Segment::kWord) {
    segment.word = shaped(text_.substr(segment.byte_begin, segment.byte_end - segment.byte_begin), given.hash);
    if (rules_.fallback && segment.word->num_missing() && lacks_letters(font_, *segment.word)) {
      needs_full_layout_ = true;
      return false;
    }
  }
  return true;
}

}  // namespace fovea::render

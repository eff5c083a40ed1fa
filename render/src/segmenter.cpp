#include "segmenter.h"

#include "fovea/base/utf8.h"
#include "shaper.h"

namespace fovea::render {
namespace {

constexpr size_t kMaxWordBytes = 256;
constexpr size_t kMaxCachedBytes = 48;

// Scripts written without spaces whose characters all allow a line break: ideographs, kana, bopomofo, fullwidth forms.
bool is_ideographic(char32_t c) {
  return (c >= 0x2E80 && c <= 0x31FF && c != 0x303F) || (c >= 0x3200 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0xFE30 && c <= 0xFE4F) || (c >= 0xFF00 && c <= 0xFF9F) ||
         (c >= 0x20000 && c <= 0x3FFFF);
}

bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }
bool is_opening(char32_t c) { return is_one_of(c, U"([{“‘«「『（【〈《〔〖［｛"); }
bool is_closing(char32_t c) {
  return is_one_of(c, U".,:;!?)]}%\"'”’»…、。，．：；！？）」』】〉》〕〗］｝々ー゛゜ヽヾゝゞっッゃゅょャュョ");
}

// Joins the character before it whatever the script: combining marks, joiners, variation selectors.
bool is_joined(char32_t c) {
  if (c < 0x300) return false;
  if (c == 0x200D || c == 0x200C) return true;
  const auto category = hb_unicode_general_category(hb_unicode_funcs_get_default(), c);
  return category == HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK || category == HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK ||
         category == HB_UNICODE_GENERAL_CATEGORY_SPACING_MARK;
}

bool may_break(char32_t before, char32_t after) {
  return (is_ideographic(before) || is_ideographic(after)) && !is_opening(before) && !is_closing(after) && !is_joined(after);
}

}  // namespace

Segmenter::Segmenter(std::string_view text, Font& font) : text_(text), font_(font), table_(font.words()) {}

size_t Segmenter::find_word_end(size_t begin) {
  char32_t before = 0;
  size_t last_cut = begin;  // the last place where a piece of an overlong word may end
  size_t pos = begin;
  bool seen_wide = false;
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
      if (pos > begin && may_break(before, c)) break;
      if (!is_joined(c)) last_cut = pos;
    } else {
      if (seen_wide && pos > begin && may_break(before, c)) break;
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
    if (const ShapedWord* word = table_->find(text, hash)) return word;
  ShapedWord::Pointer word = shape_word(font_.shaping_font(), text, hash);
  if (cached)
    if (const ShapedWord* kept = table_->insert(word)) return kept;
  own_words_.push_back(std::move(word));
  return own_words_.back().get();
}

bool Segmenter::scan(Ahead& ahead) {
  if (pos_ >= text_.size()) return false;
  Segment& segment = ahead.segment;
  segment = Segment{};
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
  segment = given.segment;
  if (segment.kind == Segment::kWord)
    segment.word = shaped(text_.substr(segment.byte_begin, segment.byte_end - segment.byte_begin), given.hash);
  return true;
}

}  // namespace fovea::render

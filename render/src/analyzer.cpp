#include "analyzer.h"

#include <algorithm>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"
#include "unicode.h"

namespace fovea::render {
namespace {

constexpr size_t kMaxChunkBytes = size_t(1) << 15;
constexpr size_t kMaxWordBytes = 256;    // as the segmenter's
constexpr size_t kMaxCachedBytes = 48;
constexpr size_t kContextBytes = 32;
constexpr char32_t kSoftHyphen = 0xAD, kZeroWidthSpace = 0x200B;

// Scripts whose letters take other shapes beside each other.
bool joins(hb_script_t script) {
  switch (script) {
    case HB_SCRIPT_ARABIC: case HB_SCRIPT_SYRIAC: case HB_SCRIPT_NKO: case HB_SCRIPT_MONGOLIAN: case HB_SCRIPT_MANDAIC:
    case HB_SCRIPT_PHAGS_PA: case HB_SCRIPT_ADLAM: case HB_SCRIPT_HANIFI_ROHINGYA: case HB_SCRIPT_SOGDIAN: return true;
    default: return false;
  }
}

// Drawn by HarfBuzz's own guess as by an explicit script: these words are shared with the plain path.
bool is_plain_script(hb_script_t script) {
  switch (script) {
    case HB_SCRIPT_COMMON: case HB_SCRIPT_LATIN: case HB_SCRIPT_GREEK: case HB_SCRIPT_CYRILLIC: case HB_SCRIPT_HAN:
    case HB_SCRIPT_HIRAGANA: case HB_SCRIPT_KATAKANA: case HB_SCRIPT_HANGUL: case HB_SCRIPT_BOPOMOFO: return true;
    default: return false;
  }
}

bool is_line_separator(char32_t c) { return c == 0x2028 || c == 0x2029; }

}  // namespace

Analyzer::Analyzer(std::string_view text, const StyledText* styled, const Style& style, FontCache& fonts, FontStackCache& stacks)
    : text_(text), styled_(styled), style_(style), fonts_(fonts), stacks_(stacks) {
  language_ = language_id(style.language);
  vertical_ = style.direction == "vertical";
  icu_breaks_ = style.line_breaks == "icu";
  const bool mapped = styled && styled->has_source();
  tabs_ = style.tab_spaces > 0 || mapped;
  newline_ = mapped ? "break" : style.newline;
  add_look(TextSpan{});
  if (styled_) flatten_spans();
  if (newline_ == "marker" || newline_ == "marker_break") {
    marker_ = style.newline_marker;
    require_utf8(marker_, "style newline_marker");
    if (marker_.find('\n') != std::string::npos) throw ConfigError("[style] newline_marker must have no newline");
    TextSpan span;
    span.color = style.newline_marker_color;
    marker_look_ = add_look(span);
  }
}

uint32_t Analyzer::add_look(const TextSpan& span) {
  const std::string key = span.font + '\n' + std::to_string(span.font_size_px) + '\n' + std::to_string(span.font_scale) + '\n' + span.color +
                          '\n' + span.background + char('0' + span.bold) + char('0' + span.italic) + char('0' + span.underline) +
                          char('0' + span.strike);
  for (size_t i = 0; i < look_keys_.size(); ++i)
    if (look_keys_[i] == key) return uint32_t(i);
  Look look;
  look.size_px = span.font_size_px;
  look.font_scale = span.font_scale;
  FontStackKey stack;
  stack.font = span.font.empty() ? style_.font : span.font;
  stack.bold = style_.bold || span.bold;
  stack.italic = style_.italic || span.italic;
  stack.fallback = style_.fallback;
  stack.fallback_fonts = style_.fallback_fonts;
  stack.language = style_.language;
  const double size_px = span.font_size_px > 0 ? span.font_size_px : span.font_scale * style_.font_size_px;
  if (fonts_.get(stack.font)->is_fixed_size()) stack.fixed_size_px = size_px;
  look.stack = stacks_.get(stack);
  look.rgb = span.color.empty() ? text_rgb(style_) : parse_color(span.color, "span color");
  look.has_background = !span.background.empty();
  if (look.has_background) look.background_rgb = parse_color(span.background, "span background");
  look.underline = span.underline;
  look.strike = span.strike;
  looks_.push_back(std::move(look));
  look_keys_.push_back(key);
  const auto index = uint32_t(looks_.size() - 1);
  looks_.back().use = use_of(index, 0);
  return index;
}

uint32_t Analyzer::use_of(uint32_t look, int face) {
  for (size_t i = 0; i < uses_.size(); ++i)
    if (uses_[i].look == look && uses_[i].face == face) return uint32_t(i);
  Use use;
  use.look = look;
  use.face = face;
  use.font = looks_[look].stack->font(face);
  use.words = use.font->words();
  uses_.push_back(std::move(use));
  return uint32_t(uses_.size() - 1);
}

// Spans may overlap; here they become ranges side by side, each with one look.
void Analyzer::flatten_spans() {
  const auto& spans = styled_->spans;
  if (spans.empty()) return;
  std::vector<std::pair<size_t, int64_t>> events;  // place, +(i + 1) begins, -(i + 1) ends
  for (size_t i = 0; i < spans.size(); ++i) {
    const TextSpan& span = spans[i];
    const auto inside = [&](size_t byte) {
      return byte <= text_.size() && (byte == text_.size() || (static_cast<unsigned char>(text_[byte]) & 0xC0) != 0x80);
    };
    if (span.byte_begin > span.byte_end || !inside(span.byte_begin) || !inside(span.byte_end))
      throw ConfigError("[render] spans must lie inside the text of " + std::to_string(text_.size()) +
                        " bytes and between characters, got bytes " + std::to_string(span.byte_begin) + " to " +
                        std::to_string(span.byte_end));
    if (!(span.font_size_px >= 0 && span.font_size_px <= 2048) || !(span.font_scale >= 0.05 && span.font_scale <= 20))
      throw ConfigError("[render] spans must have font_size_px up to 2048 and font_scale from 0.05 to 20");
    if (span.byte_begin == span.byte_end) continue;
    events.emplace_back(span.byte_begin, int64_t(i + 1));
    events.emplace_back(span.byte_end, -int64_t(i + 1));
  }
  std::sort(events.begin(), events.end());
  std::set<size_t> active;
  size_t from = 0;
  const auto close = [&](size_t end) {
    if (end == from) return;
    TextSpan merged;
    for (size_t i : active) {
      const TextSpan& span = spans[i];
      if (!span.font.empty()) merged.font = span.font;
      if (span.font_size_px > 0) merged.font_size_px = span.font_size_px;
      if (span.font_scale != 1) merged.font_scale = merged.font_scale * span.font_scale;
      if (!span.color.empty()) merged.color = span.color;
      if (!span.background.empty()) merged.background = span.background;
      merged.bold |= span.bold, merged.italic |= span.italic, merged.underline |= span.underline, merged.strike |= span.strike;
    }
    ranges_.push_back({end, add_look(merged)});
    from = end;
  };
  for (const auto& [at, what] : events) {
    close(at);
    if (what > 0)
      active.insert(size_t(what - 1));
    else
      active.erase(size_t(-what - 1));
  }
  close(text_.size());
}

void Analyzer::seek(size_t byte) {
  pos_ = byte;
  range_at_ = 0;
  inside_long_word_ = false;
  const size_t newline = byte == 0 ? std::string_view::npos : text_.rfind('\n', byte - 1);
  const size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  in_paragraph_ = in_layout_paragraph_ = byte > begin;
  if (newline_ == "drop" || newline_ == "marker") in_layout_paragraph_ = byte > 0;
  before_ = byte > begin ? ' ' : 0;
  base_level_ = 0;
  if (in_paragraph_) {
    base_level_ = style_.direction == "rtl" ? 1 : 0;
    if (style_.direction == "auto") base_level_ = std::max(first_strong_level(text_.substr(begin, byte - begin)), 0);
  }
}

// Up to the newline, or where a very long paragraph is cut: after a space, else between characters.
size_t Analyzer::find_chunk_end(size_t begin, bool& whole) const {
  const size_t limit = std::min(text_.size(), begin + kMaxChunkBytes);
  const size_t newline = text_.substr(begin, limit - begin).find('\n');
  whole = true;
  if (newline != std::string_view::npos) return begin + newline;
  if (limit == text_.size()) return limit;
  if (text_[limit] == '\n') return limit;
  whole = false;
  const size_t space = text_.substr(begin, limit - begin).rfind(' ');
  if (space != std::string_view::npos && space + 1 > kMaxChunkBytes / 2) return begin + space + 1;
  size_t end = limit;
  for (int tries = 0; tries < 64 && end > begin + 1; ++tries) {
    while (end > begin && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) --end;
    size_t pos = end;
    const char32_t c = next_code_point(text_, pos);
    if (!is_joined(c) && !is_ignorable(c)) break;
    --end;
  }
  while (end > begin && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) --end;
  return end > begin ? end : limit;
}

std::shared_ptr<Chunk> Analyzer::next() {
  if (pos_ >= text_.size()) return nullptr;
  auto chunk = std::make_shared<Chunk>();
  bool whole = false;
  const size_t begin = pos_, end = find_chunk_end(begin, whole);
  const bool continued = in_paragraph_;
  chunk->byte_begin = begin;
  chunk->begins_paragraph = !in_layout_paragraph_;
  if (!continued) {
    inside_long_word_ = false;
    if (!in_layout_paragraph_) before_ = 0;
    paragraph_ = nullptr;
    if (styled_ && !styled_->paragraphs.empty()) {
      const auto& list = styled_->paragraphs;
      auto it = std::upper_bound(list.begin(), list.end(), begin, [](size_t byte, const ParagraphStyle& p) { return byte < p.byte_begin; });
      if (it != list.begin() && begin < std::prev(it)->byte_end) paragraph_ = &*std::prev(it);
    }
  }
  chunk->paragraph = paragraph_;
  for (auto& use : uses_)
    if (use.words->is_full()) use.words = use.font->words();

  // Base direction
  const std::string& direction = paragraph_ && !paragraph_->direction.empty() ? paragraph_->direction : style_.direction;
  if (!continued) base_level_ = direction == "rtl" ? 1 : direction == "auto" ? -1 : 0;
  analyse(*chunk, begin, end);
  chunk->base_level = std::max(base_level_, 0);

  const bool has_newline = whole && end < text_.size();
  pos_ = has_newline ? end + 1 : end;
  chunk->byte_end = pos_;
  in_paragraph_ = !whole;
  chunk->ends_paragraph = whole;
  if (has_newline && newline_ != "break") {
    Piece piece;
    piece.byte_begin = end;
    piece.byte_end = end + 1;
    piece.level = uint8_t(chunk->base_level);
    piece.use = looks_[0].use;
    if (newline_ == "drop") {
      // one space, however many newlines follow each other
      const bool beside_space = before_ == ' ' || before_ == 0;
      piece.kind = beside_space ? Piece::kSilent : Piece::kSpaces;
      before_ = ' ';
      chunk->ends_paragraph = pos_ >= text_.size();
      chunk->pieces.push_back(piece);
    } else {
      ShapeOptions options;
      options.language = language_;
      uint32_t use = 0;
      piece.word = marker_.empty() ? nullptr : extra_word(marker_, marker_look_, use, options);
      piece.kind = piece.word ? Piece::kWord : Piece::kSilent;
      piece.use = use;
      piece.marker = true;
      piece.break_before = true;
      chunk->pieces.push_back(piece);
      before_ = kZeroWidthSpace;  // a line may break after the marker
      if (newline_ == "marker") chunk->ends_paragraph = pos_ >= text_.size();
      if (newline_ == "marker_break") chunk->has_newline = true;
    }
  } else {
    chunk->has_newline = has_newline;
  }
  in_layout_paragraph_ = !chunk->ends_paragraph;
  return chunk;
}

const ShapedWord* Analyzer::shaped(Chunk& chunk, uint32_t use, std::string_view word, const ShapeOptions& options,
                                   std::string_view before, std::string_view after) {
  const uint64_t hash = hash_bytes(word);
  const bool cached = word.size() <= kMaxCachedBytes && before.empty() && after.empty();
  Use& with = uses_[use];
  if (cached)
    if (const ShapedWord* known = with.words->find(word, hash, options.variant())) return known;
  ShapedWord::Pointer made = shape_word(with.font->shaping_font(), word, hash, options, before, after);
  if (cached) {
    if (const ShapedWord* kept = with.words->insert(made)) return kept;
  }
  chunk.own_words.push_back(std::move(made));
  return chunk.own_words.back().get();
}

const ShapedWord* Analyzer::extra_word(const std::string& text, uint32_t look, uint32_t& use, const ShapeOptions& options) {
  size_t pos = 0;
  const char32_t c = text.empty() ? U' ' : next_code_point(text, pos);
  use = use_of(look, looks_[look].stack->face_for(c, false));
  Use& with = uses_[use];
  const uint64_t hash = hash_bytes(text);
  if (const ShapedWord* known = with.words->find(text, hash, options.variant())) {
    if (extra_tables_.empty() || extra_tables_.back() != with.words) extra_tables_.push_back(with.words);
    return known;
  }
  for (const auto& word : extra_words_)
    if (word->hash() == hash && word->text() == text && word->variant() == options.variant()) return word.get();
  extra_words_.push_back(shape_word(with.font->shaping_font(), text, hash, options));
  return extra_words_.back().get();
}

const ShapedWord* Analyzer::hyphen(const Piece& piece, uint32_t& use) {
  const uint32_t look = uses_[piece.use].look;
  ShapeOptions options;
  options.language = language_;
  if (piece.down) options.direction = ShapeOptions::kDown;
  const bool has_own = looks_[look].stack->has(0, 0x2010);
  return extra_word(has_own ? "\u2010" : "-", look, use, options);
}

bool Analyzer::is_upright(char32_t c, uint32_t use) {
  const Vertical vertical = vertical_orientation(c);
  if (vertical != Vertical::kByFont) return vertical == Vertical::kUpright;
  const Font* font = uses_[use].font.get();
  const auto [it, added] = upright_.try_emplace({font, c}, false);
  if (added) it->second = has_vertical_form(font->shaping_font(), c);
  return it->second;
}

void Analyzer::analyse(Chunk& chunk, size_t begin, size_t end) {
  const std::string_view text = text_.substr(begin, end - begin);
  chars_.clear();
  at_.clear();
  bool all_simple = true, to_left = base_level_ == 1 || style_.direction == "rtl", dictionary = false;
  for (size_t pos = 0; pos < text.size();) {
    at_.push_back(uint32_t(pos));
    const char32_t c = next_code_point(text, pos);
    chars_.push_back(c);
    if (c < 0x300) continue;
    if (!is_simple(c)) {
      all_simple = false;
      to_left |= may_read_to_left(c);
      dictionary |= needs_dictionary(c);
    }
  }
  const size_t n = chars_.size();
  at_.push_back(uint32_t(text.size()));

  // Levels
  if (to_left) {
    base_level_ = find_bidi_levels(text, base_level_, levels_);
  } else {
    levels_.assign(text.size(), 0);
    if (base_level_ < 0) base_level_ = 0;
  }
  if (vertical_) {
    base_level_ = 0;
  }

  // Grapheme clusters and line breaks, by character
  begins_.assign(n + 1, 1);
  if (all_simple) {
    for (size_t i = 1; i < n; ++i)
      if (chars_[i] >= 0x300) begins_[i] = !is_joined(chars_[i]);
  } else {
    find_graphemes(text, icu_);
    for (size_t i = 0; i < n; ++i) begins_[i] = icu_[at_[i]];
  }
  for (size_t i = 1; i < n; ++i)
    if (chars_[i - 1] == ' ' || chars_[i - 1] == '\t') begins_[i] = 1;  // spaces are drawn alone, marks after them as well
  breaks_.assign(n + 1, 0);
  if (icu_breaks_ || dictionary) find_line_breaks(text, style_.language, true, icu_);
  for (size_t i = 0; i < n; ++i) {
    const char32_t c = chars_[i], p = i ? chars_[i - 1] : before_;
    bool may = false;
    if (p == 0) {
      may = false;
    } else if (icu_breaks_ && i > 0) {
      may = icu_[at_[i]] != 0;
    } else {
      may = p == ' ' || p == '\t' || p == kSoftHyphen || p == kZeroWidthSpace || is_line_separator(p) ||
            ((c >= 0x80 || p >= 0x80) && may_break_ideographs(p, c)) ||
            (i > 0 && dictionary && icu_[at_[i]] && (needs_dictionary(p) || needs_dictionary(c)));
    }
    breaks_[i] = may && begins_[i];
  }

  // Faces, a grapheme cluster at a time
  use_of_char_.resize(n);
  const size_t first_range = [&] {
    while (range_at_ < ranges_.size() && ranges_[range_at_].end <= begin) ++range_at_;
    return range_at_;
  }();
  size_t range = first_range;
  uint32_t look = 0, look_before = 0;
  int face_before = 0;
  size_t look_end = ranges_.empty() ? SIZE_MAX : 0;
  for (size_t i = 0; i < n;) {
    const size_t byte = begin + at_[i];
    while (byte >= look_end) {
      look = ranges_[range].look;
      look_end = ranges_[range].end;
      ++range;
    }
    size_t next = i + 1;
    while (next < n && !begins_[next]) ++next;
    FontStack& stack = *looks_[look].stack;
    int face = 0;
    const char32_t c = chars_[i];
    if (next == i + 1) {
      if (c != ' ' && c != '\t') face = stack.face_for(c, c > 0x2300 && is_emoji_presentation(c));
    } else {
      bool colour = is_emoji_presentation(c);
      for (size_t k = i + 1; k < next; ++k) colour = (colour || (chars_[k] == 0xFE0F && is_emoji(c)) || chars_[k] == 0x20E3) && chars_[k] != 0xFE0E;
      face = stack.face_for(c, colour);
      // a face that has all of the cluster, if one of those that its characters ask for has
      const auto covers = [&](int candidate) { return stack.has_cluster(candidate, &chars_[i], next - i); };
      if (!colour && covers(0)) face = 0;
      if (!covers(face))
        for (size_t k = i + 1; k < next; ++k) {
          if (is_ignorable(chars_[k])) continue;
          const int other = stack.face_for(chars_[k], colour);
          if (other != face && covers(other)) {
            face = other;
            break;
          }
        }
    }
    // Once in another font, its own signs (danda, Arabic comma) come from it as well.
    if (look != look_before) face_before = 0;  // another look has another stack of fonts
    if (face != 0 && face_before > 0 && face != face_before) {
      if (!stack.font(face)->has_colour() && stack.has_cluster(face_before, &chars_[i], next - i)) face = face_before;
    }
    if (c != ' ' && face != 0) face_before = stack.font(face)->has_colour() ? 0 : face;
    look_before = look;
    const uint32_t use = face == 0 ? looks_[look].use : use_of(look, face);
    for (; i < next; ++i) use_of_char_[i] = use;
  }

  // Scripts: what has none of its own goes with what stands before it, or after it at the beginning
  scripts_.resize(n);
  hb_script_t current = HB_SCRIPT_COMMON;
  for (size_t i = 0; i < n; ++i) {
    const char32_t c = chars_[i];
    hb_script_t script = c < 0x80 ? ((c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? HB_SCRIPT_LATIN : HB_SCRIPT_COMMON) : script_of(c);
    if (c == ' ') current = HB_SCRIPT_COMMON;  // words are shaped one by one
    if (script == HB_SCRIPT_COMMON)
      script = current;
    else
      current = script;
    scripts_[i] = script;
  }
  for (size_t i = n; i-- > 0;) {
    if (chars_[i] == ' ') {
      current = HB_SCRIPT_COMMON;
      continue;
    }
    if (scripts_[i] == HB_SCRIPT_COMMON)
      scripts_[i] = current;
    else
      current = scripts_[i];
  }

  // Pieces
  size_t i = 0;
  while (i < n) {
    const char32_t c = chars_[i];
    Piece piece;
    piece.byte_begin = begin + at_[i];
    piece.level = levels_[at_[i]];
    piece.use = use_of_char_[i];
    piece.break_before = breaks_[i];
    if (c == ' ' || (c == '\t' && tabs_)) {
      piece.kind = c == ' ' ? Piece::kSpaces : Piece::kTab;
      piece.use = looks_[uses_[piece.use].look].use;
      inside_long_word_ = false;
      size_t last = i + 1;
      if (c == ' ')
        while (last < n && chars_[last] == ' ' && use_of_char_[last] == use_of_char_[i] && levels_[at_[last]] == piece.level) ++last;
      i = last;
      piece.byte_end = begin + at_[i];
      chunk.pieces.push_back(piece);
      continue;
    }
    const bool is_cr = c == '\r' && i + 1 == n && end < text_.size() && text_[end] == '\n';
    if (is_cr || is_line_separator(c)) {
      piece.kind = Piece::kSilent;
      piece.hard_after = !is_cr;
      inside_long_word_ = false;
      ++i;
      piece.byte_end = begin + at_[i];
      chunk.pieces.push_back(piece);
      continue;
    }
    const bool upright = vertical_ && is_upright(c, use_of_char_[i]);
    if (breaks_[i] || (i == 0 && before_ == 0)) inside_long_word_ = false;
    size_t last = i + 1, last_cut = i;
    bool cut = false, letters = is_letter(c);
    for (; last < n; ++last) {
      const char32_t next = chars_[last];
      if (next == ' ' || (next == '\t' && tabs_) || is_line_separator(next) || breaks_[last]) break;
      if (next == '\r' && last + 1 == n && end < text_.size() && text_[end] == '\n') break;
      if (at_[last + 1] - at_[i] > kMaxWordBytes) {
        cut = true;
        break;
      }
      if (begins_[last]) {
        if (use_of_char_[last] != use_of_char_[i] || levels_[at_[last]] != piece.level) break;
        if (scripts_[last] != scripts_[i] && !(is_plain_script(scripts_[last]) && is_plain_script(scripts_[i]))) break;
        if (vertical_ && is_upright(next, use_of_char_[last]) != upright) break;
        last_cut = last;
      }
      letters |= is_letter(next);
    }
    if (cut) {
      if (last_cut > i) last = last_cut;
      inside_long_word_ = true;
    }
    piece.anywhere = inside_long_word_;
    piece.byte_end = begin + at_[last];
    piece.soft_hyphen = chars_[last - 1] == kSoftHyphen;
    piece.letters = letters;
    piece.down = upright;
    ShapeOptions options;
    options.language = language_;
    const hb_script_t script = scripts_[i];
    const bool level_to_left = piece.level & 1;
    if (upright) {
      options.script = script;
      options.direction = ShapeOptions::kDown;
    } else if (level_to_left || !is_plain_script(script)) {
      options.script = script;
      options.direction = level_to_left ? ShapeOptions::kRightToLeft : ShapeOptions::kLeftToRight;
    }
    std::string_view before, after;
    if (joins(script)) {
      const auto touches = [&](size_t k) { return scripts_[k] == script && chars_[k] != ' ' && chars_[k] != '\t'; };
      if (i > 0 && touches(i - 1)) {
        const size_t from = i > kContextBytes / 2 ? i - kContextBytes / 2 : 0;
        before = text.substr(at_[from], at_[i] - at_[from]);
      }
      if (last < n && touches(last)) {
        const size_t to = std::min(n, last + kContextBytes / 2);
        after = text.substr(at_[last], at_[to] - at_[last]);
      }
    }
    piece.word = shaped(chunk, piece.use, text.substr(at_[i], at_[last] - at_[i]), options, before, after);
    chunk.pieces.push_back(piece);
    i = last;
  }
  if (n) before_ = chars_[n - 1];
  for (const auto& use : uses_) chunk.tables.push_back(use.words);
}

}  // namespace fovea::render

#include "fovea/datasets/text.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "fovea/base/config.h"
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"

namespace fovea::datasets {
namespace {

constexpr std::array<const char*, 8> kKindNames = {"prose",  "shuffled-words",     "random-words",     "random-letters",
                                                   "digits", "shuffled-sentences", "swapped-entities", "code"};

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}
bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }
// Han and kana: written without spaces, each character stands for a word here.
bool is_cjk(char32_t c) { return (c >= 0x2E80 && c < 0xA4D0 && c != 0x3000) || (c >= 0xF900 && c < 0xFB00) || (c >= 0xFF00 && c < 0xFFF0) || c >= 0x20000; }
// Scripts where a line may be cut between any two letters.
bool is_unspaced(char32_t c) { return is_cjk(c) || (c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) || (c >= 0x1780 && c < 0x1800); }
// Marks that belong to the character before them, and closing punctuation: a passage does not end before one.
bool clings_to_previous(char32_t c) {
  return (c >= 0x0300 && c < 0x0370) || c == 0x0E31 || (c >= 0x0E33 && c <= 0x0E3A) || (c >= 0x0E45 && c <= 0x0E4E) ||
         (c >= 0x102B && c <= 0x103E) || (c >= 0x17B4 && c <= 0x17D3) || is_one_of(c, U"，。、；：！？）》〉」』】〕”’…·．,.;:!?)");
}
bool is_closing(char32_t c) { return is_one_of(c, U"\"')]”’»›」』）》"); }
bool ends_sentence(char32_t c) { return is_one_of(c, U".!?…。！？؟।॥"); }
bool is_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 0x0660 && c < 0x066A) || (c >= 0x06F0 && c < 0x06FA) || (c >= 0x0966 && c < 0x0970) ||
         (c >= 0x0E50 && c < 0x0E5A) || (c >= 0xFF10 && c < 0xFF1A);
}
// Letters without Unicode tables: good enough to keep numbers and punctuation out of a list of words.
bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  return c != 0xD7 && c != 0xF7 && !(c >= 0x2000 && c < 0x2C00) && !(c >= 0x2E00 && c < 0x2E80) && !(c >= 0x3000 && c < 0x3041) &&
         !(c >= 0xFE10 && c < 0xFE70) && !(c >= 0xFF00 && c < 0xFF21) && !is_one_of(c, U"،؛؟٪।॥฿๏๚๛・·•") &&
         !is_digit(c) && !(c >= 0xE000 && c < 0xF900) && c != 0xFFFD;
}

char32_t code_point_at(std::string_view text, size_t pos) { return next_code_point(text, pos); }
// Beginning of the character that ends before pos (pos > 0), of valid UTF-8.
size_t previous(std::string_view text, size_t pos) {
  do --pos;
  while (pos > 0 && (static_cast<unsigned char>(text[pos]) & 0xC0) == 0x80);
  return pos;
}

// Does a full stop before `end` (exclusive of the stop) close a sentence, or only shorten a word: "Mr.", "J.", "e.g."?
bool is_abbreviation(std::string_view text, size_t end) {
  size_t begin = end;
  while (begin > 0 && end - begin < 16 && !std::strchr(" \n\f(\"'", text[begin - 1])) --begin;
  const std::string_view word = text.substr(begin, end - begin);
  if (word.empty() || word.find('.') != std::string_view::npos) return true;
  const bool capital = word[0] >= 'A' && word[0] <= 'Z';
  if (capital && word.size() <= 4) return true;
  for (std::string_view known : {"etc", "vs", "cf", "p", "pp", "vol", "no", "al", "fig", "viz", "ed", "ch", "c"})
    if (word == known) return true;
  return false;
}

// Whether a paragraph (line) or sentence begins at pos.
bool begins_sentence(std::string_view text, size_t pos) {
  const char32_t here = code_point_at(text, pos);
  if (is_space(here)) return false;
  if (pos == 0) return true;
  size_t at = pos;
  char32_t before = 0;
  size_t num_spaces = 0;
  while (at > 0) {
    const size_t prev = previous(text, at);
    before = code_point_at(text, prev);
    if (before == '\n' || before == '\f') return true;
    if (!is_space(before)) break;
    at = prev;
    ++num_spaces;
  }
  if (at == 0) return true;  // only white space before
  if (!(here >= 0x80 || (here >= 'A' && here <= 'Z') || here == '"' || here == '\'' || here == '(')) return false;
  if (here >= 0x80 && (clings_to_previous(here) || is_one_of(here, U"—–-»›•·।॥"))) return false;
  while (at > 0 && is_closing(before)) {
    at = previous(text, at);
    if (at == 0) return false;
    before = code_point_at(text, previous(text, at));
  }
  if (at == 0 || !ends_sentence(before)) return false;
  if (num_spaces == 0 && !is_one_of(before, U"。！？")) return false;
  return before != '.' || !is_abbreviation(text, at - 1);
}

// Byte position from which at least min_chars code points remain; 0 if there are fewer.
size_t last_start(std::string_view text, size_t min_chars) {
  int64_t left = int64_t(min_chars);
  size_t pos = text.size();
  while (pos > 0 && left > 0) {
    pos = previous(text, pos);
    left -= text[pos] == '\f' ? -1 : 1;  // the form feed and its line break are left out of a passage
  }
  return left > 0 ? 0 : pos;
}

std::string prose(const std::string& source, size_t min_chars, Rng& rng) {
  const std::string_view text = source;
  if (text.find_first_not_of(" \n\f") == std::string_view::npos) throw ConfigError("[passage] the source must hold text, got white space only");
  const size_t limit = last_start(text, min_chars);
  size_t drawn = size_t(rng.below(limit + 1));
  while (drawn > 0 && (static_cast<unsigned char>(text[drawn]) & 0xC0) == 0x80) --drawn;
  size_t begin = drawn;
  while (begin <= limit && !begins_sentence(text, begin)) next_code_point(text, begin);
  if (begin > limit) {  // none before too little is left: the nearest one backwards
    begin = drawn;
    while (begin > 0 && !begins_sentence(text, begin)) begin = previous(text, begin);
    while (begin < text.size() && is_space(code_point_at(text, begin))) next_code_point(text, begin);
  }
  std::string out;
  size_t num_chars = 0;
  char32_t last = 0;
  for (size_t pos = begin; pos < text.size();) {
    const size_t at = pos;
    const char32_t c = next_code_point(text, pos);
    if (c == '\f') continue;
    if (c == '\n' && last == '\n') continue;
    if (num_chars >= min_chars && !is_space(last)) {
      if (is_space(c)) break;
      if ((is_unspaced(c) || is_unspaced(last)) && !clings_to_previous(c)) break;
    }
    out.append(text.substr(at, pos - at));
    last = c;
    ++num_chars;
  }
  require_utf8(out, "passage");
  while (!out.empty() && (out.back() == ' ' || out.back() == '\n')) out.pop_back();
  return out;
}

size_t num_chars_of(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Words of a text in order: separated by white space, and each Han or kana character by itself.
template <class Take> void for_each_word(std::string_view text, Take&& take) {
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    if (end > begin) take(text.substr(begin, end - begin));
  };
  for (size_t pos = 0; pos < text.size();) {
    const size_t at = pos;
    const char32_t c = next_code_point(text, pos);
    if (!is_space(c) && !is_cjk(c)) continue;
    flush(at);
    if (is_cjk(c)) take(text.substr(at, pos - at));
    begin = pos;
  }
  flush(text.size());
}

// Appends a word, after a space unless both neighbours are Han or kana. Returns the code points added.
size_t append_word(std::string& out, std::string_view word) {
  size_t added = 0;
  if (!out.empty() && !(is_cjk(code_point_at(out, previous(out, out.size()))) && is_cjk(code_point_at(word, 0)))) out += ' ', ++added;
  out.append(word);
  return added + num_chars_of(word);
}

}  // namespace

std::vector<std::string> distinct_words(const std::string& source) {
  require_utf8(source, "passage");
  std::vector<std::string> words;
  std::unordered_set<std::string_view> seen;
  for_each_word(source, [&](std::string_view word) {
    while (!word.empty()) {
      const size_t at = previous(word, word.size());
      const char32_t last = code_point_at(word, at);
      if (is_letter(last) || is_digit(last)) break;
      word = word.substr(0, at);
    }
    for (size_t pos = 0; pos < word.size();)
      if (!is_letter(next_code_point(word, pos))) return;
    if (!word.empty() && seen.insert(word).second) words.emplace_back(word);
  });
  if (words.empty()) throw ConfigError("[passage] random-words needs a source with words of letters, got none");
  return words;
}

namespace {

uint64_t hash_of(std::string_view bytes) {
  uint64_t lanes[4] = {bytes.size(), 1, 2, 3};
  size_t pos = 0;
  for (; pos + 32 <= bytes.size(); pos += 32)
    for (size_t lane = 0; lane < 4; ++lane) {
      uint64_t word;
      std::memcpy(&word, bytes.data() + pos + 8 * lane, 8);
      lanes[lane] = (lanes[lane] ^ word) * 0x9e3779b97f4a7c15ULL;
      lanes[lane] ^= lanes[lane] >> 29;
    }
  uint64_t hash = mix64(lanes[0]) ^ mix64(lanes[1] + 1) ^ mix64(lanes[2] + 2) ^ mix64(lanes[3] + 3);
  for (; pos < bytes.size(); ++pos) hash = (hash ^ static_cast<unsigned char>(bytes[pos])) * 0x9e3779b97f4a7c15ULL;
  return mix64(hash);
}

// distinct_words of the last few sources, known by a hash of their bytes: a list takes seconds for a large corpus.
std::shared_ptr<const std::vector<std::string>> cached_words(const std::string& source) {
  struct Entry {
    size_t size;
    uint64_t hash;
    std::shared_ptr<const std::vector<std::string>> words;
  };
  static std::mutex mutex;
  static std::list<Entry> entries;
  const uint64_t hash = hash_of(source);
  std::lock_guard<std::mutex> lock(mutex);
  for (auto it = entries.begin(); it != entries.end(); ++it)
    if (it->size == source.size() && it->hash == hash) {
      entries.splice(entries.begin(), entries, it);
      return entries.front().words;
    }
  entries.push_front({source.size(), hash, std::make_shared<const std::vector<std::string>>(distinct_words(source))});
  if (entries.size() > 8) entries.pop_back();
  return entries.front().words;
}

std::string shuffled(const std::string& text, Rng& rng) {
  std::vector<std::string_view> words;
  for_each_word(text, [&](std::string_view word) { words.push_back(word); });
  rng.shuffle(words);
  std::string out;
  for (const auto& word : words) append_word(out, word);
  return out;
}

std::string random_groups(size_t min_chars, char first, uint64_t num_symbols, Rng& rng) {
  std::string out;
  do {
    if (!out.empty()) out += ' ';
    for (uint64_t n = 2 + rng.below(9); n > 0; --n) out += static_cast<char>(first + static_cast<char>(rng.below(num_symbols)));
  } while (out.size() < min_chars);
  return out;
}

std::string shuffled_sentences(const std::string& text, Rng& rng) {
  std::vector<std::string_view> sentences;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    size_t last = end;
    while (last > begin && (text[last - 1] == ' ' || text[last - 1] == '\n')) --last;
    if (last > begin) sentences.push_back(std::string_view(text).substr(begin, last - begin));
    begin = end;
  };
  for (size_t pos = 0; pos < text.size();) {
    const size_t at = pos;
    next_code_point(text, pos);
    if (at > begin && begins_sentence(text, at)) flush(at);
  }
  flush(text.size());
  rng.shuffle(sentences);
  std::string out;
  for (const auto& sentence : sentences) append_word(out, sentence);
  return out;
}

bool is_capital(char32_t c) {
  return (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x0391 && c <= 0x03A9) || (c >= 0x0400 && c <= 0x042F);
}

struct Span {
  size_t begin, end;
};

// Names: runs of capitalised words of two letters or more, cut at punctuation, that do not begin a sentence.
std::vector<Span> names_of(std::string_view text) {
  std::vector<Span> out;
  bool open = false;  // may the next word go on with the last name?
  for (size_t pos = 0; pos < text.size();) {
    while (pos < text.size() && is_space(code_point_at(text, pos))) next_code_point(text, pos);
    size_t end = pos;
    while (end < text.size() && !is_space(code_point_at(text, end))) next_code_point(text, end);
    size_t first = pos;
    while (first < end && !is_letter(code_point_at(text, first))) next_code_point(text, first);
    size_t last = first, letters = 0;
    while (last < end && is_letter(code_point_at(text, last))) next_code_point(text, last), ++letters;
    const bool capital = letters >= 2 && is_capital(code_point_at(text, first));
    const bool begins = begins_sentence(text, pos) || (first > pos && begins_sentence(text, first));
    if (capital && !begins) {
      if (open && first == pos && text[pos - 1] == ' ')
        out.back().end = last;
      else
        out.push_back({first, last});
      open = last == end;
    } else {
      open = false;
    }
    pos = end;
  }
  return out;
}

std::string swapped_entities(const std::string& source, const std::string& text, Rng& rng) {
  constexpr size_t kSourceBytes = 1 << 22;  // enough names for any page
  size_t cut = std::min(source.size(), kSourceBytes);
  while (cut < source.size() && (static_cast<unsigned char>(source[cut]) & 0xC0) == 0x80) --cut;
  const std::string_view from = std::string_view(source).substr(0, cut);
  std::vector<std::string_view> known;
  std::unordered_set<std::string_view> seen;
  for (const auto& span : names_of(from))
    if (const auto name = from.substr(span.begin, span.end - span.begin); seen.insert(name).second) known.push_back(name);
  std::string out;
  size_t at = 0, num_changed = 0;
  const auto copy_to = [&](size_t end) {  // with every digit exchanged for another
    for (; at < end; ++at) {
      if (text[at] >= '0' && text[at] <= '9') {
        out += char('0' + (uint64_t(text[at] - '0') + 1 + rng.below(9)) % 10);
        ++num_changed;
      } else {
        out += text[at];
      }
    }
  };
  for (const auto& span : names_of(text)) {
    copy_to(span.begin);
    const auto name = std::string_view(text).substr(span.begin, span.end - span.begin);
    if (known.size() < 2) continue;
    std::string_view other = known[rng.below(known.size())];
    while (other == name) other = known[rng.below(known.size())];
    out += other;
    at = span.end;
    ++num_changed;
  }
  copy_to(text.size());
  if (num_changed == 0 && known.size() < 2) throw ConfigError("[passage] swapped-entities needs a source with at least two capitalised names or with numbers, found none");
  return out;
}

}  // namespace

bool is_word_alone(char32_t c) { return is_cjk(c); }

double share_of_words_alone(std::string_view text, size_t num_chars) {
  size_t alone = 0, seen = 0;
  for (size_t pos = 0; pos < text.size() && seen < num_chars;) {
    const char32_t c = next_code_point(text, pos);
    if (is_space(c)) continue;
    ++seen;
    alone += is_cjk(c);
  }
  return seen == 0 ? 0 : double(alone) / double(seen);
}

std::vector<std::string> text_kind_names() { return {kKindNames.begin(), kKindNames.end()}; }

bool needs_source(TextKind kind) { return kind != TextKind::kRandomLetters && kind != TextKind::kDigits; }

TextKind parse_text_kind(std::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i)
    if (name == kKindNames[i]) return static_cast<TextKind>(i);
  std::string list;
  std::vector<std::string> known;
  for (const char* kind : kKindNames) {
    list += (list.empty() ? "" : ", ") + std::string(kind);
    known.emplace_back(kind);
  }
  const std::string near = nearest_word(std::string(name), known);
  throw ConfigError("[text kind] must be one of " + list + ", got \"" + std::string(name) + "\"" +
                    (near.empty() ? "" : "; did you mean " + near + "?"));
}

const char* text_kind_name(TextKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::string read_text(const std::string& path) {
  std::string bytes = read_file(path);
  require_utf8(bytes, path);
  std::string_view text = bytes;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  std::string out, line;
  out.reserve(text.size());
  bool separator = false;
  const auto end_line = [&] {
    while (!line.empty() && line.back() == ' ') line.pop_back();
    if (line.empty()) return;
    if (!out.empty()) out += separator ? "\n\f\n" : "\n";
    separator = false;
    out += line;
    line.clear();
  };
  for (size_t pos = 0; pos < text.size();) {
    const size_t at = pos;
    const char32_t c = next_code_point(text, pos);
    if (c == '\n' || c == '\r' || c == '\f') {
      end_line();
      line.clear();
      separator = separator || c == '\f';
    } else if (is_space(c)) {
      line += ' ';
    } else {
      line.append(text.substr(at, pos - at));
    }
  }
  end_line();
  if (out.empty()) throw ConfigError("[" + path + "] must hold text, got an empty or blank file");
  return out;
}

std::string passage(const std::string& source, TextKind kind, size_t min_chars, uint64_t seed, uint64_t index) {
  Rng rng(seed, /*stream=*/0x70617373 + static_cast<uint64_t>(kind), index);
  min_chars = std::max<size_t>(min_chars, 1);
  switch (kind) {
    case TextKind::kProse:
    case TextKind::kCode:
      return prose(source, min_chars, rng);
    case TextKind::kShuffledSentences: {
      const std::string piece = prose(source, min_chars, rng);
      return shuffled_sentences(piece, rng);
    }
    case TextKind::kSwappedEntities: {
      const std::string piece = prose(source, min_chars, rng);
      return swapped_entities(source, piece, rng);
    }
    case TextKind::kShuffledWords:
      for (size_t want = min_chars, last = 0;;) {  // white space that joining leaves out is made up for by a longer piece
        Rng same = rng;
        const std::string piece = prose(source, want, same);
        std::string out = shuffled(piece, same);
        const size_t got = num_chars_of(out);
        if (got >= min_chars || piece.size() <= last) return out;
        last = piece.size();
        want += min_chars - got;
      }
    case TextKind::kRandomWords: {
      const auto words = cached_words(source);
      std::string out;
      for (size_t num_chars = 0; num_chars < min_chars;) num_chars += append_word(out, (*words)[rng.below(words->size())]);
      return out;
    }
    case TextKind::kRandomLetters:
      return random_groups(min_chars, 'a', 26, rng);
    case TextKind::kDigits:
      return random_groups(min_chars, '0', 10, rng);
  }
  throw InternalError("[passage] unknown TextKind");
}

}  // namespace fovea::datasets

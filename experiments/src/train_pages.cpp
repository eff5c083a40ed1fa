#include "fovea/experiments/train_pages.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/datasets/text.h"
#include "fovea/experiments/three_texts.h"

namespace fovea::experiments {

namespace {

/// Letters and marks that English prose hardly has; a reader has to meet them often enough.
const std::u32string& rare_characters() {
  static const std::u32string list = [] {
    std::u32string out;
    for (char32_t c = 0xA1; c <= 0x17F; ++c)
      if (c != 0xAD) out += c;
    out += U"\u2010\u2013\u2014\u2018\u2019\u201A\u201C\u201D\u201E\u2020\u2021\u2022\u2026\u2032\u2039\u203A\u20AC\u2122\u2212";
    return out;
  }();
  return list;
}

std::u32string random_word(Rng& rng) {
  const size_t length = 1 + rng.below(10);
  std::u32string word;
  const int kind = int(rng.below(6));
  for (size_t i = 0; i < length; ++i) {
    switch (kind) {
      case 0: word += char32_t('a' + rng.below(26)); break;
      case 1: word += char32_t('0' + rng.below(10)); break;
      case 2: word += char32_t('A' + rng.below(26)); break;
      case 3: word += rare_characters()[rng.below(rare_characters().size())]; break;
      default: word += char32_t(0x21 + rng.below(0x7E - 0x21 + 1)); break;
    }
  }
  return word;
}

/// Words from random places of the whole source: no order that a language model could lean on.
std::string scattered_words(const std::string& source, size_t num_chars, Rng& rng) {
  std::string out;
  const auto space = [](char c) { return c == ' ' || c == '\n'; };
  while (out.size() < num_chars) {
    size_t begin = rng.below(source.size());
    while (begin < source.size() && !space(source[begin])) ++begin;
    while (begin < source.size() && space(source[begin])) ++begin;
    size_t end = begin;
    while (end < source.size() && !space(source[end])) ++end;
    if (end == begin) continue;
    out.append(source, begin, end - begin);
    out += ' ';
  }
  return out;
}

/// Puts rare characters into a share of the words: a letter replaced, or marks around the word.
void sprinkle(std::u32string& text, double share, Rng& rng) {
  std::u32string out;
  out.reserve(text.size() + text.size() / 16);
  size_t i = 0;
  while (i < text.size()) {
    size_t end = i;
    while (end < text.size() && text[end] != U' ' && text[end] != U'\n') ++end;
    std::u32string word = text.substr(i, end - i);
    if (!word.empty() && rng.chance(share)) {
      switch (rng.below(6)) {
        case 0: case 1: word[rng.below(word.size())] = rare_characters()[rng.below(rare_characters().size())]; break;
        case 2: {
          static const std::pair<const char32_t*, const char32_t*> pairs[] = {{U"\u201C", U"\u201D"}, {U"\u2018", U"\u2019"}, {U"\u00AB", U"\u00BB"}, {U"\u201E", U"\u201C"},
                                                                              {U"(", U")"}, {U"[", U"]"}, {U"{", U"}"}, {U"<", U">"}, {U"\"", U"\""}, {U"*", U"*"}, {U"_", U"_"}, {U"`", U"`"}};
          const auto& [open, close] = pairs[rng.below(std::size(pairs))];
          word = open + word + close;
          break;
        }
        case 3: word += char32_t(0x21 + rng.below(0x7E - 0x21 + 1)); break;
        case 4: word = random_word(rng); break;
        default: word += (rng.chance(0.5) ? U'\u2014' : U'\u2013'); break;
      }
    }
    out += word;
    if (end < text.size()) out += text[end];
    i = end + 1;
  }
  text = std::move(out);
}

// Of those that tokenizers hold as one token, near enough: what is left are punctuation and symbols.
bool is_letter_or_digit(char32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  if (c >= 0xFF00 && c < 0xFFF0) return (c >= 0xFF10 && c <= 0xFF19) || (c >= 0xFF21 && c <= 0xFF3A) || (c >= 0xFF41 && c <= 0xFF5A) || c >= 0xFF66;
  return (c >= 0xC0 && c < 0x2000 && c != 0xD7 && c != 0xF7) || (c >= 0x3040 && c < 0xFE00 && c != 0x30FB) || c >= 0x20000;
}

}  // namespace

TrainPages::TrainPages(const TrainPagesConfig& config, const std::vector<char32_t>& alphabet) : config_(config) {
  validate_fields(config, "train pages");
  if (config.text.empty()) throw ConfigError("[train pages] text must name at least one file");
  if (config.rare_from == "tokenizer") {
    if (alphabet.empty()) throw ConfigError("[train pages] rare_from=tokenizer needs characters that are one token of the tokenizer, it has none");
    alphabet_ = alphabet;
    for (char32_t c : alphabet)
      if (!is_letter_or_digit(c)) signs_.push_back(c);
    if (signs_.empty()) signs_ = alphabet_;
  }
  if (config.fonts.empty()) throw ConfigError("[train pages] fonts must name at least one family");
  if (!config.text_sha256.empty() && config.text_sha256.size() != config.text.size())
    throw ConfigError("[train pages] text_sha256 must have one entry a file");
  if (!config.text_share.empty() && config.text_share.size() != config.text.size())
    throw ConfigError("[train pages] text_share must have one entry a file");
  for (size_t i = 0; i < config.text.size(); ++i) {
    if (!config.text_sha256.empty()) {
      const std::string found = sha256_hex_of_file(config.text[i]);
      if (found != config.text_sha256[i])
        throw ConfigError("[train pages] " + config.text[i] + " has SHA-256 " + found + ", the config names " + config.text_sha256[i]);
    }
    texts_.push_back(datasets::read_text(config.text[i]));
    unspaced_.push_back(datasets::share_of_words_alone(texts_.back()) > 0.3);
    shares_.push_back(config.text_share.empty() ? double(texts_.back().size()) : config.text_share[i]);
  }
  if (config.vocabulary_share > 0) {
    for (const auto& text : texts_)
      for (auto& word : datasets::distinct_words(text)) vocabulary_.push_back(std::move(word));
    std::sort(vocabulary_.begin(), vocabulary_.end());
    vocabulary_.erase(std::unique(vocabulary_.begin(), vocabulary_.end()), vocabulary_.end());
  }
  for (const auto& font : config.fonts) render::font_file(font);
  if (config.kind != "text") {
    if (config.channels != "gray") throw ConfigError("[train pages] channels=" + config.channels + " goes with kind=text");
    for (const auto& font : config.table.fonts) render::font_file(font);
    for (const auto& text : texts_)
      for (auto& word : words_for_tables(text)) words_.push_back(std::move(word));
    if (words_.empty()) throw ConfigError("[train pages] the texts hold no words for " + config.kind);
  }
}

train::TrainPage TrainPages::draw_table_page(const train::PageRequest& request) const {
  TableConfig table = config_.table;
  // As many rows as the text asked for takes, within the config's bounds: a cell's tags are nine characters.
  const double of_row = 0.5 * double(table.min_columns + table.max_columns) * (table.word_chars + 9);
  table.max_rows = std::clamp<int64_t>(std::llround(double(request.num_chars) / of_row * 1.3), table.min_rows, table.max_rows);
  auto drawn = draw_table(table, words_, request.side_px, request.seed, renderer_);
  train::TrainPage out;
  out.image = std::move(drawn.image);
  out.text = std::move(drawn.html);
  out.x_px = std::move(drawn.x_px);
  out.y_px = std::move(drawn.y_px);
  out.glyph_char = std::move(drawn.glyph_char);
  out.glyph_x_px = std::move(drawn.glyph_x_px);
  out.glyph_y_px = std::move(drawn.glyph_y_px);
  return out;
}

char32_t TrainPages::drawn_evenly(Rng& rng) const {
  const auto& list = rng.chance(0.12) ? signs_ : alphabet_;
  return list[rng.below(list.size())];
}

std::u32string TrainPages::evenly_drawn(size_t num_chars, Rng& rng) const {
  std::u32string out;
  while (out.size() < num_chars) {
    // Runs of any character, now and then a word of ASCII between them as in real pages.
    const bool ascii = rng.chance(0.1);
    const size_t length = 1 + rng.below(ascii ? 10 : 60);
    if (!out.empty() && (rng.chance(0.03) || (ascii && rng.chance(0.5)))) out += rng.chance(0.8) ? U' ' : U'\n';
    for (size_t i = 0; i < length; ++i) out += ascii ? char32_t(0x21 + rng.below(0x7E - 0x21 + 1)) : drawn_evenly(rng);
  }
  return out;
}

void TrainPages::sprinkle_evenly(std::u32string& text, double share, Rng& rng) const {
  for (char32_t& c : text)
    if (c != U' ' && c != U'\n' && rng.chance(share)) c = drawn_evenly(rng);
}

/// Characters from random places of a text without spaces, half of the pages one by one, the others in pieces of one to four; words of other scripts stay whole.
std::u32string TrainPages::scattered_characters(const std::string& source, size_t num_chars, Rng& rng) const {
  const size_t longest = rng.chance(0.5) ? 1 : 4;
  const auto is_break = [](char32_t c) { return c == U' ' || c == U'\n' || c == U'\f'; };
  std::u32string out;
  while (out.size() < num_chars) {
    size_t at = rng.below(source.size());
    while (at > 0 && (static_cast<unsigned char>(source[at]) & 0xC0) == 0x80) --at;
    size_t pos = at;
    char32_t c = next_code_point(source, pos);
    if (is_break(c)) continue;
    std::u32string piece;
    if (datasets::is_word_alone(c)) {
      const size_t length = 1 + rng.below(longest);
      piece += c;
      while (piece.size() < length && pos < source.size()) {
        c = next_code_point(source, pos);
        if (!datasets::is_word_alone(c)) break;
        piece += c;
      }
    } else {
        // A word of another script counts only where its first letter is drawn: long words are no likelier than short ones.
      if (at > 0) {
        size_t before = at - 1;
        while (before > 0 && (static_cast<unsigned char>(source[before]) & 0xC0) == 0x80) --before;
        size_t end = before;
        const char32_t last = next_code_point(source, end);
        if (!is_break(last) && !datasets::is_word_alone(last)) continue;
      }
      for (pos = at; pos < source.size() && piece.size() < 40;) {
        c = next_code_point(source, pos);
        if (is_break(c) || datasets::is_word_alone(c)) break;
        piece += c;
      }
    }
    if (!out.empty() && !(datasets::is_word_alone(out.back()) && datasets::is_word_alone(piece.front()))) out += U' ';
    out += piece;
  }
  return out;
}

std::pair<std::string, std::string> TrainPages::compose(uint64_t seed, size_t num_chars, size_t num_after) const {
  Rng rng(seed, 21);
  std::u32string text;
  const bool even = config_.rare_from == "tokenizer";
  bool unspaced = false;
  if (rng.chance(config_.letters_share)) {
    unspaced = even;
    num_chars = std::max<size_t>(4, size_t(config_.letters_chars * double(num_chars)));
    if (even) text = evenly_drawn(num_chars + num_after, rng);
    while (text.size() < num_chars + num_after) text += random_word(rng) + U' ';
  } else if (Rng(seed, 26).chance(config_.vocabulary_share)) {  // a stream of its own: pages of configs without it stay as they were
    std::string words;
    while (words.size() < num_chars + num_after + 64) words += vocabulary_[rng.below(vocabulary_.size())] + ' ';
    text = to_code_points(words);
  } else {
    const bool shuffled = rng.chance(config_.shuffled_share);
    const size_t which = rng.weighted(shares_);
    const auto& source = texts_[which];
    unspaced = unspaced_[which];
    if (shuffled && unspaced) text = scattered_characters(source, num_chars + num_after + 64, rng);
    else text = to_code_points(shuffled ? scattered_words(source, num_chars + num_after + 64, rng)
                                   : datasets::passage(source, datasets::TextKind::kProse, num_chars + num_after + 64, seed, 0));
    if (Rng(seed, 25).chance(config_.joined_share)) std::replace(text.begin(), text.end(), U'\n', U' ');
    if (rng.chance(config_.rare_share)) {
      const double share = rng.chance(0.5) ? 0.03 : 0.15;
      even ? sprinkle_evenly(text, share, rng) : sprinkle(text, share, rng);
    }
  }
  std::u32string after;
  if (text.size() > num_chars) {
    size_t end = num_chars;
    const auto may_end = [&](size_t at) { return text[at] == U' ' || text[at] == U'\n' || (unspaced && (datasets::is_word_alone(text[at]) || datasets::is_word_alone(text[at - 1]))); };
    while (end > num_chars / 2 && !may_end(end)) --end;
    after = text.substr(end, num_after);
    text.resize(end);
  }
  while (!text.empty() && (text.back() == U' ' || text.back() == U'\n')) text.pop_back();
  return {to_utf8(text), to_utf8(after)};
}

train::TrainPage TrainPages::draw_figure_page(const train::PageRequest& request) const {
  Rng rng(request.seed, 23);
  auto drawn = config_.kind == "charts" ? draw_chart(config_.figure, words_, config_.fonts[rng.below(config_.fonts.size())], request.side_px, request.seed, renderer_)
                                        : draw_segments(config_.figure, request.side_px, request.seed);
  train::TrainPage out;
  out.image = std::move(drawn.image);
  out.text = std::move(drawn.text);
  out.x_px = std::move(drawn.x_px);
  out.y_px = std::move(drawn.y_px);
  out.glyph_char = std::move(drawn.glyph_char);
  out.glyph_x_px = std::move(drawn.glyph_x_px);
  out.glyph_y_px = std::move(drawn.glyph_y_px);
  return out;
}

train::TrainPage TrainPages::draw(const train::PageRequest& request) const {
  if (config_.kind == "tables") return draw_table_page(request);
  if (config_.kind != "text") return draw_figure_page(request);
  Rng rng(request.seed, 22);
  render::Style style;
  style.width_px = style.height_px = request.side_px;
  style.font = config_.fonts[rng.below(config_.fonts.size())];
  const int64_t most = std::min<int64_t>(config_.max_margin_px, request.side_px / 16);
  const auto margin = [&] { return rng.chance(0.5) ? std::min<int64_t>(4, most) : int64_t(rng.below(uint64_t(most) + 1)); };
  style.margin_left_px = margin();
  style.margin_right_px = margin();
  style.margin_top_px = margin();
  style.margin_bottom_px = margin();
  double area = 1;
  Rng wide(request.seed, 27);  // a stream of its own: pages of configs without wide margins stay as they were
  if (wide.chance(config_.wide_margin_share)) {
    const auto up_to = [&](int64_t most) { return int64_t(wide.below(uint64_t(most) + 1)); };
    style.margin_left_px = up_to(request.side_px / 3);
    style.margin_top_px = up_to(request.side_px / 3);
    style.margin_right_px = up_to(request.side_px / 6);
    style.margin_bottom_px = up_to(request.side_px / 6);
    area = double(request.side_px - style.margin_left_px - style.margin_right_px) * double(request.side_px - style.margin_top_px - style.margin_bottom_px) / double(request.side_px * request.side_px);
  }
  style.hinting = rng.chance(config_.full_hinting_share) ? "light" : "none";
  style.subpixel_positions = rng.chance(config_.subpixel_share) ? 4 : 1;
  style.line_height = rng.chance(0.6) ? 1.0 : rng.uniform(config_.min_line_height, config_.max_line_height);
  Rng face(request.seed, 24);  // a stream of its own: pages of configs without faces stay as they were
  style.bold = face.chance(config_.bold_share);
  style.italic = face.chance(config_.italic_share);
  // The length varies within a batch, so that a page's end is never known beforehand.
  const size_t num_chars = size_t(area * double(request.num_chars) * rng.uniform(0.85, 1.1));
  const auto [text, after] = compose(mix64(request.seed + 1), std::max<size_t>(4, num_chars), size_t(request.num_continue_chars));
  // Not a multiple of the fit's step on partial pages: sizes vary continuously there.
  double size = config_.min_font_px;
  const bool three = config_.channels == "three-texts";
  const auto parts = three ? in_three_parts(text) : std::array<std::string, 3>{};
  try {
    size = three ? fit_three_parts(renderer_, parts, style, config_.min_font_px, 40, 0.25) : renderer_.fit_font_size(text, style, config_.min_font_px, 40, 0.25);
  } catch (const RenderError&) {
    // denser than the smallest type: cut below
  }
  if (rng.chance(config_.partial_share)) size = std::max(config_.min_font_px, std::round(4 * size * rng.uniform(config_.min_size_share, 1.0)) / 4);
  style.font_size_px = size;
  render::Page page = three ? renderer_.render_channels({parts[0], parts[1], parts[2]}, style) : renderer_.render(text, style);

  train::TrainPage out;
  if (request.num_continue_chars > 0) {
    // From where the page ends: what did not fit on it comes first.
    auto rest = to_code_points((three ? std::string() : text.substr(std::min(text.size(), page.text.size()))) + after);
    while (!rest.empty() && (rest.front() == U' ' || rest.front() == U'\n')) rest.erase(rest.begin());
    if (rest.size() > size_t(request.num_continue_chars)) rest.resize(size_t(request.num_continue_chars));
    out.continuation = to_utf8(rest);
    if (out.continuation.empty()) throw ConfigError("[train pages] nothing goes on after a page of " + std::to_string(num_chars) + " characters: the texts are too short");
  }
  out.image = std::move(page.image);
  size_t next_char = 0;
  for (size_t l = 0; l < page.lines.size(); ++l) {
    const auto& line = page.lines[l];
    const int16_t y = int16_t((line.top_px + line.bottom_px) / 2);
    int16_t x_end = int16_t(style.margin_left_px);
    while (next_char < page.chars.size() && page.chars[next_char].byte_offset < line.byte_begin) ++next_char;
    for (; next_char < page.chars.size() && page.chars[next_char].byte_offset < line.byte_end && page.chars[next_char].channel == line.channel; ++next_char) {
      const auto& box = page.chars[next_char];
      size_t after = box.byte_offset;
      const char32_t c = next_code_point(page.text, after);
      const int16_t x = int16_t((box.cell_x0_px + box.cell_x1_px) / 2);
      for (size_t b = box.byte_offset; b < after; ++b) out.x_px.push_back(x), out.y_px.push_back(y);
      out.text.append(page.text, box.byte_offset, after - box.byte_offset);
      if (box.x1_px > box.x0_px) {
        out.glyph_char.push_back(uint32_t(c));
        out.glyph_x_px.push_back(x);
        out.glyph_y_px.push_back(y);
        if (three) out.glyph_channel.push_back(uint8_t(line.channel));
      }
      x_end = box.cell_x1_px;
    }
    if (l + 1 < page.lines.size()) {
      out.text += '\n';
      out.x_px.push_back(x_end);
      out.y_px.push_back(y);
    }
  }
  return out;
}

}  // namespace fovea::experiments

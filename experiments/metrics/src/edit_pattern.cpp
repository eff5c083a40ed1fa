#include <algorithm>
#include <unordered_map>

#include "fovea/metrics/edit_distance.h"

namespace fovea::metrics {
namespace {
constexpr char32_t kEmptySlot = 0xFFFFFFFF;
size_t hash_of(char32_t c) { return size_t(c) * 0x9E3779B1u; }
}  // namespace

EditPattern::EditPattern(std::u32string_view pattern) : pattern_(pattern), num_blocks_((pattern.size() + 63) / 64) {
  size_t slots = 16;
  while (slots < 2 * pattern.size() + 2) slots *= 2;
  table_.assign(slots, {kEmptySlot, 0});
  uint32_t next = 1;
  std::vector<uint32_t> symbols;
  symbols.reserve(pattern.size());
  for (char32_t c : pattern) {
    size_t at = hash_of(c) & (slots - 1);
    while (table_[at].first != kEmptySlot && table_[at].first != c) at = (at + 1) & (slots - 1);
    if (table_[at].first == kEmptySlot) table_[at] = {c, next++};
    symbols.push_back(table_[at].second);
  }
  std::fill(std::begin(ascii_), std::end(ascii_), 0);
  for (const auto& [c, symbol] : table_)
    if (c < 128) ascii_[c] = symbol;
  counts_.assign(next, 0);
  masks_.assign(next * num_blocks_, 0);
  for (size_t i = 0; i < symbols.size(); ++i) {
    ++counts_[symbols[i]];
    masks_[symbols[i] * num_blocks_ + i / 64] |= uint64_t(1) << (i % 64);
  }
}

uint32_t EditPattern::symbol_of(char32_t c) const {
  if (c < 128) return ascii_[c];
  size_t at = hash_of(c) & (table_.size() - 1);
  while (table_[at].first != kEmptySlot) {
    if (table_[at].first == c) return table_[at].second;
    at = (at + 1) & (table_.size() - 1);
  }
  return 0;
}

size_t EditPattern::distance(std::u32string_view text) const {
  if (pattern_.empty()) return text.size();
  size_t score = pattern_.size();
  const uint64_t last_bit = uint64_t(1) << ((pattern_.size() - 1) % 64);
  if (num_blocks_ == 1) {
    uint64_t plus = ~uint64_t(0), minus = 0;
    for (char32_t c : text) {
      const uint64_t match = masks_[symbol_of(c)];
      const uint64_t zero = (((match & plus) + plus) ^ plus) | match | minus;
      uint64_t up = minus | ~(zero | plus), down = plus & zero;
      score += (up & last_bit) != 0;
      score -= (down & last_bit) != 0;
      up = up << 1 | 1;
      down <<= 1;
      plus = down | ~(zero | up);
      minus = up & zero;
    }
    return score;
  }
  constexpr uint64_t kTop = uint64_t(1) << 63;
  std::vector<std::pair<uint64_t, uint64_t>> blocks(num_blocks_, {~uint64_t(0), 0});
  for (char32_t c : text) {
    const uint64_t* match = &masks_[symbol_of(c) * num_blocks_];
    uint64_t plus_in = 1, minus_in = 0;
    for (size_t b = 0; b < num_blocks_; ++b) {
      auto& [plus, minus] = blocks[b];
      const uint64_t x = match[b] | minus_in;
      const uint64_t zero = (((x & plus) + plus) ^ plus) | x | minus;
      const uint64_t up = minus | ~(zero | plus), down = zero & plus;
      const uint64_t out_bit = b + 1 == num_blocks_ ? last_bit : kTop;
      const uint64_t up_shifted = up << 1 | plus_in, down_shifted = down << 1 | minus_in;
      plus_in = (up & out_bit) != 0;
      minus_in = (down & out_bit) != 0;
      plus = down_shifted | ~(zero | up_shifted);
      minus = up_shifted & zero;
    }
    score += plus_in;
    score -= minus_in;
  }
  return score;
}

// Four texts at once, shortest first: lane k of each vector belongs to text k. A lane whose text has ended goes on over symbols that count for nothing.
__attribute__((target_clones("avx2", "default"))) void EditPattern::distances_of_four(const std::u32string_view* texts, size_t* out) const {
  typedef uint64_t Lanes __attribute__((vector_size(32), aligned(8)));  // memory from a vector or a stack that knows no AVX
  const Lanes ones = {1, 1, 1, 1}, none = {0, 0, 0, 0};
  const int last_shift = int((pattern_.size() - 1) % 64);
  struct Block { Lanes plus, minus; };
  Block few[4];  // patterns of up to 256 need no memory
  std::vector<Block> many(num_blocks_ > 4 ? num_blocks_ : 0);
  Block* blocks = num_blocks_ > 4 ? many.data() : few;
  for (size_t b = 0; b < num_blocks_; ++b) blocks[b].plus = ~none, blocks[b].minus = none;
  Lanes score = ones * pattern_.size();
  size_t i = 0;
  const uint64_t* match[4];
  for (size_t ended = 0; ended < 4; ++ended) {
    for (; i < texts[ended].size(); ++i) {
      for (size_t k = 0; k < ended; ++k) match[k] = masks_.data();
      for (size_t k = ended; k < 4; ++k) match[k] = &masks_[symbol_of(texts[k][i]) * num_blocks_];
      Lanes plus_in = ones, minus_in = none;
      for (size_t b = 0; b < num_blocks_; ++b) {
        const Lanes plus = blocks[b].plus, minus = blocks[b].minus;
        const Lanes x = Lanes{match[0][b], match[1][b], match[2][b], match[3][b]} | minus_in;
        const Lanes zero = (((x & plus) + plus) ^ plus) | x | minus;
        const Lanes up = minus | ~(zero | plus), down = zero & plus;
        const Lanes up_shifted = up << 1 | plus_in, down_shifted = down << 1 | minus_in;
        const int shift = b + 1 == num_blocks_ ? last_shift : 63;
        plus_in = up >> shift & ones;
        minus_in = down >> shift & ones;
        blocks[b].plus = down_shifted | ~(zero | up_shifted);
        blocks[b].minus = up_shifted & zero;
      }
      score += plus_in;
      score -= minus_in;
    }
    out[ended] = score[ended];
  }
}

void EditPattern::distances(const std::u32string_view* texts, size_t count, size_t* out) const {
  if (pattern_.empty()) {
    for (size_t i = 0; i < count; ++i) out[i] = texts[i].size();
    return;
  }
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return texts[a].size() < texts[b].size(); });  // like lengths side by side
  size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    const std::u32string_view four[4] = {texts[order[i]], texts[order[i + 1]], texts[order[i + 2]], texts[order[i + 3]]};
    size_t found[4];
    distances_of_four(four, found);
    for (size_t k = 0; k < 4; ++k) out[order[i + k]] = found[k];
  }
  for (; i < count; ++i) out[order[i]] = distance(texts[order[i]]);
}

bool EditPattern::some_window_within(std::u32string_view text, size_t limit) const {
  const size_t n = pattern_.size();
  if (n == 0 || text.size() < n) return false;
  // common: size of the multiset intersection of window and pattern; n - common is a lower bound of the distance
  std::vector<uint32_t> in_window(counts_.size(), 0);
  size_t common = 0;
  std::vector<uint32_t> symbols(text.size());
  for (size_t i = 0; i < text.size(); ++i) symbols[i] = symbol_of(text[i]);
  const auto enter = [&](uint32_t s) {
    if (s != 0 && in_window[s]++ < counts_[s]) ++common;
  };
  const auto leave = [&](uint32_t s) {
    if (s != 0 && --in_window[s] < counts_[s]) --common;
  };
  for (size_t i = 0; i < n; ++i) enter(symbols[i]);
  size_t not_before = 0;
  for (size_t begin = 0;; ++begin) {
    if (begin >= not_before && n - common <= limit) {
      const size_t edits = distance(text.substr(begin, n));
      if (edits <= limit) return true;
      not_before = begin + (edits - limit + 1) / 2;
    }
    if (begin + n >= text.size()) return false;
    leave(symbols[begin]);
    enter(symbols[begin + n]);
  }
}

NumberedUnits number_units(const std::vector<std::u32string>& reference, const std::vector<std::u32string>& hypothesis) {
  std::unordered_map<std::u32string_view, char32_t> numbers;
  NumberedUnits out;
  const auto number = [&](const std::vector<std::u32string>& units, std::u32string& into) {
    into.reserve(units.size());
    for (const auto& unit : units) into.push_back(numbers.try_emplace(unit, char32_t(numbers.size())).first->second);
  };
  number(reference, out.reference);
  number(hypothesis, out.hypothesis);
  return out;
}

double normalized_edit_distance(std::u32string_view a, std::u32string_view b) {
  const size_t longer = std::max(a.size(), b.size());
  if (longer == 0) return 0;
  const size_t shorter = std::min(a.size(), b.size());
  const auto distance = shorter <= 256 ? EditPattern(a.size() <= b.size() ? a : b).distance(a.size() <= b.size() ? b : a) : edit_distance(a, b);
  return double(distance) / double(longer);
}

}  // namespace fovea::metrics

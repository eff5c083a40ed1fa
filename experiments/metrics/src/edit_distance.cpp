// Note [The band]
// D(i, j) is the distance of the first i reference and the first j hypothesis code points. A column of D is kept as bits: for
// each row, whether D(i, j) - D(i-1, j) is +1 (plus) or -1 (minus), 64 rows a block. A script of at most `limit` edits stays
// on diagonals i - j in [low, high] (Band), so only the blocks that meet them are computed. What lies outside is replaced by
// the cost of a real path: a block entering at the bottom starts as if its rows were deleted (all plus), and above the first
// block each column costs one more (an insertion). Values are thus never too small, and exact on every script inside the
// band: a result of at most `limit` is the distance, a larger one is an upper bound.
#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "fovea/metrics/edit_distance.h"

namespace fovea::metrics {
namespace {

using Symbols = std::vector<uint32_t>;
struct Slice {
  const uint32_t* data;
  size_t size;
};

constexpr size_t kMaxDenseWords = size_t(1) << 21;     // match masks kept as a full table up to 16 MiB
constexpr size_t kMaxStoredBlocks = size_t(1) << 22;   // columns kept for the way back up to 64 MiB; above, Hirschberg

// Consecutive numbers for the reference's code points; all that occur only in the hypothesis share one more.
struct Alphabet {
  Symbols reference, hypothesis;
  size_t size = 0;

  Alphabet(std::u32string_view ref, std::u32string_view hyp) {
    constexpr uint32_t kUnseen = ~uint32_t(0);
    std::vector<uint32_t> low(0x3000, kUnseen);
    std::unordered_map<char32_t, uint32_t> high;
    uint32_t next = 0;
    reference.reserve(ref.size());
    hypothesis.reserve(hyp.size());
    for (char32_t c : ref) {
      uint32_t& symbol = c < low.size() ? low[c] : high.try_emplace(c, kUnseen).first->second;
      if (symbol == kUnseen) symbol = next++;
      reference.push_back(symbol);
    }
    for (char32_t c : hyp) {
      uint32_t symbol = kUnseen;
      if (c < low.size()) {
        symbol = low[c];
      } else if (const auto found = high.find(c); found != high.end()) {
        symbol = found->second;
      }
      hypothesis.push_back(symbol == kUnseen ? next : symbol);
    }
    size = next + 1;
  }
};

struct Band {
  int64_t low, high;  // diagonals i - j
  Band(size_t rows, size_t columns, size_t limit) {
    const int64_t ends = int64_t(rows) - int64_t(columns);
    const int64_t slack = (int64_t(limit) - std::abs(ends)) / 2;
    low = std::min<int64_t>(0, ends) - slack;
    high = std::max<int64_t>(0, ends) + slack;
  }
};

struct Block {
  uint64_t plus, minus;
};

// For each symbol the rows where it stands: a table [symbol, block], or, if that would be large, lists of blocks that are not empty.
class MatchMasks {
 public:
  MatchMasks(Slice rows, size_t alphabet_size) : num_blocks_((rows.size + 63) / 64), dense_(alphabet_size * num_blocks_ <= kMaxDenseWords) {
    if (dense_) {
      table_.assign(alphabet_size * num_blocks_, 0);
      for (size_t i = 0; i < rows.size; ++i) table_[rows.data[i] * num_blocks_ + i / 64] |= uint64_t(1) << (i % 64);
      return;
    }
    constexpr size_t kNever = ~size_t(0);
    std::vector<size_t> last(alphabet_size, kNever);
    begin_.assign(alphabet_size + 1, 0);
    for (size_t i = 0; i < rows.size; ++i)
      if (size_t& block = last[rows.data[i]]; block != i / 64) block = i / 64, ++begin_[rows.data[i] + 1];
    for (size_t s = 0; s < alphabet_size; ++s) begin_[s + 1] += begin_[s];
    entries_.resize(begin_[alphabet_size]);
    cursor_.assign(begin_.begin(), begin_.end() - 1);
    std::fill(last.begin(), last.end(), kNever);
    for (size_t i = 0; i < rows.size; ++i) {
      const uint32_t s = rows.data[i];
      if (last[s] != i / 64) last[s] = i / 64, entries_[cursor_[s]++] = {i / 64, 0};
      entries_[cursor_[s] - 1].mask |= uint64_t(1) << (i % 64);
    }
    cursor_.assign(begin_.begin(), begin_.end() - 1);
  }
  bool dense() const { return dense_; }
  const uint64_t* row(uint32_t symbol) const { return table_.data() + symbol * num_blocks_; }

  struct Entry {
    size_t block;
    uint64_t mask;
  };
  /// The symbol's entries from block `first` on; `first` may not fall from call to call.
  const Entry* entries_from(uint32_t symbol, size_t first, const Entry*& end) {
    size_t& at = cursor_[symbol];
    while (at < begin_[symbol + 1] && entries_[at].block < first) ++at;
    end = entries_.data() + begin_[symbol + 1];
    return entries_.data() + at;
  }

 private:
  size_t num_blocks_;
  bool dense_;
  std::vector<uint64_t> table_;
  std::vector<size_t> begin_, cursor_;
  std::vector<Entry> entries_;
};

// Block columns computed in a band; with `keep` all of them stay, for the way back.
struct Columns {
  std::vector<Block> blocks;               // by row block; the last column
  size_t first = 0, last = 0;              // blocks of the last column
  size_t score = 0;                        // D at the lowest row of block `last` (row `rows` if that is the final block)
  std::vector<Block> kept;
  std::vector<size_t> kept_at, kept_first; // per column (from 1): where its blocks begin in kept, and its first block
};

// Computes columns 1 to `num_columns`. Method: see Note [The band]; the block step is Hyyro 2003, figure 8.
Columns run_columns(Slice rows, Slice columns, size_t num_columns, const Band& band, size_t alphabet_size, bool keep) {
  MatchMasks masks(rows, alphabet_size);
  const auto num_rows = int64_t(rows.size);
  const size_t final_block = (rows.size - 1) / 64;
  const uint64_t final_bit = uint64_t(1) << ((rows.size - 1) % 64);
  const auto block_of_row = [&](int64_t row) { return size_t(std::clamp<int64_t>(row, 1, num_rows) - 1) / 64; };
  const auto rows_in_block = [&](size_t b) { return std::min<size_t>(64, rows.size - 64 * b); };

  Columns out;
  out.blocks.assign(final_block + 1, Block{~uint64_t(0), 0});
  out.last = block_of_row(band.high);  // column 0
  for (size_t b = 0; b <= out.last; ++b) out.score += rows_in_block(b);
  if (keep) {
    out.kept.reserve(num_columns * std::min<size_t>(final_block + 1, size_t(band.high - band.low) / 64 + 2));
    out.kept_at.reserve(num_columns + 2);
    out.kept_first.reserve(num_columns + 1);
    out.kept_at.push_back(0);
    out.kept_first.push_back(0);
    out.kept_at.push_back(0);
  }
  for (size_t j = 1; j <= num_columns; ++j) {
    const size_t last = block_of_row(int64_t(j) + band.high);
    while (out.last < last) out.score += rows_in_block(++out.last);
    out.first = block_of_row(int64_t(j) + band.low);
    uint64_t plus_in = 1, minus_in = 0;
    const auto step = [&](Block& block, uint64_t match, uint64_t out_bit) {
      const uint64_t x = match | minus_in;
      const uint64_t zero = (((x & block.plus) + block.plus) ^ block.plus) | x | block.minus;
      const uint64_t plus = block.minus | ~(zero | block.plus), minus = zero & block.plus;
      const uint64_t plus_shifted = plus << 1 | plus_in, minus_shifted = minus << 1 | minus_in;
      plus_in = (plus & out_bit) != 0;
      minus_in = (minus & out_bit) != 0;
      block.plus = minus_shifted | ~(zero | plus_shifted);
      block.minus = plus_shifted & zero;
    };
    const uint32_t symbol = columns.data[j - 1];
    const uint64_t last_bit = last == final_block ? final_bit : uint64_t(1) << 63;
    constexpr uint64_t kTop = uint64_t(1) << 63;
    if (masks.dense()) {
      const uint64_t* match = masks.row(symbol);
      for (size_t b = out.first; b < last; ++b) step(out.blocks[b], match[b], kTop);
      step(out.blocks[last], match[last], last_bit);
    } else {
      const MatchMasks::Entry* end;
      const MatchMasks::Entry* at = masks.entries_from(symbol, out.first, end);
      for (size_t b = out.first; b <= last; ++b) {
        uint64_t match = 0;
        if (at != end && at->block == b) match = at++->mask;
        step(out.blocks[b], match, b == last ? last_bit : kTop);
      }
    }
    out.score += plus_in;
    out.score -= minus_in;
    if (keep) {
      out.kept.insert(out.kept.end(), out.blocks.begin() + long(out.first), out.blocks.begin() + long(last) + 1);
      out.kept_first.push_back(out.first);
      out.kept_at.push_back(out.kept.size());
    }
  }
  return out;
}

size_t stored_blocks(size_t rows, size_t columns, size_t limit) {
  const Band band(rows, columns, limit);
  return columns * std::min<size_t>((rows + 63) / 64, size_t(band.high - band.low) / 64 + 2);
}

void append_run(std::vector<EditRun>& script, EditKind kind, size_t ref, size_t hyp, size_t length) {
  if (length == 0) return;
  if (!script.empty() && script.back().kind == kind) script.back().length += uint32_t(length);
  else script.push_back({kind, uint32_t(ref), uint32_t(hyp), uint32_t(length)});
}

// The way back from (rows, columns) through kept columns, appended to `script` in order.
void walk_back(Slice rows, Slice columns, const Columns& run, size_t ref_at, size_t hyp_at, std::vector<EditRun>& script) {
  std::vector<EditRun> reversed;  // with positions of the last code point seen, so the first of the run in the end
  const auto emit = [&](EditKind kind, size_t i, size_t j) {
    if (!reversed.empty() && reversed.back().kind == kind) {
      reversed.back().ref_begin = uint32_t(i);
      reversed.back().hyp_begin = uint32_t(j);
      ++reversed.back().length;
    } else {
      reversed.push_back({kind, uint32_t(i), uint32_t(j), 1});
    }
  };
  // plus and minus of row i (from 1) in column j; below the column's blocks rows count as deleted
  const auto delta = [&](size_t i, size_t j) {
    const size_t b = (i - 1) / 64, first = run.kept_first[j], count = run.kept_at[j + 1] - run.kept_at[j];
    if (b >= first + count) return 1;
    const Block& block = run.kept[run.kept_at[j] + b - first];
    return int(block.plus >> ((i - 1) % 64) & 1) - int(block.minus >> ((i - 1) % 64) & 1);
  };
  size_t i = rows.size, j = columns.size;
  while (i > 0 && j > 0) {
    if ((i - 1) / 64 < run.kept_first[j]) {  // above the band
      emit(EditKind::kInsert, i, --j);
    } else if (delta(i, j) > 0) {
      emit(EditKind::kDelete, --i, j);
    } else if (j > 1 && delta(i, j - 1) < 0) {
      emit(EditKind::kInsert, i, --j);
    } else {
      --i, --j;
      emit(rows.data[i] == columns.data[j] ? EditKind::kMatch : EditKind::kSubstitute, i, j);
    }
  }
  while (i > 0) emit(EditKind::kDelete, --i, 0);
  while (j > 0) emit(EditKind::kInsert, 0, --j);
  for (auto run_back = reversed.rbegin(); run_back != reversed.rend(); ++run_back)
    append_run(script, run_back->kind, ref_at + run_back->ref_begin, hyp_at + run_back->hyp_begin, run_back->length);
}

// D(i, columns done) for the rows of the last column's blocks and the row above them: values[t] is row 64 * first + t.
std::vector<size_t> column_values(const Columns& run, size_t num_rows) {
  const size_t top = 64 * run.first, bottom = std::min(num_rows, 64 * (run.last + 1));
  std::vector<size_t> values(bottom - top + 1);
  size_t value = run.score;
  for (size_t i = bottom; i > top; --i) {
    values[i - top] = value;
    const Block& block = run.blocks[(i - 1) / 64];
    value -= block.plus >> ((i - 1) % 64) & 1;
    value += block.minus >> ((i - 1) % 64) & 1;
  }
  values[0] = value;
  return values;
}

// Script of two slices whose distance is known.
void script_of(Slice ref, Slice hyp, size_t distance, size_t alphabet_size, size_t ref_at, size_t hyp_at, std::vector<EditRun>& script) {
  size_t prefix = 0;
  while (prefix < std::min(ref.size, hyp.size) && ref.data[prefix] == hyp.data[prefix]) ++prefix;
  append_run(script, EditKind::kMatch, ref_at, hyp_at, prefix);
  ref = {ref.data + prefix, ref.size - prefix};
  hyp = {hyp.data + prefix, hyp.size - prefix};
  ref_at += prefix;
  hyp_at += prefix;
  if (ref.size == 0) return append_run(script, EditKind::kInsert, ref_at, hyp_at, hyp.size);
  if (hyp.size == 0) return append_run(script, EditKind::kDelete, ref_at, hyp_at, ref.size);
  const Band band(ref.size, hyp.size, distance);
  if (hyp.size < 2 || stored_blocks(ref.size, hyp.size, distance) <= kMaxStoredBlocks)
    return walk_back(ref, hyp, run_columns(ref, hyp, hyp.size, band, alphabet_size, true), ref_at, hyp_at, script);

  // Hirschberg: the best row to cross the middle column, from both ends
  const size_t middle = hyp.size / 2;
  std::vector<size_t> before, after;
  size_t before_top, after_top;
  {
    const Columns run = run_columns(ref, hyp, middle, band, alphabet_size, false);
    before = column_values(run, ref.size);
    before_top = 64 * run.first;
  }
  {
    const Symbols ref_back(std::make_reverse_iterator(ref.data + ref.size), std::make_reverse_iterator(ref.data));
    const Symbols hyp_back(std::make_reverse_iterator(hyp.data + hyp.size), std::make_reverse_iterator(hyp.data));
    const Columns run = run_columns({ref_back.data(), ref.size}, {hyp_back.data(), hyp.size}, hyp.size - middle, band, alphabet_size, false);
    after = column_values(run, ref.size);
    after_top = 64 * run.first;
  }
  size_t best = ~size_t(0), cut = 0, cost_before = 0;
  for (size_t t = 0; t < before.size(); ++t) {
    const size_t row = before_top + t, row_back = ref.size - row;
    if (row_back < after_top || row_back - after_top >= after.size()) continue;
    const size_t cost = before[t] + after[row_back - after_top];
    if (cost < best) best = cost, cut = row, cost_before = before[t];
  }
  before = {};
  after = {};
  script_of({ref.data, cut}, {hyp.data, middle}, cost_before, alphabet_size, ref_at, hyp_at, script);
  script_of({ref.data + cut, ref.size - cut}, {hyp.data + middle, hyp.size - middle}, best - cost_before, alphabet_size,
            ref_at + cut, hyp_at + middle, script);
}

// Distance, and the script if `script` is given.
size_t solve(std::u32string_view ref, std::u32string_view hyp, std::vector<EditRun>* script) {
  const size_t shorter = std::min(ref.size(), hyp.size());
  const auto prefix = size_t(std::mismatch(ref.begin(), ref.begin() + long(shorter), hyp.begin()).first - ref.begin());
  size_t suffix = 0;
  while (suffix < shorter - prefix && ref[ref.size() - 1 - suffix] == hyp[hyp.size() - 1 - suffix]) ++suffix;
  const auto ref_core = ref.substr(prefix, ref.size() - prefix - suffix), hyp_core = hyp.substr(prefix, hyp.size() - prefix - suffix);
  if (script) {
    script->clear();
    append_run(*script, EditKind::kMatch, 0, 0, prefix);
  }
  size_t distance = 0;
  if (ref_core.empty() || hyp_core.empty()) {
    distance = std::max(ref_core.size(), hyp_core.size());
    if (script) append_run(*script, ref_core.empty() ? EditKind::kInsert : EditKind::kDelete, prefix, prefix, distance);
  } else {
    const Alphabet alphabet(ref_core, hyp_core);
    const Slice rows{alphabet.reference.data(), ref_core.size()}, columns{alphabet.hypothesis.data(), hyp_core.size()};
    const size_t longer = std::max(rows.size, columns.size), gap = longer - std::min(rows.size, columns.size);
    bool walked = false;
    for (size_t limit = std::min(longer, gap + 64);;) {
      const bool keep = script && stored_blocks(rows.size, columns.size, limit) <= kMaxStoredBlocks;
      const Columns run = run_columns(rows, columns, columns.size, Band(rows.size, columns.size, limit), alphabet.size, keep);
      distance = run.score;
      if (distance <= limit) {
        if (keep) walk_back(rows, columns, run, prefix, prefix, *script);
        walked = keep;
        break;
      }
      limit = std::min({longer, distance, distance <= 4 * limit ? distance : gap + 2 * (limit - gap)});
    }
    if (script && !walked)
      script_of(rows, columns, distance, alphabet.size, prefix, prefix, *script);
  }
  if (script) append_run(*script, EditKind::kMatch, ref.size() - suffix, hyp.size() - suffix, suffix);
  return distance;
}

}  // namespace

size_t edit_distance(std::u32string_view reference, std::u32string_view hypothesis) { return solve(reference, hypothesis, nullptr); }

size_t edit_script(std::u32string_view reference, std::u32string_view hypothesis, std::vector<EditRun>& script) {
  return solve(reference, hypothesis, &script);
}

}  // namespace fovea::metrics

// Levenshtein distance over code points, words or grapheme clusters, with the edit script.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

enum class EditKind : uint8_t { kMatch, kSubstitute, kInsert, kDelete };  ///< insert: only in the hypothesis; delete: only in the reference

/// A run of equal operations. Positions and lengths in units (code points, words, ...); for kInsert ref is the place before which it stands.
struct EditRun {
  EditKind kind;
  uint32_t ref_begin, hyp_begin, length;
};

/// Levenshtein distance with unit costs over Unicode code points.
/// Method  bit-parallel rows of 64 (Myers 1999, Hyyro 2003), band doubled until it holds (Ukkonen 1985).
size_t edit_distance(std::u32string_view reference, std::u32string_view hypothesis);
/// The same with one optimal script, in linear memory (Hirschberg 1975 over bit-parallel rows). Runs cover both texts in order.
size_t edit_script(std::u32string_view reference, std::u32string_view hypothesis, std::vector<EditRun>& script);

/// Two unit sequences as numbers, one a distinct unit, for the functions above. Unit: words, grapheme clusters, any token.
struct NumberedUnits {
  std::u32string reference, hypothesis;
};
NumberedUnits number_units(const std::vector<std::u32string>& reference, const std::vector<std::u32string>& hypothesis);

/// Distance over max(length); 0 for two empty texts.
double normalized_edit_distance(std::u32string_view a, std::u32string_view b);

/// One pattern against many texts: its match masks are made once. Rows of 64 without a band (Myers 1999); exact.
class EditPattern {
 public:
  explicit EditPattern(std::u32string_view pattern);
  size_t distance(std::u32string_view text) const;
  /// distance() of each text. Four go side by side, for a step waits on the one before it and not on its neighbours.
  void distances(const std::u32string_view* texts, size_t count, size_t* out) const;
  /// Steps that a distance to a text of that length takes, for choosing which of two texts is the pattern.
  size_t work(size_t text_size) const { return text_size * num_blocks_; }
  /// Whether some window of `text` as long as the pattern is within `limit` edits of it; limit < pattern length.
  /// Windows that cannot hold are skipped: by counts of code points, and because the next window is at most 2 edits nearer.
  bool some_window_within(std::u32string_view text, size_t limit) const;
  size_t size() const { return pattern_.size(); }

 private:
  uint32_t symbol_of(char32_t c) const;
  void distances_of_four(const std::u32string_view* texts, size_t* out) const;
  std::u32string pattern_;
  uint32_t ascii_[128];                   // symbols of ASCII
  std::vector<uint32_t> counts_;          // of each symbol in the pattern
  std::vector<uint64_t> masks_;           // [symbol, block]; symbol 0 stands for all that is not in the pattern
  std::vector<std::pair<char32_t, uint32_t>> table_;  // open addressing, a power of two
  size_t num_blocks_;
};

}  // namespace fovea::metrics

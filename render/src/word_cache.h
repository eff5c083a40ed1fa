// Word cache: words shaped once a font, in font units, so that one entry serves every size.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

namespace fovea::render {

/// x and y in font units from the word's pen start and the baseline, y up; offsets of marks and kerning included.
struct ShapedGlyph {
  uint32_t glyph_id = 0;
  int32_t x_units = 0, y_units = 0;
};

/// Smallest piece of a word that has glyphs of its own: one code point, or a base with its marks. No line breaks inside.
struct ShapedCluster {
  uint32_t byte_begin = 0;  ///< in the word; ends where the next cluster (or the word) does
  uint16_t num_code_points = 1;
  uint16_t num_missing = 0;            ///< code points that the font lacks
  int32_t x0_units = 0, x1_units = 0;  ///< pen before and after; x1 >= x0
  uint32_t glyph_begin = 0, glyph_end = 0;
};

/// A word after HarfBuzz. Clusters are in source order (right-to-left words have falling x).
/// Layout: this header, the text, clusters and glyphs stand in one block of memory, so that a cached word costs few misses.
class ShapedWord {
 public:
  struct Free {
    void operator()(ShapedWord* word) const { ::operator delete(word); }
  };
  using Pointer = std::unique_ptr<ShapedWord, Free>;

  /// `variant` tells words apart that are spelled the same and shaped otherwise (script, language, direction: ShapeOptions).
  static Pointer create(std::string_view text, uint64_t hash, uint64_t variant, int64_t width_units,
                        const std::vector<ShapedCluster>& clusters, const std::vector<ShapedGlyph>& glyphs);
  ShapedWord(const ShapedWord&) = delete;
  ShapedWord& operator=(const ShapedWord&) = delete;

  uint64_t hash() const { return hash_; }
  uint64_t variant() const { return variant_; }
  int64_t width_units() const { return width_units_; }
  uint32_t num_missing() const { return num_missing_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), text_size_}; }
  std::span<const ShapedCluster> clusters() const { return {data<ShapedCluster>(clusters_offset(text_size_)), num_clusters_}; }
  std::span<const ShapedGlyph> glyphs() const {
    return {data<ShapedGlyph>(clusters_offset(text_size_) + num_clusters_ * sizeof(ShapedCluster)), num_glyphs_};
  }
  size_t num_bytes() const {
    return clusters_offset(text_size_) + num_clusters_ * sizeof(ShapedCluster) + num_glyphs_ * sizeof(ShapedGlyph);
  }

 private:
  ShapedWord() = default;
  static size_t clusters_offset(size_t text_size) { return sizeof(ShapedWord) + (text_size + 3) / 4 * 4; }
  template <class T> const T* data(size_t offset) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const char*>(this) + offset);
  }

  uint64_t hash_ = 0;
  uint64_t variant_ = 0;
  int64_t width_units_ = 0;
  uint32_t num_missing_ = 0;
  uint32_t text_size_ = 0, num_clusters_ = 0, num_glyphs_ = 0;
};

/// Insert-only hash table of shaped words: readers take no lock, writers one mutex. A table that is full takes no more words;
/// WordCache then begins a larger one with the same words, or an empty one at its limit. Pages keep the table they began with
/// alive, so nothing that is in use goes away.
class WordTable {
 public:
  /// `smaller`, if any, must be full; its words are taken over.
  WordTable(size_t num_slots, WordTable* smaller);
  /// The word, or null if it is not here yet.
  const ShapedWord* find(std::string_view text, uint64_t hash, uint64_t variant) const;
  /// Adds the word and returns it (or the equal one that another thread added first); null, word untouched, if the table is full.
  const ShapedWord* insert(ShapedWord::Pointer& word);
  bool is_full() const { return full_.load(std::memory_order_acquire); }
  size_t num_slots() const { return slots_.size(); }
  size_t num_bytes() const { return store_->num_bytes; }  ///< of words; only while no one inserts
  /// Hints to the processor, some words ahead of find: first the slot, a little later what the slot points to.
  void prefetch_slot(uint64_t hash) const { __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]); }
  void prefetch_word(uint64_t hash) const {
    const ShapedWord* word = slots_[hash & (slots_.size() - 1)].load(std::memory_order_acquire);
    for (int line = 0; word && line < 4; ++line) __builtin_prefetch(reinterpret_cast<const char*>(word) + 64 * line);
  }

 private:
  struct Store {
    std::vector<ShapedWord::Pointer> words;
    size_t num_bytes = 0;
  };
  size_t free_slot(const ShapedWord& word) const;

  std::vector<std::atomic<const ShapedWord*>> slots_;
  std::mutex mutex_;
  std::shared_ptr<Store> store_;  // shared with smaller tables, which only read it
  std::atomic<bool> full_{false};
};

/// The current table of one font. Thread-safe.
class WordCache {
 public:
  std::shared_ptr<WordTable> table();

 private:
  std::mutex mutex_;
  std::shared_ptr<WordTable> table_;
};

uint64_t hash_bytes(std::string_view bytes);

}  // namespace fovea::render

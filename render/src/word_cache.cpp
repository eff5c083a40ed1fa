#include "word_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "fovea/base/random.h"

namespace fovea::render {

namespace {
constexpr size_t kMinSlots = size_t(1) << 13, kMaxSlots = size_t(1) << 18;
constexpr size_t kMaxBytes = size_t(32) << 20;  // a font; about 100,000 words
}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
  uint64_t state = bytes.size() * 0x9e3779b97f4a7c15ULL;
  const char* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t block;
    std::memcpy(&block, at, 8);
    state = (state ^ block) * 0xbf58476d1ce4e5b9ULL;
    state ^= state >> 29;
  }
  uint64_t block = 0;
  for (size_t i = 0; i < left; ++i) block = block << 8 | static_cast<unsigned char>(at[i]);
  return mix64(state ^ block);
}

ShapedWord::Pointer ShapedWord::create(std::string_view text, uint64_t hash, uint64_t variant, int64_t width_units,
                                       const std::vector<ShapedCluster>& clusters, const std::vector<ShapedGlyph>& glyphs) {
  const size_t cluster_bytes = clusters.size() * sizeof(ShapedCluster), glyph_bytes = glyphs.size() * sizeof(ShapedGlyph);
  const size_t offset = clusters_offset(text.size());
  char* block = static_cast<char*>(::operator new(offset + cluster_bytes + glyph_bytes));
  Pointer word(new (block) ShapedWord);
  word->hash_ = hash;
  word->variant_ = variant;
  word->width_units_ = width_units;
  word->text_size_ = uint32_t(text.size());
  word->num_clusters_ = uint32_t(clusters.size());
  word->num_glyphs_ = uint32_t(glyphs.size());
  for (const ShapedCluster& cluster : clusters) word->num_missing_ += cluster.num_missing;
  std::copy(text.begin(), text.end(), block + sizeof(ShapedWord));
  if (cluster_bytes) std::memcpy(block + offset, clusters.data(), cluster_bytes);
  if (glyph_bytes) std::memcpy(block + offset + cluster_bytes, glyphs.data(), glyph_bytes);
  return word;
}

WordTable::WordTable(size_t num_slots, WordTable* smaller) : slots_(num_slots) {
  if (!smaller) {
    store_ = std::make_shared<Store>();
    return;
  }
  std::lock_guard<std::mutex> lock(smaller->mutex_);
  store_ = smaller->store_;
  for (const auto& word : store_->words) slots_[free_slot(*word)].store(word.get(), std::memory_order_relaxed);
}

size_t WordTable::free_slot(const ShapedWord& word) const {
  const size_t mask = slots_.size() - 1;
  size_t at = word.hash() & mask;
  while (slots_[at].load(std::memory_order_relaxed)) at = (at + 1) & mask;
  return at;
}

const ShapedWord* WordTable::find(std::string_view text, uint64_t hash, uint64_t variant) const {
  const size_t mask = slots_.size() - 1;
  for (size_t at = hash & mask;; at = (at + 1) & mask) {
    const ShapedWord* word = slots_[at].load(std::memory_order_acquire);
    if (!word) return nullptr;
    if (word->hash() == hash && word->variant() == variant && word->text() == text) return word;
  }
}

const ShapedWord* WordTable::insert(ShapedWord::Pointer& word) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const ShapedWord* other = find(word->text(), word->hash(), word->variant())) return other;
  if (is_full()) return nullptr;
  const ShapedWord* added = word.get();
  store_->num_bytes += word->num_bytes();
  store_->words.push_back(std::move(word));
  slots_[free_slot(*added)].store(added, std::memory_order_release);
  if (store_->words.size() >= slots_.size() / 2 || store_->num_bytes >= kMaxBytes) full_.store(true, std::memory_order_release);
  return added;
}

std::shared_ptr<WordTable> WordCache::table() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (table_ && !table_->is_full()) return table_;
  const bool can_grow = table_ && table_->num_slots() < kMaxSlots && table_->num_bytes() < kMaxBytes;
  table_ = can_grow ? std::make_shared<WordTable>(table_->num_slots() * 4, table_.get())
                    : std::make_shared<WordTable>(kMinSlots, nullptr);
  return table_;
}

}  // namespace fovea::render

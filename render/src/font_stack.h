// Font stack: a font and what stands in for the characters it lacks.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "font.h"

namespace fovea::render {

/// What a stack is made of; equal keys share one stack.
struct FontStackKey {
  std::string font;
  bool bold = false, italic = false, fallback = true;
  std::vector<std::string> fallback_fonts;
  std::string language;
  double fixed_size_px = 0;  ///< picks among the sizes of a font of bitmaps

  auto operator<=>(const FontStackKey&) const = default;
};

/// Face 0 is the font itself, the others are found as characters ask for them: first the listed fallback fonts, then installed ones.
/// Thread-safe; which face a character gets does not depend on what was asked before (the numbers of faces do).
class FontStack {
 public:
  static constexpr int kMaxFaces = 200;

  /// Errors: as FontCache::get, for the font and each of the listed fallback fonts.
  FontStack(const FontStackKey& key, FontCache& fonts);
  ~FontStack();
  FontStack(const FontStack&) = delete;
  FontStack& operator=(const FontStack&) = delete;

  /// The face for a character; 0 where no font has it, and for controls. colour: emoji presentation is wished.
  int face_for(char32_t c, bool colour);
  const std::shared_ptr<Font>& font(int face) const { return *faces_[size_t(face)].load(std::memory_order_acquire); }
  /// Whether a face can draw a character, if need be from its parts.
  bool has(int face, char32_t c) const;
  /// ... all characters of a grapheme cluster, of which some may become one glyph.
  bool has_cluster(int face, const char32_t* chars, size_t num) const;

 private:
  static constexpr size_t kBlockSize = 256, kNumBlocks = 0x110000 / kBlockSize;
  struct Block {
    std::atomic<uint8_t> face_plus_1[kBlockSize] = {};
  };
  int find(char32_t c, bool colour);
  int add(const FaceLocation& location);

  const FontStackKey key_;
  FontCache& fonts_;
  std::mutex mutex_;
  std::atomic<std::shared_ptr<Font>*> faces_[kMaxFaces] = {};
  std::vector<std::unique_ptr<std::shared_ptr<Font>>> owned_;
  std::map<FaceLocation, int> numbers_;
  int num_listed_ = 1;  // face 0 and the listed fallback fonts
  std::vector<std::atomic<Block*>> blocks_[2];  // by colour
};

/// Stacks so far. Thread-safe.
class FontStackCache {
 public:
  explicit FontStackCache(FontCache& fonts) : fonts_(fonts) {}
  std::shared_ptr<FontStack> get(const FontStackKey& key);

 private:
  FontCache& fonts_;
  std::mutex mutex_;
  std::map<FontStackKey, std::shared_ptr<FontStack>> stacks_;
};

}  // namespace fovea::render

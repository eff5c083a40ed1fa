#include "font_stack.h"

#include "fovea/base/error.h"
#include "unicode.h"

namespace fovea::render {

FontStack::FontStack(const FontStackKey& key, FontCache& fonts) : key_(key), fonts_(fonts) {
  for (auto& blocks : blocks_) blocks = std::vector<std::atomic<Block*>>(kNumBlocks);
  add(locate_face(key.font, key.bold, key.italic));
  if (!key.fallback) return;
  for (const auto& name : key.fallback_fonts) {
    if (owned_.size() == kMaxFaces) throw ConfigError("[render] fallback_fonts must be less than " + std::to_string(kMaxFaces));
    num_listed_ = add(locate_face(name, key.bold, key.italic)) + 1;
  }
  num_listed_ = int(owned_.size());
}

FontStack::~FontStack() {
  for (auto& blocks : blocks_)
    for (auto& block : blocks) delete block.load(std::memory_order_relaxed);
}

int FontStack::add(const FaceLocation& location) {
  const auto it = numbers_.find(location);
  if (it != numbers_.end()) return it->second;
  if (owned_.size() == kMaxFaces) return 0;
  auto font = fonts_.get(location, key_.fixed_size_px);
  const int number = int(owned_.size());
  owned_.push_back(std::make_unique<std::shared_ptr<Font>>(std::move(font)));
  faces_[number].store(owned_.back().get(), std::memory_order_release);
  numbers_[location] = number;
  return number;
}

bool FontStack::has(int face, char32_t c) const {
  hb_codepoint_t glyph = 0;
  hb_font_t* shaping = font(face)->shaping_font();
  if (hb_font_get_nominal_glyph(shaping, c, &glyph) && glyph != 0) return true;
  hb_codepoint_t base = 0, mark = 0;  // HarfBuzz decomposes what it must
  if (c < 0xC0 || !hb_unicode_decompose(hb_unicode_funcs_get_default(), c, &base, &mark) || base == c) return false;
  if (mark && !(hb_font_get_nominal_glyph(shaping, mark, &glyph) && glyph != 0)) return false;
  return has(face, base);
}

bool FontStack::has_cluster(int face, const char32_t* chars, size_t num) const {
  char32_t composed = chars[0];
  for (size_t i = 1; i < num; ++i) {
    if (is_ignorable(chars[i])) continue;
    hb_codepoint_t both = 0, glyph = 0;
    if (hb_unicode_compose(hb_unicode_funcs_get_default(), composed, chars[i], &both) &&
        hb_font_get_nominal_glyph(font(face)->shaping_font(), both, &glyph) && glyph != 0) {
      composed = both;
      continue;
    }
    if (!has(face, chars[i])) return false;
  }
  return is_ignorable(composed) || has(face, composed);
}

int FontStack::face_for(char32_t c, bool colour) {
  if (c >= 0x110000) return 0;
  auto& slot = blocks_[colour][c / kBlockSize];
  Block* block = slot.load(std::memory_order_acquire);
  if (block) {
    const uint8_t known = block->face_plus_1[c % kBlockSize].load(std::memory_order_acquire);
    if (known) return known - 1;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  block = slot.load(std::memory_order_relaxed);
  if (!block) slot.store(block = new Block, std::memory_order_release);
  const int face = find(c, colour);
  block->face_plus_1[c % kBlockSize].store(uint8_t(face + 1), std::memory_order_release);
  return face;
}

int FontStack::find(char32_t c, bool colour) {
  if (is_control(c)) return 0;
  if (!key_.fallback) return 0;
  if (colour) {
    for (int face = 0; face < num_listed_; ++face)
      if (font(face)->has_colour() && has(face, c)) return face;
  } else {
    for (int face = 0; face < num_listed_; ++face)
      if (has(face, c)) return face;
  }
  try {
    // A family's bold or italic face may lack what its regular one has.
    for (const auto& [bold, italic] : {std::pair(key_.bold, key_.italic), std::pair(key_.bold, false), std::pair(false, false)}) {
      const auto found = fallback_face(key_.font, key_.language, c, bold, italic, colour);
      if (!found) break;
      const int face = add(*found);
      if (face && has(face, c)) return face;
    }
  } catch (const Error&) {
    // A damaged font among the installed ones: the character counts as missing, and is reported so.
  }
  if (colour)
    for (int face = 0; face < num_listed_; ++face)
      if (has(face, c)) return face;
  return 0;
}

std::shared_ptr<FontStack> FontStackCache::get(const FontStackKey& key) {
  constexpr size_t kMaxStacks = 64;
  std::lock_guard<std::mutex> lock(mutex_);
  const auto it = stacks_.find(key);
  if (it != stacks_.end()) return it->second;
  auto stack = std::make_shared<FontStack>(key, fonts_);
  if (stacks_.size() >= kMaxStacks) stacks_.clear();
  return stacks_[key] = std::move(stack);
}

}  // namespace fovea::render

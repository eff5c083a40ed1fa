// Font: one face of a font file, with the caches of its words and glyphs.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>

#include "font_library.h"
#include "glyph_cache.h"
#include "word_cache.h"

namespace fovea::render {

/// Thread-safe. HarfBuzz shapes without a lock (immutable font); FreeType, which may not be shared, works under a mutex on
/// glyphs that no page has needed before. The file is read once; later changes on disk are not seen.
class Font {
 public:
  /// Errors: RenderError when FreeType cannot read the file or it has no outlines; IoError when it cannot be opened.
  explicit Font(const FaceLocation& location);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  const std::string& family() const { return family_; }
  int64_t units_per_em() const { return units_per_em_; }
  int64_t ascent_units() const { return ascent_units_; }    ///< hhea, or OS/2 where hhea is empty; above the baseline
  int64_t descent_units() const { return descent_units_; }  ///< positive, below the baseline
  int64_t space_units() const { return space_units_; }      ///< advance of U+0020
  hb_font_t* shaping_font() const { return hb_font_; }
  std::shared_ptr<WordTable> words() { return words_.table(); }
  /// The bitmaps for a size; hold the pointer while drawing. The cache forgets all sizes when it grows past its limit.
  std::shared_ptr<GlyphSet> glyphs(int64_t size_26_6, bool light, int num_phases);

 private:
  void release();

  std::string bytes_;
  std::string family_;
  FT_Library library_ = nullptr;  // one a font: FreeType libraries must not be shared between threads
  FT_Face face_ = nullptr;
  hb_font_t* hb_font_ = nullptr;
  int64_t units_per_em_ = 0, ascent_units_ = 0, descent_units_ = 0, space_units_ = 0;
  std::mutex face_mutex_;
  std::atomic<size_t> num_glyph_bytes_{0};
  WordCache words_;
  std::mutex sets_mutex_;
  std::map<std::tuple<int64_t, bool, int>, std::shared_ptr<GlyphSet>> sets_;
};

/// Fonts opened so far, by the name they were asked for. Thread-safe.
class FontCache {
 public:
  std::shared_ptr<Font> get(const std::string& family_or_path);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Font>> fonts_;
};

}  // namespace fovea::render

// Font: one face of a font file, with the caches of its words and glyphs.
#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb.h>

#include "font_library.h"
#include "font_memory.h"
#include "glyph_cache.h"
#include "word_cache.h"

namespace fovea::render {

class OutlineSink;

/// Thread-safe. HarfBuzz shapes without a lock (immutable font); FreeType, which may not be shared, works under a mutex on
/// glyphs that no page has needed before. The file is read once; later changes on disk are not seen.
///
/// A font without outlines (.pcf, .bdf, .otb) has fixed sizes, and a Font is one of them: a font unit is 1/64 px, units_per_em the
/// size. snap_size_26_6 says which size a wish becomes. Colour bitmaps (emoji) are scaled instead and have every size.
class Font {
 public:
  /// wanted_26_6: of a font with several fixed sizes, the one nearest to it (0: the first).
  /// Errors: RenderError when FreeType cannot read the file, it has neither outlines nor bitmaps, or no Unicode characters; IoError
  /// when it cannot be opened.
  explicit Font(const FaceLocation& location, int64_t wanted_26_6 = 0);
  /// A font file in memory. `name` stands in messages.
  Font(std::string bytes, const std::string& name, int face_index = 0, int64_t wanted_26_6 = 0);
  ~Font();
  Font(const Font&) = delete;
  Font& operator=(const Font&) = delete;

  const std::string& family() const { return location_.family; }
  const FaceLocation& location() const { return location_; }
  const std::string& bytes() const { return bytes_; }  ///< the whole file, unpacked if it was compressed
  int64_t units_per_em() const { return units_per_em_; }
  int64_t ascent_units() const { return ascent_units_; }    ///< hhea, or OS/2 where hhea is empty; above the baseline
  int64_t descent_units() const { return descent_units_; }  ///< positive, below the baseline
  int64_t space_units() const { return space_units_; }      ///< advance of U+0020
  bool has_colour() const { return FT_HAS_COLOR(face_); }
  /// The em in 1/64 px that a wish becomes: itself, or the fixed size of a font of bitmaps.
  int64_t snap_size_26_6(int64_t wanted_26_6) const { return strike_ < 0 ? wanted_26_6 : units_per_em_; }
  bool is_fixed_size() const { return strike_ >= 0; }
  /// Of the sizes that the file has, the one nearest to the wish; 0 for a font with outlines.
  int64_t nearest_fixed_size_26_6(int64_t wanted_26_6) const;
  int strike() const { return strike_; }  ///< index of the fixed size, -1 without
  hb_font_t* shaping_font() const { return hb_font_; }
  std::shared_ptr<WordTable> words() { return words_.table(); }
  /// The glyph's unhinted curves; none for glyphs without. bold: emboldened by 1/24 em. Errors: RenderError.
  void outline(uint32_t glyph_id, bool bold, OutlineSink& sink);
  /// The bitmaps for these options; hold the pointer while drawing. The cache forgets all sets when it grows past its limit. Fonts of
  /// bitmaps ignore the size. Errors: RenderError when they are asked for another horizontal scale than 1.
  std::shared_ptr<GlyphSet> glyphs(const GlyphOptions& options);
  std::shared_ptr<GlyphSet> glyphs(int64_t size_26_6, bool light, int num_phases) {
    GlyphOptions options;
    options.size_26_6 = size_26_6;
    options.num_phases = num_phases;
    options.hinting = light ? Hinting::kLight : Hinting::kNone;
    return glyphs(options);
  }

 private:
  // Characters and advances read through FreeType, for files whose tables HarfBuzz cannot read itself.
  struct OwnTables {
    std::vector<std::pair<uint32_t, uint32_t>> glyph_of_char;  // sorted
    std::vector<int32_t> advance_units;                        // by glyph
  };
  static hb_font_funcs_t* own_functions();
  void open(int64_t wanted_26_6);
  void read_own_tables();
  void make_shaping_font();
  void release();
  [[noreturn]] void fail(const std::string& why);

  FaceLocation location_;
  std::string bytes_;
  FontMemory memory_;
  FT_Library library_ = nullptr;  // one a font: FreeType libraries must not be shared between threads
  FT_Face face_ = nullptr;
  hb_font_t* hb_font_ = nullptr;
  int strike_ = -1;
  OwnTables own_;
  int64_t units_per_em_ = 0, ascent_units_ = 0, descent_units_ = 0, space_units_ = 0;
  std::mutex face_mutex_;
  std::atomic<size_t> num_glyph_bytes_{0};
  WordCache words_;
  std::mutex sets_mutex_;
  std::map<GlyphOptions, std::shared_ptr<GlyphSet>> sets_;
};

/// Takes the curves of an outline, in font units, y up.
class OutlineSink {
 public:
  virtual ~OutlineSink() = default;
  virtual void move_to(double x, double y) = 0;
  virtual void line_to(double x, double y) = 0;
  virtual void curve_to(double x1, double y1, double x2, double y2, double x3, double y3) = 0;  ///< cubic
};

/// Fonts opened so far, by the name they were asked for. Thread-safe.
class FontCache {
 public:
  /// size_px: which of several fixed sizes of a font of bitmaps is meant; others have all.
  std::shared_ptr<Font> get(const std::string& family_or_path, double size_px = 0);
  std::shared_ptr<Font> get(const FaceLocation& location, double size_px = 0);

 private:
  std::shared_ptr<Font> find_or_open(const std::string& key, double size_px, const FaceLocation* location);

  std::mutex mutex_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<Font>> fonts_;  // by name and fixed size
};

}  // namespace fovea::render

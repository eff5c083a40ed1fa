#include "shaper.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"

namespace fovea::render {
namespace {

constexpr char32_t kNoGlyph = 0xFFFF;  // a noncharacter: no font maps it

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

struct DestroyBuffer {
  void operator()(hb_buffer_t* buffer) const { hb_buffer_destroy(buffer); }
};

// Code points of [begin, end) that the font lacks, at least 1: the caller has seen a .notdef among their glyphs.
uint16_t count_missing(hb_font_t* font, std::string_view text, size_t begin, size_t end) {
  uint16_t count = 0;
  for (size_t pos = begin; pos < end;) {
    const char32_t c = next_code_point(text, pos);
    hb_codepoint_t glyph = 0;
    count += is_control(c) || !hb_font_get_nominal_glyph(font, c, &glyph) || glyph == 0;
  }
  return std::max<uint16_t>(count, 1);
}

constexpr size_t kMaxLanguages = 4096;
struct Languages {
  std::mutex mutex;
  std::vector<std::pair<std::string, hb_language_t>> known = {{"en", HB_LANGUAGE_INVALID}};
};
Languages& languages() {
  static Languages table;
  return table;
}
hb_language_t language_of(uint16_t id) {
  if (id == 0) return HB_LANGUAGE_INVALID;  // not the locale's: a page looks the same on every machine
  std::lock_guard<std::mutex> lock(languages().mutex);
  return languages().known[id].second;
}

bool has_vertical_origins(hb_font_t* font) {
  hb_blob_t* blob = hb_face_reference_table(hb_font_get_face(font), HB_TAG('V', 'O', 'R', 'G'));
  const bool has = hb_blob_get_length(blob) > 0;
  hb_blob_destroy(blob);
  return has;
}

// In these the feature `liga` does what readers expect of the script; elsewhere (Latin, Greek, Cyrillic, ...) it is ornament.
bool needs_ligatures(hb_script_t script) {
  return script != HB_SCRIPT_INVALID && script != HB_SCRIPT_COMMON && script != HB_SCRIPT_LATIN && script != HB_SCRIPT_GREEK &&
         script != HB_SCRIPT_CYRILLIC && script != HB_SCRIPT_HAN && script != HB_SCRIPT_HIRAGANA && script != HB_SCRIPT_KATAKANA &&
         script != HB_SCRIPT_HANGUL && script != HB_SCRIPT_BOPOMOFO && script != HB_SCRIPT_ARMENIAN && script != HB_SCRIPT_GEORGIAN &&
         script != HB_SCRIPT_HEBREW && script != HB_SCRIPT_ARABIC && script != HB_SCRIPT_ETHIOPIC;
}

}  // namespace

bool has_vertical_form(hb_font_t* font, char32_t c) {
  hb_codepoint_t plain = 0;
  if (!hb_font_get_nominal_glyph(font, c, &plain)) return true;
  std::string text;
  append_utf8(text, c);
  ShapeOptions options;
  options.direction = ShapeOptions::kDown;
  const auto word = shape_word(font, text, 0, options);
  return word->glyphs().size() != 1 || word->glyphs()[0].glyph_id != plain;
}

uint16_t language_id(const std::string& tag) {
  if (tag.empty() || tag == "en") return 0;
  Languages& table = languages();
  std::lock_guard<std::mutex> lock(table.mutex);
  for (size_t i = 0; i < table.known.size(); ++i)
    if (table.known[i].first == tag) return uint16_t(i);
  if (table.known.size() >= kMaxLanguages)
    throw ConfigError("[language_id] at most " + std::to_string(kMaxLanguages) + " languages a process, got one more: '" + tag + "'");
  table.known.emplace_back(tag, hb_language_from_string(tag.c_str(), int(tag.size())));
  return uint16_t(table.known.size() - 1);
}

ShapedWord::Pointer shape_word(hb_font_t* font, std::string_view text, uint64_t hash, const ShapeOptions& options,
                               std::string_view before, std::string_view after) {
  static thread_local std::unique_ptr<hb_buffer_t, DestroyBuffer> owned_buffer(hb_buffer_create());
  hb_buffer_t* buffer = owned_buffer.get();
  hb_buffer_clear_contents(buffer);
  hb_buffer_set_content_type(buffer, HB_BUFFER_CONTENT_TYPE_UNICODE);
  if (!before.empty()) hb_buffer_add_utf8(buffer, before.data(), int(before.size()), unsigned(before.size()), 0);
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    const char32_t c = next_code_point(text, pos);
    hb_buffer_add(buffer, is_control(c) ? kNoGlyph : c, static_cast<unsigned>(begin));
  }
  if (!after.empty()) hb_buffer_add_utf8(buffer, after.data(), int(after.size()), 0, 0);
  hb_buffer_set_cluster_level(buffer, HB_BUFFER_CLUSTER_LEVEL_MONOTONE_GRAPHEMES);
  if (options.script != HB_SCRIPT_INVALID) hb_buffer_set_script(buffer, options.script);
  if (options.direction != ShapeOptions::kGuess)
    hb_buffer_set_direction(buffer, options.direction == ShapeOptions::kLeftToRight   ? HB_DIRECTION_LTR
                                    : options.direction == ShapeOptions::kRightToLeft ? HB_DIRECTION_RTL
                                                                                      : HB_DIRECTION_TTB);
  hb_buffer_guess_segment_properties(buffer);
  hb_buffer_set_language(buffer, language_of(options.language));
  const bool down = options.direction == ShapeOptions::kDown;
  const bool own_metrics = down && !has_vertical_origins(font);
  const int32_t em = hb_face_get_upem(hb_font_get_face(font));
  static const hb_feature_t kFeatures[] = {
      {HB_TAG('l', 'i', 'g', 'a'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
      {HB_TAG('c', 'l', 'i', 'g'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
      {HB_TAG('d', 'l', 'i', 'g'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
  };
  hb_shape(font, buffer, kFeatures, needs_ligatures(options.script) ? 0 : 3);
  if (!hb_buffer_allocation_successful(buffer)) throw RenderError("[shape_word] HarfBuzz ran out of memory");

  static thread_local std::vector<ShapedCluster> clusters;
  static thread_local std::vector<ShapedGlyph> glyphs;
  clusters.clear();
  glyphs.clear();
  unsigned num_glyphs = 0;
  const hb_glyph_info_t* infos = hb_buffer_get_glyph_infos(buffer, &num_glyphs);
  const hb_glyph_position_t* positions = hb_buffer_get_glyph_positions(buffer, nullptr);
  int64_t pen_units = 0;
  for (unsigned i = 0; i < num_glyphs; ++i) {
    if (clusters.empty() || clusters.back().byte_begin != infos[i].cluster) {
      ShapedCluster cluster;
      cluster.byte_begin = infos[i].cluster;
      cluster.x0_units = int32_t(pen_units);
      cluster.glyph_begin = i;
      clusters.push_back(cluster);
    }
    ShapedCluster& cluster = clusters.back();
    if (own_metrics) {
      // One em a character, the ideographic em box on the line: without VORG the origins would come from each glyph's ink and from
      // top bearings (vmtx), which common fonts have wrong.
      size_t pos = infos[i].cluster;
      const char32_t c = next_code_point(text, pos);
      hb_codepoint_t plain = 0;
      const bool turned = !hb_font_get_nominal_glyph(font, c, &plain) || plain != infos[i].codepoint;
      const bool corner = !turned && (c == 0x3001 || c == 0x3002 || c == 0xFF0C || c == 0xFF0E);  // from the lower left to the upper right
      const int32_t shift = corner ? em * 11 / 20 : 0;
      glyphs.push_back({infos[i].codepoint, int32_t(-hb_font_get_glyph_h_advance(font, infos[i].codepoint) / 2 + shift),
                        int32_t(-(em * 22 / 25) + shift - pen_units)});
      pen_units += em;
    } else if (down)
      glyphs.push_back({infos[i].codepoint, positions[i].x_offset, int32_t(positions[i].y_offset - pen_units)});
    else
      glyphs.push_back({infos[i].codepoint, int32_t(pen_units + positions[i].x_offset), positions[i].y_offset});
    if (!own_metrics) pen_units += std::max(down ? -positions[i].y_advance : positions[i].x_advance, 0);
    cluster.x1_units = int32_t(pen_units);
    cluster.glyph_end = i + 1;
    if (infos[i].codepoint == 0) cluster.num_missing = 1;
  }
  std::sort(clusters.begin(), clusters.end(),
            [](const ShapedCluster& a, const ShapedCluster& b) { return a.byte_begin < b.byte_begin; });
  // Characters that HarfBuzz leaves out (invisible ones, in fonts without a space) still have a cluster.
  if (clusters.empty()) clusters.emplace_back();
  clusters.front().byte_begin = 0;
  for (size_t i = 0; i < clusters.size(); ++i) {
    ShapedCluster& cluster = clusters[i];
    const size_t end = i + 1 < clusters.size() ? clusters[i + 1].byte_begin : text.size();
    size_t num = 0;
    for (size_t pos = cluster.byte_begin; pos < end; ++num) next_code_point(text, pos);
    cluster.num_code_points = static_cast<uint16_t>(num);
    if (cluster.num_missing) cluster.num_missing = count_missing(font, text, cluster.byte_begin, end);
  }
  return ShapedWord::create(text, hash, options.variant(), pen_units, clusters, glyphs);
}

}  // namespace fovea::render

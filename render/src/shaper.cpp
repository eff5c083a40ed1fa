#include "shaper.h"

#include <algorithm>
#include <memory>

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

}  // namespace

ShapedWord::Pointer shape_word(hb_font_t* font, std::string_view text, uint64_t hash) {
  static thread_local std::unique_ptr<hb_buffer_t, DestroyBuffer> owned_buffer(hb_buffer_create());
  hb_buffer_t* buffer = owned_buffer.get();
  hb_buffer_clear_contents(buffer);
  for (size_t pos = 0; pos < text.size();) {
    const size_t begin = pos;
    const char32_t c = next_code_point(text, pos);
    hb_buffer_add(buffer, is_control(c) ? kNoGlyph : c, static_cast<unsigned>(begin));
  }
  hb_buffer_set_content_type(buffer, HB_BUFFER_CONTENT_TYPE_UNICODE);
  hb_buffer_set_cluster_level(buffer, HB_BUFFER_CLUSTER_LEVEL_MONOTONE_GRAPHEMES);
  hb_buffer_guess_segment_properties(buffer);
  hb_buffer_set_language(buffer, HB_LANGUAGE_INVALID);  // not the locale's: a page looks the same on every machine
  static const hb_feature_t kFeatures[] = {
      {HB_TAG('l', 'i', 'g', 'a'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
      {HB_TAG('c', 'l', 'i', 'g'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
      {HB_TAG('d', 'l', 'i', 'g'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END},
  };
  hb_shape(font, buffer, kFeatures, 3);
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
    glyphs.push_back({infos[i].codepoint, int32_t(pen_units + positions[i].x_offset), positions[i].y_offset});
    pen_units += std::max(positions[i].x_advance, 0);
    cluster.x1_units = int32_t(pen_units);
    cluster.glyph_end = i + 1;
    if (infos[i].codepoint == 0) cluster.num_missing = 1;
  }
  std::sort(clusters.begin(), clusters.end(),
            [](const ShapedCluster& a, const ShapedCluster& b) { return a.byte_begin < b.byte_begin; });
  for (size_t i = 0; i < clusters.size(); ++i) {
    ShapedCluster& cluster = clusters[i];
    const size_t end = i + 1 < clusters.size() ? clusters[i + 1].byte_begin : text.size();
    size_t num = 0;
    for (size_t pos = cluster.byte_begin; pos < end; ++num) next_code_point(text, pos);
    cluster.num_code_points = static_cast<uint16_t>(num);
    if (cluster.num_missing) cluster.num_missing = count_missing(font, text, cluster.byte_begin, end);
  }
  return ShapedWord::create(text, hash, pen_units, clusters, glyphs);
}

}  // namespace fovea::render

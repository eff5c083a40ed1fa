#include "font_library.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <sys/stat.h>
#include <tuple>
#include <vector>

#include <fontconfig/fontconfig.h>

#include "fovea/base/error.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return text;
}

struct KnownFamily {
  FaceLocation face;
  std::tuple<int, int, int, int, std::string> rank;  // smaller is nearer to the plain regular face
};

using FamilyTable = std::map<std::string, KnownFamily>;  // by lower-case name

int get_int(FcPattern* pattern, const char* object, int fallback) {
  int value = fallback;
  if (FcPatternGetInteger(pattern, object, 0, &value) == FcResultMatch) return value;
  FcRange* range = nullptr;  // variable fonts have ranges; their default instance counts as regular
  if (FcPatternGetRange(pattern, object, 0, &range) == FcResultMatch) return fallback;
  return fallback;
}

FamilyTable read_fontconfig() {
  FamilyTable table;
  FcConfig* config = FcInitLoadConfigAndFonts();
  if (!config) return table;
  FcPattern* any = FcPatternCreate();
  FcObjectSet* objects = FcObjectSetBuild(FC_FAMILY, FC_FILE, FC_INDEX, FC_WEIGHT, FC_SLANT, FC_WIDTH, FC_SCALABLE,
                                          static_cast<char*>(nullptr));
  FcFontSet* fonts = FcFontList(config, any, objects);
  for (int i = 0; fonts && i < fonts->nfont; ++i) {
    FcPattern* font = fonts->fonts[i];
    FcBool scalable = FcFalse;
    FcPatternGetBool(font, FC_SCALABLE, 0, &scalable);
    FcChar8* file = nullptr;
    if (!scalable || FcPatternGetString(font, FC_FILE, 0, &file) != FcResultMatch) continue;
    const int index = get_int(font, FC_INDEX, 0);
    const std::string path = reinterpret_cast<const char*>(file);
    FcChar8* family = nullptr;
    for (int n = 0; FcPatternGetString(font, FC_FAMILY, n, &family) == FcResultMatch; ++n) {
      const std::string name = reinterpret_cast<const char*>(family);
      KnownFamily known{{path, index & 0xFFFF, name},
                        {std::abs(get_int(font, FC_SLANT, FC_SLANT_ROMAN) - FC_SLANT_ROMAN),
                         std::abs(get_int(font, FC_WIDTH, FC_WIDTH_NORMAL) - FC_WIDTH_NORMAL),
                         std::abs(get_int(font, FC_WEIGHT, FC_WEIGHT_REGULAR) - FC_WEIGHT_REGULAR), index, path}};
      auto [it, inserted] = table.try_emplace(lower_ascii(name), known);
      if (!inserted && known.rank < it->second.rank) it->second = known;
    }
  }
  if (fonts) FcFontSetDestroy(fonts);
  FcObjectSetDestroy(objects);
  FcPatternDestroy(any);
  FcConfigDestroy(config);
  return table;
}

const FamilyTable& families() {
  static const FamilyTable table = read_fontconfig();  // initialised once, also with many threads
  return table;
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string near_names(const std::string& wanted) {
  constexpr size_t kNumNames = 5;
  const std::string key = lower_ascii(wanted.substr(0, 200));
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& [name, known] : families()) {
    double score = double(edit_distance(key, name));
    const double length_gap = std::abs(double(name.size()) - double(key.size()));
    if (name.starts_with(key) || key.starts_with(name)) score = std::min(score, 1 + 0.1 * length_gap);
    if (name.find(key) != std::string::npos || key.find(name) != std::string::npos)
      score = std::min(score, 2 + 0.1 * length_gap);
    ranked.emplace_back(score, known.face.family);
  }
  std::sort(ranked.begin(), ranked.end());
  std::string out;
  for (size_t i = 0; i < std::min(ranked.size(), kNumNames); ++i) out += (i ? ", " : "") + ranked[i].second;
  return out;
}

bool ends_with_font_suffix(const std::string& name) {
  const std::string lower = lower_ascii(name);
  for (const char* suffix : {".ttf", ".otf", ".ttc", ".otc", ".pfb", ".woff"})
    if (lower.ends_with(suffix)) return true;
  return false;
}

}  // namespace

FaceLocation locate_face(const std::string& name) {
  FaceLocation at;
  at.path = name;
  const size_t hash = name.rfind('#');
  if (hash != std::string::npos && hash + 1 < name.size() && name.size() - hash <= 5 &&
      name.find_first_not_of("0123456789", hash + 1) == std::string::npos && ends_with_font_suffix(name.substr(0, hash))) {
    at.path = name.substr(0, hash);
    at.index = std::stoi(name.substr(hash + 1));
  }
  if (at.path.find('/') != std::string::npos || ends_with_font_suffix(at.path)) {
    struct stat info {};
    if (stat(at.path.c_str(), &info) != 0) throw ConfigError("[font_file] no such font file '" + at.path + "'");
    if (!S_ISREG(info.st_mode)) throw ConfigError("[font_file] must be a font file, got '" + at.path + "'");
    return at;
  }
  const auto it = families().find(lower_ascii(name));
  if (it != families().end()) return it->second.face;
  if (families().empty())
    throw ConfigError("[font_file] unknown font '" + name + "': fontconfig knows no fonts; install fonts-dejavu or give a path");
  throw ConfigError("[font_file] unknown font '" + name + "', near: " + near_names(name));
}

std::vector<std::string> font_families() {
  std::vector<std::string> names;
  for (const auto& [key, known] : families()) names.push_back(known.face.family);
  std::sort(names.begin(), names.end());
  return names;
}

std::string font_file(const std::string& family_or_path) { return locate_face(family_or_path).path; }

}  // namespace fovea::render

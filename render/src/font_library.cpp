#include "font_library.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <sys/stat.h>
#include <tuple>
#include <vector>

#include <fontconfig/fontconfig.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/render/renderer.h"

namespace fovea::render {
namespace {

std::string lower_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  return text;
}

struct KnownFace {
  FaceLocation location;
  int weight = FC_WEIGHT_REGULAR, slant = FC_SLANT_ROMAN, width = FC_WIDTH_NORMAL, full_index = 0, version = 0;
  bool colour = false, fixed_width = false;
  const FcCharSet* chars = nullptr;  // these live as long as the process
  const FcLangSet* languages = nullptr;

  // Smaller is nearer to what is asked for; never equal for two faces.
  std::tuple<int, int, int, int, int, std::string> rank(bool bold, bool italic) const {
    const int slant_gap = italic ? (slant == FC_SLANT_ITALIC ? 0 : slant == FC_SLANT_OBLIQUE ? 1 : 1000) : std::abs(slant - FC_SLANT_ROMAN);
    return {slant_gap, std::abs(width - FC_WIDTH_NORMAL), std::abs(weight - (bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR)), full_index,
            -version,  // of two releases of a family the newer one, as fontconfig itself prefers it
            location.path};
  }
};

using FamilyTable = std::map<std::string, std::vector<KnownFace>>;  // by lower-case name

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
  FcObjectSet* objects = FcObjectSetBuild(FC_FAMILY, FC_FILE, FC_INDEX, FC_WEIGHT, FC_SLANT, FC_WIDTH, FC_SCALABLE, FC_COLOR, FC_SPACING,
                                          FC_CHARSET, FC_LANG, FC_FONTVERSION, static_cast<char*>(nullptr));
  FcFontSet* fonts = FcFontList(config, any, objects);
  for (int i = 0; fonts && i < fonts->nfont; ++i) {
    FcPattern* font = fonts->fonts[i];
    FcBool scalable = FcFalse, colour = FcFalse;
    FcPatternGetBool(font, FC_SCALABLE, 0, &scalable);
    FcPatternGetBool(font, FC_COLOR, 0, &colour);
    FcChar8* file = nullptr;
    if (!scalable || FcPatternGetString(font, FC_FILE, 0, &file) != FcResultMatch) continue;
    KnownFace face;
    face.full_index = get_int(font, FC_INDEX, 0);
    face.weight = get_int(font, FC_WEIGHT, FC_WEIGHT_REGULAR);
    face.slant = get_int(font, FC_SLANT, FC_SLANT_ROMAN);
    face.width = get_int(font, FC_WIDTH, FC_WIDTH_NORMAL);
    face.version = get_int(font, FC_FONTVERSION, 0);
    face.fixed_width = get_int(font, FC_SPACING, FC_PROPORTIONAL) >= FC_DUAL;
    face.colour = colour;
    FcCharSet* chars = nullptr;
    if (FcPatternGetCharSet(font, FC_CHARSET, 0, &chars) == FcResultMatch) face.chars = FcCharSetCopy(chars);
    FcLangSet* languages = nullptr;
    if (FcPatternGetLangSet(font, FC_LANG, 0, &languages) == FcResultMatch) face.languages = FcLangSetCopy(languages);
    face.location.path = reinterpret_cast<const char*>(file);
    face.location.index = face.full_index & 0xFFFF;
    FcChar8* family = nullptr;
    for (int n = 0; FcPatternGetString(font, FC_FAMILY, n, &family) == FcResultMatch; ++n) {
      face.location.family = reinterpret_cast<const char*>(family);
      table[lower_ascii(face.location.family)].push_back(face);
    }
  }
  if (fonts) FcFontSetDestroy(fonts);
  FcObjectSetDestroy(objects);
  FcPatternDestroy(any);
  FcConfigDestroy(config);
  for (auto& [name, faces] : table)
    std::sort(faces.begin(), faces.end(),
              [](const KnownFace& a, const KnownFace& b) { return a.rank(false, false) < b.rank(false, false); });
  return table;
}

const FamilyTable& families() {
  static const FamilyTable table = read_fontconfig();  // initialised once, also with many threads
  return table;
}

FaceLocation nearest_face(const std::vector<KnownFace>& faces, bool bold, bool italic) {
  const KnownFace& face = *std::min_element(faces.begin(), faces.end(), [&](const KnownFace& a, const KnownFace& b) {
    return a.rank(bold, italic) < b.rank(bold, italic);
  });
  FaceLocation at = face.location;
  at.synthetic_bold = bold && face.weight < FC_WEIGHT_DEMIBOLD && !face.colour;
  at.synthetic_italic = italic && face.slant == FC_SLANT_ROMAN && !face.colour;
  return at;
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
    ranked.emplace_back(score, known.front().location.family);
  }
  std::sort(ranked.begin(), ranked.end());
  std::string out;
  for (size_t i = 0; i < std::min(ranked.size(), kNumNames); ++i) out += (i ? ", " : "") + ranked[i].second;
  return out;
}

bool ends_with_font_suffix(const std::string& name) {
  const std::string lower = lower_ascii(name);
  for (const char* suffix : {".ttf", ".otf", ".ttc", ".otc", ".pfb", ".woff", ".woff2", ".otb", ".pcf", ".pcf.gz", ".bdf"})
    if (lower.ends_with(suffix)) return true;
  return false;
}

// Bitmap fonts of X11, which fontconfig is told to leave out on most systems: "5x8" is 5x8.pcf.gz.
std::string x11_bitmap_font(const std::string& name) {
  if (name.empty() || name.size() > 40 || name.find_first_of("/.") != std::string::npos) return "";
  for (const char* folder : {"/usr/share/fonts/X11/misc/", "/usr/share/fonts/misc/"})
    for (const char* suffix : {".pcf.gz", ".pcf"}) {
      const std::string path = folder + name + suffix;
      struct stat info {};
      if (stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) return path;
    }
  return "";
}

enum class Kind { kFixedWidth, kSerif, kSans };

Kind kind_of(const KnownFace& face) {
  const std::string name = lower_ascii(face.location.family);
  if (face.fixed_width || name.find("mono") != std::string::npos) return Kind::kFixedWidth;
  for (const char* word : {"serif", "roman", "times", "naskh", "ming", "song", "mincho", "batang"})
    if (name.find(word) != std::string::npos && name.find("sans serif") == std::string::npos) return Kind::kSerif;
  return Kind::kSans;
}

std::string first_word(const std::string& name) { return lower_ascii(name.substr(0, name.find(' '))); }

struct FallbackOrder {
  std::vector<const KnownFace*> faces;
  std::vector<const std::vector<KnownFace>*> families;  // of each
};

// Orders are made once for each family, language and choice; few of these occur.
const FallbackOrder& fallback_order(const std::string& family_or_path, const std::string& language, bool colour_first) {
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::string, bool>, std::unique_ptr<const FallbackOrder>> orders;
  const std::string wanted = lower_ascii(family_or_path);
  std::lock_guard<std::mutex> lock(mutex);
  auto& made = orders[{wanted, lower_ascii(language), colour_first}];
  if (made) return *made;

  const auto own = families().find(wanted);
  const KnownFace* own_face = own == families().end() ? nullptr : &own->second.front();
  const Kind kind = own_face ? kind_of(*own_face) : Kind::kSans;
  const std::string maker = own_face ? first_word(own_face->location.family) : "";
  const auto* language_name = reinterpret_cast<const FcChar8*>(language.c_str());
  using Rank = std::tuple<bool, bool, bool, bool, bool, std::string>;
  std::vector<std::pair<Rank, const std::vector<KnownFace>*>> ranked;
  std::map<std::pair<std::string, int>, std::string> seen;  // a face with names in several languages counts once, under its first
  for (const auto& [name, faces] : families()) {
    const KnownFace& face = faces.front();
    if (!face.chars || (own_face && face.location.path == own_face->location.path && face.location.index == own_face->location.index))
      continue;
    if (!seen.try_emplace({face.location.path, face.location.index}, name).second) continue;
    const bool speaks = language.empty() ||
                        (face.languages && FcLangSetHasLang(face.languages, language_name) != FcLangDifferentLang);
    ranked.push_back({Rank{face.colour != colour_first, !speaks, kind_of(face) != kind,
                           kind_of(face) != Kind::kSans, first_word(face.location.family) != maker, name},
                      &faces});
  }
  std::sort(ranked.begin(), ranked.end());
  auto order = std::make_unique<FallbackOrder>();
  for (const auto& [rank, faces] : ranked) {
    order->faces.push_back(&faces->front());
    order->families.push_back(faces);
  }
  if (orders.size() > 1000) {  // a caller that makes up names
    auto keep = std::move(order);
    orders.clear();
    return *(orders[{wanted, lower_ascii(language), colour_first}] = std::move(keep));
  }
  made = std::move(order);
  return *made;
}

}  // namespace

FaceLocation locate_face(const std::string& name, bool bold, bool italic) {
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
    at.synthetic_bold = bold;
    at.synthetic_italic = italic;
    return at;
  }
  const auto it = families().find(lower_ascii(name));
  if (it != families().end()) return nearest_face(it->second, bold, italic);
  if (const std::string path = x11_bitmap_font(name); !path.empty()) {
    at.path = path;
    at.synthetic_bold = bold;
    at.synthetic_italic = italic;
    return at;
  }
  if (families().empty())
    throw ConfigError("[font_file] unknown font '" + name + "': fontconfig knows no fonts; install fonts-dejavu or give a path");
  throw ConfigError("[font_file] unknown font '" + name + "', near: " + near_names(name));
}

std::string read_font_file(const FaceLocation& location) {
  constexpr off_t kMaxBytes = off_t(256) << 20;
  struct stat info {};
  if (stat(location.path.c_str(), &info) == 0 && info.st_size > kMaxBytes)
    throw RenderError("[render] font file '" + location.path + "' must have at most 256 MiB, got " + std::to_string(info.st_size) + " bytes");
  return read_file(location.path);
}

std::vector<FaceLocation> fallback_faces(const std::string& family_or_path, const std::string& language, bool colour_first) {
  std::vector<FaceLocation> out;
  for (const KnownFace* face : fallback_order(family_or_path, language, colour_first).faces) out.push_back(face->location);
  return out;
}

std::optional<FaceLocation> fallback_face(const std::string& family_or_path, const std::string& language, char32_t character, bool bold,
                                          bool italic, bool colour_first) {
  const FallbackOrder& order = fallback_order(family_or_path, language, colour_first);
  for (size_t i = 0; i < order.faces.size(); ++i)
    if (FcCharSetHasChar(order.faces[i]->chars, character)) return nearest_face(*order.families[i], bold, italic);
  return std::nullopt;
}

bool face_covers(const FaceLocation& location, char32_t character) {
  const auto it = families().find(lower_ascii(location.family));
  if (it == families().end()) return false;
  for (const KnownFace& face : it->second)
    if (face.location.path == location.path && face.location.index == location.index)
      return face.chars && FcCharSetHasChar(face.chars, character);
  return false;
}

std::vector<std::string> font_families() {
  std::vector<std::string> names;
  for (const auto& [key, faces] : families()) names.push_back(faces.front().location.family);
  std::sort(names.begin(), names.end());
  return names;
}

std::string font_file(const std::string& family_or_path) { return locate_face(family_or_path).path; }

}  // namespace fovea::render

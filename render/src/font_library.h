// Font library: which file and face a family name or path stands for, as fontconfig knows it.
#pragma once
#include <compare>
#include <optional>
#include <string>
#include <vector>

namespace fovea::render {

/// One face of one font file.
struct FaceLocation {
  std::string path;
  int index = 0;       ///< of the face in a collection (.ttc)
  std::string family;  ///< as fontconfig spells it; empty for a path, until the file is opened
  bool synthetic_bold = false, synthetic_italic = false;  ///< asked for, and the family has no such face: to be done to the outlines

  auto operator<=>(const FaceLocation&) const = default;
};

/// Family names are compared without regard to ASCII case; the upright face nearest to regular weight and normal width is
/// taken, or the family's own bold, italic or bold italic face. A text with '/' or ending in .ttf, .otf, .ttc, .pfb, .woff, .pcf, .bdf
/// (also .gz) is a path; "file.ttc#1" is its second face; a path's bold and italic are synthetic. "5x8" and the like, where no family is
/// called so, is the bitmap font of that name in the system's X11 folder. Names that begin with "Fovea " are the fonts that ship.
/// Thread-safe; fontconfig is read once a process. Errors: ConfigError (unknown family with near names, no such file).
FaceLocation locate_face(const std::string& family_or_path, bool bold = false, bool italic = false);

/// The file's bytes, or those of a font that ships. Errors: IoError; RenderError where it is larger than any font.
std::string read_font_file(const FaceLocation& location);

/// Faces to try, best first, for characters that `family_or_path` lacks: one upright regular face a family, all families that
/// fontconfig knows but this one. First those made for the language (BCP 47, "zh-Hant"; empty: any), of these those of the same
/// kind (fixed width, serif, sans), then those of the same maker (first word of the name), colour fonts last (first if `colour_first`:
/// for characters whose own presentation is emoji), then by name. The order depends on the installed fonts and on nothing else: not
/// on locale, configured aliases, or the order of folders. Thread-safe.
std::vector<FaceLocation> fallback_faces(const std::string& family_or_path, const std::string& language, bool colour_first = false);

/// The first of fallback_faces that has a glyph for the character, by fontconfig's lists, no file opened; its bold or italic face
/// where it is asked for. Nothing where no font has it.
std::optional<FaceLocation> fallback_face(const std::string& family_or_path, const std::string& language, char32_t character,
                                          bool bold = false, bool italic = false, bool colour_first = false);

/// Whether the face has the character, by fontconfig's lists; false for files that fontconfig does not list.
bool face_covers(const FaceLocation& face, char32_t character);

}  // namespace fovea::render

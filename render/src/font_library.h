// Font library: which file and face a family name or path stands for, as fontconfig knows it.
#pragma once
#include <string>

namespace fovea::render {

/// One face of one font file.
struct FaceLocation {
  std::string path;
  int index = 0;       ///< of the face in a collection (.ttc)
  std::string family;  ///< as fontconfig spells it; empty for a path, until the file is opened
};

/// Family names are compared without regard to ASCII case; the upright face nearest to regular weight and normal width is
/// taken. A text with '/' or ending in .ttf, .otf, .ttc, .pfb or .woff is a path; "file.ttc#1" is its second face.
/// Thread-safe; fontconfig is read once a process. Errors: ConfigError (unknown family with near names, no such file).
FaceLocation locate_face(const std::string& family_or_path);

}  // namespace fovea::render

#include "fovea/render/versions.h"

#include <cstdio>

#include <cairo.h>
#include <fontconfig/fontconfig.h>
#include <ft2build.h>
#include <hb.h>
#include <jpeglib.h>
#include <unicode/uversion.h>

#include FT_FREETYPE_H

namespace fovea::render {

Json library_versions() {
  Json out = Json::object();
  FT_Library library = nullptr;
  if (FT_Init_FreeType(&library) == 0) {
    FT_Int major = 0, minor = 0, patch = 0;
    FT_Library_Version(library, &major, &minor, &patch);
    FT_Done_FreeType(library);
    out["freetype"] = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
  out["harfbuzz"] = hb_version_string();
  const int fontconfig = FcGetVersion();
  out["fontconfig"] = std::to_string(fontconfig / 10000) + "." + std::to_string(fontconfig / 100 % 100) + "." + std::to_string(fontconfig % 100);
  out["cairo"] = cairo_version_string();
  UVersionInfo icu;
  u_getVersion(icu);
  out["icu"] = std::to_string(icu[0]) + "." + std::to_string(icu[1]);
#ifdef LIBJPEG_TURBO_VERSION
#define FOVEA_TEXT(x) #x
#define FOVEA_TEXT_OF(x) FOVEA_TEXT(x)
  out["libjpeg"] = "turbo " FOVEA_TEXT_OF(LIBJPEG_TURBO_VERSION);
#else
  out["libjpeg"] = std::to_string(JPEG_LIB_VERSION);
#endif
  return out;
}

}  // namespace fovea::render

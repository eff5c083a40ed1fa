// Versions of the libraries that a page's bytes depend on.
#pragma once
#include "fovea/base/config.h"

namespace fovea::render {

/// {freetype, harfbuzz, fontconfig, cairo, icu, libjpeg}: of the libraries that are loaded, not of the headers, where they tell.
Json library_versions();

}  // namespace fovea::render

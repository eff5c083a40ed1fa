// PAGE.map.json: the map of a page beside its picture, with everything that Page has but the pixels.
//
// Note "Map file": one JSON object. `schema` is "fovea.page_map", `schema_version` 1; a reader refuses what it does not know. Arrays of
// `chars` are columns of one table, one entry a code point; `graphemes.char_begin` are indices into them; `chars.line` is an index into
// `lines`, whose arrays are columns too. Offsets are bytes of `text`, places are px of the picture, boxes are half open. `columns` sums
// up the lines of each text column. What comes on top of what is listed in map_file.cpp is kept out: unknown keys are errors.
#pragma once
#include <string>

#include "fovea/base/config.h"
#include "fovea/render/degrade.h"
#include "fovea/render/page.h"

namespace fovea::render {

constexpr int64_t kMapSchemaVersion = 1;

/// What a map file says besides the page itself.
struct MapFileExtras {
  std::string image;         ///< name of the picture, relative to the map file; empty: none
  std::string image_sha256;  ///< of its decoded pixels, row by row; written by write_map, checked by read_map where the picture is read
  Json source = nullptr;     ///< whatever the writer wants to say about text and style
  Json degradations = nullptr;
};

Json map_to_json(const Page& page, const MapFileExtras& extras = {});
/// A page without pixels (its image has width and height, and no data). Errors: ConfigError that starts with `where` and names the key.
Page map_from_json(const Json& json, const std::string& where, MapFileExtras* extras = nullptr);

/// Steps, homography and what was hidden, for MapFileExtras::degradations.
Json to_json(const DegradeReport& report);

/// Writes stem.png and stem.map.json. Errors: IoError.
void write_page(const Page& page, const std::string& stem, const MapFileExtras& extras = {});
/// The file as it is written: one key a line.
std::string map_text(const Json& map);
/// Reads a map file, and the picture beside it if it is there and wanted. Errors: IoError, ConfigError (not JSON, not a map, of a newer
/// version, damaged; a picture of another size or with other pixels).
Page read_map(const std::string& path, bool with_picture = true, MapFileExtras* extras = nullptr);

}  // namespace fovea::render

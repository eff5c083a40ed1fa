#include "fovea/render/map_file.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"

namespace fovea::render {
namespace fs = std::filesystem;

namespace {

constexpr char kSchema[] = "fovea.page_map";

// One list of what a row of each table holds, for writing and reading alike.
template <class V> void visit(const V& v, CharBox& c) {
  v("byte_offset", c.byte_offset), v("line", c.line), v("column", c.column), v("channel", c.channel), v("right_to_left", c.right_to_left);
  v("x0_px", c.x0_px), v("y0_px", c.y0_px), v("x1_px", c.x1_px), v("y1_px", c.y1_px), v("cell_x0_px", c.cell_x0_px), v("cell_x1_px", c.cell_x1_px);
}
template <class V> void visit(const V& v, PageLine& l) {
  v("byte_begin", l.byte_begin), v("byte_end", l.byte_end), v("column", l.column), v("channel", l.channel);
  v("top_px", l.top_px), v("baseline_px", l.baseline_px), v("bottom_px", l.bottom_px), v("start_px", l.start_px), v("end_px", l.end_px);
  v("hard_break", l.hard_break), v("right_to_left", l.right_to_left), v("vertical", l.vertical);
}
template <class V> void visit(const V& v, Decoration& d) { v("x0_px", d.x0_px), v("y0_px", d.y0_px), v("x1_px", d.x1_px), v("y1_px", d.y1_px); }

template <class V> void visit(const V& v, PageReport& r) {
  v("font_family", r.font_family), v("font_size_px", r.font_size_px), v("fill_ratio", r.fill_ratio), v("num_bytes_left_out", r.num_bytes_left_out);
  v("num_missing_glyphs", r.num_missing_glyphs), v("missing_example", r.missing_example), v("num_control_chars", r.num_control_chars);
  v("fallback_families", r.fallback_families), v("num_fallback_glyphs", r.num_fallback_glyphs), v("num_clipped_glyphs", r.num_clipped_glyphs);
  v("notes", r.notes);
}

template <class Row> Json write_table(const std::vector<Row>& rows) {
  Json table = Json::object();
  const auto empty = [&](const char* name, auto&) { table[name] = Json::array(); };
  Row none;
  visit(empty, none);
  const auto write = [&](const char* name, auto& value) { table[name].push_back(int64_t(value)); };  // bools as 0 and 1
  for (const Row& row : rows) visit(write, const_cast<Row&>(row));
  return table;
}

[[noreturn]] void refuse(const std::string& where, const std::string& what) { throw ConfigError("[map] " + where + ": " + what); }

const Json& at(const Json& json, const char* key, Json::value_t type, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end()) refuse(where, std::string("'") + key + "' is missing");
  const bool integer = type == Json::value_t::number_integer && found->is_number_integer();
  if (found->type() != type && !integer) refuse(where, std::string("'") + key + "' must be " + Json(type).type_name() + ", got " + found->type_name());
  return *found;
}

int64_t integer_at(const Json& json, const char* key, int64_t least, int64_t most, const std::string& where) {
  const auto found = json.find(key);
  if (found == json.end()) refuse(where, std::string("'") + key + "' is missing");
  if (!found->is_number_integer() || *found < least || *found > most)
    refuse(where, std::string("'") + key + "' must be a whole number from " + std::to_string(least) + " to " + std::to_string(most) + ", got " + found->dump().substr(0, 40));
  return found->get<int64_t>();
}

void refuse_unknown(const Json& json, const std::vector<std::string>& known, const std::string& where) {
  for (const auto& item : json.items())
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) refuse(where, "unknown key '" + item.key() + "'");
}

template <class Row> std::vector<Row> read_table(const Json& json, const char* key, const std::string& where_file) {
  const std::string where = where_file + ": " + key;
  if (!json.contains(key)) refuse(where_file, std::string("'") + key + "' is missing");
  const Json& table = json[key];
  if (!table.is_object()) refuse(where, "must be an object of arrays");
  std::vector<std::string> names;
  const auto name_of = [&](const char* name, auto&) { names.push_back(name); };
  Row none;
  visit(name_of, none);
  refuse_unknown(table, names, where);
  size_t num_rows = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto found = table.find(names[i]);
    if (found == table.end() || !found->is_array()) refuse(where, "'" + names[i] + "' must be an array");
    if (i && found->size() != num_rows)
      refuse(where, "'" + names[i] + "' has " + std::to_string(found->size()) + " entries, '" + names[0] + "' has " + std::to_string(num_rows));
    num_rows = found->size();
  }
  std::vector<Row> rows(num_rows);
  std::map<std::string, const Json*> columns;
  size_t row = 0;
  const auto read = [&](const char* name, auto& value) {
    using T = std::decay_t<decltype(value)>;
    constexpr int64_t kLeast = std::numeric_limits<T>::min(), kMost = std::numeric_limits<T>::max();
    const Json*& column = columns[name];
    if (!column) column = &table.at(name);
    const Json& cell = (*column)[row];
    if (!cell.is_number_integer() || cell < kLeast || cell > kMost)
      refuse(where, std::string(name) + "[" + std::to_string(row) + "] must be a whole number from " + std::to_string(kLeast) + " to " + std::to_string(kMost) +
                        ", got " + cell.dump().substr(0, 40));
    value = T(cell.template get<int64_t>());
  };
  for (; row < num_rows; ++row) visit(read, rows[row]);
  return rows;
}

Json columns_of(const Page& page) {
  struct Column {
    int64_t x0 = 1 << 30, y0 = 1 << 30, x1 = -(1 << 30), y1 = -(1 << 30), first_line = 0, num_lines = 0;
  };
  std::map<std::pair<int, int>, Column> columns;  // by channel and column
  for (size_t i = 0; i < page.lines.size(); ++i) {
    const PageLine& line = page.lines[i];
    Column& column = columns[{line.channel, line.column}];
    if (column.num_lines++ == 0) column.first_line = int64_t(i);
    const int64_t along_0 = line.start_px, along_1 = line.end_px, across_0 = line.top_px, across_1 = line.bottom_px;
    column.x0 = std::min(column.x0, line.vertical ? across_0 : along_0), column.x1 = std::max(column.x1, line.vertical ? across_1 : along_1);
    column.y0 = std::min(column.y0, line.vertical ? along_0 : across_0), column.y1 = std::max(column.y1, line.vertical ? along_1 : across_1);
  }
  Json out = Json::array();
  for (const auto& [key, c] : columns)
    out.push_back({{"column", key.second}, {"channel", key.first}, {"x0_px", c.x0}, {"y0_px", c.y0}, {"x1_px", c.x1}, {"y1_px", c.y1},
                   {"first_line", c.first_line}, {"num_lines", c.num_lines}});
  return out;
}

std::string hash_of_pixels(const Image& image) {
  return sha256_hex({reinterpret_cast<const char*>(image.pixels.data()), image.pixels.size()});
}

}  // namespace

Json map_to_json(const Page& page, const MapFileExtras& extras) {
  Json report = Json::object();
  const auto write = [&](const char* name, auto& value) { report[name] = value; };
  visit(write, const_cast<PageReport&>(page.report));
  Json out = {{"schema", kSchema},
              {"schema_version", kMapSchemaVersion},
              {"image", extras.image},
              {"image_sha256", extras.image_sha256},
              {"width_px", page.image.width_px},
              {"height_px", page.image.height_px},
              {"num_channels", page.image.channels},
              {"page_index", page.page_index},
              {"byte_begin", page.byte_begin},
              {"text", page.text},
              {"report", report}};
  if (!extras.source.is_null()) out["source"] = extras.source;
  if (!extras.degradations.is_null()) out["degradations"] = extras.degradations;
  out["columns"] = columns_of(page);
  out["lines"] = write_table(page.lines);
  out["graphemes"] = {{"char_begin", page.grapheme_begin}};
  out["chars"] = write_table(page.chars);
  out["decorations"] = write_table(page.decorations);
  return out;
}

Page map_from_json(const Json& json, const std::string& where, MapFileExtras* extras) {
  if (!json.is_object() || json.value("schema", Json()) != kSchema) refuse(where, std::string("is not a page's map ('schema' must be \"") + kSchema + "\")");
  const Json version = json.value("schema_version", Json());
  if (version != kMapSchemaVersion)
    refuse(where, "schema_version must be " + std::to_string(kMapSchemaVersion) + ", got " + version.dump().substr(0, 40) + "; written by another version of Fovea");
  refuse_unknown(json, {"schema", "schema_version", "image", "image_sha256", "width_px", "height_px", "num_channels", "page_index", "byte_begin", "text", "report",
                        "source", "degradations", "columns", "lines", "graphemes", "chars", "decorations"}, where);
  constexpr int64_t kSide = 1 << 20, kAny = std::numeric_limits<int64_t>::max();
  Page page;
  page.image.width_px = int(integer_at(json, "width_px", 1, kSide, where));
  page.image.height_px = int(integer_at(json, "height_px", 1, kSide, where));
  page.image.channels = int(integer_at(json, "num_channels", 1, 3, where));
  if (page.image.channels == 2) refuse(where, "'num_channels' must be 1 or 3, got 2");
  page.page_index = integer_at(json, "page_index", 0, kAny, where);
  page.byte_begin = size_t(integer_at(json, "byte_begin", 0, kAny, where));
  page.text = at(json, "text", Json::value_t::string, where).get<std::string>();
  at(json, "columns", Json::value_t::array, where);
  if (const size_t bad = find_invalid_utf8(page.text); bad != std::string::npos) refuse(where, "'text' is not UTF-8 at byte " + std::to_string(bad));
  const Json& report = at(json, "report", Json::value_t::object, where);
  std::vector<std::string> report_names;
  const auto read = [&](const char* name, auto& value) {
    report_names.push_back(name);
    try {
      value = report.at(name).template get<std::decay_t<decltype(value)>>();
    } catch (const Json::exception&) {
      refuse(where, std::string("report: '") + name + "' is missing or of another type");
    }
  };
  visit(read, page.report);
  refuse_unknown(report, report_names, where + ": report");
  page.lines = read_table<PageLine>(json, "lines", where);
  page.chars = read_table<CharBox>(json, "chars", where);
  page.decorations = read_table<Decoration>(json, "decorations", where);
  const Json& graphemes = at(json, "graphemes", Json::value_t::object, where);
  refuse_unknown(graphemes, {"char_begin"}, where + ": graphemes");
  for (const Json& begin : at(graphemes, "char_begin", Json::value_t::array, where + ": graphemes")) {
    if (!begin.is_number_integer() || begin < 0 || begin >= int64_t(page.chars.size()) || (!page.grapheme_begin.empty() && begin <= int64_t(page.grapheme_begin.back())))
      refuse(where, "graphemes: 'char_begin' must rise within the " + std::to_string(page.chars.size()) + " characters, got " + begin.dump().substr(0, 40));
    page.grapheme_begin.push_back(begin.get<uint32_t>());
  }
  for (size_t i = 0; i < page.chars.size(); ++i) {
    const CharBox& box = page.chars[i];
    const std::string character = "chars[" + std::to_string(i) + "]";
    if (box.byte_offset >= page.text.size()) refuse(where, character + ": byte_offset " + std::to_string(box.byte_offset) + " is beyond the text of " + std::to_string(page.text.size()) + " bytes");
    if ((static_cast<unsigned char>(page.text[box.byte_offset]) & 0xC0) == 0x80) refuse(where, character + ": byte_offset " + std::to_string(box.byte_offset) + " is inside a character");
    if (box.line >= page.lines.size()) refuse(where, character + ": line " + std::to_string(box.line) + " of " + std::to_string(page.lines.size()) + " lines");
    if (box.x1_px < box.x0_px || box.y1_px < box.y0_px) refuse(where, character + ": a box ends before it begins");
    if (box.channel > 2) refuse(where, character + ": channel must be 0 to 2, got " + std::to_string(box.channel));
  }
  for (size_t i = 0; i < page.lines.size(); ++i)
    if (page.lines[i].byte_end < page.lines[i].byte_begin || page.lines[i].byte_end > page.text.size())
      refuse(where, "lines[" + std::to_string(i) + "]: bytes " + std::to_string(page.lines[i].byte_begin) + " to " + std::to_string(page.lines[i].byte_end) + " of " + std::to_string(page.text.size()));
  if (extras) {
    extras->image = at(json, "image", Json::value_t::string, where).get<std::string>();
    extras->image_sha256 = at(json, "image_sha256", Json::value_t::string, where).get<std::string>();
    extras->source = json.value("source", Json());
    extras->degradations = json.value("degradations", Json());
  }
  return page;
}

Json to_json(const DegradeReport& report) {
  return {{"steps", report.steps},
          {"degraded_from_page", report.degraded_from_page},
          {"occluded_share", report.occluded_share},
          {"num_chars_cut", report.num_chars_cut},
          {"occluded_chars", report.occluded_chars}};
}

std::string map_text(const Json& map) {
  std::string out = "{\n";
  const auto add = [&](const Json& object, const std::string& indent) {
    size_t left = object.size();
    for (const auto& item : object.items()) {
      out += indent + Json(item.key()).dump() + ": ";
      out += item.value().dump(-1, ' ', false, Json::error_handler_t::replace);
      out += --left ? ",\n" : "\n";
    }
  };
  size_t left = map.size();
  for (const auto& item : map.items()) {
    const bool table = item.value().is_object() && !item.value().empty() && item.value().begin()->is_array();
    if (table) {
      out += "  " + Json(item.key()).dump() + ": {\n";
      add(item.value(), "    ");
      out += "  }";
    } else {
      out += "  " + Json(item.key()).dump() + ": " + item.value().dump(-1, ' ', false, Json::error_handler_t::replace);
    }
    out += --left ? ",\n" : "\n";
  }
  return out + "}\n";
}

void write_page(const Page& page, const std::string& stem, const MapFileExtras& given) {
  MapFileExtras extras = given;
  extras.image = fs::path(stem).filename().string() + ".png";
  extras.image_sha256 = hash_of_pixels(page.image);
  write_png(page.image, stem + ".png");
  write_file_atomic(stem + ".map.json", map_text(map_to_json(page, extras)));
}

Page read_map(const std::string& path, bool with_picture, MapFileExtras* given) {
  const Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) refuse(path, "is not JSON");
  MapFileExtras extras;
  Page page = map_from_json(json, path, &extras);
  if (with_picture && !extras.image.empty()) {
    if (fs::path(extras.image).filename() != extras.image) refuse(path, "'image' must be a name in the map's own folder, got '" + extras.image + "'");
    const std::string picture = (fs::path(path).parent_path() / extras.image).string();
    std::error_code ec;
    if (fs::exists(picture, ec)) {
      Image image = read_png(picture);
      if (image.width_px != page.image.width_px || image.height_px != page.image.height_px || image.channels != page.image.channels)
        refuse(path, "is of a picture of " + std::to_string(page.image.width_px) + " x " + std::to_string(page.image.height_px) + " px and " +
                         std::to_string(page.image.channels) + " channels, " + picture + " has " + std::to_string(image.width_px) + " x " +
                         std::to_string(image.height_px) + " px and " + std::to_string(image.channels));
      if (!extras.image_sha256.empty() && hash_of_pixels(image) != extras.image_sha256) refuse(path, picture + " has other pixels than the map was made for");
      page.image = std::move(image);
    }
  }
  if (given) *given = extras;
  return page;
}

}  // namespace fovea::render

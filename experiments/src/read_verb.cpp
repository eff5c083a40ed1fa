#include "fovea/experiments/read_verb.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/image/crop.h"
#include "fovea/image/read.h"
#include "fovea/text/grounded.h"
#include "read_page.h"

namespace fovea::experiments {
namespace {
namespace fs = std::filesystem;

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return char(std::tolower(c)); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".webp" || ending == ".tif" || ending == ".tiff";
}

// Folders stand for the pictures in them, by name.
std::vector<std::string> all_files(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const auto& name : given) {
    std::error_code ec;
    if (!fs::is_directory(name, ec)) {
      out.push_back(name);
      continue;
    }
    std::vector<std::string> inside;
    for (const auto& entry : fs::directory_iterator(name, ec))
      if (entry.is_regular_file() && is_picture(entry.path())) inside.push_back(entry.path().string());
    std::sort(inside.begin(), inside.end());
    if (inside.empty()) throw ConfigError("[read] folder " + name + " has no PNG, JPEG, WebP or TIFF");
    out.insert(out.end(), inside.begin(), inside.end());
  }
  if (out.empty()) throw ConfigError("[read] files must name at least one image or folder");
  return out;
}

// One name a page, told apart by a number where two files bear the same.
std::vector<std::string> page_names(const std::vector<std::string>& files) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const auto& file : files) {
    const std::string stem = fs::path(file).stem().string();
    std::string name = stem;
    for (int i = 2; !taken.insert(name).second; ++i) name = stem + "-" + std::to_string(i);
    names.push_back(name);
  }
  return names;
}

// A picture too thin for the mode is this page's fault alone.
PageReading read_one(model::Reader& reader, const Image& picture, const ReadConfig& config, const std::string& file) {
  try {
    return read_page(reader, picture, config);
  } catch (const UnfitPicture& error) {
    throw IoError("[read] " + file + ": " + error.what());
  }
}

// Markdown of grounded output, its figures beside it as NAME_images/K.png.
std::string markdown_of(const std::string& output, const Image& picture, const std::string& out, const std::string& name) {
  const auto parsed = text::parse_grounded(output);
  size_t number = 0;
  for (const auto& item : parsed.items)
    for (size_t i = 0; item.label == "image" && i < item.boxes.size(); ++i, ++number) {
      const auto box = text::to_pixels(item.boxes[i], picture.width_px, picture.height_px);
      if (box.empty()) continue;
      const std::string folder = out + "/" + name + "_images";
      make_writable_folder(folder);
      write_png(image::crop(picture, box.x0_px, box.y0_px, box.x1_px, box.y1_px), folder + "/" + std::to_string(number) + ".png");
    }
  return text::grounded_markdown(parsed, [&](size_t k) { return name + "_images/" + std::to_string(k) + ".png"; });
}

}  // namespace

ReadSummary run_read(const ReadConfig& config, const std::function<void(size_t, size_t, const Json&)>& on_page, const std::function<bool()>& should_stop) {
  validate_fields(config, "read");
  const auto files = all_files(config.files);
  const auto names = page_names(files);
  make_writable_folder(config.out);
  auto reader = model::Reader::load(config.model, {config.device, config.dtype});
  check_read(reader.config(), config);
  Json identity = config_to_json(config);
  for (const char* key : {"files", "out", "device"}) identity.erase(key);
  identity["model"] = hash_of_model(config.model, reader.config().tokenizer);

  ReadSummary summary;
  for (size_t i = 0; i < files.size(); ++i) {
    if (should_stop && should_stop()) {
      summary.stopped = true;
      break;
    }
    const std::string text_file = config.out + "/" + names[i] + ".md", json_file = config.out + "/" + names[i] + ".json";
    Json page = {{"file", files[i]}};
    try {
      const std::string bytes = read_file(files[i]);
      Json made_from = identity;
      made_from["image_sha256"] = sha256_hex(bytes);
      if (fs::exists(json_file) && fs::exists(text_file)) {
        const Json before = Json::parse(read_file(json_file), nullptr, /*allow_exceptions=*/false);
        if (before.is_object() && before.value("made_from", Json()) == made_from) page = before;
      }
      if (!page.contains("made_from")) {
        const Image picture = image::decode(bytes, files[i], {.max_pixels = config.max_pixels});
        auto reading = read_one(reader, picture, config, files[i]);
        page["text_file"] = text_file;
        for (auto& [key, value] : reading.facts.items()) page[key] = value;
        page["made_from"] = made_from;
        std::string text = reading.text;
        if (reader.config().sequence == "begin-vision-prompt") {
          page["output"] = reading.text;
          text = markdown_of(reading.text, picture, config.out, names[i]);
        }
        write_file_atomic(text_file, text + "\n");
        write_file_atomic(json_file, page.dump(2) + "\n");  // last: it says that the text is whole
      }
    } catch (const IoError& error) {
      if (files.size() == 1) throw;
      page["error"] = error.what();
      ++summary.num_failed;
    }
    if (on_page) on_page(i + 1, files.size(), page);
    summary.pages.push_back(std::move(page));
  }
  return summary;
}

}  // namespace fovea::experiments

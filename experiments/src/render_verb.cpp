#include "fovea/experiments/render_verb.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/parallel.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/sweep.h"
#include "fovea/render/contact_sheet.h"
#include "fovea/render/map_file.h"
#include "fovea/render/renderer.h"
#include "fovea/render/style_file.h"
#include "fovea/render/vector.h"
#include "fovea/render/versions.h"
#include "fovea/text/tokenizer.h"

namespace fovea::experiments {
namespace fs = std::filesystem;

namespace {

struct Stop {};

// A source as it is drawn: without byte order mark, lines ended by '\n'.
struct Source {
  std::string path, stem, text, sha256;
  bool is_markdown = false;
  std::vector<size_t> token_end;
};

std::string read_source(const std::string& path) {
  std::string bytes = read_file(path);
  if (const size_t bad = find_invalid_utf8(bytes); bad != std::string::npos) {
    char byte[8];
    std::snprintf(byte, sizeof byte, "0x%02X", static_cast<unsigned char>(bytes[bad]));
    throw ConfigError("[render] " + path + " is not UTF-8: byte " + byte + " at position " + std::to_string(bad));
  }
  std::string_view text = bytes;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  if (out.empty()) throw ConfigError("[render] " + path + " is empty");
  return out;
}

std::vector<Source> read_sources(const RenderConfig& config) {
  if (config.text.empty()) throw ConfigError("[render] text must name at least one file");
  std::vector<Source> out;
  std::map<std::string, int> used;
  for (const auto& path : config.text) {
    Source source;
    source.path = path;
    source.text = read_source(path);
    source.sha256 = sha256_hex(source.text);
    const fs::path name(path);
    source.is_markdown = name.extension() == ".md" || name.extension() == ".markdown";
    source.stem = name.stem().string();
    const int count = ++used[source.stem];
    if (count > 1) source.stem += "-" + std::to_string(count);
    out.push_back(std::move(source));
  }
  return out;
}

// Hashes of font files, each file read once.
class FontHashes {
 public:
  const std::string& of(const std::string& family_or_path) {
    const std::string file = render::font_file(family_or_path);
    auto found = hashes_.find(file);
    if (found == hashes_.end()) {
      const size_t face = file.rfind('#');
      std::error_code ec;
      const std::string path = face != std::string::npos && !fs::exists(file, ec) ? file.substr(0, face) : file;
      found = hashes_.emplace(file, sha256_hex_of_file(path)).first;
    }
    used_[family_or_path] = file;
    return found->second;
  }
  Json to_json() const {
    Json out = Json::array();
    for (const auto& [name, file] : used_) out.push_back({{"font", name}, {"file", file}, {"sha256", hashes_.at(file)}});
    return out;
  }

 private:
  std::map<std::string, std::string> hashes_, used_;
};

struct Item {
  const SweepCell* cell = nullptr;
  const Source* source = nullptr;
  render::StyleSheet sheet;
  std::string folder, key;
};

// results.jsonl with its lock: what is done, and what is added.
class Results {
 public:
  explicit Results(const std::string& folder) : path_(folder + "/results.jsonl") {
    fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) throw IoError("[render] cannot write " + path_ + ": " + std::strerror(errno));
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(fd_);
      throw ConfigError("[render] another process writes into out=" + folder + "; wait for it or name another folder");
    }
    const std::string text = read_file(path_);
    size_t good = 0;
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
      Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
      if (!line.is_object() || !line.contains("key")) break;
      good = end + 1;
      if (!line.contains("error")) lines_[line["key"].get<std::string>()] = line;
    }
    if (good != text.size() && ::ftruncate(fd_, off_t(good)) != 0) {  // what a killed run left of a line
      const std::string reason = std::strerror(errno);
      ::close(fd_);
      throw IoError("[render] cannot cut " + path_ + ": " + reason);
    }
    ::lseek(fd_, 0, SEEK_END);
  }
  ~Results() { ::close(fd_); }
  Results(const Results&) = delete;
  Results& operator=(const Results&) = delete;

  /// The line of a key, if there is one.
  const Json* find(const std::string& key) const {
    const auto found = lines_.find(key);
    return found == lines_.end() ? nullptr : &found->second;
  }
  void append(const Json& line) {
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    for (size_t done = 0; done < text.size();) {
      const ssize_t count = ::write(fd_, text.data() + done, text.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw IoError("[render] cannot write " + path_ + ": " + std::strerror(errno));
      done += size_t(count);
    }
    lines_[line["key"].get<std::string>()] = line;
  }

 private:
  std::string path_;
  int fd_ = -1;
  std::map<std::string, Json> lines_;
};

std::string padded(int64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "%04lld", static_cast<long long>(number));
  return text;
}

class Job {
 public:
  Job(const RenderConfig& config, const RenderCallbacks& callbacks) : config_(config), callbacks_(callbacks) {}

  RenderSummary run() {
    validate_fields(config_, "render");
    prepare();
    make_writable_folder(config_.out);
    results_ = std::make_unique<Results>(config_.out);
    RenderSummary summary;
    std::vector<const Item*> open;
    for (const Item& item : items_) {
      if (is_done(item))
        ++summary.num_skipped;
      else
        open.push_back(&item);
    }
    write_manifest("running");
    size_t done = summary.num_skipped;
    if (callbacks_.on_progress) callbacks_.on_progress(done, items_.size());
    const int num_threads = config_.num_threads ? int(config_.num_threads) : int(std::max(1u, std::thread::hardware_concurrency()));
    std::string first_error;
    size_t num_errors = 0;
    try {
      parallel_for(open.size(), num_threads, [&](size_t i) {
        Json line;
        try {
          line = draw(*open[i]);
        } catch (const RenderError& e) {
          if (axes_.empty()) throw;
          line = {{"key", open[i]->key}, {"cell", open[i]->cell->label()}, {"text", open[i]->source->path}, {"error", e.what()}};
        }
        std::lock_guard<std::mutex> lock(mutex_);
        results_->append(line);
        if (line.contains("error")) {
          if (num_errors++ == 0) first_error = line["cell"].get<std::string>() + ": " + line["error"].get<std::string>();
        } else {
          ++summary.num_done;
        }
        if (callbacks_.on_result) callbacks_.on_result(line);
        if (callbacks_.on_progress) callbacks_.on_progress(++done, items_.size());
      });
    } catch (const Stop&) {
      summary.stopped = true;
    } catch (...) {
      write_manifest("failed");
      throw;
    }
    summary.results = Json::array();
    for (const Item& item : items_)
      if (const Json* line = results_->find(item.key)) {
        summary.results.push_back(*line);
        summary.num_pages += line->value("num_pages", size_t(0));
      }
    if (!summary.stopped && config_.contact_sheet) summary.files = draw_contact_sheets();
    write_manifest(summary.stopped ? "stopped" : num_errors ? "failed" : "complete");
    summary.files.push_back(config_.out + "/manifest.json");
    if (num_errors)
      throw RenderError("[render] " + std::to_string(num_errors) + " of " + std::to_string(items_.size()) + " cells could not be drawn (the others were), first " + first_error);
    return summary;
  }

 private:
  void prepare() {
    render::StyleSheet sheet = render::load_style(config_.style);
    std::vector<std::string> set;
    for (const auto& text : config_.set) {
      const auto axis = parse_sweep({text});  // the same short names
      set.push_back(axis[0].key + "=" + text.substr(text.find('=') + 1));
    }
    apply_overrides(sheet, set, "render set");
    if (config_.strict) sheet.style.strict = true;
    axes_ = parse_sweep(config_.sweep);
    cells_ = sweep_cells(sheet, axes_);
    sources_ = read_sources(config_);
    const auto names = [](const std::string& text) { return text.rfind("markup=", 0) == 0; };
    const bool markup_is_given = std::any_of(config_.set.begin(), config_.set.end(), names) || std::any_of(config_.sweep.begin(), config_.sweep.end(), names);
    std::set<std::string> keys;
    for (const SweepCell& cell : cells_)
      for (Source& source : sources_) {
        Item item;
        item.cell = &cell, item.source = &source, item.sheet = cell.sheet, item.folder = cell.folder();
        if (source.is_markdown && !markup_is_given) item.sheet.style.markup = "markdown";
        if (config_.pdf || config_.svg) item.sheet.style.keep_draw_list = true;
        render::validate(item.sheet.style);
        validate_fields(item.sheet.fit, "fit");
        validate_fields(item.sheet.degrade, "degrade");
        Json fonts = {font_hashes_.of(item.sheet.style.font)};
        for (const auto& font : item.sheet.style.fallback_fonts) fonts.push_back(font_hashes_.of(font));
        if (item.sheet.fit.size == "tokens" && source.token_end.empty()) count_tokens(source);
        const Json identity = {{"style", config_to_json(item.sheet)}, {"text", source.sha256},   {"stem", source.stem},          {"folder", item.folder},
                               {"fonts", fonts},                      {"map", config_.map},      {"pdf", config_.pdf},           {"svg", config_.svg},
                               {"max_pages", config_.max_pages},      {"fovea", FOVEA_VERSION}, {"versions", render::library_versions()}};
        std::string token_ends;
        if (item.sheet.fit.size == "tokens")
          for (size_t end : source.token_end) token_ends += std::to_string(end) + " ";
        item.key = sha256_hex(identity.dump() + token_ends).substr(0, 16);
        if (keys.insert(item.key).second) items_.push_back(std::move(item));  // the same value twice is one cell
      }
  }

  void count_tokens(Source& source) {
    if (config_.tokenizer.empty()) throw ConfigError("[render] fit.size = \"tokens\" needs tokenizer=FILE, a tokenizer.json");
    const auto tokenizer = text::Tokenizer::from_file(config_.tokenizer);
    for (const auto end : tokenizer.encode_with_offsets(source.text, /*match_added_tokens=*/false).byte_ends) source.token_end.push_back(size_t(end));
  }

  bool is_done(const Item& item) const {
    const Json* line = results_->find(item.key);
    if (!line) return false;
    for (const Json& file : line->value("files", Json::array())) {
      std::error_code ec;
      if (!file.is_string() || !fs::exists(config_.out + "/" + file.get<std::string>(), ec)) return false;
    }
    return true;
  }

  // Draws one text in one cell; what results.jsonl says about it.
  Json draw(const Item& item) {
    if (callbacks_.should_stop && callbacks_.should_stop()) throw Stop{};
    const Source& source = *item.source;
    size_t text_bytes = 0;
    const render::Style style = render::fitted_style(renderer_, source.text, item.sheet, source.token_end, text_bytes);
    const std::string_view text = std::string_view(source.text).substr(0, text_bytes);
    const std::string inside = item.folder.empty() ? "" : item.folder + "/";
    if (!inside.empty()) {
      std::error_code ec;
      fs::create_directories(config_.out + "/" + item.folder, ec);
      if (ec) throw IoError("[render] cannot create " + config_.out + "/" + item.folder + ": " + ec.message());
    }
    const bool many = style.overflow == "continue" && item.sheet.fit.size == "given";
    Json files = Json::array(), notes = Json::array(), fallback = Json::array();
    size_t num_pages = 0, num_chars = 0, num_missing = 0, num_clipped = 0, num_cut = 0, num_occluded = 0, bytes_on_pages = 0;
    std::string missing_example, font_family;
    double font_size_px = 0, fill_ratio = 0;
    std::unique_ptr<render::PdfWriter> pdf;
    if (config_.pdf) pdf = std::make_unique<render::PdfWriter>(config_.out + "/" + inside + source.stem + ".pdf");
    const auto add_new = [](Json& list, const std::vector<std::string>& texts) {
      for (const auto& one : texts)
        if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
    };
    const auto take = [&](render::Page&& page) {
      if (callbacks_.should_stop && callbacks_.should_stop()) throw Stop{};
      const std::string name = inside + source.stem + (many ? "-" + padded(int64_t(num_pages) + 1) : "");
      const std::string stem = config_.out + "/" + name;
      if (pdf) pdf->add(page);
      if (config_.svg) {
        write_file_atomic(stem + ".svg", render::to_svg(page));
        files.push_back(name + ".svg");
      }
      render::MapFileExtras extras;
      extras.source = {{"file", fs::path(source.path).filename().string()}, {"sha256", source.sha256}, {"style", config_.style}, {"cell", item.cell->label()}};
      if (render::degrades(item.sheet.degrade)) {
        const auto report = render::degrade(page, item.sheet.degrade, mix64(std::stoull(source.sha256.substr(0, 16), nullptr, 16)) + num_pages);
        num_cut += report.num_chars_cut;
        num_occluded += report.occluded_chars.size();
        extras.degradations = render::to_json(report);
      }
      if (config_.map) {
        render::write_page(page, stem, extras);
        files.push_back(name + ".map.json");
      } else {
        write_png(page.image, stem + ".png");
      }
      files.push_back(name + ".png");
      const render::PageReport& report = page.report;
      if (num_pages++ == 0) font_family = report.font_family, font_size_px = report.font_size_px, fill_ratio = report.fill_ratio;
      num_chars += page.chars.size();
      num_missing += report.num_missing_glyphs;
      num_clipped += report.num_clipped_glyphs;
      if (missing_example.empty()) missing_example = report.missing_example;
      bytes_on_pages += page.text.size();
      add_new(notes, report.notes);
      add_new(fallback, report.fallback_families);
      return config_.max_pages == 0 || num_pages < size_t(config_.max_pages);
    };
    if (many)
      renderer_.render_pages(text, style, take);
    else
      take(renderer_.render(text, style));
    if (pdf) {
      pdf->finish();
      files.push_back(inside + source.stem + ".pdf");
    }
    Json values = Json::object();
    for (const auto& [key, value] : item.cell->values) values[key] = value;
    return {{"key", item.key},
            {"cell", item.cell->label()},
            {"values", values},
            {"text", source.path},
            {"text_sha256", source.sha256},
            {"num_pages", num_pages},
            {"files", files},
            {"font_family", font_family},
            {"font_size_px", font_size_px},
            {"fallback_families", fallback},
            {"num_chars", num_chars},
            {"num_bytes_left_out", source.text.size() - bytes_on_pages},
            {"num_missing_glyphs", num_missing},
            {"missing_example", missing_example},
            {"num_clipped_glyphs", num_clipped},
            {"num_chars_cut_by_degradation", num_cut},
            {"num_chars_occluded", num_occluded},
            {"fill_ratio", std::round(fill_ratio * 1e6) / 1e6},
            {"notes", notes}};
  }

  std::vector<std::string> draw_contact_sheets() {
    std::vector<std::string> out;
    const auto picture = [&](const Json& line, size_t n, render::ContactCell& cell) {
      size_t seen = 0;
      for (const Json& file : line.value("files", Json::array())) {
        const std::string name = file.get<std::string>();
        if (name.size() < 4 || name.compare(name.size() - 4, 4, ".png") != 0 || seen++ != n) continue;
        cell.image = read_png(config_.out + "/" + name);
        if (axes_.empty()) cell.label = fs::path(name).stem().string();
        return true;
      }
      return false;
    };
    const auto write = [&](const std::vector<render::ContactCell>& cells, int columns, const std::string& title, const std::string& name) {
      const std::string path = config_.out + "/" + name;
      write_png(render::contact_sheet(cells, columns, int(config_.cell_px), title, renderer_), path);
      out.push_back(path);
    };
    if (axes_.empty()) {
      constexpr size_t kMostPages = 64;
      std::vector<render::ContactCell> cells;
      size_t num_pages = 0;
      for (const Item& item : items_)
        if (const Json* line = results_->find(item.key))
          for (size_t n = 0; n < line->value("num_pages", size_t(0)); ++n) {
            ++num_pages;
            render::ContactCell cell;
            if (cells.size() < kMostPages && picture(*line, n, cell)) cells.push_back(std::move(cell));
          }
      const std::string title = "style " + config_.style + (cells.size() < num_pages ? ": first " + std::to_string(cells.size()) + " of " + std::to_string(num_pages) + " pages" : "");
      write(cells, std::max(1, int(std::ceil(std::sqrt(double(cells.size()))))), title, "contact-sheet.png");
      return out;
    }
    for (const Source& source : sources_) {
      std::vector<render::ContactCell> cells;
      for (const Item& item : items_) {
        if (item.source != &source) continue;
        render::ContactCell cell;
        for (const auto& [key, value] : item.cell->values) cell.label += (cell.label.empty() ? "" : "\n") + key + "=" + value;
        const Json* line = results_->find(item.key);
        if (!line || line->contains("error") || !picture(*line, 0, cell)) cell.label += "\n(not drawn)";
        cells.push_back(std::move(cell));
      }
      int columns = int(axes_.back().values.size());
      if (axes_.size() == 1) columns = int(std::ceil(std::sqrt(double(cells.size()))));
      write(cells, columns, source.stem + ", style " + config_.style, sources_.size() == 1 ? "contact-sheet.png" : "contact-sheet." + source.stem + ".png");
    }
    return out;
  }

  void write_manifest(const std::string& status) {
    Json texts = Json::array(), cells = Json::array();
    for (const Source& source : sources_) texts.push_back({{"file", source.path}, {"sha256", source.sha256}, {"num_bytes", source.text.size()}});
    for (const Item& item : items_) {
      Json values = Json::object();
      for (const auto& [key, value] : item.cell->values) values[key] = value;
      cells.push_back({{"key", item.key}, {"text", item.source->path}, {"folder", item.folder}, {"values", values}});
    }
    const render::StyleSheet base = render::load_style(config_.style);
    Json versions = {{"fovea", FOVEA_VERSION}};
    versions.update(render::library_versions());
    const Json manifest = {{"schema", "fovea.render_manifest"},
                           {"schema_version", 1},
                           {"status", status},
                           {"command", callbacks_.command},
                           {"git_revision", callbacks_.git_revision},
                           {"versions", versions},
                           {"config", config_to_json(config_)},
                           {"style_file", config_to_json(base)},
                           {"style", config_to_json(items_.front().sheet)},  // of the first cell, with what was set
                           {"texts", texts},
                           {"fonts", font_hashes_.to_json()},
                           {"cells", cells}};
    write_file_atomic(config_.out + "/manifest.json", manifest.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }

  const RenderConfig& config_;
  const RenderCallbacks& callbacks_;
  render::Renderer renderer_;
  FontHashes font_hashes_;
  std::vector<SweepAxis> axes_;
  std::vector<SweepCell> cells_;
  std::vector<Source> sources_;
  std::vector<Item> items_;
  std::unique_ptr<Results> results_;
  std::mutex mutex_;
};

}  // namespace

RenderSummary run_render(const RenderConfig& config, const RenderCallbacks& callbacks) { return Job(config, callbacks).run(); }

}  // namespace fovea::experiments

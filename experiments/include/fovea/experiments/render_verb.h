// `render` as a verb: texts and a style in, a folder of pages out, over a grid of styles if asked.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fovea/base/config.h"

namespace fovea::experiments {

struct RenderConfig {
  std::vector<std::string> text;     ///< UTF-8 files; .md files are Markdown unless the style says otherwise
  std::string style = "plain";       ///< a style that ships, or a TOML file
  std::vector<std::string> set;      ///< fields set over the style
  std::vector<std::string> sweep;    ///< fields and their values: a grid of styles
  std::string out = "runs/render";
  bool map = false;                  ///< PAGE.map.json beside each picture
  bool pdf = false, svg = false;     ///< the same pages as vector files
  bool contact_sheet = false;        ///< one picture of the first pages of all cells
  int64_t cell_px = 360;             ///< longest side of a page on it
  bool strict = false;               ///< a missing glyph is an error
  int64_t max_pages = 0;             ///< a text; 0: all
  std::string tokenizer;             ///< tokenizer.json, for fit.size = "tokens"
  int64_t num_threads = 0;           ///< 0: one a core

  template <class V> void visit_fields(V& v) {
    v.field("text", text, "UTF-8 text files; .md files are Markdown");
    v.field("style", style, "name of a style that ships, or a TOML file");
    v.field("set", set, "key=value: fields of the style, over the file's");
    v.field("sweep", sweep, "key=a,b or key=first:last:step: draw every combination");
    v.field("out", out, "folder for pages, results and manifest");
    v.field("map", map, "write PAGE.map.json beside each picture");
    v.field("pdf", pdf, "write the pages of each text as PDF too");
    v.field("svg", svg, "write each page as SVG too");
    v.field("contact_sheet", contact_sheet, "write contact-sheet.png: the first page of every cell of the sweep");
    v.field("cell_px", cell_px, "longest side of a page on the contact sheet", {.min = 16, .max = 4096});
    v.field("strict", strict, "refuse text with glyphs that the fonts lack");
    v.field("max_pages", max_pages, "at most this many pages a text; 0: all", {.min = 0});
    v.field("tokenizer", tokenizer, "tokenizer.json, where the style counts text tokens");
    v.field("num_threads", num_threads, "threads; 0: one a core", {.min = 0, .max = 1024});
  }
};

struct RenderCallbacks {
  std::function<void(size_t done, size_t total)> on_progress;  ///< cells times texts
  std::function<void(const Json& line)> on_result;             ///< a line of results.jsonl, from any thread but one at a time
  std::function<bool()> should_stop;
  std::vector<std::string> command;
  std::string git_revision;
};

struct RenderSummary {
  bool stopped = false;
  size_t num_done = 0, num_skipped = 0;  ///< cells times texts drawn, and found there already
  size_t num_pages = 0;                  ///< of all that are there now
  std::vector<std::string> files;        ///< manifest and contact sheets
  Json results;                          ///< lines of results.jsonl of this grid, in its order
};

/// Draws every text in every cell into config.out:
///   [CELL/]TEXT.png, or TEXT-0001.png ... where text goes on over pages; .map.json, .svg beside, TEXT.pdf
///   results.jsonl  a line a cell and text: key, files, what the pages' reports say
///   manifest.json  config, styles as resolved, hashes of texts and fonts, versions
/// A key is a hash over style, text, the style's fonts and versions: what is there with the same key is not drawn again, so a killed run goes
/// on, and a larger grid adds to a smaller one. PDF and SVG show the pages without degradations.
/// Errors   ConfigError, IoError: options, texts and fonts are checked before anything is written. RenderError (a text that does not fit,
///          strict): at once, but in a sweep after all other cells were drawn, their lines saying "error".
RenderSummary run_render(const RenderConfig& config, const RenderCallbacks& callbacks = {});

}  // namespace fovea::experiments

// OmniDocBench: end-to-end scores of Markdown predictions against its annotation file.
#pragma once
#include <string>

#include "fovea/base/config.h"

namespace fovea::metrics {

struct OmniDocBenchConfig {
  std::string ground_truth;
  std::string predictions;
  std::string out;
  std::string version = "1.5";
  std::string match = "quick_match";
  std::vector<std::string> filter;
  std::string missing = "official";
  std::string duplicates = "refuse";
  bool save_matches = false;
  int64_t threads = 0;

  template <class V> void visit_fields(V& v) {
    v.field("ground_truth", ground_truth, "OmniDocBench.json: a list of annotated pages");
    v.field("predictions", predictions, "folder of Markdown files, one a page: NAME.md, NAME without .pdf + .mmd or .md, or IMAGE.md");
    v.field("out", out, "metrics file to write (JSON)");
    v.field("version", version, "rules of the official program: 1.0 (commit 337cc26) or 1.5 (0f22218); 1.6's matching is not built", {.choices = {"1.0", "1.5", "1.6"}});
    v.field("match", match, "how pieces of a prediction find their blocks; simple_match upstream runs in version 1.0 only", {.choices = {"quick_match", "simple_match"}});
    v.field("filter", filter, "page attributes that must hold, as name:value");
    v.field("missing", missing, "pages without a prediction: official leaves them out (as 1.0 and 1.5 do), empty scores them as empty, refuse stops",
            {.choices = {"official", "empty", "refuse"}});
    v.field("duplicates", duplicates, "pages named twice in the annotation: refuse, or count each", {.choices = {"refuse", "count"}});
    v.field("save_matches", save_matches, "put every scored pair into the metrics file, as the official match lists do");
    v.field("threads", threads, "threads; 0: all", {.min = 0, .max = 1024});
  }
};

/// The official result's structure: {text_block, display_formula, table, reading_order} each {all, group, page}, and beside it
/// schema, version, match, pages (edit distance of every page and element, TEDS of every table), overall, warnings, matches (if asked).
/// Quirks of the official program that make its published numbers are kept and listed under `quirks` by name.
/// CDM needs TeX, Ghostscript, ImageMagick and the official tokeniser: it is null here, and so is the overall score of 1.5 that holds it.
/// Written to config.out if that is set. Errors: ConfigError with page and key, IoError, UnsupportedError (version 1.6, LaTeX tables of 1.0).
Json score_omnidocbench(const OmniDocBenchConfig& config);

}  // namespace fovea::metrics

// OmniDocBench: end-to-end scores of Markdown predictions against its annotation file.
#pragma once
#include <string>
#include <vector>

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
  std::vector<std::string> quirks = {"official"};
  bool word_metrics = true;
  bool save_matches = false;
  int64_t threads = 0;

  template <class V> void visit_fields(V& v) {
    v.field("ground_truth", ground_truth, "OmniDocBench.json: a list of annotated pages");
    v.field("predictions", predictions, "folder of Markdown files, one a page: NAME.md, NAME without .pdf + .mmd or .md, or IMAGE.md");
    v.field("out", out, "metrics file to write (JSON)");
    v.field("version", version, "rules of the official program: 1.0 (commit 337cc26), 1.5 (0f22218) or 1.6 (9dc1dec)", {.choices = {"1.0", "1.5", "1.6"}});
    v.field("match", match, "how pieces of a prediction find their blocks; simple_match upstream runs in version 1.0 only", {.choices = {"quick_match", "simple_match"}});
    v.field("filter", filter, "page attributes that must hold, as name:value");
    v.field("missing", missing, "pages without a prediction: official leaves them out in 1.0 and 1.5 and scores them as empty in 1.6, empty scores them as empty, skip leaves them out, refuse stops",
            {.choices = {"official", "empty", "skip", "refuse"}});
    v.field("duplicates", duplicates, "pages named twice in the annotation: refuse, or count each", {.choices = {"refuse", "count"}});
    v.field("quirks", quirks, "which faults of the official program to keep: official (all that the version has), none, or names of them");
    v.field("word_metrics", word_metrics, "BLEU and METEOR of the text blocks too; the official configuration has them off");
    v.field("save_matches", save_matches, "put every scored pair into the metrics file, as the official match lists do");
    v.field("threads", threads, "threads; 0: all", {.min = 0, .max = 1024});
  }
};

/// The official result's structure: {text_block, display_formula, table, reading_order} each {all, group, page}, and beside it
/// schema, version, match, pages (edit distance of every page and element, TEDS of every table), overall, warnings, matches (if asked).
/// Quirks of the official program that make its published numbers are kept unless config.quirks says otherwise, and those kept are listed under `quirks`.
/// CDM renders formulas and is not computed here: it is null, and so is the overall score of 1.5 and 1.6 that holds it (the Python package has it).
/// Written to config.out if that is set. Errors: ConfigError with page and key, IoError.
Json score_omnidocbench(const OmniDocBenchConfig& config);

/// A fault of the official program, the versions that have it, and what it does.
struct OmniDocQuirk {
  const char* name;
  std::vector<std::string> versions;
  const char* what;
};
const std::vector<OmniDocQuirk>& omnidoc_quirks();

}  // namespace fovea::metrics

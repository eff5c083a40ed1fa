// The compression curve: text in, pages of a given ratio of text tokens to vision tokens, read back and scored.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/decoder/generate.h"
#include "fovea/experiments/curve_style.h"
#include "fovea/experiments/page_plan.h"

namespace fovea::experiments {

struct CurveConfig {
  std::vector<std::string> text;                ///< UTF-8 files; page i takes its passage from file i modulo their number
  std::vector<int64_t> budget = {64, 100};      ///< vision tokens a page: squares, the grid's side times the encoder's stride is the page's
  std::vector<double> ratio = {2.5, 5, 7.5, 10, 12.5, 15, 20, 25};  ///< text tokens (DeepSeek's tokenizer) / vision tokens
  int64_t pages = 8;                            ///< of each budget, ratio and font
  std::vector<std::string> font = {"DejaVu Sans Mono"};
  std::string model = "models/reader-tiny";     ///< folder
  int64_t seed = 0;                             ///< chooses the passages
  std::string device = "cpu";
  std::string dtype = "auto";
  std::string out = "runs/curve";
  std::string text_kind = "prose";
  std::string channels = "gray";                ///< gray | three-texts: a page's text in three parts, each in a colour channel of its own
  std::string token_form = "keep";              ///< vision tokens are stored so before they are decoded: keep | float16 | int8 | int4 | binary (vision_token_ops.h's quantize)
  int64_t batch = 16;                           ///< pages decoded together
  std::string tokenizer;                        ///< DeepSeek's tokenizer.json; empty: environment FOVEA_DEEPSEEK_TOKENIZER
  int64_t num_threads = 0;                      ///< 0 all cores
  CurveStyle style;
  decoder::GenerateConfig generate;

  template <class V> void visit_fields(V& v) {
    v.field("text", text, "UTF-8 text files; page i takes its passage from file i modulo their number");
    v.field("budget", budget, "vision tokens a page, squares such as 64,100,256", {.min = 1});
    v.field("ratio", ratio, "text tokens / vision tokens", {.min = 0.01, .max = 1000});
    v.field("pages", pages, "pages of each budget, ratio and font", {.min = 1, .max = 1000000});
    v.field("font", font, "font families or font files");
    v.field("model", model, "model folder");
    v.field("seed", seed, "chooses the passages", {.min = 0});
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("out", out, "run folder; an unfinished run of the same options in it is gone on from");
    v.field("channels", channels, "one text in gray, or three parts in three colour channels, for readers trained so", {.choices = {"gray", "three-texts"}});
    v.field("token_form", token_form, "how vision tokens are stored before they are decoded", {.choices = {"keep", "float32", "float16", "int8", "int4", "binary"}});
    v.field("text_kind", text_kind, "what pages are filled with",
            {.choices = datasets::text_kind_names()});
    v.field("batch", batch, "pages decoded together", {.min = 1, .max = 4096});
    v.field("tokenizer", tokenizer, "DeepSeek's tokenizer.json, which text tokens are counted with");
    v.field("num_threads", num_threads, "CPU threads, 0 all cores", {.min = 0, .max = 4096});
    v.field("style", style, "layout of the pages");
    v.field("generate", generate, "how text is generated");
  }
};

struct CurveProgress {
  size_t pages_done = 0, pages_total = 0;  ///< pages of an earlier start count as done
  double share_done = 0;                   ///< of the work, by text length; moves within a page, too
  double seconds_left = -1;                ///< negative while unknown
};

struct CurveCallbacks {
  std::function<void(const CurveProgress&)> on_progress = {};  ///< after each page, and some times a second while reading
  std::function<void(const Json&)> on_page = {};               ///< with each new line of results.jsonl
  std::function<bool()> should_stop = {};                      ///< asked between decoding steps; finished pages are kept
  std::vector<std::string> command = {};                       ///< for the manifest
  std::string git_revision = {};                               ///< for the manifest
};

struct CurveSummary {
  bool stopped = false;     ///< by should_stop; nothing but results.jsonl and pages/ is up to date then
  size_t num_pages = 0;     ///< in results.jsonl
  size_t num_resumed = 0;   ///< of them from an earlier start
  Json rows = Json::array();  ///< of summary.csv, one object each
  std::string out;
};

/// Columns of summary.csv.
const std::vector<std::string>& summary_columns();

/// Runs the curve into config.out:
///   config.json       the resolved config and the hashes of what it names
///   results.jsonl     a line a page, as soon as it is read
///   pages/NNN.png, NNN.txt (text by visual lines), NNN.hyp.txt (what was read), NNN.errors.png (substituted and lost characters
///                     red, the place before which something was added blue)
///   summary.csv       a row for each (budget, ratio, font), with several fonts also font = "median" (each column's median over fonts)
///   manifest.json     version, git revision, command, config, hashes, library versions, hardware, times
/// Pages    page i of every budget, ratio and font begins with the same passage, white space runs as one space, cut at a word end at or
///          below ratio * budget tokens, in the largest type (multiples of 0.25 px, 3 to 64) at which it fits.
/// Counts   num_text_tokens of a summary row is the sum over its pages.
/// Resume   pages already in results.jsonl are not read again; a torn last line is dropped.
/// Errors   before anything is written: ConfigError, IoError, WeightsError, each naming the value and what would do.
CurveSummary run_curve(const CurveConfig& config, const CurveCallbacks& callbacks = {});

}  // namespace fovea::experiments

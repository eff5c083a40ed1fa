// One task, one reader, one run folder: the config struct of `eval` and the function behind it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/datasets/text.h"
#include "fovea/experiments/curve_style.h"
#include "fovea/experiments/page_reader.h"

namespace fovea::experiments {

/// Names of all tasks, and of a config's `controls`.
std::vector<std::string> task_names();
std::vector<std::string> control_names();  ///< kinds of text but prose, and blank-page

struct EvalConfig {
  std::string task = "curve";
  // ---- who reads
  std::string reader = "model";
  std::string model = "models/reader-tiny";
  std::string device = "cpu";
  std::string dtype = "auto";
  std::string predictions;
  std::string strangers = "refuse";
  OracleConfig oracle;
  std::string prompt;
  std::string ask = "auto";
  int64_t max_tokens = 8192;
  double temperature = 0;
  int64_t ngram_size = 0, ngram_window = 0;
  int64_t batch = 16;
  // ---- what is read
  std::vector<std::string> data;
  std::string images;
  std::string missing = "refuse";
  int64_t samples = 0;
  std::vector<int64_t> budget = {100};
  std::vector<std::string> mode;
  std::vector<double> ratio = {10};
  std::vector<std::string> font = {"DejaVu Sans Mono"};
  CurveStyle style;
  std::string channels = "gray";
  std::vector<std::string> kind;
  std::vector<std::string> controls;
  std::vector<std::string> code;
  int64_t seed = 0;
  // ---- how it is scored
  std::vector<std::string> metrics;
  std::string version = "1.5";
  bool predict_only = false;
  bool prior = false;
  std::vector<std::string> prior_text;
  std::string tokenizer, jieba, wordnet;
  bool save_pages = true;
  int64_t num_threads = 0;
  std::string out = "runs/eval";

  template <class V> void visit_fields(V& v) {
    v.field("task", task, "what is measured", {.choices = task_names()});
    v.field("reader", reader, "who reads: a model folder, an oracle with chosen error rates, saved predictions, or a function of Python",
            {.choices = {"model", "oracle", "predictions", "callback"}});
    v.field("model", model, "model folder; a published DeepSeek-OCR folder, too");
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("predictions", predictions, "saved predictions: Fox's results, JSON Lines, or a folder of .md or .txt files by page name");
    v.field("strangers", strangers, "predictions of pages that are no sample", {.choices = {"refuse", "ignore"}});
    v.field("oracle", oracle, "error rates of the oracle");
    v.field("prompt", prompt, "prompt in place of the task's own");
    v.field("ask", ask, "needle, qa: put the question to the reader, or have the page read and look for the answer in what was read; auto asks readers that take prompts",
            {.choices = {"auto", "question", "read"}});
    v.field("max_tokens", max_tokens, "most tokens written a page", {.min = 1});
    v.field("temperature", temperature, "0 greedy, above it sampling", {.min = 0, .max = 100});
    v.field("ngram_size", ngram_size, "an n-gram of this length is not written twice, 0 no ban", {.min = 0});
    v.field("ngram_window", ngram_window, "unless it began more than so many tokens ago, 0 ever", {.min = 0});
    v.field("batch", batch, "pages read together", {.min = 1, .max = 4096});
    v.field("data", data, "what the task is made of: text files (curve, needle, perplexity, forgetting), JSON Lines of {context, question, answers} (qa), Fox's *_page_ocr.json, OmniDocBench.json");
    v.field("images", images, "folder of the page images; empty: where the data's own layout has them");
    v.field("missing", missing, "pages whose image is not there", {.choices = {"refuse", "skip"}});
    v.field("samples", samples, "drawn pages of each budget, ratio, font and kind, 0 eight; of data sets the first so many, 0 all", {.min = 0, .max = 1000000});
    v.field("budget", budget, "vision tokens a page, squares such as 64,100,256", {.min = 1});
    v.field("mode", mode, "published modes of view instead of a page as it is: tiny small base large gundam gundam-m (fox, omnidocbench, forgetting)");
    v.field("ratio", ratio, "text tokens / vision tokens of drawn pages", {.min = 0.01, .max = 1000});
    v.field("font", font, "font families or font files");
    v.field("style", style, "layout of drawn pages");
    v.field("channels", channels, "drawn pages: one text in gray, or its three parts in three colour channels, for readers trained so", {.choices = {"gray", "three-texts"}});
    v.field("kind", kind, "what pages hold; empty: prose, and for `exact` hex, digits, code and urls");
    v.field("controls", controls, "kinds that are read beside prose, so that guessing shows: shuffled-words, shuffled-sentences, swapped-entities, random-words, random-letters, digits, code, blank-page");
    v.field("code", code, "program text for the kind code; empty: the code samples that ship");
    v.field("seed", seed, "chooses passages, needles and strings", {.min = 0});
    v.field("metrics", metrics, "further text metrics: cer wer chrf rouge_l bleu meteor exact_match word_edit_distance");
    v.field("version", version, "rules of OmniDocBench", {.choices = {"1.0", "1.5", "1.6"}});
    v.field("predict_only", predict_only, "save what was read and score nothing");
    v.field("prior", prior, "also measure what a reader without the page would get: the decoder with blank pages, and a text-only language model, both shown the true text so far");
    v.field("prior_text", prior_text, "text files that the language model learns from; empty: the English samples that ship, without those tested");
    v.field("tokenizer", tokenizer, "DeepSeek's tokenizer.json, which text tokens are counted with");
    v.field("jieba", jieba, "folder of jieba; empty: FOVEA_JIEBA or Debian's python3-jieba");
    v.field("wordnet", wordnet, "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base");
    v.field("save_pages", save_pages, "keep pages and their errors as pictures");
    v.field("num_threads", num_threads, "CPU threads, 0 all cores", {.min = 0, .max = 4096});
    v.field("out", out, "run folder; an unfinished run of the same options in it is gone on from");
  }
};

struct EvalProgress {
  size_t samples_done = 0, samples_total = 0;
  double share_done = 0;
  double seconds_left = -1;  ///< negative while unknown
};

struct EvalCallbacks {
  std::function<void(const EvalProgress&)> on_progress = {};
  std::function<void(const Json&)> on_sample = {};  ///< each new line of results.jsonl, or {sample, error}
  std::function<bool()> should_stop = {};
  std::vector<std::string> command = {};  ///< for the manifest, like the next three
  std::string git_revision = {};
  Json versions = Json::object(), hardware = Json::object();
};

struct EvalSummary {
  bool stopped = false;
  size_t num_samples = 0, num_resumed = 0, num_errors = 0;
  Json rows = Json::array();              ///< of summary.csv
  std::vector<std::string> columns;
  std::vector<std::string> files;         ///< tables that were written
  std::vector<std::string> notes;         ///< what was left out, and why
  std::string out;
};

/// What a run would read, without drawing or reading: for --dry-run.
struct EvalEstimate {
  int64_t num_samples = 0, num_vision_tokens = 0, num_text_tokens = 0;
};
EvalEstimate estimate_eval(const EvalConfig& config);

/// Runs a task into config.out:
///   config.json       {format, task, task_version, config, sha256, reader}: what determines the results
///   results.jsonl     a line a sample, as soon as it is read
///   errors.jsonl      samples that could not be read, with why; they are tried again at the next start
///   predictions.jsonl {sample, text}: what `reader=predictions` scores again
///   pages/NNN.txt, NNN.hyp.txt and, of drawn pages, NNN.png and NNN.errors.png
///   summary.csv       a row a group (task::group_by), means with 95 % bootstrap intervals
///   prior.jsonl, prior.csv (if config.prior)
///   metrics.json      what the benchmark's own scorer says (fox, omnidocbench)
///   manifest.json     version, command, config, hashes, hardware, times, counts, notes
/// Errors   before anything is written: ConfigError, IoError, WeightsError, each naming the value and what would do.
EvalSummary run_eval(const EvalConfig& config, PageReader& reader, const EvalCallbacks& callbacks = {});

/// The reader that a config names. Those without a model need no LibTorch. Errors: ConfigError; UnsupportedError for reader=model.
std::unique_ptr<PageReader> make_light_reader(const EvalConfig& config);

/// Files whose content determines results (data, model, fonts, ...), left out of a cell's key by path and put in by hash where cheap.
/// The key of a sweep's cell: config without out, batch, threads; texts named by path, and by content.
Json eval_cell_identity(const EvalConfig& config);

}  // namespace fovea::experiments

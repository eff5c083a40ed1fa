// PageReader: whatever turns a page into text, behind one interface. No LibTorch here: models are one implementation of several.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/base/image.h"

namespace fovea::experiments {

struct ReadRequest {
  std::string sample;        ///< id of the sample; prediction files are looked up by it
  std::vector<Image> pages;  ///< pictures in reading order, gray or RGB; empty for readers that do not look (needs_pages)
  std::string truth;         ///< what a perfect answer says. For oracles, and for text-side baselines that compress the text itself; no reader of pages sees it
  std::string prompt;        ///< model::prompt_text or a text with one <image>; empty: the reader's own
  std::string mode;          ///< image::mode_by_name; empty: a square page goes in as it is
  int64_t budget = 0;        ///< vision tokens that the page should cost, 0 unknown
  int64_t max_tokens = 8192;
};

struct ReadAnswer {
  std::string text;
  std::string error;                  ///< set: this sample could not be read, and the others go on
  int64_t num_vision_tokens = 0;      ///< the paper's count; 0 unknown
  int64_t num_decoder_positions = 0;  ///< what the decoder read of the page, separators included; 0 unknown
  int64_t num_tokens = 0;             ///< written; 0 unknown
  std::string stop_reason = "end";    ///< end | length | loop
  double mean_probability = -1;       ///< of the tokens written; negative: unknown
  double seconds_encode = 0, seconds_decode = 0;
};

/// How well a reader that is shown the true text so far foresees the next token.
struct Foresight {
  double bits = 0;                        ///< -log2 of the probability of the whole text
  int64_t num_tokens = 0, num_right = 0;  ///< the reader's own tokens; of them, the most probable one was right
  int64_t num_words = 0, num_words_right = 0;  ///< white-space separated words all of whose tokens were right
};
struct FollowRequest {
  Image page;
  std::string mode, prompt;
  std::string prefix;  ///< true text that comes before
  std::string text;    ///< what is foreseen, token by token
  std::string truth;     ///< what stands on the page, for text-side baselines that compress the text itself
  bool goes_on = false;  ///< the text is what comes after the page, not what stands on it
};

class PageReader {
 public:
  virtual ~PageReader() = default;
  /// Answers each request once, in any order, on the calling thread. on_step(tokens written since the last call) is called where time passes;
  /// what it throws ends the reading. Errors that concern one sample are in its answer; others are thrown.
  using OnAnswer = std::function<void(size_t index, ReadAnswer answer)>;
  virtual void read(const std::vector<ReadRequest>& requests, const OnAnswer& on_answer, const std::function<void(size_t)>& on_step) = 0;
  /// Errors: UnsupportedError unless this reader can tell probabilities.
  virtual std::vector<Foresight> follow(const std::vector<FollowRequest>& requests);
  /// What determines its answers, by content: names and hashes, no paths.
  virtual Json identity() const = 0;
  virtual std::string name() const = 0;
  virtual bool needs_pages() const { return true; }
  virtual bool takes_prompts() const { return false; }
  virtual int64_t stride_px() const { return 64; }
  /// Errors: ConfigError where this reader cannot take a page of so many vision tokens (a square).
  virtual void check_budget(int64_t budget) const;
  /// Called once with the ids of all samples before the first read. Errors: ConfigError (answers for samples that there are not, or none at all).
  virtual void check_samples(const std::vector<std::string>& ids);
};

/// The reader that makes errors at chosen rates, for testing a harness: every rate is a probability.
struct OracleConfig {
  double substitute = 0, insert = 0, remove = 0;  ///< of each character
  double loop = 0, truncate = 0, hallucinate = 0, empty = 0, fail = 0;  ///< of each page
  int64_t seed = 0;

  template <class V> void visit_fields(V& v) {
    v.field("substitute", substitute, "share of characters exchanged for another letter", {.min = 0, .max = 1});
    v.field("insert", insert, "share of characters before which a letter is put in", {.min = 0, .max = 1});
    v.field("remove", remove, "share of characters left out", {.min = 0, .max = 1});
    v.field("loop", loop, "share of pages that end in a loop", {.min = 0, .max = 1});
    v.field("truncate", truncate, "share of pages that stop at a random place", {.min = 0, .max = 1});
    v.field("hallucinate", hallucinate, "share of pages with thirty words put in that are not on them", {.min = 0, .max = 1});
    v.field("empty", empty, "share of pages read as empty", {.min = 0, .max = 1});
    v.field("fail", fail, "share of pages that fail with an error", {.min = 0, .max = 1});
    v.field("seed", seed, "seed of the errors", {.min = 0});
  }
};
std::unique_ptr<PageReader> make_oracle_reader(const OracleConfig& config);

/// Answers from a file or folder of others: Fox's results (a JSON list of {image, answer}), JSON Lines or a JSON list of objects with an id
/// (sample, id, image, image_path, page or file) and a text (text, answer, prediction, predict, hypothesis or output), or a folder of .md, .mmd or
/// .txt files by the page's name. A sample is found by its id, by the id's file name, or by that without its ending.
/// strangers   predictions of pages that are no sample: "refuse" or "ignore"
/// Errors: IoError; ConfigError with the place (no JSON, no id, no text, the same page twice).
std::unique_ptr<PageReader> make_prediction_reader(const std::string& path, const std::string& strangers = "refuse");

/// A function as a reader. name: goes into the run's identity.
using ReadFunction = std::function<std::vector<ReadAnswer>(const std::vector<ReadRequest>&)>;
std::unique_ptr<PageReader> make_callback_reader(ReadFunction read, const std::string& name, bool takes_prompts);

}  // namespace fovea::experiments

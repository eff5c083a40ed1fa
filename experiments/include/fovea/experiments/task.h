// Tasks: each declares its samples, prompt, post-processing, metrics and version, in one file of src/tasks.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/experiments/eval.h"
#include "fovea/experiments/page_plan.h"
#include "fovea/metrics/edit_distance.h"

namespace fovea::experiments {

/// One thing to read and what a perfect answer says.
struct Sample {
  std::string id;              ///< unique in the task, the same on every machine
  std::string kind = "prose";
  std::string reference;       ///< what a perfect answer says
  std::string prompt;          ///< empty: the reader's own
  std::string mode;            ///< of view; empty: the page as it is
  int64_t budget = 0;          ///< vision tokens, 0 unknown
  // The page: an image file, or text that is drawn.
  std::string image_file;
  std::function<Image(const render::Renderer&)> draw;  ///< draws the picture itself, the same at every call
  std::string page_text;
  render::Style style;
  bool three_texts = false;    ///< page_text is drawn in three parts, a colour channel each (three_texts.h)
  int64_t shown_side_px = 0;   ///< the drawn page is resized to this side before it is shown; 0: as drawn
  bool blank = false;          ///< shown as an empty page of the same size
  std::string continuation;    ///< perplexity: the text that goes on after the page
  size_t num_text_tokens = 0;  ///< DeepSeek's tokens of the text on the page; 0 unknown
  Json facts = Json::object(); ///< goes into the result line and may be grouped by
};

/// What tasks make their samples with.
class TaskContext {
 public:
  TaskContext(const EvalConfig& config, int64_t stride_px, bool takes_prompts, int num_threads);
  /// DeepSeek's. Errors: ConfigError saying where it is to be had.
  const text::Tokenizer& tokenizer();
  /// The cleaned text of a file, once; its hash goes into the run's identity.
  const std::string& text_of(const std::string& path);
  /// Notes a file as a part of what determines the run.
  void depends_on(const std::string& path);
  /// Program text for the kind code.
  std::vector<std::string> code_files() const;
  const render::Renderer& renderer() const { return renderer_; }
  int64_t stride_px() const { return stride_px_; }
  bool asks() const;  ///< whether questions are put to the reader (config.ask)
  int num_threads() const { return num_threads_; }
  const std::map<std::string, std::string>& hashes() const { return hashes_; }
  std::vector<std::string> notes;

 private:
  const EvalConfig& config_;
  int64_t stride_px_;
  bool takes_prompts_;
  int num_threads_;
  render::Renderer renderer_;
  std::optional<text::Tokenizer> tokenizer_;
  std::map<std::string, std::string> texts_, hashes_;  // by path
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  virtual std::string version() const = 0;  ///< changes whenever numbers may
  virtual std::string about() const = 0;
  virtual std::vector<Sample> samples(const EvalConfig& config, TaskContext& context) const = 0;
  /// Post-processing of what was read.
  virtual std::string clean(const Sample&, const std::string& text) const { return text; }
  /// Values beyond the text scores, by name: numbers or null. `text` is cleaned.
  virtual Json score(const Sample&, const std::string&, const EvalConfig&) const { return Json::object(); }
  /// Fields of a line that rows of summary.csv are told apart by, besides kind.
  virtual std::vector<std::string> group_by() const { return {"budget", "mode"}; }
  /// Whether precision, edit distance and the like of (reference, text read) mean something.
  virtual bool scores_text(const Sample&) const { return true; }
  /// Whether the text is foreseen (PageReader::follow) and not read.
  virtual bool follows() const { return false; }
  /// What the benchmark's own scorer says, written into the folder; names of the files. texts: by sample, cleaned.
  virtual std::vector<std::string> finish(const EvalConfig&, const std::string& /*folder*/, const std::vector<Sample>&, const std::map<std::string, std::string>& /*texts*/) const { return {}; }
  virtual EvalEstimate estimate(const EvalConfig& config) const = 0;
};

/// Errors: ConfigError with the nearest name.
std::unique_ptr<Task> make_task(const std::string& name);

// ---- parts that tasks share

/// The passages of one kind: file i modulo their number. They may be shorter than asked where a source is.
std::vector<Passage> passages_of(const std::string& kind, size_t num_tokens, const EvalConfig& config, TaskContext& context);
/// Pages of running text: samples of each kind, budget, ratio and font; ids "kind-budget-ratio-font-index".
std::vector<Sample> drawn_pages(const EvalConfig& config, TaskContext& context);
EvalEstimate estimate_drawn_pages(const EvalConfig& config);
/// Drawn pages of each kind, budget, ratio and font.
inline int64_t num_drawn(const EvalConfig& config) { return config.samples > 0 ? config.samples : 8; }
/// Prose and the controls of a config. Errors: ConfigError (unknown kind).
std::vector<std::string> kinds_of(const EvalConfig& config);
/// What readers are shown pictures of pages in: the config's modes, or for each budget the mode of that side. budget 0: it depends on the picture.
struct View {
  std::string mode;
  int64_t budget = 0;
};
std::vector<View> views_of(const EvalConfig& config, const TaskContext& context);
/// Draws of one sample that are the same on every machine.
uint64_t stream_of(const std::string& task, const std::string& id);
/// One page that holds all of `text` in the largest type; fills style, num_text_tokens and the facts of a drawn page.
/// Errors: ConfigError if no size of 3 px or more holds it.
void set_drawn_page(Sample& sample, const std::string& text, int64_t budget, const std::string& font, const EvalConfig& config, TaskContext& context);

std::unique_ptr<Task> make_curve_task();
std::unique_ptr<Task> make_fox_task();
std::unique_ptr<Task> make_omnidocbench_task();
std::unique_ptr<Task> make_needle_task();
std::unique_ptr<Task> make_qa_task();
std::unique_ptr<Task> make_exact_task();
std::unique_ptr<Task> make_forgetting_task();
std::unique_ptr<Task> make_perplexity_task();
std::unique_ptr<Task> make_tables_task();
std::unique_ptr<Task> make_charts_task();
std::unique_ptr<Task> make_geometry_task();

}  // namespace fovea::experiments

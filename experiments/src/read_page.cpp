#include "read_page.h"

#include <chrono>
#include <deque>
#include <numeric>
#include <utility>

namespace fovea::experiments {
namespace {

using Clock = std::chrono::steady_clock;

struct Attempt {
  model::Reading reading;
  Json facts;
  double mean_probability = 0;
  bool sure = false;
};

// A picture on its way: one mode after the other until a reading is sure.
struct Task {
  size_t number = 0;
  const Image* picture = nullptr;
  Json facts, verdicts = Json::array(), attempts = Json::array();
  std::vector<std::string> modes;
  std::vector<image::ModeFit> fits;  // with auto
  image::InkEstimate ink;
  size_t at = 0;                     // mode in work
  image::Views views;
  model::VisionTokens tokens;
  Clock::time_point begin;
  Attempt best;
  int64_t vision_tokens = 0;
  double seconds = 0;
  bool again = false;  // the next mode is to be tried
};

class Pages {
 public:
  Pages(model::Reader& reader, const ReadConfig& config) : reader_(reader), config_(config), generate_(generate_config(reader.config(), config)) {}

  // May throw what is wrong with the picture.
  void start(Task& task) {
    task.facts = {{"mode", config_.mode}, {"prompt", config_.prompt}, {"width_px", task.picture->width_px}, {"height_px", task.picture->height_px}};
    if (config_.mode == "auto") {
      task.modes = config_.auto_mode.modes.empty() ? auto_modes(reader_.config()) : config_.auto_mode.modes;
      task.ink = image::estimate_ink(*task.picture);
      task.fits = image::fit_modes(task.ink, task.picture->width_px, task.picture->height_px, task.modes, config_.auto_mode, reader_.config().stride_px());
      for (const auto& fit : task.fits)
        task.verdicts.push_back({{"mode", fit.mode}, {"num_vision_tokens", fit.num_vision_tokens}, {"x_height_px", fit.x_height_px},
                                 {"tokens_per_vision_token", fit.tokens_per_vision_token}, {"fits", fit.fits}});
      try {
        task.at = image::first_mode(task.fits);
      } catch (const ConfigError& error) {
        throw UnfitPicture(error.what());
      }
    } else {
      task.modes = {config_.mode};
    }
    submit(task);
  }

  // Encodes the picture in the task's mode and queues its reading.
  void submit(Task& task) {
    task.again = false;
    task.begin = Clock::now();
    const int64_t stride = reader_.config().stride_px();
    const auto mode = image::mode_by_name(task.modes[task.at], stride);
    try {
      task.views = image::make_views(*task.picture, mode, stride);
    } catch (const ConfigError& error) {
      throw UnfitPicture(error.what());
    }
    task.tokens = reader_.encode(task.views);
    task.views.global = {};
    task.views.tiles.clear();
    std::function<void(const std::string&)> grown;
    if (on_text) grown = on_text;
    submitted_.push_back(reader_.submit(task.tokens, generate_, config_.prompt, [this, &task](const model::Reading& reading) { take(task, reading); }, grown));
    ++in_work_;
  }

  void step(const std::function<void(size_t)>& on_step) {
    const size_t written = reader_.step();
    if (on_step && written > 0) on_step(written);
  }
  void cancel() {
    for (int64_t page : submitted_) reader_.cancel(page);
  }
  size_t in_work() const { return in_work_; }

  std::function<void(const std::string&)> on_text;
  std::function<void(Task&)> on_read;  // a task has its reading, or is to be tried again

  PageReading reading_of(Task& task) const {
    for (auto& [key, value] : task.best.facts.items()) task.facts[key] = value;
    if (config_.mode == "auto") {
      task.facts["seconds"] = task.seconds;
      task.facts["num_vision_tokens_all_attempts"] = task.vision_tokens;
      task.facts["auto"] = {{"x_height_px", task.ink.x_height_px}, {"ink_density", task.ink.ink_density}, {"num_text_tokens_estimated", task.ink.num_text_tokens},
                            {"light_on_dark", task.ink.light_on_dark}, {"modes", std::move(task.verdicts)}};
      task.facts["attempts"] = std::move(task.attempts);
    }
    return {std::move(task.best.reading.text), std::move(task.facts)};
  }

 private:
  static bool ended_well(const decoder::Generated& g) { return g.reason == decoder::StopReason::kEnd && g.loops_left == 0; }
  void take(Task& task, const model::Reading& reading) {
    --in_work_;
    Attempt now;
    now.reading = reading;
    const auto& generated = reading.generated;
    const auto& p = generated.probabilities;
    now.mean_probability = p.empty() ? 0.0 : std::accumulate(p.begin(), p.end(), 0.0) / double(p.size());
    // Nothing read is nothing to doubt: an empty page says so by its end.
    now.sure = ended_well(generated) && (p.empty() || now.mean_probability >= config_.auto_mode.min_mean_probability);
    const double seconds = std::chrono::duration<double>(Clock::now() - task.begin).count();
    now.facts = {{"mode", task.modes[task.at]},
                 {"tile_columns", task.views.grid.columns},
                 {"tile_rows", task.views.grid.rows},
                 {"num_vision_tokens", task.tokens.num_vision_tokens()},
                 {"num_valid_tokens", task.tokens.num_valid},
                 {"num_decoder_positions", task.tokens.num_decoder_positions()},
                 {"num_generated_tokens", generated.ids.size()},
                 {"stop_reason", decoder::stop_reason_name(generated.reason)},
                 {"mean_probability", now.mean_probability},
                 {"seconds", seconds}};
    if (generated.loops_left > 0) now.facts["loops_left"] = generated.loops_left;
    if (generated.reason == decoder::StopReason::kLoop) {
      now.facts["loop_period_tokens"] = generated.loop_period;
      now.facts["loop_begin_token"] = generated.loop_begin;
      now.facts["loop_repeats"] = generated.loop_repeats;
    }
    if (config_.mode != "auto") {
      task.best = std::move(now);
    } else {
      task.attempts.push_back(now.facts);
      task.vision_tokens += task.tokens.num_vision_tokens();
      task.seconds += seconds;
      const auto worth = [](const Attempt& a) { return std::pair(ended_well(a.reading.generated), a.mean_probability); };
      const bool sure = now.sure;
      if (sure || task.best.facts.is_null() || worth(now) > worth(task.best)) task.best = std::move(now);
      size_t next = task.at + 1;
      while (next < task.modes.size() && task.fits[next].num_vision_tokens == 0) ++next;  // cannot show the picture
      task.again = !sure && next < task.modes.size();
      if (task.again) task.at = next;
    }
    on_read(task);
  }

  model::Reader& reader_;
  const ReadConfig& config_;
  const decoder::GenerateConfig generate_;
  std::vector<int64_t> submitted_;
  size_t in_work_ = 0;
};

}  // namespace

std::vector<std::string> auto_modes(const model::ModelConfig& model) {
  if (model.sequence == "begin-vision-prompt") return {"tiny", "small", "base", "large", "gundam"};
  std::vector<std::string> out;
  for (int64_t side : {256, 384, 512, 640, 768})  // what readers of reader-tiny's kind are trained at
    if (side % model.stride_px() == 0) out.push_back(std::to_string(side));
  return out;
}

decoder::GenerateConfig generate_config(const model::ModelConfig& model, const ReadConfig& config) {
  auto out = config.generate;
  if (out.ngram_size == 0 && config.ngram_ban == "auto" && model.sequence == "begin-vision-prompt") out.ngram_size = 20;
  return out;
}

void check_read(const model::ModelConfig& model, const ReadConfig& config) {
  validate_fields(config, "read");
  if (model.sequence != "begin-vision-prompt") {
    if (!config.prompt.empty()) throw ConfigError("[read] " + model.name + " reads pages without a prompt, got '" + config.prompt + "'");
  } else {
    const std::string text = model::prompt_text(config.prompt), mark = "<image>";
    const size_t at = text.find(mark);
    if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos)
      throw ConfigError("[read] a prompt must have exactly one <image>, or be one of free-ocr, markdown, ocr, figure, describe, locate:WORDS; got '" + text + "'");
  }
  if (config.mode != "auto") {
    image::mode_by_name(config.mode, model.stride_px());
    return;
  }
  for (const auto& name : config.auto_mode.modes) {
    if (name == "auto") throw ConfigError("[read] auto_mode.modes must name modes, got auto");
    image::mode_by_name(name, model.stride_px());
  }
}

std::vector<PageOutcome> read_pages(model::Reader& reader, const std::vector<const Image*>& pictures, const ReadConfig& config,
                                    const std::function<void(size_t, const PageOutcome&)>& on_done, const std::function<void(size_t)>& on_step,
                                    const std::function<void(const std::string&)>& on_text) {
  check_read(reader.config(), config);
  std::vector<PageOutcome> out(pictures.size());
  std::deque<Task> tasks(pictures.size());
  std::vector<Task*> again;
  Pages pages(reader, config);
  pages.on_text = on_text;
  const auto told = [&](size_t i) {
    if (on_done) on_done(i, out[i]);
  };
  pages.on_read = [&](Task& task) {
    if (task.again) {
      again.push_back(&task);
      return;
    }
    out[task.number].reading = pages.reading_of(task);
    told(task.number);
  };
  // What one picture or its length makes impossible is its own fault.
  const auto tried = [&](Task& task, auto&& call) {
    try {
      call();
      return;
    } catch (const ConfigError&) {
      out[task.number].error = std::current_exception();
    } catch (const ShapeError&) {
      out[task.number].error = std::current_exception();
    }
    if (!task.best.facts.is_null()) {  // a larger mode is beyond this reader: the smaller one's reading counts
      out[task.number].error = nullptr;
      out[task.number].reading = pages.reading_of(task);
    }
    told(task.number);
  };
  try {
    for (size_t i = 0; i < pictures.size(); ++i) {
      tasks[i].number = i;
      tasks[i].picture = pictures[i];
      tried(tasks[i], [&] { pages.start(tasks[i]); });
    }
    while (pages.in_work() > 0 || !again.empty()) {
      for (Task* task : std::exchange(again, {})) tried(*task, [&] { pages.submit(*task); });
      if (pages.in_work() > 0) pages.step(on_step);
    }
  } catch (...) {
    pages.cancel();
    throw;
  }
  return out;
}

PageReading read_page(model::Reader& reader, const Image& picture, const ReadConfig& config, const std::function<void(size_t)>& on_step,
                      const std::function<void(const std::string&)>& on_text) {
  auto out = std::move(read_pages(reader, {&picture}, config, {}, on_step, on_text).front());
  if (out.error) std::rethrow_exception(out.error);
  return std::move(out.reading);
}

}  // namespace fovea::experiments

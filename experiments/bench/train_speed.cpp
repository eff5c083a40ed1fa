// Speed of training, apart from the input pipeline and with it:
//   fovea_bench_train [TRAIN.toml] pages.text=FILE [key=value ...]
// Batches are drawn once, as the trainer draws them, and lie ready on the GPU; the same batches are then drawn again and again by the trainer's threads.
// Beside it the rate of a large product of matrices on the same chip in the same run. What has been measured so far is written after every row.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "fovea/base/config.h"
#include "fovea/base/file.h"
#include "fovea/experiments/train_verb.h"
#include "fovea/model/cost.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/checkpoint.h"
#include "fovea/nn/initialise.h"
#include "fovea/train/batcher.h"
#include "fovea/train/objective.h"
#include "fovea/train/optimizer.h"
#include "train_trace.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct TrainSpeedConfig : experiments::TrainConfig {
  std::string out = "runs/train-speed";
  std::vector<std::string> cases = {"reader-tiny", "width-1024", "64x"};
  std::vector<std::string> stages = {"floor", "ready", "pipeline", "fixed", "trace"};
  std::vector<int64_t> tokens = {16000, 32000, 64000, 128000};
  int64_t pool = 12;
  double seconds = 4;
  int64_t fixed_side_px = 512;
  double fixed_ratio = 10;
  int64_t trace_tokens = 32000;
  int64_t trace_steps = 3;
  bool save_trace = true;
  bool cudnn_attention = false;

  template <class V> void visit_fields(V& v) {
    experiments::TrainConfig::visit_fields(v);
    v.field("out", out, "folder for train_speed.json and traces");
    v.field("cases", cases, "models", {.choices = {"reader-tiny", "width-1024", "64x", "config"}});
    v.field("stages", stages, "what is measured", {.choices = {"floor", "ready", "pipeline", "fixed", "trace"}});
    v.field("tokens", tokens, "tokens_per_batch, one after the other", {.min = 1});
    v.field("pool", pool, "batches that lie ready", {.min = 1});
    v.field("seconds", seconds, "time of one measurement", {.min = 0.01});
    v.field("fixed_side_px", fixed_side_px, "fixed: page side of the one batch that is learned again and again", {.min = 64});
    v.field("fixed_ratio", fixed_ratio, "fixed: its ratio", {.min = 0.1});
    v.field("trace_tokens", trace_tokens, "tokens_per_batch of the trace", {.min = 1});
    v.field("trace_steps", trace_steps, "steps of the trace", {.min = 1});
    v.field("cudnn_attention", cudnn_attention, "let LibTorch choose cuDNN's attention, which plans anew for every shape");
    v.field("save_trace", save_trace, "keep the traces for chrome://tracing");
  }
};

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Numbers of the models that are timed; "config" is the trainer's own.
train::TrainerConfig case_of(const TrainSpeedConfig& config, const std::string& name) {
  train::TrainerConfig t = config.trainer;
  if (name == "config") return t;
  t.init.clear(), t.init_skip.clear(), t.init_only.clear(), t.freeze.clear(), t.teacher.clear();
  t.preset = "reader-tiny";
  t.model.clear();
  if (name == "width-1024")
    t.model = {"name=width-1024", "encoder.sam.width=1024", "encoder.sam.heads=16", "encoder.sam.mlp_width=4096", "encoder.compressor.channels=1024,1024",
               "encoder.clip.width=1024", "encoder.clip.heads=16", "encoder.clip.mlp_width=4096", "decoder.hidden_size=1024", "decoder.num_attention_heads=16",
               "decoder.num_key_value_heads=4", "decoder.intermediate_size=2816", "decoder.num_hidden_layers=8", "decoder.first_k_dense_replace=8"};
  if (name == "64x") {
    t.model = {"name=64x", "encoder.compressor.channels=448,640,384", "encoder.clip.depth=1"};
    t.curriculum.sides_px = {config.fixed_side_px};
    t.curriculum.ratio_high_first = t.curriculum.ratio_high_last = 42;
  }
  return t;
}

/// One model in training, as train::train sets it up.
struct Learner {
  model::ModelConfig sizes;
  train::Objective objective{nullptr};
  std::unique_ptr<train::FlatOptimizer> optimizer;
  const train::TrainerConfig config;

  Learner(const train::TrainerConfig& c, const train::GlyphClasses& classes, const at::Device& device, at::ScalarType dtype) : sizes(train::model_of(c)), config(c) {
    const nn::Factory on_cpu{at::kCPU, at::kFloat};
    objective = train::Objective(model::OpticalModel(sizes, on_cpu), c.objective, classes.size(), on_cpu);
    nn::initialise(*objective, uint64_t(c.seed));
    std::vector<std::pair<std::string, at::Tensor>> parameters;
    for (const auto& item : objective->named_parameters()) {
      at::Tensor p = item.value();
      p.set_data(p.detach().to(device));
      parameters.emplace_back(item.key(), p);
    }
    optimizer = std::make_unique<train::FlatOptimizer>(parameters, c.optimizer, dtype);
    objective->set_dtype(dtype);
  }
};

class Bench {
 public:
  explicit Bench(TrainSpeedConfig config)
      : config_(std::move(config)), device_(model::parse_device(config_.trainer.device)), tokenizer_(text::Tokenizer::from_file(config_.tokenizer)), pages_(config_.pages), classes_(tokenizer_) {
    const auto& wish = config_.trainer.dtype;
    dtype_ = wish == "bfloat16" || (wish == "auto" && device_.is_cuda()) ? at::kBFloat16 : at::kFloat;
    if (device_.is_cuda()) c10::cuda::set_device(device_.index());
    if (config_.cudnn_attention) at::globalContext().setSDPUseCuDNN(true);
    fs::create_directories(config_.out);
    report_["cudnn_attention"] = config_.cudnn_attention;
    report_["device"] = device_.is_cuda() ? at::cuda::getDeviceProperties(device_.index())->name : "CPU";
    report_["cores"] = std::thread::hardware_concurrency();
    report_["torch"] = TORCH_VERSION;
    report_["cuda_graph"] = config_.trainer.optimizer.cuda_graph;
  }

  void run() {
    if (wanted("floor")) guarded("floor", "", [&] { measure_floor(); });
    for (const auto& name : config_.cases) {
      guarded("model", name, [&] { open(name); });
      if (!learner_) continue;
      for (const int64_t tokens : config_.tokens) {
        if (wanted("ready")) guarded("ready", name, [&] { measure("ready", name, tokens, ready(name, tokens)); });
        if (wanted("pipeline")) guarded("pipeline", name, [&] { measure_pipeline(name, tokens); });
        if (wanted("fixed")) guarded("fixed", name, [&] { measure("fixed", name, tokens, {fixed(name, tokens)}); });
      }
      if (wanted("trace")) guarded("trace", name, [&] { measure_trace(name); });
      learner_.reset();
    }
  }

 private:
  bool wanted(const char* stage) const { return std::count(config_.stages.begin(), config_.stages.end(), stage) > 0; }
  void guarded(const std::string& stage, const std::string& name, const std::function<void()>& work) {
    const auto start = Clock::now();
    try {
      work();
    } catch (const std::exception& e) {  // the others are measured all the same
      std::string what = e.what();
      add({{"stage", stage}, {"case", name}, {"error", what.substr(0, what.find("\nException raised"))}});
    }
    std::fprintf(stderr, "-- %s %s: %.1f s\n", stage.c_str(), name.c_str(), since(start));
  }
  void sync() const {
    if (device_.is_cuda()) at::cuda::getCurrentCUDAStream().synchronize();
  }
  void forget_peak() const {
    if (device_.is_cuda()) c10::cuda::CUDACachingAllocator::emptyCache(), c10::cuda::CUDACachingAllocator::resetPeakStats(device_.index());
  }
  double peak_gb() const {
    if (!device_.is_cuda()) return 0;
    return double(c10::cuda::CUDACachingAllocator::getDeviceStats(device_.index()).allocated_bytes[0].peak) / 1e9;
  }
  void add(Json row) {
    std::fprintf(stderr, "   %s\n", row.dump().substr(0, 700).c_str());
    report_["rows"].push_back(std::move(row));
    write_file_atomic(config_.out + "/train_speed.json", report_.dump(1) + "\n");
  }

  void measure_floor() {
    const int64_t n = device_.is_cuda() ? 8192 : 512;
    const auto options = at::TensorOptions().device(device_).dtype(dtype_);
    const auto a = at::randn({n, n}, options), b = at::randn({n, n}, options);
    auto c = at::empty({n, n}, options);
    for (int i = 0; i < 3; ++i) at::mm_out(c, a, b);
    sync();
    const auto start = Clock::now();
    int64_t times = 0;
    for (; since(start) < std::min(1.0, config_.seconds); times += 20) {
      for (int i = 0; i < 20; ++i) at::mm_out(c, a, b);
      sync();
    }
    peak_flops_ = 2.0 * double(n) * double(n) * double(n) * double(times) / since(start);
    add({{"stage", "floor"}, {"tflops", peak_flops_ / 1e12}, {"matrix", n}});
  }

  void open(const std::string& name) {
    learner_.reset();
    learner_ = std::make_unique<Learner>(case_of(config_, name), classes_, device_, dtype_);
    int64_t parameters = 0, of_objective = 0;
    for (const auto& p : learner_->objective->parameters()) of_objective += p.numel();
    parameters = model::count_parameters(learner_->sizes).total;
    add({{"stage", "model"}, {"case", name}, {"parameters", parameters}, {"parameters_with_probes", of_objective}, {"sides_px", learner_->config.curriculum.sides_px},
         {"model", config_to_json(learner_->sizes)}});
  }

  // As the trainer draws step number i of its last part, where all page sizes are open.
  train::Batch drawn(const std::string& name, int64_t tokens, int64_t i) const {
    auto c = case_of(config_, name);
    c.tokens_per_batch = tokens;
    c.curriculum.start_open = true;
    c.objective.probe_only_share = 0;
    const auto spec = train::batch_spec(c, i, {.from_step = 0, .level = 0, .progress = 1}, learner_->sizes.stride_px(), learner_->sizes.encoder.sam.patch_px, 3.2);
    return make_batch(pages_, tokenizer_, classes_, c, learner_->sizes, spec, i, 0);
  }
  std::vector<train::Batch> ready(const std::string& name, int64_t tokens) {
    const auto start = Clock::now();
    std::vector<train::Batch> out(size_t(config_.pool));
    std::vector<std::thread> threads;
    std::atomic<int64_t> next{0};
    for (int64_t t = 0; t < std::max<int64_t>(1, int64_t(std::thread::hardware_concurrency())); ++t)
      threads.emplace_back([&] {
        for (int64_t i = next++; i < config_.pool; i = next++) out[size_t(i)] = drawn(name, tokens, i);
      });
    for (auto& t : threads) t.join();
    drawing_s_ = since(start);
    for (auto& batch : out) batch = to_device(batch, device_);
    sync();
    return out;
  }
  train::Batch fixed(const std::string& name, int64_t tokens) {
    auto c = case_of(config_, name);
    c.tokens_per_batch = tokens;
    const int64_t grid = config_.fixed_side_px / learner_->sizes.stride_px(), patch = config_.fixed_side_px / learner_->sizes.encoder.sam.patch_px;
    train::BatchSpec spec{};
    spec.side_px = config_.fixed_side_px;
    spec.ratio = config_.fixed_ratio;
    spec.num_chars = std::max<int64_t>(8, int64_t(spec.ratio * double(grid * grid) * c.curriculum.chars_per_text_token));
    spec.num_pages = std::clamp<int64_t>(int64_t(double(tokens) / (double(spec.num_chars) / 3.2 + 0.5 * double(patch * patch))), 1, c.max_pages_per_batch);
    return to_device(make_batch(pages_, tokenizer_, classes_, c, learner_->sizes, spec, 0, 0), device_);
  }

  // Operations of one batch in the model and in what only training adds (probes, guided attention), forwards and backwards.
  std::pair<double, double> flops_of(const train::Batch& batch) const {
    const auto& o = learner_->config.objective;
    const auto& m = learner_->sizes;
    const double pages = double(batch.pixels.size(0)), rows = double(batch.glyph_class.numel()), w = double(o.probe_width), classes = double(classes_.size());
    const double grid = double(batch.spec.side_px / m.stride_px());
    const int64_t patch_channels = m.encoder.sam.neck_channels > 0 ? m.encoder.sam.neck_channels : m.encoder.sam.width;
    double losses = 0;
    if (o.probe > 0) losses += 2 * rows * w * (double(m.decoder.hidden_size) + 64 + w + classes);
    if (o.patch_probe > 0) losses += 2 * rows * w * (double(patch_channels) + 32 + w + classes);
    if (o.guide > 0) losses += 2 * double(batch.place_cell.numel()) * (4 * double(batch.sequences.num_vision) * double(m.decoder.head_dim) + double(m.decoder.hidden_size) * 64);
    return {3 * pages * model::page_flops(m, batch.spec.side_px, batch.num_text_tokens / std::max<int64_t>(1, int64_t(pages))).total(), 3 * losses};
  }

  struct Marks {  // of a step, on the GPU's clock
    at::cuda::CUDAEvent begin{cudaEventDefault}, forward{cudaEventDefault}, backward{cudaEventDefault}, end{cudaEventDefault};
  };
  struct Seen {
    int64_t steps = 0, pages = 0, tokens = 0;
    double model_flops = 0, loss_flops = 0, host_forward_s = 0, host_backward_s = 0, host_optimizer_s = 0, seconds = 0, waited_s = 0;
    at::Tensor loss;
    std::vector<std::unique_ptr<Marks>> marks;
  };

  void step(const train::Batch& batch, Seen& seen, bool marked = false) {
    auto& objective = learner_->objective;
    const nn::CheckpointGuard recompute(learner_->config.checkpoint_activations);
    std::unique_ptr<Marks> marks;
    if (marked && device_.is_cuda()) marks = std::make_unique<Marks>(), marks->begin.record();
    auto start = Clock::now();
    auto parts = objective->forward(batch, true);
    seen.host_forward_s += since(start);
    if (marks) marks->forward.record();
    start = Clock::now();
    parts.total.backward();
    objective->release();
    seen.host_backward_s += since(start);
    if (marks) marks->backward.record();
    start = Clock::now();
    learner_->optimizer->step(1e-4, [](at::Tensor&) {}, 1);
    seen.host_optimizer_s += since(start);
    if (marks) marks->end.record(), seen.marks.push_back(std::move(marks));
    seen.loss = parts.reader_loss.detach();
    const auto [model_flops, loss_flops] = flops_of(batch);
    seen.model_flops += model_flops, seen.loss_flops += loss_flops;
    seen.steps += 1, seen.pages += batch.pixels.size(0), seen.tokens += batch.num_text_tokens;
  }

  Json row_of(const char* stage, const std::string& name, int64_t tokens, const Seen& s) const {
    Json row = {{"stage", stage}, {"case", name}, {"tokens_per_batch", tokens}, {"steps", s.steps}, {"steps_per_s", double(s.steps) / s.seconds}, {"pages_per_s", double(s.pages) / s.seconds},
                {"text_tokens_per_s", double(s.tokens) / s.seconds}, {"step_ms", 1e3 * s.seconds / double(s.steps)}, {"pages_per_step", double(s.pages) / double(s.steps)},
                {"model_tflops", s.model_flops / s.seconds / 1e12}, {"tflops_with_losses", (s.model_flops + s.loss_flops) / s.seconds / 1e12}, {"peak_gb", peak_gb()},
                {"loss", s.loss.to(at::kCPU).item<float>()},
                {"host_ms", {{"forward", 1e3 * s.host_forward_s / double(s.steps)}, {"backward", 1e3 * s.host_backward_s / double(s.steps)}, {"optimizer", 1e3 * s.host_optimizer_s / double(s.steps)}}}};
    if (peak_flops_ > 0) row["share_of_peak"] = s.model_flops / s.seconds / peak_flops_, row["share_of_peak_with_losses"] = (s.model_flops + s.loss_flops) / s.seconds / peak_flops_;
    if (!s.marks.empty()) {
      double forward = 0, backward = 0, optimizer = 0;
      for (const auto& m : s.marks) forward += m->begin.elapsed_time(m->forward), backward += m->forward.elapsed_time(m->backward), optimizer += m->backward.elapsed_time(m->end);
      const double n = double(s.marks.size());
      row["gpu_ms"] = {{"forward", forward / n}, {"backward", backward / n}, {"optimizer", optimizer / n}};
    }
    return row;
  }

  void measure(const char* stage, const std::string& name, int64_t tokens, const std::vector<train::Batch>& batches) {
    forget_peak();
    Seen warm;
    for (int round = 0; round < (batches.size() == 1 ? 6 : 1); ++round)
      for (const auto& batch : batches) step(batch, warm);
    sync();
    // The rate first, undisturbed; then a few steps whose parts are timed.
    Seen seen;
    const auto start = Clock::now();
    for (size_t i = 0; since(start) < config_.seconds; i += 1) {
      step(batches[i % batches.size()], seen);
      if (i % batches.size() == batches.size() - 1) sync();  // so that the clock sees what was done
    }
    sync();
    seen.seconds = since(start);
    Json row = row_of(stage, name, tokens, seen);
    Seen parts;
    const auto begin = Clock::now();
    for (const auto& batch : batches) step(batch, parts, true);
    sync();
    parts.seconds = since(begin);
    const Json of_parts = row_of(stage, name, tokens, parts);
    if (of_parts.contains("gpu_ms")) row["gpu_ms"] = of_parts["gpu_ms"];
    if (std::string(stage) == "ready") row["drawing_s"] = drawing_s_, last_pages_per_s_ = row["pages_per_s"];
    if (batches.size() == 1) {
      const auto& b = batches.front();
      std::vector<int64_t> targets;  // of each page
      for (size_t p = 0; p < b.lengths.size(); ++p) targets.push_back(b.lengths[p] + (b.ends[p] ? 1 : 0));
      row["shapes"] = {{"pages", b.pixels.size(0)}, {"channels", b.pixels.size(1)}, {"side_px", b.spec.side_px}, {"text_positions", *std::max_element(targets.begin(), targets.end())}, {"lengths", targets}, {"targets", b.targets.size(0)}, {"glyphs", b.glyph_class.size(1)}};
    }
    add(std::move(row));
  }
  void measure_pipeline(const std::string& name, int64_t tokens) {
    const auto make = [&](int64_t i, const train::Control&) {
      auto batch = drawn(name, tokens, i % config_.pool);
      return std::vector<train::Batch>{device_.is_cuda() ? pinned(std::move(batch)) : std::move(batch)};
    };
    const int64_t cores = int64_t(std::thread::hardware_concurrency());
    const int64_t workers = config_.trainer.workers > 0 ? config_.trainer.workers : std::max<int64_t>(1, cores - 1);
    train::Batcher batcher(make, 0, config_.trainer.prefetch_steps, workers, {});
    forget_peak();
    Seen warm;
    // As long as a run begins: the first batches are waited for, and what lay ready is used up.
    for (int64_t i = 0; i < config_.pool; ++i) step(to_device(batcher.next().front(), device_), warm);
    sync();
    Seen seen;
    const auto start = Clock::now();
    while (since(start) < config_.seconds || seen.steps % config_.pool != 0) {
      const auto waiting = Clock::now();
      const auto batches = batcher.next();
      seen.waited_s += since(waiting);
      step(to_device(batches.front(), device_), seen);
    }
    sync();
    seen.seconds = since(start);
    Json row = row_of("pipeline", name, tokens, seen);
    row["workers"] = workers;
    row["waited_share"] = seen.waited_s / seen.seconds;
    row["batches_ready_at_end"] = batcher.num_ready();
    if (last_pages_per_s_ > 0) row["of_ready"] = row["pages_per_s"].get<double>() / last_pages_per_s_;
    add(std::move(row));
  }

  void measure_trace(const std::string& name) {
    const auto batches = ready(name, config_.trace_tokens);
    Seen seen;
    size_t i = 0;
    for (const auto& batch : batches) step(batch, seen);
    sync();
    // The same steps without the profiler, which slows the launching thread down.
    const auto start = Clock::now();
    for (int64_t s = 0; s < config_.trace_steps; ++s) step(batches[size_t(s) % batches.size()], seen);
    sync();
    const double plain_ms = 1e3 * since(start) / double(config_.trace_steps);
    Json row = bench::trace_calls([&] { step(batches[i++ % batches.size()], seen); }, int(config_.trace_steps), device_.is_cuda(),
                                  config_.save_trace ? config_.out + "/trace-" + name + ".json" : std::string());
    row["stage"] = "trace", row["case"] = name, row["tokens_per_batch"] = config_.trace_tokens, row["step_ms_without_profiler"] = plain_ms;
    row["gpu_busy_share"] = row["gpu_ms"].get<double>() / plain_ms;
    print_trace(row);
    add(std::move(row));
  }
  static void print_trace(const Json& row) {
    std::printf("\n== %s, %s: %.2f ms a step (%.2f under the profiler), GPU at work %.2f ms = %.0f %%, %.0f kernels, %.0f launches, %.0f operations a step\n", row["case"].get<std::string>().c_str(),
                row["how"].get<std::string>().c_str(), row["step_ms_without_profiler"].get<double>(), row["wall_ms"].get<double>(), row["gpu_ms"].get<double>(), 100 * row["gpu_busy_share"].get<double>(),
                row["kernels"].get<double>(), row["launches"].get<double>(), row["ops"].get<double>());
    for (const char* list : {"kernels_by_time", "ops_by_gpu_time", "ops_by_host_time"}) {
      std::printf("-- %s: ms, count a step\n", list);
      for (const auto& line : row[list]) std::printf("%9.3f %7.1f  %s\n", line[1].get<double>(), line[2].get<double>(), line[0].get<std::string>().c_str());
    }
    std::fflush(stdout);
  }

  TrainSpeedConfig config_;
  at::Device device_;
  at::ScalarType dtype_ = at::kFloat;
  text::Tokenizer tokenizer_;
  experiments::TrainPages pages_;
  train::GlyphClasses classes_{tokenizer_};
  std::unique_ptr<Learner> learner_;
  double peak_flops_ = 0, drawing_s_ = 0, last_pages_per_s_ = 0;
  Json report_ = {{"rows", Json::array()}};
};

int run(int argc, char** argv) {
  TrainSpeedConfig config;
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words[0] == "--help") {
    for (const Json& entry : config_schema<TrainSpeedConfig>()) std::printf("  %-32s %s (%s)\n", entry["name"].get<std::string>().c_str(), entry["help"].get<std::string>().c_str(), entry["default"].dump().c_str());
    return words.empty() ? 2 : 0;
  }
  if (words[0].ends_with(".toml")) {
    apply_json(config, read_toml(words[0]), words[0]);
    words.erase(words.begin());
  }
  apply_overrides(config, words, "train_speed");
  Bench(std::move(config)).run();
  return 0;
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  try {
    return fovea::run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

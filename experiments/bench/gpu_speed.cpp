// Speed of a model of full size with random weights, stage by stage, on real pages:
//   fovea_bench_gpu_speed pages=DIR out=DIR [key=value ...]
// Beside every figure its floor: the bytes that must be read over the bandwidth, or the products over the peak, both measured here first.
// Writes speed.json and speed.md; what has been measured so far is written after every stage, so that a run that is cut short is not lost.
#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAEvent.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <thread>

#include "fovea/base/config.h"
#include "fovea/base/file.h"
#include "fovea/cuda/grid_attention.h"
#include "fovea/decoder/engine.h"
#include "fovea/image/ahead.h"
#include "fovea/model/optical_model.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using at::Tensor;

struct SpeedConfig {
  std::string pages = "";
  std::string out = "runs/gpu-speed";
  std::string preset = "deepseek-ocr";
  std::string device = "cuda";
  std::string dtype = "bfloat16";
  std::string mode = "base";
  std::string attention = "auto";
  std::vector<int64_t> batch = {1, 16, 64, 256};
  std::vector<std::string> stages = {"floor", "preprocess", "encode", "overlap", "decode"};
  int64_t new_tokens = 96;
  int64_t overlap_pages = 1024;
  int64_t overlap_batch = 32;
  double seconds = 1.5;
  int64_t layers = 0;

  template <class V> void visit_fields(V& v) {
    v.field("pages", pages, "folder of pictures of pages");
    v.field("out", out, "folder for speed.json and speed.md");
    v.field("preset", preset, "the model's sizes");
    v.field("device", device, "cuda, cuda:N or cpu");
    v.field("dtype", dtype, "arithmetic", {.choices = {"bfloat16", "float16", "float32"}});
    v.field("mode", mode, "how a page becomes views; only the global view is encoded");
    v.field("attention", attention, "form of the attention with relative positions", {.choices = {"auto", "dense", "tiled", "augmented", "kernel"}});
    v.field("batch", batch, "pages at a time", {.min = 1});
    v.field("stages", stages, "what is measured", {.choices = {"floor", "preprocess", "encode", "overlap", "decode"}});
    v.field("new_tokens", new_tokens, "text tokens a page in decoding", {.min = 8});
    v.field("overlap_pages", overlap_pages, "pages of the run with preprocessing beside encoding", {.min = 1});
    v.field("overlap_batch", overlap_batch, "pages at a time in it", {.min = 1});
    v.field("seconds", seconds, "time a measurement repeats itself for", {.min = 0.001});
    v.field("layers", layers, "fewer decoder layers, for a try on a CPU; 0 all", {.min = 0});
  }
};

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

class Bench {
 public:
  explicit Bench(SpeedConfig config) : config_(std::move(config)), device_(model::parse_device(config_.device)) {
    dtype_ = config_.dtype == "float32" ? at::kFloat : config_.dtype == "float16" ? at::kHalf : at::kBFloat16;
    for (const auto& entry : fs::directory_iterator(config_.pages))
      if (entry.is_regular_file() && entry.path().extension() == ".png") files_.push_back(entry.path().string());
    std::sort(files_.begin(), files_.end());
    if (files_.empty()) throw ConfigError("[gpu_speed] pages=" + config_.pages + " holds no .png");
    fs::create_directories(config_.out);
    report_["what"] = "random weights of " + config_.preset + ", real pages, mode " + config_.mode + ", " + config_.dtype + ", attention " + config_.attention;
    report_["device"] = device_.is_cuda() ? at::cuda::getDeviceProperties(device_.index())->name : "CPU";
    report_["cores"] = std::thread::hardware_concurrency();
    report_["torch"] = TORCH_VERSION;
  }

  void run() {
    torch::NoGradGuard no_grad;
    at::globalContext().setAllowTF32CuBLAS(false);
    vision::set_grid_form(cuda::grid_form(config_.attention));
    for (const auto& stage : config_.stages) {
      const auto start = Clock::now();
      std::fprintf(stderr, "-- %s\n", stage.c_str());
      try {
        if (stage == "floor") measure_floor();
        else if (stage == "preprocess") measure_preprocess();
        else if (stage == "encode") measure_encode();
        else if (stage == "overlap") measure_overlap();
        else measure_decode();
      } catch (const std::exception& e) {  // the other stages are measured all the same
        std::string what = e.what();
        what = what.substr(0, what.find("\nException raised"));
        add({{"stage", stage}, {"error", what}});
      }
      std::fprintf(stderr, "   %.1f s\n", since(start));
      write();
    }
  }

 private:
  void sync() const {
    if (device_.is_cuda()) at::cuda::getCurrentCUDAStream().synchronize();
  }
  // Seconds of one call: repeated after a warm-up, the mean of all calls but for the first.
  double time_of(const std::function<void()>& call) {
    call();
    sync();
    auto start = Clock::now();
    call();
    sync();
    const int64_t times = std::clamp<int64_t>(int64_t(config_.seconds / std::max(since(start), 1e-6)), 1, 1000);
    start = Clock::now();
    for (int64_t i = 0; i < times; ++i) call();
    sync();
    return since(start) / double(times);
  }
  void forget_peak() const {
    if (device_.is_cuda()) c10::cuda::CUDACachingAllocator::emptyCache(), c10::cuda::CUDACachingAllocator::resetPeakStats(device().index());
  }
  double peak_gb() const {
    if (!device_.is_cuda()) return 0;
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(device().index());
    return double(stats.allocated_bytes[0].peak) / 1e9;
  }
  at::Device device() const { return at::Device(device_.type(), device_.is_cuda() && device_.index() < 0 ? 0 : device_.index()); }
  void add(Json row) {
    std::fprintf(stderr, "   %s\n", row.dump().c_str());
    report_["rows"].push_back(std::move(row));
  }
  void write() const {
    write_file_atomic(config_.out + "/speed.json", report_.dump(2) + "\n");
    write_file_atomic(config_.out + "/speed.md", table());
  }
  std::string table() const;

  model::OpticalModel& model() {
    if (!model_) {
      auto sizes = model::presets::by_name(config_.preset);
      if (config_.layers > 0) sizes.decoder.num_hidden_layers = config_.layers;
      torch::manual_seed(1);
      model_ = model::OpticalModel(sizes, nn::Factory{device_, dtype_});
      for (auto& item : model_->named_parameters()) {  // on the device itself, all alike: ones for norms, uniform so that the size stays
        auto& p = item.value();
        if (p.dim() == 1 && item.key().size() > 7 && item.key().ends_with(".weight")) p.fill_(1.0);
        else if (p.dim() == 1) p.uniform_(-0.1, 0.1);
        else p.uniform_(-1.7 / std::sqrt(double(p.numel() / p.size(0))), 1.7 / std::sqrt(double(p.numel() / p.size(0))));
        p.set_requires_grad(false);
      }
      model_->eval();
      sync();
    }
    return model_;
  }

  void measure_floor() {
    const int64_t n = device_.is_cuda() ? 8192 : 1024;
    const auto options = at::TensorOptions().device(device_).dtype(dtype_);
    const auto a = at::randn({n, n}, options), b = at::randn({n, n}, options);
    auto c = at::empty({n, n}, options);
    const double product_s = time_of([&] { at::mm_out(c, a, b); });
    const int64_t bytes = device_.is_cuda() ? int64_t(4) << 30 : int64_t(256) << 20;
    auto from = at::ones({bytes / 2}, options.dtype(at::kBFloat16)), to = at::empty_like(from);
    const double copy_s = time_of([&] { to.copy_(from); });
    peak_flops_ = 2.0 * double(n) * double(n) * double(n) / product_s;
    bandwidth_ = 2.0 * double(bytes) / copy_s;
    add({{"stage", "floor"}, {"tflops", peak_flops_ / 1e12}, {"tb_per_s", bandwidth_ / 1e12}});
  }

  void measure_preprocess() {
    std::vector<std::string> files;
    for (const size_t threads : {size_t(1), size_t(std::max(1u, std::thread::hardware_concurrency()))}) {
      files.resize(std::max<size_t>(threads * 12, 24));
      for (size_t i = 0; i < files.size(); ++i) files[i] = files_[i % files_.size()];
      const auto start = Clock::now();
      image::ViewsAhead ahead(files, image::mode_by_name(config_.mode), 64, threads);
      while (const auto item = ahead.next())
        if (!item->error.empty()) throw IoError(item->error);
      add({{"stage", "preprocess"}, {"threads", threads}, {"pages_per_s", double(files.size()) / since(start)}});
    }
  }

  // The global views of pages, as bytes [B, S, S, 3] in (on a GPU pinned) host memory.
  Tensor host_bytes(int64_t batch) const {
    const int64_t side = image::mode_by_name(config_.mode).view_side_px;
    return at::empty({batch, side, side, 3}, at::TensorOptions().dtype(at::kByte).pinned_memory(device_.is_cuda()));
  }
  static void put(Tensor& bytes, int64_t row, const Image& view) { std::memcpy(bytes[row].data_ptr<uint8_t>(), view.pixels.data(), view.pixels.size()); }
  Tensor pixels(const Tensor& bytes) {
    const auto& sizes = model()->config.encoder;
    return vision::pixels_from_bytes(bytes.to(device_, true).permute({0, 3, 1, 2}).slice(1, 0, sizes.sam.in_channels), sizes, dtype_).contiguous();
  }
  Tensor page_bytes(int64_t batch) {
    if (views_.empty()) {
      image::ViewsAhead ahead(files_, image::mode_by_name(config_.mode));
      while (auto item = ahead.next()) {
        if (!item->error.empty()) throw IoError(item->error);
        views_.push_back(std::move(item->views.global));
      }
    }
    auto bytes = host_bytes(batch);
    for (int64_t i = 0; i < batch; ++i) put(bytes, i, views_[size_t(i) % views_.size()]);
    return bytes;
  }

  // Products of a page, in floating-point operations: linear layers, attention, convolutions; padding of windows left out.
  double sam_flops(int64_t side) const {
    const auto sizes = model::presets::by_name(config_.preset).encoder;
    const double n = double(side / sizes.sam.patch_px), t = n * n, d = double(sizes.sam.width);
    double sum = 2 * t * d * double(sizes.sam.patch_px * sizes.sam.patch_px * 3);
    for (int64_t i = 0; i < sizes.sam.depth; ++i) {
      const bool global = std::count(sizes.sam.global_layers.begin(), sizes.sam.global_layers.end(), i) > 0;
      const double keys = global ? t : double(sizes.sam.window * sizes.sam.window);
      sum += 2 * t * (4 * d * d + 2 * d * double(sizes.sam.mlp_width)) + 4 * t * keys * d;
    }
    const double c = double(sizes.sam.neck_channels);
    return sum + 2 * t * d * c + 18 * t * c * c;
  }
  double rest_flops(int64_t side) const {
    const auto sizes = model::presets::by_name(config_.preset).encoder;
    const double t = double((side / 64) * (side / 64)), d = double(sizes.clip.width);
    const double convolutions = 18 * (4 * t * 256 * 512 + t * 512 * 1024);
    return convolutions + double(sizes.clip.depth) * (2 * (t + 1) * (4 * d * d + 2 * d * double(sizes.clip.mlp_width)) + 4 * (t + 1) * (t + 1) * d) + 2 * t * 2 * d * 1280;
  }

  void measure_encode() {
    const int64_t side = image::mode_by_name(config_.mode).view_side_px;
    for (const int64_t batch : config_.batch) {
      const int64_t at_once = std::min<int64_t>(batch, 64);  // more pages go through in parts, as the reader does
      const int64_t parts = (batch + at_once - 1) / at_once;
      const auto bytes = page_bytes(at_once);
      forget_peak();
      auto& encoder = model()->encoder;
      const auto in = pixels(bytes);
      const auto patches = encoder->patches(in).clone();
      const auto row = [&](const char* stage, double seconds, double flops) {
        Json r = {{"stage", stage}, {"batch", batch}, {"ms", 1e3 * seconds * double(parts)}, {"pages_per_s", double(at_once) / seconds}};
        if (peak_flops_ > 0) r["floor_pages_per_s"] = peak_flops_ / flops;
        add(std::move(r));
      };
      row("sam", time_of([&] { encoder->patches(in); }), sam_flops(side));
      row("clip", time_of([&] { encoder->from_patches(patches); }), rest_flops(side));
      row("encode", time_of([&] { encoder->forward(pixels(bytes)); }), sam_flops(side) + rest_flops(side));
      report_["rows"].back()["peak_gb"] = peak_gb();
    }
  }

  void measure_overlap() {
    model();
    std::vector<std::string> files(size_t(config_.overlap_pages));
    for (size_t i = 0; i < files.size(); ++i) files[i] = files_[i % files_.size()];
    Tensor buffers[2] = {host_bytes(config_.overlap_batch), host_bytes(config_.overlap_batch)};
    model()->encoder->forward(pixels(page_bytes(config_.overlap_batch)));
    sync();
    const auto start = Clock::now();
    image::ViewsAhead ahead(files, image::mode_by_name(config_.mode), 64, 0, size_t(2 * config_.overlap_batch));
    std::optional<at::cuda::CUDAEvent> used[2];
    double waited = 0;
    for (int64_t done = 0, turn = 0; done < config_.overlap_pages; turn ^= 1) {
      if (used[turn]) used[turn]->synchronize();
      const auto waiting = Clock::now();
      int64_t count = 0;
      for (; count < config_.overlap_batch; ++count) {
        const auto item = ahead.next();
        if (!item) break;
        put(buffers[turn], count, item->views.global);
      }
      waited += since(waiting);
      if (count == 0) break;
      model()->encoder->forward(pixels(buffers[turn].slice(0, 0, count)));
      if (device_.is_cuda()) {
        used[turn].emplace();
        used[turn]->record();
      }
      done += count;
    }
    sync();
    const double seconds = since(start);
    add({{"stage", "overlap"}, {"batch", config_.overlap_batch}, {"pages_per_s", double(config_.overlap_pages) / seconds}, {"share_waiting_for_pages", waited / seconds}});
  }

  void measure_decode();

  SpeedConfig config_;
  at::Device device_;
  at::ScalarType dtype_ = at::kBFloat16;
  std::vector<std::string> files_;
  std::vector<Image> views_;
  model::OpticalModel model_{nullptr};
  double peak_flops_ = 0, bandwidth_ = 0;
  Json report_ = {{"rows", Json::array()}};
};

// Bytes of weights that a step of `batch` sequences reads: everything but for the table of embeddings, and of the experts as many as `batch`
// random choices of k out of n visit on average.
double step_bytes(const decoder::DecoderConfig& c, int64_t batch, double element_bytes, int64_t positions) {
  const double d = double(c.hidden_size), attention = d * double(c.head_dim) * double(2 * c.num_attention_heads + 2 * c.num_key_value_heads);
  double values = d * double(c.vocab_size);
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
    values += attention;
    if (c.n_routed_experts == 0 || i < c.first_k_dense_replace) {
      values += 3 * d * double(c.intermediate_size);
    } else {
      const double miss = std::pow(1.0 - double(c.num_experts_per_tok) / double(c.n_routed_experts), double(batch));
      values += 3 * d * double(c.moe_intermediate_size) * (double(c.n_routed_experts) * (1 - miss) + double(c.n_shared_experts)) + d * double(c.n_routed_experts);
    }
  }
  const double cache = double(batch * positions) * double(c.num_hidden_layers) * 2 * double(c.num_key_value_heads * c.head_dim);
  return (values + cache) * element_bytes;
}

void Bench::measure_decode() {
  auto& m = model();
  const auto& sizes = m->config.decoder;
  // Every request its own prompt, so that the sequences of a batch visit different experts: begin token, page, and some ids in place of the prompt's words.
  const auto pages = m->encoder->forward(pixels(page_bytes(std::min<int64_t>(int64_t(files_.size()), device_.is_cuda() ? 16 : 1)))).sequence;
  const int64_t most = *std::max_element(config_.batch.begin(), config_.batch.end());
  const auto text = m->decoder->embed(at::randint(0, sizes.vocab_size, {most, 5}, at::TensorOptions().dtype(at::kLong).device(device_)));
  const auto prompt_of = [&](int64_t i) { return at::cat({text[i].slice(0, 0, 1), pages[i % pages.size(0)], text[i].slice(0, 1)}, 0); };
  const int64_t prompt_length = pages.size(1) + 5;
  for (const int64_t batch : config_.batch) {
    forget_peak();
    decoder::EngineConfig engine_config;
    engine_config.max_batch = batch;
    engine_config.cache_positions = batch * (prompt_length + config_.new_tokens + 64);
    decoder::Engine engine(*m->decoder, engine_config);
    const auto fill = [&](int64_t new_tokens) {
      for (int64_t i = 0; i < batch; ++i) {
        decoder::Request request;
        request.prompt = prompt_of(i);
        request.config.max_new_tokens = new_tokens;
        request.config.loop_min_repeats = 0;
        engine.submit(std::move(request));
      }
    };
    const auto run_out = [&] {
      size_t count = 0;
      while (!engine.idle()) count += engine.step();
      sync();
      return count;
    };
    fill(8);  // warm: kernels, recorded steps
    run_out();
    // Prompts alone: one token each. Then the whole; what is left over is decoding.
    fill(1);
    auto start = Clock::now();
    run_out();
    const double prefill_s = since(start);
    fill(config_.new_tokens);
    start = Clock::now();
    const size_t written = run_out();
    const double seconds = since(start) - prefill_s;
    const double steps = double(config_.new_tokens - 1), decoded = double(written) - double(batch);
    Json prefill = {{"stage", "prefill"}, {"batch", batch}, {"ms", 1e3 * prefill_s}, {"pages_per_s", double(batch) / prefill_s}, {"tokens_per_s", double(batch * prompt_length) / prefill_s}};
    if (peak_flops_ > 0) {
      const double active = step_bytes(sizes, 1, 1, 0) - double(sizes.hidden_size) * double(sizes.vocab_size);
      prefill["floor_pages_per_s"] = std::min(peak_flops_ / (2 * active * double(prompt_length)), bandwidth_ * double(batch) / step_bytes(sizes, 1000, 2, 0));
    }
    add(std::move(prefill));
    const auto occupancy = engine.occupancy();
    Json row = {{"stage", "decode"},   {"batch", batch},           {"ms_per_token", 1e3 * seconds / steps}, {"tokens_per_s", decoded / seconds},
                {"written", written},  {"positions", prompt_length + config_.new_tokens}, {"path", occupancy.path}, {"cache_mb", double(occupancy.cache_bytes) / 1e6}, {"peak_gb", peak_gb()}};
    if (bandwidth_ > 0) row["floor_ms_per_token"] = 1e3 * step_bytes(sizes, batch, double(at::elementSize(dtype_)), prompt_length + config_.new_tokens / 2) / bandwidth_;
    add(std::move(row));
  }
}

std::string Bench::table() const {
  const auto number = [](const Json& row, const char* key, int digits) {
    if (!row.contains(key)) return std::string("");
    char text[40];
    std::snprintf(text, sizeof text, "%.*f", digits, row[key].get<double>());
    return std::string(text);
  };
  std::string out = report_["what"].get<std::string>() + "; " + report_["device"].get<std::string>() + ", " + std::to_string(report_["cores"].get<int64_t>()) +
                    " cores\n\n| stage | batch | ms | pages/s | floor pages/s | ms/token | floor ms/token | tokens/s | peak GB |\n|---|---|---|---|---|---|---|---|---|\n";
  for (const auto& row : report_["rows"]) {
    if (row.contains("error")) {
      out += "| " + row["stage"].get<std::string>() + " failed: " + row["error"].get<std::string>() + " |\n";
    } else if (row["stage"] == "floor") {
      out += "| floor: " + number(row, "tflops", 0) + " TFLOP/s in a product of 8192, " + number(row, "tb_per_s", 2) + " TB/s in a copy | | | | | | | | |\n";
    } else {
      const std::string which = row.contains("batch") ? std::to_string(row["batch"].get<int64_t>()) : row.contains("threads") ? std::to_string(row["threads"].get<int64_t>()) + " threads" : "";
      out += "| " + row["stage"].get<std::string>() + " | " + which + " | " + number(row, "ms", 2) + " | " + number(row, "pages_per_s", 1) + " | " + number(row, "floor_pages_per_s", 0) + " | " +
             number(row, "ms_per_token", 3) + " | " + number(row, "floor_ms_per_token", 3) + " | " + number(row, "tokens_per_s", 0) + " | " + number(row, "peak_gb", 2) + " |\n";
    }
  }
  return out;
}

int run(int argc, char** argv) {
  SpeedConfig config;
  std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty() || words[0] == "--help") {
    const Json schema = config_schema<SpeedConfig>();
    for (const Json& entry : schema) std::printf("  %-24s %s (%s)\n", entry["name"].get<std::string>().c_str(), entry["help"].get<std::string>().c_str(), entry["default"].dump().c_str());
    return words.empty() ? 2 : 0;
  }
  apply_overrides(config, words, "gpu_speed");
  Bench(config).run();
  std::printf("%s", read_file(config.out + "/speed.md").c_str());
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

// What loading a model takes, and what a token costs on a CPU beside its floor:
//   fovea_bench_load model=DIR [dtype=bfloat16] [tokens=16] [page=FILE] [mode=tiny]
// Prints JSON: seconds to load, the process's largest memory beside the bytes of the weights (its own pages, and those of mapped files), tokens a
// second, and the rate at which this machine reads memory. A token reads at least the weights of its layers, and of the experts those that it visits.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <thread>

#include "fovea/base/config.h"
#include "fovea/image/read.h"
#include "fovea/model/optical_model.h"

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;
double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct LoadBenchConfig {
  std::string model = "";
  std::string dtype = "bfloat16";
  std::string device = "cpu";
  std::string page = "";
  std::string mode = "tiny";
  int64_t tokens = 16;

  template <class V> void visit_fields(V& v) {
    v.field("model", model, "model folder");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("page", page, "picture to read; empty: a white one");
    v.field("mode", mode, "how it becomes views");
    v.field("tokens", tokens, "text tokens written; 0: only load", {.min = 0});
  }
};

double status_gb(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string word;
  double kb = 0;
  while (status >> word)
    if (word == key + ":" && status >> kb) return kb * 1024 / 1e9;
  return 0;
}

/// Bytes a second that all cores read together.
double read_bandwidth() {
  const size_t count = size_t(1) << 27, num = std::max(1u, std::thread::hardware_concurrency());
  const std::vector<uint64_t> block(count, 1);
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    std::vector<uint64_t> sums(num);
    std::vector<std::thread> threads;
    const auto start = Clock::now();
    for (size_t i = 0; i < num; ++i)
      threads.emplace_back([&, i] { sums[i] = std::accumulate(block.begin() + std::ptrdiff_t(count * i / num), block.begin() + std::ptrdiff_t(count * (i + 1) / num), uint64_t(0)); });
    for (auto& thread : threads) thread.join();
    if (std::accumulate(sums.begin(), sums.end(), uint64_t(0)) != count) return 0;
    best = std::max(best, double(count) * 8 / since(start));
  }
  return best;
}

int run(const LoadBenchConfig& config) {
  Json out = Json::object();
  out["model"] = config.model;
  out["dtype"] = config.dtype;
  auto start = Clock::now();
  auto reader = model::Reader::load(config.model, {config.device, config.dtype});
  out["load_s"] = since(start);
  double weights = 0;
  for (const auto& p : reader.model()->parameters()) weights += double(p.nbytes()) / 1e9;
  out["weights_gb"] = weights;
  out["peak_gb_after_loading"] = status_gb("VmHWM");
  out["own_gb"] = status_gb("RssAnon");
  out["mapped_gb"] = status_gb("RssFile");
  if (config.tokens > 0) {
    Image page = config.page.empty() ? Image::filled(640, 640, 1, 255) : image::read(config.page);
    start = Clock::now();
    const auto tokens = reader.encode(image::make_views(page, image::mode_by_name(config.mode)));
    out["encode_s"] = since(start);
    decoder::GenerateConfig generate;
    generate.loop_min_repeats = 0;
    const auto seconds = [&](int64_t count) {
      generate.max_new_tokens = count;
      const auto begin = Clock::now();
      const auto reading = reader.decode({&tokens}, generate);
      if (int64_t(reading[0].generated.ids.size()) != count) out["note"] = "the text ended early";
      return since(begin);
    };
    seconds(1);  // first calls set things up
    const double prefill = seconds(1);
    out["prefill_s"] = prefill;
    out["s_per_token"] = (seconds(config.tokens + 1) - prefill) / double(config.tokens);
    out["peak_gb"] = status_gb("VmHWM");
    const auto& c = reader.config().decoder;
    const double d = double(c.hidden_size), width = double(at::elementSize(reader.model()->parameters()[0].scalar_type()));
    double values = d * double(c.vocab_size);
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) {
      values += d * double(c.head_dim) * double(2 * c.num_attention_heads + 2 * c.num_key_value_heads);
      const bool dense = c.n_routed_experts == 0 || i < c.first_k_dense_replace;
      values += dense ? 3 * d * double(c.intermediate_size) : 3 * d * double(c.moe_intermediate_size * (c.num_experts_per_tok + c.n_shared_experts)) + d * double(c.n_routed_experts);
    }
    const double bandwidth = read_bandwidth();
    out["read_gb_per_s"] = bandwidth / 1e9;
    out["gb_per_token"] = values * width / 1e9;
    out["floor_s_per_token"] = values * width / bandwidth;
  }
  std::printf("%s\n", out.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  try {
    fovea::LoadBenchConfig config;
    fovea::apply_overrides(config, {argv + 1, argv + argc}, "bench_load");
    return fovea::run(config);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  }
}

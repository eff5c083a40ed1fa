// Runs whose keys and values lie in pages: LibTorch's operations, own kernels on a GPU, and recorded steps there.
#include <algorithm>
#include <limits>
#include <map>

#include "fovea/base/error.h"
#include "fovea/cuda/decode.h"
#include "paged_decoder.h"
#include "run.h"

namespace fovea::decoder {
namespace {

// Rows that steps are recorded for; a step of fewer is padded to the next.
constexpr int64_t kBuckets[] = {1, 2, 4, 8, 16, 32, 64, 128, 256};

class Paged final : public Backend {
 public:
  Paged(DecoderImpl& decoder, const EngineConfig& config) : decoder_(decoder), config_(config) {
    const auto weight = decoder.parameters().front();
    device_ = weight.device();
    dtype_ = weight.scalar_type();
    if (device_.is_cuda() && dtype_ == at::kBFloat16) join_weights(decoder);
    graphs_ = config.graphs && device_.is_cuda();
    const DecoderConfig& c = decoder.config;
    pages_each_ = pages_of(c.max_position_embeddings);
    const int64_t page_bytes = config.block * c.num_hidden_layers * 2 * c.num_key_value_heads * c.head_dim * int64_t(weight.element_size());
    int64_t pages = pages_of(config.cache_positions);
    if (config.cache_positions == 0) {
      // A quarter of a GPU's free memory, 4 GB elsewhere (there pages cost nothing until they are used), one longest sequence at least.
      const int64_t free = cuda::free_device_bytes(device_), bytes = free >= 0 ? free / 4 : int64_t(4) << 30;
      pages = std::clamp(bytes / page_bytes, pages_each_, std::max(pages_each_, config.max_batch * pages_each_));
    }
    num_pages_ = pages;
    core_ = std::make_unique<PagedDecoder>(decoder, pages, config.block, device_, dtype_);
    for (int64_t i = pages; i-- > 0;) free_.push_back(int32_t(i));  // the first first
    const auto host = at::TensorOptions().dtype(at::kInt).pinned_memory(device_.is_cuda());
    host_inputs_ = at::zeros({2, config.max_batch}, host);
    host_table_ = at::zeros({config.max_batch, pages_each_}, host);
    inputs_ = at::zeros({2, config.max_batch}, at::TensorOptions().dtype(at::kInt).device(device_));
    table_ = at::zeros({config.max_batch, pages_each_}, inputs_.options());
  }

  int64_t capacity() const override { return num_pages_ * config_.block; }

  bool admit(Run& run) override {
    const int64_t length = run.request.prompt.size(0) + int64_t(run.result.ids.size());
    // The next page of everybody who runs stays free, or they would throw each other out at once.
    const int64_t need = pages_of(length), spare = running_.empty() ? 0 : int64_t(running_.size()) + 1;
    if (need + spare > int64_t(free_.size())) return false;
    for (int64_t i = 0; i < need; ++i) run.pages.push_back(free_.back()), free_.pop_back();
    run.positions = length;
    return true;
  }

  void prefill(const std::vector<Run*>& runs, Turn& turn) override {
    // Prompts of one length go together on a GPU; on a CPU that gains nothing, and a prompt's numbers would depend on its company.
    std::map<int64_t, std::vector<Run*>> groups;
    for (Run* run : runs) groups[run->positions].push_back(run);
    for (const auto& [length, group] : groups) {
      const size_t most = device_.is_cuda() ? size_t(std::max<int64_t>(1, config_.prefill_positions / length)) : 1;
      for (size_t first = 0; first < group.size(); first += most) {
        const std::vector<Run*> some(group.begin() + int64_t(first), group.begin() + int64_t(std::min(group.size(), first + most)));
        std::vector<at::Tensor> prompts;
        std::vector<int64_t> pages;
        for (Run* run : some) {
          auto prompt = run->request.prompt.to(device_, dtype_);
          if (!run->result.ids.empty()) {  // it was thrown out: what it has written is read again
            const std::vector<int64_t> ids(run->result.ids.begin(), run->result.ids.end());
            prompt = at::cat({prompt, decoder_.embed(at::tensor(ids, at::kLong).to(device_)).to(dtype_)});
          }
          prompts.push_back(prompt);
          pages.insert(pages.end(), run->pages.begin(), run->pages.end());
        }
        const auto logits = core_->prefill(at::stack(prompts), at::tensor(pages, at::kLong).to(device_));
        choose(logits, {}, some, turn);
        for (Run* run : some)
          if (!run->pages.empty()) running_.push_back(run), stale_ = true;
      }
    }
  }

  void step(Turn& turn) override {
    // A page for the position that each run is about to write; the latest comer gives way.
    for (size_t i = 0; i < running_.size(); ++i) {
      Run& run = *running_[i];
      if (run.positions < int64_t(run.pages.size()) * config_.block) continue;
      while (free_.empty()) {
        const auto last = std::max_element(running_.begin(), running_.end(), [](const Run* a, const Run* b) { return a->admitted < b->admitted; });
        Run* out = *last;
        if (last - running_.begin() < int64_t(i)) --i;
        running_.erase(last);
        give_back(*out);
        turn.evicted.push_back(out);
        if (out == &run) break;
      }
      if (run.pages.empty()) {  // it was the latest itself
        --i;
        continue;
      }
      run.pages.push_back(free_.back());
      free_.pop_back();
      stale_ = true;
    }
    if (running_.empty()) return;
    const int64_t rows = int64_t(running_.size()), padded = graphs_ ? bucket_of(rows) : rows;
    auto inputs = host_inputs_.accessor<int32_t, 2>();
    for (int64_t i = 0; i < padded; ++i) {
      inputs[0][i] = i < rows ? int32_t(running_[size_t(i)]->next) : 0;
      inputs[1][i] = i < rows ? int32_t(running_[size_t(i)]->positions) : -1;
    }
    inputs_.copy_(host_inputs_, /*non_blocking=*/true);
    if (stale_ || padded != last_padded_) {
      auto table = host_table_.accessor<int32_t, 2>();
      for (int64_t i = 0; i < rows; ++i) std::copy(running_[size_t(i)]->pages.begin(), running_[size_t(i)]->pages.end(), &table[i][0]);
      table_.narrow(0, 0, rows).copy_(host_table_.narrow(0, 0, rows), /*non_blocking=*/true);
      stale_ = false;
      last_padded_ = padded;
    }
    const auto [logits, picked] = graphs_ ? recorded(padded) : plain(padded);
    const auto runs = running_;
    choose(logits.narrow(0, 0, rows), picked.narrow(1, 0, rows), runs, turn);
    const size_t before = running_.size();
    std::erase_if(running_, [](const Run* run) { return run->pages.empty(); });
    if (running_.size() != before) stale_ = true;
  }

  bool drop(Run& run) override {
    std::erase(running_, &run);
    give_back(run);
    stale_ = true;
    return true;
  }

  void describe(Occupancy& out) const override {
    out.block = config_.block;
    out.blocks_total = num_pages_;
    out.blocks_free = int64_t(free_.size());
    out.cache_bytes = core_->bytes();
    out.path = graphs_ ? "pages, recorded steps" : "pages";
  }

 private:
  int64_t pages_of(int64_t positions) const { return (positions + config_.block - 1) / config_.block; }
  int64_t bucket_of(int64_t rows) const {
    for (int64_t bucket : kBuckets)
      if (rows <= bucket && bucket <= config_.max_batch) return bucket;
    return rows <= config_.max_batch && rows > 128 ? config_.max_batch : rows;
  }
  void give_back(Run& run) {
    for (auto page = run.pages.rbegin(); page != run.pages.rend(); ++page) free_.push_back(*page);
    run.pages.clear();
    run.positions = 0;
  }

  struct Stepped {
    at::Tensor logits;  // [rows, V]
    at::Tensor picked;  // float32 [3, rows]: id, probability, entropy
  };
  Stepped plain(int64_t rows) {
    const auto logits = core_->step(inputs_[0].narrow(0, 0, rows), inputs_[1].narrow(0, 0, rows), table_.narrow(0, 0, rows));
    const auto best = cuda::pick(logits);
    return {logits, at::stack({best.ids.to(at::kFloat), best.probabilities, best.entropies})};
  }
  Stepped recorded(int64_t rows) {
    auto& entry = steps_[rows];
    if (!entry.graph) {
      try {
        entry.graph = std::make_unique<cuda::Graph>([&] { entry.result = plain(rows); }, first_graph_);
        if (!first_graph_) first_graph_ = entry.graph.get();
      } catch (const UnsupportedError&) {
        graphs_ = false;
        steps_.clear();
        return plain(rows);
      }
    }
    entry.graph->play();
    return entry.result;
  }

  // Writes the next id of each run, and frees those that are done. picked: of the logits, or undefined.
  void choose(const at::Tensor& logits, const at::Tensor& picked, const std::vector<Run*>& runs, Turn& turn) {
    const int64_t rows = int64_t(runs.size());
    bool plainly = true;
    for (const Run* run : runs) plainly = plainly && run->request.config.temperature == 0 && run->request.config.ngram_size == 0 && run->loop_bans.empty();
    at::Tensor best = picked, mine = logits;
    if (!plainly || !best.defined()) {
      bool copied = false;
      for (int64_t i = 0; i < rows; ++i)
        if (const auto banned = banned_next(*runs[size_t(i)]); !banned.empty()) {
          if (!copied) mine = logits.clone(), copied = true;
          mine[i].index_fill_(0, at::tensor(banned, at::kInt).to(logits.device(), at::kLong), -std::numeric_limits<double>::infinity());
        }
      if (copied || !best.defined()) {
        const auto found = cuda::pick(mine);
        best = at::stack({found.ids.to(at::kFloat), found.probabilities, found.entropies});
      }
    }
    const auto host = best.to(at::kCPU).contiguous();
    const float* of = host.const_data_ptr<float>();
    std::vector<Chosen> chosen;
    for (int64_t i = 0; i < rows; ++i) chosen.push_back({int64_t(of[i]), of[rows + i], of[2 * rows + i]});
    sample(mine, runs, chosen);
    for (int64_t i = 0; i < rows; ++i) {
      Run& run = *runs[size_t(i)];
      const Chosen& next = chosen[size_t(i)];
      ++turn.tokens;
      if (take(run, next.id, next.probability, next.entropy, decoder_.config.eos_token_id)) {
        give_back(run);
        turn.done.push_back(&run);
        continue;
      }
      run.positions = run.positions_before_next();
      if (run.request.on_ids) turn.grown.emplace_back(&run, run.result.ids);
    }
  }

  struct Chosen {
    int64_t id;
    float probability, entropy;
  };
  // Replaces the choice of runs with a temperature.
  static void sample(const at::Tensor& logits, const std::vector<Run*>& runs, std::vector<Chosen>& chosen) {
    std::vector<int64_t> which;
    std::vector<float> temperatures;
    std::vector<double> nuclei, numbers;
    for (size_t i = 0; i < runs.size(); ++i)
      if (const GenerateConfig& config = runs[i]->request.config; config.temperature > 0) {
        which.push_back(int64_t(i));
        temperatures.push_back(float(config.temperature));
        nuclei.push_back(config.top_p);
      }
    if (which.empty()) return;
    const auto column = [&](const auto& values, at::ScalarType dtype) { return at::tensor(values, dtype).to(logits.device()).unsqueeze(1); };
    const auto p = at::softmax(logits.index_select(0, column(which, at::kLong).squeeze(1)).to(at::kFloat) / column(temperatures, at::kFloat), -1);  // [R, V]
    if (!p.is_cuda()) {
      const auto dense = p.contiguous();
      for (size_t i = 0; i < which.size(); ++i) {
        const float* row = dense.const_data_ptr<float>() + int64_t(i) * dense.size(1);
        Chosen& out = chosen[size_t(which[i])];
        out.id = sample_row(row, dense.size(1), nuclei[i], runs[size_t(which[i])]->rng);
        out.probability = row[out.id];
        out.entropy = entropy_of(row, dense.size(1));
      }
      return;
    }
    // As sample_row, for all rows together on the device.
    for (int64_t i : which) numbers.push_back(runs[size_t(i)]->rng.uniform());
    const auto [sorted, order] = p.sort(/*stable=*/true, /*dim=*/-1, /*descending=*/true);
    const auto sums = sorted.to(at::kDouble).cumsum(-1);
    // Kept while what is kept so far is below top_p, the first always.
    const auto last = (sums < column(nuclei, at::kDouble)).sum(-1, /*keepdim=*/true).clamp_max(p.size(1) - 1);
    const auto at = at::minimum((sums <= sums.gather(1, last) * column(numbers, at::kDouble)).sum(-1, /*keepdim=*/true), last);
    const auto ids = order.gather(1, at);
    const auto host = at::cat({ids.to(at::kFloat), p.gather(1, ids), at::special_entr(p).sum(-1, /*keepdim=*/true)}, 1).to(at::kCPU).contiguous();
    for (size_t i = 0; i < which.size(); ++i) {
      const float* row = host.const_data_ptr<float>() + 3 * i;
      chosen[size_t(which[i])] = {int64_t(row[0]), row[1], row[2]};
    }
  }

  DecoderImpl& decoder_;
  const EngineConfig config_;
  at::Device device_{at::kCPU};
  at::ScalarType dtype_ = at::kFloat;
  bool graphs_ = false;
  int64_t pages_each_ = 0, num_pages_ = 0;  // of the longest sequence; of all
  std::unique_ptr<PagedDecoder> core_;
  std::vector<int32_t> free_;
  std::vector<Run*> running_;  // by row
  at::Tensor host_inputs_, host_table_, inputs_, table_;  // int32: [2, B] ids and positions; [B, pages_each_]
  bool stale_ = true;                                     // the table on the device is not that of running_
  int64_t last_padded_ = 0;
  struct Step {
    std::unique_ptr<cuda::Graph> graph;
    Stepped result;
  };
  std::map<int64_t, Step> steps_;
  const cuda::Graph* first_graph_ = nullptr;  // whose memory the others share
};

}  // namespace

std::unique_ptr<Backend> make_paged(DecoderImpl& decoder, const EngineConfig& config) { return std::make_unique<Paged>(decoder, config); }

}  // namespace fovea::decoder

#include "fovea/decoder/generate.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <thread>

#include "cpu_decoder.h"
#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/decoder/ngram_guard.h"
#include "fovea/nn/row_ops.h"

namespace fovea::decoder {

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEnd: return "end";
    case StopReason::kLength: return "length";
    case StopReason::kLoop: return "loop";
  }
  return "end";
}

int64_t find_loop(const std::vector<int32_t>& ids, int64_t min_repeats, int64_t max_period, int64_t min_tokens) {
  if (min_repeats < 2) return 0;
  const int64_t n = int64_t(ids.size());
  for (int64_t period = 1; period <= max_period; ++period) {
    const int64_t tail = std::max(min_repeats * period, min_tokens);
    if (tail > n) continue;
    int64_t same = 0;
    while (same < tail - period && ids[n - 1 - same] == ids[n - 1 - same - period]) ++same;
    if (same == tail - period) return period;
  }
  return 0;
}

namespace {

// One id a row of probabilities [B, V] (float32, CPU), nucleus sampling.
int64_t sample_row(const float* p, int64_t vocab, double top_p, Rng& rng) {
  std::vector<int64_t> order(vocab);
  for (int64_t i = 0; i < vocab; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  double kept = 0;
  int64_t count = 0;
  while (count < vocab && (count == 0 || kept < top_p)) kept += p[order[count++]];
  double at = rng.uniform() * kept;
  for (int64_t i = 0; i < count; ++i)
    if ((at -= p[order[i]]) < 0) return order[i];
  return order[count - 1];
}

// Ids that the n-gram guard forbids after what was generated so far.
std::vector<int32_t> banned_next(const Generated& result, const GenerateConfig& config, const std::vector<int32_t>& prompt_ids) {
  if (config.ngram_size == 0) return {};
  if (config.ngram_window > 0) return banned_by_ngrams(result.ids, config.ngram_size, config.ngram_window, config.ngram_exempt);
  std::vector<int32_t> all = prompt_ids;
  all.insert(all.end(), result.ids.begin(), result.ids.end());
  return banned_by_ngrams(all, config.ngram_size, 0, config.ngram_exempt);
}

// A sequence takes its next token; `limit` is the most it may have. Returns whether it is done.
bool take(Generated& result, int64_t id, float probability, const GenerateConfig& config, int64_t eos, int64_t limit) {
  if (id == eos) return true;
  result.ids.push_back(int32_t(id));
  result.probabilities.push_back(probability);
  const int64_t period = find_loop(result.ids, config.loop_min_repeats, config.loop_max_period, config.loop_min_tokens);
  if (period > 0) {
    result.reason = StopReason::kLoop;
    result.loop_period = period;
    // Back to the first copy of the block.
    size_t end = result.ids.size();
    while (end > size_t(2 * period) && result.ids[end - 1] == result.ids[end - 1 - size_t(period)]) --end;
    result.ids.resize(std::max<size_t>(end, size_t(period)));
    result.probabilities.resize(result.ids.size());
    return true;
  }
  if (int64_t(result.ids.size()) == limit) {
    result.reason = StopReason::kLength;
    return true;
  }
  return false;
}

// The sequences of one generate() call, worked off by threads that each take a few of them for a few steps. What is left goes back to the
// queue, so that a thread which the machine slows down holds nobody up, and the last long sequences spread over all threads.
class Team {
 public:
  Team(const CpuDecoder& decoder, const DecoderConfig& shape, const KvCache& cache, const at::Tensor& logits, const GenerateConfig& config,
       const std::vector<int32_t>& prompt_ids, int64_t limit, std::vector<Generated>& results)
      : decoder_(decoder), shape_(shape), config_(config), prompt_ids_(prompt_ids), limit_(limit), runs_(results.size()) {
    for (size_t i = 0; i < runs_.size(); ++i) {
      Run& run = runs_[i];
      run.index = i;
      run.result = &results[i];
      run.rng = Rng(uint64_t(config.seed), 77, i);
      run.sequence = decoder.sequence(cache, int64_t(i));
      if (advance(run, logits.const_data_ptr<float>() + int64_t(i) * shape.vocab_size, probabilities_)) done_.push_back(&run);
      else waiting_.push_back(&run);
    }
    tokens_ = runs_.size();
    left_ = waiting_.size();
  }

  // Callbacks run on the calling thread alone.
  void work(int num_threads, const std::function<void(size_t, const Generated&)>& on_done, const std::function<void(size_t)>& on_step,
            const std::function<void(size_t, const std::vector<int32_t>&)>& on_ids) {
    wants_ids_ = bool(on_ids);
    num_threads_ = std::max(1, std::min(num_threads, int(waiting_.size())));
    std::vector<std::thread> helpers;
    const auto join = [&] {
      {
        std::lock_guard lock(mutex_);
        stop_ = true;
      }
      changed_.notify_all();
      for (auto& helper : helpers) helper.join();
    };
    const auto tell = [&] {
      std::deque<Run*> done;
      std::map<size_t, std::vector<int32_t>> grown;
      {
        std::lock_guard lock(mutex_);
        done.swap(done_);
        grown.swap(grown_);
        if (failure_) std::rethrow_exception(failure_);
      }
      for (Run* run : done) {
        grown.erase(run->index);
        if (on_done) on_done(run->index, *run->result);
      }
      for (const auto& [index, ids] : grown) on_ids(index, ids);
      if (const size_t tokens = tokens_.exchange(0); tokens > 0 && on_step) on_step(tokens);
    };
    try {
      for (int t = 1; t < num_threads_; ++t)
        helpers.emplace_back([this] {
          try {
            serve({});
          } catch (...) {
            std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            stop_ = true;
            changed_.notify_all();
          }
        });
      serve(tell);
    } catch (...) {
      join();
      throw;
    }
    join();
    tell();
  }

 private:
  struct Run {
    size_t index = 0;
    Generated* result = nullptr;
    Rng rng{0, 0, 0};
    int64_t next = 0;  // the token that the next step reads
    CpuDecoder::Sequence sequence;
  };

  bool advance(Run& run, const float* logits, std::vector<float>& probabilities) {
    nn::Choice choice;
    std::vector<float> allowed;
    if (const auto banned = banned_next(*run.result, config_, prompt_ids_); !banned.empty()) {
      allowed.assign(logits, logits + shape_.vocab_size);
      for (int32_t id : banned) allowed[size_t(id)] = -std::numeric_limits<float>::infinity();
      logits = allowed.data();
    }
    if (config_.temperature > 0) {
      probabilities.resize(size_t(shape_.vocab_size));
      nn::softmax_row(logits, probabilities.data(), shape_.vocab_size, float(config_.temperature));
      choice.id = sample_row(probabilities.data(), shape_.vocab_size, config_.top_p, run.rng);
      choice.probability = probabilities[size_t(choice.id)];
    } else {
      choice = nn::most_likely(logits, shape_.vocab_size);
    }
    run.next = choice.id;
    const bool done = take(*run.result, choice.id, choice.probability, config_, shape_.eos_token_id, limit_);
    if (done) run.sequence = {};
    return done;
  }

  // One thread's part. tell: the caller's, who is also woken now and then to hear of the others' work.
  void serve(const std::function<void()>& tell) {
    constexpr int kSteps = 16;      // between two looks at the queue
    constexpr size_t kMaxRows = 16; // more do not make the products faster
    CpuDecoder::Scratch scratch;
    std::vector<float> probabilities;
    std::vector<Run*> mine;
    std::vector<CpuDecoder::Sequence*> sequences;
    std::vector<int64_t> ids;
    for (;;) {
      if (tell) tell();
      {
        std::unique_lock lock(mutex_);
        const auto ready = [&] { return stop_ || left_ == 0 || !waiting_.empty() || (tell && !done_.empty()); };
        if (tell) changed_.wait_for(lock, std::chrono::milliseconds(50), ready);
        else changed_.wait(lock, ready);
        if (stop_ && !tell) return;
        if (left_ == 0) return;
        const size_t threads = size_t(num_threads_), share = std::min(kMaxRows, (left_ + threads - 1) / threads);
        for (; mine.size() < share && !waiting_.empty(); waiting_.pop_front()) mine.push_back(waiting_.front());
      }
      bool news = false;
      for (int step = 0; step < kSteps && !mine.empty() && !news; ++step) {
        sequences.clear();
        ids.clear();
        for (Run* run : mine) sequences.push_back(&run->sequence), ids.push_back(run->next);
        const float* logits = decoder_.step(sequences, ids, scratch);
        tokens_ += mine.size();
        std::vector<Run*> going, done;
        for (size_t i = 0; i < mine.size(); ++i)
          (advance(*mine[i], logits + int64_t(i) * shape_.vocab_size, probabilities) ? done : going).push_back(mine[i]);
        mine.swap(going);
        if (!done.empty()) {
          std::lock_guard lock(mutex_);
          done_.insert(done_.end(), done.begin(), done.end());
          left_ -= done.size();
          changed_.notify_all();
          news = bool(tell);  // the callback may take long: the others may have the rest meanwhile
        }
      }
      std::lock_guard lock(mutex_);
      if (wants_ids_)
        for (Run* run : mine) grown_[run->index] = run->result->ids;
      waiting_.insert(waiting_.end(), mine.begin(), mine.end());
      mine.clear();
      changed_.notify_all();
    }
  }

  const CpuDecoder& decoder_;
  const DecoderConfig& shape_;
  const GenerateConfig& config_;
  const std::vector<int32_t>& prompt_ids_;
  const int64_t limit_;
  int num_threads_ = 1;
  std::vector<Run> runs_;
  std::vector<float> probabilities_;
  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::deque<Run*> waiting_, done_;
  std::map<size_t, std::vector<int32_t>> grown_;  // ids of sequences that went on since the caller last heard of them
  bool wants_ids_ = false;
  size_t left_ = 0;  // not done, waiting or in work
  bool stop_ = false;
  std::exception_ptr failure_;
  std::atomic<size_t> tokens_{0};  // since the last on_step
};

}  // namespace

std::vector<Generated> generate(DecoderImpl& decoder, const at::Tensor& prompts, const GenerateConfig& config,
                                const std::function<void(size_t, const Generated&)>& on_done,
                                const std::function<void(size_t)>& on_step, const std::vector<int32_t>& prompt_ids,
                                const std::function<void(size_t, const std::vector<int32_t>&)>& on_ids) {
  torch::NoGradGuard no_grad;
  const int64_t batch = prompts.size(0), prompt_length = prompts.size(1);
  const int64_t room = decoder.config.max_position_embeddings - prompt_length;
  if (room < 1)
    throw ShapeError("[generate] a prompt of " + std::to_string(prompt_length) + " positions leaves none of the decoder's " +
                     std::to_string(decoder.config.max_position_embeddings));
  const int64_t limit = std::min(config.max_new_tokens, room);
  std::vector<Generated> results(batch);

  KvCache cache(decoder.config, batch, prompt_length + limit, prompts.device(), prompts.scalar_type());
  auto hidden = decoder.forward(prompts, &cache).select(1, prompt_length - 1);  // [B, D]
  if (prompts.is_cpu() && prompts.scalar_type() == at::kFloat)
    if (const auto fast = CpuDecoder::make(decoder, prompt_length + limit)) {
      Team team(*fast, decoder.config, cache, decoder.logits(hidden).contiguous(), config, prompt_ids, limit, results);
      cache = KvCache(decoder.config, 0, 0, prompts.device(), prompts.scalar_type());  // the team has its own
      team.work(at::get_num_threads(), on_done, on_step, on_ids);
      return results;
    }

  std::vector<Rng> streams;
  for (int64_t i = 0; i < batch; ++i) streams.emplace_back(uint64_t(config.seed), 77, uint64_t(i));
  std::vector<int64_t> active(batch);
  for (int64_t i = 0; i < batch; ++i) active[i] = i;
  while (!active.empty()) {
    auto logits = decoder.logits(hidden).to(at::kFloat);
    for (size_t row = 0; row < active.size(); ++row)
      if (const auto banned = banned_next(results[size_t(active[row])], config, prompt_ids); !banned.empty())
        logits[int64_t(row)].index_fill_(0, at::tensor(banned, at::kInt).to(logits.device(), at::kLong), -std::numeric_limits<double>::infinity());
    const auto probabilities = at::softmax(logits / (config.temperature > 0 ? config.temperature : 1.0), -1);
    at::Tensor ids, chosen;
    if (config.temperature > 0) {
      const auto host = probabilities.to(at::kCPU).contiguous();
      ids = at::empty({host.size(0)}, at::kLong);
      for (int64_t row = 0; row < host.size(0); ++row)
        ids.data_ptr<int64_t>()[row] = sample_row(host.data_ptr<float>() + row * host.size(1), host.size(1), config.top_p, streams[active[row]]);
      chosen = host.gather(1, ids.unsqueeze(1)).squeeze(1);
    } else {
      auto [best, index] = probabilities.max(-1);
      ids = index.to(at::kCPU);
      chosen = best.to(at::kCPU);
    }
    std::vector<int64_t> kept_rows, still_active;
    for (size_t row = 0; row < active.size(); ++row) {
      Generated& result = results[active[row]];
      if (take(result, ids.data_ptr<int64_t>()[row], chosen.data_ptr<float>()[row], config, decoder.config.eos_token_id, limit)) {
        if (on_done) on_done(size_t(active[row]), result);
      } else {
        if (on_ids) on_ids(size_t(active[row]), result.ids);
        kept_rows.push_back(int64_t(row));
        still_active.push_back(active[row]);
      }
    }
    if (on_step) on_step(active.size());
    if (still_active.empty()) break;
    if (kept_rows.size() < active.size()) {
      const auto rows = at::tensor(kept_rows, at::kLong);
      ids = ids.index_select(0, rows);
      cache.keep(rows.to(prompts.device()));
      active = std::move(still_active);
    }
    const auto inputs = decoder.embed(ids.to(prompts.device()).unsqueeze(1)).to(prompts.scalar_type());  // [B, 1, D]
    hidden = decoder.forward(inputs, &cache).select(1, 0);
  }
  return results;
}

}  // namespace fovea::decoder

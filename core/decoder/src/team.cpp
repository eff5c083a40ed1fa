// The 8-bit path on a CPU: threads that each take a few runs for a few steps. What is left goes back to the queue, so that a thread which
// the machine slows down holds nobody up, and the last long texts spread over all threads.
#include <ATen/Parallel.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <thread>

#include "fovea/nn/row_ops.h"
#include "run.h"

namespace fovea::decoder {
namespace {

class Team final : public Backend {
 public:
  Team(DecoderImpl& decoder, std::unique_ptr<const CpuDecoder> fast, const EngineConfig& config)
      : decoder_(decoder), fast_(std::move(fast)), config_(config),
        capacity_(config.cache_positions > 0 ? config.cache_positions : config.max_batch * decoder.config.max_position_embeddings) {}
  ~Team() override { join(); }

  int64_t capacity() const override { return capacity_; }

  bool admit(Run& run) override {
    const int64_t need = run.request.prompt.size(0) + run.limit;
    std::lock_guard lock(mutex_);
    if (reserved_ + need > capacity_) return false;
    reserved_ += need;
    return true;
  }

  void prefill(const std::vector<Run*>& runs, Turn& turn) override {
    decoder_.prepare(decoder_.config.max_position_embeddings, at::kCPU);
    const auto read = [&](Run& run) {
      torch::NoGradGuard no_grad;
      const auto prompt = run.request.prompt.unsqueeze(0);
      KvCache cache(decoder_.config, 1, prompt.size(1), at::kCPU, at::kFloat);
      const auto hidden = decoder_.forward(prompt, &cache).select(1, prompt.size(1) - 1);
      run.sequence = fast_->sequence(cache, 0);
      const auto logits = decoder_.logits(hidden).contiguous();
      std::vector<float> probabilities;
      return advance(run, logits.const_data_ptr<float>(), probabilities);
    };
    // A thread a prompt: together with its neighbours a prompt's numbers would depend on them.
    std::vector<char> done(runs.size());
    at::parallel_for(0, int64_t(runs.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) done[size_t(i)] = read(*runs[size_t(i)]);
    });
    turn.tokens += runs.size();
    std::lock_guard lock(mutex_);
    for (size_t i = 0; i < runs.size(); ++i) {
      if (done[i]) {
        finish(*runs[i], turn);
      } else {
        waiting_.push_back(runs[i]);
        ++left_;
      }
    }
    changed_.notify_all();
  }

  void step(Turn& turn) override {
    const int threads = std::max(1, at::get_num_threads());
    size_t left;
    {
      std::lock_guard lock(mutex_);
      left = left_;
    }
    if (left > 0) {
      // As many helpers as there is work for; they sleep while there is none and are sent home when all is done.
      if (num_threads_ != threads) join(), num_threads_ = threads;
      while (helpers_.size() + 1 < std::min(size_t(threads), left))
        helpers_.emplace_back([this] {
          try {
            Hands hands;
            while (serve(hands, /*helper=*/true)) {}
          } catch (...) {
            std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
            stop_ = true;
            changed_.notify_all();
          }
        });
      serve(hands_, /*helper=*/false);
    }
    bool over;
    {
      std::lock_guard lock(mutex_);
      if (failure_) std::rethrow_exception(failure_);
      for (Run* run : done_) {
        grown_.erase(run);
        finish(*run, turn);
      }
      done_.clear();
      for (auto& [run, ids] : grown_) turn.grown.emplace_back(run, std::move(ids));
      grown_.clear();
      turn.tokens += tokens_;
      tokens_ = 0;
      over = left_ == 0;
    }
    if (over) join();
  }

  bool drop(Run& run) override {
    std::lock_guard lock(mutex_);
    const auto at = std::find(waiting_.begin(), waiting_.end(), &run);
    if (at == waiting_.end()) return false;  // in some thread's hands: it hears of run.cancelled
    waiting_.erase(at);
    --left_;
    reserved_ -= run.request.prompt.size(0) + run.limit;
    grown_.erase(&run);
    return true;
  }

  void describe(Occupancy& out) const override {
    std::lock_guard lock(mutex_);
    out.block = config_.block;
    out.blocks_total = capacity_ / config_.block;
    out.blocks_free = (capacity_ - reserved_) / config_.block;
    out.cache_bytes = reserved_ * decoder_.config.num_hidden_layers * decoder_.config.num_key_value_heads * decoder_.config.head_dim * 8;
    out.path = "int8 threads";
  }

 private:
  struct Hands {  // one thread's working memory
    CpuDecoder::Scratch scratch;
    std::vector<float> probabilities;
    std::vector<Run*> mine;
    std::vector<CpuDecoder::Sequence*> sequences;
    std::vector<int64_t> ids;
  };

  void join() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (auto& helper : helpers_) helper.join();
    helpers_.clear();
    stop_ = false;
  }

  // With the lock held.
  void finish(Run& run, Turn& turn) {
    reserved_ -= run.request.prompt.size(0) + run.limit;
    turn.done.push_back(&run);
  }

  bool advance(Run& run, const float* logits, std::vector<float>& probabilities) {
    const int64_t vocab = decoder_.config.vocab_size;
    const GenerateConfig& config = run.request.config;
    std::vector<float> allowed;
    if (const auto banned = banned_next(run); !banned.empty()) {
      allowed.assign(logits, logits + vocab);
      for (int32_t id : banned) allowed[size_t(id)] = -std::numeric_limits<float>::infinity();
      logits = allowed.data();
    }
    nn::Choice choice;
    if (config.temperature > 0) {
      probabilities.resize(size_t(vocab));
      nn::softmax_row(logits, probabilities.data(), vocab, float(config.temperature));
      choice.id = sample_row(probabilities.data(), vocab, config.top_p, run.rng);
      choice.probability = probabilities[size_t(choice.id)];
      choice.entropy = entropy_of(probabilities.data(), vocab);
    } else {
      choice = nn::most_likely(logits, vocab);
    }
    const bool done = take(run, choice.id, choice.probability, choice.entropy, decoder_.config.eos_token_id);
    if (done) run.sequence = {};
    else run.sequence.length = run.positions_before_next();
    return done;
  }

  // Some steps of some runs. A helper waits until there are any, the caller a moment at most. False: a helper is to go home.
  bool serve(Hands& h, bool helper) {
    constexpr int kSteps = 16;       // between two looks at the queue
    constexpr size_t kMaxRows = 16;  // more do not make the products faster
    {
      std::unique_lock lock(mutex_);
      const auto ready = [&] { return stop_ || !waiting_.empty() || (!helper && !done_.empty()); };
      if (helper) changed_.wait(lock, ready);
      else changed_.wait_for(lock, std::chrono::milliseconds(50), ready);
      if (stop_) return false;
      const size_t share = std::min(kMaxRows, (left_ + size_t(num_threads_) - 1) / size_t(num_threads_));
      for (; h.mine.size() < share && !waiting_.empty(); waiting_.pop_front()) h.mine.push_back(waiting_.front());
    }
    size_t tokens = 0;
    bool news = false;
    for (int step = 0; step < kSteps && !h.mine.empty() && !news; ++step) {
      std::vector<Run*> going, done;
      for (Run* run : h.mine) (run->cancelled ? done : going).push_back(run);
      h.mine.swap(going);
      going.clear();
      h.sequences.clear();
      h.ids.clear();
      for (Run* run : h.mine) h.sequences.push_back(&run->sequence), h.ids.push_back(run->next);
      const float* logits = h.mine.empty() ? nullptr : fast_->step(h.sequences, h.ids, h.scratch);
      tokens += h.mine.size();
      for (size_t i = 0; i < h.mine.size(); ++i)
        (advance(*h.mine[i], logits + int64_t(i) * decoder_.config.vocab_size, h.probabilities) ? done : going).push_back(h.mine[i]);
      h.mine.swap(going);
      if (!done.empty()) {
        std::lock_guard lock(mutex_);
        done_.insert(done_.end(), done.begin(), done.end());
        left_ -= done.size();
        changed_.notify_all();
        news = !helper;  // the callback may take long: the others may have the rest meanwhile
      }
    }
    std::lock_guard lock(mutex_);
    for (Run* run : h.mine)
      if (run->request.on_ids) grown_[run] = run->result.ids;
    tokens_ += tokens;
    waiting_.insert(waiting_.end(), h.mine.begin(), h.mine.end());
    h.mine.clear();
    changed_.notify_all();
    return true;
  }

  DecoderImpl& decoder_;
  const std::unique_ptr<const CpuDecoder> fast_;
  const EngineConfig config_;
  const int64_t capacity_;
  Hands hands_;
  std::vector<std::thread> helpers_;
  int num_threads_ = 0;
  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::deque<Run*> waiting_, done_;
  struct ById {
    bool operator()(const Run* a, const Run* b) const { return a->id < b->id; }
  };
  std::map<Run*, std::vector<int32_t>, ById> grown_;  // texts that went on since the caller last heard of them
  size_t left_ = 0, tokens_ = 0;                      // not done, waiting or in work; written since the last turn
  int64_t reserved_ = 0;
  bool stop_ = false;
  std::exception_ptr failure_;
};

}  // namespace

std::unique_ptr<Backend> make_team(DecoderImpl& decoder, const EngineConfig& config) {
  if (!decoder.parameters().front().is_cpu()) return nullptr;
  auto fast = CpuDecoder::make(decoder, decoder.config.max_position_embeddings);
  if (!fast) return nullptr;
  return std::make_unique<Team>(decoder, std::move(fast), config);
}

}  // namespace fovea::decoder

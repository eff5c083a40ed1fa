#include "fovea/decoder/engine.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <map>

#include "fovea/base/error.h"
#include "run.h"

namespace fovea::decoder {

struct Engine::State {
  State(DecoderImpl& decoder, const EngineConfig& config) : decoder(decoder), config(config) {}
  DecoderImpl& decoder;
  const EngineConfig config;
  std::unique_ptr<Backend> backend;
  std::map<int64_t, std::unique_ptr<Run>> running;  // of the stepping thread
  std::deque<std::unique_ptr<Run>> waiting;         // of the stepping thread
  int64_t admissions = 0;

  mutable std::mutex mutex;  // of all below
  std::deque<std::unique_ptr<Run>> submitted;
  std::vector<int64_t> cancelled;
  std::map<int64_t, Run*> known;  // requests not yet done
  int64_t next_id = 0, num_running = 0, num_waiting = 0, evictions = 0;

  // Requests and cancellations of other threads come in.
  void hear() {
    std::vector<int64_t> gone;
    {
      std::lock_guard lock(mutex);
      for (auto& run : submitted) waiting.push_back(std::move(run));
      submitted.clear();
      gone.swap(cancelled);
    }
    for (int64_t id : gone) {
      std::erase_if(waiting, [&](const auto& run) { return run->id == id; });
      if (const auto at = running.find(id); at != running.end()) {
        if (backend->drop(*at->second)) running.erase(at);
      }
    }
  }

  void count() {
    std::lock_guard lock(mutex);
    num_running = int64_t(running.size());
    num_waiting = int64_t(waiting.size());
  }
};

Engine::Engine(DecoderImpl& decoder, const EngineConfig& config) {
  validate_fields(config, "engine");
  state_ = std::make_unique<State>(decoder, config);
  state_->backend = make_team(decoder, config);
  if (!state_->backend) state_->backend = make_paged(decoder, config);
}

Engine::~Engine() {
  if (state_) state_->backend.reset();  // its threads end before the runs that they hold
}

int64_t Engine::submit(Request request) {
  State& s = *state_;
  const DecoderConfig& shape = s.decoder.config;
  if (request.prompt.dim() != 2 || request.prompt.size(0) < 1 || request.prompt.size(1) != shape.input_width())
    throw ShapeError("[generate] a prompt must be [positions, " + std::to_string(shape.input_width()) + "], got " + c10::str(request.prompt.sizes()));
  const int64_t length = request.prompt.size(0), room = shape.max_position_embeddings - length;
  if (room < 1)
    throw ShapeError("[generate] a prompt of " + std::to_string(length) + " positions leaves none of the decoder's " + std::to_string(shape.max_position_embeddings));
  validate_fields(request.config, "generate");
  auto run = std::make_unique<Run>();
  run->limit = std::min(request.config.max_new_tokens, room);
  if (length + run->limit > s.backend->capacity())
    throw ConfigError("[engine] a prompt of " + std::to_string(length) + " positions and a text of up to " + std::to_string(run->limit) +
                      " can never fit a cache of " + std::to_string(s.backend->capacity()) + " positions; lower max_new_tokens or raise cache_positions");
  run->rng = Rng(uint64_t(request.config.seed), 77, request.stream);
  run->request = std::move(request);
  std::lock_guard lock(s.mutex);
  run->id = s.next_id++;
  s.known[run->id] = run.get();
  s.submitted.push_back(std::move(run));
  return s.next_id - 1;
}

bool Engine::cancel(int64_t id) {
  std::lock_guard lock(state_->mutex);
  const auto at = state_->known.find(id);
  if (at == state_->known.end()) return false;
  at->second->cancelled = true;  // whoever has it in hand stops
  state_->known.erase(at);
  state_->cancelled.push_back(id);
  return true;
}

bool Engine::idle() const {
  std::lock_guard lock(state_->mutex);
  return state_->known.empty();
}

Occupancy Engine::occupancy() const {
  Occupancy out;
  state_->backend->describe(out);
  std::lock_guard lock(state_->mutex);
  out.running = state_->num_running;
  out.waiting = state_->num_waiting + int64_t(state_->submitted.size());
  out.evictions = state_->evictions;
  return out;
}

size_t Engine::step() {
  torch::NoGradGuard no_grad;
  State& s = *state_;
  s.hear();
  // First come, first served: what waits at the front holds up what is behind it.
  std::vector<Run*> fresh;
  int64_t positions = 0;
  while (!s.waiting.empty() && int64_t(s.running.size()) < s.config.max_batch) {
    Run& run = *s.waiting.front();
    const int64_t length = run.request.prompt.size(0) + int64_t(run.result.ids.size());
    if (!fresh.empty() && positions + length > s.config.prefill_positions) break;
    if (!s.backend->admit(run)) break;
    positions += length;
    run.admitted = s.admissions++;
    fresh.push_back(&run);
    s.running.emplace(run.id, std::move(s.waiting.front()));
    s.waiting.pop_front();
  }
  s.count();
  Backend::Turn turn;
  if (!fresh.empty()) s.backend->prefill(fresh, turn);
  if (!s.running.empty()) s.backend->step(turn);

  std::exception_ptr failure;
  const auto guarded = [&](auto&& call) {
    try {
      call();
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  const auto wanted = [&](int64_t id) {
    std::lock_guard lock(s.mutex);
    return s.known.count(id) > 0;
  };
  for (auto& [run, ids] : turn.grown)
    if (wanted(run->id)) guarded([&, run = run, &ids = ids] { run->request.on_ids(ids); });
  for (Run* run : turn.done) {
    const auto node = s.running.extract(run->id);
    bool tell;
    {
      std::lock_guard lock(s.mutex);
      tell = s.known.erase(run->id) > 0;
    }
    if (tell && run->request.on_done) guarded([&] { run->request.on_done(run->result); });
  }
  // Back to the front of the queue, the oldest first.
  std::sort(turn.evicted.begin(), turn.evicted.end(), [](const Run* a, const Run* b) { return a->admitted > b->admitted; });
  for (Run* run : turn.evicted) {
    auto node = s.running.extract(run->id);
    s.waiting.push_front(std::move(node.mapped()));
  }
  {
    std::lock_guard lock(s.mutex);
    s.evictions += int64_t(turn.evicted.size());
  }
  s.count();
  if (failure) std::rethrow_exception(failure);
  return turn.tokens;
}

}  // namespace fovea::decoder

// The optimiser's state shared by processes: the same numbers as one process that keeps all of it. Processes are threads here.
#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "fovea/train/optimizer.h"

namespace fovea {
namespace {

using train::FlatOptimizer;

/// Sums in the order of ranks, so that all get the same bits.
class Meeting {
 public:
  explicit Meeting(int64_t world) : given_(size_t(world)) {}
  void sum(int64_t rank, at::Tensor& x) {
    std::unique_lock<std::mutex> lock(mutex_);
    given_[size_t(rank)] = x.clone();
    const int64_t round = round_;
    if (++arrived_ == int64_t(given_.size())) {
      total_ = given_[0].clone();
      for (size_t r = 1; r < given_.size(); ++r) total_.add_(given_[r]);
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
    } else {
      changed_.wait(lock, [&] { return round_ != round; });
    }
    x.copy_(total_);  // nobody can begin the next sum before all have come to it
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<at::Tensor> given_;
  at::Tensor total_;
  int64_t arrived_ = 0, round_ = 0;
};

/// Matrices of several shapes, some alone in theirs, and what AdamW trains.
std::vector<std::pair<std::string, at::Tensor>> parameters_of(int64_t seed) {
  torch::manual_seed(uint64_t(seed));
  std::vector<std::pair<std::string, at::Tensor>> out;
  const std::vector<std::vector<int64_t>> shapes = {{24, 16}, {24, 16}, {24, 16}, {16, 40}, {8, 4, 3, 3}, {16, 40}, {32, 8}, {13}, {40}};
  for (size_t i = 0; i < shapes.size(); ++i) out.emplace_back("model.p" + std::to_string(i), at::randn(shapes[i]));
  out.emplace_back("model.embed_tokens.weight", at::randn({11, 7}));
  return out;
}

/// The gradients of one batch of a step, written where backward would leave them.
void give_gradients(const std::vector<std::pair<std::string, at::Tensor>>& parameters, int64_t step, int64_t batch) {
  torch::manual_seed(uint64_t(1000 + 10 * step + batch));
  for (const auto& [name, p] : parameters) p.mutable_grad().copy_(at::randn(p.sizes()));
}

struct Outcome {
  std::vector<at::Tensor> masters, state, live, norms;
};

Outcome outcome_of(FlatOptimizer& optimizer, const std::vector<std::pair<std::string, at::Tensor>>& parameters, const FlatOptimizer::Reduce& reduce) {
  Outcome out;
  for (const auto& [name, t] : optimizer.master_tensors()) out.masters.push_back(t.clone());
  for (const auto& [name, t] : optimizer.state_tensors(reduce)) out.state.push_back(t.clone());
  for (const auto& [name, p] : parameters) out.live.push_back(p.detach().clone());
  return out;
}

constexpr int64_t kBatches = 6;

Outcome alone(const train::OptimizerConfig& config, int64_t steps) {
  const auto parameters = parameters_of(1);
  FlatOptimizer optimizer(parameters, config, at::kFloat);
  Outcome out;
  std::vector<at::Tensor> norms;
  for (int64_t s = 0; s < steps; ++s) {
    // One batch a process, summed in the order of their ranks as a Meeting does.
    auto total = std::vector<at::Tensor>();
    for (int64_t b = 0; b < kBatches; ++b) {
      give_gradients(parameters, s, b);
      for (size_t i = 0; i < parameters.size(); ++i)
        if (b == 0) total.push_back(parameters[i].second.grad().clone());
        else total[i].add_(parameters[i].second.grad());
    }
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].second.mutable_grad().copy_(total[i]);
    norms.push_back(optimizer.step(0.01, [](at::Tensor&) {}, kBatches).clone());
  }
  out = outcome_of(optimizer, parameters, {});
  out.norms = norms;
  return out;
}

class Shard : public ::testing::TestWithParam<std::string> {};

TEST_P(Shard, SharesGiveTheNumbersOfOneProcess) {
  at::set_num_threads(1);
  train::OptimizerConfig config;
  config.matrices = GetParam();
  const auto expected = alone(config, 5);
  std::vector<Outcome> found(kBatches);
  std::vector<int64_t> own_bytes(kBatches);
  Meeting meeting(kBatches);
  std::vector<std::thread> processes;
  std::mutex drawing;  // torch's generator is one for all threads
  for (int64_t rank = 0; rank < kBatches; ++rank)
    processes.emplace_back([&, rank] {
      at::set_num_threads(1);
      std::unique_lock<std::mutex> lock(drawing);
      auto parameters = parameters_of(1);
      lock.unlock();
      const auto reduce = [&](at::Tensor& x) { meeting.sum(rank, x); };
      auto optimizer = std::make_unique<FlatOptimizer>(parameters, config, at::kFloat, train::Share{rank, kBatches});
      std::vector<at::Tensor> norms;
      for (int64_t s = 0; s < 5; ++s) {
        if (s == 3) {  // a checkpoint in between, gone on from
          const auto weights = optimizer->master_tensors();
          const auto state = optimizer->state_tensors(reduce);
          const int64_t steps = optimizer->num_steps();
          lock.lock();
          const auto fresh = parameters_of(2);
          lock.unlock();
          auto next = std::make_unique<FlatOptimizer>(fresh, config, at::kFloat, train::Share{rank, kBatches});
          for (size_t i = 0; i < weights.size(); ++i) next->master_tensors()[i].second.copy_(weights[i].second);
          const auto room = next->state_to_load();
          for (size_t i = 0; i < room.size(); ++i) room[i].second.copy_(state[i].second);
          next->take_state(room);
          next->publish();
          next->set_num_steps(steps);
          for (size_t i = 0; i < fresh.size(); ++i) EXPECT_TRUE(fresh[i].second.equal(parameters[i].second));
          optimizer = std::move(next);
          parameters = fresh;
        }
        lock.lock();
        give_gradients(parameters, s, rank);
        lock.unlock();
        norms.push_back(optimizer->step(0.01, reduce, kBatches).clone());
      }
      found[size_t(rank)] = outcome_of(*optimizer, parameters, reduce);
      found[size_t(rank)].norms = norms;
      own_bytes[size_t(rank)] = optimizer->state_bytes();
    });
  for (auto& p : processes) p.join();
  int64_t whole = 0, kept = 0;
  for (const auto& t : expected.state) whole += int64_t(t.nbytes());
  for (const auto& one : found) {
    for (size_t i = 0; i < expected.masters.size(); ++i) EXPECT_TRUE(one.masters[i].equal(expected.masters[i])) << i;
    for (size_t i = 0; i < expected.state.size(); ++i) EXPECT_TRUE(one.state[i].equal(expected.state[i])) << i;
    for (size_t i = 0; i < expected.live.size(); ++i) EXPECT_TRUE(one.live[i].equal(expected.live[i])) << i;
    for (size_t i = 0; i < expected.norms.size(); ++i) EXPECT_TRUE(one.norms[i].equal(expected.norms[i])) << i;
  }
  for (const int64_t bytes : own_bytes) {
    kept += bytes;
    EXPECT_LT(bytes, whole / 2);
  }
  EXPECT_EQ(kept, whole);  // every number once
}
TEST(FlatOptimizer, GradientsAreSummedInTheArithmeticAskedFor) {
  train::OptimizerConfig config;
  std::vector<Outcome> found;
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    config.reduce_dtype = dtype == at::kFloat ? "float32" : "bfloat16";
    const auto parameters = parameters_of(1);
    FlatOptimizer optimizer(parameters, config, at::kFloat);
    give_gradients(parameters, 0, 0);
    int64_t calls = 0;
    const auto reduce = [&](at::Tensor& x) {
      EXPECT_EQ(x.scalar_type(), dtype);
      ++calls;
    };
    const auto norm = optimizer.step(0.01, reduce, 2);
    EXPECT_EQ(calls, 1);
    found.push_back(outcome_of(optimizer, parameters, {}));
    found.back().norms.push_back(norm);
  }
  EXPECT_NEAR(found[1].norms[0].item<float>() / found[0].norms[0].item<float>(), 1, 1e-3);
  for (size_t i = 0; i < found[0].state.size(); ++i) {  // moments of the gradients
    EXPECT_TRUE(at::allclose(found[1].state[i], found[0].state[i], 1.0 / 64, 1e-6)) << i;
    EXPECT_FALSE(found[1].state[i].equal(found[0].state[i])) << i;
  }
}

// cuBLAS takes slower products for pointers that are off: what AdamW trains, 130 elements here, is no reason.
TEST(FlatOptimizer, MatricesBeginOnABoundary) {
  const auto parameters = parameters_of(1);
  FlatOptimizer optimizer(parameters, {}, at::kFloat);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(parameters[i].second.data_ptr()) % 64, 0u) << parameters[i].first;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(parameters[i].second.grad().data_ptr()) % 64, 0u) << parameters[i].first;
  }
  int64_t of_muon = 0;
  for (size_t i = 0; i < 7; ++i) of_muon += parameters[i].second.numel();
  const auto state = optimizer.state_tensors();
  EXPECT_EQ(state[0].second.numel(), 130);
  EXPECT_EQ(state[2].second.numel(), of_muon);  // checkpoints know nothing of the gap
}

INSTANTIATE_TEST_SUITE_P(Optimisers, Shard, ::testing::Values("muon", "adamw"));

}  // namespace
}  // namespace fovea

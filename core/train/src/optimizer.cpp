#include "fovea/train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/weights/quantize.h"
#include "fovea/weights/save.h"

#ifdef FOVEA_WITH_NCCL
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#endif

namespace fovea::train {

at::Tensor orthogonalize(const at::Tensor& matrices, int steps) {
  const bool tall = matrices.size(1) > matrices.size(2);
  auto x = tall ? matrices.transpose(1, 2) : matrices;
  x = x / (x.norm(2, {1, 2}, /*keepdim=*/true) + 1e-7);
  if (x.is_cuda()) x = x.to(at::kBFloat16);
  x = x.contiguous();
  for (int i = 0; i < steps; ++i) {
    const auto a = at::bmm(x, x.transpose(1, 2));                        // [n, r, r]
    const auto b = at::baddbmm(a, a, a, /*beta=*/-4.7750, /*alpha=*/2.0315);
    x = at::baddbmm(x, b, x, /*beta=*/3.4445, /*alpha=*/1.0);
  }
  return (tall ? x.transpose(1, 2) : x).to(at::kFloat);
}

static bool goes_to_muon(const std::string& name, const at::Tensor& p) {
  if (p.dim() != 2 && p.dim() != 4) return false;
  for (const char* word : {"embed_tokens", "lm_head", "position_embedding", "pos_embed", "rel_pos", "lora_"})
    if (name.find(word) != std::string::npos) return false;
  return true;
}

void check_optimizer(const OptimizerConfig& config) {
  if (config.weight_bits != 0 && config.weight_bits != 4 && config.weight_bits != 6 && config.weight_bits != 8)
    throw ConfigError("[train] optimizer.weight_bits must be 0, 4, 6 or 8, got " + std::to_string(config.weight_bits));
  weights::check_group(config.weight_group, "[train] optimizer.weight_group");
}

/// Buffers that stay where they are, and the launches between them.
struct FlatOptimizer::MuonGraph {
  at::Tensor update, direction;
#ifdef FOVEA_WITH_NCCL
  at::cuda::CUDAGraph graph;
  int64_t num_calls = 0;
  template <class F> void run(const F& launch) {
    constexpr int64_t kWarmUp = 3;  // libraries allocate and choose at first
    if (num_calls < kWarmUp) {
      launch();
    } else {
      if (num_calls == kWarmUp) {
        // Recording wants a stream of its own; only this thread's calls are recorded, those that draw pages go on.
        c10::cuda::getCurrentCUDAStream().synchronize();
        const c10::cuda::CUDAStreamGuard aside(c10::cuda::getStreamFromPool());
        graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
        launch();
        graph.capture_end();
      }
      graph.replay();
    }
    ++num_calls;
  }
#else
  template <class F> void run(const F& launch) { launch(); }
#endif
};

/// Where Muon's matrices begin behind AdamW's elements: on a boundary of 128 bytes in any arithmetic. From any other cuBLAS takes slower products, a quarter of a
/// step of width 1024 (experiments/bench/README.md). Checkpoints do not see the gap.
static int64_t begin_of_matrices(int64_t num_adam) { return (num_adam + 63) / 64 * 64; }

FlatOptimizer::FlatOptimizer(const std::vector<std::pair<std::string, at::Tensor>>& parameters, const OptimizerConfig& config,
                             at::ScalarType dtype, Share share)
    : config_(config), share_(share) {
  torch::NoGradGuard no_grad;
  check_optimizer(config);
  struct Entry {
    std::string name;
    at::Tensor tensor;
    bool muon;
    int64_t rows, columns;
  };
  std::vector<Entry> entries;
  for (const auto& [name, p] : parameters) {
    const bool muon = config.matrices == "muon" && goes_to_muon(name, p);
    entries.push_back({name, p, muon, muon ? p.size(0) : 0, muon ? p.numel() / p.size(0) : 0});
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.muon, a.rows, a.columns) < std::tie(b.muon, b.rows, b.columns);
  });
  int64_t total = 0;
  for (const auto& e : entries) {
    if (e.muon) {
      if (groups_.empty()) total = begin_of_matrices(num_adam_);
      if (groups_.empty() || groups_.back().rows != e.rows || groups_.back().columns != e.columns)
        groups_.push_back({total, 0, e.rows, e.columns});
      groups_.back().count += 1;
    } else {
      num_adam_ += e.tensor.numel();
    }
    places_.push_back({e.name, e.tensor.sizes().vec(), total});
    total += e.tensor.numel();
    add_rounded_range(places_.back());
  }
  if (config.weight_bits > 0 && rounded_ranges_.empty())
    throw ConfigError("[train] optimizer.weight_bits = " + std::to_string(config.weight_bits) + " finds no matrix of the model that is trained (adapters are not stored in fewer bits)");
  rounding_ = config.weight_bits > 0 && config.weight_bits_from <= 0;
  rounding_state_ = at::full({1}, rounding_ ? 1.0 : 0.0, at::kFloat);
  const auto device = entries.front().tensor.device();
  const auto f32 = at::TensorOptions().device(device).dtype(at::kFloat);
  total = std::max(total, begin_of_matrices(num_adam_));
  master_ = at::zeros({total}, f32);
  for (size_t i = 0; i < entries.size(); ++i)
    master_.narrow(0, places_[i].offset, entries[i].tensor.numel()).copy_(entries[i].tensor.flatten());
  live_ = at::empty({total}, f32.dtype(dtype));
  grad_ = at::zeros({total}, f32.dtype(dtype));
  choose_own();
  moment1_ = at::zeros({adam_size_}, f32);
  moment2_ = at::zeros({adam_size_}, f32);
  momentum_ = at::zeros({own_.empty() ? 0 : own_.back().state + own_.back().matrices.count * own_.back().matrices.rows * own_.back().matrices.columns}, f32);
  for (size_t i = 0; i < entries.size(); ++i) {
    at::Tensor p = entries[i].tensor;
    p.set_data(live_.narrow(0, places_[i].offset, p.numel()).view(places_[i].shape));
    p.mutable_grad() = grad_.narrow(0, places_[i].offset, p.numel()).view(places_[i].shape);
    p.set_requires_grad(true);
  }
  write_live();
  if (config.cuda_graph && device.is_cuda() && !own_.empty()) {
#ifdef FOVEA_WITH_NCCL
    graph_ = std::make_unique<MuonGraph>();
    graph_->update = at::zeros_like(momentum_);
    graph_->direction = at::zeros_like(momentum_);
#else
    throw UnsupportedError("[train] optimizer.cuda_graph needs a build with CUDA");
#endif
  }
}

FlatOptimizer::~FlatOptimizer() = default;

/// AdamW's elements in equal parts; of every group of matrices as many whole ones, and what is left over goes to another process each time.
void FlatOptimizer::choose_own() {
  const auto [rank, world] = share_;
  adam_begin_ = num_adam_ * rank / world;
  adam_size_ = num_adam_ * (rank + 1) / world - adam_begin_;
  int64_t state = 0;
  for (size_t g = 0; g < groups_.size(); ++g) {
    auto mine = groups_[g];
    const int64_t turn = (rank + int64_t(g)) % world, begin = mine.count * turn / world, end = mine.count * (turn + 1) / world;
    if (begin == end) continue;
    mine.offset += begin * mine.rows * mine.columns;
    mine.count = end - begin;
    own_.push_back({mine, state});
    state += mine.count * mine.rows * mine.columns;
  }
}

void FlatOptimizer::publish() {
  if (config_.weight_bits > 0) rounding_ = rounding_state_.item<float>() > 0;
  write_live();
}

void FlatOptimizer::add_rounded_range(const Place& place) {
  if (config_.weight_bits == 0 || place.shape.size() < 2 || place.name.rfind("model.", 0) != 0) return;
  int64_t rows = place.shape[0], columns = 1;
  for (size_t i = 1; i < place.shape.size(); ++i) columns *= place.shape[i];
  if (rows * columns == 0) return;
  const int64_t bits = weights::stored_bits(weights::named_bits(config_.weight_bits, place.name, config_.weight_eight_bits, config_.weight_four_bits), columns);
  // Rows of whole groups are as good as more rows of one group.
  if (bits < 8 && columns % config_.weight_group == 0) rows *= columns / config_.weight_group, columns = config_.weight_group;
  if (!rounded_ranges_.empty()) {
    auto& last = rounded_ranges_.back();
    if (last.columns == columns && last.bits == bits && last.offset + last.rows * last.columns == place.offset) {
      last.rows += rows;
      return;
    }
  }
  rounded_ranges_.push_back({place.offset, rows, columns, bits});
}

/// Of the master's matrices into out, a flat buffer like it.
void FlatOptimizer::round(const at::Tensor& out) const {
  for (const auto& range : rounded_ranges_) {
    const int64_t size = range.rows * range.columns;
    const auto values = master_.narrow(0, range.offset, size).view({range.rows, range.columns});
    out.narrow(0, range.offset, size).view({range.rows, range.columns}).copy_(weights::round_as_stored(values, range.bits, config_.weight_group));
  }
}

void FlatOptimizer::write_live() {
  torch::NoGradGuard no_grad;
  live_.copy_(master_);
  if (rounding_) round(live_);
}

void FlatOptimizer::accumulate() {
  torch::NoGradGuard no_grad;
  if (!sum_.defined()) sum_ = grad_.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  else sum_.add_(grad_);
  grad_.zero_();
}

at::Tensor FlatOptimizer::step(double rate, const Reduce& reduce, int64_t num_batches, double progress) {
  torch::NoGradGuard no_grad;
  num_steps_ += 1;
  auto grad = grad_.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  if (sum_.defined()) {
    grad.add_(sum_);
    sum_ = at::Tensor();
  }
  if (num_batches > 1) {
    if (config_.reduce_dtype == "bfloat16") {
      auto sent = grad.to(at::kBFloat16);
      reduce(sent);
      grad.copy_(sent);
    } else {
      reduce(grad);
    }
    grad.div_(double(num_batches));
  }
  const auto norm = grad.norm();
  auto scale = config_.clip_norm > 0 ? at::clamp_max(config_.clip_norm / (norm + 1e-6), 1.0) : at::ones_like(norm);
  const auto finite = at::isfinite(norm);
  grad.mul_(at::where(finite, scale, at::zeros_like(scale)));
  grad.nan_to_num_(0.0, 0.0, 0.0);

  // AdamW (no weight decay: embeddings, gains and positions)
  const auto g = grad.narrow(0, adam_begin_, adam_size_);
  moment1_.lerp_(g, 1 - config_.adam_beta1);
  moment2_.mul_(config_.adam_beta2).addcmul_(g, g, 1 - config_.adam_beta2);
  const double correct1 = 1 - std::pow(config_.adam_beta1, double(num_steps_)), correct2 = 1 - std::pow(config_.adam_beta2, double(num_steps_));
  const auto denominator = moment2_.sqrt().div_(std::sqrt(correct2)).add_(config_.adam_eps);
  master_.narrow(0, adam_begin_, adam_size_).addcdiv_(moment1_, denominator, -rate / correct1);

  // Muon with Nesterov momentum
  const int64_t matrices = begin_of_matrices(num_adam_);
  at::Tensor gm = grad.narrow(0, matrices, grad.size(0) - matrices);
  if (sharded()) {
    gm = at::empty_like(momentum_);
    for_own([&](int64_t begin, int64_t size, int64_t state) { gm.narrow(0, state, size).copy_(grad.narrow(0, begin, size)); });
  }
  momentum_.lerp_(gm, 1 - config_.muon_momentum);
  const auto direction_of = [&](const at::Tensor& update, const OwnMatrices& own) {
    const auto& m = own.matrices;
    return orthogonalize(update.narrow(0, own.state, m.count * m.rows * m.columns).view({m.count, m.rows, m.columns}));
  };
  at::Tensor update;
  if (graph_) {
    at::lerp_out(graph_->update, gm, momentum_, config_.muon_momentum);
    graph_->run([&] {
      for (const auto& own : own_) {
        const auto direction = direction_of(graph_->update, own).flatten();
        graph_->direction.narrow(0, own.state, direction.numel()).copy_(direction);
      }
    });
  } else {
    update = at::lerp(gm, momentum_, config_.muon_momentum);
  }
  for (const auto& own : own_) {
    const auto& group = own.matrices;
    const int64_t size = group.count * group.rows * group.columns;
    const auto direction = graph_ ? graph_->direction.narrow(0, own.state, size) : direction_of(update, own);
    const double matched = rate * 0.2 * std::sqrt(double(std::max(group.rows, group.columns)));
    auto values = master_.narrow(0, group.offset, size);
    values.mul_(1 - rate * config_.muon_weight_decay).add_(direction.flatten(), -matched);
  }
  if (sharded()) {
    // Each process' share beside zeros: the sum is all shares. The gradients are done with.
    grad.zero_();
    grad.narrow(0, adam_begin_, adam_size_).copy_(master_.narrow(0, adam_begin_, adam_size_));
    for_own([&](int64_t begin, int64_t size, int64_t) { grad.narrow(0, begin, size).copy_(master_.narrow(0, begin, size)); });
    reduce(grad);
    master_.copy_(grad);
  }
  if (config_.weight_bits > 0 && !rounding_ && progress >= config_.weight_bits_from) {
    rounding_ = true;
    rounding_state_.fill_(1);
  }
  write_live();
  grad_.zero_();
  return norm;
}

weights::NamedTensors FlatOptimizer::named_views(const at::Tensor& flat) const {
  weights::NamedTensors out;
  for (const auto& place : places_) {
    int64_t size = 1;
    for (int64_t s : place.shape) size *= s;
    out.emplace_back(place.name, flat.narrow(0, place.offset, size).view(place.shape));
  }
  return out;
}

weights::NamedTensors FlatOptimizer::master_tensors() const { return named_views(master_); }

weights::NamedTensors FlatOptimizer::model_tensors() const {
  if (!rounding_) return named_views(master_);
  torch::NoGradGuard no_grad;
  const auto copy = master_.clone();
  round(copy);
  return named_views(copy);
}

weights::NamedTensors FlatOptimizer::state_to_load() {
  weights::NamedTensors out = {{"moment1", moment1_}, {"moment2", moment2_}, {"momentum", momentum_}};
  if (sharded()) {
    out[0].second = at::zeros({num_adam_}, moment1_.options());
    out[1].second = at::zeros({num_adam_}, moment1_.options());
    out[2].second = at::zeros({master_.size(0) - begin_of_matrices(num_adam_)}, moment1_.options());
  }
  if (config_.weight_bits > 0) out.emplace_back("rounding", rounding_state_);
  return out;
}

weights::NamedTensors FlatOptimizer::state_tensors(const Reduce& reduce) {
  torch::NoGradGuard no_grad;
  auto out = state_to_load();
  if (!sharded()) return out;
  out[0].second.narrow(0, adam_begin_, adam_size_).copy_(moment1_);
  out[1].second.narrow(0, adam_begin_, adam_size_).copy_(moment2_);
  for_own([&](int64_t begin, int64_t size, int64_t state) { out[2].second.narrow(0, begin - begin_of_matrices(num_adam_), size).copy_(momentum_.narrow(0, state, size)); });
  for (int i = 0; i < 3; ++i) reduce(out[size_t(i)].second);
  return out;
}

void FlatOptimizer::take_state(const weights::NamedTensors& whole) {
  if (!sharded()) return;  // it was loaded in place
  torch::NoGradGuard no_grad;
  moment1_.copy_(whole[0].second.narrow(0, adam_begin_, adam_size_));
  moment2_.copy_(whole[1].second.narrow(0, adam_begin_, adam_size_));
  for_own([&](int64_t begin, int64_t size, int64_t state) { momentum_.narrow(0, state, size).copy_(whole[2].second.narrow(0, begin - begin_of_matrices(num_adam_), size)); });
}

}  // namespace fovea::train

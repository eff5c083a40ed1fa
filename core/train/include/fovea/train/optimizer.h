// Muon for matrices, AdamW for the rest, over flat buffers: one float32 master of all parameters, the module's own parameters
// as views of one buffer in its arithmetic, gradients likewise. Few, large kernels whatever the number of parameters.
// With weight_bits the module computes with the matrices as they would be stored, the masters stay as fine as ever.
// Sources  Muon: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon (coefficients of the Newton-Schulz iteration);
//          0.2 RMS matching: Liu et al. 2025, arXiv 2502.16982. AdamW: Loshchilov and Hutter 2019, arXiv 1711.05101.
#pragma once
#include <memory>

#include <torch/torch.h>

#include "fovea/train/config.h"
#include "fovea/weights/load.h"

namespace fovea::train {

/// Errors: ConfigError for weight_bits other than 0, 4 or 8 and for a weight_group that is no power of two.
void check_optimizer(const OptimizerConfig& config);

/// Which share of the parameters this process updates and keeps the state of: process `rank` of `world`. {0, 1}: all of them.
struct Share {
  int64_t rank = 0, world = 1;
};

class FlatOptimizer {
 public:
  using Reduce = std::function<void(at::Tensor&)>;  ///< sum over processes, in place
  /// Takes over the parameters: each becomes a view into a buffer of the given type on its device, with its gradient defined.
  /// Matrices (and convolutions, as [out, rest]) go to Muon, except embeddings, heads and positions; all others to AdamW.
  /// weight_bits is for the matrices of the model, "model.*" (which are what is stored), not for probes and adapters.
  /// Errors: UnsupportedError (config.cuda_graph in a build without CUDA); as check_optimizer; ConfigError for weight_bits where no matrix of the model is trained.
  FlatOptimizer(const std::vector<std::pair<std::string, at::Tensor>>& parameters, const OptimizerConfig& config, at::ScalarType dtype, Share share = {});

  ~FlatOptimizer();

  /// Puts the gradients of one of a step's batches aside, summed in float32, and zeroes them.
  void accumulate();
  /// What was put aside and the gradients, summed over processes by `reduce` and divided by num_batches (all processes together), clipped, applied.
  /// Returns the norm (a device scalar) before clipping. Zeroes the gradients. A norm that is not finite leaves the parameters as they are.
  /// progress (0 to 1) decides on weight_bits_from; once begun it goes on.
  /// With a share of several, the masters are summed by `reduce` after the update, each from the process that updated it; all processes must call.
  at::Tensor step(double learning_rate, const Reduce& reduce, int64_t num_batches, double progress = 1);

  /// float32 parameters under their names (views of the master), and the optimiser's own state, for checkpoints.
  weights::NamedTensors master_tensors() const;
  /// float32 parameters as the module has them, for models that are saved: the master's, with weight_bits rounded to what storing gives (a copy then).
  weights::NamedTensors model_tensors() const;
  /// The whole of it, whatever the share: with a share of several put together by `reduce` (all processes must call).
  weights::NamedTensors state_tensors(const Reduce& reduce = {});
  /// Room for a checkpoint's state, for load_weights; take_state() then keeps what is this process' own.
  weights::NamedTensors state_to_load();
  void take_state(const weights::NamedTensors& whole);
  /// Memory of the state that this process keeps.
  int64_t state_bytes() const { return int64_t(moment1_.nbytes() + moment2_.nbytes() + momentum_.nbytes()); }
  /// After load_weights into master_tensors() and take_state(): copies the master into the module's parameters.
  void publish();
  int64_t num_steps() const { return num_steps_; }
  void set_num_steps(int64_t n) { num_steps_ = n; }

 private:
  struct MatrixGroup {
    int64_t offset, count, rows, columns;
  };
  struct Place {
    std::string name;
    std::vector<int64_t> shape;
    int64_t offset;
  };
  /// Neighbours that are rounded alike, in one go.
  struct RoundedRange {
    int64_t offset, rows, columns, bits;
  };
  /// A group's part that is this process' own; `state` is where it begins in momentum_.
  struct OwnMatrices {
    MatrixGroup matrices;
    int64_t state;
  };
  void choose_own();
  bool sharded() const { return share_.world > 1; }
  /// Calls with (begin in the flat buffers, size, begin in momentum_) for Muon's own ranges.
  template <class F> void for_own(const F& f) const {
    for (const auto& own : own_) f(own.matrices.offset, own.matrices.count * own.matrices.rows * own.matrices.columns, own.state);
  }
  weights::NamedTensors named_views(const at::Tensor& flat) const;
  void add_rounded_range(const Place& place);
  void round(const at::Tensor& out) const;
  void write_live();
  OptimizerConfig config_;
  int64_t num_steps_ = 0;
  int64_t num_adam_ = 0;            ///< the first elements of every buffer are AdamW's
  std::vector<Place> places_;
  std::vector<MatrixGroup> groups_; ///< equal shapes, side by side
  Share share_;
  int64_t adam_begin_ = 0, adam_size_ = 0;  ///< AdamW's own elements
  std::vector<OwnMatrices> own_;    ///< Muon's
  at::Tensor master_, live_, grad_; ///< float32, dtype, dtype
  at::Tensor sum_;                  ///< float32: of the step's earlier batches; undefined where there are none
  at::Tensor moment1_, moment2_;    ///< AdamW, own
  at::Tensor momentum_;             ///< Muon, own
  std::vector<RoundedRange> rounded_ranges_;  ///< none without weight_bits
  bool rounding_ = false;           ///< whether weight_bits has begun
  at::Tensor rounding_state_;       ///< the same for checkpoints: one number, on the CPU
  struct MuonGraph;
  std::unique_ptr<MuonGraph> graph_; ///< config.cuda_graph on a GPU
};

/// Newton-Schulz: [n, rows, columns] -> matrices with the same singular vectors and singular values near 1; bfloat16 on a GPU.
at::Tensor orthogonalize(const at::Tensor& matrices, int steps = 5);

}  // namespace fovea::train

// Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): a layer keeps its input alone and is computed again when its gradient is wanted.
// Layers here draw no random numbers, so the second time is the first time's equal.
#pragma once
#include <torch/torch.h>

#include <functional>

namespace fovea::nn {

/// While one lives, `checkpointed` does so on this thread.
class CheckpointGuard {
 public:
  explicit CheckpointGuard(bool on);
  ~CheckpointGuard();
  CheckpointGuard(const CheckpointGuard&) = delete;
  CheckpointGuard& operator=(const CheckpointGuard&) = delete;
  static bool is_on();

 private:
  bool before_;
};

namespace detail {
at::Tensor checkpointed(std::function<at::Tensor(const at::Tensor&)> layer, const at::Tensor& x);
}

/// layer(x), one tensor in and one out; whatever else the layer uses must still be there, and be the same, when gradients are taken.
/// Parameters get their gradients straight into .grad, as from any backward pass.
template <class F> at::Tensor checkpointed(const at::Tensor& x, F layer) {
  if (!CheckpointGuard::is_on() || !at::GradMode::is_enabled()) return layer(x);
  return detail::checkpointed(std::move(layer), x);
}

}  // namespace fovea::nn

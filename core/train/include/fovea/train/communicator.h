// Sums over the processes of a run: NCCL on GPUs under torchrun, nothing for a single process.
#pragma once
#include <memory>

#include <torch/torch.h>

namespace fovea::train {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int64_t rank() const { return 0; }
  virtual int64_t world_size() const { return 1; }
  virtual int64_t local_rank() const { return 0; }
  virtual int64_t local_world_size() const { return 1; }
  /// Sum in place, on the current stream.
  virtual void all_reduce(at::Tensor&) {}
  /// Rank 0's values to all, in place.
  virtual void broadcast(at::Tensor&) {}

  /// From torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT); single without it.
  /// Errors: UnsupportedError if WORLD_SIZE > 1 and this build has no NCCL or the device is not a GPU.
  static std::unique_ptr<Communicator> from_environment(const std::string& device);
};

}  // namespace fovea::train

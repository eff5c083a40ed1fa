// Sums over the processes of a run under torchrun: NCCL on GPUs, torch's TCP store on CPUs, nothing for a single process.
#pragma once
#include <memory>

#include <torch/torch.h>

#include "fovea/base/error.h"

namespace fovea::train {

/// Another process of the run ended or does not answer any more.
class LostProcessError : public Error { using Error::Error; };

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int64_t rank() const { return 0; }
  virtual int64_t world_size() const { return 1; }
  virtual int64_t local_rank() const { return 0; }
  virtual int64_t local_world_size() const { return 1; }
  /// Sum in place, on the current stream. Errors: LostProcessError.
  virtual void all_reduce(at::Tensor&) {}
  /// Rank 0's values to all, in place. Errors: LostProcessError.
  virtual void broadcast(at::Tensor&) {}

  /// From torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT); single without it.
  /// lost_after_s  a process that has not come to the same call for so long is taken for lost
  /// Errors: UnsupportedError if WORLD_SIZE > 1 on GPUs and this build has no NCCL; LostProcessError.
  static std::unique_ptr<Communicator> from_environment(const std::string& device, double lost_after_s = 600);
};

}  // namespace fovea::train

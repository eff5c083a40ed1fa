#include "fovea/train/communicator.h"

#include <cstdlib>
#include <cstring>

#include "fovea/base/error.h"

#ifdef FOVEA_WITH_NCCL
#include <ATen/cuda/CUDAContext.h>
#include <nccl.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#endif

namespace fovea::train {

static int64_t environment_number(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : fallback;
}

#ifdef FOVEA_WITH_NCCL
namespace {

void check(ncclResult_t result, const char* what) {
  if (result != ncclSuccess) throw UnsupportedError(std::string("[nccl] ") + what + ": " + ncclGetErrorString(result));
}

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator()
      : rank_(environment_number("RANK", 0)), world_(environment_number("WORLD_SIZE", 1)),
        local_rank_(environment_number("LOCAL_RANK", 0)), local_world_(environment_number("LOCAL_WORLD_SIZE", world_)) {
    const char* host = std::getenv("MASTER_ADDR");
    c10d::TCPStoreOptions options;
    options.port = uint16_t(environment_number("MASTER_PORT", 29500));
    const char* agent = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
    options.isServer = rank_ == 0 && !(agent && std::strcmp(agent, "True") == 0);
    options.waitWorkers = false;
    store_ = c10::make_intrusive<c10d::TCPStore>(host ? host : "127.0.0.1", options);
    const std::string key = std::string("fovea/nccl/") + (std::getenv("TORCHELASTIC_RESTART_COUNT") ? std::getenv("TORCHELASTIC_RESTART_COUNT") : "0");
    ncclUniqueId id;
    if (rank_ == 0) {
      check(ncclGetUniqueId(&id), "ncclGetUniqueId");
      std::vector<uint8_t> bytes(sizeof id);
      std::memcpy(bytes.data(), &id, sizeof id);
      store_->set(key, bytes);
    } else {
      const auto bytes = store_->get(key);  // waits
      std::memcpy(&id, bytes.data(), sizeof id);
    }
    C10_CUDA_CHECK(cudaSetDevice(int(local_rank_)));
    check(ncclCommInitRank(&comm_, int(world_), id, int(rank_)), "ncclCommInitRank");
  }
  ~NcclCommunicator() override { ncclCommDestroy(comm_); }
  int64_t rank() const override { return rank_; }
  int64_t world_size() const override { return world_; }
  int64_t local_rank() const override { return local_rank_; }
  int64_t local_world_size() const override { return local_world_; }
  void all_reduce(at::Tensor& x) override {
    check(ncclAllReduce(x.data_ptr(), x.data_ptr(), size_t(x.numel()), type_of(x), ncclSum, comm_, at::cuda::getCurrentCUDAStream()), "ncclAllReduce");
  }
  void broadcast(at::Tensor& x) override {
    check(ncclBroadcast(x.data_ptr(), x.data_ptr(), size_t(x.numel()), type_of(x), 0, comm_, at::cuda::getCurrentCUDAStream()), "ncclBroadcast");
  }

 private:
  static ncclDataType_t type_of(const at::Tensor& x) {
    switch (x.scalar_type()) {
      case at::kFloat: return ncclFloat32;
      case at::kDouble: return ncclFloat64;
      case at::kBFloat16: return ncclBfloat16;
      case at::kLong: return ncclInt64;
      default: throw ShapeError("[nccl] no sum over this dtype");
    }
  }
  int64_t rank_, world_, local_rank_, local_world_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace
#endif

std::unique_ptr<Communicator> Communicator::from_environment(const std::string& device) {
  if (environment_number("WORLD_SIZE", 1) <= 1) return std::make_unique<Communicator>();
#ifdef FOVEA_WITH_NCCL
  if (device.rfind("cuda", 0) != 0) throw UnsupportedError("[train] several processes need --device cuda, got " + device);
  return std::make_unique<NcclCommunicator>();
#else
  throw UnsupportedError("[train] this build has no NCCL: WORLD_SIZE must be 1, got " + std::string(std::getenv("WORLD_SIZE")) + " on " + device);
#endif
}

}  // namespace fovea::train

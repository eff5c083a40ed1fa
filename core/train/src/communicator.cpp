#include "fovea/train/communicator.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#ifdef FOVEA_WITH_NCCL
#include <ATen/cuda/CUDAContext.h>
#include <nccl.h>
#endif

namespace fovea::train {
namespace {

int64_t environment_number(const char* name, int64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::atoll(text) : fallback;
}

/// Who this process is, and the store through which the processes find each other.
class TorchrunCommunicator : public Communicator {
 public:
  explicit TorchrunCommunicator(double lost_after_s)
      : rank_(environment_number("RANK", 0)), world_(environment_number("WORLD_SIZE", 1)), local_rank_(environment_number("LOCAL_RANK", 0)),
        local_world_(environment_number("LOCAL_WORLD_SIZE", world_)), lost_after_s_(lost_after_s) {
    const char* host = std::getenv("MASTER_ADDR");
    c10d::TCPStoreOptions options;
    options.port = uint16_t(environment_number("MASTER_PORT", 29500));
    const char* agent = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
    options.isServer = rank_ == 0 && !(agent && std::strcmp(agent, "True") == 0);
    options.waitWorkers = false;
    options.timeout = std::chrono::milliseconds(int64_t(1000 * lost_after_s));
    guarded("the start", [&] { store_ = c10::make_intrusive<c10d::TCPStore>(host ? host : "127.0.0.1", options); });
    const char* restart = std::getenv("TORCHELASTIC_RESTART_COUNT");
    prefix_ = std::string("fovea/") + (restart ? restart : "0") + "/";
  }
  int64_t rank() const override { return rank_; }
  int64_t world_size() const override { return world_; }
  int64_t local_rank() const override { return local_rank_; }
  int64_t local_world_size() const override { return local_world_; }

 protected:
  /// The store throws when its server is gone or nobody answers in time.
  template <class F> void guarded(const std::string& what, const F& f) const {
    try {
      f();
    } catch (const std::exception& e) {
      const std::string text = e.what();
      throw LostProcessError("[train] process " + std::to_string(rank_) + " of " + std::to_string(world_) + " waited in vain for the others at " + what + " (" + text.substr(0, text.find('\n')) +
                             "): one has ended or hangs; started again, the run goes on from its last checkpoint");
    }
  }
  int64_t rank_, world_, local_rank_, local_world_;
  double lost_after_s_;
  std::string prefix_;
  c10::intrusive_ptr<c10d::TCPStore> store_;
};

/// Every process puts its tensor into the store and adds up all of them in the order of their ranks, so that all get the same sum. For tests and
/// small models on CPUs: all bytes go through one server, in parts, since it takes 8 MiB a message.
class StoreCommunicator final : public TorchrunCommunicator {
 public:
  using TorchrunCommunicator::TorchrunCommunicator;
  ~StoreCommunicator() override {
    // The server lives in rank 0: it waits until the others have said that they are done, or a few seconds where they ended otherwise.
    try {
      store_->add(prefix_ + "left", 1);
      for (int i = 0; rank_ == 0 && i < 50 && store_->add(prefix_ + "left", 0) < world_; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    } catch (const std::exception&) {
    }
  }
  void all_reduce(at::Tensor& x) override {
    const auto all = exchange(x, /*from_root=*/false);
    x.copy_(all[0]);
    for (size_t r = 1; r < all.size(); ++r) x.add_(all[r]);
  }
  void broadcast(at::Tensor& x) override { x.copy_(exchange(x, /*from_root=*/true)[0]); }

 private:
  std::vector<at::Tensor> exchange(const at::Tensor& x, bool from_root) {
    const std::string key = prefix_ + std::to_string(calls_) + "/";
    const auto own = x.contiguous();
    const auto* bytes = static_cast<const uint8_t*>(own.data_ptr());
    const size_t size = size_t(own.nbytes()), parts = std::max<size_t>(1, (size + kPartBytes - 1) / kPartBytes);
    const auto name = [&](int64_t rank, size_t part) { return std::to_string(rank) + "." + std::to_string(part); };
    std::vector<at::Tensor> out;
    guarded("exchange " + std::to_string(calls_), [&] {
      for (size_t part = 0; part < parts; ++part) {
        const size_t begin = part * kPartBytes, end = std::min(size, begin + kPartBytes);
        store_->set(key + name(rank_, part), from_root && rank_ != 0 ? std::vector<uint8_t>{0} : std::vector<uint8_t>(bytes + begin, bytes + end));
      }
      for (int64_t r = 0; r < world_; ++r) {
        auto tensor = at::empty_like(own);
        for (size_t part = 0; part < parts; ++part) {
          store_->wait({key + name(r, part)}, std::chrono::milliseconds(int64_t(1000 * lost_after_s_)));
          if (from_root && r != 0) continue;
          const auto stored = store_->get(key + name(r, part));
          const size_t begin = part * kPartBytes, length = std::min(size, begin + kPartBytes) - begin;
          TORCH_CHECK(stored.size() == length, "process ", r, " sent ", stored.size(), " bytes instead of ", length);
          std::memcpy(static_cast<uint8_t*>(tensor.data_ptr()) + begin, stored.data(), length);
        }
        if (!from_root || r == 0) out.push_back(tensor);
      }
      // Two calls back everybody has read: whoever is here has passed the call between.
      if (calls_ >= 2)
        for (size_t part = 0; part < parts_[calls_ % 2]; ++part) store_->deleteKey(prefix_ + std::to_string(calls_ - 2) + "/" + name(rank_, part));
    });
    parts_[calls_ % 2] = parts;
    ++calls_;
    return out;
  }
  static constexpr size_t kPartBytes = size_t(4) << 20;
  int64_t calls_ = 0;
  size_t parts_[2] = {0, 0};  // of the last two calls
};

#ifdef FOVEA_WITH_NCCL
void check(ncclResult_t result, const char* what) {
  if (result != ncclSuccess) throw UnsupportedError(std::string("[nccl] ") + what + ": " + ncclGetErrorString(result));
}

class NcclCommunicator final : public TorchrunCommunicator {
 public:
  explicit NcclCommunicator(double lost_after_s) : TorchrunCommunicator(lost_after_s), last_call_(now_s()) {
    const std::string key = prefix_ + "nccl";
    ncclUniqueId id;
    if (rank_ == 0) {
      check(ncclGetUniqueId(&id), "ncclGetUniqueId");
      std::vector<uint8_t> bytes(sizeof id);
      std::memcpy(bytes.data(), &id, sizeof id);
      guarded("the start", [&] { store_->set(key, bytes); });
    } else {
      guarded("the start", [&] {
        const auto bytes = store_->get(key);  // waits
        std::memcpy(&id, bytes.data(), sizeof id);
      });
    }
    C10_CUDA_CHECK(cudaSetDevice(int(local_rank_)));
    check(ncclCommInitRank(&comm_, int(world_), id, int(rank_)), "ncclCommInitRank");
    watch_ = std::thread([this] { watch(); });
  }
  ~NcclCommunicator() override {
    stop_ = true;
    watch_.join();
    if (!aborted_) ncclCommDestroy(comm_);
  }
  void all_reduce(at::Tensor& x) override {
    alive();
    check(ncclAllReduce(x.data_ptr(), x.data_ptr(), size_t(x.numel()), type_of(x), ncclSum, comm_, at::cuda::getCurrentCUDAStream()), "ncclAllReduce");
    alive();
  }
  void broadcast(at::Tensor& x) override {
    alive();
    check(ncclBroadcast(x.data_ptr(), x.data_ptr(), size_t(x.numel()), type_of(x), 0, comm_, at::cuda::getCurrentCUDAStream()), "ncclBroadcast");
    alive();
  }

 private:
  static double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  void alive() {
    last_call_ = now_s();
    if (aborted_)
      throw LostProcessError("[train] process " + std::to_string(rank_) + " of " + std::to_string(world_) + ": another one has ended or hangs; started again, the run goes on from its last checkpoint");
  }
  /// A lost process leaves the others in a kernel that waits for it, and their main threads in a wait for that kernel. Aborting ends the kernel; the main
  /// thread's next call then throws.
  void watch() {
    while (!stop_) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      ncclResult_t state = ncclSuccess;
      const bool broken = ncclCommGetAsyncError(comm_, &state) == ncclSuccess && state != ncclSuccess && state != ncclInProgress;
      if (!broken && now_s() - last_call_ < lost_after_s_) continue;
      aborted_ = true;
      ncclCommAbort(comm_);
      return;
    }
  }
  static ncclDataType_t type_of(const at::Tensor& x) {
    switch (x.scalar_type()) {
      case at::kFloat: return ncclFloat32;
      case at::kDouble: return ncclFloat64;
      case at::kBFloat16: return ncclBfloat16;
      case at::kLong: return ncclInt64;
      default: throw ShapeError("[nccl] no sum over this dtype");
    }
  }
  ncclComm_t comm_ = nullptr;
  std::atomic<double> last_call_;
  std::atomic<bool> stop_{false}, aborted_{false};
  std::thread watch_;
};
#endif

}  // namespace

std::unique_ptr<Communicator> Communicator::from_environment(const std::string& device, double lost_after_s) {
  if (environment_number("WORLD_SIZE", 1) <= 1) return std::make_unique<Communicator>();
  if (device == "cpu") return std::make_unique<StoreCommunicator>(lost_after_s);
#ifdef FOVEA_WITH_NCCL
  return std::make_unique<NcclCommunicator>(lost_after_s);
#else
  throw UnsupportedError("[train] this build has no NCCL: WORLD_SIZE must be 1 on GPUs, got " + std::string(std::getenv("WORLD_SIZE")));
#endif
}

}  // namespace fovea::train

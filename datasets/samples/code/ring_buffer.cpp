// A bounded queue between one writer and one reader, without locks.
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

template <class T>
class RingBuffer {
 public:
  explicit RingBuffer(std::size_t capacity) : mask_(round_up(capacity) - 1), slots_(new T[mask_ + 1]) {}

  bool push(T value) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) > mask_) return false;  // full
    slots_[tail & mask_] = std::move(value);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  std::optional<T> pop() {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return std::nullopt;  // empty
    T value = std::move(slots_[head & mask_]);
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

  std::size_t size() const { return tail_.load() - head_.load(); }

 private:
  static std::size_t round_up(std::size_t n) {
    std::size_t power = 1;
    while (power < n) power <<= 1;
    return power;
  }

  const std::size_t mask_;
  std::unique_ptr<T[]> slots_;
  alignas(64) std::atomic<std::size_t> head_{0};
  alignas(64) std::atomic<std::size_t> tail_{0};
};

int main() {
  RingBuffer<long> buffer(1000);
  constexpr long kCount = 5'000'000;
  std::thread writer([&] {
    for (long i = 1; i <= kCount; ++i)
      while (!buffer.push(i)) std::this_thread::yield();
  });
  long sum = 0;
  for (long taken = 0; taken < kCount;) {
    if (const auto value = buffer.pop()) {
      sum += *value;
      ++taken;
    } else {
      std::this_thread::yield();
    }
  }
  writer.join();
  assert(sum == kCount * (kCount + 1) / 2);
  std::printf("sum %ld, left %zu\n", sum, buffer.size());
}

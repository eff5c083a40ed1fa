// Independent work over threads.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace fovea {

/// Calls body(i) for i in [0, n) on up to num_threads threads (the caller's among them). The first exception is
/// rethrown in the caller after all threads have stopped; work not yet begun is then left out.
template <class Body> void parallel_for(size_t n, int num_threads, Body&& body) {
  if (num_threads <= 1 || n <= 1) {
    for (size_t i = 0; i < n; ++i) body(i);
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr failure;
  std::mutex failure_mutex;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < n;) {
      try {
        body(i);
      } catch (...) {
        std::lock_guard<std::mutex> lock(failure_mutex);
        if (!failure) failure = std::current_exception();
        next.store(n);
      }
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < num_threads && size_t(t) < n; ++t) threads.emplace_back(work);
  work();
  for (auto& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fovea

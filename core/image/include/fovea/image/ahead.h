// Pictures read and cut into views by threads, while whoever takes them works on earlier ones.
#pragma once
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fovea/image/read.h"
#include "fovea/image/views.h"

namespace fovea::image {

/// Hands files out in their order, each once. One thread takes; the object owns the threads that read, and its destructor waits for the pictures at work.
class ViewsAhead {
 public:
  struct Item {
    size_t index = 0;   ///< of the file
    int width_px = 0, height_px = 0;  ///< of the picture as it was read, upright
    Views views;
    std::string error;  ///< what was thrown instead, one line; empty: the views are there
  };
  /// num_threads  0: one a core
  /// ahead        pictures that may lie ready, so that memory is bounded; 0: twice the threads
  ViewsAhead(std::vector<std::string> files, Mode mode, int64_t stride_px = 64, size_t num_threads = 0, size_t ahead = 0, ReadLimits limits = {});
  ~ViewsAhead();
  ViewsAhead(const ViewsAhead&) = delete;
  ViewsAhead& operator=(const ViewsAhead&) = delete;
  /// The next file; waits for it. None after the last.
  std::optional<Item> next();

 private:
  void work();
  const std::vector<std::string> files_;
  const Mode mode_;
  const int64_t stride_px_;
  const ReadLimits limits_;
  size_t ahead_;
  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::map<size_t, Item> done_;
  size_t started_ = 0, taken_ = 0;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fovea::image

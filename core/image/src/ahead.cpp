#include "fovea/image/ahead.h"

#include <algorithm>
#include <exception>

namespace fovea::image {

ViewsAhead::ViewsAhead(std::vector<std::string> files, Mode mode, int64_t stride_px, size_t num_threads, size_t ahead, ReadLimits limits)
    : files_(std::move(files)), mode_(std::move(mode)), stride_px_(stride_px), limits_(limits) {
  if (num_threads == 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
  num_threads = std::min(num_threads, std::max<size_t>(files_.size(), 1));
  ahead_ = ahead > 0 ? ahead : 2 * num_threads;
  for (size_t i = 0; i < num_threads; ++i) threads_.emplace_back([this] { work(); });
}

ViewsAhead::~ViewsAhead() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  room_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void ViewsAhead::work() {
  for (;;) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return stop_ || started_ == files_.size() || started_ < taken_ + ahead_; });
      if (stop_ || started_ == files_.size()) return;
      item.index = started_++;
    }
    try {
      const Image picture = read(files_[item.index], limits_);
      item.width_px = picture.width_px;
      item.height_px = picture.height_px;
      item.views = make_views(picture, mode_, stride_px_);
    } catch (const std::exception& e) {
      item.error = e.what();
    }
    {
      const std::lock_guard lock(mutex_);
      const size_t index = item.index;
      done_.emplace(index, std::move(item));
    }
    ready_.notify_one();
  }
}

std::optional<ViewsAhead::Item> ViewsAhead::next() {
  std::unique_lock lock(mutex_);
  if (taken_ == files_.size()) return std::nullopt;
  ready_.wait(lock, [&] { return done_.count(taken_) > 0; });
  auto node = done_.extract(taken_++);
  lock.unlock();
  room_.notify_one();
  return std::move(node.mapped());
}

}  // namespace fovea::image

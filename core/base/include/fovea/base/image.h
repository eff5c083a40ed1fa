// 8-bit pixels in memory: the one picture type that renderer, encoder and harness share.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace fovea {

/// Memory of pixels: the heap, or a block that somebody lends (LendPixels), so that a picture is made where it is wanted.
class PixelAllocator {
 public:
  using value_type = uint8_t;
  using propagate_on_container_move_assignment = std::true_type;
  using propagate_on_container_swap = std::true_type;
  using is_always_equal = std::false_type;
  template <class> struct rebind {
    using other = PixelAllocator;  // it has bytes only
  };

  PixelAllocator() = default;
  uint8_t* allocate(size_t size) {
    if (lent_here_ && lent_size_ == size) {
      lent_ = lent_here_;
      lent_here_ = nullptr;
      return lent_;
    }
    return std::allocator<uint8_t>().allocate(size);
  }
  void deallocate(uint8_t* data, size_t size) {
    if (data == lent_)
      lent_ = nullptr;
    else
      std::allocator<uint8_t>().deallocate(data, size);
  }
  /// Bytes of Pixels(n) are not set: whoever makes them fills them, at memset's speed (Image::filled).
  void construct(uint8_t*) noexcept {}
  void construct(uint8_t* at, uint8_t value) noexcept { *at = value; }
  PixelAllocator select_on_container_copy_construction() const { return {}; }
  friend bool operator==(const PixelAllocator& a, const PixelAllocator& b) { return a.lent_ == b.lent_; }

 private:
  friend class LendPixels;
  static inline thread_local uint8_t* lent_here_ = nullptr;
  static inline thread_local size_t lent_size_ = 0;
  uint8_t* lent_ = nullptr;
};

/// While it lives, the first picture of exactly `size` bytes that this thread makes stands in `data`, which must outlive that picture.
class LendPixels {
 public:
  LendPixels(uint8_t* data, size_t size) { PixelAllocator::lent_here_ = data, PixelAllocator::lent_size_ = size; }
  ~LendPixels() { PixelAllocator::lent_here_ = nullptr; }
  LendPixels(const LendPixels&) = delete;
  LendPixels& operator=(const LendPixels&) = delete;
};

using Pixels = std::vector<uint8_t, PixelAllocator>;

/// Gray (1 channel) or RGB (3 channels) picture; rows from the top, no padding between rows.
struct Image {
  int width_px = 0;
  int height_px = 0;
  int channels = 1;
  Pixels pixels;  ///< height_px * width_px * channels values, 0 = black, 255 = white

  static Image filled(int width_px, int height_px, int channels, uint8_t value) {
    Image image{width_px, height_px, channels, Pixels(size_t(width_px) * size_t(height_px) * size_t(channels))};
    if (!image.pixels.empty()) std::memset(image.pixels.data(), value, image.pixels.size());
    return image;
  }
  uint8_t* row(int y) { return pixels.data() + size_t(y) * size_t(width_px) * size_t(channels); }
  const uint8_t* row(int y) const { return pixels.data() + size_t(y) * size_t(width_px) * size_t(channels); }
};

/// Writes an 8-bit PNG under a temporary name and renames it. Errors: IoError.
void write_png(const Image& image, const std::string& path);
/// Encodes an 8-bit PNG in memory. Errors: IoError.
std::vector<uint8_t> encode_png(const Image& image);
/// Reads a PNG as gray (1 or 2 channels in the file; alpha dropped) or RGB. Errors: IoError.
Image read_png(const std::string& path);

}  // namespace fovea

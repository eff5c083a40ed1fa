#include <png.h>

#include <cstring>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/image.h"

namespace fovea {

std::vector<uint8_t> encode_png(const Image& image) {
  if (image.width_px < 1 || image.height_px < 1 || (image.channels != 1 && image.channels != 3) || image.pixels.empty())
    throw IoError("[encode_png] needs a gray or RGB picture of at least 1 x 1 px, with its pixels");
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(image.width_px);
  png.height = static_cast<png_uint_32>(image.height_px);
  png.format = image.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png.flags = PNG_IMAGE_FLAG_FAST;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
  std::vector<uint8_t> out(size);
  if (!png_image_write_to_memory(&png, out.data(), &size, 0, image.pixels.data(), 0, nullptr))
    throw IoError(std::string("[encode_png] ") + png.message);
  out.resize(size);
  return out;
}

void write_png(const Image& image, const std::string& path) {
  const auto bytes = encode_png(image);
  write_file_atomic(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

Image read_png(const std::string& path) {
  const std::string bytes = read_file(path);
  png_image png;
  std::memset(&png, 0, sizeof png);
  png.version = PNG_IMAGE_VERSION;
  if (!png_image_begin_read_from_memory(&png, bytes.data(), bytes.size()))
    throw IoError("[read_png] " + path + ": " + png.message);
  const bool gray = (png.format & PNG_FORMAT_FLAG_COLOR) == 0;
  png.format = gray ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Image image = Image::filled(static_cast<int>(png.width), static_cast<int>(png.height), gray ? 1 : 3, 0);
  const png_color white = {255, 255, 255};
  if (!png_image_finish_read(&png, &white, image.pixels.data(), 0, nullptr))
    throw IoError("[read_png] " + path + ": " + png.message);
  return image;
}

}  // namespace fovea

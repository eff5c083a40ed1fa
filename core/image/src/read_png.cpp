#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "formats.h"
#include "fovea/base/error.h"
#include "orientation.h"

namespace fovea::image {
namespace {

struct Source {
  std::string_view bytes;
  size_t at = 0;
  char message[160] = "";
};

// libpng is C: errors go through longjmp, so everything that needs a destructor lives outside of decode_rows.
bool decode_rows(png_structp png, png_infop info, Source& source, const std::string& name, const ReadLimits& limits, Image& image, std::vector<png_bytep>& rows,
                 std::string& too_large) {
  if (setjmp(png_jmpbuf(png))) return false;
  png_set_read_fn(png, &source, [](png_structp p, png_bytep out, size_t num) {
    auto* from = static_cast<Source*>(png_get_io_ptr(p));
    if (num > from->bytes.size() - from->at) png_error(p, "the file ends early");
    std::memcpy(out, from->bytes.data() + from->at, num);
    from->at += num;
  });
  png_set_user_limits(png, 0x7FFFFFFF, 0x7FFFFFFF);
  png_read_info(png, info);
  const int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  try {
    check_size(width, height, name, limits);
  } catch (const IoError& error) {
    too_large = error.what();
    return false;
  }
  const int colour = png_get_color_type(png, info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_16(png);
  png_set_strip_alpha(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
  const int channels = (colour & PNG_COLOR_MASK_COLOR) ? 3 : 1;
  if (png_get_rowbytes(png, info) != size_t(width) * size_t(channels)) png_error(png, "unexpected row size");
  image = Image::filled(int(width), int(height), channels, 0);
  rows.resize(size_t(height));
  for (int y = 0; y < image.height_px; ++y) rows[size_t(y)] = image.row(y);
  png_read_image(png, rows.data());
  png_read_end(png, info);
  return true;
}

}  // namespace

Decoded decode_png(std::string_view bytes, const std::string& name, const ReadLimits& limits) {
  Source source{bytes};
  png_structp png = png_create_read_struct(
      PNG_LIBPNG_VER_STRING, &source,
      [](png_structp p, png_const_charp message) {
        auto* from = static_cast<Source*>(png_get_error_ptr(p));
        std::strncpy(from->message, message, sizeof from->message - 1);
        std::longjmp(png_jmpbuf(p), 1);
      },
      [](png_structp, png_const_charp) {});
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  if (!info) throw IoError("[read image] " + name + ": libpng ran out of memory");
  Decoded out;
  std::vector<png_bytep> rows;
  std::string too_large;
  const bool good = decode_rows(png, info, source, name, limits, out.image, rows, too_large);
  png_uint_32 exif_size = 0;
  png_bytep exif = nullptr;
  if (good && png_get_eXIf_1(png, info, &exif_size, &exif)) out.orientation = exif_orientation({reinterpret_cast<const char*>(exif), exif_size});
  png_destroy_read_struct(&png, &info, nullptr);
  if (!too_large.empty()) throw IoError(too_large);
  if (!good) throw IoError("[read image] " + name + ": damaged PNG (" + source.message + ")");
  return out;
}

}  // namespace fovea::image

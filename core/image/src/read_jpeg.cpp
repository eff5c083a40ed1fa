#include <csetjmp>
#include <cstdio>
#include <vector>

#include <jpeglib.h>
// after jpeglib.h, which it needs
#include <jerror.h>

#include "formats.h"
#include "fovea/base/error.h"
#include "orientation.h"

namespace fovea::image {
namespace {

struct Handler {
  jpeg_error_mgr manager{};
  std::jmp_buf back;
  char message[JMSG_LENGTH_MAX] = "";
};

[[noreturn]] void leave(j_common_ptr jpeg) {
  auto* handler = reinterpret_cast<Handler*>(jpeg->err);
  jpeg->err->format_message(jpeg, handler->message);
  std::longjmp(handler->back, 1);
}

// A file that is cut short is an error (libjpeg would fill the rest with gray); other warnings are not.
void warn(j_common_ptr jpeg, int level) {
  if (level < 0 && (jpeg->err->msg_code == JWRN_JPEG_EOF || jpeg->err->msg_code == JWRN_HIT_MARKER)) leave(jpeg);
}

// Everything with a destructor lives outside: libjpeg's errors go through longjmp.
bool decode_rows(jpeg_decompress_struct& jpeg, Handler& handler, std::string_view bytes, const std::string& name, const ReadLimits& limits, Decoded& out,
                 std::vector<uint8_t>& row, std::string& too_large) {
  if (setjmp(handler.back)) return false;
  jpeg_create_decompress(&jpeg);
  jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xFFFF);
  jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&jpeg, TRUE);
  try {
    check_size(jpeg.image_width, jpeg.image_height, name, limits);
  } catch (const IoError& error) {
    too_large = error.what();
    return false;
  }
  const bool four = jpeg.num_components == 4;
  jpeg.out_color_space = four ? JCS_CMYK : jpeg.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  out.image = Image::filled(int(jpeg.output_width), int(jpeg.output_height), jpeg.num_components == 1 ? 1 : 3, 0);
  row.resize(size_t(jpeg.output_width) * 4);
  for (int y = 0; y < out.image.height_px; ++y) {
    uint8_t* to = four ? row.data() : out.image.row(y);
    jpeg_read_scanlines(&jpeg, &to, 1);
    if (!four) continue;
    if (jpeg.saw_Adobe_marker)  // Adobe stores ink inverted
      for (auto& value : row) value = uint8_t(255 - value);
    cmyk_to_rgb(row.data(), out.image.row(y), out.image.width_px);
  }
  for (const auto* marker = jpeg.marker_list; marker; marker = marker->next) {
    const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
    if (data.substr(0, 6) == std::string_view("Exif\0\0", 6)) {
      out.orientation = exif_orientation(data);
      break;
    }
  }
  jpeg_finish_decompress(&jpeg);
  return true;
}

}  // namespace

Decoded decode_jpeg(std::string_view bytes, const std::string& name, const ReadLimits& limits) {
  jpeg_decompress_struct jpeg{};
  Handler handler;
  jpeg.err = jpeg_std_error(&handler.manager);
  handler.manager.error_exit = leave;
  handler.manager.emit_message = warn;
  Decoded out;
  std::vector<uint8_t> row;
  std::string too_large;
  const bool good = decode_rows(jpeg, handler, bytes, name, limits, out, row, too_large);
  jpeg_destroy_decompress(&jpeg);
  if (!too_large.empty()) throw IoError(too_large);
  if (!good) throw IoError("[read image] " + name + ": damaged JPEG (" + handler.message + ")");
  return out;
}

}  // namespace fovea::image

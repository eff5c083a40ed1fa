#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <vector>

#include "formats.h"
#include "fovea/base/error.h"

namespace fovea::image {
namespace {

struct Source {
  std::string_view bytes;
  uint64_t at = 0;
};

tmsize_t read_some(thandle_t handle, void* out, tmsize_t num) {
  auto* source = static_cast<Source*>(handle);
  const uint64_t left = source->at < source->bytes.size() ? source->bytes.size() - source->at : 0;
  const uint64_t count = std::min<uint64_t>(uint64_t(std::max<tmsize_t>(num, 0)), left);
  std::memcpy(out, source->bytes.data() + source->at, count);
  source->at += count;
  return tmsize_t(count);
}
toff_t seek(thandle_t handle, toff_t offset, int whence) {
  auto* source = static_cast<Source*>(handle);
  source->at = offset + (whence == SEEK_CUR ? source->at : whence == SEEK_END ? source->bytes.size() : 0);
  return source->at;
}

struct Close {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};

}  // namespace

// libtiff's RGBA reader knows every layout (strips, tiles, bits, photometric interpretations), but it premultiplies unassociated alpha; plain 8-bit strips
// with extra samples are therefore read by hand.
Decoded decode_tiff(std::string_view bytes, const std::string& name, const ReadLimits& limits) {
  TIFFSetWarningHandler(nullptr);
  TIFFSetErrorHandler(nullptr);
  Source source{bytes};
  const std::unique_ptr<TIFF, Close> tiff(TIFFClientOpen(
      name.c_str(), "rm", &source, read_some, [](thandle_t, void*, tmsize_t) -> tmsize_t { return 0; }, seek, [](thandle_t) { return 0; },
      [](thandle_t handle) -> toff_t { return static_cast<Source*>(handle)->bytes.size(); }, [](thandle_t, void**, toff_t*) { return 0; },
      [](thandle_t, void*, toff_t) {}));
  const std::string damaged = "[read image] " + name + ": damaged TIFF, or of a kind that libtiff does not read";
  if (!tiff) throw IoError(damaged);
  uint32_t width = 0, height = 0;
  uint16_t orientation = 1, samples = 1, bits = 1, photometric = PHOTOMETRIC_MINISBLACK, planar = PLANARCONFIG_CONTIG;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_ORIENTATION, &orientation);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff.get(), TIFFTAG_PLANARCONFIG, &planar);
  TIFFGetField(tiff.get(), TIFFTAG_PHOTOMETRIC, &photometric);
  check_size(width, height, name, limits);
  Decoded out;
  out.orientation = orientation;
  const bool colour = photometric != PHOTOMETRIC_MINISBLACK && photometric != PHOTOMETRIC_MINISWHITE;
  out.image = Image::filled(int(width), int(height), colour ? 3 : 1, 0);
  const int own = photometric == PHOTOMETRIC_RGB ? 3 : photometric == PHOTOMETRIC_SEPARATED ? 4 : photometric == PHOTOMETRIC_MINISBLACK ? 1 : 0;
  if (bits == 8 && own > 0 && samples >= own && planar == PLANARCONFIG_CONTIG && !TIFFIsTiled(tiff.get()) &&
      uint64_t(TIFFScanlineSize(tiff.get())) == uint64_t(width) * samples) {
    std::vector<uint8_t> line(size_t(width) * samples), ink(size_t(width) * 4);
    for (uint32_t y = 0; y < height; ++y) {
      if (TIFFReadScanline(tiff.get(), line.data(), y) != 1) throw IoError(damaged);
      uint8_t* to = own == 4 ? ink.data() : out.image.row(int(y));
      for (uint32_t x = 0; x < width; ++x) std::copy_n(line.data() + size_t(x) * samples, own, to + size_t(x) * size_t(own));
      if (own == 4) cmyk_to_rgb(ink.data(), out.image.row(int(y)), width);
    }
    return out;
  }
  TIFFSetField(tiff.get(), TIFFTAG_ORIENTATION, uint16_t(ORIENTATION_TOPLEFT));  // as stored: turned upright by the caller
  std::vector<uint32_t> raster(size_t(width) * height);
  if (!TIFFReadRGBAImageOriented(tiff.get(), width, height, raster.data(), ORIENTATION_TOPLEFT, 1)) throw IoError(damaged);
  for (size_t i = 0; i < raster.size(); ++i) {
    if (colour)
      out.image.pixels[3 * i] = uint8_t(TIFFGetR(raster[i])), out.image.pixels[3 * i + 1] = uint8_t(TIFFGetG(raster[i])), out.image.pixels[3 * i + 2] = uint8_t(TIFFGetB(raster[i]));
    else
      out.image.pixels[i] = uint8_t(TIFFGetG(raster[i]));
  }
  return out;
}

}  // namespace fovea::image

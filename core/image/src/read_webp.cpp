#include <webp/decode.h>
#include <webp/demux.h>

#include "formats.h"
#include "fovea/base/error.h"
#include "orientation.h"

namespace fovea::image {

Decoded decode_webp(std::string_view bytes, const std::string& name, const ReadLimits& limits) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) throw IoError("[read image] " + name + ": damaged WebP");
  check_size(features.width, features.height, name, limits);
  if (features.has_animation) throw IoError("[read image] " + name + ": animated WebP is not read; save a frame of it");
  Decoded out;
  out.image = Image::filled(features.width, features.height, 3, 0);
  if (!WebPDecodeRGBInto(data, bytes.size(), out.image.pixels.data(), out.image.pixels.size(), 3 * features.width))
    throw IoError("[read image] " + name + ": damaged WebP, or it ends early");
  const WebPData all{data, bytes.size()};
  if (WebPDemuxer* demuxer = WebPDemux(&all)) {
    WebPChunkIterator chunk;
    if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
      out.orientation = exif_orientation({reinterpret_cast<const char*>(chunk.chunk.bytes), chunk.chunk.size});
      WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
  }
  return out;
}

}  // namespace fovea::image

// Any bytes as a safetensors file: refused with a WeightsError, or every tensor can be read to its last byte. The file is in memory (/dev/shm), not on disk.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include <torch/torch.h>

#include "fovea/base/error.h"
#include "fovea/model/vision_tokens.h"
#include "fovea/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("fovea_fuzz", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(file);
  if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != ssize_t(size)) return 0;
  try {
    const fovea::weights::SafetensorsFile opened(path);
    for (const auto& entry : opened.entries()) {
      const auto tensor = opened.tensor(entry.name).contiguous();
      if (int64_t(tensor.nbytes()) != entry.num_bytes) std::abort();
      uint64_t sum = 0;
      const auto* bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
      for (int64_t i = 0; i < entry.num_bytes; ++i) sum += bytes[i];
      volatile uint64_t sink = sum;
      (void)sink;
    }
  } catch (const fovea::Error&) {
  }
  try {
    fovea::model::load_vision_tokens(path);
  } catch (const fovea::Error&) {
  }
  return 0;
}

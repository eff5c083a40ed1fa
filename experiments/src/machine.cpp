// What a run ran on: versions and hardware.
#include <ft2build.h>
#include <hb.h>
#include <sys/utsname.h>

#include <fstream>
#include <thread>

#include <torch/torch.h>
#include <torch/version.h>

#include "fovea/experiments/run_folder.h"
#include FT_FREETYPE_H

namespace fovea::experiments {
namespace {

std::string first_line_with(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    if (line.rfind(key, 0) == 0) {
      const size_t colon = line.find(':');
      const size_t begin = colon == std::string::npos ? std::string::npos : line.find_first_not_of(" \t", colon + 1);
      return begin == std::string::npos ? "" : line.substr(begin);
    }
  return "";
}

}  // namespace

Json library_versions() {
  Json out = {{"fovea", FOVEA_VERSION}, {"libtorch", TORCH_VERSION}, {"harfbuzz", hb_version_string()}};
  FT_Library library = nullptr;
  if (FT_Init_FreeType(&library) == 0) {
    FT_Int major = 0, minor = 0, patch = 0;
    FT_Library_Version(library, &major, &minor, &patch);
    FT_Done_FreeType(library);
    out["freetype"] = std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
  }
  out["compiler"] = __VERSION__;
  return out;
}

Json hardware() {
  Json out;
  out["cpu"] = first_line_with("/proc/cpuinfo", "model name");
  out["num_cores"] = std::thread::hardware_concurrency();
  out["num_threads"] = at::get_num_threads();
  out["memory"] = first_line_with("/proc/meminfo", "MemTotal");
  struct utsname name {};
  if (uname(&name) == 0) out["system"] = std::string(name.sysname) + " " + name.release + " " + name.machine;
  out["num_gpus"] = torch::cuda::is_available() ? int64_t(torch::cuda::device_count()) : int64_t(0);
  return out;
}

}  // namespace fovea::experiments

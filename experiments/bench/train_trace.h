// A trace of some calls by LibTorch's own profiler (Kineto): how long the GPU works, what for, and what the launching thread does meanwhile.
#pragma once
#include <functional>
#include <string>

#include "fovea/base/config.h"

namespace fovea::bench {

/// Runs `calls` times `call` under the profiler and sums up. on_gpu: CUPTI's records of kernels; where there are none (no CUPTI) once more with CUDA
/// events around operations ("how": "events"). json_path: also the whole trace for chrome://tracing, empty none.
/// {"how", "wall_ms", "gpu_ms" (union of what ran on the GPU), "busy_share", "kernels", "launches", "ops", all a call; "kernels_by_time", "ops_by_host_time" (time of
/// their own, without that of operations inside), "ops_by_gpu_time" with shapes: lists of [name, ms, count], longest first}
Json trace_calls(const std::function<void()>& call, int calls, bool on_gpu, const std::string& json_path, size_t longest = 30);

}  // namespace fovea::bench

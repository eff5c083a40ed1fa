// Which form of a CPU loop runs: chosen once a process by what the processor has.
#pragma once

namespace fovea::nn {

/// Instruction sets that CPU loops have a form for, each including those before it.
enum class Simd { kPlain, kAvx2, kAvx512 };

/// The best that this processor runs.
Simd best_simd();

}  // namespace fovea::nn

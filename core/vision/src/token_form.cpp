#include "fovea/vision/token_form.h"

#include <algorithm>

#include "fovea/base/error.h"

namespace fovea::vision {

// Whole steps of a scale a row of [..., G].
static at::Tensor in_steps(const at::Tensor& x, double steps) {
  const auto scale = at::clamp_min(x.abs().amax(-1, /*keepdim=*/true) / steps, 1e-12);
  return (x / scale).round() * scale;
}

at::Tensor rounded_tokens(const at::Tensor& x, const std::string& form) {
  if (form == "none") return x;
  const auto values = x.detach().to(at::kFloat);
  at::Tensor out;
  if (form == "binary") {
    const auto magnitude = values.abs().mean(-1, /*keepdim=*/true);
    out = at::where(values < 0, -magnitude, magnitude);
  } else if (form == "int8") {
    out = in_steps(values, 127);
  } else if (form == "int4") {
    constexpr int64_t kGroup = 32;
    const int64_t width = values.size(-1), pad = (kGroup - width % kGroup) % kGroup;
    const auto padded = pad > 0 ? at::constant_pad_nd(values, {0, pad}) : values;
    out = in_steps(padded.unflatten(-1, {-1, kGroup}), 7).flatten(-2).narrow(-1, 0, width);
  } else {
    throw ConfigError("[rounded_tokens] form must be none, int8, int4 or binary, got '" + form + "'");
  }
  return out.to(x.scalar_type()) + (x - x.detach());  // exactly `out` forwards, the gradient of x backwards
}

}  // namespace fovea::vision

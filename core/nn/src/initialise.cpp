#include "fovea/nn/initialise.h"

#include <cmath>
#include <string_view>

#include "fovea/base/random.h"

namespace fovea::nn {

static uint64_t fnv1a64(std::string_view text) {
  uint64_t h = 0xcbf29ce484222325ULL;
  for (unsigned char c : text) h = (h ^ c) * 0x100000001b3ULL;
  return h;
}

static bool ends_with(std::string_view text, std::string_view tail) {
  return text.size() >= tail.size() && text.substr(text.size() - tail.size()) == tail;
}

void initialise(torch::nn::Module& module, uint64_t seed) {
  torch::NoGradGuard no_grad;
  static const char* residual_outputs[] = {"attn.proj.weight", "o_proj.weight", "out_proj.weight",
                                           "lin2.weight", "fc2.weight", "down_proj.weight"};
  for (auto& item : module.named_parameters()) {
    const std::string& name = item.key();
    at::Tensor& parameter = item.value();
    bool residual = false;
    for (const char* tail : residual_outputs) residual = residual || ends_with(name, tail);
    if (residual || ends_with(name, "bias")) {
      parameter.zero_();
    } else if (ends_with(name, "q_gain")) {
      parameter.fill_(2.0);
    } else if (parameter.dim() == 1 && ends_with(name, ".weight")) {
      parameter.fill_(1.0);
    } else {
      auto values = at::empty(parameter.sizes(), at::kFloat);
      float* out = values.data_ptr<float>();
      Rng rng(seed, fnv1a64(name));
      const bool small_normal = name.find("embed") != std::string::npos || name.find("newline") != std::string::npos ||
                                name.find("seperator") != std::string::npos;
      const bool patch = name.find("patch_embed") != std::string::npos;
      if (small_normal && !patch) {
        for (int64_t i = 0; i < values.numel(); ++i)
          out[i] = float(.02 * std::sqrt(-2 * std::log(1 - rng.uniform())) * std::cos(6.283185307179586 * rng.uniform()));
      } else {
        const double bound = 1 / std::sqrt(double(parameter.numel() / parameter.size(0)));
        for (int64_t i = 0; i < values.numel(); ++i) out[i] = float(rng.uniform(-bound, bound));
      }
      parameter.copy_(values);
    }
  }
}

}  // namespace fovea::nn

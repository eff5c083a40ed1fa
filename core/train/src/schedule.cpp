#include "fovea/train/schedule.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/random.h"

namespace fovea::train {

double learning_rate(const OptimizerConfig& c, int64_t step, double progress) {
  const double warm = c.warmup_steps > 0 ? std::min(1.0, double(step + 1) / double(c.warmup_steps)) : 1.0;
  const double left = c.decay_share > 0 ? std::min(1.0, (1.0 - progress) / c.decay_share) : 1.0;
  return c.learning_rate * warm * std::max(c.final_rate_share, left);
}

BatchSpec batch_spec(const TrainerConfig& config, int64_t step, const Control& control, int64_t stride_px, int64_t patch_px,
                     double reader_chars_per_token) {
  const auto& c = config.curriculum;
  Rng rng(uint64_t(config.seed), /*stream=*/11, uint64_t(step));
  const int64_t top = int64_t(c.sides_px.size()) - 1;
  const bool probe_only = control.progress < config.objective.probe_only_share;
  const int64_t level = probe_only || c.start_open ? top : std::min(top, control.level);
  BatchSpec spec{};
  if (level == top && !probe_only && !c.extra_sides_px.empty() && rng.chance(c.extra_sides_share))
    spec.side_px = c.extra_sides_px[rng.below(c.extra_sides_px.size())];
  else
    spec.side_px = c.sides_px[rng.chance(c.present_size_share) ? level : int64_t(rng.below(uint64_t(level) + 1))];
  const double ramp = c.ramp_end > c.ramp_begin ? std::clamp((control.progress - c.ramp_begin) / (c.ramp_end - c.ramp_begin), 0.0, 1.0) : 1.0;
  const double high = std::exp(std::log(c.ratio_high_first) + ramp * (std::log(c.ratio_high_last) - std::log(c.ratio_high_first)));
  const double low = rng.chance(c.dense_share) ? std::sqrt(c.ratio_low * high) : c.ratio_low;
  spec.ratio = low * std::pow(high / low, rng.uniform());
  const int64_t grid = spec.side_px / stride_px;
  spec.num_chars = std::max<int64_t>(8, int64_t(spec.ratio * double(grid * grid) * c.chars_per_text_token));
  const int64_t patches = (spec.side_px / patch_px) * (spec.side_px / patch_px);
  const double tokens = double(spec.num_chars) / reader_chars_per_token + 0.5 * double(patches);
  spec.num_pages = std::clamp<int64_t>(int64_t(double(config.tokens_per_batch) / tokens), 1, config.max_pages_per_batch);
  return spec;
}

}  // namespace fovea::train

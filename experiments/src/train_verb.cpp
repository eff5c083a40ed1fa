#include "fovea/experiments/train_verb.h"

#include <cmath>
#include <cstdio>

#include "fovea/base/file.h"
#include "fovea/text/tokenizer.h"

namespace fovea::experiments {

train::TrainResult run_train(const TrainConfig& config, const std::function<void(const Json&)>& on_log,
                             const std::function<bool()>& should_stop) {
  validate_fields(config, "train");
  const auto tokenizer = text::Tokenizer::from_file(config.tokenizer);
  const TrainPages pages(config.pages);
  return train::train(config.trainer, pages, tokenizer, config.tokenizer, on_log, should_stop);
}

std::string describe_seconds(double seconds) {
  char text[64];
  const long s = std::lround(std::max(0.0, seconds));
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%ld h %02ld min", s / 3600, s / 60 % 60);
  else if (s >= 60)
    std::snprintf(text, sizeof text, "%ld min %02ld s", s / 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%ld s", s);
  return text;
}

std::string describe_log(const Json& line) {
  const auto number = [&](const char* name) { return line.contains(name) && line[name].is_number() ? line[name].get<double>() : 0.0; };
  const double progress = number("progress");
  char text[256];
  std::snprintf(text, sizeof text, "step %lld  %5.1f %%  side %lld px  loss %.3f  accuracy %.1f %%  probe %.1f %%  %.0f pages/s",
                static_cast<long long>(number("step")), 100 * progress, static_cast<long long>(number("side_px")), number("loss"),
                100 * number("reader_accuracy"), 100 * number("probe_accuracy"), number("pages_per_s"));
  std::string out = text;
  if (progress > 0.001) out += "  " + describe_seconds(number("elapsed_s") * (1 - progress) / progress) + " left";
  return out;
}

}  // namespace fovea::experiments

#include "read_page.h"

#include <chrono>
#include <numeric>

namespace fovea::experiments {
namespace {

struct Attempt {
  model::Reading reading;
  Json facts;
  double mean_probability = 0;
  bool sure = false;
};

Attempt attempt(model::Reader& reader, const Image& picture, const std::string& mode_name, const ReadConfig& config, const std::function<void(size_t)>& on_step,
                const std::function<void(const std::string&)>& on_text) {
  const auto begin = std::chrono::steady_clock::now();
  const int64_t stride = reader.config().stride_px();
  const auto mode = image::mode_by_name(mode_name, stride);
  image::Views views;
  try {
    views = image::make_views(picture, mode, stride);
  } catch (const ConfigError& error) {
    throw UnfitPicture(error.what());
  }
  const auto tokens = reader.encode(views);
  std::function<void(size_t, const std::string&)> grown;
  if (on_text) grown = [&](size_t, const std::string& text) { on_text(text); };
  Attempt out;
  out.reading = std::move(reader.decode({&tokens}, generate_config(reader.config(), config), {}, on_step, config.prompt, grown).front());
  const auto& generated = out.reading.generated;
  const auto& p = generated.probabilities;
  out.mean_probability = p.empty() ? 0.0 : std::accumulate(p.begin(), p.end(), 0.0) / double(p.size());
  // Nothing read is nothing to doubt: an empty page says so by its end.
  out.sure = generated.reason == decoder::StopReason::kEnd && (p.empty() || out.mean_probability >= config.auto_mode.min_mean_probability);
  out.facts = {{"mode", mode_name},
               {"tile_columns", views.grid.columns},
               {"tile_rows", views.grid.rows},
               {"num_vision_tokens", tokens.num_vision_tokens()},
               {"num_valid_tokens", tokens.num_valid},
               {"num_decoder_positions", tokens.num_decoder_positions()},
               {"num_generated_tokens", generated.ids.size()},
               {"stop_reason", decoder::stop_reason_name(generated.reason)},
               {"mean_probability", out.mean_probability},
               {"seconds", std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()}};
  if (generated.reason == decoder::StopReason::kLoop) out.facts["loop_period_tokens"] = generated.loop_period;
  return out;
}

}  // namespace

std::vector<std::string> auto_modes(const model::ModelConfig& model) {
  if (model.sequence == "begin-vision-prompt") return {"tiny", "small", "base", "large", "gundam"};
  std::vector<std::string> out;
  for (int64_t side : {256, 384, 512, 640, 768})  // what readers of reader-tiny's kind are trained at
    if (side % model.stride_px() == 0) out.push_back(std::to_string(side));
  return out;
}

decoder::GenerateConfig generate_config(const model::ModelConfig& model, const ReadConfig& config) {
  auto out = config.generate;
  if (out.ngram_size == 0 && config.ngram_ban == "auto" && model.sequence == "begin-vision-prompt") out.ngram_size = 20;
  return out;
}

void check_read(const model::ModelConfig& model, const ReadConfig& config) {
  validate_fields(config, "read");
  if (model.sequence != "begin-vision-prompt") {
    if (!config.prompt.empty()) throw ConfigError("[read] " + model.name + " reads pages without a prompt, got '" + config.prompt + "'");
  } else {
    const std::string text = model::prompt_text(config.prompt), mark = "<image>";
    const size_t at = text.find(mark);
    if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos)
      throw ConfigError("[read] a prompt must have exactly one <image>, or be one of free-ocr, markdown, ocr, figure, describe, locate:WORDS; got '" + text + "'");
  }
  if (config.mode != "auto") {
    image::mode_by_name(config.mode, model.stride_px());
    return;
  }
  for (const auto& name : config.auto_mode.modes) {
    if (name == "auto") throw ConfigError("[read] auto_mode.modes must name modes, got auto");
    image::mode_by_name(name, model.stride_px());
  }
}

PageReading read_page(model::Reader& reader, const Image& picture, const ReadConfig& config, const std::function<void(size_t)>& on_step,
                      const std::function<void(const std::string&)>& on_text) {
  check_read(reader.config(), config);
  Json facts = {{"mode", config.mode}, {"prompt", config.prompt}, {"width_px", picture.width_px}, {"height_px", picture.height_px}};
  PageReading out;
  if (config.mode != "auto") {
    auto one = attempt(reader, picture, config.mode, config, on_step, on_text);
    for (auto& [key, value] : one.facts.items()) facts[key] = value;
    return {std::move(one.reading.text), std::move(facts)};
  }
  const auto modes = config.auto_mode.modes.empty() ? auto_modes(reader.config()) : config.auto_mode.modes;
  const auto ink = image::estimate_ink(picture);
  const auto fits = image::fit_modes(ink, picture.width_px, picture.height_px, modes, config.auto_mode, reader.config().stride_px());
  Json verdicts = Json::array(), attempts = Json::array();
  for (const auto& fit : fits)
    verdicts.push_back({{"mode", fit.mode}, {"num_vision_tokens", fit.num_vision_tokens}, {"x_height_px", fit.x_height_px},
                        {"tokens_per_vision_token", fit.tokens_per_vision_token}, {"fits", fit.fits}});
  size_t first = 0;
  try {
    first = image::first_mode(fits);
  } catch (const ConfigError& error) {
    throw UnfitPicture(error.what());
  }
  Attempt best;
  int64_t vision_tokens = 0;
  double seconds = 0;
  for (size_t i = first; i < modes.size(); ++i) {
    if (fits[i].num_vision_tokens == 0) continue;  // cannot show the picture
    Attempt now = attempt(reader, picture, modes[i], config, on_step, on_text);
    attempts.push_back(now.facts);
    vision_tokens += now.facts["num_vision_tokens"].get<int64_t>();
    seconds += now.facts["seconds"].get<double>();
    const auto worth = [](const Attempt& a) { return std::pair(a.reading.generated.reason == decoder::StopReason::kEnd, a.mean_probability); };
    const bool sure = now.sure;
    if (sure || best.facts.is_null() || worth(now) > worth(best)) best = std::move(now);
    if (sure) break;
  }
  for (auto& [key, value] : best.facts.items()) facts[key] = value;
  facts["seconds"] = seconds;
  facts["num_vision_tokens_all_attempts"] = vision_tokens;
  facts["auto"] = {{"x_height_px", ink.x_height_px}, {"ink_density", ink.ink_density}, {"num_text_tokens_estimated", ink.num_text_tokens},
                   {"light_on_dark", ink.light_on_dark}, {"modes", std::move(verdicts)}};
  facts["attempts"] = std::move(attempts);
  return {std::move(best.reading.text), std::move(facts)};
}

}  // namespace fovea::experiments

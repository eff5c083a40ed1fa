#include "fovea/experiments/train_verb.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iomanip>
#include <sstream>

#include "fovea/base/file.h"
#include "fovea/model/cost.h"
#include "fovea/text/tokenizer.h"
#include "fovea/train/batcher.h"

namespace fovea::experiments {

train::TrainResult run_train(const TrainConfig& config, const std::function<void(const Json&)>& on_log,
                             const std::function<bool()>& should_stop) {
  validate_fields(config, "train");
  const auto tokenizer = text::Tokenizer::from_file(config.tokenizer);
  const auto alphabet = train::GlyphClasses(tokenizer).code_points();
  const TrainPages pages(config.pages, alphabet);
  if (config.trainer.validate_every == 0) return train::train(config.trainer, pages, tokenizer, config.tokenizer, on_log, should_stop);
  if (config.pages.valid_text.empty()) throw ConfigError("[train] trainer.validate_every needs pages.valid_text, files that are not trained on");
  TrainPagesConfig of_validation = config.pages;
  of_validation.text = config.pages.valid_text;
  of_validation.text_sha256 = {};
  of_validation.text_share = {};
  const TrainPages validation(of_validation, alphabet);
  return train::train(config.trainer, pages, tokenizer, config.tokenizer, on_log, should_stop, &validation);
}

Json plan_training(const TrainConfig& config) {
  validate_fields(config, "train");
  const auto& t = config.trainer;
  train::check_start(t);
  const auto model = train::model_of(t);
  const auto parameters = model::count_parameters(model);
  const bool half = t.dtype == "bfloat16" || (t.dtype == "auto" && t.device != "cpu");
  const double bytes_each = half ? 2 : 4;
  Json sides = Json::array();
  double largest_activations = 0;
  const double ratio = std::sqrt(t.curriculum.ratio_low * t.curriculum.ratio_high_last);
  for (int64_t side : t.curriculum.sides_px) {
    const int64_t grid = side / model.stride_px();
    const double text = ratio * double(grid * grid), patches = double((side / model.encoder.sam.patch_px) * (side / model.encoder.sam.patch_px));
    const auto flops = model::page_flops(model, side, int64_t(text));
    const double pages = std::clamp(std::floor(double(t.tokens_per_batch) / (text + (model.source == "page" ? 0.5 * patches : 0))), 1.0, double(t.max_pages_per_batch));
    // Positions times width of the layers, part by part.
    struct Part { double units; int64_t depth; };
    std::vector<Part> parts = {{(double(grid * (grid + 1) + 1) + text) * double(model.decoder.hidden_size), model.decoder.num_hidden_layers}};
    if (model.source == "page") {
      parts.push_back({patches * double(model.encoder.sam.width), model.encoder.sam.depth});
      parts.push_back({double(grid * grid) * double(model.encoder.clip.width), model.encoder.clip.depth});
    } else {
      parts.push_back({text * double(model.text_encoder.width), model.text_encoder.depth});
      parts.push_back({double(grid * grid) * double(model.text_encoder.width), model.text_encoder.latent_depth});
    }
    // With checkpoints a layer's input is kept, and the whole of one layer at a time; the two layers of the decoder that guided attention looks into are whole.
    double kept = 0, largest_layer = 0;
    for (const auto& part : parts) {
      const double whole = 34 * bytes_each / 2 * part.units;
      const int64_t guided = &part == &parts.front() && t.objective.guide > 0 ? std::min<int64_t>(2, part.depth) : 0;
      kept += t.checkpoint_activations ? double(guided) * whole + double(part.depth - guided) * bytes_each * part.units : double(part.depth) * whole;
      if (t.checkpoint_activations && part.depth > guided) largest_layer = std::max(largest_layer, whole);
    }
    largest_activations = std::max(largest_activations, pages * (kept + largest_layer));
    sides.push_back({{"side_px", side}, {"vision_tokens", grid * grid}, {"text_tokens", std::round(text)}, {"pages_a_step", pages}, {"gigaflops_page_front", flops.front / 1e9},
                     {"gigaflops_page_compressor", flops.compressor / 1e9}, {"gigaflops_page_global", flops.global / 1e9}, {"gigaflops_page_decoder", flops.decoder / 1e9},
                     {"teraflops_a_step", 3 * pages * flops.total() / 1e12}});
  }
  // Of adapters their own alone, and of frozen parts nothing: only what is trained has gradients, a master and the optimiser's state.
  const double n = double(parameters.total), trained = double(train::count_trained(t));
  return {{"parameters", {{"front", parameters.front}, {"compressor", parameters.compressor}, {"global", parameters.global}, {"decoder", parameters.decoder}, {"total", parameters.total}}},
          {"parameters_trained", int64_t(trained)},
          {"ratio", ratio},
          {"sides", sides},
          {"memory_gb", {{"parameters_and_gradients", (n + trained) * bytes_each / 1e9}, {"master_and_optimizer", trained * (4 + 8) / 1e9}, {"activations", largest_activations / 1e9}}},
          {"num_steps", t.num_steps},
          {"time_limit_s", t.time_limit_s},
          {"petaflop_limit", t.petaflop_limit}};
}

std::string describe_training_plan(const Json& plan) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2);
  out << "parameters, millions:";
  for (const auto& item : plan["parameters"].items()) out << "  " << item.key() << " " << item.value().get<double>() / 1e6;
  if (plan.contains("parameters_trained") && plan["parameters_trained"] != plan["parameters"]["total"]) out << "  (trained: " << plan["parameters_trained"].get<double>() / 1e6 << ")";
  out << "\na page (operations forwards, 1e9, at ratio " << plan["ratio"].get<double>() << "):\n";
  for (const Json& side : plan["sides"])
    out << "  " << std::setw(5) << side["side_px"].get<int64_t>() << " px, " << side["vision_tokens"].get<int64_t>() << " vision tokens, " << side["text_tokens"].get<int64_t>() << " text tokens: front "
        << side["gigaflops_page_front"].get<double>() << ", compressor " << side["gigaflops_page_compressor"].get<double>() << ", global " << side["gigaflops_page_global"].get<double>() << ", decoder "
        << side["gigaflops_page_decoder"].get<double>() << "; " << side["pages_a_step"].get<int64_t>() << " pages and " << side["teraflops_a_step"].get<double>() << "e12 operations a step\n";
  out << "memory, GB: parameters and gradients " << plan["memory_gb"]["parameters_and_gradients"].get<double>() << ", master and optimiser at most "
      << plan["memory_gb"]["master_and_optimizer"].get<double>() << ", activations about " << plan["memory_gb"]["activations"].get<double>() << "\nends after " << plan["num_steps"].get<int64_t>() << " steps";
  if (plan["time_limit_s"].get<double>() > 0) out << " or " << describe_seconds(plan["time_limit_s"].get<double>());
  if (plan["petaflop_limit"].get<double>() > 0) out << " or " << plan["petaflop_limit"].get<double>() << "e15 operations";
  out << "\n";
  return out.str();
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
  if (line.contains("valid_loss")) {
    std::snprintf(text, sizeof text, "  validation %.3f, %.1f %%, best at step %lld", number("valid_loss"), 100 * number("valid_accuracy"), static_cast<long long>(number("best_step")));
    out += text;
  }
  if (progress > 0.001) out += "  " + describe_seconds(number("elapsed_s") * (1 - progress) / progress) + " left";
  return out;
}

}  // namespace fovea::experiments

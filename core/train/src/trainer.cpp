#include "fovea/train/trainer.h"

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/cost.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/initialise.h"
#include "fovea/train/communicator.h"
#include "fovea/train/objective.h"
#include "fovea/train/optimizer.h"

namespace fovea::train {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Running sums of device scalars between two looks at them.
struct Meters {
  std::vector<at::Tensor> sums;  // in the order of names
  int64_t count = 0;
  static const std::vector<std::string>& names() {
    static const std::vector<std::string> list = {"loss", "reader_loss", "reader_accuracy", "probe_accuracy", "patch_probe_accuracy",
                                                  "guide_accuracy", "grad_norm", "accuracy_at_present_size", "steps_at_present_size"};
    return list;
  }
  void add(const std::vector<at::Tensor>& values) {
    if (sums.empty()) {
      for (const auto& v : values) sums.push_back(v.detach().to(at::kFloat).clone());
    } else {
      for (size_t i = 0; i < values.size(); ++i) sums[i].add_(values[i].detach().to(at::kFloat));
    }
    count += 1;
  }
};

// Pages and tokens of the batch on the device. Pinned memory lets the copies run beside the arithmetic.
Batch to_device(Batch batch, const at::Device& device) {
  if (!device.is_cuda()) return batch;
  for (at::Tensor* t : {&batch.pixels, &batch.inputs, &batch.targets, &batch.positions, &batch.place_cell, &batch.place_offset,
                        &batch.glyph_class, &batch.glyph_xy})
    *t = t->to(device, /*non_blocking=*/true);
  if (batch.source_ids.defined()) batch.source_ids = batch.source_ids.to(device, /*non_blocking=*/true);
  return batch;
}

Batch pinned(Batch batch) {
  for (at::Tensor* t : {&batch.pixels, &batch.inputs, &batch.targets, &batch.positions, &batch.place_cell, &batch.place_offset,
                        &batch.glyph_class, &batch.glyph_xy})
    *t = t->pin_memory();
  if (batch.source_ids.defined()) batch.source_ids = batch.source_ids.pin_memory();
  return batch;
}

double measure_chars_per_token(const PageSource& source, const text::Tokenizer& tokenizer, int64_t side_px) {
  size_t bytes = 0, tokens = 0;
  for (uint64_t i = 0; i < 4; ++i) {
    const auto page = source.draw({side_px, 1500, 0x5eed + i});
    bytes += page.text.size();
    tokens += tokenizer.encode(page.text, false).size();
  }
  return std::max(1.0, double(bytes) / double(std::max<size_t>(1, tokens)));
}

// What must agree between a checkpoint and the config that goes on from it.
Json identity(const TrainerConfig& config) {
  Json json = config_to_json(config);
  for (const char* free_key : {"out", "device", "workers", "prefetch_steps", "log_every", "checkpoint_every_s", "time_limit_s", "petaflop_limit", "num_steps"})
    json.erase(free_key);
  return json;
}

}  // namespace

model::ModelConfig model_of(const TrainerConfig& config) {
  model::ModelConfig out = model::presets::by_name(config.preset);
  if (!config.init.empty()) {
    out = {};
    apply_json(out, Json::parse(read_file(config.init + "/config.json")), config.init + "/config.json");
  }
  apply_overrides(out, config.model, "trainer.model");
  model::validate(out);
  return out;
}

TrainResult train(const TrainerConfig& config, const PageSource& source, const text::Tokenizer& tokenizer,
                  const std::string& tokenizer_path, const std::function<void(const Json&)>& on_log,
                  const std::function<bool()>& should_stop) {
  validate_fields(config, "train");
  auto communicator = Communicator::from_environment(config.device);
  const int64_t rank = communicator->rank(), world = communicator->world_size();
  const at::Device device = model::parse_device(
      config.device == "cuda" && world > 1 ? "cuda:" + std::to_string(communicator->local_rank()) : config.device);
  const at::ScalarType dtype = config.dtype == "bfloat16" || (config.dtype == "auto" && device.is_cuda()) ? at::kBFloat16 : at::kFloat;
  const std::string checkpoint = config.out + "/checkpoint";
  if (rank == 0) make_writable_folder(config.out);

  const model::ModelConfig model_config = model_of(config);
  if (tokenizer.vocab_size() > model_config.decoder.vocab_size)
    throw ConfigError("[train] the tokenizer has " + std::to_string(tokenizer.vocab_size()) + " ids, the model " +
                      std::to_string(model_config.decoder.vocab_size));
  const int64_t stride = model_config.stride_px(), patch = model_config.encoder.sam.patch_px;
  for (const auto* list : {&config.curriculum.sides_px, &config.curriculum.extra_sides_px})
    for (int64_t side : *list)
      if (side % stride != 0) throw ConfigError("[train] page sides must be multiples of " + std::to_string(stride) + ", got " + std::to_string(side));
  const GlyphClasses classes;
  const nn::Factory on_cpu{at::kCPU, at::kFloat};
  model::OpticalModel network(model_config, on_cpu);
  Objective objective(network, config.objective, classes.size(), on_cpu);
  nn::initialise(*objective, uint64_t(config.seed));
  if (!config.init.empty()) {
    torch::NoGradGuard no_grad;
    weights::load_weights(model::published_tensors(network), weights::WeightStore(config.init));
  }
  objective->to(device);
  std::vector<std::pair<std::string, at::Tensor>> parameters;
  for (const auto& item : objective->named_parameters()) parameters.emplace_back(item.key(), item.value());
  FlatOptimizer optimizer(parameters, config.optimizer, dtype);
  objective->set_dtype(dtype);

  // Where an earlier run stopped
  int64_t step = 0;
  double elapsed_before = 0, petaflops = 0;
  int64_t text_tokens = 0;
  Control control;
  int64_t last_level_up = 0;
  double level_accuracy = 0, level_weight = 0;
  std::vector<Control> pending = {control};
  if (fs::exists(checkpoint + "/state.json")) {
    const Json state = Json::parse(read_file(checkpoint + "/state.json"));
    if (state.at("identity") != identity(config))
      throw ConfigError("[train] " + checkpoint + " is of another configuration: " + Json::diff(state.at("identity"), identity(config)).dump());
    torch::NoGradGuard no_grad;
    weights::load_weights(optimizer.master_tensors(), weights::WeightStore(checkpoint + "/weights"));
    weights::load_weights(optimizer.state_tensors(), weights::WeightStore(checkpoint + "/optimizer"));
    optimizer.publish();
    step = state.at("step");
    optimizer.set_num_steps(state.at("optimizer_steps"));
    elapsed_before = state.at("elapsed_s");
    petaflops = state.value("petaflops", 0.0);
    text_tokens = state.value("text_tokens", int64_t(0));
    last_level_up = state.at("last_level_up");
    level_accuracy = state.at("level_accuracy");
    level_weight = state.at("level_weight");
    pending.clear();
    for (const auto& c : state.at("controls")) pending.push_back({c.at("from_step"), c.at("level"), c.at("progress")});
  }

  const double chars_per_token = measure_chars_per_token(source, tokenizer, config.curriculum.sides_px.front());
  const auto make = [&](int64_t at_step, const Control& c) {
    const BatchSpec spec = batch_spec(config, at_step, c, stride, patch, chars_per_token);
    Batch batch = make_batch(source, tokenizer, classes, config, model_config, spec, at_step, rank);
    return device.is_cuda() ? pinned(std::move(batch)) : batch;
  };
  const int64_t cores = int64_t(std::thread::hardware_concurrency());
  const int64_t workers = config.workers > 0 ? config.workers : std::max<int64_t>(1, cores / communicator->local_world_size() - 1);
  control = pending.front();
  Batcher batcher(make, step, config.prefetch_steps, workers, control);
  for (size_t i = 1; i < pending.size(); ++i) batcher.set_control(pending[i]);

  const auto save = [&] {
    if (rank != 0) return;
    weights::SaveOptions options;
    options.max_shard_bytes = int64_t(1) << 40;
    const std::string temporary = checkpoint + ".new", old = checkpoint + ".old";
    fs::remove_all(temporary);
    weights::save_weights(temporary + "/weights", optimizer.master_tensors(), options);
    weights::save_weights(temporary + "/optimizer", optimizer.state_tensors(), options);
    Json controls = Json::array();
    for (const auto& c : pending) controls.push_back({{"from_step", c.from_step}, {"level", c.level}, {"progress", c.progress}});
    write_file_atomic(temporary + "/state.json", Json{{"identity", identity(config)}, {"step", step}, {"optimizer_steps", optimizer.num_steps()},
        {"elapsed_s", elapsed_before}, {"petaflops", petaflops}, {"text_tokens", text_tokens}, {"last_level_up", last_level_up}, {"level_accuracy", level_accuracy}, {"level_weight", level_weight},
        {"controls", controls}}.dump(1) + "\n");
    fs::remove_all(old);
    if (fs::exists(checkpoint)) fs::rename(checkpoint, old);
    fs::rename(temporary, checkpoint);
    fs::remove_all(old);
    // The model alone, as readers load it.
    weights::NamedTensors tensors;
    const std::string prefix = "model.";
    for (const auto& [name, tensor] : optimizer.master_tensors())
      if (name.rfind(prefix, 0) == 0) tensors.emplace_back(model::published_name(name.substr(prefix.size())), tensor);
    make_writable_folder(config.out + "/model");
    weights::SaveOptions shards;
    weights::save_weights(config.out + "/model", tensors, shards);
    model::ModelConfig saved_config = model_config;
    saved_config.tokenizer = "tokenizer.json";
    write_file_atomic(config.out + "/model/config.json", config_to_json(saved_config).dump(2) + "\n");
    if (!tokenizer_path.empty()) write_file_atomic(config.out + "/model/tokenizer.json", read_file(tokenizer_path));
  };

  std::ofstream log;
  if (rank == 0) log.open(config.out + "/log.jsonl", std::ios::app);
  TrainResult result;
  const auto started = Clock::now();
  const double elapsed_at_start = elapsed_before;
  double last_log = 0, last_save = 0;
  int64_t pages = 0, tokens = 0, steps_since_log = 0;
  double waited = 0;
  Meters meters;
  double progress = 0;
  at::Tensor elapsed_tensor = at::zeros({2}, at::TensorOptions().device(device).dtype(at::kFloat));
  bool stopped = false;
  while (step < config.num_steps) {
    if ((config.time_limit_s > 0 || config.petaflop_limit > 0) && progress >= 1) break;
    while (pending.size() > 1 && pending[1].from_step <= step) pending.erase(pending.begin());
    control = pending.front();
    const auto wait_start = Clock::now();
    const Batch batch = to_device(batcher.next(), device);
    waited += seconds_since(wait_start);
    const double now = config.time_limit_s > 0 || config.petaflop_limit > 0 ? progress : double(step) / double(config.num_steps);
    const bool with_reader = control.progress >= config.objective.probe_only_share || model_config.source == "text";  // text has no glyphs to probe
    auto parts = objective->forward(batch, with_reader);
    parts.total.backward();
    const auto norm = optimizer.step(learning_rate(config.optimizer, step, now), [&](at::Tensor& g) { communicator->all_reduce(g); }, world);
    const bool at_level = with_reader && batch.spec.side_px == config.curriculum.sides_px[std::min<size_t>(size_t(control.level), config.curriculum.sides_px.size() - 1)];
    meters.add({parts.total, parts.reader_loss, parts.reader_accuracy, parts.probe_accuracy, parts.patch_probe_accuracy, parts.guide_accuracy, norm,
                at_level ? parts.reader_accuracy : at::zeros_like(parts.reader_accuracy),
                at_level ? at::ones_like(parts.reader_accuracy) : at::zeros_like(parts.reader_accuracy)});
    step += 1;
    steps_since_log += 1;
    pages += batch.spec.num_pages * world;
    tokens += batch.num_text_tokens * world;
    text_tokens += batch.num_text_tokens * world;
    petaflops += 3e-15 * double(world * batch.spec.num_pages) *
                 model::page_flops(model_config, batch.spec.side_px, with_reader ? batch.num_text_tokens / std::max<int64_t>(1, batch.spec.num_pages) : 0).total();

    const bool last = step == config.num_steps;
    if (step % config.log_every == 0 || last) {
      // One look at the device: means over processes, the clock of rank 0, the curricula.
      auto values = at::stack(meters.sums) / double(meters.count);
      if (world > 1) {
        communicator->all_reduce(values);
        values.div_(double(world));
      }
      const bool stop_wish = should_stop && should_stop();
      elapsed_tensor[0] = elapsed_at_start + seconds_since(started);
      elapsed_tensor[1] = stop_wish ? 1.0 : 0.0;
      if (world > 1) communicator->broadcast(elapsed_tensor);
      const auto host = values.to(at::kCPU).to(at::kDouble);
      const auto clock = elapsed_tensor.to(at::kCPU);
      const double elapsed = clock[0].item<double>();
      elapsed_before = elapsed;
      stopped = clock[1].item<double>() > 0;
      const double* mean = host.data_ptr<double>();
      progress = double(step) / double(config.num_steps);
      if (config.time_limit_s > 0) progress = std::max(progress, elapsed / config.time_limit_s);
      if (config.petaflop_limit > 0) progress = std::max(progress, petaflops / config.petaflop_limit);
      if (mean[8] > 0) {
        const double share = mean[8] * double(meters.count);
        level_accuracy = 0.5 * level_accuracy + 0.5 * mean[7] / mean[8] * std::min(1.0, share / 4);
        level_weight = 0.5 * level_weight + 0.5 * std::min(1.0, share / 4);
      }
      Control next{step + config.prefetch_steps, pending.back().level, progress};
      const bool can_rise = next.level + 1 < int64_t(config.curriculum.sides_px.size());
      if (can_rise && level_weight > 0.2 && level_accuracy / level_weight > config.curriculum.level_up_accuracy &&
          step - last_level_up >= config.curriculum.level_up_min_steps) {
        next.level += 1;
        last_level_up = step;
        level_accuracy = level_weight = 0;
      }
      pending.push_back(next);
      batcher.set_control(next);
      const double interval = std::max(1e-9, elapsed - last_log - (last_log == 0 ? elapsed_at_start : 0));
      Json line = {{"step", step}, {"elapsed_s", elapsed}, {"progress", progress}, {"petaflops", petaflops}, {"text_tokens", text_tokens}, {"level", next.level},
                   {"side_px", batch.spec.side_px}, {"ratio", batch.spec.ratio}, {"rate", learning_rate(config.optimizer, step, now)}};
      for (size_t i = 0; i < 7; ++i) line[Meters::names()[i]] = mean[i];
      if (level_weight > 0) line["accuracy_at_present_size"] = level_accuracy / level_weight;
      line["pages_per_s"] = double(pages) / interval;
      line["text_tokens_per_s"] = double(tokens) / interval;
      line["steps_per_s"] = double(steps_since_log) / interval;
      line["waited_share"] = waited / interval;
      line["batches_ready"] = batcher.num_ready();
      last_log = elapsed;
      pages = tokens = steps_since_log = 0;
      waited = 0;
      meters = {};
      if (rank == 0) {
        log << line.dump() << "\n" << std::flush;
        if (on_log) on_log(line);
      }
      result.last_log = line;
      if (!std::isfinite(mean[0]) || (mean[1] > 0 && mean[1] > 2 * std::log(double(model_config.decoder.vocab_size))))
        throw DivergenceError("[train] diverged before step " + std::to_string(step) + ": loss " + std::to_string(mean[0]) + ", gradient norm " + std::to_string(mean[6]) +
                              "; the last checkpoint of " + config.out + " is kept; a smaller learning_rate or a longer warm-up would do");
      if (stopped) break;
      if (config.checkpoint_every_s > 0 && elapsed - last_save > config.checkpoint_every_s && !last) {
        last_save = elapsed;
        save();
      }
    }
  }
  save();
  if (world > 1) {
    communicator->all_reduce(elapsed_tensor);  // nobody leaves before rank 0 has saved
    elapsed_tensor.to(at::kCPU);
  }
  result.num_steps = step;
  return result;
}

}  // namespace fovea::train

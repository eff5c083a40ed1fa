#include "fovea/train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/model/cost.h"
#include "fovea/model/optical_model.h"
#include "fovea/nn/checkpoint.h"
#include "fovea/nn/initialise.h"
#include "fovea/train/adapters.h"
#include "fovea/train/communicator.h"
#include "fovea/train/init.h"
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
                                                  "guide_accuracy", "distance", "grad_norm", "accuracy_at_present_size", "steps_at_present_size"};
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

double measure_chars_per_token(const PageSource& source, const text::Tokenizer& tokenizer, int64_t side_px) {
  size_t chars = 0, tokens = 0;
  for (uint64_t i = 0; i < 4; ++i) {
    const auto page = source.draw({side_px, 1500, 0x5eed + i});
    chars += size_t(std::count_if(page.text.begin(), page.text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    tokens += tokenizer.encode(page.text, false).size();
  }
  return std::max(0.1, double(chars) / double(std::max<size_t>(1, tokens)));
}

// What must agree between a checkpoint and the config that goes on from it.
Json identity(const TrainerConfig& config) {
  Json json = config_to_json(config);
  for (const char* free_key : {"out", "device", "workers", "prefetch_steps", "log_every", "checkpoint_every_s", "time_limit_s", "petaflop_limit", "num_steps", "lost_after_s",
                               "checkpoint_activations", "micro_batches", "validate_every", "validate_batches"})
    json.erase(free_key);
  json["optimizer"].erase("shard");
  return json;
}

}  // namespace

model::ModelConfig model_of(const TrainerConfig& config) {
  model::ModelConfig out = model::presets::by_name(config.preset);
  if (!config.init.empty()) out = read_model_config(config.init);
  apply_overrides(out, config.model, "trainer.model");
  model::validate(out);
  return out;
}

void check_start(const TrainerConfig& config) {
  check_optimizer(config.optimizer);
  model::OpticalModel network(model_of(config), nn::Factory{at::kMeta, at::kFloat});
  if (!config.init.empty()) init_from(network, config.init, config.init_skip, config.init_only, /*check_alone=*/true);
  else if (!config.init_skip.empty() || !config.init_only.empty())
    throw ConfigError("[train] init_skip and init_only need init, the folder of a model to start from");
  require_prefixes(network, config.freeze, "trainer.freeze");
}

int64_t count_trained(const TrainerConfig& config) {
  const nn::Factory nowhere{at::kMeta, at::kFloat};
  model::OpticalModel network(model_of(config), nowhere);
  require_prefixes(network, config.freeze, "trainer.freeze");
  int64_t count = 0;
  if (config.lora.rank > 0) {
    const Adapters adapters(network, config.lora, nowhere);
    for (const auto& p : adapters->parameters()) count += p.numel();
    return count;
  }
  for (const auto& item : network->named_parameters())
    if (!has_prefix(item.key(), config.freeze)) count += item.value().numel();
  return count;
}

namespace {

/// What is saved for readers: the model's float32 tensors by their published names, trained and frozen ones, or the adapters.
class ModelSaver {
 public:
  ModelSaver(const TrainerConfig& config, const model::ModelConfig& model, std::string tokenizer_path, weights::NamedTensors frozen, Adapters adapters)
      : config_(config), model_(model), tokenizer_path_(std::move(tokenizer_path)), frozen_(std::move(frozen)), adapters_(std::move(adapters)) {}

  void save(const weights::NamedTensors& master, const std::string& model_folder, const std::string& adapter_folder) const {
    if (adapters_) {
      std::map<std::string, at::Tensor> values;
      const std::string prefix = "adapters.";
      for (const auto& [name, tensor] : master)
        if (name.rfind(prefix, 0) == 0) values[name.substr(prefix.size())] = tensor;
      save_adapters(adapter_folder, adapters_, config_.lora, values, config_.init);
      if (!config_.lora.merge) return;
    }
    weights::NamedTensors tensors;
    const std::string prefix = "model.";
    for (const auto* list : {&master, &frozen_})
      for (const auto& [name, tensor] : *list)
        if (name.rfind(prefix, 0) == 0) tensors.emplace_back(model::published_name(name.substr(prefix.size())), adapted(name.substr(prefix.size()), tensor, master));
    make_writable_folder(model_folder);
    weights::save_weights(model_folder, tensors, weights::SaveOptions{});
    // A folder in the published form stays one.
    const std::string config_path = config_.init + "/config.json";
    if (!config_.init.empty() && config_.model.empty() && model::is_published_config(Json::parse(read_file(config_path)))) {
      write_file_atomic(model_folder + "/config.json", read_file(config_path));
    } else {
      model::ModelConfig saved = model_;
      saved.tokenizer = "tokenizer.json";
      write_file_atomic(model_folder + "/config.json", config_to_json(saved).dump(2) + "\n");
    }
    if (!tokenizer_path_.empty()) write_file_atomic(model_folder + "/tokenizer.json", read_file(tokenizer_path_));
  }

 private:
  at::Tensor adapted(const std::string& own_name, const at::Tensor& tensor, const weights::NamedTensors& master) const {
    if (!adapters_) return tensor;
    for (const auto& entry : adapters_->entries()) {
      if (own_name != entry.name + ".weight") continue;
      std::string stem = "adapters." + entry.name;
      std::replace(stem.begin() + 9, stem.end(), '.', '/');
      at::Tensor a, b;
      for (const auto& [name, value] : master) {
        if (name == stem + "/lora_A") a = value;
        if (name == stem + "/lora_B") b = value;
      }
      return tensor.to(at::kFloat) + at::mm(b * (config_.lora.alpha / double(config_.lora.rank)), a).to(tensor.device());
    }
    return tensor;
  }
  const TrainerConfig& config_;
  const model::ModelConfig& model_;
  std::string tokenizer_path_;
  weights::NamedTensors frozen_;
  Adapters adapters_;
};

/// The same pages at every look: the largest size, ratios from the lowest to the highest.
class Validation {
 public:
  Validation(const PageSource& source, const text::Tokenizer& tokenizer, const GlyphClasses& classes, const TrainerConfig& config, const model::ModelConfig& model, double chars_per_token,
             Communicator& communicator) {
    TrainerConfig plain = config;
    plain.objective.input_noise = 0;
    plain.seed = 0x5a1d;
    for (int64_t i = communicator.rank(); i < config.validate_batches; i += communicator.world_size()) {
      const auto& c = config.curriculum;
      BatchSpec spec{};
      spec.side_px = *std::max_element(c.sides_px.begin(), c.sides_px.end());
      const double share = config.validate_batches > 1 ? double(i) / double(config.validate_batches - 1) : 0.5;
      spec.ratio = c.ratio_low * std::pow(c.ratio_high_last / c.ratio_low, share);
      const int64_t grid = spec.side_px / model.stride_px(), patches = spec.side_px / model.encoder.sam.patch_px;
      spec.num_chars = std::max<int64_t>(8, int64_t(spec.ratio * double(grid * grid) * c.chars_per_text_token));
      spec.num_pages = std::clamp<int64_t>(int64_t(double(config.tokens_per_batch) / (double(spec.num_chars) / chars_per_token + 0.5 * double(patches * patches))), 1, std::min<int64_t>(16, config.max_pages_per_batch));
      batches_.push_back(make_batch(source, tokenizer, classes, plain, model, spec, 0, i));
    }
  }
  /// {loss, accuracy} a token, over all processes.
  std::pair<double, double> look(Objective& objective, Communicator& communicator, const at::Device& device) {
    auto sums = at::zeros({3}, at::TensorOptions().device(device).dtype(at::kFloat));
    for (const auto& batch : batches_) {
      const auto parts = objective->evaluate(to_device(batch, device));
      const double weight = double(batch.num_text_tokens);
      sums += at::stack({parts.reader_loss * weight, parts.reader_accuracy * weight, at::full_like(parts.reader_loss, weight)});
    }
    communicator.all_reduce(sums);
    const auto host = sums.to(at::kCPU);
    const double count = std::max(1.0, double(host[2].item<float>()));
    return {double(host[0].item<float>()) / count, double(host[1].item<float>()) / count};
  }

 private:
  std::vector<Batch> batches_;
};

/// A reader to learn from. Errors: ConfigError unless it reads the same tokens from the same pages.
std::pair<model::OpticalModel, model::ModelConfig> load_teacher(const TrainerConfig& config, const std::string& tokenizer_path, const at::Device& device, at::ScalarType dtype) {
  const auto teacher_config = read_model_config(config.teacher);
  if (!tokenizer_path.empty() && sha256_hex_of_file(config.teacher + "/" + teacher_config.tokenizer) != sha256_hex_of_file(tokenizer_path))
    throw ConfigError("[train] teacher " + config.teacher + " has another tokenizer than " + tokenizer_path + ": its tokens cannot be learned from");
  for (int64_t side : config.curriculum.sides_px)
    if (side % teacher_config.stride_px() != 0)
      throw ConfigError("[train] teacher " + config.teacher + " takes page sides that are multiples of " + std::to_string(teacher_config.stride_px()) + ", got " + std::to_string(side));
  model::OpticalModel teacher(teacher_config, nn::Factory{device, dtype});
  torch::NoGradGuard no_grad;
  weights::load_weights(model::published_tensors(teacher), weights::WeightStore(config.teacher));
  teacher->eval();
  for (auto& p : teacher->parameters()) p.set_requires_grad(false);
  return {teacher, teacher_config};
}

}  // namespace

TrainResult train(const TrainerConfig& config, const PageSource& source, const text::Tokenizer& tokenizer,
                  const std::string& tokenizer_path, const std::function<void(const Json&)>& on_log,
                  const std::function<bool()>& should_stop, const PageSource* validation_pages) {
  validate_fields(config, "train");
  if (config.validate_every > 0 && !validation_pages) throw ConfigError("[train] validate_every needs pages that are not trained on: pages.valid_text");
  auto communicator = Communicator::from_environment(config.device, config.lost_after_s);
  const int64_t rank = communicator->rank(), world = communicator->world_size();
  const at::Device device = model::parse_device(
      config.device == "cuda" && world > 1 ? "cuda:" + std::to_string(communicator->local_rank()) : config.device);
  const at::ScalarType dtype = config.dtype == "bfloat16" || (config.dtype == "auto" && device.is_cuda()) ? at::kBFloat16 : at::kFloat;
  const std::string checkpoint = config.out + "/checkpoint";
  if (rank == 0) make_writable_folder(config.out);

  check_start(config);
  const model::ModelConfig model_config = model_of(config);
  if (tokenizer.vocab_size() > model_config.decoder.vocab_size)
    throw ConfigError("[train] the tokenizer has " + std::to_string(tokenizer.vocab_size()) + " ids, the model " +
                      std::to_string(model_config.decoder.vocab_size));
  const int64_t stride = model_config.stride_px(), patch = model_config.encoder.sam.patch_px;
  for (const auto* list : {&config.curriculum.sides_px, &config.curriculum.extra_sides_px})
    for (int64_t side : *list)
      if (side % stride != 0) throw ConfigError("[train] page sides must be multiples of " + std::to_string(stride) + ", got " + std::to_string(side));
  sequence_ids(config, model_config, tokenizer);  // says what is wrong with the prompt or the task
  const GlyphClasses classes(tokenizer);
  const nn::Factory on_cpu{at::kCPU, at::kFloat};
  model::OpticalModel network(model_config, on_cpu);
  Objective objective(network, config.objective, classes.size(), on_cpu);
  nn::initialise(*objective, uint64_t(config.seed));
  Json start = {{"init", config.init}};
  if (!config.init.empty()) {
    const auto report = init_from(network, config.init, config.init_skip, config.init_only);
    start.update({{"num_loaded", report.num_loaded}, {"fresh", report.fresh}, {"left_over", report.left_over}, {"summary", describe_init(report)}});
  }
  if (config.lora.rank > 0) {
    Adapters adapters(network, config.lora, on_cpu);
    adapters->reset(uint64_t(config.seed));
    objective->set_adapters(adapters);
  }
  // What is not trained is kept in float32 as it came, for the model that is saved; the device has it in the run's arithmetic.
  weights::NamedTensors frozen;
  std::set<std::string> frozen_names;
  for (const auto& item : network->named_parameters())
    if (config.lora.rank > 0 || has_prefix(item.key(), config.freeze)) {
      item.value().set_requires_grad(false);
      frozen.emplace_back("model." + item.key(), item.value().detach());
      frozen_names.insert("model." + item.key());
    }
  std::vector<std::pair<std::string, at::Tensor>> parameters;
  for (const auto& item : objective->named_parameters()) {
    at::Tensor p = item.value();
    if (frozen_names.count(item.key())) {
      p.set_data(p.detach().to(at::TensorOptions().device(device).dtype(dtype), /*non_blocking=*/false, /*copy=*/true));
    } else {
      p.set_data(p.detach().to(device));
      parameters.emplace_back(item.key(), p);
    }
  }
  if (parameters.empty()) throw ConfigError("[train] freeze leaves nothing to train");
  start["num_trained"] = parameters.size();
  start["num_frozen"] = frozen.size();
  const auto reduce = [&](at::Tensor& x) { communicator->all_reduce(x); };
  FlatOptimizer optimizer(parameters, config.optimizer, dtype, config.optimizer.shard ? Share{rank, world} : Share{});
  objective->set_dtype(dtype);
  const ModelSaver saver(config, model_config, tokenizer_path, frozen, config.lora.rank > 0 ? objective->adapters_of() : Adapters{nullptr});
  double teacher_share = 0;  // operations of the teacher, of ours
  model::ModelConfig teacher_config;
  if (!config.teacher.empty()) {
    auto [teacher, its_config] = load_teacher(config, tokenizer_path, device, dtype);
    teacher_config = its_config;
    TrainerConfig of_teacher = config;
    of_teacher.objective.task = "read";
    objective->set_teacher(teacher, sequence_ids(of_teacher, teacher_config, tokenizer));
    teacher_share = 1.0 / 3;
    start["teacher"] = config.teacher;
  }
  if (rank == 0) write_file_atomic(config.out + "/start.json", start.dump(1) + "\n");

  // Where an earlier run stopped
  int64_t step = 0;
  double elapsed_before = 0, petaflops = 0;
  int64_t text_tokens = 0;
  Control control;
  int64_t last_level_up = 0;
  double level_accuracy = 0, level_weight = 0;
  std::vector<Control> pending = {control};
  int64_t micro = config.micro_batches;
  double best_loss = std::numeric_limits<double>::infinity();
  int64_t best_step = -1;
  if (rank == 0 && !fs::exists(checkpoint) && fs::exists(checkpoint + ".old")) fs::rename(checkpoint + ".old", checkpoint);  // killed between two renames
  if (world > 1) {
    auto ready = at::zeros({1}, at::TensorOptions().device(device).dtype(at::kFloat));
    communicator->broadcast(ready);
    ready.to(at::kCPU);
  }
  if (fs::exists(checkpoint + "/state.json")) {
    const Json state = Json::parse(read_file(checkpoint + "/state.json"));
    Json stored = identity(TrainerConfig{});  // what an earlier version did not know yet was as it is by default
    stored.merge_patch(state.at("identity"));
    if (stored != identity(config))
      throw ConfigError("[train] " + checkpoint + " is of another configuration: " + Json::diff(stored, identity(config)).dump());
    torch::NoGradGuard no_grad;
    weights::load_weights(optimizer.master_tensors(), weights::WeightStore(checkpoint + "/weights"));
    const auto loaded = optimizer.state_to_load();
    weights::load_weights(loaded, weights::WeightStore(checkpoint + "/optimizer"));
    optimizer.take_state(loaded);
    optimizer.publish();
    step = state.at("step");
    optimizer.set_num_steps(state.at("optimizer_steps"));
    elapsed_before = state.at("elapsed_s");
    petaflops = state.value("petaflops", 0.0);
    text_tokens = state.value("text_tokens", int64_t(0));
    if (micro == 0) micro = state.value("micro_batches", int64_t(0));
    if (state.contains("best_loss") && state["best_loss"].is_number()) best_loss = state["best_loss"], best_step = state["best_step"];
    last_level_up = state.at("last_level_up");
    level_accuracy = state.at("level_accuracy");
    level_weight = state.at("level_weight");
    pending.clear();
    for (const auto& c : state.at("controls")) pending.push_back({c.at("from_step"), c.at("level"), c.at("progress")});
  }

  if (micro == 0) micro = world;
  if (micro % world != 0)
    throw ConfigError("[train] " + std::to_string(micro) + " micro_batches cannot be shared by " + std::to_string(world) + " processes: their number must divide it");
  const double chars_per_token = measure_chars_per_token(source, tokenizer, config.curriculum.sides_px.front());
  const auto make = [&](int64_t at_step, const Control& c) {
    const BatchSpec spec = batch_spec(config, at_step, c, stride, patch, chars_per_token);
    std::vector<Batch> batches;
    for (int64_t shard = rank; shard < micro; shard += world) {
      Batch batch = make_batch(source, tokenizer, classes, config, model_config, spec, at_step, shard);
      batches.push_back(device.is_cuda() ? pinned(std::move(batch)) : std::move(batch));
    }
    return batches;
  };
  const int64_t cores = int64_t(std::thread::hardware_concurrency());
  const int64_t workers = config.workers > 0 ? config.workers : std::max<int64_t>(1, cores / communicator->local_world_size() - 1);
  control = pending.front();
  Batcher batcher(make, step, config.prefetch_steps, workers, control);
  for (size_t i = 1; i < pending.size(); ++i) batcher.set_control(pending[i]);
  std::unique_ptr<Validation> validation;
  if (config.validate_every > 0) validation = std::make_unique<Validation>(*validation_pages, tokenizer, classes, config, model_config, chars_per_token, *communicator);

  const auto save = [&] {
    const auto state = optimizer.state_tensors(reduce);
    if (rank != 0) return;
    weights::SaveOptions options;
    options.max_shard_bytes = int64_t(1) << 40;
    const std::string temporary = checkpoint + ".new", old = checkpoint + ".old";
    fs::remove_all(temporary);
    weights::save_weights(temporary + "/weights", optimizer.master_tensors(), options);
    weights::save_weights(temporary + "/optimizer", state, options);
    Json controls = Json::array();
    for (const auto& c : pending) controls.push_back({{"from_step", c.from_step}, {"level", c.level}, {"progress", c.progress}});
    write_file_atomic(temporary + "/state.json", Json{{"identity", identity(config)}, {"step", step}, {"optimizer_steps", optimizer.num_steps()},
        {"elapsed_s", elapsed_before}, {"petaflops", petaflops}, {"text_tokens", text_tokens}, {"last_level_up", last_level_up}, {"level_accuracy", level_accuracy}, {"level_weight", level_weight},
        {"controls", controls}, {"micro_batches", micro}, {"best_loss", std::isfinite(best_loss) ? Json(best_loss) : Json()}, {"best_step", best_step}}.dump(1) + "\n");
    fs::remove_all(old);
    if (fs::exists(checkpoint)) fs::rename(checkpoint, old);
    fs::rename(temporary, checkpoint);
    fs::remove_all(old);
    // The model alone, as readers load it.
    saver.save(optimizer.model_tensors(), config.out + "/model", config.out + "/adapters");
  };

  std::ofstream log;
  if (rank == 0) log.open(config.out + "/log.jsonl", std::ios::app);
  TrainResult result;
  const auto started = Clock::now();
  const double elapsed_at_start = elapsed_before;
  double last_log = 0, last_save = 0;
  int64_t pages = 0, tokens = 0, steps_since_log = 0;
  double waited = 0, flops = 0;
  Meters meters;
  double progress = 0;  // where an earlier run stopped, or the rate would start from its peak again until the first log line
  if (config.time_limit_s > 0) progress = std::max(progress, elapsed_before / config.time_limit_s);
  if (config.petaflop_limit > 0) progress = std::max(progress, petaflops / config.petaflop_limit);
  at::Tensor elapsed_tensor = at::zeros({2}, at::TensorOptions().device(device).dtype(at::kFloat));
  bool stopped = false;
  int64_t validated = step;
  while (step < config.num_steps) {
    if ((config.time_limit_s > 0 || config.petaflop_limit > 0) && progress >= 1) break;
    while (pending.size() > 1 && pending[1].from_step <= step) pending.erase(pending.begin());
    control = pending.front();
    const auto wait_start = Clock::now();
    const auto batches = batcher.next();
    waited += seconds_since(wait_start);
    const BatchSpec spec = batches.front().spec;
    const double now = config.time_limit_s > 0 || config.petaflop_limit > 0 ? progress : double(step) / double(config.num_steps);
    const bool with_reader = control.progress >= config.objective.probe_only_share || model_config.source == "text";  // text has no glyphs to probe
    const bool at_level = with_reader && spec.side_px == config.curriculum.sides_px[std::min<size_t>(size_t(control.level), config.curriculum.sides_px.size() - 1)];
    const nn::CheckpointGuard recompute(config.checkpoint_activations);
    std::vector<LossParts> parts;
    for (size_t i = 0; i < batches.size(); ++i) {
      if (i > 0) optimizer.accumulate();
      const Batch batch = to_device(batches[i], device);
      parts.push_back(objective->forward(batch, with_reader, control.progress < config.objective.probe_detached_share));
      parts.back().total.backward();
      objective->release();
      for (at::Tensor* t : {&parts.back().total, &parts.back().reader_loss}) *t = t->detach();  // lets the graph go
      const int64_t text_of_page = with_reader ? batch.num_text_tokens / std::max<int64_t>(1, spec.num_pages) : 0;
      pages += spec.num_pages;
      tokens += batch.num_text_tokens;
      flops += 3e-15 * double(spec.num_pages) * model::page_flops(model_config, spec.side_px, text_of_page).total();
      if (teacher_share > 0 && with_reader) flops += 3e-15 * teacher_share * double(spec.num_pages) * model::page_flops(teacher_config, spec.side_px, text_of_page).total();
    }
    const auto norm = optimizer.step(learning_rate(config.optimizer, step, now), reduce, micro, now);
    for (const auto& p : parts)
      meters.add({p.total, p.reader_loss, p.reader_accuracy, p.probe_accuracy, p.patch_probe_accuracy, p.guide_accuracy, p.distance, norm,
                  at_level ? p.reader_accuracy : at::zeros_like(p.reader_accuracy), at_level ? at::ones_like(p.reader_accuracy) : at::zeros_like(p.reader_accuracy)});
    step += 1;
    steps_since_log += 1;

    const bool last = step == config.num_steps;
    if (step % config.log_every == 0 || last) {
      // One look at the device: means over processes, the clock of rank 0, the curricula.
      auto values = at::stack(meters.sums) / double(meters.count);
      auto amounts = at::tensor({double(pages), double(tokens), flops}, at::kDouble).to(device);
      if (world > 1) {
        communicator->all_reduce(values);
        values.div_(double(world));
        communicator->all_reduce(amounts);
      }
      amounts = amounts.to(at::kCPU);
      pages = int64_t(amounts[0].item<double>()), tokens = int64_t(amounts[1].item<double>());
      text_tokens += tokens;
      petaflops += amounts[2].item<double>();
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
      if (mean[9] > 0) {
        const double share = mean[9] * double(meters.count) / double(micro / world);
        level_accuracy = 0.5 * level_accuracy + 0.5 * mean[8] / mean[9] * std::min(1.0, share / 4);
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
                   {"side_px", spec.side_px}, {"ratio", spec.ratio}, {"rate", learning_rate(config.optimizer, step, now)}};
      for (size_t i = 0; i < 8; ++i)
        if (i != 6 || !config.teacher.empty()) line[Meters::names()[i]] = mean[i];
      if (level_weight > 0) line["accuracy_at_present_size"] = level_accuracy / level_weight;
      line["pages_per_s"] = double(pages) / interval;
      line["text_tokens_per_s"] = double(tokens) / interval;
      line["steps_per_s"] = double(steps_since_log) / interval;
      line["waited_share"] = waited / interval;
      line["batches_ready"] = batcher.num_ready();
      last_log = elapsed;
      pages = tokens = steps_since_log = 0;
      flops = 0;
      waited = 0;
      meters = {};
      if (validation && (step / config.validate_every != validated / config.validate_every || last)) {
        validated = step;
        const auto [loss, accuracy] = validation->look(objective, *communicator, device);
        line["valid_loss"] = loss;
        line["valid_accuracy"] = accuracy;
        if (loss < best_loss) {
          best_loss = loss, best_step = step;
          if (rank == 0) saver.save(optimizer.model_tensors(), config.out + "/best", config.out + "/best-adapters");
        }
        line["best_step"] = best_step;
      }
      if (rank == 0) {
        log << line.dump() << "\n" << std::flush;
        if (on_log) on_log(line);
      }
      result.last_log = line;
      if (!std::isfinite(mean[0]) || (mean[1] > 0 && mean[1] > 2 * std::log(double(model_config.decoder.vocab_size))))
        throw DivergenceError("[train] diverged before step " + std::to_string(step) + ": loss " + std::to_string(mean[0]) + ", gradient norm " + std::to_string(mean[7]) +
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
  if (result.last_log.is_null() && fs::exists(config.out + "/log.jsonl")) {  // it had ended before
    std::ifstream lines(config.out + "/log.jsonl");
    for (std::string line; std::getline(lines, line);)
      if (Json parsed = Json::parse(line, nullptr, /*allow_exceptions=*/false); parsed.is_object()) result.last_log = std::move(parsed);
  }
  return result;
}

}  // namespace fovea::train

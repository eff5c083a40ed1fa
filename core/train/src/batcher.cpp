#include "fovea/train/batcher.h"

#include <algorithm>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/model/optical_model.h"
#include "fovea/model/text_encoder.h"
#include "fovea/vision/encoder.h"

namespace fovea::train {

// White space, control characters and what only changes how others look: nothing of them stands on a page.
static bool leaves_no_ink(char32_t c) {
  return c <= 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0xAD || c == 0x1680 || c == 0x180E || (c >= 0x2000 && c <= 0x200F) || (c >= 0x2028 && c <= 0x202F) || (c >= 0x205F && c <= 0x206F) ||
         c == 0x3000 || (c >= 0xD800 && c < 0xF900) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || (c >= 0xFFF0 && c <= 0xFFFF);
}

GlyphClasses::GlyphClasses(const text::Tokenizer& tokenizer) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    std::string bytes;
    try {
      bytes = tokenizer.token_bytes(id);
    } catch (const ConfigError&) {
      continue;  // vocabularies have holes
    }
    if (bytes.empty() || bytes.size() > 4 || find_invalid_utf8(bytes) != std::string::npos) continue;
    size_t end = 0;
    const char32_t c = next_code_point(bytes, end);
    // An entry may be there and never be reached by the merges.
    if (end == bytes.size() && !leaves_no_ink(c) && tokenizer.encode(bytes, /*match_added_tokens=*/false).size() == 1) code_points_.push_back(c);
  }
  std::sort(code_points_.begin(), code_points_.end());
  code_points_.erase(std::unique(code_points_.begin(), code_points_.end()), code_points_.end());
  for (size_t i = 0; i < code_points_.size(); ++i) index_[code_points_[i]] = int64_t(i);
}

int64_t GlyphClasses::of(char32_t code_point) const {
  const auto it = index_.find(code_point);
  return it == index_.end() ? -1 : it->second;
}

SequenceIds sequence_ids(const TrainerConfig& config, const model::ModelConfig& model, const text::Tokenizer& tokenizer) {
  SequenceIds ids;
  const std::string& task = config.objective.task;
  if (model.sequence == "begin-vision-prompt") {
    if (task == "both") throw ConfigError("[train] objective.task=both needs a model without a prompt; " + model.name + " takes one: train with two prompts in two runs");
    const std::string text = model::prompt_text(config.prompt), mark = "<image>";
    const size_t at = text.find(mark);
    if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos) throw ConfigError("[train] prompt must have exactly one <image>, got '" + text + "'");
    ids.before = {model.decoder.bos_token_id};
    for (auto id : tokenizer.encode(text.substr(0, at), /*match_added_tokens=*/true)) ids.before.push_back(id);
    for (auto id : tokenizer.encode(text.substr(at + mark.size()), /*match_added_tokens=*/true)) ids.read.push_back(id);
    if (ids.read.empty()) throw ConfigError("[train] prompt must have a text after <image>, got '" + text + "'");
    ids.go_on = ids.read;
    return ids;
  }
  if (task == "both" && model.continue_token_id < 0)
    throw ConfigError("[train] objective.task=both needs a token that tells going on from reading: trainer.model=continue_token_id=" + std::to_string(model.decoder.eos_token_id) + ", say");
  ids.read = {model.decoder.bos_token_id};
  ids.go_on = {model.continue_token_id < 0 ? model.decoder.bos_token_id : model.continue_token_id};
  return ids;
}

// One page's pixels as the model's channels. out [C, S, S].
static void put_pixels(const Image& image, int64_t channels, uint8_t* out) {
  const size_t plane = size_t(image.width_px) * size_t(image.height_px);
  for (int64_t c = 0; c < channels; ++c, out += plane) {
    if (image.channels == 1) {
      std::copy(image.pixels.begin(), image.pixels.end(), out);
      continue;
    }
    for (size_t p = 0; p < plane; ++p) {
      const uint8_t* rgb = image.pixels.data() + 3 * p;
      out[p] = channels == 3 ? rgb[c] : uint8_t((rgb[0] + rgb[1] + rgb[2]) / 3);
    }
  }
}

Sequences lay_out(const Batch& batch, const SequenceIds& around, int64_t num_vision) {
  const int64_t pages = int64_t(batch.lengths.size()), before = int64_t(around.before.size()), head = int64_t(around.read.size());
  std::vector<int64_t> lengths;
  for (const int64_t length : batch.lengths) lengths.push_back(before + num_vision + head + length);
  Sequences out;
  out.num_before = before;
  out.num_vision = num_vision;
  out.packed = nn::Packed::of_lengths(lengths);
  const int64_t rows = out.packed.offsets.back();
  out.ids = at::empty({rows - pages * num_vision}, at::kLong);
  out.order = at::empty({rows}, at::kLong);
  out.inverse = at::empty({rows}, at::kLong);
  out.own = at::full({rows - pages * num_vision}, -1, at::kLong);
  out.rows = at::empty({batch.targets.size(0)}, at::kLong);
  int64_t *ids = out.ids.data_ptr<int64_t>(), *order = out.order.data_ptr<int64_t>(), *target_rows = out.rows.data_ptr<int64_t>(), *own = out.own.data_ptr<int64_t>();
  const int64_t* text = batch.text.data_ptr<int64_t>();
  int64_t id = 0, row = 0, target = 0;
  const auto put = [&](int64_t value) { ids[id] = value, order[row++] = pages * num_vision + id++; };
  for (int64_t b = 0; b < pages; ++b) {
    for (const int64_t value : around.before) put(value);
    for (int64_t v = 0; v < num_vision; ++v) order[row++] = b * num_vision + v;
    for (const int64_t value : batch.goes_on[size_t(b)] ? around.go_on : around.read) put(value);
    if (batch.own_text[size_t(b)]) std::iota(own + id, own + id + batch.lengths[size_t(b)], target);
    // The last id before the text says its first token.
    for (int64_t t = 0; t < batch.lengths[size_t(b)] + (batch.ends[size_t(b)] ? 1 : 0); ++t) target_rows[target++] = row - 1 + t;
    for (int64_t t = 0; t < batch.lengths[size_t(b)]; ++t) put(*text++);
  }
  int64_t* inverse = out.inverse.data_ptr<int64_t>();
  for (int64_t r = 0; r < rows; ++r) inverse[order[r]] = r;
  return out;
}

Batch make_batch(const PageSource& source, const text::Tokenizer& tokenizer, const GlyphClasses& classes, const TrainerConfig& config,
                 const model::ModelConfig& model, const BatchSpec& spec, int64_t step, int64_t shard) {
  const int64_t stride_px = model.stride_px(), eos = model.decoder.eos_token_id, channels = model.encoder.sam.in_channels;
  const auto around = sequence_ids(config, model, tokenizer);
  const int64_t pages = spec.num_pages, side = spec.side_px, grid = side / stride_px, num_vision = vision::num_decoder_positions(grid);
  const int64_t most_ids = model.decoder.max_position_embeddings - num_vision - int64_t(around.before.size()) - int64_t(around.read.size());
  const bool from_text = model.source == "text";
  Batch batch;
  batch.spec = spec;
  std::vector<TrainPage> drawn;
  std::vector<text::Encoding> encoded;
  std::vector<text::Encoding> page_text(from_text ? size_t(pages) : 0);  // what a text-side baseline compresses, where that is not what it writes
  int64_t longest = 0, num_ids = 0;
  const uint64_t batch_seed = mix64(mix64(uint64_t(config.seed) ^ 0x7ea1) + uint64_t(step)) + uint64_t(shard) * 0x9e3779b97f4a7c15ULL;
  for (int64_t i = 0; i < pages; ++i) {
    const auto& task = config.objective.task;
    const bool after = task == "continue" || (task == "both" && Rng(batch_seed, 7, uint64_t(i)).chance(config.objective.continue_share));
    drawn.push_back(source.draw({side, spec.num_chars, mix64(batch_seed + uint64_t(i)), after ? config.objective.continue_chars : 0}));
    if (drawn.back().image.width_px != side || drawn.back().image.height_px != side)
      throw InternalError("[make_batch] the page source drew a page of another size");
    encoded.push_back(tokenizer.encode_with_offsets(after ? drawn.back().continuation : drawn.back().text, /*match_added_tokens=*/false));
    auto& e = encoded.back();
    if (from_text && after) page_text[size_t(i)] = tokenizer.encode_with_offsets(drawn.back().text, /*match_added_tokens=*/false);
    // Text after the page goes on, and so does what the decoder has no room for: no end is asked for.
    const bool cut = int64_t(e.ids.size()) > most_ids;
    e.ids.resize(std::min(e.ids.size(), size_t(most_ids)));
    e.byte_ends.resize(e.ids.size());
    batch.goes_on.push_back(after);
    batch.ends.push_back(!after && !cut);
    batch.own_text.push_back(!after && Rng(batch_seed, 9, uint64_t(i)).chance(config.objective.own_text_share));
    batch.lengths.push_back(int64_t(e.ids.size()));
    longest = std::max(longest, batch.lengths.back());
    num_ids += batch.lengths.back();
  }
  batch.num_text_tokens = num_ids + std::count(batch.ends.begin(), batch.ends.end(), true);
  batch.pixels = at::empty({pages, channels, side, side}, at::kByte);
  if (from_text) {
    int64_t width = longest + 1;
    for (const auto& e : page_text) width = std::max(width, int64_t(e.ids.size()));
    batch.source_ids = at::full({pages, (width + 15) / 16 * 16}, eos, at::kLong);
    batch.source_lengths = at::empty({pages}, at::kLong);
  }
  batch.text = at::empty({num_ids}, at::kLong);
  batch.targets = at::empty({batch.num_text_tokens}, at::kLong);
  batch.own_draw = at::zeros({batch.num_text_tokens}, at::kFloat);
  const int64_t places = std::min<int64_t>(config.objective.guide_places, longest + 1);
  for (at::Tensor* t : {&batch.place_target, &batch.place_cell, &batch.place_offset}) *t = at::zeros({pages, places}, at::kLong);
  const int64_t glyphs = std::max<int64_t>(16, std::min<int64_t>(config.objective.probe_glyphs, spec.num_chars / 4));
  batch.glyph_class = at::full({pages, glyphs}, -100, at::kLong);
  batch.glyph_xy = at::zeros({pages, glyphs, 2}, at::kFloat);
  batch.glyph_channel = at::zeros({pages, glyphs}, at::kLong);
  int64_t *text = batch.text.data_ptr<int64_t>(), *targets = batch.targets.data_ptr<int64_t>();
  int64_t first_target = 0;
  std::vector<int64_t> cells, offsets;  // of each target of a page
  for (int64_t b = 0; b < pages; ++b) {
    const TrainPage& page = drawn[size_t(b)];
    put_pixels(page.image, channels, batch.pixels.data_ptr<uint8_t>() + b * channels * side * side);
    const bool after = batch.goes_on[size_t(b)];
    Rng noise(batch_seed, 6, uint64_t(b));
    uint32_t begin = 0;
    const auto& ids = encoded[size_t(b)].ids;
    const int64_t length = int64_t(ids.size());
    if (from_text) {
      const auto& compressed = after ? page_text[size_t(b)].ids : ids;
      std::copy(compressed.begin(), compressed.end(), batch.source_ids.data_ptr<int64_t>() + b * batch.source_ids.size(1));
      batch.source_lengths.data_ptr<int64_t>()[b] = std::max<int64_t>(1, int64_t(compressed.size()));
    }
    const int64_t asked = length + (batch.ends[size_t(b)] ? 1 : 0);
    cells.assign(size_t(asked), -1);
    offsets.assign(size_t(asked), 0);
    for (int64_t t = 0; t < length; ++t) {
      targets[first_target + t] = ids[size_t(t)];
      const bool replaced = config.objective.input_noise > 0 && noise.chance(config.objective.input_noise);
      *text++ = replaced ? int64_t(noise.below(uint64_t(tokenizer.vocab_size()))) : ids[size_t(t)];
      if (after) continue;  // nothing of it stands on the page
      if (from_text) {
        const int64_t latent = model::latent_of(model.text_encoder, t, length, grid * grid);
        cells[size_t(t)] = latent < 0 ? -1 : latent / grid * (grid + 1) + latent % grid;
        offsets[size_t(t)] = length > grid * grid ? 32 * (t * grid * grid * 32 / length % 32) : 0;
        continue;
      }
      // The first byte that is no space: a token's leading space belongs to the place before it.
      size_t first = begin;
      while (first + 1 < encoded[size_t(b)].byte_ends[size_t(t)] && page.text[first] == ' ') ++first;
      const int64_t x = std::clamp<int64_t>(page.x_px[first], 0, side - 1), y = std::clamp<int64_t>(page.y_px[first], 0, side - 1);
      cells[size_t(t)] = (y / stride_px) * (grid + 1) + x / stride_px;
      offsets[size_t(t)] = 32 * ((x % stride_px) * 32 / stride_px) + (y % stride_px) * 32 / stride_px;
      begin = encoded[size_t(b)].byte_ends[size_t(t)];
    }
    if (asked > length) targets[first_target + length] = eos;
    Rng own(batch_seed, 10, uint64_t(b));
    if (batch.own_text[size_t(b)]) std::generate_n(batch.own_draw.data_ptr<float>() + first_target, asked, [&] { return float(own.uniform()); });
    Rng place(batch_seed, 8, uint64_t(b));
    for (int64_t q = b * places; q < (b + 1) * places; ++q) {
      // All of a short text's targets, once; of a longer one some.
      const int64_t pick = asked <= places ? q - b * places : int64_t(place.below(uint64_t(asked)));
      batch.place_target.data_ptr<int64_t>()[q] = pick < asked ? first_target + pick : 0;
      batch.place_cell.data_ptr<int64_t>()[q] = pick < asked ? cells[size_t(pick)] : -1;
      batch.place_offset.data_ptr<int64_t>()[q] = pick < asked ? offsets[size_t(pick)] : 0;
    }
    first_target += asked;
    if (page.glyph_char.empty()) continue;
    Rng rng(batch_seed, 5, uint64_t(b));
    for (int64_t q = 0; q < glyphs; ++q) {
      const size_t pick = rng.below(page.glyph_char.size());
      const int64_t label = classes.of(page.glyph_char[pick]);
      batch.glyph_class.data_ptr<int64_t>()[b * glyphs + q] = label < 0 ? -100 : label;
      if (!page.glyph_channel.empty()) batch.glyph_channel.data_ptr<int64_t>()[b * glyphs + q] = page.glyph_channel[pick];
      batch.glyph_xy.data_ptr<float>()[(b * glyphs + q) * 2] = float(std::clamp<int>(page.glyph_x_px[pick], 0, int(side - 1)));
      batch.glyph_xy.data_ptr<float>()[(b * glyphs + q) * 2 + 1] = float(std::clamp<int>(page.glyph_y_px[pick], 0, int(side - 1)));
    }
  }
  batch.sequences = lay_out(batch, around, num_vision);
  return batch;
}

using OnTensor = std::function<at::Tensor(const at::Tensor&)>;

static Sequences mapped(Sequences sequences, const OnTensor& f) {
  for (at::Tensor* t : {&sequences.ids, &sequences.order, &sequences.inverse, &sequences.rows, &sequences.own, &sequences.packed.starts, &sequences.packed.places}) *t = f(*t);
  return sequences;
}

static Batch mapped(Batch batch, const OnTensor& f) {
  for (at::Tensor* t : {&batch.pixels, &batch.targets, &batch.own_draw, &batch.place_target, &batch.place_cell, &batch.place_offset, &batch.glyph_class, &batch.glyph_xy, &batch.glyph_channel}) *t = f(*t);
  batch.sequences = mapped(std::move(batch.sequences), f);
  if (batch.source_ids.defined()) batch.source_ids = f(batch.source_ids);
  return batch;
}

static OnTensor onto(const at::Device& device) {
  return [device](const at::Tensor& t) { return t.to(device, /*non_blocking=*/true); };
}

Sequences to_device(Sequences sequences, const at::Device& device) {
  if (!device.is_cuda()) return sequences;
  return mapped(std::move(sequences), onto(device));
}

Batch to_device(Batch batch, const at::Device& device) {
  if (!device.is_cuda()) return batch;
  return mapped(std::move(batch), onto(device));
}

Batch pinned(Batch batch) {
  return mapped(std::move(batch), [](const at::Tensor& t) { return t.pin_memory(); });
}

Batcher::Batcher(Make make, int64_t first_step, int64_t prefetch, int64_t workers, Control control)
    : make_(std::move(make)), controls_{control}, next_to_make_(first_step), next_to_take_(first_step), prefetch_(prefetch) {
  for (int64_t i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

Batcher::~Batcher() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void Batcher::work() {
  for (;;) {
    int64_t step = 0;
    Control control;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || failure_ || next_to_make_ < next_to_take_ + prefetch_; });
      if (stop_ || failure_) return;
      step = next_to_make_++;
      for (const auto& c : controls_)
        if (c.from_step <= step) control = c;
    }
    try {
      auto batches = make_(step, control);
      std::lock_guard<std::mutex> lock(mutex_);
      ready_.emplace(step, std::move(batches));
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
    }
    changed_.notify_all();
  }
}

std::vector<Batch> Batcher::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return failure_ || ready_.count(next_to_take_); });
  if (failure_) std::rethrow_exception(failure_);
  auto node = ready_.extract(next_to_take_);
  next_to_take_ += 1;
  lock.unlock();
  changed_.notify_all();
  return std::move(node.mapped());
}

void Batcher::set_control(const Control& control) {
  std::lock_guard<std::mutex> lock(mutex_);
  while (controls_.size() > 1 && controls_[1].from_step <= next_to_take_) controls_.pop_front();
  controls_.push_back(control);
}

size_t Batcher::num_ready() {
  std::lock_guard<std::mutex> lock(mutex_);
  return ready_.size();
}

}  // namespace fovea::train

#include "fovea/train/batcher.h"

#include <algorithm>

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

Batch make_batch(const PageSource& source, const text::Tokenizer& tokenizer, const GlyphClasses& classes, const TrainerConfig& config,
                 const model::ModelConfig& model, const BatchSpec& spec, int64_t step, int64_t shard) {
  const int64_t stride_px = model.stride_px(), eos = model.decoder.eos_token_id, channels = model.encoder.sam.in_channels;
  const auto around = sequence_ids(config, model, tokenizer);
  const int64_t head = int64_t(around.read.size());
  const int64_t pages = spec.num_pages, side = spec.side_px, grid = side / stride_px;
  const int64_t max_text_positions = model.decoder.max_position_embeddings - vision::num_decoder_positions(grid) - int64_t(around.before.size()) - head + 1;
  const bool from_text = model.source == "text";
  std::vector<TrainPage> drawn;
  std::vector<text::Encoding> encoded;
  std::vector<bool> cut(size_t(pages), false), goes_on(size_t(pages), false);
  std::vector<text::Encoding> page_text(from_text ? size_t(pages) : 0);  // what a text-side baseline compresses, where that is not what it writes
  int64_t longest = 0, count = 0;
  const uint64_t batch_seed = mix64(mix64(uint64_t(config.seed) ^ 0x7ea1) + uint64_t(step)) + uint64_t(shard) * 0x9e3779b97f4a7c15ULL;
  for (int64_t i = 0; i < pages; ++i) {
    const auto& task = config.objective.task;
    goes_on[size_t(i)] = task == "continue" || (task == "both" && Rng(batch_seed, 7, uint64_t(i)).chance(config.objective.continue_share));
    const bool after = goes_on[size_t(i)];
    drawn.push_back(source.draw({side, spec.num_chars, mix64(batch_seed + uint64_t(i)), after ? config.objective.continue_chars : 0}));
    if (drawn.back().image.width_px != side || drawn.back().image.height_px != side)
      throw InternalError("[make_batch] the page source drew a page of another size");
    encoded.push_back(tokenizer.encode_with_offsets(after ? drawn.back().continuation : drawn.back().text, /*match_added_tokens=*/false));
    auto& e = encoded.back();
    if (from_text && after) page_text[size_t(i)] = tokenizer.encode_with_offsets(drawn.back().text, /*match_added_tokens=*/false);
    if (after) {
      cut[size_t(i)] = true;  // the text goes on, so no end is asked for
      e.ids.resize(std::min(e.ids.size(), size_t(max_text_positions - 1)));
      e.byte_ends.resize(e.ids.size());
    } else if (int64_t(e.ids.size()) > max_text_positions - 1) {
      cut[size_t(i)] = true;
      e.ids.resize(size_t(max_text_positions - 1));
      e.byte_ends.resize(e.ids.size());  // the text goes on, so no end is asked for
    } else {
      count += 1;  // the end
    }
    longest = std::max(longest, int64_t(e.ids.size()));
    count += int64_t(e.ids.size());
  }
  std::vector<int64_t> whole(static_cast<size_t>(pages), 0);  // tokens of the page where its text was cut for the batch's sake
  if (config.text_limit > 0) {
    std::vector<size_t> lengths;
    for (const auto& e : encoded) lengths.push_back(e.ids.size());
    std::nth_element(lengths.begin(), lengths.begin() + pages / 2, lengths.end());
    const size_t limit = std::max<size_t>(16, size_t(config.text_limit * double(lengths[size_t(pages / 2)])));
    longest = 0;
    for (size_t i = 0; i < encoded.size(); ++i) {
      auto& e = encoded[i];
      if (e.ids.size() > limit) {
        whole[i] = int64_t(e.ids.size());
        count -= whole[i] - int64_t(limit) + (cut[i] ? 0 : 1);
        cut[i] = true;
        if (from_text && !goes_on[i]) page_text[i] = e;
        e.ids.resize(limit);
        e.byte_ends.resize(limit);
      }
      longest = std::max(longest, int64_t(e.ids.size()));
    }
  }
  const int64_t width = (longest + head + 15) / 16 * 16;
  Batch batch;
  batch.spec = spec;
  batch.num_text_tokens = count;
  batch.head = head;
  batch.pixels = at::empty({pages, channels, side, side}, at::kByte);
  batch.before = at::tensor(around.before, at::kLong);
  batch.inputs = at::full({pages, width}, eos, at::kLong);
  if (from_text) {
    int64_t longest_page = width;
    for (const auto& e : page_text) longest_page = std::max(longest_page, int64_t(e.ids.size()));
    batch.source_ids = at::full({pages, longest_page}, eos, at::kLong);
    batch.source_lengths = at::empty({pages}, at::kLong);
  }
  batch.targets = at::empty({count}, at::kLong);
  batch.positions = at::empty({count}, at::kLong);
  batch.place_cell = at::full({count}, -1, at::kLong);
  batch.place_offset = at::zeros({count}, at::kLong);
  const int64_t glyphs = std::max<int64_t>(16, std::min<int64_t>(config.objective.probe_glyphs, spec.num_chars / 4));
  batch.glyph_class = at::full({pages, glyphs}, -100, at::kLong);
  batch.glyph_xy = at::zeros({pages, glyphs, 2}, at::kFloat);
  int64_t at = 0;
  for (int64_t b = 0; b < pages; ++b) {
    const TrainPage& page = drawn[b];
    put_pixels(page.image, channels, batch.pixels.data_ptr<uint8_t>() + b * channels * side * side);
    int64_t* inputs = batch.inputs.data_ptr<int64_t>() + b * width;
    const bool after = goes_on[size_t(b)];
    std::copy(after ? around.go_on.begin() : around.read.begin(), after ? around.go_on.end() : around.read.end(), inputs);
    Rng noise(batch_seed, 6, uint64_t(b));
    uint32_t begin = 0;
    const auto& ids = encoded[b].ids;
    const int64_t length = whole[size_t(b)] > 0 ? whole[size_t(b)] : int64_t(ids.size());
    if (from_text) {
      const auto& compressed = after || whole[size_t(b)] > 0 ? page_text[size_t(b)].ids : ids;
      std::copy(compressed.begin(), compressed.end(), batch.source_ids.data_ptr<int64_t>() + b * batch.source_ids.size(1));
      batch.source_lengths.data_ptr<int64_t>()[b] = std::max<int64_t>(1, int64_t(compressed.size()));
    }
    for (size_t t = 0; t < ids.size() + (cut[size_t(b)] ? 0 : 1); ++t, ++at) {
      const bool end = t == ids.size();
      batch.targets.data_ptr<int64_t>()[at] = end ? eos : ids[t];
      batch.positions.data_ptr<int64_t>()[at] = b * width + head - 1 + int64_t(t);
      if (end) continue;
      const bool replaced = config.objective.input_noise > 0 && noise.chance(config.objective.input_noise);
      inputs[size_t(head) + t] = replaced ? int64_t(noise.below(uint64_t(tokenizer.vocab_size()))) : ids[t];
      if (after) continue;  // nothing of it stands on the page
      if (from_text) {
        const int64_t latent = model::latent_of(model.text_encoder, int64_t(t), length, grid * grid);
        batch.place_cell.data_ptr<int64_t>()[at] = latent < 0 ? -1 : latent / grid * (grid + 1) + latent % grid;
        batch.place_offset.data_ptr<int64_t>()[at] = length > grid * grid ? 32 * (int64_t(t) * grid * grid * 32 / length % 32) : 0;
        continue;
      }
      // The first byte that is no space: a token's leading space belongs to the place before it.
      size_t first = begin;
      while (first + 1 < encoded[b].byte_ends[t] && page.text[first] == ' ') ++first;
      const int64_t x = std::clamp<int64_t>(page.x_px[first], 0, side - 1), y = std::clamp<int64_t>(page.y_px[first], 0, side - 1);
      batch.place_cell.data_ptr<int64_t>()[at] = (y / stride_px) * (grid + 1) + x / stride_px;
      batch.place_offset.data_ptr<int64_t>()[at] = 32 * ((x % stride_px) * 32 / stride_px) + (y % stride_px) * 32 / stride_px;
      begin = encoded[b].byte_ends[t];
    }
    if (page.glyph_char.empty()) continue;
    Rng rng(batch_seed, 5, uint64_t(b));
    for (int64_t q = 0; q < glyphs; ++q) {
      const size_t pick = rng.below(page.glyph_char.size());
      const int64_t label = classes.of(page.glyph_char[pick]);
      batch.glyph_class.data_ptr<int64_t>()[b * glyphs + q] = label < 0 ? -100 : label;
      batch.glyph_xy.data_ptr<float>()[(b * glyphs + q) * 2] = float(std::clamp<int>(page.glyph_x_px[pick], 0, int(side - 1)));
      batch.glyph_xy.data_ptr<float>()[(b * glyphs + q) * 2 + 1] = float(std::clamp<int>(page.glyph_y_px[pick], 0, int(side - 1)));
    }
  }
  return batch;
}

static Batch mapped(Batch batch, const std::function<at::Tensor(const at::Tensor&)>& f) {
  for (at::Tensor* t : {&batch.pixels, &batch.before, &batch.inputs, &batch.targets, &batch.positions, &batch.place_cell, &batch.place_offset,
                        &batch.glyph_class, &batch.glyph_xy})
    *t = f(*t);
  if (batch.source_ids.defined()) batch.source_ids = f(batch.source_ids);
  return batch;
}

Batch to_device(Batch batch, const at::Device& device) {
  if (!device.is_cuda()) return batch;
  return mapped(std::move(batch), [&](const at::Tensor& t) { return t.to(device, /*non_blocking=*/true); });
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

#include "fovea/train/batcher.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/random.h"
#include "fovea/model/text_encoder.h"
#include "fovea/vision/encoder.h"

namespace fovea::train {

GlyphClasses::GlyphClasses() {
  for (char32_t c = 0x21; c <= 0x7E; ++c) code_points_.push_back(c);
  for (char32_t c = 0xA1; c <= 0x17F; ++c)
    if (c != 0xAD) code_points_.push_back(c);
  for (char32_t c : U"\u2010\u2011\u2012\u2013\u2014\u2015\u2018\u2019\u201A\u201C\u201D\u201E\u2020\u2021\u2022\u2026\u2030\u2032\u2033\u2039\u203A\u20AC\u2122\u2212")
    if (c != 0) code_points_.push_back(c);
  for (size_t i = 0; i < code_points_.size(); ++i) index_[code_points_[i]] = int64_t(i);
}

int64_t GlyphClasses::of(char32_t code_point) const {
  const auto it = index_.find(code_point);
  return it == index_.end() ? -1 : it->second;
}

Batch make_batch(const PageSource& source, const text::Tokenizer& tokenizer, const GlyphClasses& classes, const TrainerConfig& config,
                 const model::ModelConfig& model, const BatchSpec& spec, int64_t step, int64_t rank) {
  const int64_t stride_px = model.stride_px(), bos = model.decoder.bos_token_id, eos = model.decoder.eos_token_id;
  const int64_t pages = spec.num_pages, side = spec.side_px, grid = side / stride_px;
  const int64_t max_text_positions = model.decoder.max_position_embeddings - vision::num_decoder_positions(grid);
  const bool from_text = model.source == "text";
  std::vector<TrainPage> drawn;
  std::vector<text::Encoding> encoded;
  std::vector<bool> cut(size_t(pages), false);
  int64_t longest = 0, count = 0;
  const uint64_t batch_seed = mix64(mix64(uint64_t(config.seed) ^ 0x7ea1) + uint64_t(step)) + uint64_t(rank) * 0x9e3779b97f4a7c15ULL;
  for (int64_t i = 0; i < pages; ++i) {
    drawn.push_back(source.draw({side, spec.num_chars, mix64(batch_seed + uint64_t(i))}));
    if (drawn.back().image.width_px != side || drawn.back().image.height_px != side)
      throw InternalError("[make_batch] the page source drew a page of another size");
    encoded.push_back(tokenizer.encode_with_offsets(drawn.back().text, /*match_added_tokens=*/false));
    auto& e = encoded.back();
    if (int64_t(e.ids.size()) > max_text_positions - 1) {
      cut[size_t(i)] = true;
      e.ids.resize(size_t(max_text_positions - 1));
      e.byte_ends.resize(e.ids.size());  // the text goes on, so no end is asked for
    } else {
      count += 1;  // the end
    }
    longest = std::max(longest, int64_t(e.ids.size()));
    count += int64_t(e.ids.size());
  }
  const int64_t width = (longest + 1 + 15) / 16 * 16;
  Batch batch;
  batch.spec = spec;
  batch.num_text_tokens = count;
  batch.pixels = at::empty({pages, 1, side, side}, at::kByte);
  batch.inputs = at::full({pages, width}, eos, at::kLong);
  if (from_text) {
    batch.source_ids = at::full({pages, width}, eos, at::kLong);
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
    std::copy(page.image.pixels.begin(), page.image.pixels.end(), batch.pixels.data_ptr<uint8_t>() + b * side * side);
    int64_t* inputs = batch.inputs.data_ptr<int64_t>() + b * width;
    inputs[0] = bos;
    Rng noise(batch_seed, 6, uint64_t(b));
    uint32_t begin = 0;
    const auto& ids = encoded[b].ids;
    const int64_t length = int64_t(ids.size());
    if (from_text) {
      std::copy(ids.begin(), ids.end(), batch.source_ids.data_ptr<int64_t>() + b * width);
      batch.source_lengths.data_ptr<int64_t>()[b] = std::max<int64_t>(1, length);
    }
    for (size_t t = 0; t < ids.size() + (cut[size_t(b)] ? 0 : 1); ++t, ++at) {
      const bool end = t == ids.size();
      batch.targets.data_ptr<int64_t>()[at] = end ? eos : ids[t];
      batch.positions.data_ptr<int64_t>()[at] = b * width + int64_t(t);
      if (end) continue;
      const bool replaced = config.objective.input_noise > 0 && noise.chance(config.objective.input_noise);
      inputs[t + 1] = replaced ? int64_t(noise.below(uint64_t(tokenizer.vocab_size()))) : ids[t];
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
      Batch batch = make_(step, control);
      std::lock_guard<std::mutex> lock(mutex_);
      ready_.emplace(step, std::move(batch));
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      failure_ = std::current_exception();
    }
    changed_.notify_all();
  }
}

Batch Batcher::next() {
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

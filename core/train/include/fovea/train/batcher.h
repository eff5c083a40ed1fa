// Batches drawn ahead by threads: batch(step) depends on (seed, step, rank, control) alone, whatever the threads do.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include <torch/torch.h>

#include "fovea/model/config.h"
#include "fovea/nn/packed.h"
#include "fovea/text/tokenizer.h"
#include "fovea/train/page_source.h"
#include "fovea/train/schedule.h"

namespace fovea::train {

/// Classes of the glyph probe: every character that is one token of the tokenizer, control characters and white space aside, in order of code points.
/// What takes several tokens is not asked of the probe.
class GlyphClasses {
 public:
  explicit GlyphClasses(const text::Tokenizer& tokenizer);
  int64_t size() const { return int64_t(code_points_.size()); }
  const std::vector<char32_t>& code_points() const { return code_points_; }
  int64_t of(char32_t code_point) const;  ///< -1 if it is none of them

 private:
  std::vector<char32_t> code_points_;
  std::map<char32_t, int64_t> index_;
};

/// Ids around a page's vision tokens. vision-begin: nothing before, the begin token (or the mark of a page that is gone on from) after;
/// begin-vision-prompt: the begin token and the prompt's beginning before, the rest of the prompt after.
struct SequenceIds {
  std::vector<int64_t> before, read, go_on;  ///< read and go_on are of one length, at least 1
};
/// Errors: ConfigError (a prompt without exactly one <image>, or with nothing after it; task=both of a model that takes prompts or has no continue_token_id).
SequenceIds sequence_ids(const TrainerConfig& config, const model::ModelConfig& model, const text::Tokenizer& tokenizer);

/// What the decoder reads of a batch, page after page without padding: the ids before the vision tokens, the vision tokens with their separators, the ids after them
/// (begin, or the prompt's end) and the text. Shape letters: V decoder positions of a page's vision tokens, I ids of all pages, R rows = B V + I, M targets.
struct Sequences {
  nn::Packed packed;
  at::Tensor ids;       ///< int64 [I]
  at::Tensor order;     ///< int64 [R]: row r is row order[r] of all pages' vision tokens [B V] with the embedded ids [I] behind them
  at::Tensor inverse;   ///< int64 [R]: where each of those stands
  at::Tensor rows;      ///< int64 [M]: the row that says each target
  at::Tensor own;       ///< int64 [I]: the target whose saying takes the id's place (ObjectiveConfig::own_text_share), -1 where the id stays
  int64_t num_before = 0, num_vision = 0;  ///< ids before the vision tokens of a page; V
};

/// Shape letters: B pages, C channels, S side, N ids of all texts, M targets, G places a page that guidance asks about, Q probe glyphs a page.
struct Batch {
  BatchSpec spec{};
  at::Tensor pixels;       ///< uint8 [B, C, S, S]: C of the model; gray pages are repeated, RGB ones averaged for gray models
  at::Tensor text;         ///< int64 [N] on the CPU: the texts as the decoder is given them (input_noise included), page after page
  std::vector<int64_t> lengths;  ///< [B]: ids of each text
  std::vector<bool> ends;        ///< [B]: its end is asked for; where it goes on, not
  std::vector<bool> goes_on;     ///< [B]: it is the text after the page
  std::vector<bool> own_text;    ///< [B]: the decoder is given it as it says it itself
  Sequences sequences;     ///< for the model that learns
  at::Tensor targets;      ///< int64 [M]: the texts, each with its end where that is asked for
  at::Tensor own_draw;     ///< float [M]: uniform in [0, 1), one for each token that the reader says itself
  at::Tensor place_target; ///< int64 [B, G]: targets drawn for guidance
  at::Tensor place_cell;   ///< int64 [B, G]: row * (g + 1) + column of the vision token under such a target's first character, -1 for end; text-side: of its latent
  at::Tensor place_offset; ///< int64 [B, G]: 32 * (x in the token, of 32) + (y in the token, of 32); text-side: 32 * (place among the latent's tokens, of 32)
  at::Tensor source_ids;   ///< text-side baselines: int64 [B, T], the text, padded
  at::Tensor source_lengths;  ///< int64 [B] on the CPU
  at::Tensor glyph_class;  ///< int64 [B, Q]
  at::Tensor glyph_xy;     ///< float [B, Q, 2]: px
  at::Tensor glyph_channel;  ///< int64 [B, Q]: colour channel of each glyph
  int64_t num_text_tokens = 0;  ///< M
};

/// The rows of a batch for a model with these ids around its vision tokens, on the CPU.
/// num_vision  decoder positions of a page's vision tokens, separators included
Sequences lay_out(const Batch& batch, const SequenceIds& around, int64_t num_vision);
/// The same on a device.
Sequences to_device(Sequences sequences, const at::Device& device);

/// shard   number of this batch among the step's (TrainerConfig::micro_batches); what it holds follows from (seed, step, shard, spec) alone.
Batch make_batch(const PageSource& source, const text::Tokenizer& tokenizer, const GlyphClasses& classes, const TrainerConfig& config,
                 const model::ModelConfig& model, const BatchSpec& spec, int64_t step, int64_t shard);

/// Pages and tokens of the batch on the device; from pinned memory the copies run beside the arithmetic. text and source_lengths stay where they are.
Batch to_device(Batch batch, const at::Device& device);
Batch pinned(Batch batch);

/// Threads that keep the next prefetch_steps steps' batches ready. next() hands them out in order.
class Batcher {
 public:
  using Make = std::function<std::vector<Batch>(int64_t step, const Control& control)>;
  Batcher(Make make, int64_t first_step, int64_t prefetch, int64_t workers, Control control);
  ~Batcher();
  /// The batches of the next step; waits for them. An exception of a worker is rethrown here.
  std::vector<Batch> next();
  /// From control.from_step on. It must lie at least prefetch steps ahead of the last batch handed out.
  void set_control(const Control& control);
  size_t num_ready();

 private:
  void work();
  Make make_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int64_t, std::vector<Batch>> ready_;
  std::deque<Control> controls_;
  int64_t next_to_make_, next_to_take_, prefetch_;
  std::exception_ptr failure_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace fovea::train

// Everything that decides a training run, as plain data.
#pragma once
#include "fovea/base/config.h"

namespace fovea::train {

/// What pages look like and when. A page's ratio is characters / chars_per_text_token / vision tokens: the compression ratio it asks
/// of the reader, whatever its font; the font size follows from it.
struct CurriculumConfig {
  std::vector<int64_t> sides_px = {128, 256, 384, 512, 640};  ///< page sizes, learned in this order
  double level_up_accuracy = 0.42;      ///< token accuracy at the present size that opens the next
  int64_t level_up_min_steps = 60;      ///< least steps between two openings
  double present_size_share = 0.6;      ///< share of batches at the largest open size, the rest below it
  double extra_sides_share = 0.0;       ///< once all sizes are open: share of batches at extra_sides_px
  std::vector<int64_t> extra_sides_px = {768, 1024};
  bool start_open = false;              ///< all sizes from the beginning (going on from a checkpoint)
  double ratio_low = 2.0;               ///< smallest ratio
  double ratio_high_first = 9.0;        ///< largest ratio until progress ramp_begin
  double ratio_high_last = 24.0;        ///< largest ratio from progress ramp_end on
  double ramp_begin = 0.12, ramp_end = 0.45;
  double chars_per_text_token = 4.5;    ///< of DeepSeek's tokenizer on English prose
  double dense_share = 0.5;             ///< share of batches from the upper half of the (logarithmic) ratio range, beyond uniform

  template <class V> void visit_fields(V& v) {
    v.field("sides_px", sides_px, "page sides in the order they are learned", {.min = 64});
    v.field("level_up_accuracy", level_up_accuracy, "token accuracy that opens the next page size", {.min = 0, .max = 1});
    v.field("level_up_min_steps", level_up_min_steps, "least steps between two openings", {.min = 1});
    v.field("present_size_share", present_size_share, "share of batches at the largest open size", {.min = 0, .max = 1});
    v.field("extra_sides_share", extra_sides_share, "share of batches at extra sizes once all are open", {.min = 0, .max = 1});
    v.field("extra_sides_px", extra_sides_px, "extra page sides", {.min = 64});
    v.field("start_open", start_open, "all page sizes from the beginning");
    v.field("ratio_low", ratio_low, "smallest ratio of text tokens to vision tokens", {.min = 0.1});
    v.field("ratio_high_first", ratio_high_first, "largest ratio at the beginning", {.min = 0.1});
    v.field("ratio_high_last", ratio_high_last, "largest ratio at the end", {.min = 0.1});
    v.field("ramp_begin", ramp_begin, "progress at which the largest ratio begins to rise", {.min = 0, .max = 1});
    v.field("ramp_end", ramp_end, "progress at which it has risen", {.min = 0, .max = 1});
    v.field("chars_per_text_token", chars_per_text_token, "characters a text token", {.min = 0.5});
    v.field("dense_share", dense_share, "share of batches drawn from the upper half of the ratios", {.min = 0, .max = 1});
  }
};

struct OptimizerConfig {
  double learning_rate = 1.2e-3;   ///< of Muon (with 0.2 RMS matching) and AdamW alike
  int64_t warmup_steps = 100;
  double decay_share = 0.4;        ///< linear decay over the last part of the run
  double final_rate_share = 0.02;  ///< the rate ends at this share
  double muon_momentum = 0.95;
  double muon_weight_decay = 0.01;
  std::string matrices = "muon";   ///< what trains matrices: muon | adamw (as the rest, without weight decay)
  double adam_beta1 = 0.9, adam_beta2 = 0.95, adam_eps = 1e-8;
  double clip_norm = 1.0;
  int64_t weight_bits = 0;         ///< 8, 6 or 4: forwards and backwards compute with the model's matrices as storing them in so many bits makes them; the float32 masters
                                   ///< take the gradients as they are (straight through: Bengio et al. 2013, arXiv 1308.3432). 0: off
  int64_t weight_group = 128;      ///< weight_bits = 4 or 6: columns that share a scale (weights/quantize.h); fovea convert wants the same
  std::vector<std::string> weight_eight_bits = {"*conv_stem*"};  ///< weight_bits = 4 or 6: shell patterns of tensors that take 8 all the same; fovea convert wants the same
  std::vector<std::string> weight_four_bits = {};  ///< weight_bits = 6: shell patterns of tensors that take 4
  double weight_bits_from = 0;     ///< progress at which that begins
  std::string reduce_dtype = "float32";  ///< several processes: arithmetic in which their gradients are summed; bfloat16 sends half of the bytes
  bool shard = false;              ///< several processes: each keeps the optimiser's state of its share of the parameters, updates that share and gets the others' from them
  bool cuda_graph = false;         ///< on a GPU: the matrices' orthogonalisation, some 200 launches a step, is recorded once and played back

  template <class V> void visit_fields(V& v) {
    v.field("learning_rate", learning_rate, "peak learning rate", {.min = 0});
    v.field("warmup_steps", warmup_steps, "steps of linear warm-up", {.min = 0});
    v.field("decay_share", decay_share, "share of the run with linear decay at its end", {.min = 0, .max = 1});
    v.field("final_rate_share", final_rate_share, "rate at the end over the peak rate", {.min = 0, .max = 1});
    v.field("muon_momentum", muon_momentum, "momentum of Muon", {.min = 0, .max = 1});
    v.field("muon_weight_decay", muon_weight_decay, "decoupled weight decay of Muon", {.min = 0});
    v.field("matrices", matrices, "what trains matrices", {.choices = {"muon", "adamw"}});
    v.field("adam_beta1", adam_beta1, "first moment of AdamW", {.min = 0, .max = 1});
    v.field("adam_beta2", adam_beta2, "second moment of AdamW", {.min = 0, .max = 1});
    v.field("adam_eps", adam_eps, "epsilon of AdamW", {.min = 0});
    v.field("clip_norm", clip_norm, "gradient norm is clipped here, 0 never", {.min = 0});
    v.field("weight_bits", weight_bits, "8, 6 or 4: train with the model's matrices as they are stored in so many bits, 0 off", {.min = 0, .max = 8});
    v.field("weight_group", weight_group, "weight_bits = 4 or 6: columns that share a scale, a power of two", {.min = 32, .max = 65536});
    v.field("weight_eight_bits", weight_eight_bits, "weight_bits = 4 or 6: shell patterns of tensors that take 8 bits");
    v.field("weight_four_bits", weight_four_bits, "weight_bits = 6: shell patterns of tensors that take 4 bits");
    v.field("weight_bits_from", weight_bits_from, "progress at which training with weight_bits begins", {.min = 0, .max = 1});
    v.field("reduce_dtype", reduce_dtype, "several processes: arithmetic of the sum of their gradients", {.choices = {"float32", "bfloat16"}});
    v.field("shard", shard, "several processes: share the optimiser's state and its work");
    v.field("cuda_graph", cuda_graph, "on a GPU: record Muon's products once and play them back");
  }
};

/// Weights of the parts of the loss, and the probe.
struct ObjectiveConfig {
  double reader = 1.0;         ///< next-token cross-entropy of the text
  double probe = 1.0;          ///< glyph probe on vision tokens
  double patch_probe = 0.5;    ///< glyph probe on patches
  double probe_only_share = 0.1;  ///< first part of the run with the probe alone
  double probe_detached_share = 0;  ///< first part of the run in which the glyph probes learn and what they are asked about does not learn from them: for a start from a
                                    ///< trained model, whose towers fresh probes disturb
  int64_t probe_glyphs = 512;  ///< glyphs a page that the probe is asked about
  int64_t probe_width = 1024;
  double guide = 0.15;         ///< attention of four heads on the token under the next glyph
  int64_t guide_places = 512;  ///< places in a page's text that guided attention and the read-out are asked about
  double guide_offset = 0.5;   ///< read-out of the glyph's place in the token, times guide
  std::string task = "read";   ///< read: the page's text; continue: the text that goes on after the page, which the decoder never sees itself; both
  double continue_share = 0.5; ///< both: share of the pages that are gone on from (their text begins with ModelConfig::continue_token_id)
  int64_t continue_chars = 500;  ///< characters of text after the page
  double distill = 1.0;        ///< with a teacher: weight of KL(teacher, student) over the next token
  double distill_temperature = 1.0;  ///< both distributions are softened by it, and the loss scaled by its square (Hinton et al. 2015, arXiv 1503.02531)
  double input_noise = 0;      ///< share of the text tokens that the decoder is given that are replaced by random ones: reading must not hang on
                               ///< what was read before (10 % in Nougat, arXiv 2308.13418, section 5.4)
  double own_text_share = 0;   ///< share of the pages whose text the decoder is given as it says it itself, each token from the right text (input_noise included) before it, and
                               ///< not as it is: reading must go on after errors of its own kind. One forward pass of the decoder more, without gradients
                               ///< (scheduled sampling in one pass: Duckworth et al. 2019, arXiv 1906.04331)
  double own_text_temperature = 0;  ///< its own text is drawn from its distribution at this temperature; 0: the likeliest tokens
  int64_t guide_layer = 2;     ///< decoder layer (from 0) whose attention is guided; the one below is read out

  template <class V> void visit_fields(V& v) {
    v.field("reader", reader, "weight of next-token cross-entropy", {.min = 0});
    v.field("probe", probe, "weight of the glyph probe on vision tokens", {.min = 0});
    v.field("patch_probe", patch_probe, "weight of the glyph probe on patches", {.min = 0});
    v.field("probe_only_share", probe_only_share, "first part of the run that trains the probe alone", {.min = 0, .max = 1});
    v.field("probe_detached_share", probe_detached_share, "first part of the run in which towers do not learn from the glyph probes", {.min = 0, .max = 1});
    v.field("probe_glyphs", probe_glyphs, "glyphs a page asked of the probe", {.min = 1});
    v.field("probe_width", probe_width, "hidden width of the probe", {.min = 1});
    v.field("guide", guide, "weight of guided attention", {.min = 0});
    v.field("guide_places", guide_places, "places a page that guided attention is asked about", {.min = 1});
    v.field("guide_offset", guide_offset, "weight of the offset read-out within guided attention", {.min = 0});
    v.field("task", task, "what is written: the page's text, the text after it, or either", {.choices = {"read", "continue", "both"}});
    v.field("continue_share", continue_share, "task=both: share of pages that are gone on from", {.min = 0, .max = 1});
    v.field("continue_chars", continue_chars, "characters of text after the page", {.min = 8});
    v.field("distill", distill, "with a teacher: weight of the distance from its next-token distribution", {.min = 0});
    v.field("distill_temperature", distill_temperature, "both distributions are softened by it", {.min = 0.1, .max = 100});
    v.field("input_noise", input_noise, "share of the decoder's text tokens replaced by random ones", {.min = 0, .max = 1});
    v.field("own_text_share", own_text_share, "share of pages whose text the decoder is given as it says it itself", {.min = 0, .max = 1});
    v.field("own_text_temperature", own_text_temperature, "temperature at which that text is drawn, 0 the likeliest tokens", {.min = 0, .max = 10});
    v.field("guide_layer", guide_layer, "decoder layer whose attention is guided", {.min = 1});
  }
};

/// Low-rank adapters in place of training the model's own parameters, which all stay as they are then (adapters.h).
struct LoraConfig {
  int64_t rank = 0;                ///< 0: none
  double alpha = 16;               ///< the product of the two factors is scaled by alpha / rank
  std::vector<std::string> targets = {"q_proj", "k_proj", "v_proj", "o_proj"};  ///< last names of matrices, or parts of the model
  bool merge = false;              ///< also save the whole model with the adapters merged in

  template <class V> void visit_fields(V& v) {
    v.field("rank", rank, "rank of the adapters, 0 none", {.min = 0});
    v.field("alpha", alpha, "scale of the adapters, times 1/rank", {.min = 0});
    v.field("targets", targets, "matrices that are adapted, by their last names or parts of the model");
    v.field("merge", merge, "also save the merged model");
  }
};

struct TrainerConfig {
  std::string out = "runs/train";    ///< run folder: log.jsonl, start.json, checkpoint/, model/, best/
  std::string preset = "reader-tiny";  ///< model to build where init is empty
  std::vector<std::string> model;    ///< changes to the preset, "encoder.compressor.kind=mean"
  std::string init;                  ///< folder of a model to start from (weights only), ours or in the published form
  std::vector<std::string> init_skip = {};  ///< parts that are not loaded from it: "encoder.compressor" (train/init.h)
  std::vector<std::string> init_only = {};  ///< parts that alone are loaded; empty: all that are not skipped
  std::vector<std::string> freeze = {};     ///< parts that are not trained
  std::string teacher;               ///< folder of a trained reader of the same tokenizer whose next-token distribution is learned from, too
  std::string prompt = "free-ocr";   ///< for models that take one (ModelConfig::sequence): model::prompt_text
  LoraConfig lora;
  std::string device = "cpu";        ///< cpu | cuda; under torchrun each process takes the GPU of its local rank
  std::string dtype = "auto";        ///< auto (float32 on a CPU, bfloat16 on a GPU) | float32 | bfloat16
  int64_t seed = 1;
  int64_t num_steps = 1000;          ///< length of the run; with time_limit_s whichever ends first
  double time_limit_s = 0;           ///< wall-clock length of the run, 0 none; progress then follows the clock
  double petaflop_limit = 0;         ///< length of the run in 1e15 floating-point operations of the model, all processes together (model/cost.h); 0 none
  int64_t tokens_per_batch = 28000;  ///< text tokens + half the patches, a GPU
  int64_t max_pages_per_batch = 512;
  int64_t micro_batches = 0;         ///< batches of one step, all processes together: gradients are summed over them, and what they hold does not depend on
                                     ///< how many processes share them. 0: one a process, or as many as the checkpoint has
  bool checkpoint_activations = false;  ///< layers keep their input alone and are computed again backwards: about a third more work, far less memory
  double lost_after_s = 600;         ///< a process that has not answered for so long is taken for lost, and the others end with an error
  int64_t validate_every = 0;        ///< steps between looks at validation pages (train_pages.h: valid_text), 0 never; the best model is kept in best/
  int64_t validate_batches = 4;      ///< of them, at the largest page size and ratios from the lowest to the highest
  int64_t workers = 0;               ///< threads that draw pages; 0: cores / processes on this machine - 1
  int64_t prefetch_steps = 24;       ///< batches drawn ahead; curricula take effect that much later
  int64_t log_every = 20;            ///< steps between log lines
  double checkpoint_every_s = 300;   ///< seconds between checkpoints, 0 only at the end
  CurriculumConfig curriculum;
  OptimizerConfig optimizer;
  ObjectiveConfig objective;

  template <class V> void visit_fields(V& v) {
    v.field("out", out, "run folder; an existing checkpoint in it is gone on from");
    v.field("preset", preset, "model to build where init is empty");
    v.field("model", model, "changes to the preset, such as encoder.compressor.kind=mean");
    v.field("init", init, "model folder to start from, weights only");
    v.field("init_skip", init_skip, "parts that are not loaded from it, such as encoder.compressor");
    v.field("init_only", init_only, "parts that alone are loaded from it, all if empty");
    v.field("freeze", freeze, "parts that are not trained, such as encoder.sam_model");
    v.field("teacher", teacher, "folder of a reader of the same tokenizer to learn from");
    v.field("prompt", prompt, "prompt, for models that take one");
    v.field("lora", lora, "low-rank adapters");
    v.field("device", device, "cpu or cuda");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16"}});
    v.field("seed", seed, "seed of weights and pages", {.min = 0});
    v.field("num_steps", num_steps, "steps of the run", {.min = 1});
    v.field("time_limit_s", time_limit_s, "wall-clock length of the run in seconds, 0 none", {.min = 0});
    v.field("petaflop_limit", petaflop_limit, "length of the run in 1e15 operations of the model, 0 none", {.min = 0});
    v.field("tokens_per_batch", tokens_per_batch, "text tokens and half the patches of a batch, a process", {.min = 1});
    v.field("max_pages_per_batch", max_pages_per_batch, "most pages a batch", {.min = 1});
    v.field("micro_batches", micro_batches, "batches a step over all processes, 0 one a process", {.min = 0});
    v.field("checkpoint_activations", checkpoint_activations, "compute layers again backwards instead of keeping what they made");
    v.field("lost_after_s", lost_after_s, "seconds after which a silent process is taken for lost", {.min = 1});
    v.field("validate_every", validate_every, "steps between validations, 0 never", {.min = 0});
    v.field("validate_batches", validate_batches, "batches of a validation", {.min = 1});
    v.field("workers", workers, "threads that draw pages, 0 chooses", {.min = 0});
    v.field("prefetch_steps", prefetch_steps, "batches drawn ahead", {.min = 1});
    v.field("log_every", log_every, "steps between log lines", {.min = 1});
    v.field("checkpoint_every_s", checkpoint_every_s, "seconds between checkpoints, 0 only at the end", {.min = 0});
    v.field("curriculum", curriculum, "pages over the run");
    v.field("optimizer", optimizer, "optimisers and schedule");
    v.field("objective", objective, "losses");
  }
};

}  // namespace fovea::train

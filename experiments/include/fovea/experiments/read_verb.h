// Reading scanned pages: image files in, their text out.
#pragma once
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/decoder/generate.h"
#include "fovea/image/auto_mode.h"
#include "fovea/model/optical_model.h"

namespace fovea::experiments {

struct ReadConfig {
  std::vector<std::string> files;             ///< images (PNG, JPEG, WebP, TIFF) or folders of them
  std::string model = "models/reader-tiny";   ///< folder; a published DeepSeek-OCR folder, too
  std::string mode = "small";                 ///< image::mode_by_name, or auto
  image::AutoModeConfig auto_mode;            ///< where mode is auto
  std::string prompt;                         ///< model::prompt_text; empty: the model's own
  std::string out = "runs/read";              ///< folder: NAME.md and NAME.json a page
  std::string device = "cpu";
  std::string dtype = "auto";
  int64_t max_pixels = 178956970;             ///< larger pictures are refused
  decoder::GenerateConfig generate;
  std::string ngram_ban = "auto";             ///< where generate.ngram_size is 0: auto (models that take a prompt get the published ban) | off

  template <class V> void visit_fields(V& v) {
    v.field("files", files, "images (PNG, JPEG, WebP, TIFF) or folders of them");
    v.field("model", model, "model folder");
    v.field("mode", mode, "tiny, small, base, large, gundam, gundam-m, a side in px, or auto: the smallest that the letters allow");
    v.field("auto_mode", auto_mode, "how auto chooses");
    v.field("prompt", prompt, "free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text with <image>; empty: the model's own");
    v.field("out", out, "folder for NAME.md and NAME.json; pages that are there already are not read again");
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("max_pixels", max_pixels, "larger pictures are refused", {.min = 1});
    v.field("generate", generate, "how text is generated");
    v.field("ngram_ban", ngram_ban, "where generate.ngram-size is 0: auto (models that take a prompt ban 20-grams, as the published code does) or off", {.choices = {"auto", "off"}});
  }
};

/// One page that was read.
struct PageReading {
  std::string text;  ///< as the reader wrote it: special tokens kept where the model takes a prompt
  Json facts;        ///< mode, prompt, size, tiles, counts, stop_reason, mean_probability, seconds; with auto: what was estimated, and every attempt with its tokens
};
/// One picture through a reader. With mode "auto" the smallest mode that letters and ink allow is read first; a reading that loops, runs into the limit or is less
/// sure than auto_mode.min_mean_probability is followed by one in the next mode. The last reading counts, or the surest one where none satisfies.
/// Errors: ConfigError (mode, prompt, a picture too thin for the mode), ShapeError (a prompt that leaves no room).
PageReading read_page(model::Reader& reader, const Image& picture, const ReadConfig& config, const std::function<void(size_t)>& on_step = {},
                      const std::function<void(const std::string& text_so_far)>& on_text = {});

/// A page of several.
struct PageOutcome {
  PageReading reading;
  std::exception_ptr error;  ///< what is wrong with this picture (ConfigError, ShapeError), in place of a reading
};
/// Pictures through a reader, their texts decoded together; otherwise as read_page. on_done(index, outcome) as soon as each is read. What is wrong with one picture is
/// its own outcome; what is wrong with all, and what a callback throws, ends the call.
std::vector<PageOutcome> read_pages(model::Reader& reader, const std::vector<const Image*>& pictures, const ReadConfig& config,
                                    const std::function<void(size_t index, const PageOutcome&)>& on_done = {}, const std::function<void(size_t)>& on_step = {},
                                    const std::function<void(const std::string& text_so_far)>& on_text = {});
/// What is wrong with the config whatever the picture: fields, modes, a prompt that this model does not take or without exactly one <image>. Errors: ConfigError.
void check_read(const model::ModelConfig& model, const ReadConfig& config);
/// config.generate with the ban on repeated n-grams that ngram_ban stands for: 20 ids, over prompt and text (modeling_deepseekocr.py, infer).
decoder::GenerateConfig generate_config(const model::ModelConfig& model, const ReadConfig& config);
/// What auto tries with this model unless told: the published modes for DeepSeek-OCR, sides from 256 to 768 px for readers of one gray view.
std::vector<std::string> auto_modes(const model::ModelConfig& model);

struct ReadSummary {
  std::vector<Json> pages;  ///< a line a page, in order: file, text_file, mode, counts, stop_reason, mean_probability, seconds; or file and error
  size_t num_failed = 0;
  bool stopped = false;
};

/// Reads page after page. A page that cannot be read is reported and the others go on. A page's files are written under their final names when they
/// are whole; pages whose NAME.json was made with the same model, mode, prompt and options are taken over.
/// Errors: ConfigError, IoError (no file, cannot write), WeightsError.
ReadSummary run_read(const ReadConfig& config, const std::function<void(size_t done, size_t total, const Json& page)>& on_page = {},
                     const std::function<bool()>& should_stop = {});

}  // namespace fovea::experiments

// Reading scanned pages: image files in, their text out.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/decoder/generate.h"

namespace fovea::experiments {

struct ReadConfig {
  std::vector<std::string> files;             ///< images (PNG, JPEG, WebP, TIFF) or folders of them
  std::string model = "models/reader-tiny";   ///< folder; a published DeepSeek-OCR folder, too
  std::string mode = "small";                 ///< image::mode_by_name
  std::string prompt;                         ///< model::prompt_text; empty: the model's own
  std::string out = "runs/read";              ///< folder: NAME.md and NAME.json a page
  std::string device = "cpu";
  std::string dtype = "auto";
  int64_t max_pixels = 178956970;             ///< larger pictures are refused
  decoder::GenerateConfig generate;

  template <class V> void visit_fields(V& v) {
    v.field("files", files, "images (PNG, JPEG, WebP, TIFF) or folders of them");
    v.field("model", model, "model folder");
    v.field("mode", mode, "tiny, small, base, large, gundam, gundam-m, or a side in px");
    v.field("prompt", prompt, "free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text with <image>; empty: the model's own");
    v.field("out", out, "folder for NAME.md and NAME.json; pages that are there already are not read again");
    v.field("device", device, "cpu, cuda or cuda:N");
    v.field("dtype", dtype, "arithmetic", {.choices = {"auto", "float32", "bfloat16", "float16"}});
    v.field("max_pixels", max_pixels, "larger pictures are refused", {.min = 1});
    v.field("generate", generate, "how text is generated");
  }
};

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

// The reader's part that writes: vision tokens and a prompt to a request of the decoder's engine, ids to text.
#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/model/optical_model.h"

namespace fovea::model {

decoder::Engine& Reader::engine() {
  if (!engine_) engine_ = std::make_shared<decoder::Engine>(*model_->decoder, engine_config_);
  return *engine_;
}

void Reader::set_engine(const decoder::EngineConfig& config) {
  validate_fields(config, "engine");
  if (!idle()) throw ConfigError("[engine] its numbers cannot change while pages are being decoded");
  engine_config_ = config;
  engine_.reset();
}

bool Reader::idle() const { return !engine_ || engine_->idle(); }
bool Reader::cancel(int64_t page) { return engine_ && engine_->cancel(page); }
size_t Reader::step() { return engine().step(); }
decoder::Occupancy Reader::occupancy() { return engine().occupancy(); }

int64_t Reader::submit(const VisionTokens& tokens, const decoder::GenerateConfig& options, const std::string& prompt, std::function<void(const Reading&)> on_done,
                       std::function<void(const std::string&)> on_text, uint64_t stream) {
  torch::NoGradGuard no_grad;
  const bool prompted = config_.sequence == "begin-vision-prompt";
  if (!prompted && !prompt.empty()) throw ConfigError("[decode] " + config_.name + " reads pages without a prompt, got '" + prompt + "'");
  if (tokens.sequence.dim() != 2 || tokens.sequence.size(1) != model_->kept_width())
    throw ShapeError("[decode] vision tokens must be [positions, " + std::to_string(model_->kept_width()) + "] for " + config_.name + ", got " +
                     c10::str(tokens.sequence.sizes()));
  const auto vision = model_->decoder_input(tokens.sequence.to(device_, dtype_));  // [P, I]
  const auto embedded = [&](const std::vector<int64_t>& ids) { return model_->decoder->embed(at::tensor(ids, at::kLong).to(device_)); };
  decoder::Request request;
  const size_t positions = size_t(vision.size(0));
  if (prompted) {
    const std::string text = prompt_text(prompt), mark = "<image>";
    const size_t at = text.find(mark);
    if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos)
      throw ConfigError("[decode] a prompt must have exactly one <image>, or be one of free-ocr, markdown, ocr, figure, describe, locate:WORDS; got '" + text + "'");
    std::vector<int64_t> before = {config_.decoder.bos_token_id}, after;
    for (auto id : tokenizer_.encode(text.substr(0, at), /*match_added_tokens=*/true)) before.push_back(id);
    for (auto id : tokenizer_.encode(text.substr(at + mark.size()), /*match_added_tokens=*/true)) after.push_back(id);
    request.prompt_ids.assign(before.begin(), before.end());
    request.prompt_ids.insert(request.prompt_ids.end(), positions, int32_t(config_.image_token_id));
    request.prompt_ids.insert(request.prompt_ids.end(), after.begin(), after.end());
    request.prompt = after.empty() ? at::cat({embedded(before), vision}) : at::cat({embedded(before), vision, embedded(after)});
  } else {
    request.prompt = at::cat({vision, embedded({config_.decoder.bos_token_id})});
    request.prompt_ids.assign(positions, int32_t(config_.image_token_id));
    request.prompt_ids.push_back(int32_t(config_.decoder.bos_token_id));
  }
  request.config = options;
  request.stream = stream;
  const auto text_of = [this, prompted](const std::vector<int32_t>& ids) { return tokenizer_.decode(ids, /*skip_special=*/!prompted); };
  if (on_done) request.on_done = [text_of, on_done = std::move(on_done)](const decoder::Generated& generated) { on_done({text_of(generated.ids), generated}); };
  if (on_text) request.on_ids = [text_of, on_text = std::move(on_text)](const std::vector<int32_t>& ids) { on_text(text_of(ids)); };
  return engine().submit(std::move(request));
}

std::vector<Reading> Reader::decode(const std::vector<const VisionTokens*>& tokens, const decoder::GenerateConfig& options,
                                    const std::function<void(size_t, const Reading&)>& on_done,
                                    const std::function<void(size_t)>& on_step, const std::string& prompt,
                                    const std::function<void(size_t, const std::string&)>& on_text) {
  std::vector<Reading> out(tokens.size());
  std::vector<int64_t> pages;
  size_t left = tokens.size();
  try {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const auto done = [&out, &left, &on_done, i](const Reading& reading) {
        out[i] = reading;
        --left;
        if (on_done) on_done(i, out[i]);
      };
      std::function<void(const std::string&)> grown;
      if (on_text) grown = [&on_text, i](const std::string& text) { on_text(i, text); };
      pages.push_back(submit(*tokens[i], options, prompt, done, grown, uint64_t(i)));
    }
    while (left > 0) {
      const size_t written = step();
      if (on_step && written > 0) on_step(written);
    }
  } catch (...) {
    for (int64_t page : pages) cancel(page);  // what is left of this call
    throw;
  }
  return out;
}

}  // namespace fovea::model

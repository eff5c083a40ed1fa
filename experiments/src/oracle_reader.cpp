// A reader that knows the truth and errs at chosen rates.
#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "fovea/base/random.h"
#include "fovea/base/utf8.h"
#include "fovea/experiments/page_reader.h"

namespace fovea::experiments {
namespace {

// A stream of its own for each sample, whatever the order and company it is read in.
uint64_t number_of(const std::string& id) { return std::stoull(sha256_hex(id).substr(0, 16), nullptr, 16); }

class OracleReader final : public PageReader {
 public:
  explicit OracleReader(const OracleConfig& config) : config_(config) { validate_fields(config, "oracle"); }

  void read(const std::vector<ReadRequest>& requests, const OnAnswer& on_answer, const std::function<void(size_t)>& on_step) override {
    for (size_t i = 0; i < requests.size(); ++i) {
      on_answer(i, answer(requests[i]));
      if (on_step) on_step(requests[i].truth.size() / 4);
    }
  }
  Json identity() const override { return {{"oracle", config_to_json(config_)}}; }
  std::string name() const override { return "oracle"; }
  bool needs_pages() const override { return false; }
  bool takes_prompts() const override { return true; }

 private:
  ReadAnswer answer(const ReadRequest& request) const {
    Rng rng(uint64_t(config_.seed), /*stream=*/0x6f7261636c65, number_of(request.sample));
    // One draw for each kind of failure, in a fixed order: a rate changes its own failures only.
    const bool fail = rng.chance(config_.fail), empty = rng.chance(config_.empty), loop = rng.chance(config_.loop), truncate = rng.chance(config_.truncate),
               hallucinate = rng.chance(config_.hallucinate);
    ReadAnswer out;
    out.num_vision_tokens = request.budget;
    if (fail) {
      out.error = "[oracle] failed on " + request.sample + ", as asked";
      return out;
    }
    if (empty) return out;
    const auto letter = [&](char32_t not_this) {
      char32_t c = not_this;
      while (c == not_this) c = U'a' + char32_t(rng.below(26));
      return c;
    };
    std::u32string text;
    for (char32_t c : to_code_points(replace_invalid_utf8(request.truth))) {
      if (rng.chance(config_.insert)) text += letter(0);
      if (rng.chance(config_.remove)) continue;
      text += rng.chance(config_.substitute) ? letter(c) : c;
    }
    if (truncate) text.resize(rng.below(text.size() + 1));
    if (hallucinate) {
      std::u32string words;
      for (int w = 0; w < 30; ++w) {
        words += U' ';
        for (uint64_t n = 5 + rng.below(6); n > 0; --n) words += letter(0);
      }
      text.insert(rng.below(text.size() + 1), words);
    }
    if (loop) {
      std::u32string block = U" ";
      for (int n = 0; n < 11; ++n) block += letter(0);
      for (int turn = 0; turn < 20; ++turn) text += block;
      out.stop_reason = "loop";
    }
    out.text = to_utf8(text);
    out.num_tokens = int64_t(text.size() / 4);
    out.mean_probability = 1;
    return out;
  }

  OracleConfig config_;
};

}  // namespace

std::unique_ptr<PageReader> make_oracle_reader(const OracleConfig& config) { return std::make_unique<OracleReader>(config); }

}  // namespace fovea::experiments

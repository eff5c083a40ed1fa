#include "fovea/experiments/model_reader.h"

#include <torch/torch.h>

#include <chrono>
#include <cmath>
#include <map>
#include <numeric>
#include <thread>

#include "fovea/base/error.h"
#include "fovea/experiments/run_folder.h"
#include "fovea/image/views.h"
#include "fovea/model/optical_model.h"

namespace fovea::experiments {
namespace {

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

class ModelReader final : public PageReader {
 public:
  explicit ModelReader(const EvalConfig& config)
      : reader_(model::Reader::load(config.model, {config.device, config.dtype})), hash_(hash_of_model(config.model, reader_.config().tokenizer)), dtype_(config.dtype) {
    if (config.num_threads > 0) at::set_num_threads(int(config.num_threads));
    generate_.temperature = config.temperature;
    generate_.ngram_size = config.ngram_size;
    generate_.ngram_window = config.ngram_window;
    generate_.seed = config.seed;
  }

  void read(const std::vector<ReadRequest>& requests, const OnAnswer& on_answer, const std::function<void(size_t)>& on_step) override {
    // Pages go through the encoder together where they are alike; what cannot be encoded is its own sample's fault.
    std::vector<model::VisionTokens> tokens(requests.size());
    std::vector<double> seconds(requests.size(), 0);
    std::vector<bool> ready(requests.size(), false);
    encode(requests, tokens, ready, seconds, on_answer);
    std::map<std::pair<int64_t, std::pair<std::string, int64_t>>, std::vector<size_t>> groups;  // of one layout, prompt and limit
    for (size_t i = 0; i < requests.size(); ++i)
      if (ready[i]) groups[{tokens[i].num_decoder_positions(), {requests[i].prompt, requests[i].max_tokens}}].push_back(i);
    for (const auto& [what, members] : groups) {
      std::vector<const model::VisionTokens*> pointers;
      for (size_t i : members) pointers.push_back(&tokens[i]);
      auto generate = generate_;
      generate.max_new_tokens = what.second.second;
      const double start = now_s();
      const auto on_done = [&](size_t k, const model::Reading& reading) {
        const size_t i = members[k];
        const auto& p = reading.generated.probabilities;
        ReadAnswer answer;
        answer.text = reading.text;
        answer.num_vision_tokens = tokens[i].num_vision_tokens();
        answer.num_decoder_positions = tokens[i].num_decoder_positions();
        answer.num_tokens = int64_t(reading.generated.ids.size());
        answer.stop_reason = decoder::stop_reason_name(reading.generated.reason);
        answer.mean_probability = p.empty() ? 0.0 : std::accumulate(p.begin(), p.end(), 0.0) / double(p.size());
        answer.seconds_encode = seconds[i];
        answer.seconds_decode = now_s() - start;  // since its batch began
        on_answer(i, std::move(answer));
      };
      reader_.decode(pointers, generate, on_done, on_step, what.second.first);
    }
  }

  std::vector<Foresight> follow(const std::vector<FollowRequest>& requests) override {
    std::vector<Foresight> out;
    for (const auto& request : requests) out.push_back(follow_one(request));
    return out;
  }

  Json identity() const override { return {{"model", hash_}, {"dtype", dtype_}, {"loop_min_repeats", generate_.loop_min_repeats}, {"loop_max_period", generate_.loop_max_period}, {"loop_min_tokens", generate_.loop_min_tokens}, {"loop_retries", generate_.loop_retries}}; }
  std::string name() const override { return reader_.config().name; }
  bool takes_prompts() const override { return reader_.config().sequence == "begin-vision-prompt"; }
  int64_t stride_px() const override { return reader_.config().stride_px(); }
  void check_budget(int64_t budget) const override {
    PageReader::check_budget(budget);
    const auto grid = int64_t(std::llround(std::sqrt(double(budget))));
    const auto& model = reader_.config();
    const int64_t room = model.decoder.max_position_embeddings;
    const bool cropped = model.encoder.clip.position_resize == "crop" && grid > model.encoder.clip.native_grid;
    if (grid * (grid + 1) + 2 < room && grid * stride_px() <= 16384 && !cropped) return;
    int64_t best = cropped ? model.encoder.clip.native_grid : grid;
    while (best > 1 && (best * (best + 1) + 2 >= room || best * stride_px() > 16384)) --best;
    throw ConfigError("[eval] budget must be at most " + std::to_string(best * best) + " for " + model.name + ", got " + std::to_string(budget));
  }

 private:
  model::VisionTokens encode_one(const Image& page, const std::string& mode) {
    const int64_t stride = stride_px();
    if (mode.empty() && page.width_px == page.height_px && page.width_px % stride == 0) return std::move(reader_.encode({&page}).front());
    if (mode.empty()) throw ConfigError("[eval] a page of " + std::to_string(page.width_px) + " x " + std::to_string(page.height_px) + " px needs a mode");
    return reader_.encode(image::make_views(page, image::mode_by_name(mode, stride), stride));
  }

  void encode(const std::vector<ReadRequest>& requests, std::vector<model::VisionTokens>& tokens, std::vector<bool>& ready, std::vector<double>& seconds, const OnAnswer& on_answer) {
    const int64_t stride = stride_px();
    std::map<int, std::vector<size_t>> plain;  // square pages that go in as they are, by side
    const auto fail = [&](size_t i, const std::string& what) {
      ReadAnswer answer;
      answer.error = what;
      on_answer(i, std::move(answer));
    };
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto& request = requests[i];
      const double start = now_s();
      try {
        if (reader_.config().source == "text") {
          tokens[i] = std::move(reader_.encode_texts({request.truth}, int64_t(std::llround(std::sqrt(double(request.budget))))).front());
        } else if (request.pages.size() != 1) {
          throw UnsupportedError("[" + name() + "] reads one page at a time, sample " + request.sample + " has " + std::to_string(request.pages.size()));
        } else if (const Image& page = request.pages[0]; request.mode.empty() && page.width_px == page.height_px && page.width_px % stride == 0) {
          plain[page.width_px].push_back(i);
          continue;
        } else {
          tokens[i] = encode_one(page, request.mode);
        }
        seconds[i] = now_s() - start;
        ready[i] = true;
      } catch (const Error& e) {
        fail(i, e.what());
      }
    }
    for (const auto& [side, members] : plain) {
      std::vector<const Image*> pages;
      for (size_t i : members) pages.push_back(&requests[i].pages[0]);
      const double start = now_s();
      auto encoded = reader_.encode(pages);
      for (size_t k = 0; k < members.size(); ++k) {
        tokens[members[k]] = std::move(encoded[k]);
        seconds[members[k]] = (now_s() - start) / double(members.size());
        ready[members[k]] = true;
      }
    }
  }

  Foresight follow_one(const FollowRequest& request) {
    torch::NoGradGuard no_grad;
    auto& decoder = reader_.model()->decoder;
    const auto embed = [&](const std::vector<int64_t>& ids) { return decoder->embed(at::tensor(ids, at::kLong).to(reader_.device()).unsqueeze(0)); };
    const auto tokens = reader_.config().source == "text" ? std::move(reader_.encode_texts({request.truth}, request.page.width_px / stride_px()).front()) : encode_one(request.page, request.mode);
    const int64_t begin_id = reader_.config().decoder.bos_token_id;
    std::vector<at::Tensor> parts;
    std::vector<int64_t> before, after;
    if (takes_prompts()) {
      const std::string prompt = model::prompt_text(request.prompt), mark = "<image>";
      const size_t at = prompt.find(mark);
      if (at == std::string::npos || prompt.find(mark, at + 1) != std::string::npos) throw ConfigError("[eval] a prompt must have exactly one <image>, got '" + prompt + "'");
      before.push_back(begin_id);
      for (auto id : reader_.tokenizer().encode(prompt.substr(0, at))) before.push_back(id);
      for (auto id : reader_.tokenizer().encode(prompt.substr(at + mark.size()))) after.push_back(id);
    } else {
      const int64_t go_on = reader_.config().continue_token_id;
      after.push_back(request.goes_on && go_on >= 0 ? go_on : begin_id);
    }
    const std::string joint = !request.prefix.empty() && !request.text.empty() && request.text.front() != ' ' && request.text.front() != '\n' ? " " : "";
    const std::string prefix = request.prefix + joint, text = prefix + request.text;
    const auto encoded = reader_.tokenizer().encode_with_offsets(text, /*match_added_tokens=*/false);
    const size_t count = encoded.ids.size();
    Foresight out;
    if (count == 0) return out;
    if (!before.empty()) parts.push_back(embed(before));
    const auto begin = embed({begin_id});
    parts.push_back(reader_.model()->decoder_input(tokens.sequence.to(begin.options())).unsqueeze(0));
    if (!after.empty()) parts.push_back(embed(after));
    if (count > 1) parts.push_back(embed(std::vector<int64_t>(encoded.ids.begin(), encoded.ids.end() - 1)));
    const auto dtype = begin.scalar_type();
    for (auto& part : parts) part = part.to(dtype);
    const auto inputs = at::cat(parts, 1);
    if (inputs.size(1) > reader_.config().decoder.max_position_embeddings)
      throw ConfigError("[" + name() + "] takes " + std::to_string(reader_.config().decoder.max_position_embeddings) + " positions; page and text have " + std::to_string(inputs.size(1)));
    const auto hidden = decoder->forward(inputs)[0];  // [T, D]
    const int64_t offset = hidden.size(0) - int64_t(count);
    std::vector<bool> right(count, false);
    constexpr int64_t kRows = 256;  // logits of a large vocabulary are wide
    for (int64_t row = 0; row < int64_t(count); row += kRows) {
      const int64_t rows = std::min<int64_t>(kRows, int64_t(count) - row);
      const auto logits = decoder->logits(hidden.narrow(0, offset + row, rows)).to(at::kFloat);
      const auto best = logits.argmax(-1).to(at::kCPU, at::kLong).contiguous();
      std::vector<int64_t> wanted(encoded.ids.begin() + row, encoded.ids.begin() + row + rows);
      const auto target = at::tensor(wanted, at::kLong).to(logits.device()).unsqueeze(-1);
      const auto log_p = at::log_softmax(logits, -1).gather(-1, target).squeeze(-1).to(at::kCPU, at::kDouble).contiguous();
      for (int64_t k = 0; k < rows; ++k) {
        const size_t i = size_t(row + k);
        right[i] = best.data_ptr<int64_t>()[k] == wanted[size_t(k)];
        if (encoded.byte_ends[i] <= prefix.size()) continue;  // the prefix is given
        out.bits -= log_p.data_ptr<double>()[k] / std::log(2.0);
        ++out.num_tokens;
        out.num_right += right[i];
      }
    }
    const auto is_space = [&](size_t at) { return text[at] == ' ' || text[at] == '\n'; };
    size_t token = 0;
    for (size_t at = prefix.size(); at < text.size();) {
      while (at < text.size() && is_space(at)) ++at;
      size_t end = at;
      while (end < text.size() && !is_space(end)) ++end;
      if (end == at) break;
      while (token < count && encoded.byte_ends[token] <= at) ++token;
      bool all = true;
      for (size_t t = token; t < count && (t == 0 ? 0 : encoded.byte_ends[t - 1]) < end; ++t) all = all && right[t];
      ++out.num_words;
      out.num_words_right += all;
      at = end;
    }
    return out;
  }

  model::Reader reader_;
  std::string hash_, dtype_;
  decoder::GenerateConfig generate_;
};

}  // namespace

std::unique_ptr<PageReader> make_model_reader(const EvalConfig& config) { return std::make_unique<ModelReader>(config); }

std::unique_ptr<PageReader> make_reader(const EvalConfig& config) {
  validate_fields(config, "eval");
  return config.reader == "model" ? make_model_reader(config) : make_light_reader(config);
}

EvalSummary run_eval(const EvalConfig& config, EvalCallbacks callbacks) {
  const auto reader = make_reader(config);
  callbacks.versions = library_versions();
  callbacks.hardware = hardware();
  return run_eval(config, *reader, callbacks);
}

}  // namespace fovea::experiments

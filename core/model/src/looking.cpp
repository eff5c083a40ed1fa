#include "fovea/model/looking.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"

namespace fovea::model {
namespace {

// The page's position of each token of its grids, -1 of those that were removed: rows of a grid end in a separator, a view separator ends the page.
std::vector<int64_t> positions_of_grid(const VisionTokens& page) {
  std::vector<int64_t> out;
  int64_t at = 0;
  const auto grid = [&](int64_t rows, int64_t columns) {
    for (int64_t r = 0; r < rows; ++r, ++at)
      for (int64_t c = 0; c < columns; ++c) {
        const bool gone = std::binary_search(page.removed.begin(), page.removed.end(), int64_t(out.size()));
        out.push_back(gone ? -1 : at++);
      }
  };
  grid(page.mosaic_rows, page.mosaic_columns);
  grid(page.rows, page.columns);
  return out;
}

struct Sequence {
  at::Tensor inputs;          // [1, P, I]: prompt with the page in it
  int64_t vision_begin = 0;   // of the page's first position
};

Sequence prompt_of(Reader& reader, const VisionTokens& page, const std::string& prompt) {
  auto& decoder = *reader.model()->decoder;
  const auto& config = reader.config();
  const auto embedded = [&](const std::vector<int64_t>& ids) { return decoder.embed(at::tensor(ids, at::kLong).to(reader.device()).unsqueeze(0)); };
  const auto begin = embedded({config.decoder.bos_token_id});
  const auto vision = reader.model()->decoder_input(page.sequence.to(reader.device(), begin.scalar_type())).unsqueeze(0);
  if (config.sequence != "begin-vision-prompt") {
    if (!prompt.empty()) throw ConfigError("[look_back] " + config.name + " reads pages without a prompt, got '" + prompt + "'");
    return {at::cat({vision, begin}, 1), 0};
  }
  const std::string text = prompt_text(prompt), mark = "<image>";
  const size_t at = text.find(mark);
  if (at == std::string::npos || text.find(mark, at + 1) != std::string::npos)
    throw ConfigError("[look_back] a prompt must have exactly one <image>, got '" + text + "'");
  const auto ids_of = [&](const std::string& part) {
    const auto ids = reader.tokenizer().encode(part, /*match_added_tokens=*/true);
    return std::vector<int64_t>(ids.begin(), ids.end());
  };
  std::vector<at::Tensor> parts = {begin};
  const auto before = ids_of(text.substr(0, at)), after = ids_of(text.substr(at + mark.size()));
  if (!before.empty()) parts.push_back(embedded(before));
  const int64_t vision_begin = 1 + int64_t(before.size());
  parts.push_back(vision);
  if (!after.empty()) parts.push_back(embedded(after));
  return {at::cat(parts, 1), vision_begin};
}

}  // namespace

Looking look_back(Reader& reader, const VisionTokens& page, const std::vector<int32_t>& ids, const std::vector<int64_t>& wanted, const std::string& prompt) {
  torch::NoGradGuard no_grad;
  const auto& config = reader.config().decoder;
  if (ids.empty()) throw ConfigError("[look_back] the text has no token");
  if (page.sequence.dim() != 2 || page.sequence.size(1) != reader.model()->kept_width())
    throw ShapeError("[look_back] vision tokens must be [positions, " + std::to_string(reader.model()->kept_width()) + "], got " + c10::str(page.sequence.sizes()));
  const auto grid = positions_of_grid(page);
  const int64_t num_positions = page.num_vision_tokens() + page.rows + page.mosaic_rows + 1;  // tokens, a separator a row, one at the end
  if (page.sequence.size(0) != num_positions)
    throw ShapeError("[look_back] the page's grid takes " + std::to_string(num_positions) + " positions, got " + std::to_string(page.sequence.size(0)) +
                     "; tokens that were merged have no place on it");

  Looking out;
  out.layers = wanted;
  if (out.layers.empty())
    for (int64_t i = 0; i < config.num_hidden_layers; ++i) out.layers.push_back(i);
  for (int64_t layer : out.layers)
    if (layer < 0 || layer >= config.num_hidden_layers)
      throw ConfigError("[look_back] layers must lie in 0 to " + std::to_string(config.num_hidden_layers - 1) + ", got " + std::to_string(layer));

  // The position before token t says it: the last of the prompt, then each token but the last.
  const Sequence start = prompt_of(reader, page, prompt);
  at::Tensor inputs = start.inputs;
  const int64_t first = inputs.size(1) - 1, num = int64_t(ids.size());
  if (first + num > config.max_position_embeddings)
    throw ConfigError("[look_back] page and text take " + std::to_string(first + num) + " positions, the decoder knows " + std::to_string(config.max_position_embeddings));
  if (num > 1) {
    const std::vector<int64_t> said(ids.begin(), ids.end() - 1);
    inputs = at::cat({inputs, reader.model()->decoder->embed(at::tensor(said, at::kLong).to(reader.device()).unsqueeze(0))}, 1);
  }
  auto [x, deep] = reader.model()->decoder->halves(inputs);
  const int64_t length = x.size(1), last_layer = *std::max_element(out.layers.begin(), out.layers.end());
  const auto rotary = nn::Rotary::line(0, length, config.head_dim, config.rope_theta, x.device());

  std::vector<int64_t> of_page(size_t(page.sequence.size(0)));
  for (size_t i = 0; i < of_page.size(); ++i) of_page[i] = start.vision_begin + int64_t(i);
  std::vector<int64_t> vision_at, slots;
  for (size_t i = 0; i < grid.size(); ++i)
    if (grid[i] >= 0) vision_at.push_back(start.vision_begin + grid[i]), slots.push_back(int64_t(i));
  const auto slot_index = at::tensor(slots, at::kLong);
  const auto vision_index = at::tensor(vision_at, at::kLong).to(x.device()), page_index = at::tensor(of_page, at::kLong).to(x.device());
  // key j may be seen by query i (both absolute): j <= i
  const auto hidden_keys = at::arange(length, x.device()).unsqueeze(0) > at::arange(first, length, x.device()).unsqueeze(1);  // [T, length]

  const int64_t heads = config.num_attention_heads, share = heads / config.num_key_value_heads;
  const auto options = at::TensorOptions().dtype(at::kFloat);
  out.attention = at::zeros({int64_t(out.layers.size()), heads, num, int64_t(grid.size())}, options);
  out.separators = at::empty({int64_t(out.layers.size()), heads, num}, options);
  out.text = at::empty_like(out.separators);
  auto modules = reader.model()->decoder->named_modules();
  for (int64_t layer = 0; layer <= last_layer; ++layer) {
    const auto module = std::dynamic_pointer_cast<decoder::DecoderLayerImpl>(modules["layers." + std::to_string(layer)]);
    if (!module) throw InternalError("[look_back] decoder layer " + std::to_string(layer) + " is not where it should be");
    if (deep.defined() && layer == config.deepstack_layer) x = x + deep;
    decoder::Taps taps;
    taps.qk_layer = layer;
    x = module->forward(x, rotary, nullptr, &taps);
    for (size_t slot = 0; slot < out.layers.size(); ++slot) {
      if (out.layers[slot] != layer) continue;
      for (int64_t h = 0; h < heads; ++h) {
        const auto q = taps.q[0][h].slice(0, first).to(at::kFloat);  // [T, d]
        const auto k = taps.k[0][h / share].to(at::kFloat);          // [length, d]
        const auto weights = at::softmax((at::matmul(q, k.t()) / std::sqrt(double(config.head_dim))).masked_fill(hidden_keys, -INFINITY), -1);
        const auto on_page = weights.index_select(1, page_index).sum(-1), on_tokens = weights.index_select(1, vision_index);
        out.attention[int64_t(slot)][h].index_copy_(1, slot_index, on_tokens.to(at::kCPU));
        out.separators[int64_t(slot)][h].copy_(on_page - on_tokens.sum(-1));
        out.text[int64_t(slot)][h].copy_(1 - on_page);
      }
    }
  }
  // Ends in bytes: what the tokens before spell is not changed by those that follow.
  const bool skip_special = reader.config().sequence != "begin-vision-prompt";
  int64_t bytes = 0;
  for (const int32_t id : ids) {
    bytes += int64_t(reader.tokenizer().decode_bytes({id}, skip_special).size());
    out.token_bytes.push_back(bytes);
  }
  return out;
}

}  // namespace fovea::model

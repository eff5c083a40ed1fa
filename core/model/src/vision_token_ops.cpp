#include "fovea/model/vision_token_ops.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/weights/quantize.h"

namespace fovea::model {
namespace {

std::string layout_of(const VisionTokens& t) {
  std::string out = std::to_string(t.rows) + " x " + std::to_string(t.columns);
  if (t.mosaic_rows > 0) out += " and a mosaic of " + std::to_string(t.mosaic_rows) + " x " + std::to_string(t.mosaic_columns);
  if (!t.removed.empty()) out += " without " + std::to_string(t.removed.size());
  return out + ", width " + std::to_string(t.sequence.size(1));
}

// Pools [rows, columns + 1, D] (a separator at each row's end).
at::Tensor pooled(const at::Tensor& grid, int64_t factor) {
  const int64_t rows = grid.size(0), columns = grid.size(1) - 1, width = grid.size(2);
  const auto tokens = grid.narrow(1, 0, columns).reshape({rows / factor, factor, columns / factor, factor, width}).mean({1, 3});
  const auto separators = grid.narrow(1, columns, 1).reshape({rows / factor, factor, 1, width}).select(1, 0);
  return at::cat({tokens, separators}, 1).reshape({-1, width});
}

}  // namespace

std::vector<int64_t> token_positions(const VisionTokens& tokens) {
  std::vector<int64_t> out;
  int64_t token = 0, position = 0;
  auto removed = tokens.removed.begin();
  const auto grid = [&](int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t column = 0; column < columns; ++column, ++token) {
        if (removed != tokens.removed.end() && *removed == token)
          ++removed;
        else
          out.push_back(position++);
      }
      ++position;  // the row separator
    }
  };
  grid(tokens.mosaic_rows, tokens.mosaic_columns);
  grid(tokens.rows, tokens.columns);
  return out;
}

std::vector<double> token_norms(const VisionTokens& tokens) {
  const auto norms = tokens.sequence.index_select(0, at::tensor(token_positions(tokens), at::kLong)).to(at::kDouble).norm(2, 1).contiguous();
  return {norms.data_ptr<double>(), norms.data_ptr<double>() + norms.numel()};
}

VisionTokens average(const std::vector<const VisionTokens*>& pages) {
  if (pages.empty()) throw ShapeError("[average] needs at least one page");
  VisionTokens out = *pages[0];
  at::Tensor sum = at::zeros(out.sequence.sizes(), at::kDouble);
  for (const VisionTokens* page : pages) {
    if (layout_of(*page) != layout_of(out) || page->removed != out.removed)
      throw ShapeError("[average] pages must be of one layout, got " + layout_of(out) + " and " + layout_of(*page));
    if (page->model != out.model) throw ShapeError("[average] pages must be of one model, got " + out.model + " and " + page->model);
    sum += page->sequence.to(at::kDouble);
  }
  out.sequence = (sum / double(pages.size())).to(out.sequence.scalar_type());
  return out;
}

VisionTokens pool(const VisionTokens& tokens, int64_t factor) {
  if (!tokens.removed.empty()) throw ShapeError("[pool] tokens were removed: the grid has holes");
  for (int64_t side : {tokens.rows, tokens.columns, tokens.mosaic_rows, tokens.mosaic_columns})
    if (factor < 1 || side % factor != 0)
      throw ShapeError("[pool] factor must divide every side of " + layout_of(tokens) + ", got " + std::to_string(factor));
  VisionTokens out = tokens;
  const int64_t width = tokens.sequence.size(1), mosaic = tokens.mosaic_rows * (tokens.mosaic_columns + (tokens.mosaic_rows > 0 ? 1 : 0));
  const int64_t global = tokens.rows * (tokens.columns + 1);
  std::vector<at::Tensor> parts;
  const auto whole = tokens.sequence.to(at::kFloat);
  if (mosaic > 0) parts.push_back(pooled(whole.narrow(0, 0, mosaic).reshape({tokens.mosaic_rows, tokens.mosaic_columns + 1, width}), factor));
  parts.push_back(pooled(whole.narrow(0, mosaic, global).reshape({tokens.rows, tokens.columns + 1, width}), factor));
  parts.push_back(whole.narrow(0, mosaic + global, 1));
  out.sequence = at::cat(parts, 0).to(tokens.sequence.scalar_type());
  out.rows /= factor, out.columns /= factor, out.mosaic_rows /= factor, out.mosaic_columns /= factor;
  out.num_valid = (tokens.num_valid + factor * factor - 1) / (factor * factor);
  return out;
}

VisionTokens drop(const VisionTokens& tokens, std::vector<int64_t> which, const std::string& how) {
  const auto positions = token_positions(tokens);
  std::sort(which.begin(), which.end());
  which.erase(std::unique(which.begin(), which.end()), which.end());
  if (!which.empty() && (which.front() < 0 || which.back() >= int64_t(positions.size())))
    throw ConfigError("[drop] tokens are numbered 0 to " + std::to_string(int64_t(positions.size()) - 1) + ", got " +
                      std::to_string(which.front() < 0 ? which.front() : which.back()));
  if (which.size() == positions.size()) throw ConfigError("[drop] at least one of " + std::to_string(positions.size()) + " tokens must stay");
  if (how != "remove" && how != "zero" && how != "mean") throw ConfigError("[drop] how must be remove, zero or mean, got '" + how + "'");
  VisionTokens out = tokens;
  if (which.empty()) return out;
  std::vector<bool> gone(size_t(tokens.sequence.size(0)), false);
  std::vector<int64_t> gone_at, stay_at;
  for (int64_t token : which) gone[size_t(positions[size_t(token)])] = true, gone_at.push_back(positions[size_t(token)]);
  if (how == "remove") {
    for (int64_t at = 0; at < tokens.sequence.size(0); ++at)
      if (!gone[size_t(at)]) stay_at.push_back(at);
    out.sequence = tokens.sequence.index_select(0, at::tensor(stay_at, at::kLong));
    // Their numbers in the whole grid: `which` counts what was left of it.
    std::vector<int64_t> left;
    for (int64_t token = 0, r = 0; token < tokens.num_grid_tokens(); ++token) {
      if (r < int64_t(tokens.removed.size()) && tokens.removed[size_t(r)] == token)
        ++r;
      else
        left.push_back(token);
    }
    for (int64_t token : which) out.removed.push_back(left[size_t(token)]);
    std::sort(out.removed.begin(), out.removed.end());
    out.num_valid = std::min(out.num_valid, out.num_vision_tokens());
    return out;
  }
  for (int64_t at : positions)
    if (!gone[size_t(at)]) stay_at.push_back(at);
  const auto row = how == "zero" ? at::zeros({tokens.sequence.size(1)}, tokens.sequence.options())
                                 : tokens.sequence.index_select(0, at::tensor(stay_at, at::kLong)).to(at::kFloat).mean(0).to(tokens.sequence.scalar_type());
  out.sequence = tokens.sequence.clone();
  out.sequence.index_copy_(0, at::tensor(gone_at, at::kLong), row.unsqueeze(0).expand({int64_t(gone_at.size()), -1}).contiguous());
  return out;
}

VisionTokens prune(const VisionTokens& tokens, int64_t keep, const std::string& by, const std::string& how) {
  const int64_t num = tokens.num_vision_tokens();
  if (keep < 1 || keep > num) throw ConfigError("[prune] keep must be 1 to " + std::to_string(num) + ", got " + std::to_string(keep));
  std::vector<int64_t> order(static_cast<size_t>(num));
  std::iota(order.begin(), order.end(), 0);
  if (by == "norm" || by == "small-norm") {
    const auto norms = token_norms(tokens);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return by == "norm" ? norms[size_t(a)] > norms[size_t(b)] : norms[size_t(a)] < norms[size_t(b)];
    });
  } else if (by == "even") {
    std::vector<bool> taken(size_t(num), false);
    std::vector<int64_t> first, rest;
    for (int64_t i = 0; i < keep; ++i) taken[size_t(i * num / keep)] = true;
    for (int64_t i = 0; i < num; ++i) (taken[size_t(i)] ? first : rest).push_back(i);
    first.insert(first.end(), rest.begin(), rest.end());
    order = std::move(first);
  } else {
    throw ConfigError("[prune] by must be norm, small-norm or even, got '" + by + "'");
  }
  return drop(tokens, {order.begin() + keep, order.end()}, how);
}

QuantizedTokens quantize(const VisionTokens& tokens, const std::string& kind) {
  torch::NoGradGuard no_grad;
  QuantizedTokens out;
  const auto original = tokens.sequence.to(at::kFloat).contiguous();
  at::Tensor stored;
  if (!original.isfinite().all().item<bool>()) throw ConfigError("[quantize] vision tokens must be finite");
  if (kind == "float32") {
    stored = original;
    out.num_bytes = original.numel() * 4;
  } else if (kind == "float16") {
    stored = original.to(at::kHalf).to(at::kFloat);
    if (!stored.isfinite().all().item<bool>()) throw ConfigError("[quantize] a value is beyond float16; take int8");
    out.num_bytes = original.numel() * 2;
  } else if (kind == "int8") {
    const auto q = weights::quantize_int8(original);
    stored = weights::dequantize_int8(q.values, q.scale);
    out.num_bytes = int64_t(q.values.nbytes() + q.scale.nbytes());
  } else if (kind == "int4") {
    if (original.size(1) % 2 != 0) throw ConfigError("[quantize] int4 needs an even width, got " + std::to_string(original.size(1)));
    const auto q = weights::quantize_packed(original, 4);
    stored = weights::dequantize_packed(q.values, q.scale, original.sizes());
    out.num_bytes = int64_t(q.values.nbytes() + q.scale.nbytes());
  } else if (kind == "binary") {
    const auto scale = original.abs().mean(1, /*keepdim=*/true).to(at::kHalf);
    stored = at::where(original < 0, -scale.to(at::kFloat), scale.to(at::kFloat));
    out.num_bytes = original.size(0) * ((original.size(1) + 7) / 8) + int64_t(scale.nbytes());
  } else {
    throw ConfigError("[quantize] kind must be float32, float16, int8, int4 or binary, got '" + kind + "'");
  }
  const auto error = (stored - original).to(at::kDouble);
  const double norm = original.to(at::kDouble).norm().item<double>();
  out.relative_error = norm > 0 ? error.norm().item<double>() / norm : 0;
  out.largest_error = error.numel() > 0 ? error.abs().max().item<double>() : 0;
  out.num_bytes_original = int64_t(tokens.sequence.nbytes());
  out.tokens = tokens;
  out.tokens.sequence = stored;
  return out;
}

}  // namespace fovea::model

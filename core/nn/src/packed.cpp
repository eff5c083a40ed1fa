#include "fovea/nn/packed.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/nn/modules.h"

namespace fovea::nn {

Packed Packed::of_lengths(const std::vector<int64_t>& lengths) {
  Packed out;
  out.offsets.resize(lengths.size() + 1, 0);
  std::partial_sum(lengths.begin(), lengths.end(), out.offsets.begin() + 1);
  out.longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  out.starts = at::empty({int64_t(out.offsets.size())}, at::kInt);
  std::copy(out.offsets.begin(), out.offsets.end(), out.starts.data_ptr<int32_t>());
  out.places = at::empty({out.offsets.back()}, at::kLong);
  for (size_t b = 0; b < lengths.size(); ++b) std::iota(out.places.data_ptr<int64_t>() + out.offsets[b], out.places.data_ptr<int64_t>() + out.offsets[b + 1], 0);
  return out;
}

at::Tensor attend_packed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const Packed& packed) {
  if (q.is_cuda() && q.scalar_type() == at::kBFloat16) {
    const auto rows_first = [](const at::Tensor& x) { return x[0].transpose(0, 1); };  // [R, H, d], a view
    return std::get<0>(at::_flash_attention_forward(rows_first(q), rows_first(k), rows_first(v), packed.starts, packed.starts, packed.longest, packed.longest,
                                                    /*dropout_p=*/0.0, /*is_causal=*/true, /*return_debug_mask=*/false, 1.0 / std::sqrt(double(q.size(3)))))
        .unsqueeze(0);
  }
  std::vector<at::Tensor> parts;
  for (size_t b = 0; b + 1 < packed.offsets.size(); ++b) {
    const auto of = [&](const at::Tensor& x) { return x.slice(2, packed.offsets[b], packed.offsets[b + 1]); };
    parts.push_back(attend(of(q), of(k), of(v), /*causal=*/true).transpose(1, 2));
  }
  return at::cat(parts, 1);
}

namespace {
struct PermuteRows : torch::autograd::Function<PermuteRows> {
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::Tensor& order, const at::Tensor& inverse) {
    ctx->save_for_backward({inverse});
    return x.index_select(0, order);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx, torch::autograd::variable_list grads) {
    return {grads[0].index_select(0, ctx->get_saved_variables()[0]), at::Tensor(), at::Tensor()};
  }
};
}  // namespace

at::Tensor permute_rows(const at::Tensor& x, const at::Tensor& order, const at::Tensor& inverse) { return PermuteRows::apply(x, order, inverse); }

}  // namespace fovea::nn

// Small decoders with random weights for tests.
#pragma once
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <cmath>

#include "fovea/decoder/decoder.h"

namespace fovea::test {

struct Shape {
  int64_t heads, kv_heads, head_dim;
  bool qk_norm, norm_weight;
};

struct Threads {  // for one test
  explicit Threads(int count) : before(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

inline decoder::Decoder random_decoder(const Shape& shape, uint64_t seed, int64_t num_dense = 3, int64_t eos_token_id = 1, int64_t deepstack_layer = 0) {
  decoder::DecoderConfig c;
  c.vocab_size = 75;
  c.hidden_size = 48;
  c.num_hidden_layers = 3;
  c.num_attention_heads = shape.heads;
  c.num_key_value_heads = shape.kv_heads;
  c.head_dim = shape.head_dim;
  c.intermediate_size = 80;
  c.moe_intermediate_size = 32;
  c.n_routed_experts = 4;
  c.num_experts_per_tok = 2;
  c.first_k_dense_replace = num_dense;
  c.norm_weight = shape.norm_weight;
  c.qk_norm = shape.qk_norm;
  c.max_position_embeddings = 700;
  c.eos_token_id = eos_token_id;
  c.deepstack_layer = deepstack_layer;
  decoder::Decoder out(c, nn::Factory{});
  torch::NoGradGuard no_grad;
  torch::manual_seed(seed);
  for (auto& p : out->parameters()) {
    if (p.dim() < 2) {
      p.copy_(at::rand(p.sizes()) + 0.5);
    } else {  // 8-bit rows
      auto q = at::randint(-127, 128, p.sizes()).to(at::kFloat);
      q.select(1, 0).fill_(127);
      p.copy_(q * ((at::rand({p.size(0), 1}) + 0.5) * (0.02 / std::sqrt(double(p.size(1)) / 48))));
    }
    p.set_requires_grad(false);
  }
  return out;
}

}  // namespace fovea::test

// Numbers of the text-side baselines (text_encoder.h).
#pragma once
#include "fovea/base/config.h"

namespace fovea::model {

struct TextEncoderConfig {
  std::string kind = "mean";   ///< truncate | mean | pyramid | queries
  int64_t width = 512;
  int64_t depth = 0;           ///< self-attention layers over the text, before it is compressed
  int64_t latent_depth = 0;    ///< self-attention layers over the latents
  int64_t heads = 8;
  int64_t mlp_width = 1536;
  int64_t query_depth = 2;     ///< queries: layers of cross-attention
  int64_t px_per_latent = 64;  ///< side of the page square that a latent stands for where pages are drawn beside the text

  template <class V> void visit_fields(V& v) {
    v.field("kind", kind, "how text becomes latents", {.choices = {"truncate", "mean", "pyramid", "queries"}});
    v.field("width", width, "width of the tower", {.min = 64});
    v.field("depth", depth, "layers over the text", {.min = 0});
    v.field("latent_depth", latent_depth, "layers over the latents", {.min = 0});
    v.field("heads", heads, "attention heads", {.min = 1});
    v.field("mlp_width", mlp_width, "hidden width of the MLPs", {.min = 1});
    v.field("query_depth", query_depth, "queries: layers of cross-attention", {.min = 1});
    v.field("px_per_latent", px_per_latent, "page pixels a side that a latent stands for", {.min = 1});
  }
};

}  // namespace fovea::model

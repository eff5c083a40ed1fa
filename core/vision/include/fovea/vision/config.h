// Numbers of the encoder. The defaults are DeepSeek-OCR's DeepEncoder (source: deepencoder.py of deepseek-ai/DeepSeek-OCR).
#pragma once
#include "fovea/base/config.h"

namespace fovea::vision {

/// The windowed tower on 16 px patches (SAM-base).
struct SamConfig {
  int64_t in_channels = 3;       ///< 3 RGB, 1 gray
  int64_t patch_px = 16;         ///< side of a patch
  std::string stem = "patch";    ///< patch: one linear patch embedding; conv: overlapping 3x3 convolutions down to the patch grid
  std::vector<int64_t> stem_widths = {};  ///< conv: channels at 1/4, 1/8 of the side; the last step goes to width
  int64_t stem_blocks = 0;       ///< conv: residual 3x3 blocks at 1/8 of the side
  int64_t width = 768;
  int64_t depth = 12;
  int64_t heads = 12;
  int64_t mlp_width = 3072;
  int64_t window = 14;           ///< side of a window in patches
  std::vector<int64_t> global_layers = {2, 5, 8, 11};
  int64_t native_grid = 64;      ///< patch grid side that the position tables are stored for
  std::string norm = "layer";    ///< layer | rms (rms has no weight)
  double norm_eps = 1e-6;
  bool bias = true;              ///< biases in attention and MLP
  bool absolute_positions = true;
  bool relative_positions = true;  ///< decomposed relative bias from unscaled q
  bool rotary = false;           ///< two-axis rotary positions, inside the window or over the page
  bool qk_norm = false;          ///< RMS-normalised queries and keys, one learned gain a query head
  int64_t neck_channels = 256;   ///< 0: no neck, a final norm instead

  template <class V> void visit_fields(V& v) {
    v.field("in_channels", in_channels, "3 RGB, 1 gray", {.min = 1, .max = 3});
    v.field("patch_px", patch_px, "side of a patch in pixels", {.min = 1});
    v.field("stem", stem, "patch embedding or convolutions", {.choices = {"patch", "conv"}});
    v.field("stem_widths", stem_widths, "conv stem: channels at 1/4 and 1/8 of the side", {.min = 1});
    v.field("stem_blocks", stem_blocks, "conv stem: residual blocks at 1/8 of the side", {.min = 0});
    v.field("width", width, "width of the tower", {.min = 1});
    v.field("depth", depth, "number of blocks", {.min = 0});
    v.field("heads", heads, "attention heads", {.min = 1});
    v.field("mlp_width", mlp_width, "hidden width of the MLP", {.min = 1});
    v.field("window", window, "side of an attention window in patches", {.min = 1});
    v.field("global_layers", global_layers, "blocks that attend over the whole page", {.min = 0});
    v.field("native_grid", native_grid, "patch grid side of the stored position tables", {.min = 1});
    v.field("norm", norm, "layer or rms norm", {.choices = {"layer", "rms"}});
    v.field("norm_eps", norm_eps, "epsilon of the norms", {.min = 0});
    v.field("bias", bias, "biases in attention and MLP");
    v.field("absolute_positions", absolute_positions, "learned absolute positions");
    v.field("relative_positions", relative_positions, "decomposed relative positions");
    v.field("rotary", rotary, "two-axis rotary positions");
    v.field("qk_norm", qk_norm, "normalised queries and keys with a learned gain");
    v.field("neck_channels", neck_channels, "channels of the convolutional neck, 0 for none", {.min = 0});
  }
};

/// Names of all compressors, in the order of the table in src/compressor.cpp.
std::vector<std::string> compressor_kinds();

/// Patch grid in, fewer tokens out. What each kind does: core/vision/README.md.
struct CompressorConfig {
  std::string kind = "conv";     ///< one of compressor_kinds(); conv is the paper's
  std::vector<int64_t> channels = {512, 1024};  ///< one entry a step of 4, the last is the token's width; none: no entry
  std::string activation = "none";  ///< between the convolutions: none | gelu
  bool bias = false;
  int64_t depth = 2;             ///< queries: layers of cross-attention
  int64_t layers = 0;            ///< conv: layers of attention and MLP over the grid before the last step, in heads of 64

  template <class V> void visit_fields(V& v) {
    v.field("kind", kind, "how patches become tokens", {.choices = compressor_kinds()});
    v.field("channels", channels, "channels after each step of 4", {.min = 1});
    v.field("activation", activation, "conv: between the steps", {.choices = {"none", "gelu"}});
    v.field("bias", bias, "biases of the projections");
    v.field("depth", depth, "queries: layers of cross-attention", {.min = 1});
    v.field("layers", layers, "conv: layers of attention and MLP before the last step", {.min = 0});
  }
};

/// The global tower on the compressed tokens (CLIP-large).
struct ClipConfig {
  int64_t width = 1024;
  int64_t depth = 24;
  int64_t heads = 16;
  int64_t mlp_width = 4096;
  int64_t native_grid = 16;      ///< token grid side that the position table is stored for
  std::string position_resize = "bicubic";  ///< other grids: bicubic (antialiased) | crop (top-left part)
  bool class_token = true;
  bool unused_patch_embedding = true;  ///< the checkpoint's patch_embedding, never used in the forward pass
  bool input_norm = true;        ///< pre_layrnorm
  std::string norm = "layer";
  double norm_eps = 1e-5;
  std::string activation = "quick_gelu";
  bool bias = true;
  bool rotary = false;
  bool qk_norm = false;

  template <class V> void visit_fields(V& v) {
    v.field("width", width, "width of the tower", {.min = 1});
    v.field("depth", depth, "number of layers", {.min = 0});
    v.field("heads", heads, "attention heads", {.min = 1});
    v.field("mlp_width", mlp_width, "hidden width of the MLP", {.min = 1});
    v.field("native_grid", native_grid, "token grid side of the stored position table", {.min = 1});
    v.field("position_resize", position_resize, "positions of other grids", {.choices = {"bicubic", "crop"}});
    v.field("class_token", class_token, "a class token in front (its output is dropped)");
    v.field("unused_patch_embedding", unused_patch_embedding, "hold the checkpoint's unused patch embedding");
    v.field("input_norm", input_norm, "norm before the first layer");
    v.field("norm", norm, "layer or rms norm", {.choices = {"layer", "rms"}});
    v.field("norm_eps", norm_eps, "epsilon of the norms", {.min = 0});
    v.field("activation", activation, "MLP activation", {.choices = {"gelu", "quick_gelu"}});
    v.field("bias", bias, "biases in attention and MLP");
    v.field("rotary", rotary, "two-axis rotary positions");
    v.field("qk_norm", qk_norm, "normalised queries and keys with a learned gain");
  }
};

struct EncoderConfig {
  SamConfig sam;
  CompressorConfig compressor;
  ClipConfig clip;
  std::string pixels = "signed";  ///< signed: (x/255 - 0.5)/0.5; ink: 1 - x/255, so that empty paper is 0
  bool projector_bias = true;
  bool output_norm = false;       ///< weightless RMS norm on the vision tokens
  int64_t token_width = 0;        ///< width of a vision token as it is kept (saved, counted in bits); 0: the decoder's. Narrower ones are widened before the decoder
  std::string token_form = "none";  ///< numbers of a kept token are rounded already in training (token_form.h): none | int8 | int4 | binary

  template <class V> void visit_fields(V& v) {
    v.field("sam", sam, "windowed tower");
    v.field("compressor", compressor, "compressor");
    v.field("clip", clip, "global tower");
    v.field("pixels", pixels, "pixel scaling", {.choices = {"signed", "ink"}});
    v.field("projector_bias", projector_bias, "bias of the projector");
    v.field("output_norm", output_norm, "RMS norm on the vision tokens");
    v.field("token_width", token_width, "width of a vision token as it is kept, 0 the decoder's", {.min = 0});
    v.field("token_form", token_form, "rounding of a kept vision token's numbers, in training too", {.choices = {"none", "int8", "int4", "binary"}});
  }

  /// Patches a side of one vision token: 4 for the 16x compressor.
  int64_t patches_per_token_side() const { return int64_t(1) << compressor.channels.size(); }
  /// Pixels of a page side a vision token covers: 64.
  int64_t stride_px() const { return sam.patch_px * patches_per_token_side(); }
};

/// Checks rules and divisibility. Errors: ConfigError listing all problems.
void validate(const EncoderConfig& config);

}  // namespace fovea::vision

#include "fovea/vision/encoder.h"

#include <cmath>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/cuda/ops.h"
#include "fovea/vision/token_form.h"

namespace fovea::vision {

void validate(const EncoderConfig& c) {
  std::vector<std::string> problems;
  detail::Validate visitor{"", problems};
  const_cast<EncoderConfig&>(c).visit_fields(visitor);
  const auto require = [&](bool holds, const std::string& what) { if (!holds) problems.push_back(what); };
  require(c.sam.width % std::max<int64_t>(1, c.sam.heads) == 0, "sam.heads must divide sam.width");
  require(c.clip.width % std::max<int64_t>(1, c.clip.heads) == 0, "clip.heads must divide clip.width");
  require(c.sam.stem != "conv" || c.sam.stem_widths.size() == 2, "sam.stem_widths must have two entries for a conv stem");
  require(c.sam.stem != "conv" || c.sam.patch_px == 16, "sam.patch_px must be 16 for a conv stem");
  require(c.compressor.channels.empty() == (c.compressor.kind == "none"), "compressor.channels must have an entry a step of 4, and none for kind none");
  require(c.compressor.layers == 0 || (c.compressor.kind == "conv" && c.compressor.channels.size() > 1 && c.compressor.channels[c.compressor.channels.size() - 2] % 64 == 0),
          "compressor.layers must be 0, or the kind conv with two steps or more and the channels before the last a multiple of 64");
  for (int64_t layer : c.sam.global_layers)
    require(layer < c.sam.depth, "sam.global_layers must be below sam.depth, got " + std::to_string(layer));
  if (!problems.empty()) fovea::detail::throw_problems("EncoderConfig", problems);
}

DeepEncoderImpl::DeepEncoderImpl(const EncoderConfig& c, int64_t decoder_width, const nn::Factory& factory, int64_t normed_width)
    : config(c), normed_width_(normed_width > 0 ? normed_width : decoder_width) {
  validate(c);
  sam_model = register_module("sam_model", SamEncoder(c.sam, factory));
  compressor = register_module("compressor", make_compressor(c.compressor, sam_model->out_channels(), factory));
  const int64_t channels = compressor->out_channels();
  vision_model = register_module("vision_model", ClipEncoder(c.clip, channels, factory));
  projector = register_module("projector", Projector(c.clip.width + channels, decoder_width, c.projector_bias, factory));
  image_newline = register_parameter("image_newline", factory.empty({decoder_width}));
  view_seperator = register_parameter("view_seperator", factory.empty({decoder_width}));
  if (c.token_width > 0) {
    token_narrow = register_module("token_narrow", nn::Linear(decoder_width, c.token_width, false, factory));
    token_widen = register_module("token_widen", nn::Linear(c.token_width, decoder_width, false, factory));
  }
}

at::Tensor DeepEncoderImpl::patches(const at::Tensor& pixels) {
  if (pixels.dim() != 4 || pixels.size(2) % config.stride_px() != 0)
    throw ShapeError("[DeepEncoder] the page side must be a multiple of " + std::to_string(config.stride_px()) + " px, got " +
                     c10::str(pixels.sizes()));
  return sam_model(pixels);
}

EncoderOutput DeepEncoderImpl::forward(const at::Tensor& pixels) { return from_patches(patches(pixels)); }

EncoderOutput DeepEncoderImpl::from_patches(const at::Tensor& patches) {
  const int64_t batch = patches.size(0), grid = patches.size(2) / config.patches_per_token_side();
  EncoderOutput out;
  out.patches = patches;
  const auto local = compressor->forward(out.patches).flatten(2).transpose(1, 2);  // [B, g*g, C]
  const auto global = vision_model(local, grid);                                   // [B, g*g, D_clip]
  out.tokens = normed(projector(at::cat({global, local}, -1)));
  out.kept = narrowed(out.tokens);
  out.tokens = widened(out.kept);
  const int64_t width = out.kept.size(2);
  out.sequence = at::cat({with_row_separators(out.kept.view({batch, grid, grid, width}), narrowed(image_newline)), narrowed(view_seperator).expand({batch, 1, width})}, 1);
  return out;
}

at::Tensor DeepEncoderImpl::normed(const at::Tensor& tokens) const {
  if (!config.output_norm) return tokens;
  const int64_t width = tokens.size(-1);
  if (normed_width_ == width) return cuda::rms_norm(tokens, {}, 1e-6);
  return at::cat({cuda::rms_norm(tokens.narrow(-1, 0, normed_width_).contiguous(), {}, 1e-6), tokens.narrow(-1, normed_width_, width - normed_width_)}, -1);
}

at::Tensor DeepEncoderImpl::narrowed(const at::Tensor& x) const {
  return rounded_tokens(token_narrow ? cuda::rms_norm(token_narrow(x), {}, 1e-6) : x, config.token_form);
}

at::Tensor DeepEncoderImpl::widened(const at::Tensor& kept) const {
  if (!token_widen) return kept;
  return normed(token_widen(kept));
}

int64_t DeepEncoderImpl::kept_width() const { return token_narrow ? config.token_width : image_newline.size(0); }

at::Tensor with_row_separators(const at::Tensor& tokens, const at::Tensor& separator) {
  const int64_t batch = tokens.size(0), height = tokens.size(1), width = tokens.size(2), channels = tokens.size(3);
  return at::cat({tokens, separator.expand({batch, height, 1, channels})}, 2).reshape({batch, height * (width + 1), channels});
}

at::Tensor DeepEncoderImpl::sequence(const at::Tensor& global, const at::Tensor& tiles, int64_t rows, int64_t columns) const {
  const auto side_of = [](int64_t tokens) {
    const int64_t side = std::llround(std::sqrt(double(tokens)));
    if (side * side != tokens) throw ShapeError("[DeepEncoder.sequence] a view must have a square number of vision tokens, got " + std::to_string(tokens));
    return side;
  };
  if (global.dim() != 2 || (tiles.defined() && (tiles.dim() != 3 || tiles.size(0) != rows * columns || tiles.size(2) != global.size(1))))
    throw ShapeError("[DeepEncoder.sequence] needs global [g*g, W] and tiles [" + std::to_string(rows) + " * " + std::to_string(columns) + ", t*t, W], got " +
                     c10::str(global.sizes()) + (tiles.defined() ? " and " + c10::str(tiles.sizes()) : std::string()));
  const int64_t g = side_of(global.size(0)), width = global.size(1);
  const auto newline = narrowed(image_newline);
  std::vector<at::Tensor> parts;
  if (tiles.defined()) {
    const int64_t t = side_of(tiles.size(1));
    const auto mosaic = tiles.view({rows, columns, t, t, width}).permute({0, 2, 1, 3, 4}).reshape({1, rows * t, columns * t, width});
    parts.push_back(with_row_separators(mosaic, newline)[0]);
  }
  parts.push_back(with_row_separators(global.view({1, g, g, width}), newline)[0]);
  parts.push_back(narrowed(view_seperator).unsqueeze(0).to(global.scalar_type()));
  return at::cat(parts, 0);
}

at::Tensor pixels_from_bytes(const at::Tensor& bytes, const EncoderConfig& config, at::ScalarType dtype) {
  const auto unit = bytes.to(at::kFloat) / 255.0;
  const auto scaled = config.pixels == "ink" ? 1.0 - unit : (unit - 0.5) / 0.5;
  return scaled.to(dtype);
}

at::Tensor bytes_from_images(const std::vector<const Image*>& images, const EncoderConfig& config) {
  if (images.empty()) throw ShapeError("[encode] needs at least one page");
  const int64_t channels = config.sam.in_channels, side = images[0]->width_px;
  for (const Image* image : images)
    if (image->width_px != side || image->height_px != side || side % config.stride_px() != 0)
      throw ShapeError("[encode] pages must be square, of one size, with a side that is a multiple of " +
                       std::to_string(config.stride_px()) + " px, got " + std::to_string(image->width_px) + " x " +
                       std::to_string(image->height_px));
  auto bytes = at::empty({int64_t(images.size()), channels, side, side}, at::kByte);
  const size_t plane = size_t(side) * size_t(side);
  for (size_t i = 0; i < images.size(); ++i) {
    uint8_t* out = bytes.data_ptr<uint8_t>() + i * plane * size_t(channels);
    const Image& image = *images[i];
    for (int64_t c = 0; c < channels; ++c, out += plane) {
      if (image.channels == 1) {
        std::memcpy(out, image.pixels.data(), plane);
      } else {
        for (size_t p = 0; p < plane; ++p) {
          const uint8_t* rgb = image.pixels.data() + 3 * p;
          out[p] = channels == 3 ? rgb[c] : uint8_t((rgb[0] + rgb[1] + rgb[2]) / 3);
        }
      }
    }
  }
  return bytes;
}

}  // namespace fovea::vision

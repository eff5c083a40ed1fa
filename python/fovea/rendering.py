"""Drawing pages: one, many at once, with maps to vision tokens, degraded. Everything is drawn by the C++ renderer."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.utils.data

from fovea import _C

StyleLike = Any  # Style, StyleSheet, name of a style that ships, path of a TOML file, dict of fields, or None


@functools.cache
def renderer() -> _C.Renderer:
    """The renderer of this process: its caches of words and glyphs are shared by all threads, and by children that fork."""
    return _C.Renderer()


def style_sheet(style: StyleLike = None, **fields: Any) -> _C.StyleSheet:
    """Style, fit and degradations of anything that names a style; keywords are fields of StyleSheet set over it.

    size_px is short for font_size_px, leading for line_pitch_px, side_px for width_px and height_px.
    """
    if isinstance(style, _C.StyleSheet):
        sheet = _C.StyleSheet(**style.to_dict())
    elif isinstance(style, _C.Style):
        sheet = _C.StyleSheet(**style.to_dict())
    elif isinstance(style, (str, os.PathLike)):
        sheet = _C.load_style(os.fspath(style))
    else:
        sheet = _C.StyleSheet(**(dict(style) if style else {}))
    for short, names in {"size_px": ("font_size_px",), "leading": ("line_pitch_px",), "side_px": ("width_px", "height_px")}.items():
        if (value := fields.pop(short, None)) is not None:
            fields.update(dict.fromkeys(names, value))
    sheet.update(fields)
    return sheet


def _style_of(sheet: _C.StyleSheet) -> _C.Style:
    fields = sheet.to_dict()
    fields.pop("fit")
    fields.pop("degrade")
    return _C.Style(**fields)


def _fitted(text: Any, sheet: _C.StyleSheet, given: dict[str, Any], style: StyleLike, token_end: Sequence[int]) -> tuple[_C.Style, Any]:
    if isinstance(text, _C.StyledText):
        if sheet.fit.size != "given":
            raise _C.ConfigError("[render] fit measures plain text; name a font_size_px for a StyledText")
        return _style_of(sheet), text
    sized = {"font_size_px", "font_size_pt", "size_px", "fit"} & given.keys()
    if style is None and not sized and text.strip():
        resolved = _style_of(sheet)
        try:
            resolved.font_size_px = renderer().fit_font_size(text, resolved, max_px=max(12.0, resolved.width_px / 20))
        except _C.RenderError as error:
            raise _C.RenderError(f"{error}; name a size_px to cut the text") from None
        return resolved, text
    resolved, num_bytes = _C.fitted_style(renderer(), text, sheet, list(token_end))
    return resolved, text if num_bytes == len(text.encode()) else text.encode()[:num_bytes].decode()


def render(text: str | _C.StyledText, style: StyleLike = None, *, token_end: Sequence[int] = (), **fields: Any) -> _C.Page:
    """Draws a page. Without a style and a font size: at the largest size at which the whole text fits, up to a 20th of the width.

    text       a text, or a StyledText (see styled)
    style      a Style or StyleSheet, the name of a style that ships ("glyph"), a TOML file, or a dict of fields
    fields     fields of StyleSheet set over it: font="Noto Serif", degrade={"jpeg_quality": 30}, fit={"size": "largest"};
               size_px is short for font_size_px, side_px for width and height, leading for line_pitch_px
    token_end  byte offsets at which each text token ends, for fit={"size": "tokens"}
    """
    sheet = style_sheet(style, **fields)
    resolved, text = _fitted(text, sheet, fields, style, token_end)
    page = renderer().render(text, resolved)
    return degrade(page, sheet.degrade) if _degrades(sheet) else page


def render_pages(text: str | _C.StyledText, style: StyleLike = None, *, max_pages: int | None = None, **fields: Any) -> list[_C.Page]:
    """All pages of a text; each goes on where the one before it ends. page.byte_begin is the place of its text in the whole."""
    sheet = style_sheet(style, **{"overflow": "continue", **fields})
    pages = renderer().render_pages(text, _style_of(sheet), **({} if max_pages is None else {"max_pages": max_pages}))
    return [degrade(page, sheet.degrade, index=i) for i, page in enumerate(pages)] if _degrades(sheet) else pages


def render_channels(texts: Sequence[str], style: StyleLike = None, **fields: Any) -> _C.Page:
    """Three texts on one RGB page, each in a colour channel of its own; page.chars["channel"] tells them apart."""
    if len(texts) != 3:
        raise _C.ConfigError(f"[render_channels] texts must be three, for red, green and blue, got {len(texts)}")
    return renderer().render_channels(list(texts), _style_of(style_sheet(style, **fields)))


def _degrades(sheet: _C.StyleSheet) -> bool:
    asked, neutral = sheet.degrade.to_dict(), _C.Degradations().to_dict()
    passive = {"seed", "probability", "vary", "shrink_to_fit", "occlusion_patches", "motion_blur_degrees"}
    return any(asked[name] != neutral[name] for name in asked if name not in passive)


def render_batch(
    texts: Iterable[str], style: StyleLike = None, out: Any = None, num_threads: int = 0, *, maps: bool = False, first_index: int = 0, **fields: Any
) -> Any:
    """Draws texts[i] into out[i], on threads and without the GIL; no page is copied on its way.

    out          uint8 [n, height, width] (or [n, height, width, 3]), NumPy array or torch tensor on the CPU; made (NumPy) if left out
    num_threads  0: one a core
    maps         returns (out, pages): pages without pixels, with chars, lines and report
    first_index  number of the first page: degradations of page i follow from the seed and first_index + i
    """
    texts = list(texts)
    sheet = style_sheet(style, **fields)
    if out is None:
        height, width, channels = _C.batch_shape(sheet)
        out = np.empty((len(texts), height, width) if channels == 1 else (len(texts), height, width, channels), np.uint8)
    array = out.numpy() if isinstance(out, torch.Tensor) else out
    if not isinstance(array, np.ndarray):
        raise TypeError(f"out must be a NumPy array or a torch tensor, got {type(out).__name__}")
    pages = _C.render_batch(renderer(), texts, sheet, array, num_threads, first_index, maps)
    return (out, pages) if maps else out


class PageStream(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """Pages for torch.utils.data.DataLoader. Workers share the texts out among them; they may fork or spawn.

        loader = DataLoader(fovea.PageStream(texts, "dense", degrade={"noise": 5, "vary": 1}), batch_size=16, num_workers=4)
        for batch in loader:
            batch["pixels"], batch["index"], batch["text"]   # uint8 [16, height, width], int64 [16], 16 texts

    Each page depends on its text, its place in `texts`, style and seed alone, not on the number of workers. texts may be any iterable that
    can be gone through anew; a generator is gone through once, and with workers each of them needs its own (pass a list).
    """

    def __init__(self, texts: Iterable[str], style: StyleLike = None, **fields: Any) -> None:
        super().__init__()
        self.texts = texts
        self.sheet = style_sheet(style, **fields).to_dict()  # plain data: workers that spawn get it pickled
        self.shape = tuple(_C.batch_shape(_C.StyleSheet(**self.sheet)))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = torch.utils.data.get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        sheet = _C.StyleSheet(**self.sheet)
        height, width, channels = self.shape
        for index, text in itertools.islice(enumerate(self.texts), first, None, step):
            pixels = torch.empty((1, height, width) if channels == 1 else (1, height, width, channels), dtype=torch.uint8)
            _C.render_batch(renderer(), [text], sheet, pixels.numpy(), 1, index, False)
            yield {"pixels": pixels[0], "index": index, "text": text}


def styled(*pieces: str | tuple[str, dict[str, Any]]) -> _C.StyledText:
    """A StyledText from pieces: plain texts, and (text, attributes) with the fields of TextSpan.

    fovea.styled("Read the ", ("red", {"color": "#cc0000", "bold": True}), " word.")
    """
    text, spans = b"", []
    for piece in pieces:
        words, attributes = (piece, {}) if isinstance(piece, str) else piece
        begin = len(text)
        text += words.encode()
        if attributes:
            span = _C.TextSpan()
            span.byte_begin, span.byte_end = begin, len(text)
            for name, value in attributes.items():
                if not hasattr(span, name):
                    raise _C.ConfigError(f"[styled] a span has no '{name}'")
                setattr(span, name, value)
            spans.append(span)
    return _C.StyledText(text.decode(), spans)


def degrade(page: Any, degradations: _C.Degradations | dict[str, Any] | None = None, *, index: int = 0, report: bool = False, **fields: Any) -> Any:
    """A degraded copy of a Page, its map moved along; of a uint8 array, an Image. Keywords are the fields of Degradations.

    index   of the page in its batch: pages differ under one seed
    report  returns (copy, DegradeReport): steps with the amounts drawn, homography, what was cut off or hidden
    """
    config = degradations if isinstance(degradations, _C.Degradations) else _C.Degradations(**(degradations or {}))
    if fields:
        config = _C.Degradations(**{**config.to_dict(), **fields})
    result = _C.degrade_page(page, config, index) if isinstance(page, _C.Page) else _C.degrade_image(np.asarray(page), config, index)
    return result if report else result[0]


def token_grids(page: Any, mode: str = "page", **view: Any) -> list[_C.TokenGrid]:
    """The grids of vision tokens that a page (or its (height, width)) is seen through: one, or tiles and view of the tiled modes."""
    height, width = page.shape if isinstance(page, _C.Page) else page[:2]
    return _C.token_grids(width, height, _C.ViewConfig(mode=mode, **view))


def map_page(page: _C.Page, mode: str = "page", *, text_tokens: Any = None, channel: int = -1, **view: Any) -> Any:
    """Where each character falls on patches and vision tokens: a GridMap, for tiled modes a list of them (tiles, view).

    text_tokens  byte offsets at which each text token of page.text ends; a Tokenizer; or True for DeepSeek's
    channel      of a page of render_channels; -1 all
    view         fields of ViewConfig: side_px, patch_px, token_px, ... with mode="custom"
    """
    if text_tokens is True:
        from fovea.api import deepseek_tokenizer

        text_tokens = deepseek_tokenizer()
    if isinstance(text_tokens, _C.Tokenizer):
        text_tokens = text_tokens.encode_with_offsets(page.text, False)[1]
    ends = [int(end) for end in text_tokens] if text_tokens is not None else []
    maps = [_C.map_page(page, grid, ends, channel) for grid in token_grids(page, mode, **view)]
    return maps[0] if len(maps) == 1 else maps


def draw_map(page: _C.Page, grid_map: _C.GridMap, layer: str | None = None, *, title: str = "", scale: int = 1) -> _C.Image:
    """A picture of a map: cuts, load and ink side by side, or the one layer that is named."""
    if layer is not None:
        return _C.draw_map_layer(page, grid_map, layer, scale, renderer())
    return _C.draw_map(page, grid_map, title or f"{grid_map.grid.num_tokens} vision tokens", scale, renderer())


def contact_sheet(pages: Sequence[Any], labels: Sequence[str] | None = None, *, columns: int = 4, cell_px: int = 360, title: str = "") -> _C.Image:
    """Pages (or uint8 arrays) small on one picture, a label above each."""
    names = list(labels) if labels is not None else [""] * len(pages)
    if len(names) != len(pages):
        raise _C.ConfigError(f"[contact_sheet] labels must be as many as pages, got {len(names)} for {len(pages)}")
    return _C.contact_sheet([(np.asarray(page), name) for page, name in zip(pages, names, strict=True)], columns, cell_px, title, renderer())


def save_pdf(pages: Sequence[_C.Page] | _C.Page, path: str | os.PathLike[str], dpi: float = 72.0) -> None:
    """Pages that were drawn with keep_draw_list=True as a PDF file with selectable text."""
    data = _C.to_pdf([pages] if isinstance(pages, _C.Page) else list(pages), dpi)
    temporary = f"{os.fspath(path)}.tmp{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)

"""Where the reader looked: decoder attention over vision tokens for each character that it read, as arrays and on the page.

    page = fovea.render(text, side_px=640, font_size_px=11)
    look = fovea.look(page)
    look.attention            # [characters, vision tokens] of the head that looks at what it reads, see look.head
    look.hit_rates()          # share of attention, and of largest attention, on the token whose patch holds the character
    look.figure()             # six characters with where they were looked for
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from fovea import _C


@dataclasses.dataclass
class Look:
    """attention_all [layers, heads, tokens, vision tokens]; characters are those of the text that was read."""

    page: Any                   # Page, or uint8 array
    text: str
    ids: list[int]
    grid: tuple[int, int]       # rows, columns of the page's own view
    num_mosaic: int             # vision tokens of tiles, which stand before those of the page's view
    layers: list[int]
    attention_all: np.ndarray
    separators: np.ndarray
    on_text: np.ndarray
    token_of_char: np.ndarray   # which token says each character of the text
    truth_cell: np.ndarray      # vision token under the character of the page that it was read from; -1: none (added, misread, no ink)
    head: tuple[int, int] | None = None  # (layer, head) that `attention` shows; None: mean of all

    @property
    def attention(self) -> np.ndarray:
        """float32 [characters, vision tokens], of `head` or the mean of all."""
        return self._of(self.head)[self.token_of_char]

    def _of(self, head: tuple[int, int] | None) -> np.ndarray:
        if head is None:
            return self.attention_all.mean((0, 1))
        return self.attention_all[self.layers.index(head[0]), head[1]]

    def judged(self) -> np.ndarray:
        """Characters that hit rates judge: the first that a token says (it is looked for once, as a whole), where the page holds it."""
        if not len(self.token_of_char):
            return np.zeros(0, int)
        first = np.concatenate([[True], self.token_of_char[1:] != self.token_of_char[:-1]])
        return np.nonzero(first & (self.truth_cell >= 0))[0]

    def hit_rates(self) -> list[dict[str, Any]]:
        """One row a layer and head, best first: largest (share of characters whose own token got the most attention), near (it or one of the eight
        around it did), mass (mean share of the attention on vision tokens that the own token got), page (mean attention on vision tokens at all).
        """
        tokens, cells = self.token_of_char[self.judged()], self.truth_cell[self.judged()]
        rows = []
        for slot, layer in enumerate(self.layers):
            for head in range(self.attention_all.shape[1]):
                a = self.attention_all[slot, head][tokens][:, self.num_mosaic :]
                if not len(a):
                    rows.append({"layer": layer, "head": head, "largest": float("nan"), "near": float("nan"), "mass": float("nan"), "page": float("nan"), "num_characters": 0})
                    continue
                found = a.argmax(1)
                apart = np.maximum(abs(found // self.grid[1] - cells // self.grid[1]), abs(found % self.grid[1] - cells % self.grid[1]))
                whole = np.maximum(a.sum(1), 1e-12)
                rows.append(
                    {"layer": layer, "head": head, "largest": float((apart == 0).mean()), "near": float((apart <= 1).mean()),
                     "mass": float((a[np.arange(len(a)), cells] / whole).mean()), "page": float(self.attention_all[slot, head][tokens].sum(1).mean()), "num_characters": len(a)}
                )
        return sorted(rows, key=lambda row: (-row["largest"] if row["largest"] == row["largest"] else 1.0, row["layer"], row["head"]))

    def overlay(self, character: int) -> np.ndarray:
        """uint8 [height, width, 3]: the page, redder where the decoder looked as it said this character of the text."""
        gray = np.asarray(self.page)
        rgb = np.repeat(gray[..., None], 3, 2).astype(float) if gray.ndim == 2 else gray.astype(float)
        weights = self.attention[character][self.num_mosaic :].reshape(self.grid)
        weights = weights / max(float(weights.max()), 1e-12)
        height, width = gray.shape[:2]
        rows, columns = np.arange(height) * self.grid[0] // height, np.arange(width) * self.grid[1] // width
        heat = weights[rows][:, columns][..., None]
        tint = np.array([230.0, 60.0, 20.0])
        return (rgb * (1 - 0.55 * heat) + np.minimum(rgb, tint) * 0.55 * heat).astype(np.uint8)

    def figure(self, count: int = 6) -> Any:
        """Characters evenly spread over the text: where the decoder looked, and a box around the vision token that holds the character."""
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        candidates = [int(i) for i in self.judged()] or list(range(len(self.text)))
        chosen = [candidates[round((k + 0.5) * len(candidates) / count - 0.5)] for k in range(min(count, len(candidates)))]
        columns = min(3, max(1, len(chosen)))
        rows = -(-len(chosen) // columns) or 1
        figure = Figure(figsize=(3.6 * columns, 3.9 * rows), layout="constrained")
        for axes in (all_axes := figure.subplots(rows, columns, squeeze=False).ravel()):
            axes.set_axis_off()
        for axes, i in zip(all_axes, chosen, strict=False):
            picture = self.overlay(i)
            axes.imshow(picture)
            if self.truth_cell[i] >= 0:
                h, w = picture.shape[0] / self.grid[0], picture.shape[1] / self.grid[1]
                r, c = divmod(int(self.truth_cell[i]), self.grid[1])
                axes.add_patch(Rectangle((c * w, r * h), w, h, fill=False, edgecolor="#0072B2", linewidth=1.8))
            before, after = self.text[max(0, i - 12) : i].replace("\n", " "), self.text[i + 1 : i + 9].replace("\n", " ")
            axes.set_title(f"…{before}[{self.text[i]}]{after}…", fontsize=9, parse_math=False)
        name = f"layer {self.head[0]}, head {self.head[1]}" if self.head else "mean of all heads"
        figure.suptitle(f"Where the decoder looked ({name}); blue: where the character stands", fontsize=10)
        return figure


def _token_of_char(text: str, ends: list[int]) -> np.ndarray:
    """The token that holds the first byte of each character."""
    begins = np.cumsum([0] + [len(c.encode()) for c in text])[:-1]
    return np.minimum(np.searchsorted(np.asarray(ends), begins, side="right"), len(ends) - 1)


def _cells(page: Any, text: str, grid: tuple[int, int]) -> np.ndarray:
    """Vision token under the ink of the page's character that each character of the text was read from, -1 without one."""
    out = np.full(len(text), -1)
    if not isinstance(page, _C.Page):
        return out
    height, width = np.asarray(page).shape[:2]
    source = page.text
    boxes = page.boxes
    script = _C.score_text(source, text).script
    kept_source, kept_text = _C.normalized_to_source(source), _C.normalized_to_source(text)
    for kind, at, read, length in script:
        if kind != "match":
            continue
        for i in range(length):
            x0, y0, x1, y1 = (int(v) for v in boxes[kept_source[at + i]])
            if x1 > x0 and y1 > y0:
                row, column = (y0 + y1) * grid[0] // (2 * height), (x0 + x1) * grid[1] // (2 * width)
                out[kept_text[read + i]] = min(row, grid[0] - 1) * grid[1] + min(column, grid[1] - 1)
    return out


def look(page: Any, model: Any = None, *, reading: _C.Reading | None = None, tokens: Any = None, layers: list[int] | None = None, prompt: str = "", device: str = "cpu", **generate: Any) -> Look:
    """Reads a page (or takes a finished reading of it) and goes through the text once more with attention kept.

    page     fovea.Page (then hit rates can be told: it knows where its characters are), or a uint8 array
    reading  of an earlier Reader.decode of `tokens`
    layers   decoder layers from 0; all where None
    Errors: as Reader.encode, Reader.decode and look_back (ConfigError, ShapeError).
    """
    from fovea.api import reader as load_reader

    reader = load_reader(model, device)
    tokens = tokens if tokens is not None else reader.encode([page])[0]
    if reading is None:
        reading = reader.decode([tokens], prompt=prompt, **generate)[0] if prompt else reader.decode([tokens], **generate)[0]
    if not reading.ids:
        raise _C.ConfigError("[look] nothing was read from the page: there is no character to look for")
    found = _C.look_back(reader, tokens, list(reading.ids), list(layers or []), prompt)
    grid = (tokens.rows, tokens.columns)
    out = Look(
        page, reading.text, list(reading.ids), grid, found["attention"].shape[-1] - grid[0] * grid[1], list(found["layers"]), found["attention"], found["separators"], found["text"],
        _token_of_char(reading.text, list(found["token_bytes"])), _cells(page, reading.text, grid),
    )
    rates = out.hit_rates()
    if rates and rates[0]["num_characters"]:
        out.head = (rates[0]["layer"], rates[0]["head"])
    return out

"""What was misread: glyph pairs, places on the page, texts with their errors marked. Edit scripts come from the C++ library."""

from __future__ import annotations

import collections
import dataclasses
import html
from collections.abc import Callable
from typing import Any

import numpy as np

from fovea import _C
from fovea.report.runs import Run, Series

GRID = 10  # cells of the heat map, a side


@dataclasses.dataclass
class PageErrors:
    """Edits of a page over its text with white space as single spaces. wrong[i]: is character i substituted or lost, or something put before it?"""

    reference: str
    reading: str
    script: list[tuple[str, int, int, int]]
    wrong: np.ndarray


def page_errors(reference: str, reading: str) -> PageErrors:
    score = _C.score_text(reference, reading)
    a, b = _C.normalize_space(reference), _C.normalize_space(reading)
    wrong = np.zeros(len(a), bool)
    for kind, at, _, length in score.script:
        if kind in ("substitute", "delete"):
            wrong[at : at + length] = True
        elif kind == "insert" and len(a):
            wrong[min(at, len(a) - 1)] = True
    return PageErrors(a, b, score.script, wrong)


def show(text: str) -> str:
    return {" ": "␣", "": "∅"}.get(text, text)


@dataclasses.dataclass
class Pair:
    count: int = 0
    alone: int = 0     # between two characters that were read right
    example: str = ""  # HTML


class Confusions:
    """Pairs (character on the page, character read) of all pages given; one of them is empty where something was added or lost."""

    def __init__(self) -> None:
        self.pairs: dict[tuple[str, str], Pair] = collections.defaultdict(Pair)
        self.shown: collections.Counter[str] = collections.Counter()
        self.num_errors = 0

    def add(self, page: PageErrors) -> None:
        self.shown.update(page.reference)
        for kind, at, read, length in page.script:
            if kind == "match":
                continue
            for i in range(length):
                a = page.reference[at + i] if kind != "insert" else ""
                b = page.reading[read + i] if kind != "delete" else ""
                pair = self.pairs[a, b]
                pair.count += 1
                self.num_errors += 1
                begin, end = (at, at) if kind == "insert" else (at + i, at + i + 1)
                alone = length == 1 and not page.wrong[max(0, begin - 1) : begin].any() and not page.wrong[end + (kind == "insert") : end + 1 + (kind == "insert")].any()
                pair.alone += alone
                if not pair.example or (alone and pair.alone == 1):
                    before, after = page.reference[max(0, begin - 8) : begin], page.reference[end : end + 8]
                    mark = (f"<del>{html.escape(show(a))}</del>" if a else "") + (f"<ins>{html.escape(show(b))}</ins>" if b else "")
                    pair.example = f"{html.escape(before)}{mark}{html.escape(after)}"

    def most(self, count: int) -> list[tuple[str, str, Pair]]:
        """Largest first; equal ones by their characters, so that the order is always the same."""
        return [(a, b, pair) for (a, b), pair in sorted(self.pairs.items(), key=lambda item: (-item[1].count, item[0]))[:count]]


def _drawn_again(run: Run, line: dict[str, Any], reference: str) -> np.ndarray | None:
    """Middle of each character's cell as shares of the page [characters of the normalised text, 2], if drawing the page again gives its picture."""
    from PIL import Image

    style = (run.config.get("config") or run.manifest.get("config") or {}).get("style")
    path = run.folder_of(line) / "pages" / f"{line['page']}.png"
    if not isinstance(style, dict) or not line.get("font") or not line.get("font_size_px") or not path.is_file():
        return None
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))
    fields = {**style, "width_px": pixels.shape[1], "height_px": pixels.shape[0], "font": line["font"], "font_size_px": line["font_size_px"]}
    from fovea.rendering import renderer

    for text in (" ".join(reference.splitlines()), "".join(reference.splitlines())):
        try:
            page = renderer().render(text, _C.Style(**fields))
        except (_C.Error, ValueError, RuntimeError):
            return None
        drawn = np.asarray(page)
        if drawn.shape != pixels.shape or not np.array_equal(drawn, pixels):
            continue
        chars = page.chars
        x = (chars["cell_x0_px"].astype(float) + chars["cell_x1_px"]) / 2
        line_of = chars["line"].astype(int)
        y = (page.lines[line_of, 0].astype(float) + page.lines[line_of, 2]) / 2
        return np.stack([x / pixels.shape[1], y / pixels.shape[0]], 1)[_C.normalized_to_source(text)]
    return None


def _by_lines(reference: str) -> np.ndarray:
    """The same estimated from the text by visual lines: the widest line fills the page, all characters are as wide."""
    lines = reference.rstrip("\n").split("\n")
    width = max((len(line) for line in lines), default=1) or 1
    joined, places = [], []
    for number, line in enumerate(lines):
        for i, c in enumerate(line + "\n"):
            joined.append(c)
            places.append(((min(i, width - 1) + 0.5) / width, (number + 0.5) / len(lines)))
    return np.array(places).reshape(-1, 2)[_C.normalized_to_source("".join(joined))]


class Places:
    """Characters and errors by place in the page, on a grid; row 0 is the top."""

    def __init__(self) -> None:
        self.shown = np.zeros((GRID, GRID), int)
        self.wrong = np.zeros((GRID, GRID), int)
        self.num_exact = 0
        self.num_estimated = 0

    def add(self, run: Run, line: dict[str, Any], reference: str, page: PageErrors) -> None:
        places = _drawn_again(run, line, reference)
        exact = places is not None and len(places) == len(page.reference)
        if not exact:
            places = _by_lines(reference)
            if len(places) != len(page.reference):
                return
        self.num_exact += exact
        self.num_estimated += not exact
        cell = np.clip((places * GRID).astype(int), 0, GRID - 1)
        np.add.at(self.shown, (cell[:, 1], cell[:, 0]), 1)
        np.add.at(self.wrong, (cell[:, 1], cell[:, 0]), page.wrong.astype(int))


def marked(page: PageErrors, reference: str) -> str:
    """The text as HTML, read right as it stands, lost or misread struck through, read instead or added underlined."""
    out: list[str] = []
    for kind, at, read, length in page.script:
        a, b = page.reference[at : at + length], page.reading[read : read + length]
        if kind == "match":
            out.append(html.escape(a))
            continue
        if kind != "insert":
            out.append(f"<del>{html.escape(a.replace(' ', '␣'))}</del>")
        if kind != "delete":
            out.append(f"<ins>{html.escape(b.replace(' ', '␣'))}</ins>")
    return "".join(out)


def facts(series: Series, line: dict[str, Any], texts: tuple[str, str] | None) -> dict[str, Any]:
    """Looped, cut off, empty, invented; from the line where it says so, else from the texts."""
    found = _C.reading_facts(*texts) if texts else {}
    stop = line.get("stop_reason")
    hallucination = line.get("hallucination_rate", found.get("hallucination_rate"))
    return {
        "looped": bool(line.get("looped", found.get("looped", False)) or stop == "loop"),
        "truncated": bool(line.get("truncated", found.get("truncated", False)) or stop == "length"),
        "empty": bool(line.get("empty", found.get("empty", False))),
        "hallucination_rate": float(hallucination) if hallucination is not None else None,
    }


@dataclasses.dataclass
class SeriesErrors:
    confusions: Confusions
    places: Places
    pages: list[tuple[dict[str, Any], dict[str, Any]]]  # line, facts
    num_without_text: int
    num_not_placed: int


def read_series(series: Series, max_pages: int, on_page: Callable[[], None]) -> SeriesErrors:
    """Edit scripts of every page; places of the first max_pages only (each of them is drawn again)."""
    out = SeriesErrors(Confusions(), Places(), [], 0, 0)
    for number, line in enumerate(series.lines):
        texts = series.run.text(line)
        out.pages.append((line, facts(series, line, texts)))
        if texts is None:
            out.num_without_text += 1
        else:
            page = page_errors(*texts)
            out.confusions.add(page)
            if number < max_pages:
                out.places.add(series.run, line, texts[0], page)
            else:
                out.num_not_placed += 1
        on_page()
    return out

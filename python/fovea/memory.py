"""Memory that fades: a conversation as pages, older pages in fewer vision tokens (the forgetting of arXiv 2510.18234, section 4).

    memory = fovea.Memory(budget=300)
    memory.add("user", "..."); memory.add("assistant", "...")
    memory.tokens()        # VisionTokens of every page, oldest first: what a decoder may be given
    memory.recall()        # what can still be read, page by page
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fovea import _C, api

TINY_SIDES = (640, 512, 384, 256)  # 100, 64, 36, 16 vision tokens: sides that reader-tiny was trained at
PUBLISHED_SIDES = (1280, 1024, 640, 512)  # Large, Base, Small, Tiny: 400, 256, 100, 64 vision tokens


@dataclass
class MemoryPage:
    """A page of the conversation and how it is kept now."""

    text: str
    turns: tuple[int, ...]  # numbers of the turns on it, a part of a turn included
    age: int = 0  # pages that came after it
    side_px: int = 0  # 0: forgotten
    num_vision_tokens: int = 0
    num_text_tokens: int = 0
    picture: Any = field(default=None, repr=False)
    tokens: dict[int, Any] = field(default_factory=dict, repr=False)  # by side


@dataclass
class Recalled:
    """A page as it can still be read."""

    page: MemoryPage
    text: str
    score: Any  # of text against page.text; None where the page is forgotten
    stop_reason: str

    def row(self) -> dict[str, Any]:
        """As the curve has it."""
        p = self.page
        return {"age_pages": p.age, "side_px": p.side_px, "vision_tokens": p.num_vision_tokens, "text_tokens": p.num_text_tokens,
                "ratio": p.num_text_tokens / p.num_vision_tokens if p.num_vision_tokens else float("inf"),
                "precision": self.score.precision if self.score else 0.0, "recall": self.score.recall if self.score else 0.0,
                "char_edit_distance": self.score.char_edit_distance if self.score else 1.0, "stop_reason": self.stop_reason}


class Memory:
    """Turns are drawn on pages of the largest side; a page that gets older is made smaller, picture first, and encoded again.

    budget          most vision tokens in all
    sides           of the pages in px, falling; by default those that the model knows
    font, font_size_px  of the pages at their largest side (8.5 px at 640 px holds some 900 text tokens)
    How old a page may be at each side follows from the budget: the sides are spread evenly over the ages, as slowly as the budget allows; where even
    the smallest side is too much for all, the oldest pages are forgotten (kept as side 0, named by recall).
    """

    def __init__(self, budget: int, *, model: Any = None, sides: Sequence[int] | None = None, font: str = "DejaVu Sans Mono", font_size_px: float | None = None,
                 device: str = "cpu", dtype: str = "auto") -> None:
        self.reader = api.reader(model, device, dtype)
        self.takes_prompt = self.reader.config.sequence == "begin-vision-prompt"
        self.sides = tuple(sides) if sides is not None else PUBLISHED_SIDES if self.takes_prompt else TINY_SIDES
        stride = self.reader.stride_px
        if not self.sides or list(self.sides) != sorted(set(self.sides), reverse=True) or any(s % stride or s < stride for s in self.sides):
            raise _C.ConfigError(f"[memory] sides must fall and be multiples of {stride} px, got {list(self.sides)}")
        self._cost = {side: (side // stride) ** 2 for side in self.sides} | {0: 0}
        if budget < self._cost[self.sides[-1]]:
            raise _C.ConfigError(f"[memory] budget must be at least the {self._cost[self.sides[-1]]} vision tokens of one page of {self.sides[-1]} px, got {budget}")
        self.budget = budget
        self.style = {"font": font, "font_size_px": font_size_px or self.sides[0] / 64, "width_px": self.sides[0], "height_px": self.sides[0]}
        self.turns: list[tuple[str, str]] = []
        self._closed: list[MemoryPage] = []
        self._open: list[tuple[int, str]] = []  # (turn, text) of what is on the newest page
        self._open_pages: list[MemoryPage] = []
        self._count = api.deepseek_tokenizer().count_tokens if api.deepseek_tokenizer_path() else self.reader.tokenizer.count_tokens

    def add(self, role: str, text: str) -> int:
        """One turn; its number is returned. Older pages fade as it needs room."""
        self.turns.append((role, text))
        number = len(self.turns) - 1
        self._open.append((number, f"{role}: {text}\n"))
        self._draw()
        self._fade()
        return number

    def _draw(self) -> None:
        from fovea.rendering import render_pages

        whole = "".join(text for _, text in self._open)
        starts, at = [], 0
        for number, text in self._open:
            starts.append((at, number))
            at += len(text.encode())
        drawn = render_pages(whole, **self.style)
        pages = []
        for page in drawn:
            begin, end = page.byte_begin, page.byte_begin + len(page.text.encode())
            numbers = tuple(n for i, (s, n) in enumerate(starts) if s < end and (starts[i + 1][0] if i + 1 < len(starts) else at) > begin)
            pages.append(MemoryPage(page.text.strip("\n"), numbers, num_text_tokens=self._count(page.text), picture=_C.image_from_array(page.pixels)))
        if len(drawn) > 1:  # all but the last are full
            self._closed += pages[:-1]
            begin = drawn[-1].byte_begin
            left, at = [], 0
            for number, text in self._open:
                raw = text.encode()
                if at + len(raw) > begin:
                    left.append((number, raw[max(0, begin - at) :].decode()))
                at += len(raw)
            self._open = left
        self._open_pages = pages[-1:]

    @property
    def pages(self) -> list[MemoryPage]:
        """Oldest first; the forgotten ones too."""
        return [*self._closed, *self._open_pages]

    def _sides_by_age(self, num: int) -> list[int]:
        """Side of a page by its age, newest first."""
        sides = [s for s in self.sides if self._cost[s] <= self.budget]
        for levels in (sides, [*sides, 0]):  # forgetting is the last resort
            for hundredths in range(100 * num, 9, -5):  # pages that stay at each side: as many as the budget allows
                found = [levels[min(len(levels) - 1, int(100 * age / hundredths))] for age in range(num)]
                if sum(self._cost[s] for s in found) <= self.budget:
                    return found
        return [sides[0], *[0] * (num - 1)]

    def _fade(self) -> None:
        pages = self.pages
        for age, (page, side) in enumerate(zip(reversed(pages), self._sides_by_age(len(pages)), strict=True)):
            if side and page.side_px and side > page.side_px:
                side = page.side_px  # what was lost does not come back
            if page.side_px == 0 and page.age > 0:
                side = 0
            page.age, page.side_px, page.num_vision_tokens = age, side, self._cost[side]
            if side and side != page.picture.pixels.shape[0]:
                page.picture = _C.resize_bicubic(page.picture, side, side)  # the finer picture is gone from here on
            elif not side:
                page.picture = None

    @property
    def num_vision_tokens(self) -> int:
        return sum(page.num_vision_tokens for page in self.pages)

    @property
    def num_text_tokens(self) -> int:
        return sum(page.num_text_tokens for page in self.pages)

    def tokens(self) -> list[Any]:
        """VisionTokens of every page that is not forgotten, oldest first; each page is encoded once a side."""
        wanted: dict[int, list[MemoryPage]] = {}
        for page in self.pages:
            if page.side_px and page.side_px not in page.tokens:
                wanted.setdefault(page.side_px, []).append(page)
        for side, some in wanted.items():
            made = self.reader.encode([page.picture for page in some])
            for page, tokens in zip(some, made, strict=True):
                page.tokens = {side: tokens}
        return [page.tokens[page.side_px] for page in self.pages if page.side_px]

    def recall(self, *, prompt: str = "", **generate: Any) -> list[Recalled]:
        """Every page read from its vision tokens, oldest first. Keywords are fields of GenerateConfig."""
        self.tokens()
        by_side: dict[int, list[MemoryPage]] = {}
        for page in self.pages:
            by_side.setdefault(page.side_px, []).append(page)
        found: dict[int, Recalled] = {}
        for side, some in by_side.items():
            if side == 0:
                found |= {id(page): Recalled(page, "", None, "forgotten") for page in some}
                continue
            readings = self.reader.decode([page.tokens[side] for page in some], prompt=prompt, **generate)
            for page, reading in zip(some, readings, strict=True):
                flat = (" ".join(page.text.split()), " ".join(reading.text.split()))
                found[id(page)] = Recalled(page, reading.text, _C.score_text(*flat), reading.stop_reason)
        return [found[id(page)] for page in self.pages]

    def __repr__(self) -> str:
        return f"<fovea.Memory {len(self.turns)} turns on {len(self.pages)} pages, {self.num_vision_tokens} of {self.budget} vision tokens for {self.num_text_tokens} text tokens>"


def turns_of(text: str, num_words: int = 80) -> list[tuple[str, str]]:
    """A text as a conversation: pieces of so many words, by turns of two speakers. For curves without a conversation at hand."""
    words = text.split()
    return [(("user", "assistant")[i // num_words % 2], " ".join(words[i : i + num_words])) for i in range(0, len(words), num_words)]


def memory_curve(turns: Iterable[tuple[str, str]], budget: int, out: str | os.PathLike[str] | None = None, *, on_turn: Callable[[int], None] | None = None,
                 generate: dict[str, Any] | None = None, **options: Any) -> list[dict[str, Any]]:
    """What is readable by age once the whole conversation is told: a row a page, newest first. With `out`: memory.csv and the figure as memory.svg, .png and .pdf there."""
    memory = Memory(budget, **options)
    for i, (role, text) in enumerate(turns):
        memory.add(role, text)
        if on_turn:
            on_turn(i + 1)
    rows = [found.row() for found in reversed(memory.recall(**(generate or {})))]
    if out is not None:
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        from fovea import figures

        figures.save(memory_figure(rows, memory), folder / "memory", rows)
    return rows


def memory_figure(rows: list[dict[str, Any]], memory: Memory) -> Any:
    """Words that are still read over age, a colour a side; bars below are the vision tokens of each page."""
    from matplotlib.figure import Figure

    from fovea.figures import COLOURS, MARKERS

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([r["age_pages"] for r in rows], [100 * r["recall"] for r in rows], color="0.7", linewidth=1, zorder=1)
    for i, side in enumerate([*memory.sides, 0]):
        some = [r for r in rows if r["side_px"] == side]
        if not some:
            continue
        label = f"{side} px, {some[0]['vision_tokens']} tokens" if side else "forgotten"
        ages = [r["age_pages"] for r in some]
        upper.scatter(ages, [100 * r["recall"] for r in some], color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], label=label, zorder=2)
        lower.bar(ages, [r["vision_tokens"] for r in some], color=COLOURS[i % len(COLOURS)])
    upper.set_ylabel("words still readable (%)")
    upper.set_ylim(-3, 103)
    upper.grid(True, alpha=0.3)
    upper.legend(frameon=False, fontsize=9, loc="lower left")
    upper.set_title(f"{memory.num_text_tokens} text tokens kept in {memory.num_vision_tokens} vision tokens (budget {memory.budget})", fontsize=11)
    lower.set_ylabel("vision tokens")
    lower.set_xlabel("age: pages of conversation since")
    return figure

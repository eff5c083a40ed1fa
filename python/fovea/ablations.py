"""Ablations from Python: run a grid, load its table, draw it."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.api import deepseek_tokenizer_path
from fovea.figures import COLOURS, MARKERS, log_ratio_axis


class Ablation:
    """A finished (or unfinished) ablation: its folder and the rows of table.csv."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each cell, kind of text and ratio; numbers as numbers."""
        return load_table(self.out / "table.csv")

    def figure(self, **options: Any) -> Any:
        """See ablation_figure."""
        return ablation_figure(self.rows, **options)


def load_table(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Rows of a table.csv, numbers as numbers."""

    def value(text: str) -> Any:
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
        return text

    with open(path, newline="", encoding="utf-8") as file:
        return [{key: value(text) for key, text in row.items()} for row in csv.DictReader(file)]


def ablate(grid: str | os.PathLike[str], out: str | os.PathLike[str] = "runs/ablate", *, on_progress: Any = None, **fields: Any) -> Ablation:
    """Trains and measures every unfinished cell of a grid (fields: those of AblateConfig). Raises if a cell failed; the others are kept."""
    config = _C.AblateConfig(grid=os.fspath(grid), out=os.fspath(out), **fields)
    os.environ.setdefault("FOVEA_DEEPSEEK_TOKENIZER", deepseek_tokenizer_path())
    result = _C.run_ablation(config, [sys.executable, "-m", "fovea"], on_progress)
    if result["num_failed"]:
        raise _C.Error(f"[ablate] {result['num_failed']} cells failed: {config.out}/manifest.json says which and why")
    return Ablation(out)


def _over_seeds(rows: Iterable[dict[str, Any]], metric: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Ratio, mean over seeds, low and high end: of the seeds' means where there are several, else of the pages' bootstrap."""
    ratios: dict[float, list[dict[str, Any]]] = {}
    for row in rows:
        ratios.setdefault(row["ratio_asked"], []).append(row)
    x, y, low, high = [], [], [], []
    for _, group in sorted(ratios.items()):
        x.append(sum(row["ratio_measured"] for row in group) / len(group))
        y.append(sum(row[metric] for row in group) / len(group))
        several = len(group) > 1
        low.append(min(row[metric] if several else row[f"{metric}_low"] for row in group))
        high.append(max(row[metric] if several else row[f"{metric}_high"] for row in group))
    return x, y, low, high


def ablation_figure(
    rows: list[dict[str, Any]], *, metric: str = "char_edit_distance", text_kinds: Iterable[str] = ("prose", "shuffled-words"), names: Iterable[str] | None = None, title: str = "",
) -> Any:
    """One panel a kind of text, one line a cell (seeds joined): metric against the ratio. Cells that are undertrained are dashed."""
    from matplotlib.figure import Figure

    kinds = [kind for kind in text_kinds if any(row["text_kind"] == kind for row in rows)]
    if not kinds:
        raise _C.ConfigError(f"[ablation_figure] no row is of {', '.join(text_kinds)}")
    chosen = list(names) if names is not None else list(dict.fromkeys(row["name"] for row in rows))
    for name in chosen:
        if not any(row["name"] == name for row in rows):
            raise _C.ConfigError(f"[ablation_figure] there is no cell '{name}'; there are {', '.join(dict.fromkeys(row['name'] for row in rows))}")
    figure = Figure(figsize=(5.6 * len(kinds), 4.8), layout="constrained")
    panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
    shown: list[float] = []
    for axes, kind in zip(panels, kinds, strict=True):
        for i, name in enumerate(chosen):
            own = [row for row in rows if row["name"] == name and row["text_kind"] == kind]
            if not own:
                continue
            x, y, low, high = _over_seeds(own, metric)
            errors = [[max(0.0, b - a) for a, b in zip(low, y, strict=True)], [max(0.0, b - a) for a, b in zip(y, high, strict=True)]]
            under = any(row["undertrained"] for row in own)
            axes.errorbar(
                x, y, yerr=errors, label=name + (" (undertrained)" if under else ""), color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)], markersize=5, capsize=2,
                linewidth=1.4, linestyle=("--" if under else "-") if i < len(COLOURS) else ":",
            )
            shown += x
        axes.set_title(kind.replace("-", " "), fontsize=10)
        axes.set_ylim(0, 1)
    for axes in panels:
        log_ratio_axis(axes, shown)
    panels[0].set_ylabel({"char_edit_distance": "character edit distance", "precision": "set-of-words precision"}.get(metric, metric))
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


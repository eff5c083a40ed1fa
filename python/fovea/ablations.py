"""Ablations from Python: run a grid, load its table, draw it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fovea import _C
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
    """Rows of a table.csv, numbers as numbers; names stay text, whatever they are made of."""

    def value(key: str, text: str) -> Any:
        if key in ("name", "group", "font", "cell"):
            return text
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:
                pass
        return text

    with open(path, newline="", encoding="utf-8") as file:
        return [{key: value(key, text) for key, text in row.items()} for row in csv.DictReader(file)]


# Columns that say which cells and pages are alike but for the seed, and what is averaged over seeds.
SEED_GROUP = ("name", "group", "text_kind", "token_form", "budget", "ratio_asked", "font")
SEED_METRICS = ("precision", "recall", "char_edit_distance", "token_bits_per_char", "bits_per_char_page", "bits_per_char_page_and_text", "bits_per_char_text", "bits_per_char_nothing")
# Student's t at 97.5 % for 1 to 30 degrees of freedom, then the normal distribution's.
T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


def over_seeds(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Cells that differ in nothing but their seed as one row: mean, least and largest of the seeds, and the 95 % interval of the mean (Student's t over seeds).

    With one seed the interval is that of its pages (bootstrap), and `interval` says "pages".
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name, "") for name in SEED_GROUP), []).append(row)
    out = []
    for key, group in groups.items():
        line: dict[str, Any] = dict(zip(SEED_GROUP, key, strict=True))
        line["num_seeds"] = len(group)
        line["ratio_measured"] = sum(row["ratio_measured"] for row in group) / len(group)
        line["interval"] = "seeds" if len(group) > 1 else "pages"
        for metric in SEED_METRICS:
            values = [float(row[metric]) for row in group if isinstance(row.get(metric), (int, float))]
            if not values:
                continue
            mean = sum(values) / len(values)
            line[metric], line[f"{metric}_min"], line[f"{metric}_max"] = mean, min(values), max(values)
            if len(values) > 1:
                spread = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
                half = (T_975[len(values) - 2] if len(values) <= len(T_975) + 1 else 1.96) * spread / len(values) ** 0.5
                line[f"{metric}_low"], line[f"{metric}_high"] = mean - half, mean + half
            else:
                line[f"{metric}_low"], line[f"{metric}_high"] = group[0].get(f"{metric}_low", mean), group[0].get(f"{metric}_high", mean)
        line["undertrained"] = max(row["undertrained"] for row in group)
        line["train_seconds"] = sum(row.get("train_seconds") or 0 for row in group) / len(group)
        line["train_petaflops"] = sum(row.get("train_petaflops") or 0 for row in group) / len(group)
        line["parameters"] = group[0].get("parameters", "")
        out.append(line)
    return out


def write_seed_table(out: str | os.PathLike[str]) -> Path:
    """table_seeds.csv beside table.csv: over_seeds of its rows."""
    folder = Path(out)
    lines = over_seeds(load_table(folder / "table.csv"))
    columns = list(dict.fromkeys(name for line in lines for name in line))
    path, temporary = folder / "table_seeds.csv", folder / ".table_seeds.csv"
    with open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(SEED_GROUP), restval="")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in line.items()} for line in lines)
    temporary.replace(path)
    return path


def ablate(grid: str | os.PathLike[str], out: str | os.PathLike[str] = "runs/ablate", *, on_progress: Any = None, executor: str = "local", **fields: Any) -> Ablation:
    """Trains and measures every unfinished cell of a grid (fields: those of AblateConfig). Raises if a cell failed; the others are kept.

    executor: see ablation_executors.run.
    """
    from fovea.ablation_executors import run

    config = _C.AblateConfig(grid=os.fspath(grid), out=os.fspath(out), **fields)
    result = run(config, executor, on_progress=on_progress)
    if result["num_failed"]:
        raise _C.Error(f"[ablate] {result['num_failed']} cells failed: {config.out}/manifest.json says which and why")
    return Ablation(out)


def _over_seeds(rows: Iterable[dict[str, Any]], metric: str) -> tuple[list[float], list[float], list[float], list[float]]:
    """Ratio, mean over seeds, low and high end: least and largest of the seeds where there are several, else the pages' bootstrap."""
    # A line has one point a ratio: fonts and budgets are averaged, seed by seed, before seeds are looked at.
    by_seed: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    for row in rows:
        if isinstance(row.get(metric), (int, float)):
            by_seed.setdefault((row.get("seed", 0), row["ratio_asked"]), []).append(row)
    merged = []
    for group in by_seed.values():
        row = {**group[0], "budget": "", "font": ""}
        for name in ("ratio_measured", metric, f"{metric}_low", f"{metric}_high"):
            values = [one[name] for one in group if isinstance(one.get(name), (int, float))]
            if values:
                row[name] = sum(values) / len(values)
        merged.append(row)
    lines = sorted((line for line in over_seeds(merged) if metric in line), key=lambda line: line["ratio_asked"])
    ends = [(f"{metric}_min", f"{metric}_max") if line["num_seeds"] > 1 else (f"{metric}_low", f"{metric}_high") for line in lines]
    return (
        [line["ratio_measured"] for line in lines], [line[metric] for line in lines],
        [line[low] for line, (low, _) in zip(lines, ends, strict=True)], [line[high] for line, (_, high) in zip(lines, ends, strict=True)],
    )  # fmt: skip


def ablation_figure(
    rows: list[dict[str, Any]], *, metric: str = "char_edit_distance", text_kinds: Iterable[str] = ("prose", "shuffled-words"), names: Iterable[str] | None = None, title: str = "",
    token_form: str | None = None,
) -> Any:
    """One panel a kind of text, one line a cell: metric against the ratio. Bars: least and largest of the seeds, with one seed the pages' bootstrap.

    Cells that are undertrained are dashed. Of cells that were read from vision tokens stored in several forms, token_form says which to draw; without it each one's first.
    """
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
            form = token_form if token_form is not None else next((row.get("token_form", "keep") for row in own), "keep")
            own = [row for row in own if row.get("token_form", "keep") == form]
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
        axes.set_ylim(0, None if metric.startswith("bits_") else 1)
    for axes in panels:
        log_ratio_axis(axes, shown)
    panels[0].set_ylabel({"char_edit_distance": "character edit distance", "precision": "set-of-words precision", "bits_per_char_page": "bits a character of the text after the page"}.get(metric, metric))
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


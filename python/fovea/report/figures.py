"""The report's curve as figure files with their data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fovea.report.runs import by_ratio, load_runs, mean_interval, split_series


def curve_rows(folders: Sequence[str]) -> list[dict[str, Any]]:
    """A row a series and ratio: measured ratio, precision and character edit distance with their intervals."""
    rows = []
    for series in split_series(load_runs(list(folders))):
        for asked, lines in by_ratio(series.lines):
            row: dict[str, Any] = {
                "series": series.label, "kind": series.kind, "budget": series.budget, "ratio_asked": asked,
                "ratio_measured": sum(line["ratio_measured"] for line in lines) / len(lines), "num_pages": len(lines),
            }
            for metric in ("precision", "char_edit_distance"):
                found = mean_interval(lines, metric)
                row |= {metric: found and found["value"], f"{metric}_low": found and found["low"], f"{metric}_high": found and found["high"]}
            rows.append(row)
    return rows


def save_curve(folders: Sequence[str], out: str | os.PathLike[str]) -> list[Path]:
    """curve.svg, curve.png, curve.pdf and curve.csv in a folder: every series, the paper's points beside them."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    from fovea import figures

    rows = [row for row in curve_rows(folders) if row["precision"] is not None and row["char_edit_distance"] is not None]
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for i, name in enumerate(dict.fromkeys(row["series"] for row in rows)):
        points = [row for row in rows if row["series"] == name]
        style = {"color": figures.COLOURS[i % 8], "marker": figures.MARKERS[i % 8], "markersize": 5, "capsize": 3, "linewidth": 1.5, "label": name}
        for axes, metric in ((left, "precision"), (right, "char_edit_distance")):
            bars = [[max(0.0, p[metric] - p[f"{metric}_low"]) for p in points], [max(0.0, p[f"{metric}_high"] - p[metric]) for p in points]]
            axes.errorbar([p["ratio_measured"] for p in points], [p[metric] for p in points], yerr=bars, **style)
    paper = figures.paper_points()
    figures.draw_paper(left, paper)
    shown = [row["ratio_measured"] for row in rows] + [p["ratio"] for p in paper]
    for axes in (left, right):
        figures.log_ratio_axis(axes, shown)
        axes.legend(fontsize=8)
    left.yaxis.set_major_formatter(PercentFormatter(1))
    left.set_ylabel("set-of-words precision")
    right.set_ylabel("character edit distance")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    data = rows + [{"series": f"DeepSeek-OCR on Fox, {p['vision_tokens']} tokens (published)", "budget": p["vision_tokens"], "ratio_measured": p["ratio"], "precision": p["precision"]} for p in paper]
    return figures.save(figure, folder / "curve", data)

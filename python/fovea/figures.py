"""Figures, drawn from the rows of summary.csv and the paper's published points."""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path
from typing import Any

# Okabe and Ito: told apart by readers of every kind of colour vision
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*"]


def paper_points() -> list[dict[str, float]]:
    """DeepSeek-OCR on Fox (arXiv 2510.18234, table 2): vision tokens, ratio, precision as a fraction."""
    with resources.files("fovea").joinpath("data/paper/fox.csv").open(encoding="utf-8") as file:
        return [
            {
                "vision_tokens": int(row["vision_tokens"]),
                "ratio": float(row["compression_ratio_text_tokens_per_vision_token"]),
                "precision": float(row["precision_percent_table2"]) / 100,
            }
            for row in csv.DictReader(file)
        ]


def _series(rows: list[dict[str, Any]]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """One a budget; with several fonts the median, and the single fonts when they are few enough to be told apart."""
    fonts = list(dict.fromkeys(row["font"] for row in rows))
    shown = ["median"] if "median" in fonts else fonts
    out: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["font"] in shown:
            out.setdefault((int(row["budget"]), row["font"]), []).append(row)
    return {key: sorted(series, key=lambda row: row["ratio_measured"]) for key, series in out.items()}


def log_ratio_axis(axes: Any, ratios: list[float]) -> None:
    """A log axis of ratios with plain numbers at it."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    ticks = [t for t in (0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50) if min(ratios) * 0.8 <= t <= max(ratios) * 1.2]
    axes.set_xscale("log")
    axes.set_xlim(min(ratios) * 0.92, max(ratios) * 1.08)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("compression ratio (text tokens / vision tokens)")
    axes.grid(alpha=0.3)


def draw_paper(axes: Any, points: list[dict[str, float]]) -> None:
    """The paper's precision on Fox at 64 and 100 tokens, in gray."""
    for tokens, colour, marker in ((64, "0.35", "s"), (100, "0.6", "o")):
        shown = [p for p in points if p["vision_tokens"] == tokens]
        axes.plot(
            [p["ratio"] for p in shown], [p["precision"] for p in shown], linestyle=":", color=colour, marker=marker, markersize=4,
            markerfacecolor="none", linewidth=1, label=f"DeepSeek-OCR on Fox, {tokens} tokens",
        )


def curve_figure(rows: list[dict[str, Any]]) -> Any:
    """Precision and character edit distance against the ratio, with 95 % intervals, the paper's precision beside ours."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    series = _series(rows)
    for i, ((budget, font), points) in enumerate(series.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)], "markersize": 5, "capsize": 3, "linewidth": 1.5}
        label = f"{budget} tokens" + (", median of fonts" if font == "median" else f", {font}" if len({f for _, f in series}) > 1 else "")
        x = [p["ratio_measured"] for p in points]
        for axes, metric in ((left, "precision"), (right, "char_edit_distance")):
            y = [p[metric] for p in points]
            low = [max(0.0, p[metric] - p[f"{metric}_low"]) for p in points]
            high = [max(0.0, p[f"{metric}_high"] - p[metric]) for p in points]
            axes.errorbar(x, y, yerr=[low, high], label=label, **style)
    draw_paper(left, paper_points())
    shown = [p["ratio_measured"] for points in series.values() for p in points] + [p["ratio"] for p in paper_points()]
    for axes in (left, right):
        log_ratio_axis(axes, shown)
    drawn = [p for points in series.values() for p in points]
    left.set_ylim(min(0.5, *(p["precision_low"] for p in drawn)) - 0.02, 1.01)
    left.yaxis.set_major_formatter(PercentFormatter(1))
    left.set_ylabel("set-of-words precision")
    right.set_ylim(0, max(0.01, *(1.1 * p["char_edit_distance_high"] for p in drawn)))
    right.set_ylabel("character edit distance")
    left.legend(fontsize=8, loc="lower left")
    right.legend(fontsize=8, loc="best")
    fonts = [font for font in dict.fromkeys(row["font"] for row in rows) if font != "median"]
    named = ", ".join(fonts[:4]) + (f" and {len(fonts) - 4} more" if len(fonts) > 4 else "")
    figure.suptitle(f"Compression curve: {rows[0]['text_kind']}, {named}", fontsize=11)
    return figure


def write_atomic(path: Path, text: str) -> Path:
    """Writes under a temporary name first, so that nobody sees half a file."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path


def to_csv(rows: list[dict[str, Any]]) -> str:
    """Columns in order of first appearance; numbers in their shortest form that reads back."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def save(figure: Any, stem: Path, rows: list[dict[str, Any]] | None = None) -> list[Path]:
    """Writes stem.svg, stem.png and stem.pdf, and what is drawn as stem.csv where rows are given; each under a temporary name first.

    The same rows give the same bytes.
    """
    import matplotlib

    out = []
    for suffix, metadata in ((".svg", {"Date": None}), (".png", {"Software": None}), (".pdf", {"CreationDate": None, "Producer": None, "Creator": None})):
        path, temporary = stem.with_suffix(suffix), stem.with_name(f"{stem.name}.tmp{suffix}")
        with matplotlib.rc_context({"svg.hashsalt": "fovea", "svg.fonttype": "none", "pdf.fonttype": 42}):
            figure.savefig(temporary, dpi=150, metadata=metadata)
        temporary.replace(path)
        out.append(path)
    if rows is not None:
        out.append(write_atomic(stem.with_suffix(".csv"), to_csv(rows)))
    return out

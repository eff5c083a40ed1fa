"""The figures, redrawn from the rows: what is published, what others and we measured, and the difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fovea.figures import COLOURS, MARKERS, log_ratio_axis
from fovea.paper.items import Item, Row, number, published
from fovea.paper.measured import Measured


def data_rows(rows: list[Row], orientation: list[Measured]) -> list[dict[str, Any]]:
    """What a figure shows, as a table."""
    out: list[dict[str, Any]] = [{"key": r.key, "published": r.published, "measured_by_others": r.other, "ours": r.ours} for r in rows]
    return out + [{"key": m.key, "orientation": m.value, "ratio": m.ratio, "vision_tokens": m.vision_tokens} for m in orientation]


def draw(item: Item, rows: list[Row], orientation: list[Measured]) -> Any:
    """The item's picture on the left, differences on the right where there are any."""
    from matplotlib.figure import Figure

    compared = [r for r in rows if r.published is not None and (r.ours is not None or r.other is not None)]
    if item.name == "throughput" or all(r.ours == r.published for r in compared):  # units that do not share an axis; nothing but zeros
        compared = []
    figure = Figure(figsize=(11 if compared else 6.4, 4.6), layout="constrained")
    axes = figure.subplots(1, 2 if compared else 1, squeeze=False)[0]
    PICTURES[item.name](axes[0], rows, orientation)
    if compared:
        _differences(axes[1], item, compared)
    figure.suptitle(item.title, fontsize=11)
    return figure


def _differences(axes: Any, item: Item, rows: list[Row]) -> None:
    x = range(len(rows))
    axes.axhspan(-item.gap, item.gap, color="0.9", label=f"allowed gap, {item.gap:g}") if item.gap else axes.axhline(0, color="0.7")
    for name, value_of, colour, marker in (("others - published", lambda r: r.other, COLOURS[1], "s"), ("ours - published", lambda r: r.ours, COLOURS[0], "o")):
        shown = [(i, value_of(r) - r.published) for i, r in zip(x, rows, strict=True) if value_of(r) is not None and r.published is not None]
        if shown:
            axes.plot([i for i, _ in shown], [v for _, v in shown], color=colour, marker=marker, linestyle="none", markersize=5, label=name)
    axes.set_xticks(list(x), [r.key for r in rows], rotation=90, fontsize=7)
    axes.set_ylabel(f"difference, {item.unit.split(' (')[0]}")
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8)


def _curves(axes: Any, series: list[tuple[str, list[tuple[float, float]], dict[str, Any]]]) -> None:
    ratios = []
    for label, points, style in series:
        if points:
            points = sorted(points)
            axes.plot([p[0] for p in points], [p[1] for p in points], label=label, markersize=5, **style)
            ratios += [p[0] for p in points]
    log_ratio_axis(axes, ratios)
    axes.set_ylabel("set-of-words precision, %")
    axes.legend(fontsize=8)


def _orientation(orientation: list[Measured]) -> list[tuple[str, list[tuple[float, float]], dict[str, Any]]]:
    groups: dict[str, list[tuple[float, float]]] = {}
    for m in orientation:
        if m.ratio is not None:
            groups.setdefault(f"{m.model}, {m.key.rsplit(', ', 1)[0]} (orientation)", []).append((m.ratio, m.value))
    return [(label, points, {"color": COLOURS[(2 + i) % 8], "marker": MARKERS[(2 + i) % 8], "linestyle": "-.", "linewidth": 1}) for i, (label, points) in enumerate(groups.items())]


def _fox(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    ratio = {f"{r['vision_tokens']}:{r['text_tokens_min_inclusive']}-{r['text_tokens_max_exclusive']}": float(r["compression_ratio_text_tokens_per_vision_token"]) for r in published("fox")}
    series = []
    for i, tokens in enumerate(("64", "100")):
        mine = [r for r in rows if r.key.startswith(tokens + ":")]
        for name, value_of, style in (
            ("published", lambda r: r.published, {"linestyle": ":", "markerfacecolor": "none", "marker": "so"[i]}),
            ("outputs of others", lambda r: r.other, {"linestyle": "none", "marker": "x"}),
            ("ours", lambda r: r.ours, {"linestyle": "-", "marker": "so"[i]}),
        ):
            points = [(ratio[r.key], value_of(r)) for r in mine if value_of(r) is not None]
            series.append((f"{name}, {tokens} tokens", points, {"color": COLOURS[i], **style}))
    _curves(axes, series + _orientation(orientation))


def _bars(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    shown = [r for r in rows if r.published is not None]
    y = range(len(shown))
    axes.barh(list(y), [r.published for r in shown], color="0.8", label="published")
    with_ours = [(i, r.ours) for i, r in zip(y, shown, strict=True) if r.ours is not None]
    if with_ours:
        axes.plot([v for _, v in with_ours], [i for i, _ in with_ours], color=COLOURS[0], marker="o", linestyle="none", markersize=5, label="ours")
    axes.set_yticks(list(y), [r.key for r in shown], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("vision tokens")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3, axis="x")


def _tokens(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    ours_label = "ours"
    for r in rows:
        name, _, tokens = r.key.rpartition(":")
        own = name in ("Tiny", "Small", "Base", "Large", "Gundam", "Gundam-M")
        axes.plot([float(tokens)], [r.published], color=COLOURS[1] if own else "0.5", marker="o" if own else "s", markersize=6 if own else 4, linestyle="none")
        axes.annotate(name, (float(tokens), r.published or 0), textcoords="offset points", xytext=(4, 3), fontsize=7)
        if r.ours is not None:
            axes.plot([float(tokens)], [r.ours], color=COLOURS[0], marker="x", linestyle="none", label=ours_label)
            ours_label = None
    axes.set_xscale("log")
    axes.set_xlim(50, 14000)
    axes.set_xlabel("vision tokens a page (valid ones where given)")
    axes.set_ylabel("edit distance, mean of English and Chinese")
    axes.invert_yaxis()
    axes.grid(alpha=0.3)


def _lines(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    """One line a mode over the columns of its table."""
    groups: dict[str, list[Row]] = {}
    for r in rows:
        groups.setdefault(r.key.split(":")[0], []).append(r)
    labels: list[str] = []
    for i, (name, held) in enumerate(groups.items()):
        keys = [r.key.split(":", 1)[1] for r in held]
        labels = labels or keys
        held = [r for r, key in zip(held, keys, strict=True) if key in labels and r.published is not None]
        x = [labels.index(r.key.split(":", 1)[1]) for r in held]
        axes.plot(x, [r.published for r in held], color=COLOURS[i % 8], marker=MARKERS[i % 8], linestyle=":", markerfacecolor="none", markersize=5, label=f"{name}, published")
        mine = [(a, r.ours) for a, r in zip(x, held, strict=True) if r.ours is not None]
        if mine:
            axes.plot([a for a, _ in mine], [v for _, v in mine], color=COLOURS[i % 8], marker=MARKERS[i % 8], linestyle="none", markersize=6, label=f"{name}, ours")
    axes.set_xticks(range(len(labels)), [label.replace("_", " ") for label in labels], rotation=90, fontsize=7)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _types(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    _lines(axes, rows, orientation)
    axes.set_ylabel("edit distance")


def _omnidocbench(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    _lines(axes, rows, orientation)
    axes.set_ylabel("edit distance")


def _v15(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    models = sorted(published("omnidocbench_v1_5"), key=lambda r: float(r["overall_score_higher_better"]))
    y = range(len(models))
    colours = [COLOURS[1] if r["group"] == "deepseek" else "0.7" for r in models]
    axes.barh(list(y), [float(r["overall_score_higher_better"]) for r in models], color=colours)
    for i, r in enumerate(models):
        mine = next((row.ours for row in rows if row.key == f"{r['model']}:overall_score_higher_better"), None)
        if mine is not None:
            axes.plot([mine], [i], color=COLOURS[0], marker="o")
    axes.set_yticks(list(y), [r["model"] for r in models], fontsize=7)
    axes.set_xlim(65, 95)
    axes.set_xlabel("overall score, OmniDocBench 1.5 (published; ours as dots)")
    axes.grid(alpha=0.3, axis="x")


def _forgetting(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    points = [(int(r.what.split()[0]), r.ours) for r in rows if r.ours is not None and r.what.split()[0].isdigit()]
    if points:
        points.sort(reverse=True)
        axes.plot([p[0] for p in points], [p[1] for p in points], color=COLOURS[0], marker="o")
        axes.invert_xaxis()
    axes.set_xlabel("vision tokens that the page is given (older to the right)")
    axes.set_ylabel("set-of-words precision, %")
    axes.grid(alpha=0.3)


def _throughput(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    values = {r.key: r for r in rows}
    names = ["pages_per_gpu_day", "pages_per_cluster_day"]
    gpus = [int(number(next(p["gpus"] for p in published("throughput") if p["key"] == n)) or 1) for n in names]
    axes.plot(gpus, [values[n].published for n in names], color=COLOURS[1], marker="s", linestyle="none", label="published")
    day = values["pages_per_gpu_day"].published or 0
    line = [1, 10, 100, 1000]
    axes.plot(line, [g * day for g in line], color="0.6", linewidth=1, label="as many times one GPU")
    for i, m in enumerate(m for m in orientation if "pages a day" in m.key):
        axes.plot([1], [m.value], color=COLOURS[(2 + i) % 8], marker="^", linestyle="none", label=f"{m.key} ({m.hardware or 'this machine'})")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("GPUs")
    axes.set_ylabel("pages a day")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _rivals(axes: Any, rows: list[Row], orientation: list[Measured]) -> None:
    series = []
    for i, mode in enumerate(("tiny", "small", "base", "large")):
        clean = [(float(r["compression_ratio"]), float(r["word_set_precision_percent"])) for r in published("fox_independent_rerun") if r["page_source"] == "rerendered" and r["mode"] == mode]
        story = [(float(r["compression_ratio_nominal"]), float(r["word_set_precision_percent"])) for r in published("story_length_independent_rerun") if r["mode"] == mode]
        series.append((f"{mode}, clean render", clean, {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": ":"}))
        series.append((f"{mode}, plain story", story, {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": "-", "markerfacecolor": "none"}))
    _curves(axes, series + _orientation(orientation))
    axes.legend(fontsize=6)


PICTURES: dict[str, Callable[[Any, list[Row], list[Measured]], None]] = {
    "fox-curve": _fox, "fox-metric": _fox, "modes": _bars, "gundam": _bars, "omnidocbench": _omnidocbench, "omnidocbench-tokens": _tokens, "omnidocbench-types": _types,
    "omnidocbench-v1.5": _v15, "forgetting": _forgetting, "throughput": _throughput, "rivals": _rivals,
}

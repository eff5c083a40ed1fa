"""Figures of the results that ship (experiments/results), from the rows of their tables; notebook 05 and the scripts there draw with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fovea.figures import COLOURS, MARKERS

Rows = list[dict[str, Any]]


def _numbers(rows: Iterable[dict[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def _interval(rows: Rows, name: str) -> list[list[float]]:
    """Lengths of the error bars down and up."""
    return [[max(0.0, float(row[name]) - float(row[f"{name}_low"])) for row in rows], [max(0.0, float(row[f"{name}_high"]) - float(row[name])) for row in rows]]


def _log_ticks(axes: Any, ticks: list[float]) -> None:
    from matplotlib.ticker import ScalarFormatter

    axes.set_xscale("log")
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.grid(alpha=0.3)


def _new(width: float, height: float, panels: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, panels, squeeze=False)[0]


def precision_against_bits(rows: Rows, forms: Iterable[str] = ("float32", "float16", "int8", "int4", "binary")) -> Any:
    """Set-of-words precision against bits a character, a line a ratio, a point a form of stored tokens (token-precision/table.csv)."""
    from matplotlib.ticker import PercentFormatter

    names = list(forms)
    figure, (axes,) = _new(7.5, 4.6)
    for i, ratio in enumerate(sorted({float(row["ratio"]) for row in rows})):
        own = [row for form in names for row in rows if float(row["ratio"]) == ratio and row["form"] == form]
        axes.plot(_numbers(own, "bits_a_character"), _numbers(own, "precision"), color=COLOURS[i], marker=MARKERS[i], label=f"{ratio:g}x")
    axes.axvline(8, color="0.5", linestyle=":", linewidth=1)
    axes.annotate("the text itself, a byte a character", (8, 0.02), xytext=(4, 0), textcoords="offset points", fontsize=8, color="0.4")
    _log_ticks(axes, [8, 16, 32, 64, 128, 256, 512])
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("bits of vision tokens a character (" + ", ".join(reversed(names)) + ", from the left)")
    axes.set_ylabel("set-of-words precision")
    axes.legend(title="text tokens / vision tokens", fontsize=8)
    return figure


def fading(rows: Rows) -> Any:
    """A panel a text: precision against what is kept of a page, counted in float16 tokens, a line a way of keeping less (forgetting/table.csv)."""
    from matplotlib.ticker import PercentFormatter

    texts = sorted({int(row["text_tokens"]) for row in rows})
    figure, panels = _new(5.2 * len(texts), 4.4, len(texts))
    for axes, text in zip(panels, texts, strict=True):
        for i, way in enumerate(dict.fromkeys(row["way"] for row in rows)):
            own = sorted((row for row in rows if row["way"] == way and int(row["text_tokens"]) == text), key=lambda row: -float(row["float16_tokens"]))
            x, y = _numbers(own, "float16_tokens"), _numbers(own, "precision")
            axes.errorbar(x, y, yerr=_interval(own, "precision"), color=COLOURS[i], marker=MARKERS[i], label=way, capsize=2, linewidth=1.4)
            if way in ("drawn smaller", "fewer bits"):
                for row, a, b in zip(own, x, y, strict=True):
                    axes.annotate(str(row["step"]).rsplit(" ", 1)[-1], (a, b), xytext=(0, -14 if way == "drawn smaller" else 7), textcoords="offset points", fontsize=7.5, ha="center", color=COLOURS[i])
        _log_ticks(axes, [400, 256, 129, 64, 32, 16])
        axes.invert_xaxis()
        axes.set_ylim(0, 1.04)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_title(f"{text} text tokens on the page", fontsize=10)
        axes.set_xlabel("what is kept of a page, in float16 vision tokens' worth")
    panels[0].set_ylabel("set-of-words precision")
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def distance_against_bits(rows: Rows, ratios: Iterable[float] | None = None, text_kind: str = "shuffled-words") -> Any:
    """A panel a ratio: character edit distance against bits a character, a line a form, a point a cell of an ablation, hollow where it is undertrained
    (token-width/table.csv)."""
    own = [row for row in rows if row["text_kind"] == text_kind]
    chosen = sorted({float(row["ratio_asked"]) for row in own} if ratios is None else set(ratios))
    figure, panels = _new(4.6 * len(chosen), 4.2, len(chosen))

    def label_of(row: dict[str, Any]) -> str:
        if row["group"] != "width":
            return str(row["group"])
        return "as the model keeps them" if row["token_form"] == "keep" else f"{row['token_form']}, not trained for it"

    for axes, ratio in zip(panels, chosen, strict=True):
        for i, label in enumerate(dict.fromkeys(label_of(row) for row in own)):
            points = sorted((row for row in own if float(row["ratio_asked"]) == ratio and label_of(row) == label), key=lambda row: float(row["token_bits_per_char"]))
            x, y = _numbers(points, "token_bits_per_char"), _numbers(points, "char_edit_distance")
            axes.errorbar(x, y, yerr=_interval(points, "char_edit_distance"), color=COLOURS[i], marker=MARKERS[i], capsize=2, linewidth=0.8, linestyle=":" if len(x) > 2 else "none", label=label)
            low = [row for row in points if row["undertrained"]]
            axes.plot(_numbers(low, "token_bits_per_char"), _numbers(low, "char_edit_distance"), color=COLOURS[i], marker=MARKERS[i], linestyle="none", markerfacecolor="white", zorder=5)
            for row, a, b in zip(points, x, y, strict=True):
                axes.annotate(str(row["name"]).split(" ")[0], (a, b), xytext=(4, 5), textcoords="offset points", fontsize=7.5, color=COLOURS[i])
        axes.axvline(8, color="0.5", linestyle=":", linewidth=1)
        _log_ticks(axes, [1, 2, 4, 8, 16, 32, 64, 128, 256])
        axes.set_title(f"{ratio:g}x", fontsize=10)
        axes.margins(x=0.1)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("bits of vision tokens a character")
    panels[0].set_ylabel("character edit distance, " + text_kind.replace("-", " "))
    panels[-1].legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def learning(rows: Rows) -> Any:
    """Loss in training and on held-out pages against the step (log.csv of a training)."""
    figure, (axes,) = _new(6.4, 3.6)
    trained = [row for row in rows if row["reader_loss"] not in ("", 0, "0.0") and float(row["reader_loss"]) > 0]
    seen = [row for row in rows if row["valid_loss"] not in ("", None)]
    axes.plot(_numbers(trained, "step"), _numbers(trained, "reader_loss"), color=COLOURS[0], linewidth=1, label="training")
    axes.plot(_numbers(seen, "step"), _numbers(seen, "valid_loss"), color=COLOURS[1], marker="o", label="held-out pages")
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("cross-entropy a token")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def left_of_a_table(rows: Rows, metrics: Iterable[str] = ("teds", "teds_structure", "exact")) -> Any:
    """Bars of a task's metrics, a group a font, with their intervals (tables/summary.csv)."""
    figure, (axes,) = _new(6.0, 3.4)
    names = list(metrics)
    for i, row in enumerate(rows):
        places = [k + (i - (len(rows) - 1) / 2) * 0.8 / len(rows) for k in range(len(names))]
        heights = [float(row[name]) for name in names]
        errors = [[h - float(row[f"{n}_low"]) for n, h in zip(names, heights, strict=True)], [float(row[f"{n}_high"]) - h for n, h in zip(names, heights, strict=True)]]
        axes.bar(places, heights, 0.76 / len(rows), yerr=errors, capsize=2, color=COLOURS[i], label=row["font"])
    axes.set_xticks(range(len(names)), [name.replace("_", ", ") for name in names])
    axes.set_ylim(0, 1.05)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=8)
    return figure


def speed(measured: dict[str, Any]) -> Any:
    """Encoder and decoding against the batch, ours, the reference's and the floor (gpu-speed/speed.json)."""
    figure, (left, right) = _new(10.4, 4.0, 2)
    ours, reference = measured["ours"]["rows"], measured["reference"]["rows"]

    def line(axes: Any, rows: Rows, stage: str, name: str, label: str, i: int, **look: Any) -> None:
        own = sorted((row for row in rows if row["stage"] == stage and name in row and "batch" in row), key=lambda row: row["batch"])
        axes.plot(_numbers(own, "batch"), _numbers(own, name), color=COLOURS[i], marker=MARKERS[i], label=label, **look)

    for axes, stage, name, title in ((left, "encode", "pages_per_s", "encoder, pages/s"), (right, "decode", "tokens_per_s", "decoding, tokens/s")):
        line(axes, ours, stage, name, "Fovea", 0)
        line(axes, reference, stage, name, "transformers, eager", 1)
        if stage == "encode":
            line(axes, ours, stage, "floor_pages_per_s", "floor", 2, linestyle=":")
        else:
            own = [{**row, "floor": 1000 * row["batch"] / row["floor_ms_per_token"]} for row in ours if row["stage"] == stage and "floor_ms_per_token" in row]
            line(axes, own, stage, "floor", "floor", 2, linestyle=":")
        _log_ticks(axes, [1, 16, 64, 256])
        if stage == "decode":
            axes.set_yscale("log")
        axes.set_ylim(bottom=0 if stage == "encode" else None)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("batch")
        axes.legend(fontsize=8)
    return figure


def kinds_beside_each_other(rows: Rows, ratio: float, *, metric: str = "char_edit_distance", text_kinds: Iterable[str] = ("prose", "shuffled-words")) -> Any:
    """Bars of one ratio: a group a cell, a bar a kind of text, means over seeds with least and largest (recipe/table.csv)."""
    from fovea.ablations import over_seeds

    names = list(dict.fromkeys(str(row["name"]) for row in rows))
    figure, (axes,) = _new(7.4, 0.42 * len(names) + 1.3)
    kinds = list(text_kinds)
    for i, kind in enumerate(kinds):
        lines = {line["name"]: line for line in over_seeds(row for row in rows if row["text_kind"] == kind and float(row["ratio_asked"]) == ratio)}
        for k, name in enumerate(names):
            if name not in lines:
                continue
            line = lines[name]
            low, high = (f"{metric}_min", f"{metric}_max") if line["num_seeds"] > 1 else (f"{metric}_low", f"{metric}_high")
            place, value = k + (i - (len(kinds) - 1) / 2) * 0.38, float(line[metric])
            axes.barh(place, value, 0.36, color=COLOURS[i], xerr=[[max(0.0, value - line[low])], [max(0.0, line[high] - value)]], capsize=2, label=kind.replace("-", " ") if k == 0 else None)
            axes.annotate(f"{value:.3f}", (max(value, float(line[high])), place), xytext=(4, -3), textcoords="offset points", fontsize=7.5)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.invert_yaxis()
    axes.set_xlabel({"char_edit_distance": "character edit distance"}.get(metric, metric) + f" at {ratio:g}x")
    axes.grid(alpha=0.3, axis="x")
    axes.margins(x=0.12)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def precision_against_width(rows: Rows) -> Any:
    """Set-of-words precision against the width that is left of a token, a line a ratio (token-width/pca.csv)."""
    from matplotlib.ticker import PercentFormatter

    figure, (axes,) = _new(6.4, 4.0)
    for i, ratio in enumerate(sorted({float(row["ratio"]) for row in rows})):
        own = sorted((row for row in rows if float(row["ratio"]) == ratio), key=lambda row: int(row["width"]))
        axes.errorbar(_numbers(own, "width"), _numbers(own, "precision"), yerr=_interval(own, "precision"), color=COLOURS[i], marker=MARKERS[i], capsize=2, label=f"{ratio:g}x")
    _log_ticks(axes, sorted({int(row["width"]) for row in rows}))
    axes.set_ylim(0, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("principal components left of a vision token")
    axes.set_ylabel("set-of-words precision")
    axes.legend(title="text tokens / vision tokens", fontsize=8)
    return figure


def accuracy_over_time(rows: Rows) -> Any:
    """Teacher-forced accuracy of the next token in training against seconds, a line a cell (channels/log.csv)."""
    figure, (axes,) = _new(6.4, 3.8)
    for i, name in enumerate(dict.fromkeys(row["name"] for row in rows)):
        own = [row for row in rows if row["name"] == name and float(row["reader_accuracy"]) > 0]
        axes.plot(_numbers(own, "elapsed_s"), _numbers(own, "reader_accuracy"), color=COLOURS[i], marker=MARKERS[i], markersize=4, label=name)
    axes.set_ylim(0, 1)
    axes.set_xlabel("seconds of training on one GPU")
    axes.set_ylabel("next token right (teacher forced)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def lines_lost(rows: Rows, patch_px: float = 16) -> Any:
    """Share of a page's lines that are lost against the distance of its lines, a panel a model, a colour a font, a point a page (lines-and-patches/table.csv). Dotted: the share that is more than there are
    rows of patches."""
    from matplotlib.ticker import PercentFormatter

    models, fonts = (list(dict.fromkeys(str(row[name]) for row in rows)) for name in ("model", "font"))
    figure, panels = _new(5.2 * len(models), 4.2, len(models))
    low, high = min(_numbers(rows, "pitch_px")), max(_numbers(rows, "pitch_px"))
    for axes, model in zip(panels, models, strict=True):
        axes.plot([low, patch_px, high], [1 - low / patch_px, 0, 0], color="0.5", linestyle=":", label="more lines than rows of patches")
        for i, font in enumerate(fonts):
            own = [row for row in rows if row["model"] == model and row["font"] == font]
            axes.plot(_numbers(own, "pitch_px"), [float(row["lines_lost"]) / float(row["num_lines"]) for row in own], color=COLOURS[i], marker=MARKERS[i], linestyle="none", markersize=5, label=font)
        axes.axvline(patch_px, color="0.8", linewidth=1, zorder=0)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_title(model, fontsize=10)
        axes.set_xlabel("from line to line, px")
        axes.set_ylim(-0.02, 0.5)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("lines lost")
    panels[-1].legend(fontsize=8)
    return figure

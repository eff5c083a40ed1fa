"""The law of a curve: fits by the C++ library over pages of run folders, as a table, a file and a picture.

    from fovea import law
    found = law.fit_runs(["runs/demo/prose", "runs/demo/shuffled-words"])
    found["groups"][0]["laws"][1]["parameters"]["capacity_text_tokens"]
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fovea import _C

ALPHABETS = {"random-letters": "abcdefghijklmnopqrstuvwxyz", "digits": "0123456789"}


def _scores(lines: list[dict[str, Any]], metric: str) -> list[float]:
    if metric == "char_accuracy":
        return [1.0 - line["char_edit_distance"] for line in lines]
    return [float(line[metric]) for line in lines]


def _letters(series: Any, resamples: int = 60) -> list[dict[str, Any]]:
    """Bits a vision token of pages of random characters, a row a ratio."""
    from fovea.report.runs import by_ratio

    rows = []
    for ratio, lines in by_ratio(series.lines):
        texts = [t for t in (series.run.text(line) for line in lines) if t]
        if not texts:
            continue
        alphabet = ALPHABETS[series.kind]
        found = _C.letter_information(texts, alphabet)
        tokens = len(texts) * series.budget
        bits = []
        for b in range(resamples if len(texts) > 1 else 0):  # a linear congruence, so that the draw is the same everywhere
            state, drawn = (b + 1) * 2654435761 % 2**32, []
            for _ in texts:
                state = (state * 1664525 + 1013904223) % 2**32
                drawn.append(texts[(state >> 8) % len(texts)])
            bits.append(_C.letter_information(drawn, alphabet)["total_bits"] / tokens)
        bits.sort()
        interval = {"low": bits[int(0.025 * len(bits))], "high": bits[min(len(bits) - 1, int(0.975 * len(bits)))]} if bits else {"low": None, "high": None}
        rows.append(
            {"ratio_asked": ratio, "ratio": sum(line["ratio_measured"] for line in lines) / len(lines), "num_pages": len(texts), **found,
             "letters_per_vision_token": found["num_letters"] / tokens, "offered_bits_per_vision_token": found["num_letters"] * found["source_bits"] / tokens,
             "bits_per_vision_token": found["total_bits"] / tokens, **interval}
        )
    return rows


def fit_runs(folders: Sequence[str | os.PathLike[str]], config: _C.LawConfig | None = None, **fields: Any) -> dict[str, Any]:
    """Both laws for each curve (run, kind of text, number of vision tokens) in the folders; keywords are fields of LawConfig.

    A curve with fewer than three ratios has no law; it is named under "left_out". Errors: ConfigError (no curve at all, unknown metric).
    """
    from fovea.report.runs import load_runs, passage_of, split_series

    config = config or _C.LawConfig()
    config.update(fields)
    known = {"precision", "recall", "f1", "char_accuracy"}
    groups, left_out, letters = [], [], []
    for series in split_series(load_runs([str(f) for f in folders])):
        name = {"label": series.label, "run": str(series.run.folder), "kind": series.kind, "vision_tokens": series.budget}
        if series.kind in ALPHABETS and (rows := _letters(series)):
            letters.append({**name, "alphabet": ALPHABETS[series.kind], "ratios": rows})
        needed = "char_edit_distance" if config.metric == "char_accuracy" else config.metric
        lines = [line for line in series.lines if isinstance(line.get(needed), (int, float)) and isinstance(line.get("ratio_measured"), (int, float))]
        if not lines:
            import difflib

            names = known | {k for line in series.lines for k, v in line.items() if isinstance(v, float)}
            near = difflib.get_close_matches(config.metric, sorted(names), 1)
            raise _C.ConfigError(f"[law] no page of {series.run.folder} has a ratio and '{config.metric}'" + (f"; did you mean '{near[0]}'?" if near else "; metrics are " + ", ".join(sorted(known))))
        try:
            numbers: dict[str, int] = {}
            found = _C.law_of_curve(
                [float(line["ratio_asked"]) for line in lines], [float(line["ratio_measured"]) for line in lines], _scores(lines, config.metric),
                [numbers.setdefault(passage_of(line), len(numbers)) for line in lines], config,
            )
        except _C.ConfigError as error:
            left_out.append({**name, "why": str(error)})
            continue
        bits = config.bits_per_text_token or _known_bits(series, lines)
        if bits:
            capacity = found["laws"][1]["parameters"]["capacity_text_tokens"]
            found["laws"][1]["capacity_bits"] = {"bits_per_text_token": bits, **{k: bits * capacity[k] for k in ("value", "low", "high")}}
        groups.append({**name, **found})
    if not groups and not letters:
        raise _C.ConfigError("[law] no curve to fit: " + "; ".join(f"{item['label']}: {item['why']}" for item in left_out))
    return {"schema": "fovea.law", "version": 1, "config": config.to_dict(), "groups": groups, "letters": letters, "left_out": left_out}


def _known_bits(series: Any, lines: list[dict[str, Any]]) -> float | None:
    """Entropy of a text token where it is known: independent, equally likely characters (what the lengths of groups say is not counted)."""
    if series.kind not in ALPHABETS:
        return None
    texts = [(series.run.text(line), line) for line in lines]
    alphabet = ALPHABETS[series.kind]
    letters = sum(sum(c in alphabet for c in t[0]) for t, _ in texts if t)
    tokens = sum(line["num_text_tokens"] for t, line in texts if t)
    return letters * math.log2(len(alphabet)) / tokens if tokens else None


def describe(found: dict[str, Any]) -> str:
    """The fits as lines for a terminal."""
    out = []
    for group in found["groups"]:
        out.append(f"{group['label']}: {group['num_pages']} pages, {group['num_clusters']} passages, {found['config']['metric']}")
        for law in group["laws"]:
            open_ = "" if law["determined"] else "  (the pages leave it open)"
            out.append(f"  {law['law']:<9} {law['formula']}   rms {law['rms']:.4f}{open_}")
            for name, p in law["parameters"].items():
                out.append(f"    {name:<21} {p['value']:>9.4g}   95 %: {p['low']:.4g} to {p['high']:.4g} (bootstrap), {p['low_fit']:.4g} to {p['high_fit']:.4g} (covariance)")
            if bits := law.get("capacity_bits"):
                out.append(f"    capacity in bits      {bits['value']:>9.4g}   95 %: {bits['low']:.4g} to {bits['high']:.4g}, at {bits['bits_per_text_token']:.3f} bits a text token")
            for t in law["held_out"]:
                out.append(
                    f"    {t['ratio_asked']:>5g}x held out ({t['side']}): foretold {t['foretold']:.4f} ({t['low']:.4f} to {t['high']:.4f}), "
                    f"measured {t['measured']:.4f}, error {t['error']:+.4f}{'' if t['inside'] else ', outside the interval'}"
                )
    for group in found["letters"]:
        out.append(f"{group['label']}: bits a vision token held for certain ({len(group['alphabet'])} equally likely characters)")
        for r in group["ratios"]:
            interval = f" ({r['low']:.1f} to {r['high']:.1f})" if r["low"] is not None else ""
            wrong = 100 * r["num_wrong"] / r["num_letters"]
            out.append(f"  {r['ratio']:>6.2f}x  {r['letters_per_vision_token']:.2f} characters a token, {wrong:.2f} % wrong: {r['bits_per_vision_token']:.1f}{interval} of {r['offered_bits_per_vision_token']:.1f} bits")
    for item in found["left_out"]:
        out.append(f"left out: {item['label']}: {item['why']}")
    return "\n".join(out)


def table(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that the picture draws, a row a point."""
    rows = []
    for group in found["groups"]:
        for p in group["points"]:
            rows.append({"curve": group["label"], "what": "measured" if p["fitted"] else "measured, held out", "ratio": p["ratio"], "score": p["score"], "low": p["low"], "high": p["high"]})
        for law in group["laws"]:
            rows += [{"curve": group["label"], "what": law["law"], "ratio": p["ratio"], "score": p["score"], "low": p["low"], "high": p["high"]} for p in law["curve"]]
    for group in found["letters"]:
        rows += [{"curve": group["label"], "what": "bits a vision token", "ratio": r["ratio"], "score": r["bits_per_vision_token"], "low": r["low"], "high": r["high"]} for r in group["ratios"]]
    return rows


def figure(found: dict[str, Any]) -> Any:
    """Left: the curves with both laws. Right: text tokens that a vision token delivers; with random characters also bits."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    from fovea.figures import COLOURS, MARKERS, log_ratio_axis

    columns = 2 + bool(found["letters"])
    fig = Figure(figsize=(5.4 * columns, 4.6), layout="constrained")
    axes = fig.subplots(1, columns)
    lowest, ratios, highest = 1.0, [], 0.0
    for i, group in enumerate(found["groups"]):
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        points = group["points"]
        ratios += [p["ratio"] for p in group["laws"][0]["curve"]]
        lowest = min([lowest, *(p["low"] for p in points)])
        for delivered, ax in ((False, axes[0]), (True, axes[1])):
            for p in points:
                k = p["ratio"] if delivered else 1.0
                ax.errorbar(
                    [p["ratio"]], [k * p["score"]], yerr=[[k * max(0.0, p["score"] - p["low"])], [k * max(0.0, p["high"] - p["score"])]], color=colour, marker=marker,
                    markersize=5, capsize=3, linestyle="none", markerfacecolor=colour if p["fitted"] else "white",
                    label=group["label"] if p is points[0] else None,
                )
                highest = max(highest, p["ratio"])
            for law, dash in zip(group["laws"], (":", "-"), strict=True):
                x = [p["ratio"] for p in law["curve"]]
                k_of = [p["ratio"] if delivered else 1.0 for p in law["curve"]]
                ax.plot(x, [k * p["score"] for k, p in zip(k_of, law["curve"], strict=True)], color=colour, linestyle=dash, linewidth=1.5, label=f"{group['label']}: {law['law']}")
                if law["law"] == "capacity":
                    ax.fill_between(x, [k * p["low"] for k, p in zip(k_of, law["curve"], strict=True)], [k * p["high"] for k, p in zip(k_of, law["curve"], strict=True)], color=colour, alpha=0.15, linewidth=0)
    if found["groups"]:
        axes[1].plot(sorted(ratios), sorted(ratios), color="0.6", linewidth=1, label="everything read")
        axes[0].set_ylim(max(0.0, lowest - 0.1), 1.01)
        axes[0].yaxis.set_major_formatter(PercentFormatter(1))
        axes[0].set_ylabel(f"{found['config']['metric'].replace('_', ' ')}")
        axes[1].set_ylabel("text tokens read, a vision token")
        axes[1].set_ylim(0, 1.15 * max(p["score"] * p["ratio"] for g in found["groups"] for p in g["points"]))
        for ax in axes[:2]:
            log_ratio_axis(ax, ratios)
            ax.legend(fontsize=8)
    for i, group in enumerate(found["letters"]):
        x = [r["ratio"] for r in group["ratios"]]
        y = [r["bits_per_vision_token"] for r in group["ratios"]]
        bars = [[max(0.0, v - (r["low"] if r["low"] is not None else v)) for v, r in zip(y, group["ratios"], strict=True)],
                [max(0.0, (r["high"] if r["high"] is not None else v) - v) for v, r in zip(y, group["ratios"], strict=True)]]
        colour = COLOURS[(i + 2) % len(COLOURS)]
        axes[-1].errorbar(x, y, yerr=bars, color=colour, marker=MARKERS[i % len(MARKERS)], capsize=3, label=f"{group['label']}: held for certain")
        axes[-1].plot(x, [r["offered_bits_per_vision_token"] for r in group["ratios"]], color=colour, linestyle=":", label="offered")
    if found["letters"]:
        log_ratio_axis(axes[-1], [r["ratio"] for g in found["letters"] for r in g["ratios"]])
        axes[-1].set_ylim(bottom=0)
        axes[-1].set_ylabel("bits a vision token")
        axes[-1].legend(fontsize=8)
    return fig


def save(found: dict[str, Any], out: str | os.PathLike[str], *, figure: bool = True) -> list[Path]:
    """law.json, law.csv and, unless figure is False, law.svg, law.png and law.pdf."""
    from fovea import figures

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    rows = table(found)
    written = [figures.write_atomic(folder / "law.json", json.dumps(found, indent=1, ensure_ascii=False) + "\n")]
    if figure:
        return [*written, *figures.save(globals()["figure"](found), folder / "law", rows)]
    return [*written, figures.write_atomic(folder / "law.csv", figures.to_csv(rows))]

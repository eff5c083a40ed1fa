"""The report: run folders in, one HTML file out that needs nothing else."""

from __future__ import annotations

import base64
import html
import itertools
import json
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.report import charts
from fovea.report.readings import SeriesErrors, marked, page_errors, read_series, show
from fovea.report.runs import SCORES, Run, Series, by_ratio, load_runs, mean_interval, passage_of, split_series

E = html.escape
TITLES = {"precision": "Set-of-words precision", "recall": "Set-of-words recall", "f1": "Set-of-words F1", "char_edit_distance": "Character edit distance"}


def percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def shown(metric: str, value: float) -> str:
    return f"{value:.4f}" if metric == "char_edit_distance" else percent(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", text_columns: int = 1) -> str:
    """Cells are HTML. The first text_columns are text, all others numbers."""
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(f'<{tag}{"" if i < text_columns else " class=n"}>{cell}</{tag}>' for i, cell in enumerate(row))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f'<div class="scroll"><table>{f"<caption>{caption}</caption>" if caption else ""}<thead><tr>{cells(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


def _value(metric: str, found: dict[str, float] | None) -> str:
    if found is None:
        return "-"
    if found["num_pages"] < 2:
        return shown(metric, found["value"])
    low, high = (f"{v:.4f}" if metric == "char_edit_distance" else f"{100 * v:.1f}" for v in (found["low"], found["high"]))
    return f'{shown(metric, found["value"])} <span class="iv">{low}-{high}</span>'


def _tiles(series: list[Series], errors: list[SeriesErrors]) -> str:
    out = []
    for s, found in zip(series, errors, strict=True):
        metric = next((m for m in SCORES if mean_interval(s.lines, m)), None)
        distance = mean_interval(s.lines, "char_edit_distance")
        ratios = [line["ratio_measured"] for line in s.lines if isinstance(line.get("ratio_measured"), (int, float))]
        span = f"{min(ratios):.1f}x to {max(ratios):.1f}x" if ratios else "no ratio"
        mean = mean_interval(s.lines, metric) if metric else None
        looped = sum(f["looped"] for _, f in found.pages)
        what = f"{TITLES[metric].lower()}, mean" if metric else ""
        out.append(
            f'<div class="tile"><span class="name">{E(s.label)}</span><b>{shown(metric, mean["value"]) if metric and mean else "-"}</b>'
            f'<span class="quiet">{what} of {len(s.lines)} pages, {span}'
            + (f"; {distance['value']:.4f} character edit distance" if distance and metric != "char_edit_distance" else "")
            + f"; {looped} looped</span></div>"
        )
    return f'<div class="tiles">{"".join(out)}</div>'


def _curves(series: list[Series]) -> str:
    from fovea.figures import paper_points

    figures = []
    for metric in ("precision", "char_edit_distance"):
        lines = []
        for i, s in enumerate(series):
            points = []
            for _, pages in by_ratio(s.lines):
                found = mean_interval(pages, metric)
                if found:
                    ratio = sum(p["ratio_measured"] for p in pages) / len(pages)
                    points.append((ratio, found["value"], found["low"] if found["num_pages"] > 1 else None, found["high"] if found["num_pages"] > 1 else None))
            if points:
                lines.append(charts.Line(s.label, f"s{i % 8}", charts.MARKS[i % len(charts.MARKS)], points))
        if not lines:
            continue
        values = [v for line in lines for p in line.points for v in p[1:] if v is not None]
        if metric == "precision":
            for k, tokens in enumerate((64, 100)):
                paper = [(p["ratio"], p["precision"], None, None) for p in paper_points() if p["vision_tokens"] == tokens]
                lines.append(charts.Line(f"DeepSeek-OCR on Fox, {tokens} tokens (published)", f"paper{k}", "square" if tokens == 64 else "circle", paper, dotted=True))
            low = min([*values, *(p[1] for line in lines for p in line.points)])
            figures.append(charts.chart(lines, "Precision against compression ratio", "text tokens / vision tokens (log)", "set-of-words precision", lambda v: f"{100 * v:.4g} %", (max(0.0, low - 0.02), 1.0)))
        else:
            figures.append(charts.chart(lines, "Character edit distance against compression ratio", "text tokens / vision tokens (log)", "character edit distance", lambda v: f"{v:.4g}", (0.0, max(values) * 1.05)))
    if not figures:
        return '<p class="none">No page has both a ratio and a score: there is no curve.</p>'
    note = (
        "<p class=quiet>Means over pages with 95 % bootstrap intervals (pages of one passage are drawn together). The published points are of scanned and born-digital pages of the "
        "Fox benchmark read by the released model (arXiv 2510.18234, table 2): they show the scale, they are no contest.</p>"
    )
    return f'<div class="pair">{"".join(figures)}</div>{note}'


def _score_tables(series: list[Series]) -> str:
    out = []
    for metric in ("precision", "char_edit_distance", "recall"):
        rows: dict[float, dict[int, str]] = {}
        for i, s in enumerate(series):
            for ratio, pages in by_ratio(s.lines):
                if found := mean_interval(pages, metric):
                    rows.setdefault(ratio, {})[i] = _value(metric, found)
        if rows:
            body = [[f"{ratio:g}x", *(row.get(i, "-") for i in range(len(series)))] for ratio, row in sorted(rows.items())]
            out.append(f"<h3>{TITLES[metric]}</h3>" + table(["ratio asked", *(E(s.label) for s in series)], body))
    return "".join(out)


def _prior(series: list[Series]) -> str:
    """Prose beside its controls, as a difference with its interval where the pages pair up."""
    prose = [s for s in series if s.kind == "prose"]
    controls = [s for s in series if s.is_control]
    if not prose:
        return '<div class="note">There is no prose among these runs to set beside controls.</div>' if controls else ""
    if not controls:
        return (
            '<div class="note">Only running text was read. A reader that guesses from language can look better on it than it reads: run the same command with '
            "<code>--text-kind shuffled-words</code> or <code>random-letters</code> and report both folders together.</div>"
        )
    rows = []
    for p, c in itertools.product(prose, controls):
        if p.budget != c.budget:
            continue
        for ratio, pages in by_ratio(p.lines):
            other = dict(by_ratio(c.lines)).get(ratio)
            if not other:
                continue
            a, b = mean_interval(pages, "precision"), mean_interval(other, "precision")
            if a and b:
                rows.append([E(c.label), f"{ratio:g}x", percent(a["value"]), percent(b["value"]), f"{100 * (a['value'] - b['value']):+.1f}"])
    return (
        "<p>A control keeps the letters and takes the language away. What prose scores above a control at the same ratio is what guessing may have added; "
        "words that are rare or random also split into more glyphs a token, so a gap is an upper bound of it.</p>"
        + table(["control", "ratio", "prose", "control", "difference, points"], rows, text_columns=1)
        if rows
        else ""
    )


def _without_page(runs: list[Run]) -> str:
    """prior.csv of each run: how far language alone gets."""
    rows = []
    names: list[str] = []
    for run in runs:
        for row in run.prior:
            names += [n for n in row if n not in names and n not in ("kind", "run") and row[n] not in ("", None)]
    for run in runs:
        for row in run.prior:
            cells = []
            for n in names:
                try:
                    cells.append(f"{float(row.get(n, '')):.4g}")
                except ValueError:
                    cells.append(E(row.get(n) or "-"))
            rows.append([E(run.name), E(row.get("kind", "")), *cells])
    if not rows:
        return ""
    return (
        "<h3>What a reader without the page would get</h3><p>The decoder with a blank page, and a language model that sees the true text so far, on the same pages.</p>"
        + table(["run", "text", *(E(n.replace("_", " ")) for n in names)], rows, text_columns=2)
    )


def _failures(series: list[Series], errors: list[SeriesErrors]) -> str:
    rows = []
    for s, found in zip(series, errors, strict=True):
        facts_of = {id(line): f for line, f in found.pages}
        for ratio, pages in [*by_ratio(s.lines), (None, s.lines)]:
            of = [facts_of[id(line)] for line in pages]
            invented = [f["hallucination_rate"] for f in of if f["hallucination_rate"] is not None]
            rows.append(
                [E(s.label), f"{ratio:g}x" if ratio is not None else "<b>all</b>", str(len(of)), *(f"{sum(f[name] for f in of)}" for name in ("looped", "truncated", "empty")),
                 percent(sum(invented) / len(invented), 2) if invented else "-"]
            )
    return (
        "<p>Looped: the reading ends in a block said over and over. Cut off: it stops before the page does, or at the limit of tokens. Not on the page: share of what was read that "
        "lies in no five characters in a row of the page; single wrong characters count in it too.</p>"
        + table(["pages of", "ratio", "pages", "looped", "cut off", "empty", "not on the page"], rows, text_columns=2)
    )


def _places(series: list[Series], errors: list[SeriesErrors]) -> str:
    out = []
    for s, found in zip(series, errors, strict=True):
        p = found.places
        if not p.shown.any():
            continue
        how = "from the page drawn again, equal to its picture" if not p.num_estimated else f"{p.num_estimated} of {p.num_exact + p.num_estimated} pages estimated from lines and columns"
        left = f"; {found.num_not_placed} pages beyond the limit of --max-pages left out" if found.num_not_placed else ""
        out.append(f"<div><h3>{E(s.label)}</h3>{charts.heat_map(p.wrong.tolist(), p.shown.tolist(), f'Error rate by place, {s.label}')}<p class=quiet>Places {how}{left}.</p></div>")
    return '<div class="pair">' + "".join(out) + "</div>" if out else '<p class="none">No run folder holds the texts of its pages.</p>'


def _glyph(c: str) -> str:
    """A character; outside ASCII with its number, for many look alike."""
    number = f' <span class="quiet">U+{ord(c):04X}</span>' if len(c) == 1 and ord(c) > 126 else ""
    return f'<span class="glyph">{E(show(c))}</span>{number}'


def _glyphs(series: list[Series], errors: list[SeriesErrors]) -> str:
    out = []
    for s, found in zip(series, errors, strict=True):
        confusions = found.confusions
        if not confusions.num_errors:
            out.append(f"<div><h3>{E(s.label)}</h3><p>No character was misread.</p></div>")
            continue
        rows = []
        for a, b, pair in confusions.most(14):
            of = f"{percent(pair.count / confusions.shown[a], 2)} of {confusions.shown[a]}" if a else "-"
            rows.append([_glyph(a), _glyph(b), f"<code>{pair.example}</code>", str(pair.count), str(pair.alone), of])
        rest = confusions.num_errors - sum(pair.count for _, _, pair in confusions.most(14))
        note = f"{confusions.num_errors} edits in all" + (f", {rest} in {len(confusions.pairs) - 14} rarer pairs" if rest else "")
        out.append(f"<div><h3>{E(s.label)}</h3>" + table(["on the page", "read as", "for example", "times", "alone", "of its occurrences"], rows, note, 3) + "</div>")
    return (
        "<p>∅ stands for nothing (a character lost or added), ␣ for a space. Alone: between two characters that were read right, so a confusion of glyphs and no part of a garbled stretch.</p>"
        + "".join(out)
    )


def _picture(path: Path | None) -> str:
    if path is None:
        return '<p class="none">The run folder holds no picture of this page.</p>'
    return f'<img loading="lazy" alt="the page, misread and lost characters red, blue where something was added" src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'


def _worst(series: list[Series], errors: list[SeriesErrors], count: int) -> str:
    out = []
    for s, found in zip(series, errors, strict=True):
        scored = [(line, f) for line, f in found.pages if isinstance(line.get("char_edit_distance"), (int, float))]
        scored.sort(key=lambda item: (-item[0]["char_edit_distance"], str(item[0]["page"])))
        pages = []
        for line, f in scored[:count]:
            texts = s.run.text(line)
            head = f"page {E(str(line['page']))}, {line.get('ratio_measured') or 0:.1f}x, character edit distance {line['char_edit_distance']:.4f}"
            if isinstance(line.get("precision"), (int, float)):
                head += f", precision {percent(line['precision'])}"
            head += "".join(f", {word}" for word, name in (("looped", "looped"), ("cut off", "truncated"), ("empty", "empty")) if f[name])
            body = ""
            if texts:
                errors_of_page = page_errors(*texts)
                body = f'<div class="read" tabindex="0">{marked(errors_of_page, texts[0])}</div>'
            about = ", ".join(E(str(line[k])) for k in ("font", "font_size_px", "text") if line.get(k) not in (None, ""))
            pages.append(f"<details><summary>{head}</summary><p class=quiet>{about}</p>{_picture(s.run.picture(line))}{body}</details>")
        if pages:
            out.append(f"<h3>{E(s.label)}</h3>{''.join(pages)}")
    return (
        '<p>On the page red is misread or lost, blue the place before which something was added. In the text: <del>on the page, not read</del>, <ins>read, not on the page</ins>.</p>'
        + "".join(out)
        if out
        else '<p class="none">No page has a character edit distance.</p>'
    )


def _tokens(series: list[Series]) -> str:
    rows = []
    for s in series:
        for ratio, pages in by_ratio(s.lines):
            def mean(name: str, pages: list[dict[str, Any]] = pages) -> float | None:
                held = [float(p[name]) for p in pages if isinstance(p.get(name), (int, float))]
                return sum(held) / len(held) if held else None

            text, decoder, measured = mean("num_text_tokens"), mean("ratio_decoder_positions"), mean("ratio_measured")
            positions = f"{text / decoder:.0f}" if text and decoder else "-"
            valid, generated = mean("num_valid_tokens"), mean("num_generated_tokens")
            seconds = [mean("seconds_encode"), mean("seconds_decode")]
            rows.append(
                [E(s.label), f"{ratio:g}x", f"{text:.0f}" if text else "-", str(s.budget), f"{valid:.0f}" if valid else "-", positions,
                 f"{measured:.2f}x" if measured else "-", f"{decoder:.2f}x" if decoder else "-", f"{generated:.0f}" if generated else "-",
                 *(f"{v:.2f}" if v is not None else "-" for v in seconds)]
            )
    return (
        "<p>Text tokens are counted by DeepSeek's tokenizer whatever the reader's own is. The paper counts vision tokens; the decoder also reads a separator after each row of them and one at "
        "the end, so its ratio is the less flattering one. Seconds to decode run from the start of the page's batch.</p>"
        + table(["pages of", "ratio asked", "text tokens", "vision tokens", "valid", "decoder positions", "ratio", "by positions", "tokens generated", "encode, s", "decode, s"], rows)
    )


def _pairs(series: list[Series], limit: int = 15) -> str:
    """Paired bootstrap over pages that two series have in common: same ratio, tokens, font and passage."""
    def key(line: dict[str, Any]) -> str:
        return json.dumps([line.get("ratio_asked"), line.get("budget"), line.get("font"), passage_of(line)], default=str)

    rows, skipped = [], []
    for a, b in list(itertools.combinations(series, 2))[:limit]:
        first, second = {key(line): line for line in a.lines}, {key(line): line for line in b.lines}
        common = [k for k in first if k in second]
        if not common:
            skipped.append(f"{a.label} and {b.label}")
            continue
        for metric in ("precision", "char_edit_distance"):
            held = [(first[k][metric], second[k][metric], passage_of(first[k])) for k in common if isinstance(first[k].get(metric), (int, float)) and isinstance(second[k].get(metric), (int, float))]
            if not held:
                continue
            numbers: dict[str, int] = {}
            clusters = [numbers.setdefault(p, len(numbers)) for _, _, p in held]
            d = _C.paired_bootstrap([float(h[0]) for h in held], [float(h[1]) for h in held], clusters)
            number = (lambda v: f"{v:+.4f}") if metric == "char_edit_distance" else (lambda v: f"{100 * v:+.2f}")
            unit = "" if metric == "char_edit_distance" else " points"
            few = " (few)" if d["num_clusters"] < 6 else ""
            sure = f"{d['p']:.3f}" if d["num_clusters"] > 1 else "-"
            rows.append([f"{E(a.label)} - {E(b.label)}", TITLES[metric], number(d["mean"]) + unit, f"{number(d['low'])} to {number(d['high'])}", sure, str(d["num_pairs"]), f"{d['num_clusters']}{few}"])
    out = ""
    if rows:
        out += (
            "<p>Mean difference over the pages that both have (same ratio, tokens, font and passage; of a control the passage is the one it was made from), with a 95 % interval of 10,000 bootstrap "
            "resamples of passages. p is two-sided. With few passages neither interval nor p means much.</p>"
            + table(["difference", "metric", "mean", "95 % interval", "p", "pages", "passages"], rows, text_columns=2)
        )
    if skipped:
        out += f"<p class=quiet>No page in common: {E('; '.join(skipped))}.</p>"
    if len(series) > 1 and len(series) * (len(series) - 1) // 2 > limit:
        out += f"<p class=quiet>Only the first {limit} pairs are shown.</p>"
    return out or "<p>One series alone: there is nothing to compare.</p>"


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{prefix}.{name}" if prefix else name).items()}


def _differences(runs: list[Run]) -> str:
    if len(runs) < 2:
        return ""
    ignored = {"out", "command", "started", "ended", "seconds", "status", "num_pages", "first_started", "seconds_before"}
    flat = [{k: v for k, v in _flat({k: v for k, v in run.manifest.items() if k not in ignored}).items() if k != "config.out"} for run in runs]
    keys = [k for k in dict.fromkeys(itertools.chain(*flat)) if len({json.dumps(f.get(k), sort_keys=True) for f in flat}) > 1]
    if not keys:
        return "<p>The runs differ in nothing that their manifests tell.</p>"
    rows = [[f"<code>{E(k)}</code>", *(E(_short(f.get(k))) for f in flat)] for k in keys[:40]]
    more = f"<p class=quiet>And {len(keys) - 40} more.</p>" if len(keys) > 40 else ""
    return "<h3>What differs between the runs</h3>" + table(["setting", *(E(run.name) for run in runs)], rows, text_columns=99) + more


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _manifests(runs: list[Run]) -> str:
    out = []
    for run in runs:
        m = run.manifest
        if not m:
            out.append(f"<h3>{E(run.name)}</h3><p class=none>The run folder has no manifest.json.</p>")
            continue
        hardware = m.get("hardware") or {}
        gpus = f", {hardware['num_gpus']} GPUs" if hardware.get("num_gpus") else ""
        command = m.get("command") or []
        facts = {
            "command": " ".join(map(str, command)) if isinstance(command, list) else str(command),
            "model": m.get("model", ""), "git revision": m.get("git_revision", ""), "fovea": m.get("fovea", ""), "seed": m.get("seed", ""), "status": m.get("status", ""),
            "started": m.get("started", ""), "seconds": m.get("seconds", ""),
            "hardware": f"{hardware.get('cpu', '')}, {hardware.get('num_cores', '?')} cores{gpus}, {hardware.get('system', '')}" if hardware else "",
        }
        rows = [[E(k), f"<code>{E(str(v))}</code>"] for k, v in facts.items() if v not in ("", None)]
        out.append(
            f"<h3>{E(run.name)}</h3>{table(['', ''], rows, text_columns=2).replace('<thead><tr><th></th><th></th></tr></thead>', '')}"
            f"<details><summary>manifest.json</summary><pre>{E(json.dumps(m, indent=2, ensure_ascii=False))}</pre></details>"
        )
    return _differences(runs) + "".join(out)


def _notes(runs: list[Run], series: list[Series], errors: list[SeriesErrors]) -> list[str]:
    notes = [f"{run.name}: {problem}" for run in runs for problem in run.problems]
    versions: dict[str, set[str]] = {}
    for run in runs:
        for line in run.lines:
            if line.get("task"):
                versions.setdefault(str(line["task"]), set()).add(str(line.get("task_version", "")))
    notes += [f"versions {', '.join(sorted(v))} of task {task} stand in one report: their numbers are not comparable" for task, v in sorted(versions.items()) if len(v) > 1]
    models = {json.dumps((run.manifest.get("sha256") or {}).get("model")) for run in runs if run.manifest}
    names = {str(run.manifest.get("model")) for run in runs if run.manifest}
    if len(models) > 1 and len(names) == 1:
        notes.append(f"the runs name one model ({names.pop()}) but were read with different weights")
    for s, found in zip(series, errors, strict=True):
        if found.num_without_text:
            notes.append(f"{s.label}: {found.num_without_text} of {len(s.lines)} pages have no texts in the run folder; glyphs, places and failures are of the others")
    return notes


def write_report(
    folders: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] = "report.html", *, title: str = "", worst: int = 3, max_pages: int = 400,
    on_page: Callable[[int, int], None] | None = None,
) -> Path:
    """One HTML file about run folders (or sweeps: each cell is a run), with everything in it: no network, no other file.

    worst      pages shown in full, a series
    max_pages  pages a series that are drawn again to learn where errors stand
    on_page    called with (pages done, pages in all)
    Errors: ConfigError (no run folder, damaged results).
    """
    runs = load_runs([str(f) for f in folders])
    series = split_series(runs)
    total, done = sum(len(s.lines) for s in series), 0

    def step() -> None:
        nonlocal done
        done += 1
        if on_page:
            on_page(done, total)

    errors = [read_series(s, max_pages, step) for s in series]
    notes = "".join(f'<div class="note">{E(note)}</div>' for note in _notes(runs, series, errors))
    title = title or ("Fovea report: " + ", ".join(run.name for run in runs[:4]) + (f" and {len(runs) - 4} more" if len(runs) > 4 else ""))
    models = ", ".join(dict.fromkeys(str(run.manifest.get("model")) for run in runs if run.manifest.get("model")))
    sections = [
        ("curves", "Curves", _curves(series)), ("tables", "Scores by ratio", _score_tables(series)), ("controls", "Prose beside its controls", _prior(series) + _without_page(runs)),
        ("failures", "Loops, cuts, empties, inventions", _failures(series, errors)), ("places", "Where on the page", _places(series, errors)),
        ("glyphs", "Which glyphs", _glyphs(series, errors)), ("worst", "Worst pages", _worst(series, errors, worst)), ("tokens", "Tokens", _tokens(series)),
        ("compare", "Comparison", _pairs(series)), ("manifest", "How it was made", _manifests(runs)),
    ]
    sections = [s for s in sections if s[2]]
    css = resources.files("fovea.report").joinpath("style.css").read_text(encoding="utf-8")
    pages = sum(len(run.lines) for run in runs)
    document = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{E(title)}</title>'
        f"<style>{css}</style></head><body><main><h1>{E(title)}</h1>"
        f'<p class="quiet">{pages} pages of {len(runs)} run{"s" if len(runs) > 1 else ""}{f", read by {E(models)}" if models else ""}. Fovea {E(_C.__version__)}.</p>'
        f"{notes}{_tiles(series, errors)}<nav>{''.join(f'<a href=#{i}>{E(name)}</a>' for i, name, _ in sections)}</nav>"
        + "".join(f'<section id="{i}"><h2>{E(name)}</h2>{body}</section>' for i, name, body in sections)
        + "<footer>Precision is that of sets of words, as in arXiv 2510.18234; the distance is edits over the longer length, white space normalised. "
        "Everything in this file is in this file: it asks nothing of the network.</footer></main></body></html>\n"
    )
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.name + ".tmp")
    temporary.write_text(document, encoding="utf-8")
    temporary.replace(out)
    return out

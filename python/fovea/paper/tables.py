"""Rows of each table: the published value, what others measured, ours. A function an item."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.paper import measured
from fovea.paper.items import Row, number, published
from fovea.paper.measured import Measured

Given = list[tuple[str, Path]]  # (part of the name after a colon, path)


def _key(row: dict[str, str]) -> str:
    return f"{row['vision_tokens']}:{row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}"


def _rerun(source: str = "scan") -> dict[str, dict[str, str]]:
    return {_key(row): row for row in published("fox_independent_rerun") if row["page_source"] == source}


def fox_curve(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    ours, notes = _collect(given, measured.of_fox, "fox-curve")
    again = _rerun()
    rows = []
    for row in published("fox"):
        mine = next((m for m in ours if m.key == _key(row) and not m.orientation), None)
        what = f"{row['vision_tokens']} tokens, {row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']} text tokens ({row['pages']} pages, {row['compression_ratio_text_tokens_per_vision_token']}x)"
        note = f"of {mine.num_pages} pages" if mine and mine.num_pages != int(row["pages"]) else ""
        rows.append(Row(_key(row), what, float(row["precision_percent_table2"]), number(again[_key(row)]["word_set_precision_percent"]), mine.value if mine else None, note=note))
    return rows, [m for m in ours if m.orientation], notes


def fox_metric(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    again = _rerun()
    rows = [
        Row(_key(row), f"{row['vision_tokens']} tokens, {row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}", float(row["precision_percent_table2"]),
            ours=float(again[_key(row)]["word_set_precision_percent"]))
        for row in published("fox")
    ]
    notes = []
    for name, column in (("set-of-words precision", "word_set_precision_percent"), ("set-of-words recall", "word_set_recall_percent"), ("1 - edit distance", "one_minus_normalised_edit_distance_percent")):
        for tokens in ("64", "100"):
            gaps = [abs(float(again[_key(row)][column]) - float(row["precision_percent_table2"])) for row in published("fox") if row["vision_tokens"] == tokens]
            notes.append(f"mean distance of {name} from table 2 at {tokens} tokens: {sum(gaps) / len(gaps):.2f} points")
    inside = sum(abs(r.ours - r.published) <= 0.7 for r in rows if r.ours is not None and r.published is not None)
    notes.append(f"{inside} of {len(rows)} cells lie within 0.7 points: precision is that of the sets of words, averaged over pages")
    return rows, [], notes


# One picture a mode whose sides give the mode's square view.
_NATIVE = {"Tiny": "tiny", "Small": "small", "Base": "base", "Large": "large"}


def modes(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    rows, notes = [], []
    for row in published("modes"):
        name = row["mode"]
        if name in _NATIVE:
            side = int(row["full_or_global_view_side_pixels"])
            counts = _C.count_tokens(side, side, _NATIVE[name])
            rows.append(Row(f"{name}:tokens", f"{name}, {side} px: vision tokens", float(row["max_vision_tokens"]), ours=counts.vision_tokens))
            notes.append(f"{name}: the decoder reads {counts.decoder_positions} positions for {counts.vision_tokens} vision tokens")
        else:
            mode = name.lower()
            tile = int(row["local_view_side_pixels"].rsplit(" ", 1)[1])
            least = _C.count_tokens(2 * tile, tile, mode)
            rows.append(Row(f"{name}:least", f"{name}: fewest vision tokens with tiles", float(row["min_vision_tokens"]), ours=least.vision_tokens))
    for name, mode, tokens in (("Base", "base", 256), ("Large", "large", 400)):
        for width, height in ((700, 1000), (1000, 1400)):
            counts = _C.count_tokens(width, height, mode)
            want = -(-tokens * min(width, height) // max(width, height))
            rows.append(Row(f"{name}:valid:{width}x{height}", f"{name}: valid tokens of {width} x {height} px, by the paper's formula", float(want), ours=counts.paper_valid_tokens))
    return rows, [], notes


def gundam(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    rows, notes, ours = [], [], []
    for row in published("modes"):
        if row["kind"] != "dynamic":
            continue
        side, whole_side = int(row["local_view_side_pixels"].rsplit(" ", 1)[1]), int(row["full_or_global_view_side_pixels"].rsplit(" ", 1)[1])
        tile, whole = side * side // 64**2, whole_side * whole_side // 64**2
        for columns, lines in ((2, 1), (1, 2), (3, 1), (2, 2), (3, 2)):
            counts = _C.count_tokens(columns * side, lines * side, row["mode"].lower())
            rows.append(Row(f"{row['mode']}:{columns}x{lines}", f"{row['mode']}: {columns} x {lines} tiles", float(columns * lines * tile + whole), ours=counts.vision_tokens))
    small = _C.count_tokens(639, 400, "gundam")
    rows.append(Row("Gundam:none", "Gundam: a picture with both sides under 640 px", 256.0, ours=small.vision_tokens))
    for _, path in given:
        sizes = _image_sizes(path)
        tokens = [_C.count_tokens(w, h, "gundam").vision_tokens for w, h in sizes]
        ours.append(Measured(f"Gundam, mean of {len(sizes)} pictures in {path.name}", sum(tokens) / len(tokens), num_pages=len(sizes), model="count", orientation=True, command="fovea paper gundam"))
    mean = next(row for row in published("omnidocbench") if row["model_or_mode"] == "Gundam")
    notes.append(f"over OmniDocBench's pages the paper counts {mean['mean_vision_tokens_per_page']} tokens a page: {(float(mean['mean_vision_tokens_per_page']) - 256) / 100:.2f} tiles; needs the benchmark's images (--ours gundam=FOLDER)")
    notes.append("the released code cuts 2 to 6 tiles (9 in the paper), which these counts follow")
    return rows, ours, notes


def _image_sizes(folder: Path) -> list[tuple[int, int]]:
    from PIL import Image

    sizes = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
            with Image.open(path) as picture:
                sizes.append(picture.size)
    if not sizes:
        raise _C.ConfigError(f"[paper] {folder} holds no picture")
    return sizes


_PARTS = {"text": "text_block", "formula": "display_formula", "table": "table", "reading_order": "reading_order"}


def _by_language(result: dict[str, Any]) -> dict[str, float]:
    out = {}
    for language, name in (("en", "EN"), ("zh", "CH")):
        overall = (result.get("overall") or {}).get(name) or {}
        if overall.get("overall") is not None:
            out[f"{language}:overall"] = overall["overall"]
        for part, element in _PARTS.items():
            value = overall.get(element, overall.get(part))
            if value is not None:
                out[f"{language}:{part}"] = value
    return out


def omnidocbench(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    mine, notes = _metrics(given, _by_language, {row["model_or_mode"].split(" (")[0] for row in published("omnidocbench")})
    rows = []
    for row in published("omnidocbench"):
        name = row["model_or_mode"].split(" (")[0]
        if row["group"] != "deepseek_ocr" and name not in mine:
            continue
        for language, title in (("en", "English"), ("zh", "Chinese")):
            for part in ("overall", *_PARTS):
                rows.append(Row(f"{name}:{language}:{part}", f"{name}, {title}, {part.replace('_', ' ')}", float(row[f"{language}_{part}_edit_distance"]), ours=mine.get(name, {}).get(f"{language}:{part}")))
    return rows, [], notes


def omnidocbench_tokens(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    mine, notes = _metrics(given, _by_language, {row["model_or_mode"].split(" (")[0] for row in published("omnidocbench")})
    rows = []
    for row in published("omnidocbench"):
        tokens = row["mean_valid_vision_tokens_per_page"] or row["mean_vision_tokens_per_page"]
        if not tokens:
            continue
        name = row["model_or_mode"].split(" (")[0]
        both = [mine.get(name, {}).get(f"{language}:overall") for language in ("en", "zh")]
        value = sum(v for v in both if v is not None) / 2 if None not in both else None
        rows.append(Row(f"{name}:{tokens}", f"{row['model_or_mode']}, {tokens} tokens", (float(row["en_overall_edit_distance"]) + float(row["zh_overall_edit_distance"])) / 2, ours=value))
    return rows, [], notes


_TYPES = {
    "book": "book", "slides": "PPT2PDF", "financial_report": "research_report", "textbook": "colorful_textbook", "exam_paper": "exam_paper", "magazine": "magazine",
    "academic_papers": "academic_literature", "notes": "note", "newspaper": "newspaper",
}


def _by_type(result: dict[str, Any]) -> dict[str, float]:
    page = ((result.get("text_block") or {}).get("page") or {}).get("Edit_dist") or {}
    out = {name: page[f"data_source: {source}"] for name, source in _TYPES.items() if page.get(f"data_source: {source}") is not None}
    if page.get("ALL") is not None:
        out["overall"] = page["ALL"]
    return out


def omnidocbench_types(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    mine, notes = _metrics(given, _by_type, {row["mode"] for row in published("omnidocbench_by_type")})
    rows = [
        Row(f"{row['mode']}:{part}", f"{row['mode']}, {part.replace('_', ' ')}", float(row[f"{part}_edit_distance"]), ours=mine.get(row["mode"], {}).get(part))
        for row in published("omnidocbench_by_type")
        for part in (*_TYPES, "overall")
    ]
    notes.append("the paper does not say of which element these distances are; ours are of the text blocks")
    return rows, [], notes


def _v15(result: dict[str, Any]) -> dict[str, float]:
    def page(element: str, metric: str) -> float | None:
        return (((result.get(element) or {}).get("page") or {}).get(metric) or {}).get("ALL")

    found = {
        "text_edit_distance": page("text_block", "Edit_dist"), "reading_order_edit_distance": page("reading_order", "Edit_dist"),
        "table_teds": page("table", "TEDS"), "table_teds_s": page("table", "TEDS_structure_only"), "formula_cdm": page("display_formula", "CDM"),
        "overall_score_higher_better": (result.get("overall") or {}).get("overall"),
    }
    return {k: v * 100 if k.startswith(("table", "formula")) else v for k, v in found.items() if v is not None}


def omnidocbench_v15(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    mine, notes = _metrics(given, _v15, {row["model"] for row in published("omnidocbench_v1_5")})
    rows = []
    for row in published("omnidocbench_v1_5"):
        if row["group"] != "deepseek" and row["model"] not in mine:
            continue
        for column in ("overall_score_higher_better", "text_edit_distance", "formula_cdm", "table_teds", "table_teds_s", "reading_order_edit_distance"):
            gap = 0.01 if column.endswith("edit_distance") else None
            rows.append(Row(f"{row['model']}:{column}", f"{row['model']}, {column.replace('_higher_better', '').replace('_', ' ')}", number(row[column]), ours=mine.get(row["model"], {}).get(column), gap=gap))
    for row in published("omnidocbench_v1_5_by_type"):
        for column, value in row.items():
            if column not in ("model", "metric_edit_distance"):
                rows.append(Row(f"{row['model']}:{row['metric_edit_distance']}:{column}", f"{row['model']}, {row['metric_edit_distance'].replace('_', ' ')}, {column.replace('_', ' ')}", number(value), gap=0.01))
    return rows, [], notes


def forgetting(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    ours, notes = _collect(given, lambda path, _: measured.of_curve(path), "forgetting")
    rows = [Row(m.key, f"{m.vision_tokens} vision tokens, {m.ratio:.1f}x" if m.ratio else m.key, None, ours=m.value, note=f"{m.model}, {m.num_pages} pages") for m in sorted(ours, key=lambda m: -(m.vision_tokens or 0))]
    notes.append("the paper shows the idea and no measurement; these are of the reader named and stand for no other, the same passages on every row")
    return rows, [], notes


def throughput(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    values = {row["key"]: row for row in published("throughput")}
    rate, day = float(values["tokens_per_second"]["value"]), float(values["pages_per_gpu_day"]["value"])
    cluster, gpus = float(values["pages_per_cluster_day"]["value"]), int(values["pages_per_cluster_day"]["gpus"])
    rows = [Row(key, f"{row['what']} ({row['where']})", float(row["value"])) for key, row in values.items()]
    rows.append(Row("projection", f"projection: {gpus} GPUs at the published {day:,.0f} pages a GPU and day, perfect scaling", cluster, ours=day * gpus, gap=0.1 * cluster))
    rows.append(Row("tokens_per_page", "tokens a page that the two published speeds imply", None, ours=rate * 86400 / day, note="derived"))
    ours, notes = [], []
    for _, path in given:
        from fovea.report.runs import load_run

        run = load_run(path)
        facts = measured.provenance(run.manifest)
        lines = [line for line in run.lines if isinstance(line.get("num_generated_tokens"), (int, float)) and isinstance(line.get("num_text_tokens"), (int, float))]
        seconds = run.manifest.get("seconds")
        if not lines or not seconds:
            raise _C.ConfigError(f"[paper] {path} tells neither tokens nor seconds")
        total = sum(line["num_text_tokens"] for line in lines)
        ours.append(Measured(f"{facts['model']}: text tokens a second", total / seconds, num_pages=len(lines), **facts))
        ours.append(Measured(f"{facts['model']}: pages a day", 86400 * len(lines) / seconds, num_pages=len(lines), **facts))
    ours = ours or measured.from_kept("throughput")
    for m in ours:
        if not m.orientation:
            target = next(r for r in rows if r.key == ("tokens_per_second" if "second" in m.key else "pages_per_gpu_day"))
            target.ours, target.gap = m.value, 0.1 * (target.published or 0)
    notes.append("seconds of a run hold everything: loading, drawing, encoding, decoding, scoring; text tokens are DeepSeek's, whatever the reader's own")
    return rows, [m for m in ours if m.orientation], notes


def rivals(given: Given) -> tuple[list[Row], list[Measured], list[str]]:
    rows = [
        Row(f"rerendered:{_key(row)}", f"{row['mode']}, clean render, {row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']} text tokens ({row['compression_ratio']}x)", number(row["word_set_precision_percent"]))
        for row in published("fox_independent_rerun") if row["page_source"] == "rerendered"
    ]
    rows += [Row(f"story:{row['mode']}:{row['text_tokens']}", f"{row['mode']}, plain story, {row['text_tokens']} text tokens ({row['compression_ratio_nominal']}x)", number(row["word_set_precision_percent"]))
             for row in published("story_length_independent_rerun")]
    rows += [Row(f"letters:{row['mode']}", f"{row['mode']}, random letters", number(row["word_set_precision_percent"])) for row in published("random_letters_independent_rerun")]
    ours, notes = _collect(given, lambda path, _: measured.of_curve(path), "rivals")
    notes.append("pages of plain stories are 900 px wide and tall: much of the square is padding, so that the ratio by valid tokens is about twice the nominal one for the longest")
    return rows, [m for m in ours if m.orientation], notes


TABLES: dict[str, Callable[[Given], tuple[list[Row], list[Measured], list[str]]]] = {
    "fox-curve": fox_curve, "fox-metric": fox_metric, "modes": modes, "gundam": gundam, "omnidocbench": omnidocbench, "omnidocbench-tokens": omnidocbench_tokens,
    "omnidocbench-types": omnidocbench_types, "omnidocbench-v1.5": omnidocbench_v15, "forgetting": forgetting, "throughput": throughput, "rivals": rivals,
}


# Items whose values of ours are read from run folders alone, and by what.
MEASURED: dict[str, Callable[[Path, str], tuple[list[Measured], list[str]]]] = {
    "fox-curve": measured.of_fox, "forgetting": lambda path, _: measured.of_curve(path), "rivals": lambda path, _: measured.of_curve(path),
}


def _collect(given: Given, read: Callable[[Path, str], tuple[list[Measured], list[str]]], name: str) -> tuple[list[Measured], list[str]]:
    if not given:
        return measured.from_kept(name), []
    ours, notes = [], []
    for subkey, path in given:
        found, more = read(path, subkey)
        ours += found
        notes += more
    return ours, notes


def _metrics(given: Given, values: Callable[[dict[str, Any]], dict[str, float]], names: set[str]) -> tuple[dict[str, dict[str, float]], list[str]]:
    import difflib

    out, notes = {}, []
    for subkey, path in given:
        if subkey not in names:
            near = difflib.get_close_matches(subkey, sorted(names), 1)
            raise _C.ConfigError(f"[paper] say whose values {path} holds, as in --ours NAME:ROW={path}: no row '{subkey}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        result = measured.of_metrics(path)
        out[subkey] = values(result)
        notes.append(f"{subkey}: {result.get('num_scored')} of {result.get('num_pages')} pages, version {result.get('version')}, {result.get('match')}")
    return out, notes

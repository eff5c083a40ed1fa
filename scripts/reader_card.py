#!/usr/bin/env python3
"""The tables of a reader's model card out of its curves: reader_card.py FOLDER

FOLDER holds run folders of `fovea curve` (summary.csv, results.jsonl, pages/ or pages.tgz), of any budgets, ratios, fonts and kinds of text. Prints Markdown: the curve of
each budget on prose with the other kinds of text beside it, and the accuracy by class of character. Medians are over fonts, of each font's mean over its pages.
A run folder whose name begins with "held-out" counts apart: fonts that the reader was not trained on.
"""
import argparse
import collections
import csv
import json
import pathlib
import statistics
import tarfile
import tempfile

Row = dict[str, str]
HELD_OUT = "held-out fonts"


def load(folder: pathlib.Path) -> tuple[list[Row], list[pathlib.Path], list[str]]:
    """All rows of the summaries, the run folders, and what could not be used."""
    rows: list[Row] = []
    runs: list[pathlib.Path] = []
    left_out: list[str] = []
    for results in sorted(folder.rglob("results.jsonl")):
        run = results.parent
        if not (run / "summary.csv").exists():
            left_out.append(f"{run.relative_to(folder)}: ended before its summary, {len(results.read_text(encoding='utf-8').splitlines())} pages")
            continue
        runs.append(run)
        with (run / "summary.csv").open(encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        if run.name.startswith("held-out"):
            for row in found:
                row["text_kind"] = HELD_OUT
        rows += found
    if not runs:
        raise SystemExit(f"{folder} must hold run folders of fovea curve (results.jsonl and summary.csv), got none")
    return rows, runs, left_out


def percent(row: Row) -> str:
    return f"{100 * float(row['precision']):.1f} %"


def distance(value: float) -> str:
    return f"{value:.4f}"


def curve_table(rows: list[Row], budget: int) -> str:
    """One budget: prose in full, other kinds of text as median precision and distance."""
    of_budget = [r for r in rows if int(r["budget"]) == budget]
    kinds = [k for k in dict.fromkeys(r["text_kind"] for r in of_budget) if k != "prose"]
    lines = ["| ratio | precision, median over fonts | character edit distance | worst font | pages ending as loops | " + "".join(f"{k if k == HELD_OUT else k.replace('-', ' ')}, median | " for k in kinds)]
    lines[0] = lines[0].rstrip()
    lines.append("|---" * (5 + len(kinds)) + "|")
    for ratio in sorted({float(r["ratio_asked"]) for r in of_budget}):
        cells = [f"{ratio:g}x"]
        here = [r for r in of_budget if float(r["ratio_asked"]) == ratio]
        prose = [r for r in here if r["text_kind"] == "prose"]
        if prose:
            middle = next((r for r in prose if r["font"] == "median"), prose[0])
            fonts = [r for r in prose if r["font"] != "median"]
            worst = min(fonts, key=lambda r: float(r["precision"]))
            low, high = 100 * float(middle["precision_low"]), 100 * float(middle["precision_high"])
            loops = sum(float(r["loop_rate"]) * int(r["num_pages"]) for r in fonts)
            cells += [f"**{percent(middle)}** ({low:.1f}-{high:.1f})", distance(float(middle["char_edit_distance"])),
                      f"{worst['font']} {percent(worst)}, {distance(float(worst['char_edit_distance']))}", f"{loops:.0f} of {sum(int(r['num_pages']) for r in fonts)}"]
        else:
            cells += [""] * 4
        for kind in kinds:
            of_kind = [r for r in here if r["text_kind"] == kind]
            middle = next((r for r in of_kind if r["font"] == "median"), of_kind[0] if of_kind else None)
            cells.append(f"{percent(middle)}, {distance(float(middle['char_edit_distance']))}" if middle else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def font_table(rows: list[Row], budget: int) -> str:
    """Prose, font by font: precision and distance at each ratio."""
    found: dict[str, dict[float, Row]] = collections.defaultdict(dict)
    for r in rows:
        if int(r["budget"]) == budget and r["text_kind"] == "prose" and r["font"] != "median":
            found[r["font"]][float(r["ratio_asked"])] = r
    ratios = sorted({ratio for of_font in found.values() for ratio in of_font})
    lines = ["| font | " + " | ".join(f"{r:g}x" for r in ratios) + " |", "|---" * (1 + len(ratios)) + "|"]
    for font, of_font in found.items():
        lines.append(f"| {font} | " + " | ".join(f"{percent(of_font[r])}, {distance(float(of_font[r]['char_edit_distance']))}" if r in of_font else "" for r in ratios) + " |")
    return "\n".join(lines) + "\n"


def facts(runs: list[pathlib.Path]) -> str:
    """What was measured: pages, decoding time, type sizes."""
    pages = [json.loads(line) for run in runs for line in (run / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    sizes: dict[tuple[int, float], list[float]] = collections.defaultdict(list)
    for page in pages:
        sizes[page["budget"], page["ratio_asked"]].append(page["font_size_px"])
    lines = [f"{len(pages)} pages, {sum(p['num_text_tokens'] for p in pages)} text tokens, {sum(p['num_chars'] for p in pages)} characters."]
    lines.append("Type, median px: " + "; ".join(f"{budget} tokens {ratio:g}x {statistics.median(of):.1f}" for (budget, ratio), of in sorted(sizes.items())) + ".")
    return "\n".join(lines) + "\n"


def classes(runs: list[pathlib.Path]) -> dict[int, str]:
    """Table of character classes of each budget's prose; needs the pages' texts."""
    import character_classes

    by_budget: dict[int, list[pathlib.Path]] = collections.defaultdict(list)
    out = {}
    with tempfile.TemporaryDirectory() as scratch:
        for i, run in enumerate(runs):
            first = json.loads((run / "results.jsonl").open(encoding="utf-8").readline())
            if first["text_kind"] != "prose" or run.name.startswith("held-out"):
                continue
            place = run
            if not (run / "pages").exists():
                if not (run / "pages.tgz").exists():
                    continue
                place = pathlib.Path(scratch) / str(i)
                place.mkdir()
                with tarfile.open(run / "pages.tgz") as archive:
                    # Not extractall(filter=...): Debian 12's Python (3.11.2) does not know it.
                    for member in archive.getmembers():
                        target = (place / member.name).resolve()
                        if member.isfile() and target.is_relative_to(place.resolve()):
                            target.parent.mkdir(parents=True, exist_ok=True)
                            target.write_bytes(archive.extractfile(member).read())
                (place / "results.jsonl").write_bytes((run / "results.jsonl").read_bytes())
            by_budget[first["budget"]].append(place)
        for budget, places in by_budget.items():
            out[budget] = character_classes.table(places)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--no-classes", action="store_true", help="leave out the accuracy by class of character")
    options = parser.parse_args()
    rows, runs, left_out = load(options.folder)
    tables = {} if options.no_classes else classes(runs)
    print(facts(runs))
    for budget in dict.fromkeys(int(r["budget"]) for r in rows):
        print(f"## {budget} tokens\n\n{curve_table(rows, budget)}")
        if any(int(r["budget"]) == budget and r["text_kind"] == "prose" for r in rows):
            print(font_table(rows, budget))
        if budget in tables:
            print(f"By class of character, all fonts together, prose (share that the reader got right):\n\n{tables[budget]}")
    for line in left_out:
        print(f"left out: {line}")


if __name__ == "__main__":
    main()

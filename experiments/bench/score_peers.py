"""Scorers side by side in one run: edit distance beside RapidFuzz and NLTK, OmniDocBench beside a Python scorer of the same matched pairs.

    pip install rapidfuzz nltk apted lxml pylatexenc==3.0a30
    python experiments/bench/score_peers.py                                # edit distance
    python experiments/bench/score_peers.py --omnidocbench FOLDER --pages 1000

FOLDER holds annotation/*.json and predictions/demo_end2end, as the public demo data does. The Python scorer is given the pairs that our matching found and
does what the official program does after matching: LaTeX to text, cleaning, edit distance, TEDS, averages. Ours is timed with reading, splitting and
matching too, on both sides in turn. Both results must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import collections
import json
import multiprocessing
import os
import random
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from fovea import metrics


def timed(work: Any, repeats: int) -> tuple[float, Any]:
    """Median seconds, and the result."""
    seconds, result = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def edit_distance_table(text: str) -> None:
    import importlib

    import nltk
    from rapidfuzz.distance import Levenshtein

    importlib.import_module("nltk.metrics.distance").MAX_DISTANCE_INPUT_LEN = 10_000  # newer versions refuse longer texts unless told
    rng = random.Random(1)
    reference = text[:6000]
    hypothesis = ""
    for c in reference:
        wrong = rng.random() < 0.05
        kind = rng.randrange(3)
        hypothesis += c if not wrong or kind == 2 else ""
        hypothesis += rng.choice("abcdefghij") if wrong and kind > 0 else ""
    rows = [
        ("distance, fovea", timed(lambda: metrics.edit_distance(reference, hypothesis), 51)),
        ("distance, RapidFuzz", timed(lambda: Levenshtein.distance(reference, hypothesis), 51)),
        ("distance, NLTK", timed(lambda: nltk.edit_distance(reference, hypothesis), 1)),
        ("script, fovea", timed(lambda: sum(run[3] for run in metrics.edit_script(reference, hypothesis) if run[0] != "match"), 51)),
        ("script, RapidFuzz", timed(lambda: len(Levenshtein.editops(reference, hypothesis)), 51)),
    ]
    print(f"two pages of {len(reference)} and {len(hypothesis)} characters")
    for name, (seconds, value) in rows:
        print(f"  {name:<22} {1000 * seconds:10.3f} ms   {value} edits")
    assert len({value for _, (_, value) in rows}) == 1, "the distances differ"


# ---- the Python scorer


def clean(text: str) -> str:
    for mark in ("\\t", "\\n", "\t", "\n", "/t", "/n"):
        text = text.replace(mark, "")
    return re.sub(r"[^\w\u4e00-\u9fff]", "", text)


def with_formulas_as_text(text: str) -> str:
    from pylatexenc.latex2text import LatexNodes2Text

    def replace(match: re.Match[str]) -> str:
        inside = match.group(1) if match.group(1) is not None else match.group(2)
        bare = re.sub(r"\\([\\_&%^])", "", inside)
        if not any(c in bare for c in "\\^_"):
            return match.group(0)
        try:
            return LatexNodes2Text().latex_to_text(bare + " " if bare.endswith("\\") else bare).strip()
        except Exception:
            return match.group(0)

    return re.sub(r"\$(.*?)\$|\\\((.*?)\\\)", replace, text)


def table_tree(html: str) -> tuple[Any, int] | None:
    from apted.helpers import Tree
    from lxml import html as reader

    class Node(Tree):
        def __init__(self, tag: str, spans: tuple[int, int] | None, content: list[str], *children: Any) -> None:
            super().__init__(tag, *children)
            self.spans, self.content, self.children = spans, content, list(children)

    def tokens(node: Any) -> list[str]:
        out = list(node.text or "")
        for child in node:
            out += [f"<{child.tag}>", *tokens(child), f"</{child.tag}>", *(child.tail or "")]
        return out

    def build(node: Any) -> Node:
        if node.tag == "td":
            return Node("td", (int(node.get("colspan", 1)), int(node.get("rowspan", 1))), tokens(node))
        return Node(node.tag, None, [], *[build(child) for child in node])

    if not html:
        return None
    found = reader.fromstring(html).xpath("body/table")
    return (build(found[0]), len(found[0].xpath(".//*"))) if found else None


def python_teds(prediction: str, truth: str) -> tuple[float, float]:
    from apted import APTED, Config
    from rapidfuzz.distance import Levenshtein

    class Costs(Config):
        def __init__(self, structure: bool) -> None:
            self.structure = structure

        def rename(self, a: Any, b: Any) -> float:
            if a.name != b.name or a.spans != b.spans:
                return 1.0
            if not self.structure and a.name == "td" and (a.content or b.content):
                return Levenshtein.distance(a.content, b.content) / max(len(a.content), len(b.content))
            return 0.0

    a, b = table_tree(prediction), table_tree(truth)
    if a is None or b is None:
        return 0.0, 0.0
    size = max(a[1], b[1])
    content, structure = (1 - APTED(a[0], b[0], Costs(s)).compute_edit_distance() / size for s in (False, True))
    return content, structure


def python_score(job: tuple[str, dict[str, Any]]) -> tuple[str, str, float, int, float, float]:
    from rapidfuzz.distance import Levenshtein

    element, sample = job
    teds = structure = 0.0
    truth, prediction = sample["norm_gt"], sample["norm_pred"]
    # text is normalised here where a side is one piece: what is joined was normalised piece by piece, what was a formula as one
    if element == "text_block" and sample["gt_category_type"] != "equation_isolated":
        if len(sample["gt_idx"]) == 1:
            truth = clean(with_formulas_as_text(sample["gt"]))
        if len(sample["pred_idx"]) == 1 and "equation" not in sample["pred_category_type"]:
            prediction = clean(with_formulas_as_text(sample["pred"]))
    if element == "table":
        teds, structure = python_teds(prediction, truth)
    truth, prediction = truth or sample["gt"], prediction or sample["pred"]
    longer = max(len(truth), len(prediction))
    return element, sample["img_id"], Levenshtein.distance(truth, prediction), longer, teds, structure


def python_scores(matches: dict[str, Any], processes: int) -> dict[str, float]:
    jobs = [(element, sample) for element in ("text_block", "display_formula", "table") for sample in matches[element]]
    with multiprocessing.Pool(processes) as pool:
        results = pool.map(python_score, jobs, chunksize=64)
    pages: dict[str, dict[str, list[float]]] = collections.defaultdict(lambda: collections.defaultdict(lambda: [0.0, 0.0]))
    tables: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for element, page, edits, longer, teds, structure in results:
        pages[element][page][0] += edits
        pages[element][page][1] += longer
        if element == "table":
            tables[page].append((teds, structure))
    out = {element: statistics.fmean(e / n for e, n in by_page.values()) for element, by_page in pages.items()}
    for k, name in enumerate(("TEDS", "TEDS_structure_only")):
        out[name] = statistics.fmean(statistics.fmean(pair[k] for pair in of_page) for of_page in tables.values())
    return out


def repeated(source: Path, target: Path, num_pages: int) -> tuple[Path, Path]:
    """The demo's annotation and predictions under new names until there are enough pages."""
    annotation = json.loads(next((source / "annotation").glob("*.json")).read_text(encoding="utf-8"))
    (target / "predictions").mkdir()
    pages = []
    for i in range(num_pages):
        page = json.loads(json.dumps(annotation[i % len(annotation)]))
        old = Path(page["page_info"]["image_path"]).name
        new = f"{i:05d}_{old}"
        page["page_info"]["image_path"] = new
        pages.append(page)
        file = source / "predictions" / "demo_end2end" / (old[:-4] + ".md")
        if file.exists():
            shutil.copy(file, target / "predictions" / (new[:-4] + ".md"))
    truth = target / "truth.json"
    truth.write_text(json.dumps(pages, ensure_ascii=False), encoding="utf-8")
    return truth, target / "predictions"


def omnidocbench_table(source: Path, num_pages: int, cores: int, turns_each: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        truth, predictions = repeated(source, Path(folder), num_pages)
        matches = metrics.score_omnidocbench(truth, predictions, version="1.5", threads=cores, save_matches=True)["matches"]
        turns = []
        for _ in range(turns_each):  # in turn, so that other load on the machine meets both
            ours_s, ours = timed(lambda: metrics.score_omnidocbench(truth, predictions, version="1.5", threads=cores, word_metrics=False), 3)
            theirs_s, theirs = timed(lambda: python_scores(matches, cores), 1)
            turns.append((ours_s, theirs_s))
        ours_s, theirs_s = (statistics.median(column) for column in zip(*turns, strict=True))
    got = {name: ours[name]["page"]["Edit_dist"]["ALL"] for name in ("text_block", "display_formula", "table")}
    got |= {name: ours["table"]["page"][name]["ALL"] for name in ("TEDS", "TEDS_structure_only")}
    print(f"{num_pages} pages, {cores} cores")
    print(f"  fovea, files to averages with matching    {ours_s:8.2f} s")
    print(f"  Python over the same pairs                {theirs_s:8.2f} s   {theirs_s / ours_s:.1f} times as long")
    for name, value in got.items():
        print(f"  {name:<22} fovea {value:.12f}  Python {theirs[name]:.12f}")
        assert abs(value - theirs[name]) < 1e-9, name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--omnidocbench", type=Path, help="folder of the public demo data")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=1, help="OmniDocBench: how often both are timed")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    sample = Path(__file__).parents[2] / "datasets/samples/en_the_man_who_was_thursday.txt"
    edit_distance_table(" ".join(sample.read_text(encoding="utf-8").split()))
    if args.omnidocbench:
        omnidocbench_table(args.omnidocbench, args.pages, args.cores, args.turns)


if __name__ == "__main__":
    main()

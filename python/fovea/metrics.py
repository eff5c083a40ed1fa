"""Metrics of texts and tables, and the scorers of Fox and OmniDocBench. All computing is in C++; functions take the reference first.

    from fovea import metrics
    metrics.edit_distance("kitten", "sitting")
    metrics.score_fox("results.json")["natural"]["precision"]
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fovea import _C
from fovea._C import (
    FoxConfig,
    OmniDocBenchConfig,
    TextScoreConfig,
    assign,
    bleu,
    bootstrap_mean,
    character_error_rate,
    chrf,
    edit_distance,
    edit_script,
    graphemes,
    jieba_cut,
    meteor,
    omnidoc_quirks,
    rouge_l,
    set_overlap,
    teds,
    text_metric_names,
    word_error_rate,
)

__all__ = [
    "FoxConfig",
    "OmniDocBenchConfig",
    "TextScoreConfig",
    "assign",
    "bleu",
    "bootstrap_mean",
    "character_error_rate",
    "chrf",
    "edit_distance",
    "edit_script",
    "graphemes",
    "jieba_cut",
    "meteor",
    "omnidoc_quirks",
    "rouge_l",
    "score_fox",
    "score_omnidocbench",
    "score_omnidocbench_with_cdm",
    "score_texts",
    "set_overlap",
    "teds",
    "text_metric_names",
    "word_error_rate",
    "words_right_by_line",
]


def score_fox(results: str, **options: Any) -> dict[str, Any]:
    """Fox's results file; options are FoxConfig's fields."""
    return _C.score_fox(FoxConfig(results=str(results), **options))


def score_omnidocbench(ground_truth: str, predictions: str, **options: Any) -> dict[str, Any]:
    """A folder of Markdown predictions; options are OmniDocBenchConfig's fields."""
    return _C.score_omnidocbench(OmniDocBenchConfig(ground_truth=str(ground_truth), predictions=str(predictions), **options))


def score_omnidocbench_with_cdm(config: OmniDocBenchConfig, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """score_omnidocbench with CDM of every display formula, and the overall score of 1.5 and 1.6. Needs TeX (see fovea.cdm); writes config.out itself."""
    from fovea import cdm

    cdm.require_tools()
    out, save = config.out, config.save_matches
    config.out, config.save_matches = "", True
    try:
        report = _C.score_omnidocbench(config)
    finally:
        config.out, config.save_matches = out, save
    pages: dict[str, dict[str, Any]] = {}
    with_formula: list[str] = []
    scored = set(report["per_page"])
    for page in json.loads(Path(config.ground_truth).read_text(encoding="utf-8")):
        name = Path(page["page_info"]["image_path"]).name
        pages[name] = page["page_info"].get("page_attribute") or {}
        if name in scored and any(item.get("category_type") == "equation_isolated" and not item.get("ignore") for item in page["layout_dets"]):
            with_formula.append(name)
    cdm.add_to_report(report, pages, with_formula, progress, config.threads)
    if not save:
        del report["matches"]
    if out:
        temporary = Path(f"{out}.{os.getpid()}.tmp")
        temporary.write_text(json.dumps(report, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(out)
    return report


def score_texts(reference: str, hypothesis: str, **options: Any) -> dict[str, Any]:
    """Two files or two folders; options are TextScoreConfig's fields."""
    return _C.score_texts(TextScoreConfig(reference=str(reference), hypothesis=str(hypothesis), **options))


def words_right_by_line(page: _C.Page, text: str) -> np.ndarray:
    """Which lines of a page were read: float64 [lines], the share of each line's words that an optimal edit script over words leaves as they are; NaN where a line has none.

    page  as it was drawn: its text, and the line of every character (a word counts for the line in which it begins)
    text  what was read from it
    """
    words = [(match.start(), match.group()) for match in re.finditer(r"\S+", page.text)]
    lines = np.asarray(page.char_lines)[[begin for begin, _ in words]].astype(np.int64)
    right = np.zeros(len(words))
    for kind, begin, _, length in _C.edit_script("\n".join(word for _, word in words), "\n".join(text.split()), unit="words"):
        if kind == "match":
            right[begin : begin + length] = 1
    count = np.bincount(lines, minlength=len(page.lines))
    return np.asarray(np.bincount(lines, right, len(page.lines)) / np.where(count > 0, count, np.nan))

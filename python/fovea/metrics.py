"""Metrics of texts and tables, and the scorers of Fox and OmniDocBench. All computing is in C++; functions take the reference first.

    from fovea import metrics
    metrics.edit_distance("kitten", "sitting")
    metrics.score_fox("results.json")["natural"]["precision"]
"""

from __future__ import annotations

from typing import Any

from fovea import _C
from fovea._C import (
    FoxConfig,
    OmniDocBenchConfig,
    TextScoreConfig,
    bleu,
    bootstrap_mean,
    character_error_rate,
    chrf,
    edit_distance,
    edit_script,
    graphemes,
    jieba_cut,
    meteor,
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
    "bleu",
    "bootstrap_mean",
    "character_error_rate",
    "chrf",
    "edit_distance",
    "edit_script",
    "graphemes",
    "jieba_cut",
    "meteor",
    "rouge_l",
    "score_fox",
    "score_omnidocbench",
    "score_texts",
    "set_overlap",
    "teds",
    "text_metric_names",
    "word_error_rate",
]


def score_fox(results: str, **options: Any) -> dict[str, Any]:
    """Fox's results file; options are FoxConfig's fields."""
    return _C.score_fox(FoxConfig(results=str(results), **options))


def score_omnidocbench(ground_truth: str, predictions: str, **options: Any) -> dict[str, Any]:
    """A folder of Markdown predictions; options are OmniDocBenchConfig's fields."""
    return _C.score_omnidocbench(OmniDocBenchConfig(ground_truth=str(ground_truth), predictions=str(predictions), **options))


def score_texts(reference: str, hypothesis: str, **options: Any) -> dict[str, Any]:
    """Two files or two folders; options are TextScoreConfig's fields."""
    return _C.score_texts(TextScoreConfig(reference=str(reference), hypothesis=str(hypothesis), **options))

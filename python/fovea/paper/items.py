"""What is compared: entries of items.toml, published values, and the slips that the published numbers hold."""

from __future__ import annotations

import csv
import dataclasses
import functools
import itertools
import tomllib
from importlib import resources

STATUSES = ("reproduced", "needs the released weights", "needs larger hardware")


@dataclasses.dataclass(frozen=True)
class Item:
    """A table or figure."""

    name: str
    title: str
    source: str
    status: str
    unit: str
    gap: float
    gap_reason: str
    command: str
    time: str
    hardware: str


@dataclasses.dataclass
class Row:
    """One published value. key names it for values of ours; gap is the distance allowed here where the item's own does not fit."""

    key: str
    what: str
    published: float | None
    other: float | None = None   # measured by others
    ours: float | None = None
    gap: float | None = None
    note: str = ""


def data(name: str) -> str:
    return resources.files("fovea").joinpath(f"data/paper/{name}").read_text(encoding="utf-8")


@functools.cache
def published(name: str) -> tuple[dict[str, str], ...]:
    """Rows of a published table."""
    return tuple(csv.DictReader(data(name + ".csv").splitlines()))


def kept(name: str) -> list[dict[str, str]]:
    """What was measured here, rows of ours/NAME.csv; none if there is no such file."""
    file = resources.files("fovea").joinpath(f"data/paper/ours/{name}.csv")
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())) if file.is_file() else []


@functools.cache
def items() -> tuple[Item, ...]:
    return tuple(Item(name=name, **fields) for name, fields in tomllib.loads(data("items.toml")).items())


def number(text: str | None) -> float | None:
    return float(text) if text not in (None, "") else None


def slips() -> list[str]:
    """Where the published numbers disagree with each other, found by computing; a line each."""
    out = []
    for row in published("fox"):
        table, figure = float(row["precision_percent_table2"]), float(row["precision_percent_figure1a"])
        if table != figure:
            out.append(f"Fox, {row['vision_tokens']} tokens, {row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}: table 2 prints {table}, figure 1a {figure}")
    for tokens in ("64", "100"):
        rows = [row for row in published("fox") if row["vision_tokens"] == tokens]
        for before, after in itertools.pairwise(rows):
            if float(after["precision_percent_table2"]) > float(before["precision_percent_table2"]):
                out.append(
                    f"Fox, {tokens} tokens: precision rises from {before['precision_percent_table2']} to {after['precision_percent_table2']} as pages grow from "
                    f"{before['text_tokens_min_inclusive']}-{before['text_tokens_max_exclusive']} to {after['text_tokens_min_inclusive']}-{after['text_tokens_max_exclusive']} tokens"
                )
    again = {(r["vision_tokens"], r["text_tokens_min_inclusive"]): float(r["word_set_precision_percent"]) for r in published("fox_independent_rerun") if r["page_source"] == "scan"}
    for row in published("fox"):
        other = again.get((row["vision_tokens"], row["text_tokens_min_inclusive"]))
        if other is not None and abs(other - float(row["precision_percent_table2"])) > 3:
            out.append(
                f"Fox, {row['vision_tokens']} tokens, {row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}: table 2 has {row['precision_percent_table2']}, "
                f"the outputs that others published score {other}; no metric tried explains it"
            )
    last = published("fox")[-2]
    out.append(f"the claim for 20x rests on {last['pages']} pages ({last['compression_ratio_text_tokens_per_vision_token']}x)")
    for row in published("omnidocbench"):
        for language, name in (("en", "English"), ("zh", "Chinese")):
            overall = float(row[f"{language}_overall_edit_distance"])
            parts = [float(row[f"{language}_{part}_edit_distance"]) for part in ("text", "formula", "table", "reading_order")]
            if abs(sum(parts) / 4 - overall) > 0.0011:
                twin = " (the order column repeats the overall)" if parts[3] == overall else ""
                out.append(f"table 3, {row['model_or_mode']}, {name}: overall {overall}, mean of its four parts {sum(parts) / 4:.3f}{twin}")
    for row in published("omnidocbench_by_type"):
        parts = {k.removesuffix("_edit_distance"): float(v) for k, v in row.items() if k.endswith("_edit_distance") and not k.startswith("overall")}
        others = [float(r["financial_report_edit_distance"]) for r in published("omnidocbench_by_type") if r is not row]
        if parts["financial_report"] > max(others) + 0.05:
            mended = (sum(parts.values()) - 0.9 * parts["financial_report"]) / len(parts)
            out.append(
                f"table 4, {row['mode']}, financial reports: {parts['financial_report']}, the other modes {min(others)} to {max(others)}; the printed overall {row['overall_edit_distance']} "
                f"is near the mean with a tenth of it ({mended:.3f}) and not near the mean as printed ({sum(parts.values()) / len(parts):.3f})"
            )
    for row in published("omnidocbench_v1_5"):
        overall = ((1 - float(row["text_edit_distance"])) * 100 + float(row["formula_cdm"]) + float(row["table_teds"])) / 3
        if abs(overall - float(row["overall_score_higher_better"])) > 0.1:
            out.append(f"OmniDocBench 1.5, {row['model']}: overall {row['overall_score_higher_better']}, from its parts {overall:.2f}")
    speed = {row["key"]: (float(row["value"]), float(row["gpus"])) for row in published("throughput")}
    pages = speed["pages_per_cluster_day"][0] / speed["pages_per_cluster_day"][1]
    tokens = 86400 * speed["tokens_per_second"][0] / speed["pages_per_gpu_day"][0]
    out.append(
        f"throughput, no contradiction: 33M pages a day are {pages:,.0f} a GPU, which agrees with 200k+; {speed['tokens_per_second'][0]:.0f} tokens a second would make {tokens:.0f} tokens a page of it, "
        "and how many tokens a page has is not said"
    )
    out.append("ratios count vision tokens and not the row and view separators that the decoder reads as well: 10.5x at 64 tokens is 9.2x at 73 positions")
    return out

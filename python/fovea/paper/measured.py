"""Our side of a table: values out of run folders, results and metrics files, each with where it came from."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.paper.items import kept, published

FIELDS = ("key", "value", "ratio", "vision_tokens", "num_pages", "model", "orientation", "command", "git_revision", "hardware", "seconds")


def _revision(manifest: dict[str, Any]) -> str:
    """Twelve digits, and a + where the tree had changes that were not committed."""
    revision = str(manifest.get("git_revision") or "")
    return revision[:12] + ("+" if revision.endswith("+") else "")


@dataclasses.dataclass
class Measured:
    """key is that of a published row, or free text for orientation: what another reader or other pages gave."""

    key: str
    value: float
    ratio: float | None = None
    vision_tokens: int | None = None
    num_pages: int | None = None
    model: str = ""
    orientation: bool = False
    command: str = ""
    git_revision: str = ""
    hardware: str = ""
    seconds: float | None = None

    def row(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        return {name: ("" if values[name] is None else int(values[name]) if name == "orientation" else values[name]) for name in FIELDS}


def from_kept(name: str) -> list[Measured]:
    out = []
    for row in kept(name):
        out.append(
            Measured(
                row["key"], float(row["value"]), float(row["ratio"]) if row["ratio"] else None, int(row["vision_tokens"]) if row["vision_tokens"] else None,
                int(row["num_pages"]) if row["num_pages"] else None, row["model"], row["orientation"] == "1", row["command"], row["git_revision"], row["hardware"],
                float(row["seconds"]) if row["seconds"] else None,
            )
        )
    return out


def is_released(model: str) -> bool:
    """Is this the paper's own model? Anything else is orientation only."""
    return model.lower().replace("_", "-").startswith("deepseek-ocr")


def provenance(manifest: dict[str, Any]) -> dict[str, Any]:
    hardware = manifest.get("hardware") or {}
    gpus = f", {hardware['num_gpus']} GPUs" if hardware.get("num_gpus") else ""
    command = manifest.get("command") or ""
    return {
        "model": str(manifest.get("model", "")), "orientation": not is_released(str(manifest.get("model", ""))), "git_revision": _revision(manifest),
        "command": " ".join(map(str, command)) if isinstance(command, list) else str(command),
        "hardware": f"{hardware.get('cpu', '')}, {hardware.get('num_cores', '?')} cores{gpus}" if hardware else "", "seconds": manifest.get("seconds"),
    }


def bin_of(num_tokens: float) -> str | None:
    """The length class of the paper that a page falls into, None outside 600 to 1300."""
    for row in published("fox"):
        if int(row["text_tokens_min_inclusive"]) <= num_tokens < int(row["text_tokens_max_exclusive"]):
            return f"{row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}"
    return None


def _bins(pages: list[tuple[float, int, float]], more: dict[str, Any]) -> tuple[list[Measured], list[str]]:
    """pages: text tokens, vision tokens, precision. Means over the pages of each class of the paper."""
    groups: dict[tuple[int, str], list[tuple[float, float]]] = {}
    outside = 0
    for tokens, vision, precision in pages:
        name = bin_of(tokens)
        if name is None:
            outside += 1
            continue
        groups.setdefault((vision, name), []).append((tokens, precision))
    out = [
        Measured(f"{vision}:{name}", 100 * sum(p for _, p in held) / len(held), sum(t for t, _ in held) / len(held) / vision, vision, len(held), **more)
        for (vision, name), held in sorted(groups.items())
    ]
    notes = [f"{outside} of {len(pages)} pages have fewer than 600 or at least 1300 text tokens and stand in no row"] if outside else []
    return out, notes


def of_fox(path: Path, subkey: str) -> tuple[list[Measured], list[str]]:
    """A run folder of `fovea eval fox`, or Fox's own results file ({image, question, label, answer}; the vision tokens follow the name: fox-curve:64=FILE)."""
    if path.is_dir():
        from fovea.report.runs import load_run

        run = load_run(path)
        more = provenance(run.manifest)
        scored = [line for line in run.lines if isinstance(line.get("precision"), (int, float)) and isinstance(line.get("num_text_tokens"), (int, float)) and line.get("budget")]
        if any(line.get("task") == "fox" for line in scored):
            def precision(line: dict[str, Any]) -> float:
                found = line.get("fox_precision")
                return float(found if isinstance(found, (int, float)) else line["precision"])

            return _bins([(line["num_text_tokens"], int(line["budget"]), precision(line)) for line in scored], more)
        return of_curve(path, {"orientation": True})
    if subkey not in ("64", "100"):
        raise _C.ConfigError(f"[paper] name the vision tokens of {path}: --ours fox-curve:64={path} or fox-curve:100={path}")
    from fovea.api import deepseek_tokenizer
    from fovea.metrics import score_fox

    scores = score_fox(str(path), duplicates="count")
    records = json.loads(path.read_text(encoding="utf-8"))
    tokenizer = deepseek_tokenizer()
    pages = [
        (tokenizer.count_tokens(record["label"]), int(subkey), page["natural"]["precision"])
        for record, page in zip(records, scores["pages"], strict=True)
        if page["natural"]["precision"] is not None
    ]
    return _bins(pages, {"model": "predictions of " + path.name, "command": "fovea score fox"})


def of_curve(path: Path, more: dict[str, Any] | None = None) -> tuple[list[Measured], list[str]]:
    """A run folder of `fovea curve`: a value a series and ratio, as orientation unless the model is the released one."""
    from fovea.report.runs import by_ratio, load_run, split_series

    run = load_run(path)
    facts = provenance(run.manifest) | (more or {})
    out = []
    for series in split_series([run]):
        for ratio, lines in by_ratio(series.lines):
            scores = [line["precision"] for line in lines if isinstance(line.get("precision"), (int, float))]
            if scores:
                measured = sum(line["ratio_measured"] for line in lines) / len(lines)
                key = f"{series.kind or 'text'}, {series.budget} tokens, {ratio:g}x"
                out.append(Measured(key, 100 * sum(scores) / len(scores), measured, series.budget, len(scores), **facts))
    return out, []


def of_metrics(path: Path) -> dict[str, Any]:
    """A file of `fovea score omnidocbench`, or a run folder that holds one. Errors: ConfigError."""
    file = path / "metrics.json" if path.is_dir() else path
    try:
        result = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _C.ConfigError(f"[paper] {file} is no metrics file: {error}") from None
    if not isinstance(result, dict) or result.get("schema") != "fovea.score.omnidocbench":
        raise _C.ConfigError(f"[paper] {file} is no result of `fovea score omnidocbench`")
    return result

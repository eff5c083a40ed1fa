"""Run folders as the report sees them: lines of results.jsonl with one set of names, whatever verb wrote them."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.runs import FORMAT

# Scores that a line may hold, best value first: 1 or 0.
SCORES = {"precision": 1, "recall": 1, "f1": 1, "char_edit_distance": 0}
CONTROL_ORDER = ["prose", "shuffled-words", "shuffled-sentences", "swapped-entities", "random-words", "random-letters", "digits", "code"]


@dataclasses.dataclass
class Run:
    """One run folder. lines: a dict a page; problems: what was left out, in words."""

    folder: Path
    name: str
    config: dict[str, Any]
    manifest: dict[str, Any]
    summary: list[dict[str, str]]
    lines: list[dict[str, Any]]
    problems: list[str]
    prior: list[dict[str, str]] = dataclasses.field(default_factory=list)  # prior.csv: what a reader without the page gets

    def folder_of(self, line: dict[str, Any]) -> Path:
        """The run folder that a page lies in: of cells that were joined each has its own."""
        return line.get("run_folder", self.folder)

    def text(self, line: dict[str, Any]) -> tuple[str, str] | None:
        """(reference, reading) of a page, None if the folder does not hold them."""
        stem = self.folder_of(line) / "pages" / str(line["page"])
        try:
            return stem.with_name(stem.name + ".txt").read_text(encoding="utf-8"), stem.with_name(stem.name + ".hyp.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    def picture(self, line: dict[str, Any]) -> Path | None:
        """The page with its errors marked, or the plain page, whichever is there."""
        for ending in (".errors.png", ".png"):
            path = self.folder_of(line) / "pages" / (str(line["page"]) + ending)
            if path.is_file():
                return path
        return None


@dataclasses.dataclass
class Series:
    """Pages that belong in one line of a chart: one run, one kind of text, one number of vision tokens."""

    run: Run
    kind: str
    budget: int
    label: str
    lines: list[dict[str, Any]]

    @property
    def is_control(self) -> bool:
        return self.kind not in ("prose", "")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _normal(line: dict[str, Any]) -> dict[str, Any]:
    """The names of a curve's line, with what other tasks call differently filled in."""
    out = dict(line)
    for name, value in (line.get("metrics") or {}).items():
        out.setdefault(name, value)
    for name in ("kind", "text_kind"):
        if isinstance(line.get(name), str):
            out["kind"] = line[name]
            break
    out.setdefault("kind", "")
    out.setdefault("page", line.get("sample", line.get("key", "")))
    if "budget" not in out:
        out["budget"] = line.get("num_vision_tokens", line.get("vision_tokens", 0))
    if _number(out.get("ratio_measured")) is None and out["budget"] and _number(line.get("num_text_tokens")):
        out["ratio_measured"] = line["num_text_tokens"] / out["budget"]
    out.setdefault("ratio_asked", round(out["ratio_measured"], 1) if _number(out.get("ratio_measured")) else None)
    if "char_edit_distance" not in out and _number(out.get("edit_distance")) is not None:
        out["char_edit_distance"] = out["edit_distance"]
    return out


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _C.ConfigError(f"[report] {path} is damaged: {error}") from None
    return value if isinstance(value, dict) else {}


def _csv(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def load_run(folder: str | Path, name: str = "") -> Run:
    """Errors: ConfigError (no run folder, damaged lines before the last one)."""
    folder = Path(folder)
    results = folder / "results.jsonl"
    if not results.is_file():
        raise _C.ConfigError(f"[report] {folder} is no run folder: it has no results.jsonl")
    lines: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    raw = results.read_text(encoding="utf-8", errors="replace").split("\n")
    failed = 0
    for i, text in enumerate(raw):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            if i == len(raw) - 1:
                problems.append("the last line of results.jsonl is torn (the run was killed) and was left out")
                continue
            raise _C.ConfigError(f"[report] {results}, line {i + 1} is no JSON; take the line out, or run the command again") from None
        if not isinstance(line, dict):
            raise _C.ConfigError(f"[report] {results}, line {i + 1} is no object")
        if line.get("error"):
            failed += 1
            continue
        line = _normal(line)
        key = str(line.get("key") or i)
        if key in lines:
            problems.append(f"page {line['page']} stands twice in results.jsonl and is counted once")
        lines.setdefault(key, line)
    config, manifest = _json(folder / "config.json"), _json(folder / "manifest.json")
    found = max(int(config.get("format", 1)), int(manifest.get("format", 1)))
    if found > FORMAT:
        raise _C.ConfigError(f"[report] {folder} was written by a newer Fovea (format {found}, this one knows up to {FORMAT})")
    if (folder / "errors.jsonl").is_file():
        failed += sum(1 for text in (folder / "errors.jsonl").read_text(encoding="utf-8", errors="replace").split("\n") if text.strip())
    if failed:
        problems.append(f"{failed} samples ended in an error and have no score (see errors.jsonl of the run)")
    if manifest.get("status", "complete") != "complete":
        problems.append(f"the run is not finished (status {manifest['status']}): numbers are of the {len(lines)} pages that are there")
    ordered = sorted(lines.values(), key=lambda line: str(line["page"]))
    return Run(folder, name or folder.name, config, manifest, _csv(folder / "summary.csv"), ordered, problems, _csv(folder / "prior.csv"))


def load_runs(folders: list[str | Path]) -> list[Run]:
    """Each run folder, and every cell of a sweep's folder, with names that tell them apart."""
    found: list[Path] = []
    labels: dict[Path, str] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise _C.ConfigError(f"[report] there is no folder {folder}")
        if (folder / "results.jsonl").is_file():
            found.append(folder)
            continue
        cells = {folder / "cells" / str(cell["hash"]) / "run": str(cell.get("label") or cell["hash"]) for cell in _json(folder / "sweep.json").get("cells", [])}
        labels |= cells
        below = [cell for cell in cells if (cell / "results.jsonl").is_file()] or sorted(path.parent for path in folder.glob("*/results.jsonl"))
        if not below:
            raise _C.ConfigError(f"[report] {folder} is no run folder: neither it nor a folder in it has a results.jsonl")
        found += below
    seen: set[Path] = set()
    for folder in found:
        if folder.resolve() in seen:
            raise _C.ConfigError(f"[report] run folder {folder} is named twice")
        seen.add(folder.resolve())
    names = [labels.get(folder) or folder.name for folder in found]
    if len(set(names)) < len(names):
        names = ["/".join(folder.parts[-2:]) for folder in found]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in found]
    runs = [load_run(folder, name) for folder, name in zip(found, names, strict=True)]
    if all(not run.lines for run in runs):
        raise _C.ConfigError("[report] no page has a result yet in " + ", ".join(str(run.folder) for run in runs))
    return _joined(runs, folders)


def _joined(runs: list[Run], folders: list[str | Path]) -> list[Run]:
    """Cells of a sweep that differ in nothing but ratio and budget are points of the same curves: one run each."""
    group_of: dict[Path, tuple[Path, str]] = {}
    names: dict[tuple[Path, str], str] = {}
    for sweep in map(Path, folders):
        for cell in _json(sweep / "sweep.json").get("cells", []):
            if "values" not in cell:
                continue
            rest = {k: v for k, v in cell["values"].items() if k not in ("ratio", "budget")}
            key = (sweep, json.dumps(rest, sort_keys=True))
            group_of[sweep / "cells" / str(cell["hash"]) / "run"] = key
            names[key] = " ".join(f"{k}={','.join(map(str, v)) if isinstance(v, list) else v}" for k, v in rest.items()) or sweep.resolve().name
    out: list[Run] = []
    first: dict[tuple[Path, str], Run] = {}
    for run in runs:
        key = group_of.get(run.folder)
        if key is None or not run.lines:
            out.append(run)
            continue
        for line in run.lines:
            line["run_folder"] = run.folder
        if key not in first:
            run.name = names[key]
            first[key] = run
            out.append(run)
            continue
        joined = first[key]
        joined.lines += run.lines
        joined.summary += run.summary
        joined.problems += run.problems
        joined.prior += run.prior
    return out


def split_series(runs: list[Run]) -> list[Series]:
    """Prose first, then its controls; labels say no more than is needed to tell them apart."""
    groups: dict[tuple[int, str, int], list[dict[str, Any]]] = {}
    for number, run in enumerate(runs):
        for line in run.lines:
            groups.setdefault((number, str(line["kind"]), int(line.get("budget") or 0)), []).append(line)
    kinds = {kind for _, kind, _ in groups}
    budgets = {budget for _, _, budget in groups}
    of_kind: dict[tuple[str, int], int] = {}
    for _, kind, budget in groups:
        of_kind[kind, budget] = of_kind.get((kind, budget), 0) + 1

    def label(number: int, kind: str, budget: int) -> str:
        parts = []
        if of_kind[kind, budget] > 1 or not kind:
            parts.append(runs[number].name)
        if kind and (len(kinds) > 1 or not parts):
            parts.append(kind)
        if len(budgets) > 1:
            parts.append(f"{budget} tokens")
        return ", ".join(parts) or runs[number].name

    def place(key: tuple[int, str, int]) -> tuple[int, int, int]:
        number, kind, budget = key
        return (number if len(kinds) == 1 else 0), CONTROL_ORDER.index(kind) if kind in CONTROL_ORDER else 99, number * 100000 + budget

    return [Series(runs[key[0]], key[1], key[2], label(*key), groups[key]) for key in sorted(groups, key=place)]


def mean_interval(lines: list[dict[str, Any]], metric: str) -> dict[str, float] | None:
    """Mean over pages with its 95 % bootstrap interval; pages of one passage are drawn together."""
    held = [(line[metric], passage_of(line)) for line in lines if _number(line.get(metric)) is not None]
    if not held:
        return None
    numbers: dict[str, int] = {}
    clusters = [numbers.setdefault(passage, len(numbers)) for _, passage in held]
    found = _C.paired_bootstrap([float(v) for v, _ in held], [0.0] * len(held), clusters, 4000)
    return {"value": found["mean"], "low": found["low"], "high": found["high"], "num_pages": len(held)}


def passage_of(line: dict[str, Any]) -> str:
    return json.dumps([line.get("text"), line.get("passage", line.get("sample", line["page"]))], default=str)


def by_ratio(lines: list[dict[str, Any]]) -> list[tuple[float, list[dict[str, Any]]]]:
    groups: dict[float, list[dict[str, Any]]] = {}
    for line in lines:
        if _number(line.get("ratio_asked")) is not None and _number(line.get("ratio_measured")) is not None:
            groups.setdefault(float(line["ratio_asked"]), []).append(line)
    return sorted(groups.items())

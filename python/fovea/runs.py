"""Run folders as pandas tables: a curve's, a task's (`fovea eval`) or a whole sweep's.

`load(path)` gives a Run with

results   a row a page or sample, the fields of results.jsonl with those of `metrics` as columns of their own. Columns of a curve and of a task alike:
          key, page, budget, ratio_asked, ratio_measured, ratio_decoder_positions, font, font_size_px, text_kind, text, passage, num_text_tokens,
          num_chars, precision, recall, f1, char_edit_distance, num_edits, stop_reason, num_generated_tokens, mean_probability, seconds_encode,
          seconds_decode. Of a task also: task, task_version, sample, kind (prose or a control), mode, looped, empty, truncated, hallucination_rate,
          words_not_on_page, and what the task measures (found, strings_right, answer_contained, fox_precision, ...).
          Added by load for both: run (the folder's name), folder (its path), task ("curve" for a curve), kind (text_kind for a curve), looped.
summary   summary.csv
errors    samples that could not be read: sample, error
prior     prior.csv if there is one: what a reader without the page gets, a row a kind
config, manifest   as dicts

`load_all(paths)` puts several into one; a folder of runs or a sweep stands for what is in it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas

FORMAT = 1  # of run folders, as fovea/experiments/run_folder.h has it


class RunError(ValueError):
    """A folder is no run, a damaged one, or one of a newer version."""


@dataclasses.dataclass
class Run:
    path: Path
    config: dict[str, Any]
    manifest: dict[str, Any]
    results: pandas.DataFrame
    summary: pandas.DataFrame
    errors: pandas.DataFrame
    prior: pandas.DataFrame
    notes: list[str] = dataclasses.field(default_factory=list)  # what is damaged or left out

    @property
    def name(self) -> str:
        return self.path.name if self.path.name != "run" else self.path.parent.name

    @property
    def verb(self) -> str:
        return str(self.manifest.get("verb", "curve"))

    @property
    def complete(self) -> bool:
        return self.manifest.get("status") == "complete"

    def page_files(self, page: str) -> dict[str, Path]:
        """Files of a page that are there: png, txt, hyp.txt, errors.png."""
        found = {end: self.path / "pages" / f"{page}.{end}" for end in ("png", "txt", "hyp.txt", "errors.png")}
        return {end: path for end, path in found.items() if path.is_file()}


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"[run {path}] is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise RunError(f"[run {path}] must hold an object")
    return value


def _lines(path: Path, notes: list[str]) -> list[dict[str, Any]]:
    """Whole lines by key, the first of each; a torn last line is left out, as a run that goes on does."""
    if not path.is_file():
        return []
    out: dict[str, dict[str, Any]] = {}
    twice = 0
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                notes.append(f"{path.name} line {number} is torn; it and what follows is left out")
                break
            key = str(line.get("key", number))
            twice += key in out
            out.setdefault(key, line)
    if twice:
        notes.append(f"{path.name} holds {twice} samples twice; each is counted once")
    return list(out.values())


def _csv(path: Path) -> pandas.DataFrame:
    try:
        return pandas.read_csv(path)
    except (FileNotFoundError, pandas.errors.EmptyDataError):
        return pandas.DataFrame()


def is_run(path: str | os.PathLike[str]) -> bool:
    folder = Path(path)
    return (folder / "results.jsonl").is_file() and (folder / "config.json").is_file()


def load(path: str | os.PathLike[str]) -> Run:
    """One run folder. Errors: RunError."""
    folder = Path(path)
    if not folder.is_dir():
        raise RunError(f"[run] {folder} is no folder")
    if not is_run(folder):
        hint = "; it is a sweep: load_all reads its cells" if (folder / "sweep.json").is_file() else ""
        raise RunError(f"[run] {folder} holds no config.json and results.jsonl{hint}")
    config, manifest = _json(folder / "config.json"), _json(folder / "manifest.json")
    found = max(config.get("format", 1), manifest.get("format", 1))
    if found > FORMAT:
        raise RunError(f"[run] {folder} was written by a newer Fovea (format {found}, this one knows up to {FORMAT})")
    notes: list[str] = []
    rows = []
    for line in _lines(folder / "results.jsonl", notes):
        row = {k: v for k, v in line.items() if k != "metrics"}
        row.update(line.get("metrics") or {})
        row.setdefault("task", "curve")
        row.setdefault("kind", row.get("text_kind", "prose"))
        row.setdefault("looped", row.get("stop_reason") == "loop")
        rows.append(row)
    results = pandas.DataFrame(rows)
    errors = pandas.DataFrame(_lines(folder / "errors.jsonl", notes))
    if len(errors):
        notes.append(f"{len(errors)} samples could not be read")
    if manifest.get("status", "complete") != "complete":
        notes.append(f"the run is {manifest['status']}")
    run = Run(folder, config, manifest, results, _csv(folder / "summary.csv"), errors, _csv(folder / "prior.csv"), notes)
    if len(results):
        results.insert(0, "run", run.name)
        results.insert(1, "folder", str(folder))
    return run


def find(paths: Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Run folders: those named, the cells of sweeps, and the runs directly inside other folders. Errors: RunError where there is none."""
    for path in paths:
        folder = Path(path)
        if is_run(folder):
            yield folder
        elif (folder / "sweep.json").is_file():
            found = [folder / "cells" / str(cell["hash"]) / "run" for cell in _json(folder / "sweep.json").get("cells", [])]
            yield from (cell for cell in found if is_run(cell))
        elif folder.is_dir() and (inside := sorted(child for child in folder.iterdir() if is_run(child))):
            yield from inside
        else:
            raise RunError(f"[run] {folder} holds no run")


def check_versions(results: pandas.DataFrame, mixed: str = "refuse") -> pandas.DataFrame:
    """Numbers of different versions of a task must not stand in one table: refuse (RunError), or mark them in a column mixed_versions."""
    if "task_version" not in results:
        return results
    versions = results.dropna(subset=["task_version"]).groupby("task")["task_version"].agg(lambda v: sorted({str(x) for x in v}))
    bad = {task: found for task, found in versions.items() if len(found) > 1}
    if not bad:
        return results
    if mixed != "mark":
        told = "; ".join(f"{task}: {' and '.join(found)}" for task, found in bad.items())
        raise RunError(f"[run] versions of a task are mixed ({told}), whose numbers must not be compared; mixed='mark' marks them")
    return results.assign(mixed_versions=results["task"].isin(list(bad)))


def load_all(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, mixed: str = "refuse") -> list[Run]:
    """All runs of some folders. Axes of a sweep become columns of results where they are not there already. Errors: RunError."""
    names = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    axes: dict[Path, dict[str, Any]] = {}
    for name in names:
        for cell in _json(Path(name) / "sweep.json").get("cells", []):
            axes[Path(name) / "cells" / str(cell["hash"]) / "run"] = {"cell": cell["hash"], "label": cell["label"], **cell["values"]}
    runs = [load(folder) for folder in find(names)]
    for run in runs:
        for column, value in axes.get(run.path, {}).items():
            if column not in run.results and len(run.results):
                run.results[column] = ",".join(map(str, value)) if isinstance(value, list) else value
    check_versions(table(runs), mixed)
    return runs


def table(runs: Iterable[Run], what: str = "results") -> pandas.DataFrame:
    """One table of all runs' results (or summary, errors, prior); the last three get a column run."""
    parts = []
    for run in runs:
        part = getattr(run, what)
        if len(part):
            parts.append(part if "run" in part else part.assign(run=run.name))
    return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()


def to_parquet(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> list[Path]:
    """results.parquet (and of a sweep one for all cells) beside results.jsonl. Errors: RunError; ImportError naming the package."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet needs pyarrow: pip install pyarrow") from None
    folder = Path(path)
    runs = load_all([folder], mixed="mark")
    target = Path(out) if out is not None else folder / "results.parquet"
    partial = target.with_name(target.name + ".part")
    data = pyarrow.Table.from_pandas(_plain(table(runs)), preserve_index=False)
    pyarrow.parquet.write_table(data, partial)
    os.replace(partial, target)
    return [target]


def _plain(data: pandas.DataFrame) -> pandas.DataFrame:
    """Columns of one kind each: what is a list or dict, or mixed, becomes JSON text."""
    out = data.copy()
    for column in out.columns:
        kinds = {type(value) for value in out[column] if value is not None and value == value}
        if kinds - {int, float, bool, str} or (str in kinds and len(kinds) > 1):
            out[column] = [value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False) for value in out[column]]
    return out

"""Tables, figures and READMEs out of the rows."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fovea import _C, figures
from fovea.paper import drawings
from fovea.paper.items import Item, Row, items, slips
from fovea.paper.measured import FIELDS, Measured
from fovea.paper.tables import MEASURED, TABLES


@dataclasses.dataclass
class Result:
    """One table with its figure."""

    item: Item
    rows: list[Row]
    orientation: list[Measured]
    notes: list[str]
    status: str
    files: list[Path]

    def line(self) -> str:
        measured = [r for r in self.rows if r.ours is not None]
        outside = [r for r in measured if verdict(self.item, r) == "outside"]
        counts = f"{len(measured)} of {len(self.rows)} values ours" + (f", {len(outside)} outside the gap" if outside else "")
        return f"{self.item.name:<20} {self.status:<26} {counts}; {self.files[0]}"


def gap_of(row: Row) -> float | None:
    return None if row.ours is None or row.published is None else row.ours - row.published


def verdict(item: Item, row: Row) -> str:
    """equal or within the allowed gap, outside it, or not measured."""
    gap, allowed = gap_of(row), item.gap if row.gap is None else row.gap
    if gap is None:
        return "not published" if row.published is None else "not measured"
    return "equal" if gap == 0 else "within" if abs(gap) <= allowed + 1e-9 else "outside"


def status_of(item: Item, rows: list[Row]) -> str:
    """reproduced once every published value has one of ours within its gap (all of an item that is so by construction but for named slips)."""
    compared = [r for r in rows if r.published is not None]
    if compared and all(verdict(item, r) in ("equal", "within") for r in compared):
        return "reproduced"
    return item.status


def plain(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}".rstrip("0").rstrip(".")


def _table_rows(item: Item, rows: list[Row]) -> list[dict[str, object]]:
    return [
        {
            "key": r.key, "what": r.what, "published": r.published, "measured_by_others": r.other, "ours": r.ours, "gap": gap_of(r),
            "allowed_gap": item.gap if r.gap is None else r.gap, "verdict": verdict(item, r), "note": r.note,
        }
        for r in rows
    ]


def _markdown(result: Result, picture: str) -> str:
    item = result.item
    others = any(r.other is not None for r in result.rows)
    out = [
        f"# {item.title}", "", f"Made by `fovea paper {item.name} --write-readme` from `python/fovea/data/paper`; not written by hand.", "",
        f"- source: {item.source}", f"- status: **{result.status}**", f"- unit: {item.unit}", f"- allowed gap: {plain(item.gap) or '0'} ({item.gap_reason})",
        f"- command: `{item.command}`", f"- time: {item.time}", f"- hardware: {item.hardware}", "",
    ]
    if picture:
        out += [f"![{item.title}]({picture})", ""]
    head = ["", "published", *(["measured by others"] if others else []), "ours", "gap", "verdict"]
    out += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for r in result.rows:
        gap = gap_of(r)
        cells = [r.what, plain(r.published), *([plain(r.other)] if others else []), plain(r.ours), f"{gap:+.3g}" if gap is not None else "", verdict(item, r) + (f" ({r.note})" if r.note else "")]
        out.append("| " + " | ".join(cells) + " |")
    if result.orientation:
        out += ["", "Orientation only (another reader, or other pages: no value of the table):", "", "| | value | ratio | pages | reader | hardware | revision |", "|---|---|---|---|---|---|---|"]
        out += [f"| {m.key} | {plain(m.value)} | {f'{m.ratio:.2f}' if m.ratio else ''} | {m.num_pages or ''} | {m.model} | {m.hardware} | {m.git_revision} |" for m in result.orientation]
    if result.notes:
        out += ["", *(f"- {note}" for note in result.notes)]
    return "\n".join(out) + "\n"


def _slips_markdown() -> str:
    head = ["# Slips in the published numbers", "", "Found by computing over `python/fovea/data/paper` (`fovea.paper.slips()`); made by `fovea paper --write-readme`.", ""]
    return "\n".join([*head, *(f"- {slip}" for slip in slips())]) + "\n"


def repro_folder() -> Path | None:
    """paper-repro of the checkout that this package stands in."""
    folder = Path(__file__).resolve().parents[3] / "paper-repro"
    return folder if folder.is_dir() else None


def _given(texts: dict[str, str] | Sequence[tuple[str, str]], names: list[str]) -> dict[str, list[tuple[str, Path]]]:
    out: dict[str, list[tuple[str, Path]]] = {}
    for name, path in texts.items() if isinstance(texts, dict) else texts:
        head, _, part = name.partition(":")
        if head not in names:
            near = difflib.get_close_matches(head, names, 1)
            raise _C.ConfigError(f"[paper] --ours names '{head}'" + (f"; did you mean '{near[0]}'?" if near else f"; names are {', '.join(names)}"))
        if not Path(path).exists():
            raise _C.ConfigError(f"[paper] there is no {path}, which --ours {name} names")
        out.setdefault(head, []).append((part, Path(path)))
    return out


def build(
    names: Sequence[str] = (), out: str | os.PathLike[str] = "runs/paper", *, ours: dict[str, str] | Sequence[tuple[str, str]] = (), write_readme: bool = False, keep: bool = False,
    on_item: Callable[[str], None] | None = None,
) -> list[Result]:
    """Tables and figures into OUT/NAME: table.csv, README.md, figure.svg, figure.png, figure.pdf.

    names         which (all where none is given); see items()
    ours          (NAME or NAME:ROW, path) pairs: run folders, results or metrics files to take our values from
    write_readme  into paper-repro/NAME of the checkout as well
    keep          writes what was measured into the package's data, so that it is shown without being measured anew
    Errors: ConfigError (unknown name, a file that is none of these).
    """
    every = {item.name: item for item in items()}
    for name in names:
        if name not in every:
            near = difflib.get_close_matches(name, list(every), 1)
            raise _C.ConfigError(f"[paper] there is no '{name}'" + (f"; did you mean '{near[0]}'?" if near else f"; names are {', '.join(every)}"))
    given = _given(ours, list(every))
    results = []
    for name in names or every:
        if on_item:
            on_item(name)
        item = every[name]
        rows, orientation, notes = TABLES[name](given.get(name, []))
        folder = Path(out) / name
        folder.mkdir(parents=True, exist_ok=True)
        result = Result(item, rows, orientation, notes, status_of(item, rows), [])
        written = [figures.write_atomic(folder / "table.csv", figures.to_csv(_table_rows(item, rows)))]
        drawn = figures.save(drawings.draw(item, rows, orientation), folder / "figure", drawings.data_rows(rows, orientation))
        result.files = [figures.write_atomic(folder / "README.md", _markdown(result, "figure.svg")), *written, *drawn]
        if keep and given.get(name):
            _keep(name, given[name], orientation)
        results.append(result)
        if write_readme:
            root = repro_folder()
            if root is None:
                raise _C.ConfigError("[paper] --write-readme needs a checkout: there is no paper-repro beside this package")
            (root / name).mkdir(exist_ok=True)
            for file in ("README.md", "table.csv", "figure.svg"):
                figures.write_atomic(root / name / file, (folder / file).read_text(encoding="utf-8"))
            figures.write_atomic(root / "SLIPS.md", _slips_markdown())
    return results


def _keep(name: str, given: list[tuple[str, Path]], orientation: list[Measured]) -> None:
    """What was measured, into the package's data, with where it came from."""
    found = orientation if name not in MEASURED else [m for part, path in given for m in MEASURED[name](path, part)[0]]
    folder = Path(__file__).resolve().parents[1] / "data" / "paper" / "ours"
    folder.mkdir(exist_ok=True)
    figures.write_atomic(folder / f"{name}.csv", figures.to_csv([m.row() for m in found]) if found else ",".join(FIELDS) + "\n")

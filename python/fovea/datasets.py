"""Data sets as their users have them: cards, checks, statistics, and readers. Nothing is downloaded; the command for it is told.

    for record in fovea.datasets.records("pairs.parquet"): ...

reads JSON Lines, a JSON list, Parquet, a Hugging Face data set saved on disk (datasets.save_to_disk), plain text, Fox and OmniDocBench.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fovea import _C

_ROOT = Path(__file__).resolve().parents[2] / "datasets"
KINDS = ("text", "jsonl", "parquet", "hf", "fox", "omnidocbench")


@dataclasses.dataclass(frozen=True)
class Card:
    """What a data set is, under which licence, how it is cited, and where it comes from."""

    name: str
    title: str
    kind: str
    licence: str
    citation: str
    used_for: str
    languages: tuple[str, ...] = ()
    homepage: str = ""
    files: str = ""
    download: str = ""  # the user's own command; empty for what ships
    ships: str = ""  # folder under datasets/
    pattern: str = "*"

    def paths(self) -> list[Path]:
        """Files of a set that ships."""
        return sorted(p for p in (_ROOT / self.ships).glob(self.pattern) if p.is_file()) if self.ships else []


def cards() -> dict[str, Card]:
    """All cards by name."""
    out = {}
    for path in sorted((_ROOT / "cards").glob("*.toml")):
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        fields["languages"] = tuple(fields.get("languages", ()))
        card = Card(**fields)
        out[card.name] = card
    return out


def card(name: str) -> Card:
    """Errors: ConfigError with the nearest name."""
    known = cards()
    if name in known:
        return known[name]
    near = next(iter(difflib.get_close_matches(name, list(known), 1)), "")
    raise _C.ConfigError(f"[data] unknown data set '{name}'" + (f", did you mean '{near}'?" if near else "") + f"; known: {', '.join(known)}")


def kind_of(path: str | os.PathLike[str]) -> str:
    """text, jsonl, parquet, hf, fox or omnidocbench. Errors: OSError, ConfigError."""
    file = Path(path)
    if file.is_dir():
        if (file / "en_page_ocr.json").is_file() or (file / "cn_page_ocr.json").is_file():
            return "fox"
        if (file / "OmniDocBench.json").is_file():
            return "omnidocbench"
        if (file / "state.json").is_file() or (file / "dataset_dict.json").is_file():
            return "hf"
        if any(file.glob("*.parquet")):
            return "parquet"
        raise _C.ConfigError(f"[data] {file} is no folder of Fox, OmniDocBench, Parquet files or a Hugging Face data set saved on disk")
    if not file.is_file():
        raise _C.IoError(f"[data] {file} is not there")
    if file.suffix == ".parquet":
        return "parquet"
    if file.suffix == ".jsonl":
        return "jsonl"
    if file.suffix == ".json":
        with open(file, encoding="utf-8", errors="replace") as text:
            start = text.read(1 << 16)
        return "omnidocbench" if '"layout_dets"' in start or '"page_info"' in start else "fox" if '"conversations"' in start else "jsonl"
    return "text"


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet and Hugging Face data sets need pyarrow: pip install pyarrow") from None
    return pyarrow


def _parquet_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def _hf_files(path: Path) -> list[Path]:
    """Arrow files of a saved data set, in the order that its state.json tells; of a dict of them all splits, by name."""
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text(encoding="utf-8")).get("splits", [])
        return [file for split in splits for file in _hf_files(path / split)]
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        return [path / entry["filename"] for entry in state["_data_files"]]
    except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise _C.ConfigError(f"[data] {path}/state.json does not name the data set's files ({error})") from None


def records(path: str | os.PathLike[str], kind: str = "") -> Iterator[dict[str, Any]]:
    """Records of a data set, whatever its form; a text file is one record {"text"}. Errors: OSError, ConfigError with the place, ImportError (pyarrow)."""
    kind = kind or kind_of(path)
    file = Path(path)
    if kind == "text":
        yield {"text": _C.read_text(str(file))}
    elif kind == "fox":
        files = [file / n for n in ("en_page_ocr.json", "cn_page_ocr.json") if (file / n).is_file()] if file.is_dir() else [file]
        for name in files:
            yield from _C.read_fox(str(name))
    elif kind == "omnidocbench":
        yield from _C.read_omnidocbench(str(file / "OmniDocBench.json" if file.is_dir() else file))
    elif kind == "parquet":
        arrow = _arrow()
        for name in _parquet_files(file):
            try:
                table = arrow.parquet.ParquetFile(name)
                for batch in table.iter_batches():
                    yield from batch.to_pylist()
            except arrow.ArrowException as error:
                raise _C.ConfigError(f"[{name}] is no Parquet file, or a damaged one: {error}") from None
    elif kind == "hf":
        arrow = _arrow()
        for name in _hf_files(file):
            try:
                with arrow.memory_map(str(name)) as source:
                    for batch in arrow.ipc.open_stream(source):
                        yield from batch.to_pylist()
            except FileNotFoundError:
                raise _C.IoError(f"[{name}] is not there, although state.json names it") from None
            except arrow.ArrowException as error:
                raise _C.ConfigError(f"[{name}] is no Arrow stream, or a damaged one: {error}") from None
    else:
        text = file.read_text(encoding="utf-8")
        if text.lstrip()[:1] == "[":
            yield from _list(text, file)
            return
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise _C.ConfigError(f"[{file} line {number} column {error.colno}] is no JSON") from None
            if not isinstance(record, dict):
                raise _C.ConfigError(f"[{file} line {number}] must be an object {{...}}, got {type(record).__name__}")
            yield record


def _list(text: str, file: Path) -> Iterator[dict[str, Any]]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _C.ConfigError(f"[{file} line {error.lineno} column {error.colno}] is no JSON: {error.msg}") from None
    for number, record in enumerate(found):
        if not isinstance(record, dict):
            raise _C.ConfigError(f"[{file}: record {number}] must be an object {{...}}, got {type(record).__name__}")
        yield record


_TEXT_COLUMNS = ("text", "content", "context", "markdown", "body")


def as_files(paths: list[str], *, task: str, scratch: Path) -> list[str]:
    """Paths that the C++ tasks read: Parquet and Hugging Face sets become JSON Lines (qa) or a text file (other tasks), named by their content.

    Errors: ConfigError where the records have no text.
    """
    out = []
    for path in paths:
        kind = kind_of(path)
        if kind not in ("parquet", "hf") and not (kind == "jsonl" and task in ("curve", "needle", "perplexity", "forgetting")):
            out.append(path)
            continue
        rows = list(records(path, kind))
        if task == "qa":
            text = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
            ending = "jsonl"
        else:
            column = next((c for c in _TEXT_COLUMNS if rows and isinstance(rows[0].get(c), str)), None)
            if column is None:
                raise _C.ConfigError(f"[data] {path} has no column of text; one of {', '.join(_TEXT_COLUMNS)} is looked for, it has {', '.join(rows[0]) if rows else 'no record'}")
            text = "\n\f\n".join(str(row[column]) for row in rows if row.get(column))  # a form feed parts documents
            ending = "txt"
        scratch.mkdir(parents=True, exist_ok=True)
        target = scratch / f"{Path(path).stem}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.{ending}"
        if not target.is_file():
            partial = target.with_name(target.name + ".part")
            partial.write_text(text, encoding="utf-8")
            os.replace(partial, target)
        out.append(str(target))
    return out


def statistics(path: str | os.PathLike[str], kind: str = "") -> dict[str, Any]:
    """Records, characters, words, DeepSeek tokens, and what the kind adds (languages, images that are not there)."""
    from fovea.api import deepseek_tokenizer, deepseek_tokenizer_path

    kind = kind or kind_of(path)
    tokenizer = deepseek_tokenizer() if deepseek_tokenizer_path() else None
    out: dict[str, Any] = {"kind": kind, "records": 0, "characters": 0, "words": 0}
    tokens: list[int] = []
    languages: dict[str, int] = {}
    for record in records(path, kind):
        text = next((record[c] for c in _TEXT_COLUMNS if isinstance(record.get(c), str)), "")
        out["records"] += 1
        out["characters"] += len(text)
        out["words"] += len(text.split())
        if tokenizer is not None:
            tokens.append(tokenizer.count_tokens(text))
        if language := record.get("language"):
            languages[str(language)] = languages.get(str(language), 0) + 1
    if tokens:
        out["text_tokens"] = sum(tokens)
        out["text_tokens_a_record"] = {"least": min(tokens), "median": sorted(tokens)[len(tokens) // 2], "most": max(tokens)}
    if languages:
        out["languages"] = dict(sorted(languages.items()))
    return out


def check(path: str | os.PathLike[str], kind: str = "", images: str = "") -> list[str]:
    """What is wrong with a data set, a line each; empty if nothing. Reads everything, images only as far as to see that they are pictures."""
    kind = kind or kind_of(path)
    problems: list[str] = []
    try:
        rows = list(records(path, kind))
    except (_C.Error, OSError, ImportError) as error:
        return [str(error)]
    if not rows:
        problems.append(f"{path} holds no record")
    base = Path(path) if Path(path).is_dir() else Path(path).parent
    if kind in ("fox", "omnidocbench"):
        missing, damaged = [], []
        for row in rows:
            name = row["image"]
            folders = ["cn_pdf_png" if name.startswith("cn_") else "en_pdf_png"] if kind == "fox" else ["images", "../images"]
            file = Path(_C.image_file(name, images, str(base), folders))
            if not file.is_file():
                missing.append(name)
                continue
            with open(file, "rb") as picture:
                head = picture.read(12)
            if not head.startswith((b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*")) and head[8:12] != b"WEBP":
                damaged.append(name)
        for what, names in (("images are not there", missing), ("images are no PNG, JPEG, TIFF or WebP", damaged)):
            if names:
                problems.append(f"{len(names)} {what}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}")
    ids: dict[str, int] = {}
    for number, row in enumerate(rows):
        if (name := row.get("id")) is not None:
            if str(name) in ids:
                problems.append(f"record {number} has the id '{name}' of record {ids[str(name)]}")
            ids.setdefault(str(name), number)
    empty = sum(1 for row in rows if not any(str(row.get(c) or "").strip() for c in _TEXT_COLUMNS))
    if empty:
        problems.append(f"{empty} of {len(rows)} records have no text ({', '.join(_TEXT_COLUMNS)})")
    return problems
